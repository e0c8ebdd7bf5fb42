/* totals: numbers of the whole, for those who watch. */
#include "core/images.h"

static void count_report(const struct core_task *t, int64_t now, struct core_totals *out)
{
    int64_t since = t->claimed_since ? t->claimed_since : t->unsent_since;

    if (!since || report_settled(t))
        return;
    out->reports_unsent++;
    if (now - since > out->oldest_unsent_ms)
        out->oldest_unsent_ms = now - since;
}

void core_get_totals(const struct core *c, struct core_time now, struct core_totals *out)
{
    const struct core_task *t, *next;

    *out = (struct core_totals){ .cpu_total = c->capacity.cpu_total,
                                 .cpu_used = c->capacity.cpu_used,
                                 .memory_mib_total = c->capacity.memory_total,
                                 .memory_mib_used = c->capacity.memory_used,
                                 .report_lag = &c->report_lag,
                                 .images = HASH_COUNT(c->images->by_id),
                                 .disk = c->janitor->disk,
                                 .images_removed = c->images_removed,
                                 .others_removed = c->others_removed,
                                 .restarts = c->restarts,
                                 .closed = c->closed };
    HASH_ITER (hh, c->tasks, t, next) {
        out->tasks[t->known]++;
        out->tasks_waiting_for_room += !list_empty(&t->wait_node);
        for (size_t i = 0; i < t->n_ctrs; i++)
            out->containers[t->ctrs[i].known]++;
        count_report(t, now.mono_ms, out);
    }
}
