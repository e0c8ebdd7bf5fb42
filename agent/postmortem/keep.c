#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "postmortem/internal.h"

#define SUFFIX   ".json"
#define ID_MAX   128
#define MAX_SEEN 10000 /* names of a folder that somebody filled; more are not looked at */

struct kept {
    char name[ID_MAX + sizeof SUFFIX];
    int64_t ended_ns;
    int64_t bytes;
};

struct folder {
    DIR *dir;
    struct kept *all; /* oldest first */
    size_t n;
};

bool keep_is_name(const char *id)
{
    size_t n = strlen(id);

    return n && n <= ID_MAX && id[0] != '.' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

bool keep_has(const char *dir, const char *id)
{
    AUTO(str) char *path = mem_printf("%s/%s" SUFFIX, dir, id);

    return access(path, F_OK) == 0;
}

/* ---- the folder ---- */

static int by_end(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    if (x->ended_ns != y->ended_ns)
        return x->ended_ns < y->ended_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void folder_close(struct folder *f)
{
    if (f->dir)
        closedir(f->dir);
    free(f->all);
}

static void look_at(struct folder *f, const char *name)
{
    struct stat st;
    struct kept *k;

    if (!str_ends(name, SUFFIX) || strlen(name) >= sizeof k->name ||
        fstatat(dirfd(f->dir), name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return;
    f->all = mem_resize(f->all, f->n + 1, sizeof *f->all);
    k = &f->all[f->n++];
    memcpy(k->name, name, strlen(name) + 1);
    k->ended_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    k->bytes = st.st_size;
}

static enum err_code folder_open(const char *path, struct folder *f, struct err *e)
{
    const struct dirent *d;

    *f = (struct folder){ .dir = opendir(path) };
    if (!f->dir)
        return err_errno(e, errno, "%s", path);
    for (int i = 0; i < MAX_SEEN && (d = readdir(f->dir)); i++)
        look_at(f, d->d_name);
    if (f->n)
        qsort(f->all, f->n, sizeof *f->all, by_end);
    return ERR_OK;
}

static void trim(const char *path)
{
    struct err ignored = { 0 };
    struct folder f;
    int64_t bytes = 0;

    if (folder_open(path, &f, &ignored))
        return;
    for (size_t i = 0; i < f.n; i++)
        bytes += f.all[i].bytes;
    for (size_t i = 0; i < f.n && (f.n - i > POSTMORTEM_FILES || bytes > POSTMORTEM_BYTES); i++) {
        if (unlinkat(dirfd(f.dir), f.all[i].name, 0) && errno != ENOENT)
            break; /* the folder cannot be changed: the next write says so */
        bytes -= f.all[i].bytes;
    }
    folder_close(&f);
}

/* ---- writing ---- */

static enum err_code write_file(const char *path, struct str text, int64_t ended_ms, struct err *e)
{
    const struct timespec when = { .tv_sec = ended_ms / 1000,
                                   .tv_nsec = ended_ms % 1000 * 1000000 };
    const struct timespec both[2] = { when, when };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum err_code code = ERR_OK;

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (!fd_write_all(fd, text))
        code = err_errno(e, errno, "write %s", path);
    if (!code && ended_ms > 0 && futimens(fd, both))
        code = err_errno(e, errno, "date %s", path);
    if (!code && fsync(fd))
        code = err_errno(e, errno, "sync %s", path);
    if (close(fd) && !code)
        code = err_errno(e, errno, "close %s", path);
    return code;
}

enum err_code keep_write(const char *dir, const char *id, struct str text, int64_t ended_ms,
                         struct err *e)
{
    /* One name for all that are being written: what a crash leaves behind is written over. */
    AUTO(str) char *fresh = mem_printf("%s/record.new", dir);
    AUTO(str) char *path = mem_printf("%s/%s" SUFFIX, dir, id);

    if (mkdir(dir, 0700) && errno != EEXIST)
        return err_errno(e, errno, "create directory %s", dir);
    if (write_file(fresh, text, ended_ms, e) == ERR_OK && rename(fresh, path))
        err_errno(e, errno, "%s", path);
    if (e->code) {
        unlink(fresh);
        return e->code;
    }
    trim(dir);
    return ERR_OK;
}

/* ---- reading ---- */

static void read_file(const struct folder *f, const char *name, struct buf *out, struct err *e)
{
    int fd = openat(dirfd(f->dir), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        err_errno(e, errno, "%s", name);
        return;
    }
    if (!fd_read_all(fd, out)) {
        if (errno == EFBIG)
            err_set(e, ERR_LIMIT, "%s is too large", name);
        else
            err_errno(e, errno, "read %s", name);
    }
    close(fd);
}

static enum err_code choose(const struct folder *f, const char *id, const struct kept **out,
                            struct err *e)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct kept *k = &f->all[i];

        if (!id || str_starts(k->name, id)) {
            *out = k; /* the newest is the last */
            n++;
        }
        if (id && strlen(k->name) == strlen(id) + strlen(SUFFIX) && str_starts(k->name, id))
            return ERR_OK;
    }
    if (!n)
        return err_set(e, ERR_NOT_FOUND, "there is no record");
    if (id && n > 1)
        return err_set(e, ERR_CONFLICT, "%zu records begin so", n);
    return ERR_OK;
}

enum err_code keep_read(const char *dir, const char *id, struct buf *out, struct err *e)
{
    const struct kept *found = NULL;
    struct folder f;

    if (folder_open(dir, &f, e)) {
        if (e->code == ERR_NOT_FOUND)
            err_set(e, ERR_NOT_FOUND, "there is no record");
        return e->code;
    }
    if (choose(&f, id, &found, e) == ERR_OK && found)
        read_file(&f, found->name, out, e);
    folder_close(&f);
    return e->code;
}
