/* http: requests from libmicrohttpd, the faults that befall them, and their answers. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http_request.h"

/* A legal PutLogEvents batch is 1 MiB of text, and six times that once every
 * byte of it is a control character and written as \u00XX. */
#define BODY_MAX   (8 * 1024 * 1024)
#define ANSWER_MAX (64 * 1024 * 1024)

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

static void add(struct cp_server *s, const struct service *what)
{
    struct http *h = cp_server_http(s);

    if (h->service_count == HTTP_SERVICES_MAX)
        abort();
    h->services[h->service_count++] = *what;
}

void cp_server_add_service(struct cp_server *s, const char *target_prefix, const char *service,
                           cp_service_fn *fn, void *user)
{
    add(s, &(const struct service){ .target_prefix = mem_strdup(target_prefix),
                                    .name = mem_strdup(service),
                                    .fn = fn,
                                    .user = user });
}

void cp_server_add_regional(struct cp_server *s, const char *target_prefix, const char *service,
                            cp_service_fn *fn, void *user)
{
    add(s, &(const struct service){ .target_prefix = mem_strdup(target_prefix),
                                    .name = mem_strdup(service),
                                    .any_region = true,
                                    .fn = fn,
                                    .user = user });
}

void cp_server_add_form(struct cp_server *s, const char *service, cp_form_fn *fn, void *user)
{
    add(s, &(const struct service){ .name = mem_strdup(service),
                                    .any_region = true,
                                    .dialect = streq(service, "ec2") ? DIALECT_EC2 : DIALECT_STS,
                                    .form = fn,
                                    .user = user });
}

void cp_server_add_rest(struct cp_server *s, const char *service, cp_rest_name_fn *name,
                        cp_rest_fn *fn, void *user)
{
    add(s, &(const struct service){ .name = mem_strdup(service),
                                    .any_region = true,
                                    .dialect = DIALECT_S3,
                                    .rest = fn,
                                    .rest_name = name,
                                    .user = user });
}

void cp_server_add_path(struct cp_server *s, const char *prefix, cp_path_fn *fn, void *user)
{
    struct http *h = cp_server_http(s);

    if (h->path_count == HTTP_PATHS_MAX)
        abort();
    h->paths[h->path_count++] =
        (struct path){ .prefix = mem_strdup(prefix), .fn = fn, .user = user };
}

void cp_server_gate_path(struct cp_server *s, const char *prefix, cp_gate_fn *gate,
                         cp_gate_done_fn *done)
{
    struct http *h = cp_server_http(s);

    for (size_t i = 0; i < h->path_count; i++) {
        if (streq(h->paths[i].prefix, prefix)) {
            h->paths[i].gate = gate;
            h->paths[i].gate_done = done;
        }
    }
}

/* ---- answers ---- */

static void wake(struct cp_request *r)
{
    if (r->asleep) {
        r->asleep = false;
        MHD_resume_connection(r->con);
    }
}

void http_answer(struct cp_request *r, int status, const char *content_type, struct str body)
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

void http_drop(struct cp_request *r)
{
    r->drop = true;
    wake(r);
}

static void answer_error(struct cp_request *r, const struct dialect_error *e, const char *details)
{
    struct buf b = BUF_INIT(2 * AUTH_MESSAGE_MAX);
    char id[RNG_UUID_SIZE];
    const char *type;

    rng_uuid(cp_server_rng(r->http->server), id);
    type = dialect_write(r->dialect, e, id, details, &b);
    snprintf(r->error_type, sizeof r->error_type, "%s", e->type);
    /* The answer to HEAD has no body to say more in. */
    http_answer(r, e->status, type, streq(r->method, "HEAD") ? str_of("") : buf_str(&b));
    buf_fini(&b);
}

void http_answer_error(struct cp_request *r, const struct dialect_error *e)
{
    answer_error(r, e, NULL);
}

static void answer_json_error(struct cp_request *r, int status, const char *type,
                              const char *message)
{
    answer_error(r, &(const struct dialect_error){ status, type, message }, NULL);
}

static struct cp_request *request_of(struct cp_call *call)
{
    return (struct cp_request *)(void *)((char *)call - offsetof(struct cp_request, call));
}

void cp_reply(struct cp_call *call, struct str json)
{
    http_answer(request_of(call), 200, "application/x-amz-json-1.1", json);
}

void cp_reply_error(struct cp_call *call, int status, const char *type, const char *fmt, ...)
{
    struct buf b = BUF_INIT(AUTH_MESSAGE_MAX);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    answer_json_error(request_of(call), status, type, buf_text(&b));
    buf_fini(&b);
}

const char *http_header(struct cp_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->con, MHD_HEADER_KIND, name);
}

void cp_http_reply(struct cp_http *h, int status, const char *content_type, struct str body)
{
    http_answer(http_plain_request(h), status, content_type, body);
}

void cp_http_refuse(struct cp_http *h, const struct dialect_error *e, const char *details)
{
    answer_error(http_plain_request(h), e, details);
}

void cp_http_set(struct cp_http *h, const char *name, const char *value)
{
    struct cp_request *r = http_plain_request(h);
    struct http_extra *x = &r->extra[r->extra_count];

    if (r->extra_count == HTTP_HEADERS_MAX)
        abort();
    r->extra_count++;
    snprintf(x->name, sizeof x->name, "%s", name);
    x->value = mem_strdup(value);
}

