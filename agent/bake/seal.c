#include "bake/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "docker/docker.h"
#include "endpoints/file_store.h"
#include "store/store.h"

#define NAMES_MAX 100000 /* of one folder */
#define LIST_MS   4000

/* ---- the names in a folder ---- */

struct names {
    char **items;
    size_t n;
};

static void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_absent(int code)
{
    return code == ENOENT || code == ENOTDIR;
}

/* Sorted. A folder that is not there has none. */
static enum err_code names_read(const char *dir, struct names *out, struct err *e)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    enum err_code code = ERR_OK;

    if (!d)
        return is_absent(errno) ? ERR_OK : err_errno(e, errno, "%s", dir);
    while ((entry = readdir(d))) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        if (out->n == NAMES_MAX) {
            code = err_set(e, ERR_LIMIT, "%.300s has more than %d names", dir, NAMES_MAX);
            break;
        }
        out->items = mem_resize(out->items, out->n + 1, sizeof *out->items);
        out->items[out->n++] = mem_strdup(entry->d_name);
    }
    closedir(d);
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_name);
    return code;
}

/* ---- removal ---- */

struct sealing {
    const struct seal_args *args;
    struct err first;
};

static void note(struct sealing *s, const struct err *e)
{
    if (e->code && !s->first.code)
        s->first = *e;
}

static void say(const struct sealing *s, enum seal_said what, const char *dir, const char *name,
                const struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/%s", streq(dir, "/") ? "" : dir, name);

    s->args->said(s->args->user, what, path, e);
}

/* A file, a link itself, or a folder with all that is in it. */
static void take(struct sealing *s, const char *dir, const char *name)
{
    struct err e = { 0 };

    if (!s->args->dry_run && file_store_remove(dir, name, &e))
        err_wrap(&e, "%.300s", dir);
    note(s, &e);
    say(s, e.code ? SEAL_FAILED : SEAL_REMOVED, dir, name, e.code ? &e : NULL);
}

static void take_state(struct sealing *s, const char *dir)
{
    struct names names = { 0 };
    struct err e = { 0 };

    if (names_read(dir, &names, &e))
        note(s, &e);
    for (size_t i = 0; i < names.n; i++) {
        if (seal_is_state(names.items[i]))
            take(s, dir, names.items[i]);
        else if (!streq(names.items[i], "lock"))
            say(s, SEAL_LEFT, dir, names.items[i], NULL);
    }
    names_fini(&names);
}

/* What is no file, such as a device that it was sent to, is no log; what a link leads to, which may
 * be anything, is its owner's to remove. */
static void take_file(struct sealing *s, const char *dir, const char *name)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    struct stat at, to;

    if (lstat(path, &at) || stat(path, &to) || !S_ISREG(to.st_mode))
        return;
    if (S_ISREG(at.st_mode))
        take(s, dir, name);
    else
        say(s, SEAL_LEFT, dir, name, NULL);
}

static void take_log(struct sealing *s, const char *path)
{
    const char *base = str_after_last(path, '/');
    AUTO(str) char *named = mem_strndup(path, (size_t)(base - path));
    AUTO(str) char *dir = realpath(*named ? named : ".", NULL);
    struct names names = { 0 };
    struct err e = { 0 };

    if (!dir && !is_absent(errno))
        err_errno(&e, errno, "%s", path);
    else if (dir && *base)
        (void)!names_read(dir, &names, &e);
    note(s, &e);
    for (size_t i = 0; i < names.n; i++)
        if (seal_is_log(base, names.items[i]))
            take_file(s, dir, names.items[i]);
    names_fini(&names);
}

static void take_socket(struct sealing *s, const char *path)
{
    const char *base = path ? str_after_last(path, '/') : "";
    AUTO(str) char *named = mem_strndup(path ? path : "", path ? (size_t)(base - path) : 0);
    AUTO(str) char *dir = *named ? realpath(named, NULL) : NULL;
    struct stat st;

    if (dir && !lstat(path, &st) && S_ISSOCK(st.st_mode))
        take(s, dir, base);
}

/* Who held it last is no longer true on another machine. */
static void empty_lock(const char *dir)
{
    AUTO(str) char *path = mem_printf("%s/lock", dir);
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (ftruncate(fd, 0))
        errno = 0; /* a number in a file is all that is left */
    close(fd);
}

enum err_code seal(const struct seal_args *args, struct err *e)
{
    AUTO(str) char *dir = realpath(args->data_dir, NULL);
    struct sealing s = { .args = args };
    int lock = -1;

    if (!dir && !is_absent(errno))
        return err_errno(e, errno, "%s", args->data_dir);
    if (dir && store_hold(dir, &lock, e))
        return e ? e->code : ERR_CONFLICT;
    if (dir)
        take_state(&s, dir);
    for (size_t i = 0; i < args->n_logs; i++)
        if (!str_empty(args->logs[i]))
            take_log(&s, args->logs[i]);
    take_socket(&s, args->socket);
    if (dir && !args->dry_run)
        empty_lock(dir);
    if (lock >= 0)
        close(lock);
    return s.first.code ? err_set(e, s.first.code, "%s", s.first.msg) : ERR_OK;
}

/* ---- containers ---- */

struct count {
    struct loop *loop;
    struct docker *docker;
    struct docker_op *op;
    const char *owner;
    size_t n;
    struct err err;
};

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    struct count *c = user;

    c->op = NULL;
    c->err = *e;
    for (size_t i = 0; !e->code && i < n; i++)
        c->n += rows[i].owner && streq(rows[i].owner, c->owner);
    loop_stop(c->loop);
}

static void on_version(void *user, const struct docker_version *v, const struct err *e)
{
    struct count *c = user;

    (void)v;
    c->op = NULL;
    if (!e->code) {
        c->op = docker_list(c->docker, LIST_MS, on_listed, c);
        return;
    }
    c->err = *e;
    loop_stop(c->loop);
}

enum err_code seal_count_containers(const char *docker_endpoint, const char *data_dir, size_t *n,
                                    struct err *e)
{
    static const struct http_client_config config = { 0 };
    AUTO(str) char *owner = realpath(data_dir, NULL);
    struct count c = { .loop = loop_create(), .owner = owner ? owner : data_dir };
    struct http_client *http = http_client_create(c.loop, &config);

    if (!docker_create(http, docker_endpoint, &c.docker, &c.err)) {
        c.op = docker_negotiate(c.docker, on_version, &c);
        loop_run(c.loop);
    }
    docker_cancel(c.op);
    docker_destroy(c.docker);
    http_client_destroy(http);
    loop_destroy(c.loop);
    if (c.err.code)
        return err_set(e, c.err.code, "%s", c.err.msg);
    *n = c.n;
    return ERR_OK;
}
