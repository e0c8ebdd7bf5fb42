/* container: what a container needs next, and what is learnt about it.
 *
 * Whatever the engine says happened only makes the container suspect: the next
 * thing is to look (inspect), and what is seen is the truth. So lost, repeated and
 * reordered events do no harm. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/state.h"

/* How soon an image is asked for again that is just being removed. */
#define LEAVING_MS 200

static const struct backoff_rule retry_rule = { 200, 200, 10000, 20 };

void ctr_fini(struct core_ctr *k)
{
    list_remove(&k->lane_node);
    free(k->docker_name);
    free(k->docker_id);
    free(k->error_name);
    free(k->error_text);
    free(k->bindings);
    free(k->digest);
    free(k->pull_error);
    free(k->image_id);
    free(k->host_ports);
}

bool ctr_wants_stop(const struct core_ctr *k)
{
    return k->stop_wanted || k->task->desired == TASK_STOPPED;
}

void ctr_retry(struct core *c, struct core_ctr *k)
{
    k->tries++;
    k->retry_at = c->now.mono_ms + backoff_next(&k->backoff, &retry_rule, &c->rng);
}

void ctr_worked(struct core_ctr *k)
{
    k->tries = 0;
    k->retry_at = 0;
    backoff_reset(&k->backoff);
}

void ctr_fail(struct core *c, struct core_ctr *k, const char *name, const char *fmt, ...)
{
    struct buf b = BUF_INIT(4096);
    va_list ap;

    k->stop_wanted = true;
    task_changed(c, k->task);
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    core_note(c, true, k->task, k, "%s: %s", name, buf_text(&b));
    if (!k->error_name) {
        k->error_name = mem_strdup(name);
        k->error_text = buf_take(&b);
    }
    buf_fini(&b);
}

static void note_progress(struct core *c, const struct core_ctr *k)
{
    if (k->known == CTR_RUNNING)
        core_note(c, false, k->task, k, "container running");
    else if (k->known == CTR_STOPPED && !k->started_wall)
        core_note(c, false, k->task, k, "container ended without having run");
    else if (k->known == CTR_STOPPED && k->has_exit_code)
        core_note(c, false, k->task, k, "container stopped, exit code %d", k->exit_code);
    else if (k->known == CTR_STOPPED)
        core_note(c, false, k->task, k, "container stopped");
}

void ctr_set_known(struct core *c, struct core_ctr *k, enum ctr_status known)
{
    if (known <= k->known)
        return;
    k->known = known;
    k->since = c->now.mono_ms;
    ctr_worked(k);
    if (known == CTR_STOPPED && !k->finished_wall)
        k->finished_wall = c->now.wall_ms;
    if (known == CTR_STOPPED && k->def->essential && !k->task->execution_stopped)
        k->task->execution_stopped = k->finished_wall;
    if (known == CTR_STOPPED)
        ports_release(c, k);
    task_changed(c, k->task);
    note_progress(c, k);
}

/* ---- what next ---- */

static bool must_wait(const struct core *c, const struct core_ctr *k)
{
    return c->now.mono_ms < k->retry_at;
}

static void advance_stop(struct core *c, struct core_ctr *k)
{
    const struct core_ctr *on;

    op_unqueue(k);
    if (k->known == CTR_STOPPED)
        return;
    if (k->known < CTR_RUNNING)
        ctr_set_known(c, k, CTR_STOPPED); /* nothing runs, so there is nothing to stop */
    else if (!must_wait(c, k) && deps_may_stop(k, &on))
        op_issue(c, k, CORE_OP_STOP);
}

static bool wants_pull(const struct core *c, const struct core_ctr *k)
{
    if (k->image == IMAGE_ABSENT)
        return true;
    if (k->image == IMAGE_PULLED || k->def->internal)
        return false;
    switch (c->cfg.pull_behavior) {
    case PULL_ALWAYS:
        return true;
    case PULL_DEFAULT: /* after a failure it is content with an image that is there */
        return !k->pulls;
    case PULL_ONCE:
        return !images_pulled_once(c, k->def->image);
    case PULL_PREFER_CACHED:
        break;
    }
    return false;
}

