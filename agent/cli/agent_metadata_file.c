#include "cli/agent_metadata_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent_view.h"
#include "endpoints/file_store.h"

#define TEXT_MAX ((size_t)1 << 20)

enum job_kind { JOB_MAKE, JOB_FILL, JOB_REMOVE, JOB_SWEEP };

struct job { /* one after the other: what is made is not removed before */
    struct list node;
    struct metadata_files *files;
    enum job_kind kind;
    uint64_t id; /* of the engine's operation */
    char *path;  /* of the container or the task; NULL: of a sweep */
    struct buf text;
    char **keep;
    size_t n_keep;
    struct err err;
};

struct full { /* a container whose file is full, or is not there */
    char *docker_id;
    char *task_arn;
    UT_hash_handle hh;
};

struct metadata_files {
    struct agent *agent;
    char *root;
    bool used; /* there may be files */
    struct list jobs;
    struct work *work; /* of the first job */
    struct full *full;
};

/* ---- the worker ---- */

static void run_job(void *user)
{
    struct metadata_files *mf = user;
    struct job *j = LIST_ENTRY(mf->jobs.next, struct job, node);

    switch (j->kind) {
    case JOB_MAKE:
        (void)!file_store_make(mf->root, j->path, buf_str(&j->text), &j->err);
        break;
    case JOB_FILL:
        (void)!file_store_fill(mf->root, j->path, buf_str(&j->text), &j->err);
        break;
    case JOB_REMOVE:
        (void)!file_store_remove(mf->root, j->path, &j->err);
        break;
    case JOB_SWEEP:
        (void)!file_store_sweep(mf->root, j->keep, j->n_keep, &j->err);
        break;
    }
}

static void job_destroy(struct job *j)
{
    list_remove(&j->node);
    for (size_t i = 0; i < j->n_keep; i++)
        free(j->keep[i]);
    free(j->keep);
    free(j->path);
    buf_fini(&j->text);
    free(j);
}

static void tell(const struct job *j)
{
    static const char *const texts[] = {
        [JOB_MAKE] = "a container gets no metadata file",
        [JOB_FILL] = "a metadata file stays partial",
        [JOB_REMOVE] = "a task's metadata files are left behind",
        [JOB_SWEEP] = "metadata files of earlier tasks are left behind",
    };
    /* Without a file there is nothing to fill; a full one need not be. */
    bool fine =
        j->kind == JOB_FILL && (j->err.code == ERR_NOT_FOUND || j->err.code == ERR_CONFLICT);

    if (j->err.code && !fine)
        log_warn(texts[j->kind], kv_s("folder", j->path ? j->path : j->files->root),
                 kv_err(&j->err));
}

static void on_job(void *user);

static void next_job(struct metadata_files *mf)
{
    if (!mf->work && !list_empty(&mf->jobs))
        mf->work = loop_work(mf->agent->loop, run_job, on_job, mf);
}

static void on_job(void *user)
{
    struct metadata_files *mf = user;
    struct job *j = LIST_ENTRY(mf->jobs.next, struct job, node);

    mf->work = NULL;
    tell(j);
    if (j->kind == JOB_MAKE) {
        AUTO(str) char *dir = j->err.code ? NULL : mem_printf("%s/%s", mf->root, j->path);

        engine_filed(mf->agent->engine, j->id, dir);
    }
    job_destroy(j);
    next_job(mf);
}

static struct job *add_job(struct metadata_files *mf, enum job_kind kind, char *path)
{
    struct job *j = NEW(struct job);

    j->files = mf;
    j->kind = kind;
    j->path = path;
    j->text = (struct buf)BUF_INIT(TEXT_MAX);
    list_push_back(&mf->jobs, &j->node);
    return j;
}

/* ---- what the files say ---- */

/* What an inspect has just seen is not the core's yet. */
static void add_facts(struct view_container *c, const struct ctr_facts *f)
{
    c->docker_id = f->id;
    c->ports = f->bindings;
    c->n_ports = f->n_bindings;
}

