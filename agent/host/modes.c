/* modes: nobody else looks into the agent's state, whoever made its folder, and when. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host/host.h"

#define OTHERS 077

static enum err_code close_to_others(int fd, const struct stat *st, const char *path, size_t *n,
                                     struct err *e)
{
    if (st->st_uid != geteuid())
        return err_set(e, ERR_DENIED, "%.400s is another user's", path);
    if (!(st->st_mode & OTHERS))
        return ERR_OK;
    if (fchmod(fd, st->st_mode & 0700))
        return err_errno(e, errno, "%.400s", path);
    ++*n;
    return ERR_OK;
}

/* Plain files only: folders have modes of their own, and nothing else belongs there. */
static enum err_code look_at(int dir, const char *path, const char *name, size_t *n, struct err *e)
{
    struct stat st;
    enum err_code code = ERR_OK;
    int fd;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return ERR_OK;
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) /* gone */
        return ERR_OK;
    if (fd < 0 || fstat(fd, &st))
        code = err_errno(e, errno, "%.400s/%.200s", path, name);
    else
        code = close_to_others(fd, &st, path, n, e);
    if (fd >= 0)
        close(fd);
    return code;
}

enum err_code host_make_private(const char *path, size_t *changed, struct err *e)
{
    DIR *d = opendir(path);
    const struct dirent *entry;
    enum err_code code;
    struct stat st;
    size_t n = 0;

    *changed = 0;
    if (!d)
        return errno == ENOENT ? ERR_OK : err_errno(e, errno, "%.400s", path);
    if (fstat(dirfd(d), &st))
        code = err_errno(e, errno, "%.400s", path);
    else if (st.st_mode & S_ISVTX)
        code = err_set(e, ERR_CONFLICT, "%.400s is a folder for all", path);
    else
        code = close_to_others(dirfd(d), &st, path, &n, e);
    while (!code && (entry = readdir(d)))
        code = look_at(dirfd(d), path, entry->d_name, &n, e);
    closedir(d);
    *changed = n;
    return code;
}
