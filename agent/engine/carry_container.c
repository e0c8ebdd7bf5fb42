/* carry_container: containers, ours and others', and who may follow their logs. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/carry.h"

#define CREATE_BODY_MAX (4 << 20)

/* ---- who may follow a log ---- */

static void offer_log(struct engine *en, const struct task *t, size_t container,
                      const char *docker_id)
{
    struct task_kv *secrets;
    struct followed *f;
    size_t n;

    HASH_FIND_STR(en->followed, docker_id, f);
    if (f || !t || container >= t->n_containers || t->containers[container].internal)
        return;
    f = NEW(struct followed);
    f->id = mem_strdup(docker_id);
    HASH_ADD_KEYPTR(hh, en->followed, f->id, strlen(f->id), f);
    if (!en->peers.follow)
        return;
    secrets = values_pairs(&en->values, t->arn, container, ENGINE_VALUE_LOG_OPTION, &n);
    en->peers.follow(en->user, t, container, docker_id, secrets, n);
    free(secrets);
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

void carry_forget_logs(struct engine *en)
{
    struct followed *f, *next;

    HASH_ITER (hh, en->followed, f, next)
        forget_log(en, f->id);
}

/* ---- ports ---- */

static bool port_taken(const void *user, enum port_proto proto, uint16_t port)
{
    const struct engine *en = user;

    return core_port_taken(en->core, proto, port);
}

void carry_ports(struct carried *c)
{
    const struct task_container *k = carry_container(c);
    struct engine *en = c->en;
    struct queued *q;
    struct err e = { 0 };
    uint16_t *ports;

    if (!k) {
        carry_gone(c);
        return;
    }
    ports = mem_array(k->n_ports, sizeof *ports);
    if (holds_choose(&en->holds, carry_task(c), c->container, c->id, clock_mono_ms(), port_taken,
                     en, ports, &e)) {
        free(ports);
        carry_done(c, &e);
        return;
    }
    q = queued_op(c->id, NULL);
    q->ev.u.op.ports = ports;
    q->ev.u.op.n_ports = k->n_ports;
    carry_finish(c, q);
}

/* ---- create ---- */

static void on_created(void *user, const char *id, const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);

    if (!e->code)
        q->ev.u.op.container_id = mem_strdup(id);
    carry_finish(c, q);
}

static const char *pause_id(const struct carried *c, const struct task *t)
{
    for (size_t i = 0; i < t->n_containers; i++) {
        if (t->containers[i].internal && i != c->container)
            return core_docker_id(c->en->core, c->task_arn, i);
    }
    return NULL;
}

static enum err_code check_log(const struct carried *c, const struct task_create_args *args,
                               struct err *e)
{
    const struct engine *en = c->en;

    if (!en->peers.log_check)
        return ERR_OK;
    return en->peers.log_check(en->user, args->task, c->container, args->log_secrets,
                               args->n_log_secrets, e);
}

static void ask_create(struct carried *c, const struct task_create_args *args)
{
    struct buf body = BUF_SECRET(CREATE_BODY_MAX);
    struct err e = { 0 };

    if (check_log(c, args, &e) || task_create_body(args, &body, &e))
        carry_done(c, &e);
    else
        c->docker = docker_create_container(c->en->docker, c->ref, buf_str(&body), c->timeout_ms,
                                            on_created, c);
    buf_fini(&body);
}

/* free() the array. */
static struct task_kv *pause_labels(const struct string_map *m)
{
    struct task_kv *out = mem_array(m->n, sizeof *out);

    for (size_t i = 0; i < m->n; i++)
        out[i] = (struct task_kv){ m->items[i].key, m->items[i].value };
    return out;
}

