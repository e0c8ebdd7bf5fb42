/* http: requests from libmicrohttpd, sorted to services, plain paths, forms and
 * websockets. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server.h"

/* A legal PutLogEvents batch is 1 MiB of text, and six times that once every
 * byte of it is a control character and written as \u00XX. */
#define BODY_MAX     (8 * 1024 * 1024)
#define ANSWER_MAX   (64 * 1024 * 1024)
#define SERVICES_MAX 16
#define PATHS_MAX    16

struct service {
    char *target_prefix, *name;
    cp_service_fn *fn;
    cp_form_fn *form;
    void *user;
};

struct path {
    char *prefix;
    cp_path_fn *fn;
    void *user;
};

struct http {
    struct cp_server *server;
    struct service services[SERVICES_MAX];
    size_t service_count;
    struct path paths[PATHS_MAX];
    size_t path_count;
    struct list requests;
};

struct cp_request {
    struct list node;
    struct http *http;
    struct MHD_Connection *con;
    char *raw_path, *raw_query, *path;
    char method[16];
    struct auth_header headers[AUTH_HEADERS_MAX]; /* borrowed from MHD */
    size_t header_count;
    bool too_many_headers;
    struct buf body;
    int64_t arrived_us, arrived_ms;

    bool dispatched, asleep, answered, drop, lose;
    struct cp_timer *delay; /* of an injected fault */
    struct fault fault;
    char target[160], signer[AUTH_KEY_SIZE];

    struct cp_call call; /* what a service sees */
    struct json_t *doc;
    struct err doc_err;
    const struct service *service;

    struct cp_ws *ws;
    char ws_accept[WS_ACCEPT_SIZE];

    int status;
    char content_type[96], error_type[96];
    struct buf out;
};

struct http *http_create(struct cp_server *s)
{
    struct http *h = NEW(struct http);

    h->server = s;
    list_init(&h->requests);
    return h;
}

void http_destroy(struct http *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->service_count; i++) {
        free(h->services[i].target_prefix);
        free(h->services[i].name);
    }
    for (size_t i = 0; i < h->path_count; i++)
        free(h->paths[i].prefix);
    free(h);
}

static struct service *new_service(struct cp_server *s)
{
    struct http *h = cp_server_http(s);

    if (h->service_count == SERVICES_MAX)
        abort();
    return &h->services[h->service_count++];
}

void cp_server_add_service(struct cp_server *s, const char *target_prefix, const char *service,
                           cp_service_fn *fn, void *user)
{
    *new_service(s) =
        (struct service){ mem_strdup(target_prefix), mem_strdup(service), fn, NULL, user };
}

void cp_server_add_form(struct cp_server *s, const char *service, cp_form_fn *fn, void *user)
{
    *new_service(s) = (struct service){ NULL, mem_strdup(service), NULL, fn, user };
}

void cp_server_add_path(struct cp_server *s, const char *prefix, cp_path_fn *fn, void *user)
{
    struct http *h = cp_server_http(s);

    if (h->path_count == PATHS_MAX)
        abort();
    h->paths[h->path_count++] = (struct path){ mem_strdup(prefix), fn, user };
}

/* ---- answers ---- */

static void wake(struct cp_request *r)
{
    if (r->asleep) {
        r->asleep = false;
        MHD_resume_connection(r->con);
    }
}

static void answer(struct cp_request *r, int status, const char *content_type, struct str body)
{
    if (r->answered || r->drop)
        return;
    r->answered = true;
    r->status = status;
    snprintf(r->content_type, sizeof r->content_type, "%s", content_type);
    buf_reset(&r->out);
    buf_append(&r->out, body.p, body.n);
    if (r->lose)
        r->drop = true;
    wake(r);
}

static void drop(struct cp_request *r)
{
    r->drop = true;
    wake(r);
}

static void answer_error(struct cp_request *r, int status, const char *type, const char *message)
{
    struct buf b = BUF_INIT(2 * AUTH_MESSAGE_MAX);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "__type", type);
    jw_kstr(&w, "message", message);
    jw_end(&w);
    snprintf(r->error_type, sizeof r->error_type, "%s", type);
    answer(r, status, "application/x-amz-json-1.1", buf_str(&b));
    buf_fini(&b);
}

static struct cp_request *request_of(struct cp_call *call)
{
    return (struct cp_request *)(void *)((char *)call - offsetof(struct cp_request, call));
}

