#include "base/json.h"
#include "logs/sink_internal.h"

#define CALL_MS 30000

void sink_write_names(struct jw *w, const struct log_options *to, bool stream)
{
    jw_object(w);
    jw_kstr(w, "logGroupName", to->group);
    if (stream)
        jw_kstr(w, "logStreamName", to->stream);
}

bool sink_throttled(const struct aws_result *a)
{
    static const char *const names[] = { "Throttl", "LimitExceeded", "RequestLimitExceeded",
                                         "TooManyRequests" };

    if (!a->e->code)
        return false;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_starts(a->error_code, names[i]))
            return true;
    }
    return a->r && a->r->status == 429;
}

bool sink_away(const struct aws_result *a)
{
    if (!a->e->code || sink_throttled(a))
        return false;
    return a->r ? a->r->status >= 500 : a->e->code == ERR_RETRY || a->e->code == ERR_TIMEOUT;
}

struct aws_call *sink_call(const struct sink *sink, const struct sink_ask *ask, aws_done_fn *done,
                           void *user, struct err *e)
{
    const struct log_options *to = ask->to;
    const struct aws_service service = { .endpoint = to->endpoint,
                                         .region = to->region,
                                         .service = "logs",
                                         .target_prefix = "Logs_20140328" };
    const struct http_header format = { "x-amzn-logs-format", to->format };
    struct aws_call_args args = { .service = &service,
                                  .operation = ask->operation,
                                  .body = ask->body,
                                  .lent = true,
                                  .timeout_ms = CALL_MS,
                                  .max_answer = ask->max_answer };
    struct role_credentials role;
    struct sigv4_keys keys;

    if (ask->role_id) {
        /* Never with other keys: they might be allowed to write elsewhere. */
        if (!roles_get(sink->roles, ask->role_id, &role)) {
            err_set(e, ERR_DENIED, "the keys of the task's execution role are not known yet");
            return NULL;
        }
        keys = (struct sigv4_keys){ role.access_key, role.secret_key, role.session_token };
        args.keys = &keys;
    }
    if (ask->format && to->format) {
        args.headers = &format;
        args.n_headers = 1;
    }
    return aws_call(sink->aws, sink->credentials, &args, done, user);
}
