/* failure: which tasks end as they should not, and one line that says how.
 *
 * What somebody asked for is no failure, whatever the exit codes; except that a control
 * plane also asks for the end of what is unhealthy, and that is one. A task of which nothing
 * is wrong but that its essential container has ended (with 0) is a job that is done. */
#include <inttypes.h>

#include "base/mem.h"
#include "core/state.h"

#define NAME_MAX_SHOWN 64
/* What the control plane keeps of a container's reason, at the least. */
#define DIGEST_MAX 255

static const char *const signals[] = {
    [1] = "SIGHUP",   [2] = "SIGINT",   [3] = "SIGQUIT",  [4] = "SIGILL",   [5] = "SIGTRAP",
    [6] = "SIGABRT",  [7] = "SIGBUS",   [8] = "SIGFPE",   [9] = "SIGKILL",  [10] = "SIGUSR1",
    [11] = "SIGSEGV", [12] = "SIGUSR2", [13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM",
    [24] = "SIGXCPU", [25] = "SIGXFSZ", [31] = "SIGSYS",
};

const char *core_signal_name(int exit_code)
{
    int n = exit_code - 128;

    return n > 0 && (size_t)n < COUNT_OF(signals) ? signals[n] : NULL;
}

bool failure_of(const struct core_ctr *k)
{
    return k->error_name || (k->has_exit_code && k->exit_code != 0);
}

void task_fail(struct core *c, struct core_task *t, const struct core_ctr *k, const char *reason)
{
    if (t->desired != TASK_STOPPED) {
        t->failure = FAILURE_ENDED;
        t->culprit = k ? k->index : SIZE_MAX;
    }
    task_stop(c, t, reason);
}

void failure_asked(struct core_task *t)
{
    for (size_t i = 0; i < t->n_ctrs && !t->failure; i++) {
        const struct core_ctr *k = &t->ctrs[i];

        if (!k->def->essential || k->known != CTR_RUNNING || k->health != HEALTH_BAD)
            continue;
        t->failure = FAILURE_UNHEALTHY;
        t->culprit = i;
    }
}

/* ---- the line ---- */

static void put_time(struct buf *b, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms < 1000)
        buf_printf(b, "%" PRId64 " ms", ms < 0 ? 0 : ms);
    else if (s < 60)
        buf_printf(b, "%" PRId64 " s", s);
    else if (s < 3600)
        buf_printf(b, "%" PRId64 " m %" PRId64 " s", s / 60, s % 60);
    else if (s < 86400)
        buf_printf(b, "%" PRId64 " h %" PRId64 " m", s / 3600, s / 60 % 60);
    else
        buf_printf(b, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
}

/* How its last life went on. */
static void put_end(struct buf *b, const struct core_ctr *k)
{
    const char *name = core_signal_name(k->exit_code);
    bool oom = k->error_name && streq(k->error_name, "OutOfMemoryError");

    if (name && oom)
        buf_printf(b, "was killed by %s (out of memory)", name);
    else if (name)
        buf_printf(b, "was killed by %s (exit code %d)", name, k->exit_code);
    else
        buf_printf(b, "%sexited with code %d", oom ? "ran out of memory and " : "", k->exit_code);
}

static void put_lifetime(struct buf *b, const struct core_ctr *k)
{
    int64_t from = k->restarted_wall > k->started_wall ? k->restarted_wall : k->started_wall;

    if (from && k->finished_wall >= from) {
        buf_puts(b, " after ");
        put_time(b, k->finished_wall - from);
    }
    if (k->restarts)
        buf_printf(b, ", restarted %d time%s before", k->restarts, k->restarts == 1 ? "" : "s");
}

char *failure_digest(const struct core_task *t, const struct core_ctr *k)
{
    struct buf b = BUF_INIT(16384);
    struct str name = k ? str_of(k->def->name) : (struct str){ 0 };
    bool oom = k && k->error_name && streq(k->error_name, "OutOfMemoryError");

    if (!k) {
        buf_puts(&b, t->reason ? t->reason : "the task could not go on");
    } else {
        name.n = str_utf8_prefix(name.p, name.n, NAME_MAX_SHOWN);
        buf_printf(&b, "\"%.*s\" ", (int)name.n, name.p);
        if (t->failure == FAILURE_UNHEALTHY)
            buf_puts(&b, "was unhealthy when it was asked to stop; it ");
        if (k->has_exit_code && k->started_wall && (!k->error_name || oom)) {
            put_end(&b, k);
            put_lifetime(&b, k);
        } else if (k->error_name) {
            buf_printf(&b, "%s: %s: %s", k->started_wall ? "ended" : "did not start", k->error_name,
                       k->error_text);
        } else {
            buf_puts(&b, "ended without an exit code");
        }
        if (k->health == HEALTH_BAD && t->failure != FAILURE_UNHEALTHY)
            buf_puts(&b, "; its health check had failed");
    }
    if (b.len > DIGEST_MAX) {
        b.len = str_utf8_prefix(b.data, b.len, DIGEST_MAX);
        b.data[b.len] = '\0';
    }
    return buf_take(&b);
}

static const struct core_ctr *culprit(const struct core_task *t)
{
    return t->culprit < t->n_ctrs ? &t->ctrs[t->culprit] : NULL;
}

void failure_tell(struct core *c, const struct core_task *t)
{
    struct core_action *a;

    if (!t->failure || t->known != TASK_STOPPED || !t->def)
        return;
    a = core_act(c, CORE_ACT_FAILED);
    a->task_arn = mem_strdup(t->arn);
    a->container = culprit(t) ? t->culprit : SIZE_MAX;
    a->value = failure_digest(t, culprit(t));
}

/* Only where the reference sends nothing, for who matches its texts matches them whole; and
 * only of a container that ended by itself. */
bool failure_is_told(const struct core *c, const struct core_ctr *k)
{
    return c->cfg.stop_digest && k->task->failure == FAILURE_ENDED && k == culprit(k->task) &&
           k->known == CTR_STOPPED && !k->error_name && k->has_exit_code;
}