void cp_reply(struct cp_call *call, struct str json)
{
    answer(request_of(call), 200, "application/x-amz-json-1.1", json);
}

void cp_reply_error(struct cp_call *call, int status, const char *type, const char *fmt, ...)
{
    struct buf b = BUF_INIT(AUTH_MESSAGE_MAX);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    answer_error(request_of(call), status, type, buf_text(&b));
    buf_fini(&b);
}

static void note(struct cp_request *r, int status)
{
    struct cp_server *s = r->http->server;

    if (str_starts(r->path, "/_local"))
        return;
    faults_note_request(cp_server_faults(s), r->arrived_us, r->method,
                        r->target[0] ? r->target : r->path, status, r->signer);
    if (status >= 400 || status == 0)
        log_info("refused", kv_s("target", r->target[0] ? r->target : r->path),
                 kv_i("status", status), kv_s("type", r->error_type));
    else
        log_debug("served", kv_s("target", r->target[0] ? r->target : r->path),
                  kv_i("status", status));
}

static void on_upgraded(void *cls, struct MHD_Connection *con, void *slot, const char *extra,
                        size_t extra_n, MHD_socket fd, struct MHD_UpgradeResponseHandle *urh)
{
    struct cp_request *r = cls;
    struct cp_ws *ws = r->ws;

    (void)con;
    (void)slot;
    r->ws = NULL;
    wss_upgraded(ws, fd, urh, (struct str){ extra, extra_n });
}

static enum MHD_Result queue_answer(struct cp_request *r)
{
    struct MHD_Response *response;
    char id[RNG_UUID_SIZE];
    enum MHD_Result ok;

    if (r->drop) {
        note(r, 0);
        return MHD_NO;
    }
    if (r->ws) {
        response = MHD_create_response_for_upgrade(on_upgraded, r);
        MHD_add_response_header(response, "Upgrade", "websocket");
        MHD_add_response_header(response, "Sec-WebSocket-Accept", r->ws_accept);
    } else {
        size_t n = r->out.len;

        response = MHD_create_response_from_buffer(n, buf_take(&r->out), MHD_RESPMEM_MUST_FREE);
        MHD_add_response_header(response, "Content-Type", r->content_type);
        if (r->error_type[0])
            MHD_add_response_header(response, "x-amzn-ErrorType", r->error_type);
    }
    rng_uuid(cp_server_rng(r->http->server), id);
    MHD_add_response_header(response, "x-amzn-RequestId", id);
    note(r, r->status);
    ok = MHD_queue_response(r->con, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return ok;
}

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
    struct plain *p = (struct plain *)(void *)h;

    return MHD_lookup_connection_value(p->r->con, MHD_HEADER_KIND, name);
}

void cp_http_reply(struct cp_http *h, int status, const char *content_type, struct str body)
{
    answer(((struct plain *)(void *)h)->r, status, content_type, body);
}

static void plain_init(struct plain *p, struct cp_request *r)
{
    *p = (struct plain){ .pub = { .method = r->method,
                                  .path = r->path,
                                  .body = buf_str(&r->body),
                                  .query = plain_query,
                                  .header = plain_header },
                         .r = r };
    if (!url_params_parse(&p->params, str_of(r->raw_query)))
        p->params.count = 0;
}

static const struct path *path_find(const struct http *h, const char *path)
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
        answer(r, 404, "text/plain", str_of("not found\n"));
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

static bool verified(struct cp_request *r, const char *service, struct auth_refusal *why)
{
    struct cp_server *s = r->http->server;
    struct auth_request a = auth_request_of(r, true);

    if (auth_verify(cp_server_keys(s), &a, cp_server_region(s), service, r->arrived_ms, r->signer,
                    why))
        return true;
    cp_violation(s, "%s %s was refused: %s: %.*s", r->method, r->target[0] ? r->target : r->path,
                 why->type, (int)strcspn(buf_text(&why->message), "\n"), buf_text(&why->message));
    return false;
}

