#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

static enum err_code held_by_other(int fd, const char *dir, struct err *e)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    int64_t pid;

    text[n > 0 ? n : 0] = '\0';
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = '\0';
    /* The holder may be between locking and writing its number. */
    if (str_to_int(text, 1, INT_MAX, &pid, NULL))
        return err_set(e, ERR_CONFLICT, "another agent uses %s", dir);
    return err_set(e, ERR_CONFLICT, "another agent (process %d) uses %s", (int)pid, dir);
}

static enum err_code lock_file(int fd, const char *path, const char *dir, struct err *e)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        return errno == EWOULDBLOCK ? held_by_other(fd, dir, e)
                                    : err_errno(e, errno, "lock %s", path);
    }
    return ERR_OK;
}

enum err_code store_hold(const char *dir, int *fd, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/lock", dir);
    int f = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    enum err_code code;

    *fd = -1;
    if (f < 0)
        return errno == ENOENT ? ERR_OK : err_errno(e, errno, "%s", path);
    code = lock_file(f, path, dir, e);
    if (code)
        close(f);
    else
        *fd = f;
    return code;
}

/* The file stays when the lock is released: removing it would let a third
 * process lock a new file of the same name while a second holds the old one. */
enum err_code lock_take(const char *dir, int *fd, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/lock", dir);
    char text[32];
    enum err_code code;
    int n, f;

    f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f < 0 && (errno == EROFS || errno == EACCES || errno == ENOSPC))
        f = open(path, O_RDONLY | O_CLOEXEC); /* a lock needs no room */
    if (f < 0)
        return err_errno(e, errno, "%s", path);
    code = lock_file(f, path, dir, e);
    if (code) {
        close(f);
        return code;
    }
    n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The number only serves the message above, so a full disk is no reason to
     * refuse here: the first commit will tell. */
    (void)!(ftruncate(f, 0) == 0 && pwrite(f, text, (size_t)n, 0) == n);
    *fd = f;
    return ERR_OK;
}
