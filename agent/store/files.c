#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

#define ASIDE_MAX 1000

static enum err_code make_one(const char *path, struct err *e)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    if (errno != EEXIST)
        return err_errno(e, errno, "create directory %s", path);
    if (stat(path, &st) != 0)
        return err_errno(e, errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_DENIED, "%s is not a directory", path);
    return ERR_OK;
}

enum err_code files_make_dir(const char *dir, struct err *e)
{
    AUTO(str) char *path = mem_strdup(dir);

    for (char *p = path; *p; p++) {
        if (*p != '/' || p == path)
            continue;
        *p = '\0';
        if (make_one(path, e))
            return e->code;
        *p = '/';
    }
    return make_one(path, e);
}

static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    /* Some file systems cannot sync a directory; the data is no less safe there. */
    if (fsync(fd) != 0)
        errno = 0;
    close(fd);
}

/* SQLite would fall back to reading when it may not write; opening the file for
 * writing first tells that apart from a damaged header. */
enum err_code files_make_db(const char *dir, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/" DB_NAME, dir);
    enum err_code code = ERR_OK;
    struct stat st;
    int fd;

    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (fstat(fd, &st) != 0)
        code = err_errno(e, errno, "%s", path);
    else if (!S_ISREG(st.st_mode))
        code = err_set(e, ERR_IO, "%s is not a regular file", path);
    else if ((st.st_mode & 077) && fchmod(fd, 0600) != 0)
        code = err_errno(e, errno, "make %s private", path);
    close(fd);
    if (!code)
        sync_dir(dir);
    return code;
}

/* SQLite fills a page that is cut short with zeros, and its quick check does not
 * see a zeroed value. A file at rest has whole pages; with a log beside it, it
 * may not, but then the log has the page. */
enum err_code files_check_whole(const char *dir, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/" DB_NAME, dir);
    AUTO(str) char *wal = mem_printf("%s-wal", path);
    unsigned char size_field[2] = { 0 };
    struct stat st;
    unsigned page;
    int fd;

    if (stat(wal, &st) == 0 && st.st_size > 0)
        return ERR_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || pread(fd, size_field, 2, 16) < 0) {
        err_errno(e, errno, "%s", path);
        if (fd >= 0)
            close(fd);
        return e->code;
    }
    close(fd);
    page = (unsigned)size_field[0] << 8 | size_field[1];
    if (page == 1) /* the field has 16 bits; 65536 is written as 1 */
        page = 65536;
    if (st.st_size && (page < 512 || st.st_size % page))
        return err_set(e, ERR_INVALID, DB_NAME ": it is cut short");
    return ERR_OK;
}

enum err_code files_move_aside(const char *dir, const char *why, char **moved, struct err *e)
{
    /* The database goes first: should we be stopped between two renames, SQLite
     * drops a log that it finds beside an empty database. */
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    AUTO(str) char *base = NULL;
    struct stat st;

    for (int n = 1; n <= ASIDE_MAX && !base; n++) {
        base = mem_printf("%s/" DB_NAME ".%s-%d", dir, why, n);
        if (lstat(base, &st) == 0)
            mem_replace(&base, NULL);
    }
    if (!base)
        return err_set(e, ERR_LIMIT, "%s holds %d %s databases; remove some", dir, ASIDE_MAX, why);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        AUTO(str) char *from = mem_printf("%s/" DB_NAME "%s", dir, suffixes[i]);
        AUTO(str) char *to = mem_printf("%s%s", base, suffixes[i]);

        if (rename(from, to) != 0 && errno != ENOENT)
            return err_errno(e, errno, "move %s to %s", from, to);
    }
    sync_dir(dir);
    *moved = base;
    base = NULL;
    return ERR_OK;
}
