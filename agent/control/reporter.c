#include <stdlib.h>

#include "aws/aws_call.h"
#include "base/list.h"
#include "base/mem.h"
#include "control/private.h"

#define BODY_MAX (1024 * 1024)

struct reporter {
    struct control *c;
    struct list under_way;
};

struct report {
    struct list link;
    struct reporter *r;
    uint64_t id;
    struct aws_call *call;
    struct loop_timer *early; /* tells of a report that cannot even be sent */
};

struct reporter *reporter_create(struct control *c)
{
    struct reporter *r = NEW(struct reporter);

    r->c = c;
    list_init(&r->under_way);
    return r;
}

static void report_destroy(struct report *p)
{
    list_remove(&p->link);
    aws_call_cancel(p->call);
    loop_timer_destroy(p->early);
    free(p);
}

void reporter_destroy(struct reporter *r)
{
    if (!r)
        return;
    while (!list_empty(&r->under_way))
        report_destroy(LIST_ENTRY(r->under_way.next, struct report, link));
    free(r);
}

static void on_answer(void *user, const struct aws_result *a)
{
    struct report *p = user;
    struct control *c = p->r->c;
    uint64_t id = p->id;
    const struct err *e = a->e;
    bool refused = e->code && streq(a->error_code, "InvalidParameterException");

    p->call = NULL;
    report_destroy(p);
    if (!e->code)
        c->totals.reports_accepted++;
    else if (refused)
        c->totals.reports_refused++;
    else
        c->totals.reports_failed++;
    if (!e->code)
        control_progress(c);
    c->ev.reported(c->user, id, !e->code, refused, e->code ? e->msg : "");
}

static void on_early(void *user)
{
    struct report *p = user;
    struct control *c = p->r->c;
    uint64_t id = p->id;

    report_destroy(p);
    c->totals.reports_refused++;
    c->ev.reported(c->user, id, false, true, "the report is no JSON object that can be sent");
}

/* The cluster becomes the first member of the object that the core wrote. */
static bool put_cluster(struct buf *out, struct str body, const char *cluster)
{
    struct str rest;

    body = str_trim(body);
    if (body.n < 2 || body.p[0] != '{')
        return false;
    rest = str_trim((struct str){ body.p + 1, body.n - 1 });
    buf_puts(out, "{\"cluster\":");
    json_quote(out, str_of(cluster));
    if (rest.p[0] != '}')
        buf_putc(out, ',');
    buf_append(out, rest.p, rest.n);
    return !out->overflowed;
}

void reporter_send(struct reporter *r, uint64_t id, struct str body)
{
    struct control *c = r->c;
    struct report *p = NEW(struct report);
    AUTO(buf) struct buf full = BUF_INIT(BODY_MAX);
    struct aws_call_args args = { .service = &c->ecs, .operation = "SubmitTaskStateChange" };

    p->r = r;
    p->id = id;
    list_push_back(&r->under_way, &p->link);
    if (!put_cluster(&full, body, c->config->cluster)) {
        p->early = loop_timer_create(c->loop, on_early, p);
        loop_timer_arm(p->early, 0);
        return;
    }
    args.body = buf_str(&full);
    p->call = aws_call(c->aws, c->credentials, &args, on_answer, p);
}

bool reporter_is_busy(const struct reporter *r)
{
    return !list_empty(&r->under_way);
}
