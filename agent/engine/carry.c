#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define LOG_MAX_SIZE    "64m"
#define LOG_MAX_FILE    "4"
#define CREATE_BODY_MAX (4 << 20)

/* One operation under way. */
struct carried {
    uint64_t id;
    enum core_op op;
    struct engine *en;
    struct docker_op *docker; /* NULL: a neighbor works on it */
    char *task_arn;
    size_t container;
    char *ref;
    char *docker_id; /* as known when it began; NULL: unknown */
    int64_t timeout_ms;
    int64_t told_ms; /* when the progress of a pull was last logged; 0: never */
    UT_hash_handle hh;
};

static void carried_destroy(struct carried *c)
{
    HASH_DEL(c->en->ops, c);
    free(c->task_arn);
    free(c->ref);
    free(c->docker_id);
    free(c);
}

/* ---- who may follow a log ---- */

static void offer_log(struct engine *en, const struct task *t, size_t container,
                      const char *docker_id)
{
    struct followed *f;

    HASH_FIND_STR(en->followed, docker_id, f);
    if (f || !t)
        return;
    f = NEW(struct followed);
    f->id = mem_strdup(docker_id);
    HASH_ADD_KEYPTR(hh, en->followed, f->id, strlen(f->id), f);
    if (en->peers.follow)
        en->peers.follow(en->user, t, container, docker_id);
}

static void forget_log(struct engine *en, const char *docker_id)
{
    struct followed *f;

    HASH_FIND_STR(en->followed, docker_id, f);
    if (!f)
        return;
    HASH_DEL(en->followed, f);
    free(f->id);
    free(f);
}

static void offer_one(void *user, const struct task *t, size_t container, const char *docker_id,
                      enum ctr_status known)
{
    if (docker_id && (known == CTR_RUNNING || known == CTR_STOPPED))
        offer_log(user, t, container, docker_id);
}

void carry_offer_restored(struct engine *en)
{
    core_each_container(en->core, offer_one, en);
}

/* ---- outcomes ---- */

static void finish(struct carried *c, struct queued *q)
{
    struct engine *en = c->en;

    carried_destroy(c);
    engine_push(en, q);
}

static void on_done(void *user, const struct err *e)
{
    struct carried *c = user;

    if (c->op == CORE_OP_REMOVE && (!e->code || e->code == ERR_NOT_FOUND))
        forget_log(c->en, c->docker_id ? c->docker_id : c->ref);
    finish(c, queued_op(c->id, e));
}

static void on_created(void *user, const char *id, const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);

    if (!e->code)
        q->ev.u.op.container_id = mem_strdup(id);
    finish(c, q);
}

static void on_inspected(void *user, const struct ctr_facts *facts, const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);
    struct ctr_facts *copy;

    if (!e->code) {
        copy = NEW(struct ctr_facts);
        ctr_facts_copy(copy, facts);
        q->ev.u.op.facts = copy;
        if (facts->status == CTR_RUNNING || facts->status == CTR_STOPPED)
            offer_log(c->en, core_task(c->en->core, c->task_arn), c->container, facts->id);
    }
    finish(c, q);
}

/* Of "repository@sha256:..." entries, the digest of this image's repository; else
 * the first one's. */
static const char *digest_of(const struct docker_image *image, const char *name)
{
    const char *found = NULL;

    for (const char *const *d = image->repo_digests; d && *d; d++) {
        const char *at = strchr(*d, '@');
        size_t n = at ? (size_t)(at - *d) : 0;

        if (!at)
            continue;
        if (strncmp(*d, name, n) == 0 && (name[n] == '\0' || name[n] == ':' || name[n] == '@'))
            return at + 1;
        if (!found)
            found = at + 1;
    }
    return found ? found : "";
}

/* One question about an image serves all who ask it meanwhile: a burst of tasks of
 * one image asks once. The one who asked first has the docker operation. */
static struct carried *find_look(struct engine *en, const char *image, bool asked)
{
    struct carried *c, *next;

