#include "logs/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

enum err_code spool_file_open(const char *path, struct spool_file *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s is no regular file", path);
    }
    *out = (struct spool_file){ .fd = fd, .inode = st.st_ino };
    return ERR_OK;
}

void spool_file_close(struct spool_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* The time stands at the end of a line, which may be long: the last bytes of the first line. */
int64_t spool_file_key_of(struct str beginning)
{
    const char *newline = beginning.n ? memchr(beginning.p, '\n', beginning.n) : NULL;
    size_t n = newline ? (size_t)(newline - beginning.p) : beginning.n;
    size_t from = n > JSON_HEAD_BYTES ? n - JSON_HEAD_BYTES : 0;
    int64_t key;

    if (!newline && n <= JSON_LINE_MAX)
        return 0;
    key = (int64_t)(json_file_head((struct str){ beginning.p + from, n - from }) >> 1);
    return key ? key : 1;
}

/* Reads the beginning of the file until it holds a line; free() it. */
static char *read_beginning(const struct spool_file *f, size_t *n)
{
    size_t room = 256; /* mostly 4096 are enough */
    char *text = NULL;
    ssize_t got;

    do {
        room = room < SPOOL_FILE_READ / 16 ? room * 16 : SPOOL_FILE_READ;
        text = mem_resize(text, room, 1);
        got = pread(f->fd, text, room, 0);
        *n = got > 0 ? (size_t)got : 0;
    } while (*n == room && room < SPOOL_FILE_READ && !memchr(text, '\n', *n));
    return text;
}

int64_t spool_file_key(struct spool_file *f)
{
    size_t n;

    if (!f->key) {
        AUTO(str) char *text = read_beginning(f, &n);

        f->key = spool_file_key_of((struct str){ text, n });
    }
    return f->key;
}

int64_t spool_file_first_ns(const struct spool_file *f)
{
    size_t n, used;
    AUTO(str) char *text = read_beginning(f, &n);
    struct json_message m;

    return json_file_next((struct str){ text, n }, &used, &m) == JSON_MESSAGE ? m.when_ns : 0;
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
