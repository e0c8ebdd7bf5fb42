/* What agents report: endpoints asked for, tasks and containers that moved.
 *
 * A report that goes back, or comes twice, is answered as the real service
 * answers it, with an acknowledgment, but recorded as a violation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acs.h"
#include "base/mem.h"
#include "ecs.h"

#define REASON_MAX 1024
#define ID_MAX     255

void ecs_discover_poll_endpoint(struct ecs *x, struct cp_call *c)
{
    const char *url = cp_server_public_url(x->server);
    static const char *const members[][2] = { { "endpoint", "acs" },
                                              { "telemetryEndpoint", "tcs" },
                                              { "serviceConnectEndpoint", "sc" },
                                              { "systemLogsEndpoint", "syslogs" } };
    struct reply r;

    reply_begin(&r);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        AUTO(str) char *text = mem_printf("%s/%s", url, members[i][1]);

        jw_kstr(&r.w, members[i][0], text);
    }
    reply_end(&r, c);
}

static void acknowledge(struct cp_call *c)
{
    cp_reply(c, str_of("{\"acknowledgment\":\"ACK\"}"));
}

/* Refuses the call and records why. */
static void refuse(struct ecs *x, struct cp_call *c, const char *why)
{
    cp_violation(x->server, "%s: %s", c->operation, why);
    ecs_parameter_error(c, "%s", why);
}

/* ---- checks that come before any change ---- */

static enum err_code check_bindings(const struct jcur *list, struct err *e)
{
    JCUR_EACH (b, list) {
        struct jcur container = jcur_get(&b, "containerPort"), host = jcur_get(&b, "hostPort");
        struct jcur range = jcur_get(&b, "containerPortRange");
        struct jcur host_range = jcur_get(&b, "hostPortRange");
        const char *protocol = jcur_str_or(&b, "protocol", "");
        bool single = jcur_present(&container) && jcur_present(&host);
        bool ranges = jcur_present(&range) && jcur_present(&host_range);

        if (single == ranges || jcur_present(&range) != jcur_present(&host_range))
            return err_set(e, ERR_INVALID,
                           "a network binding has neither two ports nor two ranges");
        if (single && (jcur_int_or(&b, "containerPort", INT32_MIN, INT32_MAX, 0) < 1 ||
                       jcur_int_or(&b, "hostPort", INT32_MIN, INT32_MAX, 0) < 1))
            return err_set(e, ERR_INVALID, "a network binding has a port below 1");
        if (!streq(protocol, "tcp") && !streq(protocol, "udp"))
            return err_set(e, ERR_INVALID, "a network binding has the protocol '%s'", protocol);
        if (!*jcur_str_or(&b, "bindIP", ""))
            return err_set(e, ERR_INVALID, "a network binding has no bindIP");
    }
    return ERR_OK;
}

static enum err_code check_container(struct task *t, const struct jcur *change, struct err *e)
{
    const char *name = jcur_str_or(change, "containerName", "");
    const char *status = jcur_str_or(change, "status", NULL);
    struct jcur bindings = jcur_arr(change, "networkBindings");

    if (!model_container_find(t, name))
        return err_set(e, ERR_INVALID, "task %s has no container '%s'", t->id, name);
    if (status && task_status_parse(status) == TASK_NONE)
        return err_set(e, ERR_INVALID, "container '%s' has the status '%s'", name, status);
    if (strlen(jcur_str_or(change, "reason", "")) > REASON_MAX)
        return err_set(e, ERR_INVALID, "the reason of container '%s' is too long", name);
    if (strlen(jcur_str_or(change, "runtimeId", "")) > ID_MAX ||
        strlen(jcur_str_or(change, "imageDigest", "")) > ID_MAX)
        return err_set(e, ERR_INVALID, "an id of container '%s' is too long", name);
    return check_bindings(&bindings, e);
}

static enum err_code check_task_report(struct task *t, const struct jcur *body, struct err *e)
{
    const char *status = jcur_str_or(body, "status", NULL);
    struct jcur containers = jcur_arr(body, "containers");
    struct jcur attachments = jcur_arr(body, "attachments");

    if (!status && jcur_len(&attachments) == 0)
        return err_set(e, ERR_INVALID, "neither a status nor attachments were given");
    if (status && task_status_parse(status) == TASK_NONE)
        return err_set(e, ERR_INVALID, "the task status is '%s'", status);
    if (strlen(jcur_str_or(body, "reason", "")) > REASON_MAX)
        return err_set(e, ERR_INVALID, "the reason is longer than %d bytes", REASON_MAX);
    JCUR_EACH (change, &containers) {
        if (check_container(t, &change, e))
            return e->code;
    }
    return ERR_OK;
}

/* ---- changes ---- */

static int64_t read_time(const struct jcur *body, const char *key, int64_t old)
{
    double seconds = jcur_num_or(body, key, 0);

    return seconds > 0 && seconds < 1e11 ? (int64_t)llround(seconds * 1000) : old;
}

static void keep_bindings(struct container *c, const struct jcur *change)
{
    struct jcur list = jcur_arr(change, "networkBindings");
    struct buf text = BUF_INIT(1 << 20);

    if (jcur_present(&list) && json_dump(list.val, &text)) {
        free(c->bindings);
        c->bindings = buf_take(&text);
    }
    buf_fini(&text);
}

static void keep_text(char **slot, const struct jcur *change, const char *key)
{
    const char *text = jcur_str_or(change, key, "");

    if (*text)
        mem_replace(slot, text);
}

