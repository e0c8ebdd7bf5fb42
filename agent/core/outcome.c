/* outcome: what the end of an operation means for its container. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/state.h"

#define MAX_PULLS     5
#define MAX_INSPECTS  5
#define MAX_MANIFESTS 5
#define PULL_BEGIN_MS (5 * 60 * 1000)
#define MAX_REMAKES   5

#define NO_PULL "CannotPullContainerError: "
/* The shell's own words: there was no password to pull with. */
#define NO_TOKEN "CannotPullECRContainerError: "

/* A message that carries the reference's error name in front ("HostConfigError:
 * ...") keeps it; any other gets the name of what was tried. */
static void fail_with(struct core *c, struct core_ctr *k, const char *name, const char *msg)
{
    const char *colon = strstr(msg, ": ");
    size_t n = colon ? (size_t)(colon - msg) : 0;
    char own[64];

    if (n > 5 && n < sizeof own &&
        strspn(msg, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == n &&
        memcmp(colon - 5, "Error", 5) == 0) {
        memcpy(own, msg, n);
        own[n] = '\0';
        ctr_fail(c, k, own, "%s", colon + 2);
    } else {
        ctr_fail(c, k, name, "%s", msg);
    }
}

static void fail_timeout(struct core *c, struct core_ctr *k, const char *to, int64_t after_ms)
{
    char text[CLOCK_ISO_SIZE];

    clock_go_duration(after_ms, text);
    ctr_fail(c, k, "DockerTimeoutError", "Could not transition to %s; timed out after waiting %s",
             to, text);
}

/* ---- images ---- */

/* The reference's hints, added to what the registry said. */
static const char *pull_hint(const char *msg)
{
    if (strstr(msg, "is not authorized to perform: ecr:BatchGetImage on resource"))
        return "The task can\xE2\x80\x99t pull the image. Check that the role has the permissions "
               "to "
               "pull images from the registry. ";
    if (strstr(msg, "denied: requested access to the resource is denied"))
        return "The task can\xE2\x80\x99t pull the image. Check whether the image exists. ";
    if (strstr(msg, "request canceled while waiting for connection"))
        return "The task can\xE2\x80\x99t pull the image. Check your network configuration. ";
    return "";
}

/* ECR's signed addresses of layers let anybody have them. free() it. */
static char *without_layer_urls(const char *msg, const char *image)
{
    struct buf b = BUF_INIT(16384);

    while (*msg) {
        size_t word = strcspn(msg, " \t\n\"");
        const char *url = word ? memmem(msg, word, "http", 4) : NULL;

        if (url && memmem(url, word - (size_t)(url - msg), "starport-layer-bucket", 21)) {
            buf_append(&b, msg, (size_t)(url - msg));
            buf_printf(&b, "REDACTED ECR URL related to %s", image);
        } else {
            buf_append(&b, msg, word);
        }
        msg += word;
        if (*msg)
            buf_append(&b, msg++, 1);
    }
    return buf_take(&b);
}

static bool would_fail_again(const struct err *e)
{
    static const char *const final[] = { "denied", "not found", "manifest unknown",
                                         "does not exist", "invalid reference" };

    for (size_t i = 0; i < COUNT_OF(final); i++)
        if (strstr(e->msg, final[i]))
            return true;
    return e->code == ERR_NOT_FOUND || e->code == ERR_INVALID || e->code == ERR_DENIED;
}

/* A failure that is not the image's end: the pull that follows has its own word, and an
 * image that is here serves too. */
static bool pull_may_go_on(const struct core *c)
{
    return c->cfg.pull_behavior == PULL_DEFAULT || c->cfg.pull_behavior == PULL_PREFER_CACHED;
}

static void manifest_failed(struct core *c, struct core_ctr *k, const struct err *e)
{
    char after[CLOCK_ISO_SIZE];

    if (!pull_may_go_on(c) && !would_fail_again(e) && e->code != ERR_TIMEOUT &&
        ++k->manifests < MAX_MANIFESTS) {
        ctr_retry(c, k);
        return;
    }
    k->manifest_done = true;
    if (pull_may_go_on(c)) {
        core_note(c, false, k->task, k, "the registry did not say the image's digest: %s", e->msg);
        ctr_set_known(c, k, CTR_MANIFEST_PULLED);
        return;
    }
    clock_go_duration(c->now.mono_ms - k->op_since, after);
    if (e->code == ERR_TIMEOUT)
        ctr_fail(c, k, "DockerTimeoutError",
                 "Could not transition to MANIFEST_PULLED; timed out after waiting %s", after);
    else
        fail_with(c, k, "CannotPullImageManifestError", e->msg);
    task_fail(c, k->task, k, NULL); /* also for a container that is not essential */
}

static void on_manifest(struct core *c, struct core_ctr *k, const struct core_event *ev)
{
    const struct core_image *image = ev->u.op.n_images ? &ev->u.op.images[0] : NULL;

    if (ev->u.op.err.code == ERR_RETRY) {
        ctr_retry(c, k);
        return;
    }
    if (ev->u.op.err.code) {
        manifest_failed(c, k, &ev->u.op.err);
        return;
    }
    k->manifest_done = true;
    if (image && !str_empty(image->digest)) {
        mem_replace(&k->digest, image->digest);
        k->tells_digest = true;
    }
    ctr_set_known(c, k, CTR_MANIFEST_PULLED);
}

static void give_up_pulling(struct core *c, struct core_ctr *k)
{
    enum pull_behavior b = c->cfg.pull_behavior;

    fail_with(c, k, "CannotPullContainerError", k->pull_error);
    if (b == PULL_ALWAYS || b == PULL_ONCE)
        task_fail(c, k->task, k, NULL); /* also for a container that is not essential */
}

/* Who waits for its turn to pull the same image would be told the same: with a registry
 * out of reach each turn takes long, while the image is often here. Not what the registry
 * answered, for another task may have other rights. */
static void share_failure(struct core *c, const struct core_ctr *k)
{
    LIST_FOREACH (node, next, &c->lanes[LANE_PULL].queue) {
        struct core_ctr *other = LIST_ENTRY(node, struct core_ctr, lane_node);

        if (other->image != IMAGE_BEGIN || !streq(other->def->image, k->def->image))
            continue;
        op_unqueue(other);
        other->pulls++;
        mem_replace(&other->pull_error, k->pull_error);
        task_touch(c, other->task);
    }
}

static void pull_failed(struct core *c, struct core_ctr *k, const struct err *e)
{
    /* The shell's own words. A registry that fell silent may answer the next time. (The
     * reference often says "context canceled" here.) */
    bool silent = strstr(e->msg, "inactivity time exceeded") != NULL;
    bool begun = !strstr(e->msg, "did not begin in time");
    int64_t took = c->now.mono_ms - k->op_since;
    int64_t bound = begun ? c->cfg.pull_timeout_ms : PULL_BEGIN_MS;
    char after[CLOCK_ISO_SIZE], *text = without_layer_urls(e->msg, k->def->image);

    k->pulls++;
    k->pull_final = would_fail_again(e) || (e->code == ERR_TIMEOUT && !silent);
    free(k->pull_error);
    /* A timer is always a little late; what is told is the bound. */
    clock_go_duration(took < bound ? took : bound, after);
    if (e->code == ERR_TIMEOUT && !silent)
        k->pull_error =
            mem_printf("DockerTimeoutError: Could not transition to %s; timed out after waiting %s",
                       begun ? "pulled" : "pullBegin", after);
    else
        k->pull_error = mem_printf("%s%s%s", str_starts(text, NO_TOKEN) ? "" : NO_PULL,
                                   pull_hint(e->msg), text);
    free(text);
    if (c->cfg.pull_behavior == PULL_DEFAULT && k->image == IMAGE_BEGIN) {
        if (e->code == ERR_TIMEOUT || !would_fail_again(e))
            share_failure(c, k);
        return; /* perhaps it is here already */
    }
    if (k->pull_final || k->pulls >= MAX_PULLS) {
        give_up_pulling(c, k);
        return;
    }
    core_note(c, true, k->task, k, "pull failed, trying again: %s", e->msg);
    ctr_retry(c, k);
}

static void on_pulled(struct core *c, struct core_ctr *k, const struct err *e)
{
    k->task->pull_stopped = c->now.wall_ms;
    task_changed(c, k->task);
    if (e->code == ERR_RETRY) {
        ctr_retry(c, k); /* the engine is away: this says nothing about the image */
    } else if (e->code) {
        pull_failed(c, k, e);
    } else {
        k->image = IMAGE_PULLED;
        ctr_worked(k);
    }
}

/* The image is here. Its digest, unless the manifest or the reference itself said it. */
static void use_image(struct core *c, struct core_ctr *k, const struct core_image *image)
{
    const char *at = strchr(k->def->image, '@');

    if (task_image_has_digest(k->def->image)) {
        mem_replace(&k->digest, at + 1); /* which the control plane knows */
    } else if (k->image != IMAGE_PULLED || !k->digest) {
        /* Also when the registry named another one, but its pull failed. */
        mem_replace(&k->digest, str_empty(image->digest) ? NULL : image->digest);
        k->tells_digest =
            k->digest && k->known < CTR_MANIFEST_PULLED; /* no pull was needed to know it */
    }
    images_used(c, k, image, k->image == IMAGE_PULLED);
}

static void on_image(struct core *c, struct core_ctr *k, const struct core_event *ev)
{
    const struct err *e = &ev->u.op.err;

    if (e->code == ERR_OK || (e->code == ERR_NOT_FOUND && k->image == IMAGE_PULLED)) {
        if (k->pulls && k->image == IMAGE_BEGIN)
            core_note(c, true, k->task, k, "pull failed, using the image that is here: %s",
                      k->pull_error);
        if (ev->u.op.n_images)
            use_image(c, k, &ev->u.op.images[0]);
        ctr_set_known(c, k, CTR_PULLED);
    } else if (e->code == ERR_NOT_FOUND) {
        k->image = IMAGE_ABSENT;
        if (k->pulls && (k->pull_final || k->pulls >= MAX_PULLS))
            give_up_pulling(c, k);
        else if (k->pulls)
            ctr_retry(c, k);
    } else if (e->code == ERR_INVALID) {
        fail_with(c, k, "CannotPullContainerError", e->msg);
    } else {
        ctr_retry(c, k);
    }
}

/* ---- containers ---- */

static void on_ports(struct core *c, struct core_ctr *k, const struct core_event *ev)
{
    const struct err *e = &ev->u.op.err;

    if (e->code == ERR_OK)
        ports_found(c, k, ev->u.op.ports, ev->u.op.n_ports);
    else if (e->code == ERR_RETRY)
        ctr_retry(c, k);
    else
        fail_with(c, k, "HostConfigError", e->msg);
}

static void on_created(struct core *c, struct core_ctr *k, const struct core_event *ev)
{
    const struct err *e = &ev->u.op.err;

    switch (e->code) {
    case ERR_OK:
        mem_replace(&k->docker_id, ev->u.op.container_id);
        k->created_wall = c->now.wall_ms;
        if (k->again) {
            k->again = REMAKE_NO;
            task_changed(c, k->task);
        }
        ctr_set_known(c, k, CTR_CREATED);
        break;
    case ERR_CONFLICT: /* ours, from before a crash: the name was chosen for it alone */
        k->suspect = true;
        ctr_retry(c, k);
        k->retry_at = k->tries > 1 ? k->retry_at : 0;
        break;
    case ERR_RETRY:
        k->suspect = true; /* it may have been made all the same */
        ctr_retry(c, k);
        break;
    case ERR_TIMEOUT:
        k->suspect = true;
        fail_timeout(c, k, "created", c->cfg.create_timeout_ms);
        break;
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_DENIED:
    case ERR_LIMIT:
    case ERR_IO:
        fail_with(c, k, "CannotCreateContainerError", e->msg);
        break;
    }
}

/* Somebody was quicker to take a port that was free when it was chosen. (The reference
 * lets the task fail.) */
static bool lost_its_port(const struct core_ctr *k, const struct err *e)
{
    return e->code && k->host_ports && k->known == CTR_CREATED && k->port_tries < MAX_REMAKES &&
           (strstr(e->msg, "port is already allocated") ||
            strstr(e->msg, "address already in use"));
}

static void on_started(struct core *c, struct core_ctr *k, const struct err *e)
{
    if (lost_its_port(k, e)) {
        core_note(c, true, k->task, k, "a host port was taken meanwhile, choosing again: %s",
                  e->msg);
        k->port_tries++;
        ports_release(c, k);
        free(k->host_ports);
        k->host_ports = NULL;
        k->again = REMAKE_REMOVE;
        k->suspect = false; /* what it looks like now is known, and does not matter */
        task_changed(c, k->task);
        return;
    }
    k->suspect = true; /* what became of it, its ports, its start time */
    if (!e->code)
        restart_done(c, k);
    if (e->code == ERR_RETRY || e->code == ERR_TIMEOUT)
        late_expect(k, e->code == ERR_RETRY ? 0 : c->cfg.start_timeout_ms);
    if (e->code == ERR_RETRY)
        ctr_retry(c, k);
    else if (e->code == ERR_TIMEOUT)
        fail_timeout(c, k, "started", c->cfg.start_timeout_ms);
    else if (e->code)
        fail_with(c, k, "CannotStartContainerError", e->msg);
}

static void on_stopped(struct core *c, struct core_ctr *k, const struct err *e)
{
    k->suspect = true;
    if (!e->code)
        return;
    /* The reference takes a failed stop for a stop; here only an inspect says so. */
    if (e->code != ERR_NOT_FOUND && e->code != ERR_RETRY)
        core_note(c, true, k->task, k, "stop failed, trying again: %s", e->msg);
    ctr_retry(c, k);
    if (e->code == ERR_NOT_FOUND)
        k->retry_at = 0;
}

/* A name that the engine does not take, as a family may make it, is nobody's. (What was made under
 * it all the same shows itself by an event, and has an id then.) */
static bool cannot_be(const struct core_ctr *k, const struct err *e)
{
    return e->code == ERR_NOT_FOUND || (e->code == ERR_INVALID && !k->docker_id);
}

static void on_inspected(struct core *c, struct core_ctr *k, const struct core_event *ev)
{
    const struct err *e = &ev->u.op.err;

    k->unseen &= e->code && !cannot_be(k, e);
    /* Only a record that was edited has neither facts nor an error. */
    if (e->code == ERR_OK && ev->u.op.facts) {
        /* That it still runs is no success of a stop: the tries to stop it grow apart. */
        bool still_runs =
            ev->u.op.facts->status == CTR_RUNNING && (ctr_wants_stop(k) || k->known == CTR_STOPPED);

        if (!still_runs && (k->known >= CTR_RUNNING || ev->u.op.facts->status >= CTR_RUNNING))
            ctr_worked(k);
        ctr_apply_facts(c, k, ev->u.op.facts);
    } else if (cannot_be(k, e)) {
        ctr_gone(c, k);
    } else {
        k->suspect = true;
        ctr_retry(c, k);
        if (e->code != ERR_RETRY && k->tries == MAX_INSPECTS && k->known == CTR_CREATED)
            ctr_fail(c, k, "CannotInspectContainerError", "%s", e->msg);
    }
}

static void on_removed(struct core *c, struct core_ctr *k, const struct err *e)
{
    bool gone = e->code == ERR_OK || cannot_be(k, e);

    if (gone && k->again == REMAKE_REMOVE && k->known != CTR_STOPPED) {
        k->suspect = false;
        ctr_remake(c, k);
        return;
    }
    if (gone) {
        k->removed = true;
        k->suspect = false;
        task_changed(c, k->task);
        return;
    }
    if (e->code == ERR_CONFLICT)
        k->suspect = true; /* does it run again? */
    if (e->code != ERR_RETRY)
        core_note(c, true, k->task, k, "removal failed, trying again: %s", e->msg);
    ctr_retry(c, k);
}

static void side_done(struct core *c, const struct core_event *ev)
{
    struct side_op *s = NULL;

    HASH_FIND(hh, c->side_ops, &ev->u.op.id, sizeof ev->u.op.id, s);
    if (!s)
        return; /* canceled, or an answer to a question of an earlier run */
    if (s->res)
        resource_done(c, s->res, ev);
    else
        janitor_done(c, ev);
}

void outcome_apply(struct core *c, const struct core_event *ev)
{
    struct core_ctr *k = NULL;
    enum core_op op;

    HASH_FIND(op_hh, c->ops, &ev->u.op.id, sizeof ev->u.op.id, k);
    if (!k) {
        side_done(c, ev);
        return;
    }
    op = k->op;
    op_finished(c, k);
    task_touch(c, k->task);
    switch ((int)op) {
    case CORE_OP_INSPECT_IMAGE:
        on_image(c, k, ev);
        break;
    case CORE_OP_MANIFEST:
        on_manifest(c, k, ev);
        break;
    case CORE_OP_PORTS:
        on_ports(c, k, ev);
        break;
    case CORE_OP_PULL:
        on_pulled(c, k, &ev->u.op.err);
        break;
    case CORE_OP_CREATE:
        on_created(c, k, ev);
        break;
    case CORE_OP_START:
        on_started(c, k, &ev->u.op.err);
        break;
    case CORE_OP_STOP:
        on_stopped(c, k, &ev->u.op.err);
        break;
    case CORE_OP_INSPECT:
        on_inspected(c, k, ev);
        break;
    case CORE_OP_DRAIN_LOGS:
        k->drained = true;
        break;
    case CORE_OP_REMOVE:
        on_removed(c, k, &ev->u.op.err);
        break;
    default:
        break;
    }
}
