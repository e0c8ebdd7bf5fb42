/* taken: a task that another agent has run until now, as the store would have it if we had run it
 * all along. Written by the functions that write any task's state, from a core that lives no
 * longer than this call. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

#define STATE_MAX_JSON (16 << 20)

static void take_container(struct core *c, struct core_ctr *k,
                           const struct core_taken_container *from)
{
    k->known = from->known;
    k->sent = from->sent;
    k->docker_id = mem_strdup(from->docker_id);
    k->docker_name = from->docker_name ? mem_strdup(from->docker_name)
                                       : task_docker_name(k->task->def, k->def, rng_next(&c->rng));
    k->create_tried = from->docker_id || from->docker_name;
    k->removed = k->known == CTR_STOPPED && !k->create_tried;
    if (from->metadata_id)
        snprintf(k->metadata_id, sizeof k->metadata_id, "%s", from->metadata_id);
    else
        rng_uuid(&c->rng, k->metadata_id);
    k->has_exit_code = from->has_exit_code;
    k->exit_code = from->exit_code;
    k->error_name = mem_strdup(from->error_name);
    if (from->error_name)
        k->error_text = mem_strdup(from->error_text ? from->error_text : "");
    k->started_wall = from->started_ms;
    k->restarts = from->restarts;
    k->restarted_wall = from->restarted_ms;
    if (from->host_ports && k->def->n_ports) {
        k->host_ports = mem_array(k->def->n_ports, sizeof *k->host_ports);
        for (size_t i = 0; i < k->def->n_ports; i++)
            k->host_ports[i] = from->host_ports[i];
    }
}

static void take_task(struct core *c, struct core_task *t, const struct core_taken *from)
{
    bool begun = false;

    t->desired = from->desired;
    t->known = from->known;
    t->sent = from->sent;
    t->reason = mem_strdup(from->reason);
    t->failure = from->reason ? FAILURE_ENDED : FAILURE_NONE;
    t->culprit = SIZE_MAX;
    t->arrived_wall = from->arrived_ms;
    t->pull_started = from->pull_started_ms;
    t->pull_stopped = from->pull_stopped_ms;
    t->execution_stopped = from->execution_stopped_ms;
    t->stopped_wall = from->stopped_ms;
    t->cleanup_delay = from->cleanup_delay_ms;
    for (size_t i = 0; i < t->n_ctrs; i++) {
        take_container(c, &t->ctrs[i], &from->containers[i]);
        begun |= t->ctrs[i].create_tried;
    }
    t->admitted = begun;
    t->rebuilt = begun; /* of its images we know nothing */
    for (size_t i = 0; i < t->n_res && begun; i++)
        t->res[i].known = RES_CREATED;
}

char *core_taken_state(const struct task *def, const struct core_taken *from, uint64_t seed)
{
    const struct core_config cfg = { .seed = seed, .task_cgroups = true };
    struct core *c = core_create(&cfg);
    struct buf text = BUF_INIT(STATE_MAX_JSON);
    struct task *own = NULL;
    struct core_task *t;
    struct err e = { 0 };
    struct jw w;

    if (!task_decode_text(def->json, strlen(def->json), &own, &e)) { /* equal, says task.h */
        t = task_add(c, own, own->arn);
        take_task(c, t, from);
        jw_init(&w, &text);
        task_write_state(t, &w, false);
    }
    core_destroy(c);
    return buf_take(&text);
}