/* `f` NULL: the partial one. */
static bool write_text(const struct agent *a, const struct task *t, size_t container,
                       const struct ctr_facts *f, struct buf *out)
{
    struct view_host host;
    struct agent_view v;

    if (!agent_view_make(&v, a->engine, a->config->cluster, t->arn))
        return false;
    if (f)
        add_facts(&v.containers[container], f);
    agent_view_host(a, &host);
    view_write_file(&v.task, container, &host, f != NULL, out);
    agent_view_fini(&v);
    return !out->overflowed;
}

void metadata_file_make(void *agent, uint64_t id, const struct task *t, size_t container)
{
    struct agent *a = agent;
    char *path = task_file_path(t->arn, t->containers[container].name);
    /* Without a place for it the job fails and is told of. */
    struct job *j = add_job(a->files_of_tasks, JOB_MAKE, path ? path : mem_strdup(""));

    j->id = id;
    (void)write_text(a, t, container, NULL, &j->text);
    next_job(a->files_of_tasks);
}

static bool note_full(struct metadata_files *mf, const char *task_arn, const char *docker_id)
{
    struct full *f;

    HASH_FIND_STR(mf->full, docker_id, f);
    if (f)
        return false;
    f = NEW(struct full);
    f->docker_id = mem_strdup(docker_id);
    f->task_arn = mem_strdup(task_arn);
    HASH_ADD_KEYPTR(hh, mf->full, f->docker_id, strlen(f->docker_id), f);
    return true;
}

static void forget_full(struct metadata_files *mf, struct full *f)
{
    HASH_DEL(mf->full, f);
    free(f->docker_id);
    free(f->task_arn);
    free(f);
}

void metadata_file_seen(struct agent *a, const struct task *t, size_t container,
                        const struct ctr_facts *f)
{
    struct metadata_files *mf = a->files_of_tasks;
    char *path;
    struct job *j;

    if (!mf || !a->config->container_metadata || t->containers[container].internal ||
        f->status != CTR_RUNNING || !note_full(mf, t->arn, f->id))
        return;
    path = task_file_path(t->arn, t->containers[container].name);
    if (!path)
        return;
    j = add_job(mf, JOB_FILL, path);
    if (!write_text(a, t, container, f, &j->text))
        job_destroy(j);
    next_job(mf);
}

void metadata_file_drop(struct agent *a, const char *task_arn)
{
    struct metadata_files *mf = a->files_of_tasks;
    char *path = mf && mf->used ? task_file_path(task_arn, NULL) : NULL;
    struct full *f, *next;

    if (!path)
        return;
    HASH_ITER (hh, mf->full, f, next)
        if (streq(f->task_arn, task_arn))
            forget_full(mf, f);
    add_job(mf, JOB_REMOVE, path);
    next_job(mf);
}

/* ---- life ---- */

static void keep_task(void *user, const struct task *t)
{
    struct job *j = user;
    char *path = task_file_path(t->arn, NULL);

    if (!path)
        return;
    j->keep = mem_resize(j->keep, j->n_keep + 1, sizeof *j->keep);
    j->keep[j->n_keep++] = path;
}

void metadata_files_begin(struct agent *a)
{
    struct metadata_files *mf = NEW(struct metadata_files);

    mf->agent = a;
    mf->root = mem_printf("%s/metadata", a->config->data_dir);
    mf->used = a->config->container_metadata || !access(mf->root, F_OK);
    list_init(&mf->jobs);
    a->files_of_tasks = mf;
    if (!mf->used)
        return;
    core_each_task(engine_core(a->engine), keep_task, add_job(mf, JOB_SWEEP, NULL));
    next_job(mf);
}

void metadata_files_end(struct agent *a)
{
    struct metadata_files *mf = a->files_of_tasks;
    struct full *f, *next;

    if (!mf)
        return;
    work_cancel(mf->work);
    LIST_FOREACH (it, following, &mf->jobs)
        job_destroy(LIST_ENTRY(it, struct job, node));
    HASH_ITER (hh, mf->full, f, next)
        forget_full(mf, f);
    free(mf->root);
    free(mf);
    a->files_of_tasks = NULL;
}