static void create(struct carried *c, const char *const *image_env)
{
    struct engine *en = c->en;
    const struct task *t = carry_task(c);
    struct task_create_args args = {
        .container = c->container,
        .cluster = en->config->cluster,
        .region = en->config->region,
        .image_env = image_env,
        .propagate_memory = en->propagate_memory,
        .docker_api = docker_api_minor(en->docker),
        .log_local = docker_offers_local_log(en->docker),
    };
    struct task_kv *secrets, *files, *log_secrets, *labels;
    AUTO(str) char *cgroup = NULL;
    char file_mount[TASK_UUID_SIZE];
    const char **names;

    if (!carry_container(c)) {
        carry_gone(c);
        return;
    }
    names = mem_array(t->n_containers, sizeof *names);
    for (size_t i = 0; i < t->n_containers; i++)
        names[i] = core_docker_name(en->core, t->arn, i);
    secrets = values_pairs(&en->values, t->arn, c->container, ENGINE_VALUE_ENV, &args.n_secret_env);
    files = values_pairs(&en->values, t->arn, c->container, ENGINE_VALUE_FILE, &args.n_file_env);
    log_secrets = values_pairs(&en->values, t->arn, c->container, ENGINE_VALUE_LOG_OPTION,
                               &args.n_log_secrets);
    if (en->cgroups && !t->containers[c->container].internal)
        cgroup = host_cgroup_parent(en->cgroups, t->id);
    args.task = t;
    args.docker_names = names;
    args.host_ports = core_host_ports(en->core, t->arn, c->container);
    args.pause_id = pause_id(c, t);
    args.cgroup_parent = cgroup;
    args.secret_env = secrets;
    args.file_env = files;
    args.log_secrets = log_secrets;
    labels = pause_labels(&en->config->pause_labels);
    args.pause_labels = labels;
    args.n_pause_labels = en->config->pause_labels.n;
    args.owner = en->owner;
    args.log_spool_bytes = en->config->log_spool_mb << 20;
    task_file_mount(c->ref, file_mount);
    args.file_dir = c->file_dir;
    args.file_mount = file_mount;
    args.selinux = en->selinux;
    args.metadata_id = core_metadata_id(en->core, t->arn, c->container);
    ask_create(c, &args);
    free(names);
    free(secrets);
    free(files);
    free(log_secrets);
    free(labels);
}

/* The image's environment was not at hand. Without it the container can still be
 * made; whether the image exists is for the create to say. */
static void on_image_for_create(void *user, const struct docker_image *image, const struct err *e)
{
    struct carried *c = user;
    const struct task_container *k = carry_container(c);
    const char *const *env = NULL;

    c->docker = NULL;
    if (!e->code && k) {
        images_put(&c->en->images, k->image, image->env);
        env = images_get(&c->en->images, k->image);
    }
    create(c, env);
}

static void create_with_image(struct carried *c)
{
    const struct task_container *k = carry_container(c);
    const char *const *env = k ? images_get(&c->en->images, k->image) : NULL;

    if (env || !k)
        create(c, env);
    else
        c->docker =
            docker_inspect_image(c->en->docker, k->image, c->timeout_ms, on_image_for_create, c);
}

/* Its metadata file is there first, for its folder is to be found by the create. */
void carry_create(struct carried *c)
{
    const struct task_container *k = carry_container(c);

    if (k && !k->internal && c->en->peers.file && c->en->config->container_metadata)
        c->en->peers.file(c->en->user, c->id, carry_task(c), c->container);
    else
        create_with_image(c);
}

void engine_filed(struct engine *en, uint64_t id, const char *dir)
{
    struct carried *c;

    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (!c || c->op != CORE_OP_CREATE || c->docker)
        return;
    c->file_dir = mem_strdup(dir);
    create_with_image(c);
}

/* ---- the rest of its life ---- */

void carry_start(struct carried *c)
{
    holds_release(&c->en->holds, c->task_arn, c->container); /* now they are Docker's to bind */
    c->docker = docker_start(c->en->docker, c->ref, c->timeout_ms, carry_done, c);
}

static void on_stop_unpaused(void *user, const struct err *e)
{
    (void)e; /* the stop says what is wrong */
    carry_thawed(user);
}

