/* sink_file: log streams as files, for a machine without the service.
 *
 * The file is opened for every put, so whoever rotates it only has to rename it. A lock on it keeps
 * puts apart, for two names may mean one file ("a" + "b/c", "a/b" + "c"); under it, what a full
 * disk let through of a put is taken back before the put is tried again, so that each line is there
 * once and whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "logs/batch.h"
#include "logs/sink.h"

#define TEXT_MAX \
    ((size_t)2 * BATCH_MAX_BODY) /* a time for each event, a tab for each of its lines */

struct file_put {
    char *dir;
    struct sink_put_args args;
    struct work *work;
    enum sink_verdict verdict; /* the worker's, with its error */
    struct err err;
    sink_done_fn *done;
    void *user;
};

/* ---- on the worker ---- */

/* What only somebody can change who may. */
static bool is_blocked(int errno_value)
{
    return errno_value == EACCES || errno_value == EPERM || errno_value == EROFS ||
           errno_value == ENOTDIR || errno_value == EISDIR || errno_value == ELOOP ||
           errno_value == ENAMETOOLONG || errno_value == EINVAL;
}

static void fail(struct file_put *p, int errno_value, const char *what)
{
    const struct log_options *to = p->args.to;

    p->verdict = is_blocked(errno_value) ? SINK_BLOCKED : SINK_LATER;
    err_errno(&p->err, errno_value, "cannot %s the log file %s/%s/%s.log", what, p->dir, to->group,
              to->stream);
}

/* A line for each event; the further lines of one that has several begin with a tab. */
static void write_event(struct buf *out, const struct jcur *event)
{
    struct jcur message = jcur_get(event, "message");
    struct str text = jcur_as_bytes(&message);
    char time[CLOCK_ISO_SIZE];

    clock_iso(jcur_int(event, "timestamp", 0, INT64_MAX / 1000000), time);
    buf_puts(out, time);
    buf_putc(out, ' ');
    for (;;) {
        const char *newline = text.n ? memchr(text.p, '\n', text.n) : NULL;
        size_t n = newline ? (size_t)(newline - text.p) : text.n;

        buf_append(out, text.p, n);
        buf_putc(out, '\n');
        if (!newline || n + 1 == text.n)
            return;
        buf_putc(out, '\t');
        text.p += n + 1;
        text.n -= n + 1;
    }
}

static bool make_text(struct file_put *p, struct buf *out)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, events;

    if (!json_parse(p->args.body.p, p->args.body.n, &doc, &e)) {
        root = jcur_root(doc, &e);
        events = jcur_arr(&root, "logEvents");
        JCUR_EACH (event, &events)
            write_event(out, &event);
    }
    if (!e.code && out->overflowed)
        err_set(&e, ERR_LIMIT, "a batch is longer than %zu bytes as text", TEXT_MAX);
    if (!e.code)
        return true;
    p->verdict = SINK_INVALID;
    p->err = e;
    return false;
}

static bool sync_and_close(int fd)
{
    int failed = fsync(fd) ? errno : 0;

    close(fd);
    errno = failed;
    return !failed;
}

/* Opens, and makes if needed, one folder in `at`, which it closes; -1 with errno. */
static int enter(int at, const char *name)
{
    bool made = mkdirat(at, name, 0750) == 0;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 ? errno : 0;

    if (made && !sync_and_close(at)) {
        failed = errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else if (!made) {
        close(at);
    }
    errno = failed;
    return fd;
}

/* The name of a folder or of the file, which cannot lead anywhere else; EINVAL. */
static bool is_name(const char *name)
{
    if (!streq(name, ".") && !streq(name, ".."))
        return true;
    errno = EINVAL;
    return false;
}

/* -1 with errno. What begins or ends with "/", or has two, is taken as if without. */
static int open_log(const struct file_put *p)
{
    const struct log_options *to = p->args.to;
    AUTO(str) char *path = mem_printf("%s/%s.log", to->group, to->stream);
    int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file;
    char *rest = path, *name = strsep(&rest, "/");
    bool made;

    for (; fd >= 0 && rest; name = strsep(&rest, "/")) {
        if (!*name)
            continue;
        if (!is_name(name)) {
            close(fd);
            errno = EINVAL;
            return -1;
        }
        fd = enter(fd, name);
    }
    if (fd < 0)
        return -1;
    made = faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    file =
        openat(fd, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (file < 0 || !made) {
        int failed = errno;

        close(fd);
        errno = failed;
    } else if (!sync_and_close(fd)) {
        int failed = errno;

        close(file);
        errno = failed;
        return -1;
    }
    return file;
}

/* A machine that went down in the middle of a put may have left half a line. */
static bool begins_a_line(int fd, off_t size)
{
    char last = '\n';

    return !size || pread(fd, &last, 1, size - 1) != 1 || last == '\n';
}

static bool append(int fd, struct str text)
{
    struct stat st;
    int failed;

    if (flock(fd, LOCK_EX) || fstat(fd, &st))
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return false;
    }
    if ((begins_a_line(fd, st.st_size) || fd_write_all(fd, str_of("\n"))) &&
        fd_write_all(fd, text) && !fdatasync(fd))
        return true;
    failed = errno;
    (void)!ftruncate(fd, st.st_size); /* if even that fails, some lines come twice */
    errno = failed;
    return false;
}

static void store(void *user)
{
    struct file_put *p = user;
    AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
    int fd;

    if (!make_text(p, &text))
        return;
    fd = open_log(p);
    if (fd < 0) {
        fail(p, errno, "open");
        return;
    }
    if (append(fd, buf_str(&text)))
        p->verdict = SINK_STORED;
    else
        fail(p, errno, "write");
    close(fd);
}

/* ---- on the loop ---- */

void file_put_cancel(struct file_put *p)
{
    if (!p)
        return;
    work_cancel(p->work);
    free(p->dir);
    free(p);
}

static void stored(void *user)
{
    struct file_put *p = user;
    struct err e = p->err;
    const struct sink_answer a = { .verdict = p->verdict, .e = &e };
    sink_done_fn *done = p->done;
    void *owner = p->user;

    p->work = NULL;
    file_put_cancel(p);
    done(owner, &a);
}

struct file_put *file_put(struct loop *loop, const char *dir, const struct sink_put_args *args,
                          sink_done_fn *done, void *user)
{
    struct file_put *p = NEW(struct file_put);

    p->dir = mem_strdup(dir);
    p->args = *args;
    p->done = done;
    p->user = user;
    p->work = loop_work(loop, store, stored, p);
    return p;
}
