#include <stdlib.h>
#include <string.h>

#include "aws/instance.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/loop.h"

#define AWAY_MAX_MS 60000
#define STATE_MAX   64
#define NOTICE_MAX  4096

struct poller;
/* What an answer means; true when it is one that was not told yet. */
typedef bool read_fn(struct poller *p, struct str text);

struct poller {
    struct instance_watch *w;
    const char *path;
    read_fn *read;
    int64_t interval_ms; /* 0: off */
    int64_t away_ms;     /* the interval while the service is not there; 0: it is */
    int64_t asked_mono;
    struct imds_op *op;
    struct loop_timer *timer;
    char *told;           /* the last notice, as one text */
    char *action, *value; /* of it */
};

enum { SPOT, REBALANCE, LIFECYCLE, POLLERS };

struct instance_watch {
    struct imds *imds;
    struct instance_events ev;
    void *user;
    struct poller pollers[POLLERS];
};

/* ---- what the answers say; others than expected are passed over ---- */

static bool is_news(struct poller *p, const char *action, const char *value)
{
    AUTO(str) char *text = mem_printf("%s %s", action, value);

    if (p->told && streq(p->told, text))
        return false;
    mem_replace(&p->told, text);
    mem_replace(&p->action, action);
    mem_replace(&p->value, value);
    return true;
}

static bool read_notice(struct poller *p, struct str text, const char *time_name, bool has_action)
{
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root;
    const char *action = "", *value;

    if (text.n > NOTICE_MAX || json_parse(text.p, text.n, &v, &e))
        return false;
    root = jcur_root(v, &e);
    if (!jcur_expect(&root, JSON_OBJ))
        return false;
    if (has_action)
        action = jcur_str(&root, "action");
    value = jcur_str(&root, time_name);
    if (e.code)
        return false;
    if (has_action && !streq(action, "terminate") && !streq(action, "stop") &&
        !streq(action, "hibernate"))
        return false;
    return is_news(p, action, value);
}

static bool read_spot(struct poller *p, struct str text)
{
    return read_notice(p, text, "time", true);
}

static bool read_rebalance(struct poller *p, struct str text)
{
    return read_notice(p, text, "noticeTime", false);
}

static bool read_lifecycle(struct poller *p, struct str text)
{
    AUTO(str) char *state = NULL;

    text = str_trim(text);
    if (text.n == 0 || text.n > STATE_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < ' ' || text.p[i] > '~')
            return false;
    }
    state = mem_strndup(text.p, text.n);
    return is_news(p, "", state);
}

/* ---- polling ---- */

static void arm_next(struct poller *p, enum err_code code)
{
    int64_t took = clock_mono_ms() - p->asked_mono;

    if (code == ERR_OK || code == ERR_NOT_FOUND) {
        p->away_ms = 0;
        /* From question to question; a slow service still has a moment of rest. */
        loop_timer_arm(p->timer,
                       took < p->interval_ms * 3 / 4 ? p->interval_ms - took : p->interval_ms / 4);
        return;
    }
    p->away_ms = p->away_ms ? 2 * p->away_ms : p->interval_ms;
    if (p->away_ms > AWAY_MAX_MS)
        p->away_ms = p->interval_ms > AWAY_MAX_MS ? p->interval_ms : AWAY_MAX_MS;
    loop_timer_arm(p->timer, p->away_ms);
}

static void tell(struct instance_watch *w, const struct poller *p)
{
    /* The receiver may destroy the watch, and what it borrows with it. */
    AUTO(str) char *action = mem_strdup(p->action);
    AUTO(str) char *value = mem_strdup(p->value);

    if (p == &w->pollers[SPOT] && w->ev.spot)
        w->ev.spot(w->user, action, value);
    else if (p == &w->pollers[REBALANCE] && w->ev.rebalance)
        w->ev.rebalance(w->user, value);
    else if (p == &w->pollers[LIFECYCLE] && w->ev.lifecycle)
        w->ev.lifecycle(w->user, value);
}

static void on_text(void *user, struct str text, const struct err *e)
{
    struct poller *p = user;

    p->op = NULL;
    arm_next(p, e->code);
    if (!e->code && p->read(p, text))
        tell(p->w, p); /* last: it may end the watch */
}

static void on_timer(void *user)
{
    struct poller *p = user;

    p->asked_mono = clock_mono_ms();
    p->op = imds_get(p->w->imds, p->path, on_text, p);
}

struct instance_watch *instance_watch_create(const struct instance_watch_args *args,
                                             const struct instance_events *ev, void *user)
{
    struct instance_watch *w = NEW(struct instance_watch);

    w->imds = args->imds;
    w->ev = *ev;
    w->user = user;
    w->pollers[SPOT] = (struct poller){ .path = "meta-data/spot/instance-action",
                                        .read = read_spot,
                                        .interval_ms = args->spot_ms };
    w->pollers[REBALANCE] = (struct poller){ .path = "meta-data/events/recommendations/rebalance",
                                             .read = read_rebalance,
                                             .interval_ms = args->spot_ms };
    w->pollers[LIFECYCLE] = (struct poller){ .path = "meta-data/autoscaling/target-lifecycle-state",
                                             .read = read_lifecycle,
                                             .interval_ms = args->lifecycle_ms };
    for (size_t i = 0; i < POLLERS; i++) {
        struct poller *p = &w->pollers[i];

        p->w = w;
        if (p->interval_ms <= 0)
            continue;
        p->timer = loop_timer_create(args->loop, on_timer, p);
        loop_timer_arm(p->timer, 0);
    }
    return w;
}

void instance_watch_destroy(struct instance_watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < POLLERS; i++) {
        imds_cancel(w->pollers[i].op);
        loop_timer_destroy(w->pollers[i].timer);
        free(w->pollers[i].told);
        free(w->pollers[i].action);
        free(w->pollers[i].value);
    }
    free(w);
}
