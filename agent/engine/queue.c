#include <string.h>

#include "base/mem.h"
#include "engine/internal.h"

struct queued *queued_create(enum core_event_type type)
{
    struct queued *q = NEW(struct queued);

    list_init(&q->node);
    q->ev.type = type;
    return q;
}

/* What a record could not tell from absent is never NULL. */
static char *copy_text(const char *s)
{
    return mem_strdup(str_or_empty(s));
}

static void drop(const char *owned)
{
    free((void *)owned);
}

static void drop_payload(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
        struct core_payload_task *t = &ev->u.payload.tasks[i];

        task_destroy(t->task);
        drop(t->arn);
        drop(t->error);
    }
    free(ev->u.payload.tasks);
    drop(ev->u.payload.message_id);
}

static void drop_manifest(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.manifest.n_entries; i++)
        drop(ev->u.manifest.entries[i].arn);
    free((void *)ev->u.manifest.entries);
    drop(ev->u.manifest.message_id);
    drop(ev->u.manifest.cluster_arn);
}

static void drop_stop_ack(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.stop_ack.n_arns; i++)
        drop(ev->u.stop_ack.arns[i]);
    free((void *)ev->u.stop_ack.arns);
    drop(ev->u.stop_ack.message_id);
}

static void drop_local(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.local.n_defs; i++) {
        drop(ev->u.local.defs[i].name);
        drop(ev->u.local.defs[i].digest);
        task_destroy(ev->u.local.defs[i].task);
    }
    free(ev->u.local.defs);
}

static void drop_settings(struct core_event *ev)
{
    struct core_config *config = (struct core_config *)ev->u.settings.config;

    for (size_t i = 0; i < config->n_excluded_images; i++)
        drop(config->excluded_images[i]);
    free((void *)config->excluded_images);
    free(config);
}

static void drop_images(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.op.n_images; i++) {
        const struct core_image *image = &ev->u.op.images[i];

        for (size_t k = 0; k < image->n_names; k++)
            drop(image->names[k]);
        free((void *)image->names);
        drop(image->id);
        drop(image->digest);
    }
    free((void *)ev->u.op.images);
}

static void drop_others(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.op.n_others; i++) {
        drop(ev->u.op.others[i].id);
        drop(ev->u.op.others[i].name);
        drop(ev->u.op.others[i].state);
    }
    free((void *)ev->u.op.others);
}

static void drop_op(struct core_event *ev)
{
    struct ctr_facts *facts = (struct ctr_facts *)ev->u.op.facts;

    drop(ev->u.op.container_id);
    drop_images(ev);
    drop_others(ev);
    free((void *)ev->u.op.ports);
    if (facts)
        ctr_facts_fini(facts);
    free(facts);
}

static void drop_listed(struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        drop(ev->u.listed.rows[i].id);
        drop(ev->u.listed.rows[i].name);
        drop(ev->u.listed.rows[i].task_arn);
        drop(ev->u.listed.rows[i].remains);
    }
    free((void *)ev->u.listed.rows);
}

void queued_destroy(struct queued *q)
{
    if (!q)
        return;
    switch (q->ev.type) {
    case CORE_EV_RESTORED:
        task_destroy(q->ev.u.restored.task);
        drop(q->ev.u.restored.state);
        break;
    case CORE_EV_RESTORED_IMAGE:
        drop(q->ev.u.restored_image.value);
        break;
    case CORE_EV_LOCAL:
        drop_local(&q->ev);
        break;
    case CORE_EV_SETTINGS:
        drop_settings(&q->ev);
        break;
    case CORE_EV_PAYLOAD:
        drop_payload(&q->ev);
        break;
    case CORE_EV_MANIFEST:
        drop_manifest(&q->ev);
        break;
    case CORE_EV_STOP_ACK:
        drop_stop_ack(&q->ev);
        break;
    case CORE_EV_OP_DONE:
        drop_op(&q->ev);
        break;
    case CORE_EV_CONTAINER:
        drop(q->ev.u.container.id);
        drop(q->ev.u.container.name);
        drop(q->ev.u.container.task_arn);
        break;
    case CORE_EV_LISTED:
        drop_listed(&q->ev);
        break;
    case CORE_EV_REPORTED:
        drop(q->ev.u.reported.error);
        break;
    case CORE_EV_STARTED:
    case CORE_EV_CONTROL_UP:
    case CORE_EV_CLOSE:
    case CORE_EV_TIMER:
        break;
    }
    free(q);
}

