/* fate: what is known of a task of the reference's, and what becomes of it here. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/core.h"
#include "reference/internal.h"

/* ---- what is known of it ---- */

static int64_t time_of(const struct jcur *c, const char *key)
{
    const char *text = ref_text(c, key);
    struct err e = { 0 };
    int64_t ms = 0;

    if (text && clock_parse_iso(text, &ms, &e))
        return 0; /* without it less is known, and nothing is wrong */
    return ms;
}

/* Which of ours it is; NULL: none. */
static const struct ref_part *part_of(const struct ref_source *s, const struct task_container *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct ref_part *p = &s->parts[i];

        if (c->internal ? streq(p->type, "NAMESPACE_PAUSE")
                        : streq(p->type, "NORMAL") && p->name && streq(p->name, c->name))
            return p;
    }
    return NULL;
}

static uint16_t bound_port(const struct jcur *bindings, const struct task_port *port)
{
    uint16_t first = port->container_port ? port->container_port : port->range_first;

    JCUR_EACH (b, bindings) {
        bool udp = streq(jcur_str_or(&b, "Protocol", "tcp"), "udp");

        if (jcur_int_or(&b, "ContainerPort", 0, UINT16_MAX, 0) == first &&
            udp == (port->proto == PORT_UDP))
            return (uint16_t)jcur_int_or(&b, "HostPort", 0, UINT16_MAX, 0);
    }
    return 0;
}

/* The ports that the reference, or Docker, chose; NULL: some are not known. free() it. */
static uint16_t *chosen_ports(const struct task *t, const struct task_container *c,
                              const struct ref_part *p)
{
    struct jcur bindings = jcur_arr(&p->own, "KnownPortBindings");
    uint16_t *out;

    if (!task_ports_to_choose(t, c))
        return NULL;
    out = mem_array(c->n_ports, sizeof *out);
    for (size_t i = 0; i < c->n_ports; i++) {
        if (c->ports[i].host_port)
            continue;
        out[i] = bound_port(&bindings, &c->ports[i]);
        if (!out[i]) {
            free(out);
            return NULL;
        }
    }
    return out;
}

static void take_part(const struct task *t, const struct task_container *c,
                      const struct ref_part *p, struct core_taken_container *out)
{
    struct jcur code = jcur_get(&p->own, "KnownExitCode");
    struct jcur error = jcur_obj(&p->own, "ApplyingError");
    struct jcur tracker = jcur_obj(&p->own, "restartTracker");
    const char *id = ref_text(&p->own, "V3EndpointID");

    out->known = p->known;
    out->sent = p->sent;
    out->docker_id = p->docker_id;
    out->docker_name = p->docker_name;
    out->metadata_id = id && strlen(id) < TASK_UUID_SIZE ? id : NULL;
    out->has_exit_code = jcur_present(&code);
    out->exit_code = (int)jcur_int_or(&p->own, "KnownExitCode", INT32_MIN, INT32_MAX, 0);
    out->error_name = ref_text(&error, "name");
    out->error_text = ref_text(&error, "error");
    out->started_ms = time_of(&p->own, "startedAt");
    out->host_ports = chosen_ports(t, c, p);
    out->restarts = (int)jcur_int_or(&tracker, "restartCount", 0, INT32_MAX - 1, 0);
    out->restarted_ms = time_of(&tracker, "lastRestartAt");
}

static enum err_code take_state(const struct ref_source *s, struct ref_task *out,
                                const char *reason, struct err *e)
{
    const struct task *t = out->task;
    struct core_taken_container *all = mem_array(t->n_containers, sizeof *all);
    struct core_taken taken = {
        .desired = t->desired,
        .known = s->known,
        .sent = s->sent,
        .reason = reason,
        .pull_started_ms = time_of(s->task, "PullStartedAt"),
        .pull_stopped_ms = time_of(s->task, "PullStoppedAt"),
        .execution_stopped_ms = time_of(s->task, "ExecutionStoppedAt"),
        .cleanup_delay_ms = s->args->cleanup_delay_ms,
        .containers = all,
    };

    taken.arrived_ms = taken.pull_started_ms ? taken.pull_started_ms : s->args->now_ms;
    if (s->known == TASK_STOPPED)
        taken.stopped_ms = time_of(s->task, "KnownTime");
    if (s->known == TASK_STOPPED && !taken.stopped_ms)
        taken.stopped_ms = s->args->now_ms;
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct ref_part *p = part_of(s, &t->containers[i]);

        if (p)
            take_part(t, &t->containers[i], p, &all[i]);
        else if (s->known == TASK_STOPPED)
            all[i].known = CTR_STOPPED;
        if (p && !jcur_ok(&p->own) && !e->code)
            err_set(e, ERR_INVALID, "%s", p->own.err->msg);
    }
    if (!e->code && !jcur_ok(s->task))
        err_set(e, ERR_INVALID, "%s", s->task->err->msg);
    if (!e->code)
        out->state = core_taken_state(t, &taken, s->args->seed);
    for (size_t i = 0; i < t->n_containers; i++)
        free((void *)all[i].host_ports);
    free(all);
    return e->code;
}

/* ---- what becomes of it ---- */

static void note(struct ref_task *t, char *text)
{
    t->notes = mem_resize(t->notes, t->n_notes + 1, sizeof *t->notes);
    t->notes[t->n_notes++] = text;
}

