/* see: what is known of tasks, for those who show it to others. */
#include "core/state.h"

void see_index(struct core *c, struct core_ctr *k)
{
    struct core_ctr *other;

    if (k->indexed || !k->metadata_id[0])
        return;
    HASH_FIND(meta_hh, c->by_metadata_id, k->metadata_id, strlen(k->metadata_id), other);
    if (other)
        return; /* of a state that nobody wrote: the first one has it */
    HASH_ADD_KEYPTR(meta_hh, c->by_metadata_id, k->metadata_id, strlen(k->metadata_id), k);
    k->indexed = true;
}

void see_forget(struct core *c, struct core_ctr *k)
{
    if (k->indexed)
        HASH_DELETE(meta_hh, c->by_metadata_id, k);
    k->indexed = false;
}

bool core_find_metadata(const struct core *c, const char *metadata_id, const char **arn,
                        size_t *container)
{
    const struct core_ctr *k;

    HASH_FIND(meta_hh, c->by_metadata_id, metadata_id, strlen(metadata_id), k);
    if (!k)
        return false;
    *arn = k->task->arn;
    *container = k->index;
    return true;
}

bool core_see_task(const struct core *c, const char *arn, struct core_seen_task *out)
{
    const struct core_task *t = find_task(c, arn);

    if (!t || !t->def)
        return false;
    *out = (struct core_seen_task){ .def = t->def,
                                    .desired = t->desired,
                                    .known = t->known,
                                    .pull_started_ms = t->pull_started,
                                    .pull_stopped_ms = t->pull_stopped,
                                    .execution_stopped_ms = t->execution_stopped,
                                    .arrived_ms = t->arrived_wall,
                                    .stopped_ms = t->stopped_wall,
                                    .reason = t->reason,
                                    .local = t->local_name != NULL };
    return true;
}

/* What the task wishes for its containers: a wish to stop is one for all. */
static enum ctr_status desired_of(const struct core_ctr *k)
{
    return k->task->desired == TASK_STOPPED || k->stop_wanted ? CTR_STOPPED
           : k->task->desired == TASK_RUNNING                 ? CTR_RUNNING
                                                              : CTR_NONE;
}

bool core_see_container(const struct core *c, const char *arn, size_t container,
                        struct core_seen_container *out)
{
    const struct core_task *t = find_task(c, arn);
    const struct core_ctr *k;

    if (!t || container >= t->n_ctrs)
        return false;
    k = &t->ctrs[container];
    *out = (struct core_seen_container){ .docker_name = k->create_tried ? k->docker_name : NULL,
                                         .docker_id = k->docker_id,
                                         .image_id = k->image_id,
                                         .desired = desired_of(k),
                                         .known = k->known,
                                         .has_exit_code = k->has_exit_code,
                                         .exit_code = k->exit_code,
                                         .created_ms = k->created_wall,
                                         .started_ms = k->started_wall,
                                         .finished_ms = k->finished_wall,
                                         .health = k->health,
                                         .restarts = k->restarts,
                                         .error_name = k->error_name,
                                         .error_text = k->error_text,
                                         .bindings = k->bindings,
                                         .n_bindings = k->n_bindings };
    return true;
}

void core_each_task(const struct core *c, core_task_fn *fn, void *user)
{
    const struct core_task *t, *next;

    HASH_ITER (hh, c->tasks, t, next)
        if (t->def)
            fn(user, t->def);
}