static void advance_image(struct core *c, struct core_ctr *k)
{
    if (images_leaving(c, k->def->image)) {
        k->retry_at = c->now.mono_ms + LEAVING_MS;
        op_unqueue(k);
    } else if (!wants_pull(c, k)) {
        op_unqueue(k);
        op_issue(c, k, CORE_OP_INSPECT_IMAGE);
    } else if (!k->manifest_done && !k->def->internal && !task_image_has_digest(k->def->image)) {
        op_request(c, k, CORE_OP_MANIFEST);
    } else if (k->known == CTR_NONE) {
        ctr_set_known(c, k, CTR_MANIFEST_PULLED);
    } else {
        op_request(c, k, CORE_OP_PULL);
    }
}

static enum ctr_status goal(const struct core_task *t)
{
    static const enum ctr_status of[] = {
        [TASK_NONE] = CTR_NONE,       [TASK_MANIFEST_PULLED] = CTR_MANIFEST_PULLED,
        [TASK_CREATED] = CTR_CREATED, [TASK_RUNNING] = CTR_RUNNING,
        [TASK_STOPPED] = CTR_NONE,
    };

    return of[t->desired];
}

/* Towards a container that exists. */
static void advance_create(struct core *c, struct core_ctr *k)
{
    if (ports_needed(k))
        op_issue(c, k, CORE_OP_PORTS);
    else
        op_request(c, k, CORE_OP_CREATE);
}

/* Its ports were taken by somebody else: the container goes, and comes back with others. */
static void advance_remake(struct core *c, struct core_ctr *k)
{
    if (k->again == REMAKE_REMOVE)
        op_issue(c, k, CORE_OP_REMOVE);
    else
        advance_create(c, k);
}

static void advance_start(struct core *c, struct core_ctr *k)
{
    const struct task_dep *on = NULL;
    const struct core_res *res;
    struct buf why = BUF_INIT(2048);
    enum dep_answer answer = deps_check(k, c->now.mono_ms, &on, &why);

    if (k->known >= goal(k->task)) {
        op_unqueue(k);
    } else if (answer == DEP_NEVER) {
        op_unqueue(k);
        ctr_fail(c, k, "CannotStartContainerError", "%s", buf_text(&why));
        k->has_exit_code = true;
        k->exit_code = 143;
    } else if (must_wait(c, k)) {
        op_unqueue(k);
    } else if ((k->known < CTR_CREATED || k->again) &&
               !resources_allow(k, k->known >= CTR_PULLED, &res)) {
        op_unqueue(k);
    } else if (k->known < CTR_PULLED && (answer == DEP_MET || c->cfg.pull_upfront)) {
        advance_image(c, k);
    } else if (answer == DEP_WAIT) {
        op_unqueue(k); /* a dependency may have lost its health meanwhile */
    } else if (k->again) {
        advance_remake(c, k);
    } else if (k->known == CTR_PULLED) {
        advance_create(c, k);
    } else {
        op_request(c, k, CORE_OP_START);
    }
    buf_fini(&why);
}

static void advance_restart(struct core *c, struct core_ctr *k)
{
    if (c->now.mono_ms >= k->restart_at && !must_wait(c, k))
        op_request(c, k, CORE_OP_START);
    else
        op_unqueue(k);
}

/* What has no effect that would have to be undone is not waited for. */
static bool abandon(struct core *c, struct core_ctr *k)
{
    if (!ctr_wants_stop(k) || (k->op != CORE_OP_PULL && k->op != CORE_OP_INSPECT_IMAGE &&
                               k->op != CORE_OP_MANIFEST && k->op != CORE_OP_PORTS))
        return false;
    if (k->op == CORE_OP_PULL)
        k->task->pull_stopped = c->now.wall_ms;
    op_cancel(c, k);
    return true;
}

void ctr_advance(struct core *c, struct core_ctr *k)
{
    if (k->op) {
        op_age(c, k);
        if (!abandon(c, k))
            return;
    }
    if (k->removed && k->known == CTR_STOPPED)
        return;
    if (k->suspect) {
        op_unqueue(k);
        if (must_wait(c, k))
            return;
        k->suspect = false;
        op_issue(c, k, CORE_OP_INSPECT);
    } else if (k->late_until) {
        late_advance(c, k);
    } else if (ctr_wants_stop(k)) {
        advance_stop(c, k);
    } else if (k->known < CTR_RUNNING) {
        advance_start(c, k);
    } else if (k->restart_due) {
        advance_restart(c, k);
    }
}

/* ---- what is learnt ---- */

