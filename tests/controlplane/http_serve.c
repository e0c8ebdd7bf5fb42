/* http_serve: whose a request is: a service, a plain path or a websocket; the check
 * of its signature; the way to its handler. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http_request.h"

/* ---- plain paths ---- */

struct plain {
    struct cp_http pub;
    struct cp_request *r;
    struct url_params params;
};

static const char *plain_query(struct cp_http *h, const char *name)
{
    return url_params_get(&((struct plain *)(void *)h)->params, name);
}

static const char *plain_header(struct cp_http *h, const char *name)
{
    return http_header(((struct plain *)(void *)h)->r, name);
}

struct cp_request *http_plain_request(struct cp_http *h)
{
    return ((struct plain *)(void *)h)->r;
}

static void plain_init(struct plain *p, struct cp_request *r)
{
    *p = (struct plain){ .pub = { .method = r->method,
                                  .path = r->path,
                                  .raw_path = r->raw_path,
                                  .raw_query = r->raw_query,
                                  .body = buf_str(&r->body),
                                  .query = plain_query,
                                  .header = plain_header },
                         .r = r };
    if (!url_params_parse(&p->params, str_of(r->raw_query)))
        p->params.count = 0;
}

const struct path *http_path_find(const struct http *h, const char *path)
{
    const struct path *best = NULL;

    for (size_t i = 0; i < h->path_count; i++) {
        const struct path *p = &h->paths[i];

        if (str_starts(path, p->prefix) && (!best || strlen(p->prefix) > strlen(best->prefix)))
            best = p;
    }
    return best;
}

static void serve_path(struct cp_request *r, const struct path *p)
{
    struct plain h;

    plain_init(&h, r);
    p->fn(p->user, &h.pub);
    url_params_fini(&h.params);
    if (!r->answered)
        http_answer(r, 404, "text/plain", str_of("not found\n"));
}

/* ---- signed requests ---- */

static struct auth_request auth_request_of(struct cp_request *r, bool with_body)
{
    return (struct auth_request){
        .method = str_of(r->method),
        .path = str_of(r->raw_path),
        .query = str_of(r->raw_query),
        .headers = r->headers,
        .header_count = r->header_count,
        .body = with_body ? buf_str(&r->body) : str_of(""),
    };
}

static bool verified(struct cp_request *r, const char *service, bool any_region,
                     struct auth_refusal *why)
{
    struct cp_server *s = r->http->server;
    struct auth_request a = auth_request_of(r, true);
    struct str region = auth_claimed_region(&a);

    snprintf(r->region, sizeof r->region, "%.*s", (int)region.n, region.p ? region.p : "");
    if (auth_verify(cp_server_keys(s), &a, any_region ? NULL : cp_server_region(s), service,
                    cp_server_told_ms(s), r->signer, why))
        return true;
    /* What a test has brought about is no fault of the client's. */
    if (why->fault == AUTH_EXPIRED || (why->fault == AUTH_SKEW && cp_server_clock_offset(s) != 0))
        return false;
    cp_violation(s, "%s %s was refused: %s: %.*s", r->method, r->target[0] ? r->target : r->path,
                 why->type, (int)strcspn(buf_text(&why->message), "\n"), buf_text(&why->message));
    return false;
}

/* False when it was refused and answered. */
static bool admitted(struct cp_request *r, const struct service *sv)
{
    struct auth_refusal why;
    struct dialect_error e;
    bool good = verified(r, sv->name, sv->any_region, &why);

    if (!good) {
        e = dialect_refusal(r->dialect, &why);
        http_answer_error(r, &e);
    }
    buf_fini(&why.message);
    return good;
}

static void refuse(struct cp_request *r, int status, const char *type, const char *message)
{
    http_answer_error(r, &(const struct dialect_error){ status, type, message });
}

#define UNSIGNED_ACTION "AssumeRoleWithWebIdentity"

static void serve_form(struct cp_request *r, const struct service *sv)
{
    struct cp_caller who = { r->signer, r->region };
    struct url_params form;
    struct plain h;

    if (streq(r->operation, UNSIGNED_ACTION))
        snprintf(r->region, sizeof r->region, "%s", cp_server_region(r->http->server));
    else if (!admitted(r, sv))
        return;
    if (!url_params_parse(&form, buf_str(&r->body))) {
        refuse(r, 400, "MalformedQueryString", "too many parameters");
        return;
    }
    plain_init(&h, r);
    sv->form(sv->user, &h.pub, &form, r->operation, &who);
    url_params_fini(&h.params);
    url_params_fini(&form);
    if (!r->answered)
        refuse(r, 400, "InvalidAction", "Could not find operation");
}

static void serve_rest(struct cp_request *r, const struct service *sv)
{
    struct cp_caller who = { r->signer, r->region };
    struct plain h;

    if (!admitted(r, sv))
        return;
    plain_init(&h, r);
    sv->rest(sv->user, &h.pub, r->operation, &who);
    url_params_fini(&h.params);
    if (!r->answered)
        refuse(r, 501, "NotImplemented",
               "A header you provided implies functionality that is not implemented.");
}