static void xml_error(struct cp_request *r, int status, const char *type, const char *message)
{
    struct buf b = BUF_INIT(AUTH_MESSAGE_MAX * 2);

    buf_printf(&b, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>", type);
    for (const char *p = message; *p; p++) {
        if (*p == '<' || *p == '&')
            buf_puts(&b, *p == '<' ? "&lt;" : "&amp;");
        else
            buf_putc(&b, *p);
    }
    buf_puts(&b, "</Message></Error></ErrorResponse>\n");
    answer(r, status, "text/xml", buf_str(&b));
    buf_fini(&b);
}

static void serve_form(struct cp_request *r, const struct service *sv)
{
    struct auth_refusal why;
    struct url_params form;
    struct plain h;

    if (!verified(r, sv->name, &why)) {
        xml_error(r, 403, why.type, buf_text(&why.message));
    } else if (!url_params_parse(&form, buf_str(&r->body))) {
        xml_error(r, 400, "MalformedQueryString", "too many parameters");
    } else {
        plain_init(&h, r);
        sv->form(sv->user, &h.pub, &form, r->signer);
        url_params_fini(&h.params);
        url_params_fini(&form);
        if (!r->answered)
            xml_error(r, 400, "InvalidAction", "Could not find operation");
    }
    buf_fini(&why.message);
}

static void serve_call(struct cp_request *r, const struct service *sv)
{
    struct auth_refusal why;
    struct err e = { 0 };

    if (!verified(r, sv->name, &why)) {
        answer_error(r, why.status, why.type, buf_text(&why.message));
        buf_fini(&why.message);
        return;
    }
    buf_fini(&why.message);
    if (r->body.len == 0) {
        answer_error(r, 400, "SerializationException", "the request has no body");
        return;
    }
    if (json_parse(r->body.data, r->body.len, &r->doc, &e)) {
        cp_violation(r->http->server, "%s: the body is %s", r->target, e.msg);
        answer_error(r, 400, "SerializationException", e.msg);
        return;
    }
    r->call = (struct cp_call){
        .operation = strrchr(r->target, '.') + 1,
        .body = jcur_root(r->doc, &r->doc_err),
        .region = cp_server_region(r->http->server),
        .access_key = r->signer,
        .now_ms = r->arrived_ms,
    };
    if (jcur_type(&r->call.body) != JSON_OBJ) {
        answer_error(r, 400, "SerializationException", "the body is not an object");
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

    if (!verified(r, "ecs", &why)) {
        struct jw w;

        /* Short, because clients read 1024 bytes of it. */
        jw_init(&w, &refusal);
        jw_object(&w);
        jw_kstr(&w, "type", "AccessDeniedException");
        jw_key(&w, "message");
        jw_object(&w);
        jw_key(&w, "message");
        jw_strn(&w, (struct str){ buf_text(&why.message), strcspn(buf_text(&why.message), "\n") });
        jw_end(&w);
        jw_end(&w);
    } else {
        r->ws = wss_accept(cp_server_wss(s), r->path, &a, r->ws_accept, &refusal);
    }
    buf_fini(&why.message);
    if (r->ws)
        answer(r, 101, "", str_of(""));
    else
        answer(r, 400, "application/json", buf_str(&refusal));
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

static const struct service *form_find(const struct http *h)
{
    for (size_t i = 0; i < h->service_count; i++) {
        if (h->services[i].form)
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

/* ---- faults and dispatch ---- */

static void serve(struct cp_request *r)
{
    const struct path *plain = path_find(r->http, r->path);
    const struct service *form = form_find(r->http);

    if (wss_has_path(cp_server_wss(r->http->server), r->path) && streq(r->method, "GET"))
        serve_websocket(r);
    else if (plain)
        serve_path(r, plain);
    else if (r->service && !type_is(r, "application/x-amz-json-1.1"))
        answer_error(r, 400, "SerializationException",
                     "Content-Type must be application/x-amz-json-1.1");
    else if (r->service)
        serve_call(r, r->service);
    else if (form && streq(r->method, "POST") && streq(r->path, "/") &&
             type_is(r, "application/x-www-form-urlencoded"))
        serve_form(r, form);
    else if (r->target[0])
        answer_error(r, 400, "UnknownOperationException", "the target is not known here");
    else
        answer_error(r, 404, "UnknownOperationException", "nothing is served at this path");
}

static void page(struct cp_request *r, int status)
{
    answer(r, status, "text/html",
           str_of("<html><head><title>Bad Gateway</title></head>"
                  "<body><h1>Bad Gateway</h1></body></html>\n"));
}

static void after_delay(void *user)
{
    struct cp_request *r = user;
    const struct fault *f = &r->fault;
    const char *type = f->type[0] ? f->type : NULL;
    const char *message = f->message[0] ? f->message : "injected fault";

    switch (f->action) {
    case FAULT_STATUS:
        if (!type)
            type = f->status == 503   ? "ServiceUnavailableException"
                   : f->status >= 500 ? "InternalServerError"
                                      : "ClientException";
        answer_error(r, f->status, type, message);
        return;
    case FAULT_THROTTLE:
        answer_error(r, 400, type ? type : "ThrottlingException",
                     f->message[0] ? f->message : "Rate exceeded");
        return;
    case FAULT_HTML:
        page(r, f->status);
        return;
    case FAULT_DROP:
        drop(r);
        return;
    case FAULT_REFUSE:
        answer_error(r, 400, type ? type : "AccessDeniedException", message);
        return;
    case FAULT_LOSE:
        r->lose = true;
        break;
    case FAULT_NONE:
        break;
    }
    serve(r);
}

static void dispatch(struct cp_request *r)
{
    struct cp_server *s = r->http->server;
    const char *target = MHD_lookup_connection_value(r->con, MHD_HEADER_KIND, "X-Amz-Target");

    if (r->body.overflowed) {
        answer_error(r, 413, "RequestEntityTooLarge", "the body is larger than 8 MiB");
        return;
    }
    if (r->too_many_headers) {
        answer_error(r, 431, "RequestHeaderFieldsTooLarge", "more than 100 headers");
        return;
    }
    if (target && streq(r->method, "POST")) {
        snprintf(r->target, sizeof r->target, "%s", target);
        r->service = service_find(r->http, r->target);
    }
    if (!str_starts(r->path, "/_local"))
        r->fault = faults_take(cp_server_faults(s), r->service ? strrchr(r->target, '.') + 1 : NULL,
                               r->path);
    if (r->fault.delay_ms > 0) {
        r->delay = cp_timer_create(s, after_delay, r);
        cp_timer_arm(r->delay, r->fault.delay_ms);
    } else {
        after_delay(r);
    }
}

/* ---- libmicrohttpd's side ---- */

void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *con)
{
    struct http *h = cls;
    struct cp_request *r = NEW(struct cp_request);
    const char *mark = strchr(uri, '?');

    r->http = h;
    r->con = con;
    r->raw_path = mem_strndup(uri, mark ? (size_t)(mark - uri) : strlen(uri));
    r->raw_query = mem_strdup(mark ? mark + 1 : "");
    r->arrived_us = cp_server_mono_us();
    r->arrived_ms = clock_wall_ms();
    buf_init(&r->body, BODY_MAX);
    buf_init(&r->out, ANSWER_MAX);
    list_init(&r->node);
    list_push_back(&h->requests, &r->node);
    return r;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct cp_request *r = cls;

    (void)kind;
    if (r->header_count == AUTH_HEADERS_MAX) {
        r->too_many_headers = true;
        return MHD_NO;
    }
    r->headers[r->header_count++] =
        (struct auth_header){ str_of(name), str_of(value ? value : "") };
    return MHD_YES;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *con, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_size, void **slot)
{
    struct cp_request *r = *slot;

    (void)cls;
    (void)version;
    if (!r->path) {
        r->path = mem_strdup(url);
        snprintf(r->method, sizeof r->method, "%s", method);
        MHD_get_connection_values(con, MHD_HEADER_KIND, on_header, r);
        return MHD_YES;
    }
    if (*data_size) {
        if (!r->body.overflowed && !buf_append(&r->body, data, *data_size))
            buf_reset(&r->body), r->body.overflowed = true;
        *data_size = 0;
        return MHD_YES;
    }
    if (!r->dispatched) {
        r->dispatched = true;
        dispatch(r);
    }
    if (r->answered || r->drop)
        return queue_answer(r);
    r->asleep = true;
    MHD_suspend_connection(con);
    return MHD_YES;
}

void http_on_completed(void *cls, struct MHD_Connection *con, void **slot,
                       enum MHD_RequestTerminationCode how)
{
    struct cp_request *r = *slot;

    (void)cls;
    (void)con;
    (void)how;
    if (!r)
        return;
    *slot = NULL;
    if (r->ws)
        wss_abandon(r->ws);
    cp_timer_destroy(r->delay);
    list_remove(&r->node);
    json_free(r->doc);
    buf_fini(&r->body);
    buf_fini(&r->out);
    free(r->raw_path);
    free(r->raw_query);
    free(r->path);
    free(r);
}

void http_abandon_all(struct http *h)
{
    LIST_FOREACH (node, next, &h->requests)
        drop(LIST_ENTRY(node, struct cp_request, node));
}
