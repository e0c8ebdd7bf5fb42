#include "aws/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void service_cancel(struct service_call *c)
{
    if (c)
        c->cancel(c);
}

struct aws_call *service_send(const struct service_question *q, aws_done_fn *done, void *user)
{
    const struct aws_caller *who = q->who;
    const char *region = str_empty(q->region) ? aws_region(who->aws) : q->region;
    AUTO(str)
    char *endpoint =
        q->endpoint ? mem_strdup(q->endpoint) : aws_endpoint(who->aws, q->place, region);
    struct aws_service service = { .endpoint = endpoint,
                                   .region = region,
                                   .service = q->service,
                                   .target_prefix = q->target_prefix };
    struct aws_call_args args = q->of;

    args.service = &service;
    args.keys = who->keys;
    args.user_agent = who->user_agent;
    if (!args.timeout_ms)
        args.timeout_ms = SERVICE_TIMEOUT_MS;
    if (!args.attempts)
        args.attempts = SERVICE_ATTEMPTS;
    return aws_call(who->aws, who->credentials, &args, done, user);
}

void service_error(const struct aws_result *r, const char *operation, struct err *out)
{
    size_t n = strlen(operation);
    const char *msg = r->e->msg;

    if (r->r && r->r->status >= 200 && r->r->status < 300) {
        err_set(out, r->e->code, "the answer of the service could not be read");
        return;
    }
    if (strncmp(msg, operation, n) == 0 && strncmp(msg + n, ": ", 2) == 0)
        msg += n + 2;
    err_set(out, r->e->code, "%s", msg);
}

void service_wipe(struct str body)
{
    if (body.n)
        explicit_bzero((char *)body.p, body.n);
}
