/* state: the file as a whole, and its buckets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "reference/bolt.h"
#include "reference/internal.h"

#define OLDER_FILE "ecs_agent_data.json"
#define ROWS_MAX   200000 /* of a bucket; of the reference's own tasks are a few hundred */
#define TRIES      5

struct row { /* of the bucket `containers` */
    UT_hash_handle hh;
    char *key;
    struct json_t *doc;
    struct err err;
    struct jcur root;
};

struct ref_state {
    struct ref_args args;
    struct buf file;
    int fd;
    struct bolt db;
    char *meta[REF_META__COUNT];
    struct row *rows;
    size_t n_rows;
    struct ref_task *tasks;
    size_t n_tasks, cap_tasks;
    struct ref_others others;
};

/* ---- the bytes ---- */

static enum err_code read_all(struct ref_state *s, const char *path, struct err *e)
{
    struct stat st;
    ssize_t n = 1;

    if (fstat(s->fd, &st))
        return err_errno(e, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s is no file", path);
    if ((uint64_t)st.st_size >= REF_FILE_MAX)
        return err_set(e, ERR_LIMIT, "%s is larger than %zu MiB", path, REF_FILE_MAX >> 20);
    buf_reset(&s->file);
    while (n > 0) {
        char *room = buf_reserve(&s->file, (size_t)st.st_size + 1 - s->file.len);

        n = room ? pread(s->fd, room, (size_t)st.st_size + 1 - s->file.len, (off_t)s->file.len) : 0;
        if (n < 0)
            return err_errno(e, errno, "%s", path);
        buf_grew(&s->file, (size_t)n);
        if (s->file.len > (size_t)st.st_size)
            break; /* it has grown meanwhile: what is behind belongs to a later transaction */
    }
    return ERR_OK;
}

/* Is it still the commit that was read first? A page that this commit uses is not written to
 * before the one after the next. */
static bool is_of_one_moment(const struct ref_state *s)
{
    size_t n = 2 * (size_t)s->db.page_size;
    AUTO(str) char *heads = mem_array(n, 1);
    struct err e = { 0 };
    struct bolt now;

    return pread(s->fd, heads, n, 0) == (ssize_t)n &&
           !bolt_open((struct str){ heads, n }, &now, &e) && now.txid == s->db.txid;
}

static enum err_code open_file(struct ref_state *s, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/" REF_FILE, s->args.dir);
    AUTO(str) char *older = mem_printf("%s/" OLDER_FILE, s->args.dir);

    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (s->fd < 0 && errno == ENOENT && access(older, F_OK) == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "%s is of a reference agent before 1.44, which kept no " REF_FILE
                       "; start a newer one once, which converts it",
                       older);
    if (s->fd < 0)
        return err_errno(e, errno, "%s", path);
    /* The reference holds this lock, exclusively, as long as it runs. */
    if (!s->args.running && flock(s->fd, LOCK_SH | LOCK_NB))
        return errno == EWOULDBLOCK
                   ? err_set(e, ERR_CONFLICT, "%s is in use: the reference agent runs", path)
                   : err_errno(e, errno, "lock %s", path);
    for (int i = 0; i < TRIES; i++) {
        if (read_all(s, path, e) || bolt_open(buf_str(&s->file), &s->db, e))
            return err_wrap(e, "%s", path);
        if (!s->args.running || is_of_one_moment(s))
            return ERR_OK;
    }
    return err_set(e, ERR_RETRY, "%s changes faster than it can be read", path);
}

/* ---- metadata ---- */

static enum err_code on_meta(void *user, struct str key, struct str value, struct err *e)
{
    static const char *const keys[] = {
        [REF_VERSION] = "agent-version",
        [REF_CLUSTER] = "cluster-name",
        [REF_INSTANCE_ARN] = "container-instance-arn",
        [REF_INSTANCE_ID] = "ec2-instance-id",
        [REF_ZONE] = "availability-zone",
        [REF_MANIFEST_SEQ] = "task-manifest-seq-num",
    };
    struct ref_state *s = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct jcur root;
    const char *text;
    int64_t seq;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (!str_is(key, keys[i]))
            continue;
        if (json_parse(value.p, value.n, &doc, &own))
            return err_set(e, ERR_INVALID, "metadata '%s': %s", keys[i], own.msg);
        root = jcur_root(doc, &own);
        text = jcur_present(&root) ? jcur_as_str(&root) : "";
        if (own.code)
            return err_set(e, ERR_INVALID, "metadata '%s': %s", keys[i], own.msg);
        if (i == REF_MANIFEST_SEQ && *text && str_to_int(text, INT64_MIN, INT64_MAX, &seq, e))
            return err_wrap(e, "metadata '%s'", keys[i]);
        mem_replace(&s->meta[i], *text ? text : NULL);
    }
    return ERR_OK;
}

/* ---- containers ---- */

static enum err_code on_container(void *user, struct str key, struct str value, struct err *e)
{
    struct ref_state *s = user;
    struct row *r;

