#include "logs/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

enum err_code spool_file_open(const char *path, const struct record_format *format,
                              struct spool_file *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s is no regular file", path);
    }
    *out = (struct spool_file){ .format = format, .fd = fd, .inode = st.st_ino };
    return ERR_OK;
}

void spool_file_close(struct spool_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* Reads the beginning of the file until it holds a record; free() it. */
static char *read_beginning(const struct spool_file *f, size_t *n, int64_t *key)
{
    size_t room = 256; /* mostly 4096 are enough */
    char *text = NULL;
    ssize_t got;

    do {
        room = room < SPOOL_FILE_READ / 16 ? room * 16 : SPOOL_FILE_READ;
        text = mem_resize(text, room, 1);
        got = pread(f->fd, text, room, 0);
        *n = got > 0 ? (size_t)got : 0;
        *key = f->format->key((struct str){ text, *n });
    } while (!*key && *n == room && room < SPOOL_FILE_READ);
    return text;
}

int64_t spool_file_key(struct spool_file *f)
{
    size_t n;

    if (!f->key)
        free(read_beginning(f, &n, &f->key));
    return f->key;
}

int64_t spool_file_first_ns(const struct spool_file *f)
{
    size_t n, used;
    int64_t key;
    AUTO(str) char *text = read_beginning(f, &n, &key);
    struct record_scan scan = { 0 };
    struct record m;

    return f->format->next(&scan, (struct str){ text, n }, &used, &m) == RECORD_WHOLE ? m.when_ns
                                                                                      : 0;
}

enum err_code spool_file_read(const struct spool_file *f, bool may_wait, char *to, size_t room,
                              size_t *n, struct err *e)
{
    struct iovec iov = { to, room };
    ssize_t got;

    do {
        got = preadv2(f->fd, &iov, 1, f->offset, may_wait ? 0 : RWF_NOWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && !may_wait && (errno == EAGAIN || errno == EOPNOTSUPP))
        return ERR_RETRY;
    if (got < 0)
        return err_errno(e, errno, "read a log file");
    *n = (size_t)got;
    return ERR_OK;
}

enum err_code spool_file_stat(struct spool_file *f, int64_t *size, struct err *e)
{
    struct stat st;

    if (fstat(f->fd, &st))
        return err_errno(e, errno, "look at a log file");
    *size = st.st_size;
    f->gone = st.st_nlink == 0;
    return ERR_OK;
}