void cp_http_reply_error(struct cp_http *h, int status, const char *message)
{
    struct buf b = BUF_INIT(4096);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "error", message);
    jw_end(&w);
    cp_http_reply(h, status, "application/json", buf_str(&b));
    buf_fini(&b);
}

void cp_http_reply_number(struct cp_http *h, const char *key, int64_t value)
{
    struct buf b = BUF_INIT(256);

    buf_printf(&b, "{\"%s\":%" PRId64 "}", key, value);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

/* ---- sending ---- */

static void note(struct cp_request *r, int status)
{
    struct cp_server *s = r->http->server;

    if (str_starts(r->path, "/_local"))
        return;
    if (r->gated)
        r->gated->gate_done(r->gated->user, r->gate_id, status);
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

/* The Date that this server tells; libmicrohttpd is asked not to write one. */
static void add_date(struct cp_request *r, struct MHD_Response *response)
{
    time_t now = (time_t)(cp_server_told_ms(r->http->server) / 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    MHD_add_response_header(response, "Date", text);
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
        for (size_t i = 0; i < r->extra_count; i++)
            MHD_add_response_header(response, r->extra[i].name, r->extra[i].value);
        if (r->error_type[0] && r->dialect == DIALECT_JSON)
            MHD_add_response_header(response, "x-amzn-ErrorType", r->error_type);
    }
    rng_uuid(cp_server_rng(r->http->server), id);
    MHD_add_response_header(response,
                            r->dialect == DIALECT_S3 ? "x-amz-request-id" : "x-amzn-RequestId", id);
    add_date(r, response);
    note(r, r->status);
    ok = MHD_queue_response(r->con, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return ok;
}

/* ---- faults and dispatch ---- */

static void page(struct cp_request *r, int status, const char *title)
{
    struct buf b = BUF_INIT(1024);

    buf_printf(&b, "<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title,
               title);
    http_answer(r, status, "text/html", buf_str(&b));
    buf_fini(&b);
}

/* An injected error: what the fault says, the rest as the service would word it. */
static void trouble(struct cp_request *r, enum dialect_trouble what, int status)
{
    struct dialect_error e = dialect_trouble(r->dialect, what);

    if (status)
        e.status = status;
    if (status && status < 500)
        e.type = r->dialect == DIALECT_JSON ? "ClientException" : "InvalidRequest";
    if (r->fault.type[0])
        e.type = r->fault.type;
    if (r->fault.message[0])
        e.message = r->fault.message;
    http_answer_error(r, &e);
}

static void after_delay(void *user)
{
    struct cp_request *r = user;
    const struct fault *f = &r->fault;

    switch (f->action) {
    case FAULT_STATUS:
        trouble(r, f->status == 503 ? TROUBLE_UNAVAILABLE : TROUBLE_SERVER, f->status);
        return;
    case FAULT_THROTTLE:
        trouble(r, TROUBLE_THROTTLE, 0);
        return;
    case FAULT_HTML:
        page(r, f->status, "Bad Gateway");
        return;
    case FAULT_PLAIN:
        page(r, f->status, f->message);
        return;
    case FAULT_DROP:
        http_drop(r);
        return;
    case FAULT_REFUSE:
        trouble(r, TROUBLE_DENIED, 0);
        return;
    case FAULT_HANG:
        return;
    case FAULT_LOSE:
        r->lose = true;
        break;
    case FAULT_NONE:
        break;
    }
    http_serve(r);
}

static void ask_gate(struct cp_request *r)
{
    const struct path *p = r->service ? NULL : http_path_find(r->http, r->path);
    struct fault f;

    if (!p || !p->gate)
        return;
    r->gated = p;
    f = p->gate(p->user, r->method, r->path, &r->gate_id);
    if (r->fault.action == FAULT_NONE && r->fault.delay_ms == 0)
        r->fault = f;
}

static void dispatch(struct cp_request *r)
{
    struct cp_server *s = r->http->server;

    if (r->body.overflowed) {
        answer_json_error(r, 413, "RequestEntityTooLarge", "the body is larger than 8 MiB");
        return;
    }
    if (r->too_many_headers) {
        answer_json_error(r, 431, "RequestHeaderFieldsTooLarge", "more than 100 headers");
        return;
    }
    if (!str_starts(r->path, "/_local")) {
        http_classify(r);
        r->fault = faults_take(cp_server_faults(s), r->operation, r->path);
        ask_gate(r);
    }
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
    if (r->http->closing)
        return MHD_NO;
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
    for (size_t i = 0; i < r->extra_count; i++)
        free(r->extra[i].value);
    free(r->raw_path);
    free(r->raw_query);
    free(r->path);
    free(r);
}

void cp_server_drop_hung(struct cp_server *s)
{
    LIST_FOREACH (node, next, &cp_server_http(s)->requests) {
        struct cp_request *r = LIST_ENTRY(node, struct cp_request, node);

        if (r->dispatched && r->fault.action == FAULT_HANG && !r->answered)
            http_drop(r);
    }
}

void http_abandon_all(struct http *h)
{
    h->closing = true;
    LIST_FOREACH (node, next, &h->requests)
        http_drop(LIST_ENTRY(node, struct cp_request, node));
}