    if (s->n_rows++ == ROWS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d containers", ROWS_MAX);
    r = NEW(struct row);
    r->key = mem_strndup(key.p, key.n);
    HASH_ADD_KEYPTR(hh, s->rows, r->key, strlen(r->key), r);
    if (json_parse(value.p, value.n, &r->doc, e))
        return err_wrap(e, "container '%.200s'", r->key);
    r->root = jcur_root(r->doc, &r->err);
    return ERR_OK;
}

static bool find_row(void *user, const char *task_id, const char *name, struct jcur *out)
{
    const struct ref_state *s = user;
    AUTO(str) char *key = mem_printf("%s-%s", task_id, name);
    struct row *r;

    HASH_FIND_STR(s->rows, key, r);
    if (r)
        *out = r->root;
    return r != NULL;
}

/* ---- tasks ---- */

static enum err_code on_task(void *user, struct str key, struct str value, struct err *e)
{
    struct ref_state *s = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct jcur root;
    struct ref_args args = s->args;

    if (s->n_tasks == ROWS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d tasks", ROWS_MAX);
    if (s->n_tasks == s->cap_tasks) {
        s->cap_tasks = s->cap_tasks ? 2 * s->cap_tasks : 16;
        s->tasks = mem_resize(s->tasks, s->cap_tasks, sizeof *s->tasks);
    }
    args.seed += s->n_tasks;
    s->tasks[s->n_tasks] = (struct ref_task){ 0 };
    if (json_parse(value.p, value.n, &doc, &own))
        return err_set(e, ERR_INVALID, "task '%.*s': %s", (int)(key.n < 200 ? key.n : 200), key.p,
                       own.msg);
    root = jcur_root(doc, &own);
    if (ref_translate(&root, &args, find_row, s, &s->tasks[s->n_tasks++], e))
        return err_wrap(e, "task '%.*s'", (int)(key.n < 200 ? key.n : 200), key.p);
    return ERR_OK;
}

static enum err_code on_counted(void *user, struct str key, struct str value, struct err *e)
{
    size_t *n = user;

    (void)key;
    (void)value;
    (void)e;
    (*n)++;
    return ERR_OK;
}

static enum err_code read_buckets(struct ref_state *s, struct err *e)
{
    const struct {
        const char *name;
        bolt_row_fn *row;
        void *user;
        bool may_lack; /* older releases had not all of them */
    } buckets[] = {
        { "metadata", on_meta, s, false },
        { "containers", on_container, s, false },
        { "tasks", on_task, s, false },
        { "images", on_counted, &s->others.images, true },
        { "eniattachments", on_counted, &s->others.network_interfaces, true },
        { "resattachments", on_counted, &s->others.attachments, true },
    };

    for (size_t i = 0; i < COUNT_OF(buckets); i++) {
        if (!bolt_each(&s->db, buckets[i].name, buckets[i].row, buckets[i].user, e))
            continue;
        if (e->code != ERR_NOT_FOUND || !buckets[i].may_lack)
            return err_wrap(e, "%s/" REF_FILE, s->args.dir);
        *e = (struct err){ 0 };
    }
    return ERR_OK;
}

/* ---- all of it ---- */

enum err_code ref_open(const struct ref_args *args, struct ref_state **out, struct err *e)
{
    struct ref_state *s = NEW(struct ref_state);
    struct err own = { 0 };

    s->args = *args;
    s->fd = -1;
    buf_init(&s->file, REF_FILE_MAX + 1);
    if (!open_file(s, &own))
        read_buckets(s, &own);
    if (!own.code && !s->meta[REF_INSTANCE_ARN])
        err_set(&own, ERR_NOT_FOUND,
                "%s/" REF_FILE " names no container instance: the reference agent has not "
                "registered this host",
                args->dir);
    buf_wipe(&s->file); /* it has the tasks' environment */
    s->args.dir = NULL;
    if (own.code) {
        ref_close(s);
        if (e)
            *e = own;
        return own.code;
    }
    *out = s;
    return ERR_OK;
}

void ref_close(struct ref_state *s)
{
    struct row *r, *next;

    if (!s)
        return;
    HASH_ITER (hh, s->rows, r, next) {
        HASH_DEL(s->rows, r);
        json_free(r->doc);
        free(r->key);
        free(r);
    }
    for (size_t i = 0; i < s->n_tasks; i++)
        ref_task_fini(&s->tasks[i]);
    free(s->tasks);
    for (size_t i = 0; i < REF_META__COUNT; i++)
        free(s->meta[i]);
    buf_fini(&s->file);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

const char *ref_meta(const struct ref_state *s, enum ref_meta what)
{
    return s->meta[what];
}

size_t ref_task_count(const struct ref_state *s)
{
    return s->n_tasks;
}

const struct ref_task *ref_task_at(const struct ref_state *s, size_t i)
{
    return &s->tasks[i];
}

void ref_get_others(const struct ref_state *s, struct ref_others *out)
{
    *out = s->others;
}

const char *ref_fate_name(enum ref_fate f)
{
    static const char *const names[] = {
        [REF_GOES_ON] = "goes-on", [REF_BEGINS] = "begins", [REF_STOPS] = "stops",
        [REF_OVER] = "over",       [REF_LEFT] = "left",     [REF_CANNOT] = "cannot",
    };

    return names[f];
}