    HASH_ITER (hh, en->ops, c, next)
        if (c->op == CORE_OP_INSPECT_IMAGE && asked == (c->docker != NULL) && streq(c->ref, image))
            return c;
    return NULL;
}

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    struct carried *c = user;
    struct engine *en = c->en;
    AUTO(str) char *name = mem_strdup(c->ref);

    if (!e->code)
        images_put(&en->images, name, image->env);
    while (c) {
        struct queued *q = queued_op(c->id, e);

        if (!e->code)
            q->ev.u.op.image_digest = mem_strdup(digest_of(image, name));
        finish(c, q);
        c = find_look(en, name, false);
    }
}

static void look_at_image(struct carried *c)
{
    c->docker = docker_inspect_image(c->en->docker, c->ref, c->timeout_ms, on_image, c);
}

#define PROGRESS_EVERY_MS 5000

static void on_progress(void *user, const char *line)
{
    struct carried *c = user;
    int64_t now = clock_mono_ms();

    if (c->told_ms && now - c->told_ms < PROGRESS_EVERY_MS)
        return;
    c->told_ms = now;
    log_info("pulling", kv_s("image", c->ref), kv_s("progress", line));
}

/* ---- create ---- */

static void create(struct carried *c, const char *const *image_env)
{
    struct engine *en = c->en;
    const struct task *t = core_task(en->core, c->task_arn);
    struct buf body = BUF_INIT(CREATE_BODY_MAX);
    const char **names;
    struct err e = { 0 };

    if (!t || c->container >= t->n_containers) {
        err_set(&e, ERR_NOT_FOUND, "the task is gone");
        finish(c, queued_op(c->id, &e));
        return;
    }
    names = mem_array(t->n_containers, sizeof *names);
    for (size_t i = 0; i < t->n_containers; i++)
        names[i] = core_docker_name(en->core, c->task_arn, i);
    const struct task_create_args args = {
        .task = t,
        .container = c->container,
        .cluster = en->config->cluster,
        .region = en->config->region,
        .docker_names = names,
        .image_env = image_env,
        .metadata_id = core_metadata_id(en->core, c->task_arn, c->container),
        .log_max_size = LOG_MAX_SIZE,
        .log_max_file = LOG_MAX_FILE,
    };
    if (task_create_body(&args, &body, &e))
        finish(c, queued_op(c->id, &e));
    else
        c->docker = docker_create_container(en->docker, c->ref, buf_str(&body), c->timeout_ms,
                                            on_created, c);
    if (body.data) /* it holds the environment */
        explicit_bzero(body.data, body.len);
    buf_fini(&body);
    free(names);
}

/* The image's environment was not at hand. Without it the container can still be
 * made; whether the image exists is for the create to say. */
static void on_image_for_create(void *user, const struct docker_image *image, const struct err *e)
{
    struct carried *c = user;
    const struct task *t = core_task(c->en->core, c->task_arn);
    const char *const *env = NULL;

    c->docker = NULL;
    if (!e->code && t && c->container < t->n_containers) {
        images_put(&c->en->images, t->containers[c->container].image, image->env);
        env = images_get(&c->en->images, t->containers[c->container].image);
    }
    create(c, env);
}

static void begin_create(struct carried *c)
{
    struct engine *en = c->en;
    const struct task *t = core_task(en->core, c->task_arn);
    const char *image =
        t && c->container < t->n_containers ? t->containers[c->container].image : NULL;
    const char *const *env = image ? images_get(&en->images, image) : NULL;

    if (env || !image)
        create(c, env);
    else
        c->docker = docker_inspect_image(en->docker, image, c->timeout_ms, on_image_for_create, c);
}

/* ---- operations ---- */

static void begin_drain(struct carried *c)
{
    struct engine *en = c->en;
    const char *docker_id = c->docker_id ? c->docker_id : c->ref;

    offer_log(en, core_task(en->core, c->task_arn), c->container, docker_id);
    if (en->peers.drain)
        en->peers.drain(en->user, c->id, docker_id, c->timeout_ms);
    else
        engine_drained(en, c->id);
}