/* All that have a port: the task is told of both families, whatever the reports leave out. */
static void take_bindings(struct core_ctr *k, const struct ctr_facts *f)
{
    size_t n = 0;

    free(k->bindings);
    k->bindings = mem_array(f->n_bindings, sizeof *k->bindings);
    for (size_t i = 0; i < f->n_bindings; i++) {
        if (f->bindings[i].host_port)
            k->bindings[n++] = f->bindings[i];
    }
    k->n_bindings = n;
}

static void take_exit_code(struct core_ctr *k, const struct ctr_facts *f)
{
    k->has_exit_code = f->has_exit_code || k->event_exit;
    k->exit_code = f->has_exit_code ? f->exit_code : k->event_exit_code;
}

/* The engine learns of it beside the end, and a busy one too late for inspect to tell; the
 * reference goes by that alone. A process out of many may have been killed long before. */
static bool ran_out(const struct core_ctr *k)
{
    return k->event_oom && k->has_exit_code && k->exit_code == 128 + SIGKILL && !ctr_wants_stop(k);
}

static void fail_out_of_memory(struct core *c, struct core_ctr *k)
{
    ctr_fail(c, k, "OutOfMemoryError", "Container killed due to memory usage");
}

static void take_end(struct core *c, struct core_ctr *k, const struct ctr_facts *f)
{
    k->restart_due = false;
    k->finished_wall = f->finished_ms ? f->finished_ms : c->now.wall_ms;
    if (f->oom_killed || ran_out(k))
        fail_out_of_memory(c, k);
    else if (f->error[0])
        ctr_fail(c, k, "DockerStateError", "%s", f->error);
    ctr_set_known(c, k, CTR_STOPPED);
}

/* Somebody has restarted it ("docker restart"), and the engine let nobody look in between. To the
 * control plane its end is the task's, as with the reference, which goes by the event alone. */
static bool restarted_by_others(const struct core_ctr *k, const struct ctr_facts *f)
{
    return f->status == CTR_RUNNING && k->known == CTR_RUNNING && k->event_exit &&
           !k->def->restart.enabled && k->started_wall && f->started_ms > k->started_wall;
}

void ctr_apply_facts(struct core *c, struct core_ctr *k, const struct ctr_facts *f)
{
    if (!k->docker_id) {
        mem_replace(&k->docker_id, f->id);
        k->removed = false;
        task_changed(c, k->task);
    }
    if (k->again == REMAKE_REMOVE && f->status != CTR_RUNNING) {
        late_forget(k); /* how it failed to start is no end: it goes, and comes back */
        return;
    }
    if (late_seen(c, k, f))
        return;
    k->health = f->health;
    if (f->created_ms && !k->created_wall)
        k->created_wall = f->created_ms;
    if (f->status == CTR_RUNNING)
        restart_done(c, k);
    if (f->started_ms && !k->started_wall) {
        k->started_wall = f->started_ms;
        k->started_mono =
            c->now.mono_ms - (c->now.wall_ms > f->started_ms ? c->now.wall_ms - f->started_ms : 0);
    }
    if (restarted_by_others(k, f) && !ctr_wants_stop(k)) {
        core_note(c, true, k->task, k, "it ended and was started again by somebody; stopping it");
        k->stop_wanted = true;
        task_changed(c, k->task);
    }
    if (f->status == CTR_RUNNING && k->known == CTR_STOPPED) {
        core_note(c, true, k->task, k, "it runs again although it was stopped; stopping it");
        op_issue(c, k, CORE_OP_STOP);
        return;
    }
    if (f->status == CTR_RUNNING) {
        /* At first sight; one that was restarted before anybody looked runs already. */
        if (k->known < CTR_RUNNING || (!k->n_bindings && f->n_bindings)) {
            take_bindings(k, f);
            task_changed(c, k->task);
        }
        ctr_set_known(c, k, CTR_RUNNING);
    } else if (f->status == CTR_STOPPED && k->known < CTR_STOPPED) {
        restart_missed(c, k, f);
        take_exit_code(k, f);
        /* Whether it was to be started again is lost: its end counts. */
        if (k->task->rebuilt && k->known == CTR_NONE)
            take_end(c, k, f);
        else if ((!k->restart_due || ctr_wants_stop(k)) && !restart_wanted(c, k, f))
            take_end(c, k, f);
    } else {
        ctr_set_known(c, k, f->status);
    }
}

