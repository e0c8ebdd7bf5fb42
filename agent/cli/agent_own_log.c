/* agent_own_log: the agent's own log, shipped as ECS_LOG_DRIVER and ECS_LOG_OPTS say. The reference
 * agent is a container, whose log driver they name; a host that has set them for awslogs finds the
 * log at the same group. What is logged before the shipper is there is kept for it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

#define EARLY_MAX ((size_t)256 * 1024) /* further lines are in the journal only */

struct own_log {
    struct logs *logs; /* NULL: not yet */
    struct buf early;  /* records: the length and the time of a line, and the line */
};

struct record {
    int64_t when_ms;
    size_t n;
};

static void on_line(void *user, int64_t wall_ms, struct str line)
{
    struct own_log *o = user;
    const struct record head = { wall_ms, line.n };

    if (o->logs) {
        logs_own_line(o->logs, wall_ms, line);
    } else if (buf_reserve(&o->early, sizeof head + line.n)) {
        buf_append(&o->early, &head, sizeof head);
        buf_append(&o->early, line.p, line.n);
    }
}

void own_log_watch(struct agent *a)
{
    const char *driver = a->config->log_driver;

    if (a->own_log || str_empty(driver))
        return;
    if (!streq(driver, "awslogs")) {
        if (!a->own_log_told)
            log_warn("the agent's own log is not shipped: of the log drivers only awslogs is "
                     "known; it goes to standard error, and so to the journal",
                     kv_s("ECS_LOG_DRIVER", driver));
        a->own_log_told = true;
        return;
    }
    a->own_log = NEW(struct own_log);
    buf_init(&a->own_log->early, EARLY_MAX);
    log_set_tap(on_line, a->own_log);
}

void own_log_end(struct agent *a)
{
    if (!a->own_log)
        return;
    log_set_tap(NULL, NULL);
    buf_fini(&a->own_log->early);
    free(a->own_log);
    a->own_log = NULL;
}

/* "i-0abc/berth"; where there is no instance, the name of the host. */
static char *stream_name(const struct agent *a)
{
    char host[256] = "";

    if (a->instance_id)
        return mem_printf("%s/berth", a->instance_id);
    if (gethostname(host, sizeof host - 1) || !*host)
        snprintf(host, sizeof host, "host");
    return mem_printf("%s/berth", host);
}

static void give_early(struct own_log *o)
{
    const char *at = o->early.data, *end = at + o->early.len;
    struct record head;

    for (; at && at < end; at += head.n) {
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        logs_own_line(o->logs, head.when_ms, (struct str){ at, head.n });
    }
    buf_fini(&o->early);
}

void own_log_begin(struct agent *a)
{
    const struct string_map *m = &a->config->log_opts;
    AUTO(str) char *stream = stream_name(a);
    struct task_kv *options;
    struct err e = { 0 };

    if (!a->own_log)
        return;
    options = mem_array(m->n, sizeof *options);
    for (size_t i = 0; i < m->n; i++)
        options[i] = (struct task_kv){ m->items[i].key, m->items[i].value };
    if (logs_own_begin(a->logs, options, m->n, stream, &e)) {
        own_log_end(a);
        log_error("the agent's own log is not shipped: ECS_LOG_OPTS cannot be used", kv_err(&e));
    } else {
        a->own_log->logs = a->logs;
        give_early(a->own_log);
    }
    free(options);
}