struct queued *queued_payload(const char *message_id, int64_t seq, struct core_payload_task *tasks,
                              size_t n)
{
    struct queued *q = queued_create(CORE_EV_PAYLOAD);
    struct core_payload_task *copy = mem_array(n, sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        copy[i].task = tasks[i].task;
        copy[i].arn = mem_strdup(tasks[i].arn);
        copy[i].error = mem_strdup(tasks[i].error);
        tasks[i].task = NULL;
    }
    q->ev.u.payload.message_id = copy_text(message_id);
    q->ev.u.payload.seq = seq;
    q->ev.u.payload.tasks = copy;
    q->ev.u.payload.n_tasks = n;
    return q;
}

struct queued *queued_manifest(const char *message_id, const char *cluster_arn, int64_t seq,
                               const struct core_manifest_entry *entries, size_t n)
{
    struct queued *q = queued_create(CORE_EV_MANIFEST);
    struct core_manifest_entry *copy = mem_array(n, sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        copy[i].arn = mem_strdup(entries[i].arn);
        copy[i].desired = entries[i].desired;
    }
    q->ev.u.manifest.message_id = copy_text(message_id);
    q->ev.u.manifest.cluster_arn = copy_text(cluster_arn);
    q->ev.u.manifest.seq = seq;
    q->ev.u.manifest.entries = copy;
    q->ev.u.manifest.n_entries = n;
    return q;
}

struct queued *queued_stop_ack(const char *message_id, const char *const *arns, size_t n)
{
    struct queued *q = queued_create(CORE_EV_STOP_ACK);
    const char **copy = mem_array(n, sizeof *copy);

    for (size_t i = 0; i < n; i++)
        copy[i] = mem_strdup(arns[i]);
    q->ev.u.stop_ack.message_id = copy_text(message_id);
    q->ev.u.stop_ack.arns = copy;
    q->ev.u.stop_ack.n_arns = n;
    return q;
}

struct queued *queued_local(struct core_local_def *defs, size_t n)
{
    struct queued *q = queued_create(CORE_EV_LOCAL);
    struct core_local_def *copy = mem_array(n, sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        copy[i].name = copy_text(defs[i].name);
        copy[i].digest = copy_text(defs[i].digest);
        copy[i].task = defs[i].task;
        copy[i].once = defs[i].once;
        defs[i].task = NULL;
    }
    q->ev.u.local.defs = copy;
    q->ev.u.local.n_defs = n;
    return q;
}

struct queued *queued_settings(const struct core_config *config)
{
    struct queued *q = queued_create(CORE_EV_SETTINGS);
    struct core_config *copy = NEW(struct core_config);
    const char **images = mem_array(config->n_excluded_images, sizeof *images);

    *copy = *config;
    for (size_t i = 0; i < config->n_excluded_images; i++)
        images[i] = mem_strdup(config->excluded_images[i]);
    copy->excluded_images = images;
    q->ev.u.settings.config = copy;
    return q;
}

/* ---- the ends of operations ---- */

struct queued *queued_op(uint64_t id, const struct err *e)
{
    struct queued *q = queued_create(CORE_EV_OP_DONE);

    q->ev.u.op.id = id;
    if (e)
        q->ev.u.op.err = *e;
    return q;
}

static const char *const *copy_names(const char *const *names, size_t *n)
{
    const char **copy;

    *n = 0;
    while (names && names[*n])
        ++*n;
    copy = mem_array(*n, sizeof *copy);
    for (size_t i = 0; i < *n; i++)
        copy[i] = mem_strdup(names[i]);
    return copy;
}

void queued_set_images(struct queued *q, const struct docker_image *images, size_t n,
                       const char *name)
{
    struct core_image *copy = mem_array(n, sizeof *copy);

    for (size_t i = 0; i < n; i++) {
        const char *digest = name ? docker_digest_of(&images[i], name) : NULL;

        copy[i].id = copy_text(images[i].id);
        copy[i].digest = copy_text(digest);
        copy[i].names = copy_names(images[i].tags, &copy[i].n_names);
        copy[i].size = images[i].size;
        copy[i].created_ms = images[i].created_ms;
    }
    q->ev.u.op.images = copy;
    q->ev.u.op.n_images = n;
}

