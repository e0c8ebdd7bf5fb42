#include "control/tcs_encode.h"

#include "base/json.h"

/* Leaves "metadata" open. */
static void open_message(struct jw *w, struct buf *out, const char *type, const struct tcs_head *h,
                         const char *id_key)
{
    buf_reset(out);
    jw_init(w, out);
    jw_object(w);
    jw_kstr(w, "type", type);
    jw_kobject(w, "message");
    jw_kobject(w, "metadata");
    jw_kstr(w, "cluster", h->cluster);
    jw_kstr(w, "containerInstance", h->instance_arn);
    jw_kstr(w, id_key, h->id);
}

static void put_time(struct jw *w, const char *key, int64_t ms)
{
    jw_key(w, key);
    jw_millis(w, ms);
}

static bool close_message(struct jw *w, const struct tcs_head *h)
{
    put_time(w, "timestamp", h->now_ms);
    jw_end(w);
    jw_end(w);
    return !w->out->overflowed;
}

static void put_list(struct jw *w, const char *key, struct str elements)
{
    jw_karray(w, key);
    jw_raw(w, elements);
    jw_end(w);
}

bool tcs_put_metrics(struct buf *out, const struct tcs_head *h, bool idle, bool fin,
                     struct str tasks)
{
    struct jw w;

    open_message(&w, out, "PublishMetricsRequest", h, "messageId");
    jw_kbool(&w, "idle", idle);
    jw_kbool(&w, "fin", fin);
    jw_end(&w);
    if (tasks.n > 0)
        put_list(&w, "taskMetrics", tasks);
    return close_message(&w, h);
}

bool tcs_put_health(struct buf *out, const struct tcs_head *h, bool fin, struct str tasks)
{
    struct jw w;

    open_message(&w, out, "PublishHealthRequest", h, "messageId");
    jw_kbool(&w, "fin", fin);
    jw_end(&w);
    put_list(&w, "tasks", tasks);
    return close_message(&w, h);
}

/* ---- the instance's status ---- */

void tcs_runtime_init(struct tcs_runtime *r, int64_t now_ms)
{
    *r = (struct tcs_runtime){ .checked_ms = now_ms, .previous_ms = now_ms, .changed_ms = now_ms };
}

void tcs_runtime_note(struct tcs_runtime *r, bool ok, int64_t now_ms)
{
    if (!r->checked || r->ok != ok)
        r->changed_ms = now_ms;
    r->checked = true;
    r->ok = ok;
    r->previous_ms = r->checked_ms;
    r->checked_ms = now_ms;
}

bool tcs_put_status(struct buf *out, const struct tcs_head *h, const struct tcs_runtime *r)
{
    struct jw w;

    open_message(&w, out, "PublishInstanceStatusRequest", h, "requestId");
    jw_end(&w);
    jw_karray(&w, "statuses");
    jw_object(&w);
    jw_kstr(&w, "type", "ContainerRuntime");
    jw_kstr(&w, "status", !r->checked ? "INITIALIZING" : r->ok ? "OK" : "IMPAIRED");
    put_time(&w, "lastUpdated", r->previous_ms);
    put_time(&w, "lastStatusChange", r->changed_ms);
    jw_end(&w);
    jw_end(&w);
    return close_message(&w, h);
}

/* ---- the frame ---- */

enum err_code tcs_frame(struct buf *out, const char *url, const char *region,
                        const struct sigv4_keys *keys, int64_t now_ms, struct str message,
                        struct err *e)
{
    struct sigv4_request rq = { .method = "GET",
                                .url = url,
                                .body = message,
                                .region = region,
                                .service = "ecs",
                                .normalize_path = true };
    struct sigv4_signed sig;

    buf_reset(out);
    if (sigv4_sign(&rq, keys, now_ms, &sig, e))
        return err_wrap(e, "a telemetry message");
    buf_printf(out, "Authorization: %s\r\nHost: %s\r\nX-Amz-Date: %s\r\n",
               buf_text(&sig.authorization), sig.host, sig.date);
    if (!str_empty(keys->session_token))
        buf_printf(out, "X-Amz-Security-Token: %s\r\n", keys->session_token);
    buf_puts(out, "\r\n");
    buf_append(out, message.p, message.n);
    sigv4_signed_fini(&sig);
    if (out->overflowed)
        return err_set(e, ERR_LIMIT, "a telemetry message is longer than %zu bytes", out->max);
    return ERR_OK;
}