static void begin(struct engine *en, const struct core_action *a)
{
    struct carried *c = NEW(struct carried);
    const char *docker_id;

    c->id = a->id;
    c->op = a->op;
    c->en = en;
    c->task_arn = mem_strdup(a->task_arn);
    c->container = a->container;
    c->ref = mem_strdup(a->ref);
    c->timeout_ms = a->timeout_ms;
    docker_id = a->task_arn ? core_docker_id(en->core, a->task_arn, a->container) : NULL;
    c->docker_id = mem_strdup(docker_id);
    HASH_ADD(hh, en->ops, id, sizeof c->id, c);
    switch (a->op) {
    case CORE_OP_INSPECT_IMAGE:
        if (!find_look(en, c->ref, true))
            look_at_image(c);
        break;
    case CORE_OP_PULL:
        c->docker = docker_pull(en->docker, c->ref, NULL, a->idle_timeout_ms, c->timeout_ms,
                                on_progress, on_done, c);
        break;
    case CORE_OP_CREATE:
        begin_create(c);
        break;
    case CORE_OP_START:
        c->docker = docker_start(en->docker, c->ref, c->timeout_ms, on_done, c);
        break;
    case CORE_OP_STOP:
        c->docker = docker_stop(en->docker, c->ref, a->stop_timeout_s, c->timeout_ms, on_done, c);
        break;
    case CORE_OP_INSPECT:
        c->docker = docker_inspect(en->docker, c->ref, c->timeout_ms, on_inspected, c);
        break;
    case CORE_OP_DRAIN_LOGS:
        begin_drain(c);
        break;
    case CORE_OP_REMOVE:
        c->docker = docker_remove(en->docker, c->ref, c->timeout_ms, on_done, c);
        break;
    case CORE_OP_NONE:
        finish(c, queued_op(c->id, NULL));
        break;
    }
}

void engine_drained(struct engine *en, uint64_t id)
{
    struct carried *c;

    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (c && c->op == CORE_OP_DRAIN_LOGS)
        finish(c, queued_op(id, NULL));
}

static void cancel(struct engine *en, uint64_t id)
{
    struct carried *c, *heir;

    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (!c)
        return;
    docker_cancel(c->docker);
    heir = c->op == CORE_OP_INSPECT_IMAGE && c->docker ? find_look(en, c->ref, false) : NULL;
    carried_destroy(c);
    if (heir)
        look_at_image(heir);
}

/* ---- the core's timer ---- */

static void on_alarm(void *user)
{
    engine_push(user, queued_create(CORE_EV_TIMER));
}

static void set_alarm(struct engine *en, int64_t at_ms)
{
    if (!en->alarm)
        en->alarm = loop_timer_create(en->loop, on_alarm, en);
    if (at_ms < 0)
        loop_timer_disarm(en->alarm);
    else
        loop_timer_arm(en->alarm, at_ms - clock_mono_ms());
}

void carry_action(struct engine *en, const struct core_action *a)
{
    switch (a->type) {
    case CORE_ACT_PUT:
        break;
    case CORE_ACT_DELETE:
        if (a->kind == CORE_KIND_TASK && en->peers.gone)
            en->peers.gone(en->user, a->key);
        break;
    case CORE_ACT_ACK:
        if (en->peers.ack)
            en->peers.ack(en->user, a->key);
        break;
    case CORE_ACT_STOP_VERIFY:
        if (en->peers.stop_verify)
            en->peers.stop_verify(en->user, a->key, a->value, (const char *const *)a->arns,
                                  a->n_arns);
        break;
    case CORE_ACT_OP:
        begin(en, a);
        break;
    case CORE_ACT_CANCEL:
        cancel(en, a->id);
        break;
    case CORE_ACT_REPORT:
        if (en->peers.report)
            en->peers.report(en->user, a->id, str_of(a->value));
        break;
    case CORE_ACT_TIMER:
        set_alarm(en, a->at_ms);
        break;
    case CORE_ACT_NOTE:
        notes_add(&en->notes, en->core, a, clock_wall_ms());
        break;
    }
}

void carry_fini(struct engine *en)
{
    struct carried *c, *next;
    struct followed *f, *following;

    HASH_ITER (hh, en->ops, c, next) {
        docker_cancel(c->docker);
        carried_destroy(c);
    }
    HASH_ITER (hh, en->followed, f, following)
        forget_log(en, f->id);
    images_fini(&en->images);
    loop_timer_destroy(en->alarm);
}
