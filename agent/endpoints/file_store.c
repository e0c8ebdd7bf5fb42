#include "endpoints/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "task/task.h"

#define TEMPORARY ".ecs-container-metadata.json.new"
#define FILE_MAX  ((size_t)1 << 20)
#define DEPTH_MAX 64 /* descriptors that one removal has open */
#define FOLDER    (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static enum err_code failed(struct err *e, const char *what, const char *name)
{
    int code = errno;

    return err_set(e, code == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s %.150s: %s", what, name,
                   ERRNO_TEXT(code));
}

/* The folder below `fd`, which is closed; made when `make` says so. -1: errno. */
static int step_down(int fd, const char *name, bool make)
{
    int next = -1, code;

    if (!make || !mkdirat(fd, name, 0755) || errno == EEXIST)
        next = openat(fd, name, FOLDER);
    code = errno;
    close(fd);
    errno = code;
    return next;
}

static int open_folder(const char *root, const char *path, bool make)
{
    AUTO(str) char *names = mem_strdup(path);
    char *rest = names, *name;
    int fd;

    if (make && mkdir(root, 0755) && errno != EEXIST)
        return -1;
    fd = open(root, FOLDER);
    while (fd >= 0 && (name = strsep(&rest, "/")))
        fd = step_down(fd, name, make);
    return fd;
}

static enum err_code put(int folder, struct str text, struct err *e)
{
    enum err_code code = ERR_OK;
    int fd;

    (void)unlinkat(folder, TEMPORARY, 0);
    fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(e, "create", TEMPORARY);
    if (!fd_write_all(fd, text) || fchmod(fd, 0644))
        code = failed(e, "write", TEMPORARY);
    close(fd);
    if (!code && renameat(folder, TEMPORARY, folder, TASK_FILE_NAME))
        code = failed(e, "rename", TASK_FILE_NAME);
    if (code)
        (void)unlinkat(folder, TEMPORARY, 0);
    return code;
}

enum err_code file_store_make(const char *root, const char *path, struct str text, struct err *e)
{
    int folder = open_folder(root, path, true);
    enum err_code code;

    if (folder < 0)
        return failed(e, "make", path);
    /* Whatever the umask: not everybody in a container is root. */
    code = fchmod(folder, 0755) ? failed(e, "chmod", path) : put(folder, text, e);
    close(folder);
    return code;
}

/* Opens it only when it is a plain file: a container may make a device there, and some do things
 * when they are opened (a watchdog starts). -1: it is none, or cannot be read. */
static int open_plain(int path)
{
    char name[64];
    struct stat st;

    if (fstat(path, &st) || !S_ISREG(st.st_mode))
        return -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", path);
    return open(name, O_RDONLY | O_CLOEXEC);
}

/* ERR_OK: a partial one. */
static enum err_code check_partial(int folder, struct err *e)
{
    AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);
    int path = openat(folder, TASK_FILE_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd;

    if (path < 0)
        return failed(e, "open", TASK_FILE_NAME);
    fd = open_plain(path);
    close(path);
    if (fd >= 0) {
        (void)!fd_read_all(fd, &text);
        close(fd);
    }
    if (strstr(buf_text(&text), "\"MetadataFileStatus\": \"READY\""))
        return err_set(e, ERR_CONFLICT, "the file is full already");
    return ERR_OK;
}

enum err_code file_store_fill(const char *root, const char *path, struct str text, struct err *e)
{
    int folder = open_folder(root, path, false);
    enum err_code code;

    if (folder < 0)
        return failed(e, "open", path);
    code = check_partial(folder, e);
    if (!code)
        code = put(folder, text, e);
    close(folder);
    return code;
}

/* ---- removal ---- */

static bool is_name(const struct dirent *entry)
{
    return !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
}

struct removal {
    int top; /* the folder that is removed */
    unsigned moved;
};

