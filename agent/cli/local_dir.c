#include "cli/local_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/watch.h"

#define SETTLE_MS 200 /* files are written in several steps */
#define RETRY_MS  2000
#define SUFFIX    ".json"

struct entry {         /* one file */
    char *name;        /* without ".json" */
    struct task *task; /* what was last understood of it; NULL: nothing yet */
    char digest[LOCAL_DIGEST_SIZE];
    char *fault; /* of its present content, as it was logged; NULL: none */
    bool there;  /* found by the reading under way */
};

struct local_dir {
    char *path;            /* NULL: no local tasks */
    struct engine *engine; /* NULL until attached */
    struct watch *watch;
    struct loop_timer *settle;
    struct entry *entries; /* by name */
    size_t n_entries, n_there;
    char *fault; /* of the directory itself, as it was logged */
    bool listed; /* once at least: until then nobody knows what there is */
    bool too_many;
    struct local_need need;
};

/* ---- what they need together ---- */

static int by_number(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void add_port(struct port_list *l, uint16_t port)
{
    l->ports = mem_resize(l->ports, l->n + 1, sizeof *l->ports);
    l->ports[l->n++] = port;
}

static void sort_ports(struct port_list *l)
{
    size_t kept = 0;

    if (l->n)
        qsort(l->ports, l->n, sizeof *l->ports, by_number);
    for (size_t i = 0; i < l->n; i++)
        if (!i || l->ports[i] != l->ports[i - 1])
            l->ports[kept++] = l->ports[i];
    l->n = kept;
}

static void add_need(struct local_need *need, const struct task *t)
{
    need->cpu_units += task_need_cpu(t);
    need->memory_mib += task_need_memory_mib(t);
    for (size_t i = 0; i < t->n_containers; i++) {
        for (size_t k = 0; k < t->containers[i].n_ports; k++) {
            const struct task_port *p = &t->containers[i].ports[k];

            if (p->host_port)
                add_port(p->proto == PORT_UDP ? &need->udp : &need->tcp, p->host_port);
        }
    }
}

static void need_fini(struct local_need *need)
{
    free(need->tcp.ports);
    free(need->udp.ports);
    *need = (struct local_need){ 0 };
}

static void sum_up(struct local_dir *d)
{
    need_fini(&d->need);
    for (size_t i = 0; i < d->n_entries; i++)
        if (d->entries[i].task)
            add_need(&d->need, d->entries[i].task);
    sort_ports(&d->need.tcp);
    sort_ports(&d->need.udp);
}

const struct local_need *local_dir_need(const struct local_dir *d)
{
    return &d->need;
}

/* ---- reading ---- */

static void entry_fini(struct entry *e)
{
    free(e->name);
    free(e->fault);
    task_destroy(e->task);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct entry *entry_of(struct local_dir *d, const char *name)
{
    for (size_t i = 0; i < d->n_entries; i++)
        if (streq(d->entries[i].name, name))
            return &d->entries[i];
    return NULL;
}

static struct entry *entry_add(struct local_dir *d, const char *name)
{
    d->entries = mem_resize(d->entries, d->n_entries + 1, sizeof *d->entries);
    d->entries[d->n_entries] = (struct entry){ .name = mem_strdup(name) };
    return &d->entries[d->n_entries++];
}

/* The same fault is said once, however often the directory changes. */
static void read_entry(const struct local_dir *d, struct entry *it)
{
    AUTO(str) char *path = mem_printf("%s/%s" SUFFIX, d->path, it->name);
    AUTO(str) char *arn = mem_printf("arn:berth:local:::task/%s", it->name);
    char digest[LOCAL_DIGEST_SIZE];
    struct task *t = NULL;
    struct err e = { 0 };
    bool has_role = false;

    if (local_file_read(path, arn, it->name, &t, digest, &has_role, &e)) {
        if (it->fault && streq(it->fault, e.msg))
            return;
        log_warn("a local task definition cannot be used; what runs of it goes on as it was",
                 kv_s("file", path), kv_err(&e));
        mem_replace(&it->fault, e.msg);
        return;
    }
    if (!it->task || it->fault || !streq(digest, it->digest)) {
        log_info("local task definition read", kv_s("file", path), kv_s("family", t->family));
        if (has_role)
            log_warn("a local task has no role of its own, its taskRoleArn is ignored",
                     kv_s("file", path));
    }
    mem_replace(&it->fault, NULL);
    task_destroy(it->task);
    it->task = t;
    memcpy(it->digest, digest, sizeof digest);
}

/* The name of a task that a file of this name is of; NULL: it is none. free() it. */
static char *task_name(const char *file)
{
    if (file[0] == '.' || !str_ends(file, SUFFIX))
        return NULL;
    return mem_strndup(file, strlen(file) - strlen(SUFFIX));
}

static void note_too_many(struct local_dir *d, const char *file)
{
    if (!d->too_many)
        log_warn("there are too many local task definitions, some are ignored",
                 kv_s("dir", d->path), kv_s("file", file), kv_i("limit", LOCAL_DIR_MAX));
    d->too_many = true;
}

/* A known one always has its place; a new one, if there is room beside those. */
static void found(struct local_dir *d, const char *file, bool is_new)
{
    AUTO(str) char *name = task_name(file);
    struct entry *it = name ? entry_of(d, name) : NULL;

    if (!name || (it && it->there))
        return;
    if (!it && is_new && d->n_there < LOCAL_DIR_MAX)
        it = entry_add(d, name);
    else if (!it && is_new)
        note_too_many(d, file);
    if (!it)
        return;
    it->there = true;
    d->n_there++;
}

static void forget_gone(struct local_dir *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n_entries; i++) {
        if (d->entries[i].there) {
            d->entries[kept++] = d->entries[i];
            continue;
        }
        log_info("local task definition removed", kv_s("name", d->entries[i].name));
        entry_fini(&d->entries[i]);
    }
    d->n_entries = kept;
}

/* errno, or 0. */
static int look_at_names(struct local_dir *d, DIR *dir, bool is_new)
{
    struct dirent *row;

    rewinddir(dir);
    errno = 0;
    while ((row = readdir(dir))) {
        found(d, row->d_name, is_new);
        errno = 0;
    }
    return errno;
}

/* The errno of what could not be listed, which is not the same as being empty. */
static int look_at_all_names(struct local_dir *d)
{
    DIR *dir = opendir(d->path);
    int failed;

    for (size_t i = 0; i < d->n_entries; i++)
        d->entries[i].there = false;
    d->n_there = 0;
    if (!dir)
        return errno == ENOENT ? 0 : errno;
    failed = look_at_names(d, dir, false);
    if (!failed)
        failed = look_at_names(d, dir, true);
    closedir(dir);
    return failed;
}

static bool list_files(struct local_dir *d)
{
    int failed = look_at_all_names(d);
    struct err e = { 0 };

    if (!failed) {
        mem_replace(&d->fault, NULL);
        d->listed = true;
        return true;
    }
    err_errno(&e, failed, "it cannot be listed");
    if (!d->fault || !streq(d->fault, e.msg))
        log_warn("the directory of local task definitions cannot be used; what runs of it "
                 "goes on",
                 kv_s("dir", d->path), kv_err(&e));
    mem_replace(&d->fault, e.msg);
    loop_timer_arm(d->settle, RETRY_MS); /* of its recovery there may be no news */
    return false;
}

static void read_all(struct local_dir *d)
{
    if (!list_files(d))
        return;
    forget_gone(d);
    d->too_many = d->too_many && d->n_entries >= LOCAL_DIR_MAX;
    if (d->n_entries)
        qsort(d->entries, d->n_entries, sizeof *d->entries, by_name);
    for (size_t i = 0; i < d->n_entries; i++)
        read_entry(d, &d->entries[i]);
    sum_up(d);
}

/* ---- telling ---- */

/* A file that was damaged before this start is known only by what runs of it. */
static void push(struct local_dir *d)
{
    struct core_local_def *defs;
    size_t n = 0;

    if (d->path && !d->listed)
        return;
    defs = mem_array(d->n_entries, sizeof *defs);
    for (size_t i = 0; i < d->n_entries; i++) {
        const struct entry *it = &d->entries[i];
        const struct task *t = it->task;
        const char *digest = it->digest;
        struct task *copy;

        if (!t)
            t = core_local_run(engine_core(d->engine), it->name, &digest);
        copy = t ? task_with_arn(t, t->arn) : NULL;
        if (copy)
            defs[n++] = (struct core_local_def){ it->name, digest, copy, false };
    }
    engine_local(d->engine, defs, n);
    free(defs);
}

static void on_settled(void *user)
{
    struct local_dir *d = user;

    read_all(d);
    if (d->engine)
        push(d);
}

static void on_changed(void *user)
{
    struct local_dir *d = user;

    /* Not put off by every change: some directories never rest. */
    if (!loop_timer_armed(d->settle))
        loop_timer_arm(d->settle, SETTLE_MS);
}

void local_dir_attach(struct local_dir *d, struct engine *en)
{
    d->engine = en;
    push(d);
}

struct local_dir *local_dir_create(struct loop *loop, const char *path)
{
    struct local_dir *d = NEW(struct local_dir);

    if (str_empty(path))
        return d;
    d->path = mem_strdup(path);
    d->settle = loop_timer_create(loop, on_settled, d);
    d->watch = watch_create(loop, path, on_changed, d); /* first: nothing is missed */
    read_all(d);
    return d;
}

void local_dir_destroy(struct local_dir *d)
{
    if (!d)
        return;
    watch_destroy(d->watch);
    loop_timer_destroy(d->settle);
    for (size_t i = 0; i < d->n_entries; i++)
        entry_fini(&d->entries[i]);
    free(d->entries);
    need_fini(&d->need);
    free(d->fault);
    free(d->path);
    free(d);
}