/* An engine before 17 refuses to stop what somebody has paused; later ones let it go themselves. */
static void on_stopped(void *user, const struct err *e)
{
    struct carried *c = user;

    c->docker = NULL;
    if (!e->code || c->unpaused || !strstr(e->msg, " is paused")) {
        carry_done(c, e);
        return;
    }
    c->unpaused = true;
    c->docker = docker_pause(c->en->docker, c->ref, false, c->timeout_ms, on_stop_unpaused, c);
}

void carry_thawed(struct carried *c)
{
    c->docker = docker_stop(c->en->docker, c->ref, c->stop_timeout_s, c->timeout_ms, on_stopped, c);
}

void carry_stop(struct carried *c)
{
    holds_release(&c->en->holds, c->task_arn, c->container);
    if (!freeze_before_stop(c))
        carry_thawed(c);
}

static void on_inspected(void *user, const struct ctr_facts *facts, struct docker_details *details,
                         const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);

    if (!e->code) {
        details_put(&c->en->details, c->task_arn, c->container, facts, details);
        if (c->en->peers.seen && carry_container(c))
            c->en->peers.seen(c->en->user, carry_task(c), c->container, facts);
        queued_set_facts(q, facts);
        if (facts->status != CTR_RUNNING)
            freeze_ended(c->en, facts->id);
        if (facts->status == CTR_RUNNING || facts->status == CTR_STOPPED)
            offer_log(c->en, carry_task(c), c->container, facts->id);
    } else if (e->code == ERR_NOT_FOUND) {
        details_lost(&c->en->details, c->task_arn, c->container);
    }
    carry_finish(c, q);
}

void carry_inspect(struct carried *c)
{
    c->docker = docker_look(c->en->docker, c->ref, c->timeout_ms, on_inspected, c);
}

void carry_drain(struct carried *c)
{
    const struct task_container *k = carry_container(c);
    const char *docker_id = c->docker_id ? c->docker_id : c->ref;
    struct engine *en = c->en;

    offer_log(en, carry_task(c), c->container, docker_id);
    if (en->peers.drain && !(k && k->internal))
        en->peers.drain(en->user, c->id, docker_id, c->timeout_ms);
    else
        engine_drained(en, c->id);
}

void engine_drained(struct engine *en, uint64_t id)
{
    struct carried *c;

    HASH_FIND(hh, en->ops, &id, sizeof id, c);
    if (c && c->op == CORE_OP_DRAIN_LOGS)
        carry_finish(c, queued_op(id, NULL));
}

static void on_removed(void *user, const struct err *e)
{
    struct carried *c = user;

    if (!e->code || e->code == ERR_NOT_FOUND) {
        forget_log(c->en, c->docker_id ? c->docker_id : c->ref);
        freeze_drop(c->en, c->docker_id ? c->docker_id : c->ref);
    }
    carry_done(c, e);
}

void carry_remove(struct carried *c)
{
    holds_release(&c->en->holds, c->task_arn, c->container);
    c->docker = docker_remove(c->en->docker, c->ref, c->timeout_ms, on_removed, c);
}

/* ---- containers that no task of ours has ---- */

static bool is_ours(const void *user, const struct docker_listed *row)
{
    const struct engine *en = user;

    return row->task_arn && core_task(en->core, row->task_arn);
}

static void on_all(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);

    if (!e->code)
        queued_set_others(q, rows, n, is_ours, c->en);
    carry_finish(c, q);
}

void carry_list_others(struct carried *c)
{
    c->docker = docker_list_all(c->en->docker, c->timeout_ms, on_all, c);
}

static void on_other(void *user, const struct ctr_facts *facts, const struct err *e)
{
    struct carried *c = user;
    struct queued *q = queued_op(c->id, e);

    if (!e->code)
        queued_set_facts(q, facts);
    carry_finish(c, q);
}

void carry_inspect_other(struct carried *c)
{
    c->docker = docker_inspect(c->en->docker, c->ref, c->timeout_ms, on_other, c);
}

void carry_remove_other(struct carried *c)
{
    c->docker = docker_remove(c->en->docker, c->ref, c->timeout_ms, carry_done, c);
}