/* What lies too deep for a descriptor a step comes up to the top, and is looked at there. */
static enum err_code move_up(struct removal *r, int parent, const char *name, struct err *e)
{
    char to[32];
    int rc;

    do {
        snprintf(to, sizeof to, ".deep-%u", r->moved++);
        rc = renameat(parent, name, r->top, to);
    } while (rc && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
    return rc ? failed(e, "move", name) : ERR_OK;
}

static enum err_code remove_below(struct removal *r, int parent, const char *name, int depth,
                                  struct err *e);

/* NOLINTNEXTLINE(misc-no-recursion): down to DEPTH_MAX */
static enum err_code remove_entries(struct removal *r, DIR *d, int depth, struct err *e)
{
    const struct dirent *entry;
    enum err_code code = ERR_OK;

    while (!code && (entry = readdir(d)))
        if (is_name(entry))
            code = remove_below(r, dirfd(d), entry->d_name, depth + 1, e);
    return code;
}

/* NOLINTNEXTLINE(misc-no-recursion): down to DEPTH_MAX */
static enum err_code remove_below(struct removal *r, int parent, const char *name, int depth,
                                  struct err *e)
{
    enum err_code code;
    unsigned moved;
    DIR *d;
    int fd;

    if (!unlinkat(parent, name, 0) || errno == ENOENT)
        return ERR_OK;
    if (depth == DEPTH_MAX)
        return move_up(r, parent, name, e);
    fd = openat(parent, name, FOLDER);
    d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        code = failed(e, "remove", name);
        if (fd >= 0)
            close(fd);
        return code;
    }
    if (!depth)
        r->top = fd;
    do {
        moved = r->moved;
        rewinddir(d);
        code = remove_entries(r, d, depth, e);
    } while (!code && !depth && r->moved != moved);
    closedir(d);
    if (!code && unlinkat(parent, name, AT_REMOVEDIR) && errno != ENOENT)
        code = failed(e, "remove", name);
    return code;
}

static enum err_code remove_at(int parent, const char *name, struct err *e)
{
    struct removal r = { .top = -1 };

    return remove_below(&r, parent, name, 0, e);
}

enum err_code file_store_remove(const char *root, const char *path, struct err *e)
{
    AUTO(str) char *cluster = mem_strdup(path);
    char *slash = strchr(cluster, '/');
    const char *name = slash ? slash + 1 : path;
    enum err_code code;
    int fd;

    if (slash)
        *slash = '\0';
    fd = slash ? open_folder(root, cluster, false) : open(root, FOLDER);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : failed(e, "open", root);
    code = remove_at(fd, name, e);
    close(fd);
    return code;
}

static bool is_kept(char *const *keep, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (streq(keep[i], path))
            return true;
    return false;
}

static void note(enum err_code code, const struct err *why, struct err *first)
{
    if (code && !first->code)
        *first = *why;
}

/* One of the folders of the root: a cluster's, or, with ARNs of old, a task's. */
static void sweep_folder(int root, const char *name, char *const *keep, size_t n, struct err *first)
{
    int fd = openat(root, name, FOLDER);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(d))) {
        AUTO(str) char *path = mem_printf("%s/%s", name, entry->d_name);
        struct err why = { 0 };

        if (is_name(entry) && !is_kept(keep, n, path))
            note(remove_at(dirfd(d), entry->d_name, &why), &why, first);
    }
    closedir(d);
    (void)unlinkat(root, name, AT_REMOVEDIR); /* when nothing is left in it */
}

enum err_code file_store_sweep(const char *root, char *const *keep, size_t n, struct err *e)
{
    DIR *d = opendir(root);
    const struct dirent *entry;
    struct err first = { 0 };

    while (d && (entry = readdir(d)))
        if (is_name(entry) && !is_kept(keep, n, entry->d_name))
            sweep_folder(dirfd(d), entry->d_name, keep, n, &first);
    if (d)
        closedir(d);
    return first.code ? err_set(e, first.code, "%s", first.msg) : ERR_OK;
}