/* The reference ends a volume's name with a random number. */
static void note_volumes(const struct ref_source *s, struct ref_task *t)
{
    struct jcur volumes = jcur_arr(s->task, "volumes");

    JCUR_EACH (v, &volumes) {
        struct jcur docker = jcur_obj(&v, "dockerVolumeConfiguration"), host = jcur_obj(&v, "host");
        const char *name = ref_text(&host, "hostPath");

        if (streq(jcur_str_or(&docker, "scope", ""), "task"))
            name = ref_text(&docker, "dockerVolumeName");
        if (name)
            note(t, mem_printf("volume %s stays behind when the task is over", name));
    }
}

static void note_containers(const struct ref_source *s, struct ref_task *t)
{
    t->containers = mem_array(s->n, sizeof *t->containers);
    for (size_t i = 0; i < s->n; i++) {
        const struct ref_part *p = &s->parts[i];
        struct jcur agents = jcur_arr(&p->own, "managedAgents");

        t->containers[t->n_containers++] = (struct ref_container){
            .name = mem_strdup(p->name),
            .docker_id = mem_strdup(p->docker_id),
            .docker_name = mem_strdup(p->docker_name),
            .internal = !streq(p->type, "NORMAL"),
        };
        if (jcur_len(&agents) && t->task)
            note(t, mem_printf("execute-command ends for container %s", p->name));
        if (p->docker_id && t->task && !streq(p->type, "NORMAL") &&
            !streq(p->type, "NAMESPACE_PAUSE"))
            note(t, mem_printf("container %s (%s) stays behind",
                               p->docker_name ? p->docker_name : p->docker_id, p->type));
    }
}

static bool has_own_volumes(const struct task *t)
{
    for (size_t i = 0; i < t->n_volumes; i++)
        if (t->volumes[i].kind == VOLUME_TASK)
            return true;
    return false;
}

static const char *foreign_part(const struct ref_source *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!streq(s->parts[i].type, "NORMAL") && !streq(s->parts[i].type, "NAMESPACE_PAUSE"))
            return s->parts[i].name;
    return NULL;
}

/* Of a task that is to run. */
static enum ref_fate fate_of(const struct ref_source *s, const struct task *t, const char **reason)
{
    bool some = false, all = true;

    for (size_t i = 0; i < s->n; i++) {
        some |= s->parts[i].docker_id || s->parts[i].docker_name;
        all &= s->parts[i].known >= CTR_RUNNING;
    }
    if (!some && !all)
        return REF_BEGINS;
    /* A further container would not find in its volume what the others have put there. */
    if (!all && has_own_volumes(t)) {
        *reason = "TaskStateError: the agent was replaced while the task was starting";
        return REF_STOPS;
    }
    return REF_GOES_ON;
}

static void cannot(const struct ref_source *s, struct ref_task *out, char *why)
{
    bool over = s->known == TASK_STOPPED && s->sent == TASK_STOPPED;

    out->fate = over ? REF_LEFT : REF_CANNOT;
    free(out->why); /* why it would have been stopped */
    out->why = why;
    task_destroy(out->task);
    out->task = NULL;
}

static void judge(const struct ref_source *s, struct ref_task *out)
{
    bool stops = s->desired == TASK_STOPPED || s->known == TASK_STOPPED;
    const char *reason = NULL, *foreign = foreign_part(s);
    struct err e = { 0 };

    if (jcur_bool_or(s->task, "IsInternal", false)) {
        cannot(s, out, mem_strdup("it is the reference agent's own"));
        return;
    }
    if (ref_source_decode(s, stops ? TASK_STOPPED : TASK_RUNNING, &out->task, &e)) {
        cannot(s, out, mem_strdup(e.msg));
        return;
    }
    if (foreign && s->known != TASK_STOPPED) {
        cannot(s, out, mem_printf("container '%s' is the reference agent's own", foreign));
        return;
    }
    out->fate = s->known == TASK_STOPPED ? REF_OVER : REF_STOPS;
    if (!stops)
        out->fate = fate_of(s, out->task, &reason);
    if (reason) { /* what is stored says so as well */
        task_destroy(out->task);
        out->task = NULL;
        out->why = mem_strdup(reason);
        if (ref_source_decode(s, TASK_STOPPED, &out->task, &e)) {
            cannot(s, out, mem_strdup(e.msg));
            return;
        }
    }
    if (take_state(s, out, reason, &e))
        cannot(s, out, mem_strdup(e.msg));
}

enum err_code ref_translate(const struct jcur *row, const struct ref_args *args, ref_find_fn *find,
                            void *user, struct ref_task *out, struct err *e)
{
    struct ref_source s = { .task = row, .args = args };

    *out = (struct ref_task){ 0 };
    if (!ref_source_read(&s, find, user, e)) {
        out->arn = mem_strdup(jcur_str(row, "Arn"));
        out->family = mem_strdup(jcur_str_or(row, "Family", ""));
        out->version = mem_strdup(jcur_str_or(row, "Version", ""));
        judge(&s, out);
        note_containers(&s, out);
        if (out->task)
            note_volumes(&s, out);
    }
    free(s.parts);
    return e->code;
}

void ref_task_fini(struct ref_task *t)
{
    free(t->arn);
    free(t->family);
    free(t->version);
    free(t->why);
    task_destroy(t->task);
    mem_wipe(t->state);
    for (size_t i = 0; i < t->n_containers; i++) {
        free(t->containers[i].name);
        free(t->containers[i].docker_id);
        free(t->containers[i].docker_name);
    }
    free(t->containers);
    for (size_t i = 0; i < t->n_notes; i++)
        free(t->notes[i]);
    free(t->notes);
    *t = (struct ref_task){ 0 };
}