void ctr_remake(struct core *c, struct core_ctr *k)
{
    mem_replace(&k->docker_id, NULL);
    late_forget(k); /* it would be of the one before */
    k->again = REMAKE_CREATE;
    task_changed(c, k->task);
}

void ctr_gone(struct core *c, struct core_ctr *k)
{
    late_forget(k);
    if (k->again == REMAKE_REMOVE) {
        ctr_remake(c, k);
        return;
    }
    if (!k->docker_id)
        return; /* it was never made; a create that is still under way shows itself */
    /* It is cleaned up as any other: its log's reader and cursor are to go too. */
    if (k->known == CTR_STOPPED)
        return;
    if (k->event_exit) {
        k->has_exit_code = true;
        k->exit_code = k->event_exit_code;
        if (ran_out(k))
            fail_out_of_memory(c, k);
    } else {
        ctr_fail(c, k, "ContainerVanishedError", "No container matching saved ID found");
    }
    ctr_set_known(c, k, CTR_STOPPED);
}

static struct core_ctr *find_named(struct core_task *t, const char *id, const char *name)
{
    for (size_t i = 0; i < t->n_ctrs; i++) {
        struct core_ctr *k = &t->ctrs[i];

        if (k->docker_id && streq(k->docker_id, id))
            return k;
        if ((!k->docker_id || k->known == CTR_STOPPED) && k->create_tried &&
            streq(k->docker_name, name))
            return k;
    }
    return NULL;
}

/* A create from before a crash can be carried out long after, even when the container
 * has been made again since and was removed: what has the name is ours to clean up. */
static void appeared_late(struct core *c, struct core_ctr *k, const char *id)
{
    if (k->known != CTR_STOPPED || (k->docker_id && streq(k->docker_id, id)))
        return;
    mem_replace(&k->docker_id, id);
    k->removed = false;
    task_changed(c, k->task);
}

void ctr_happened(struct core *c, const struct core_event *ev)
{
    struct core_task *t = find_task(c, ev->u.container.task_arn);
    struct core_ctr *k = t ? find_named(t, ev->u.container.id, ev->u.container.name) : NULL;

    if (!k)
        return;
    if (ev->u.container.what == CORE_HAP_CREATED)
        appeared_late(c, k, ev->u.container.id);
    if (k->removed && k->known == CTR_STOPPED)
        return;
    if (ev->u.container.what == CORE_HAP_OOM) {
        k->event_oom = true;
        core_note(c, true, t, k, "the kernel killed a process of it: out of memory");
        return;
    }
    if (ev->u.container.what == CORE_HAP_DIED && ev->u.container.has_exit_code) {
        k->event_exit = true;
        k->event_exit_code = ev->u.container.exit_code;
    }
    if (ev->u.container.what == CORE_HAP_CREATED && k->op == CORE_OP_CREATE)
        return; /* its answer says the same */
    if (ev->u.container.what == CORE_HAP_STARTED &&
        (k->op == CORE_OP_START || k->op == CORE_OP_INSPECT))
        return; /* looked at after, or just now */
    if (k->again == REMAKE_REMOVE)
        return;
    k->suspect = true;
    task_touch(c, t);
}

void ctr_listed(struct core *c, const struct core_event *ev)
{
    struct core_task *t, *next;
    size_t strangers = 0;

    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        const struct core_listed *row = &ev->u.listed.rows[i];
        struct core_ctr *k;

        t = find_task(c, row->task_arn);
        k = t ? find_named(t, row->id, row->name) : NULL;
        if (k)
            appeared_late(c, k, row->id);
        if (!k)
            strangers += !row->remains;
        else if (row->status == CTR_RUNNING && k->known == CTR_STOPPED)
            k->suspect = true;
    }
    rebuild_listed(c, ev);
    if (strangers)
        core_note(c, false, NULL, NULL,
                  "%zu containers carry the labels of tasks that this agent does not know; they "
                  "are left alone",
                  strangers);
    HASH_ITER (hh, c->tasks, t, next) {
        for (size_t i = 0; i < t->n_ctrs; i++) {
            struct core_ctr *k = &t->ctrs[i];

            k->retry_at = 0; /* the engine answers again */
            if (k->create_tried && !k->removed && k->known != CTR_STOPPED)
                k->suspect = true;
        }
        task_touch(c, t);
    }
}