void queued_set_digest(struct queued *q, const char *digest)
{
    struct core_image *image = NEW(struct core_image);

    image->id = copy_text(NULL);
    image->digest = copy_text(digest);
    q->ev.u.op.images = image;
    q->ev.u.op.n_images = 1;
}

void queued_set_facts(struct queued *q, const struct ctr_facts *facts)
{
    struct ctr_facts *copy = NEW(struct ctr_facts);

    ctr_facts_copy(copy, facts);
    q->ev.u.op.facts = copy;
}

void queued_set_others(struct queued *q, const struct docker_listed *rows, size_t n,
                       queued_ours_fn *ours, const void *user)
{
    struct core_other *copy = mem_array(n, sizeof *copy);
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (ours(user, &rows[i]))
            continue;
        copy[kept].id = copy_text(rows[i].id);
        copy[kept].name = copy_text(rows[i].name);
        copy[kept++].state = copy_text(rows[i].state);
    }
    q->ev.u.op.others = copy;
    q->ev.u.op.n_others = kept;
}

/* ---- what the engine tells by itself ---- */

enum ctr_status engine_listed_status(const char *state)
{
    if (!state)
        return CTR_STOPPED;
    if (streq(state, "running") || streq(state, "paused") || streq(state, "restarting"))
        return CTR_RUNNING;
    return streq(state, "created") ? CTR_CREATED : CTR_STOPPED;
}

static char *remains_of(const struct docker_listed *row, const char *owner)
{
    if (!row->owner || !owner || !streq(row->owner, owner))
        return NULL;
    return mem_strdup(row->remains ? row->remains : "");
}

struct queued *queued_listed(const struct docker_listed *rows, size_t n, const char *owner)
{
    struct queued *q = queued_create(CORE_EV_LISTED);
    struct core_listed *copy = mem_array(n, sizeof *copy);
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (!rows[i].task_arn)
            continue; /* not ours */
        copy[kept].id = mem_strdup(rows[i].id);
        copy[kept].name = copy_text(rows[i].name);
        copy[kept].task_arn = mem_strdup(rows[i].task_arn);
        copy[kept].remains = remains_of(&rows[i], owner);
        copy[kept++].status = engine_listed_status(rows[i].state);
    }
    q->ev.u.listed.rows = copy;
    q->ev.u.listed.n_rows = kept;
    return q;
}

void engine_happening(const struct docker_event *from, struct core_event *out)
{
    static const enum core_happening whats[] = {
        [DOCKER_CREATE] = CORE_HAP_CREATED,    [DOCKER_START] = CORE_HAP_STARTED,
        [DOCKER_DIE] = CORE_HAP_DIED,          [DOCKER_OOM] = CORE_HAP_OOM,
        [DOCKER_DESTROY] = CORE_HAP_DESTROYED, [DOCKER_HEALTHY] = CORE_HAP_HEALTH,
        [DOCKER_UNHEALTHY] = CORE_HAP_HEALTH,  [DOCKER_RESTART] = CORE_HAP_STARTED,
    };

    *out = (struct core_event){ .type = CORE_EV_CONTAINER };
    out->u.container.what = whats[from->action];
    out->u.container.id = from->id;
    out->u.container.name = from->name ? from->name : "";
    out->u.container.task_arn = from->task_arn;
    out->u.container.has_exit_code = from->has_exit_code;
    out->u.container.exit_code = from->exit_code;
    if (from->action == DOCKER_HEALTHY)
        out->u.container.health = HEALTH_OK;
    else if (from->action == DOCKER_UNHEALTHY)
        out->u.container.health = HEALTH_BAD;
}

struct queued *queued_happening(const struct docker_event *from)
{
    struct queued *q = queued_create(CORE_EV_CONTAINER);

    engine_happening(from, &q->ev);
    q->ev.u.container.id = mem_strdup(from->id);
    q->ev.u.container.name = mem_strdup(q->ev.u.container.name);
    q->ev.u.container.task_arn = mem_strdup(from->task_arn);
    return q;
}