static void serve_call(struct cp_request *r, const struct service *sv)
{
    const char *agent = http_header(r, "User-Agent");
    struct err e = { 0 };

    if (!admitted(r, sv))
        return;
    if (r->body.len == 0) {
        refuse(r, 400, "SerializationException", "the request has no body");
        return;
    }
    if (json_parse(r->body.data, r->body.len, &r->doc, &e)) {
        cp_violation(r->http->server, "%s: the body is %s", r->target, e.msg);
        refuse(r, 400, "SerializationException", e.msg);
        return;
    }
    r->call = (struct cp_call){
        .operation = r->operation,
        .body = jcur_root(r->doc, &r->doc_err),
        .region = r->region,
        .access_key = r->signer,
        .user_agent = agent ? agent : "",
        .now_ms = r->arrived_ms,
    };
    if (jcur_type(&r->call.body) != JSON_OBJ) {
        refuse(r, 400, "SerializationException", "the body is not an object");
        return;
    }
    sv->fn(sv->user, &r->call);
}

static void serve_websocket(struct cp_request *r)
{
    struct cp_server *s = r->http->server;
    struct auth_request a = auth_request_of(r, true);
    struct buf refusal = BUF_INIT(1024);
    struct auth_refusal why = { 0 };

    if (!verified(r, "ecs", false, &why)) {
        struct jw w;

        /* Short, because clients read 1024 bytes of it. */
        jw_init(&w, &refusal);
        jw_object(&w);
        jw_kstr(&w, "type", "AccessDeniedException");
        jw_kobject(&w, "message");
        jw_key(&w, "message");
        jw_strn(&w, (struct str){ buf_text(&why.message), strcspn(buf_text(&why.message), "\n") });
        jw_end(&w);
        jw_end(&w);
    } else {
        r->ws = wss_accept(cp_server_wss(s), r->path, &a, r->ws_accept, &refusal);
    }
    buf_fini(&why.message);
    if (r->ws)
        http_answer(r, 101, "", str_of(""));
    else
        http_answer(r, 400, "application/json", buf_str(&refusal));
    buf_fini(&refusal);
}

static const struct service *service_find(const struct http *h, const char *target)
{
    const char *dot = strrchr(target, '.');

    for (size_t i = 0; dot && dot[1] && i < h->service_count; i++) {
        const char *prefix = h->services[i].target_prefix;

        if (prefix && strlen(prefix) == (size_t)(dot - target) &&
            memcmp(prefix, target, strlen(prefix)) == 0)
            return &h->services[i];
    }
    return NULL;
}

static const struct service *named(const struct http *h, struct str name)
{
    for (size_t i = 0; i < h->service_count; i++) {
        if (!h->services[i].fn && str_is(name, h->services[i].name))
            return &h->services[i];
    }
    return NULL;
}

static bool type_is(struct cp_request *r, const char *wanted)
{
    struct auth_request a = auth_request_of(r, false);
    struct str type = auth_header_find(&a, "content-type");

    return type.n >= strlen(wanted) && memcmp(type.p, wanted, strlen(wanted)) == 0;
}

/* ---- whose it is ---- */

static void set_operation(struct cp_request *r, const struct service *sv, const char *name)
{
    r->service = sv;
    r->dialect = sv->dialect;
    snprintf(r->target, sizeof r->target, "%s.%s", sv->name, name);
    r->operation = r->target + strlen(sv->name) + 1;
}

/* The query protocol does not say whose action it is but in the signature. */
static void classify_form(struct cp_request *r, struct str service)
{
    const struct service *sv = named(r->http, service.p ? service : str_of("sts"));
    struct url_params form;
    const char *action;

    if (!sv || !sv->form)
        sv = named(r->http, str_of("sts"));
    if (!sv)
        return;
    if (!url_params_parse(&form, buf_str(&r->body)))
        form.count = 0;
    action = url_params_get(&form, "Action");
    set_operation(r, sv, action ? action : "");
    url_params_fini(&form);
}

static void classify_rest(struct cp_request *r, const struct service *sv, bool is_signed)
{
    struct plain h;
    const char *name;

    plain_init(&h, r);
    name = sv->rest_name(sv->user, &h.pub, is_signed);
    if (name)
        set_operation(r, sv, name);
    url_params_fini(&h.params);
}

void http_classify(struct cp_request *r)
{
    const char *target = http_header(r, "X-Amz-Target");
    struct auth_request a = auth_request_of(r, false);
    struct str service = auth_claimed_service(&a);
    const struct service *s3 = named(r->http, str_of("s3"));
    bool post = streq(r->method, "POST");

    if (s3 && str_is(service, "s3")) {
        classify_rest(r, s3, true);
    } else if (target && post) {
        snprintf(r->target, sizeof r->target, "%s", target);
        r->service = service_find(r->http, r->target);
        if (r->service)
            r->operation = strrchr(r->target, '.') + 1;
    } else if (post && streq(r->path, "/") && type_is(r, "application/x-www-form-urlencoded")) {
        classify_form(r, service);
    } else if (s3 && !service.p && !http_path_find(r->http, r->path) &&
               !wss_has_path(cp_server_wss(r->http->server), r->path)) {
        classify_rest(r, s3, false);
    }
}

void http_serve(struct cp_request *r)
{
    const struct path *plain = http_path_find(r->http, r->path);
    const struct service *sv = r->service;

    if (sv && sv->rest)
        serve_rest(r, sv);
    else if (wss_has_path(cp_server_wss(r->http->server), r->path) && streq(r->method, "GET"))
        serve_websocket(r);
    else if (plain)
        serve_path(r, plain);
    else if (sv && sv->form)
        serve_form(r, sv);
    else if (sv && !type_is(r, "application/x-amz-json-1.1"))
        refuse(r, 400, "SerializationException", "Content-Type must be application/x-amz-json-1.1");
    else if (sv)
        serve_call(r, sv);
    else if (r->target[0])
        refuse(r, 400, "UnknownOperationException", "the target is not known here");
    else
        refuse(r, 404, "UnknownOperationException", "nothing is served at this path");
}