static void apply_container(struct ecs *x, struct task *t, const struct jcur *change)
{
    struct container *c = model_container_find(t, jcur_str_or(change, "containerName", ""));
    enum task_status status =
        task_status_parse(jcur_str_or(change, "status", task_status_name(c->status)));
    struct jcur exit_code = jcur_get(change, "exitCode");

    if (status < c->status)
        cp_violation(x->server, "container %s of task %s went back from %s to %s", c->name, t->id,
                     task_status_name(c->status), task_status_name(status));
    else
        c->status = status;
    if (status == TASK_RUNNING && c->started_us == 0)
        c->started_us = cp_server_mono_us();
    if (jcur_present(&exit_code)) {
        c->exited = true;
        c->exit_code = (int)jcur_int_or(change, "exitCode", INT32_MIN, INT32_MAX, 0);
    }
    keep_text(&c->reason, change, "reason");
    keep_text(&c->runtime_id, change, "runtimeId");
    keep_text(&c->image_digest, change, "imageDigest");
    keep_bindings(c, change);
}

/* Did the program of an essential container run to its end? */
/* A container that could not be pulled, created or started says so. */
static bool could_not_begin(const struct container *c)
{
    return c->reason && str_starts(c->reason, "Cannot");
}

/* One that never ran although an essential container did not simply end: what ended was
 * stopped because of another that could not begin. */
static bool failed_to_start(const struct task *t)
{
    bool ended = false;

    for (size_t i = 0; i < t->container_count; i++) {
        if (could_not_begin(&t->containers[i]))
            return t->status < TASK_RUNNING;
        ended |= t->containers[i].essential && t->containers[i].exited;
    }
    return t->status < TASK_RUNNING && !ended;
}

static void apply_stopped(struct ecs *x, struct task *t, const struct jcur *body, int64_t now_ms)
{
    const char *reason = jcur_str_or(body, "reason", "");
    bool failed = failed_to_start(t);

    for (size_t i = 0; i < t->container_count; i++)
        if (t->containers[i].status == TASK_RUNNING)
            cp_violation(x->server, "task %s was reported STOPPED while its container %s runs",
                         t->id, t->containers[i].name);
    t->execution_stopped_ms = read_time(body, "executionStoppedAt", t->execution_stopped_ms);
    if (t->stopping_ms == 0)
        t->stopping_ms = t->execution_stopped_ms ? t->execution_stopped_ms : now_ms;
    ecs_task_stopped(x, t, failed ? "TaskFailedToStart" : "EssentialContainerExited",
                     *reason  ? reason
                     : failed ? "Task failed to start"
                              : "Essential container in task exited",
                     now_ms);
}

static void apply_task(struct ecs *x, struct task *t, const struct jcur *body, int64_t now_ms)
{
    enum task_status status = task_status_parse(jcur_str_or(body, "status", ""));
    struct jcur containers = jcur_arr(body, "containers");

    if (t->status == TASK_STOPPED) {
        /* The tasks of a deregistered instance were stopped without its agent. */
        if (t->instance->status != INSTANCE_INACTIVE)
            cp_violation(x->server, "task %s was reported %s after it was STOPPED", t->id,
                         task_status_name(status));
        return;
    }
    JCUR_EACH (change, &containers) {
        apply_container(x, t, &change);
    }
    t->pull_started_ms = read_time(body, "pullStartedAt", t->pull_started_ms);
    t->pull_stopped_ms = read_time(body, "pullStoppedAt", t->pull_stopped_ms);
    if (status < t->status) {
        cp_violation(x->server, "task %s went back from %s to %s", t->id,
                     task_status_name(t->status), task_status_name(status));
    } else if (status == TASK_STOPPED) {
        apply_stopped(x, t, body, now_ms);
    } else if (status != t->status) {
        t->status = status;
        t->started_ms = now_ms;
        t->running_us = cp_server_mono_us();
    }
    t->version++;
    ecs_changed(x);
}

/* ---- operations ---- */

static struct task *reported_task(struct ecs *x, struct cp_call *c)
{
    struct cluster *cl = ecs_cluster(x, c);
    struct task *t = cl ? model_task_find(x->model, cl, jcur_str_or(&c->body, "task", "")) : NULL;

    /* No violation: the task may be one of an earlier life of this server. */
    if (cl && !t)
        ecs_parameter_error(c, "The referenced task was not found.");
    return t;
}

void ecs_submit_task(struct ecs *x, struct cp_call *c)
{
    struct task *t = reported_task(x, c);
    struct err e = { 0 };

    if (!t)
        return;
    if (check_task_report(t, &c->body, &e)) {
        refuse(x, c, e.msg);
        return;
    }
    if (jcur_str_or(&c->body, "status", NULL))
        apply_task(x, t, &c->body, c->now_ms);
    acknowledge(c);
}

void ecs_submit_container(struct ecs *x, struct cp_call *c)
{
    struct task *t = reported_task(x, c);
    struct err e = { 0 };

    if (!t)
        return;
    if (check_container(t, &c->body, &e)) {
        refuse(x, c, e.msg);
        return;
    }
    apply_container(x, t, &c->body);
    ecs_changed(x);
    acknowledge(c);
}

/* Nothing is ever attached here, so a report about an attachment is made up. */
void ecs_submit_attachments(struct ecs *x, struct cp_call *c)
{
    struct jcur list = jcur_arr(&c->body, "attachments");

    if (!ecs_cluster(x, c))
        return;
    JCUR_EACH (a, &list) {
        if (!streq(jcur_str_or(&a, "status", ""), "ATTACHED")) {
            refuse(x, c, "the status of an attachment is not ATTACHED");
            return;
        }
        cp_violation(x->server, "SubmitAttachmentStateChanges: unknown attachment %s",
                     jcur_str_or(&a, "attachmentArn", ""));
    }
    acknowledge(c);
}
