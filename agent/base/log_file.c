#include "base/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LOOK_MS   1000
#define HOUR_SIZE 40 /* "2026-01-02-03" is 13, any struct tm fits */

struct log_file {
    struct log_out out;
    char *path;
    struct log_file_rule rule;
    bool regular; /* a device or a pipe is never set aside */
    int64_t size;
    int64_t look_ms;      /* when the path is looked at next */
    int64_t again_ms;     /* setting aside failed: when it is tried again */
    char hour[HOUR_SIZE]; /* local, of what is in the file; "" while it is empty */
};

bool log_out_write(struct log_out *o, const char *line, size_t n)
{
    const char *p = line, *end = line + n;

    if (o->torn && write(o->fd, "\n", 1) != 1)
        return false;
    o->torn = false;
    while (p < end) {
        ssize_t wrote = write(o->fd, p, (size_t)(end - p));

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            o->torn = p > line;
            return false;
        }
        p += wrote;
    }
    return true;
}

static void local_hour(time_t at, char out[HOUR_SIZE])
{
    struct tm tm = { 0 };

    localtime_r(&at, &tm);
    snprintf(out, HOUR_SIZE, "%04d-%02d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour);
}

/* Opens the path in place of what is open; that stays when it fails. */
static enum err_code reopen(struct log_file *f, struct err *e)
{
    /* A pipe that nobody reads must not hold the agent up. */
    int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    struct stat st = { 0 };

    if (fd < 0)
        return err_errno(e, errno, "log file %s", f->path);
    if (fstat(fd, &st)) {
        int error = errno;

        close(fd);
        return err_errno(e, error, "log file %s", f->path);
    }
    if (f->out.fd >= 0)
        close(f->out.fd);
    f->out = (struct log_out){ .fd = fd };
    f->regular = S_ISREG(st.st_mode);
    f->size = st.st_size;
    f->hour[0] = '\0';
    if (st.st_size > 0)
        local_hour(st.st_mtime, f->hour);
    return ERR_OK;
}

enum err_code log_file_open(const char *path, const struct log_file_rule *rule,
                            struct log_file **out, struct err *e)
{
    struct log_file *f = NEW(struct log_file);

    f->out.fd = -1;
    f->path = mem_strdup(path);
    f->rule = *rule;
    if (reopen(f, e)) {
        log_file_close(f);
        return e->code;
    }
    *out = f;
    return ERR_OK;
}

void log_file_close(struct log_file *f)
{
    if (!f)
        return;
    if (f->out.fd >= 0)
        close(f->out.fd);
    free(f->path);
    free(f);
}

/* ---- those set aside ---- */

/* Their order, oldest first; false when the name (what follows "<file>.") is another's. */
static bool roll_order(enum log_roll roll, const char *name, uint64_t *out)
{
    static const char hour[] = "dddd-dd-dd-dd";
    uint64_t n = 0;
    size_t len = strlen(name);

    if (roll == LOG_ROLL_HOURLY && len != sizeof hour - 1)
        return false;
    if (len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (roll == LOG_ROLL_HOURLY && hour[i] == '-') {
            if (name[i] != '-')
                return false;
            continue;
        }
        if (name[i] < '0' || name[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(name[i] - '0');
    }
    *out = n;
    return true;
}

struct rolls {
    size_t n;
    uint64_t newest;
    char *oldest; /* its path; NULL: there is none */
};

static struct rolls find_rolls(const struct log_file *f)
{
    const char *base = str_after_last(f->path, '/');
    size_t base_len = strlen(base), dir_len = (size_t)(base - f->path);
    AUTO(str) char *dir = mem_strndup(f->path, dir_len);
    DIR *d = opendir(dir_len ? dir : ".");
    struct rolls r = { 0 };
    struct dirent *entry;
    uint64_t order, least = UINT64_MAX;

    while (d && (entry = readdir(d))) {
        const char *name = entry->d_name;

        if (strncmp(name, base, base_len) != 0 || name[base_len] != '.' ||
            !roll_order(f->rule.roll, name + base_len + 1, &order))
            continue;
        r.n++;
        r.newest = order > r.newest ? order : r.newest;
        if (order < least) {
            least = order;
            free(r.oldest);
            r.oldest = mem_printf("%s%s", dir, name);
        }
    }
    if (d)
        closedir(d);
    return r;
}

static void remove_oldest(const struct log_file *f)
{
    bool more = f->rule.roll_count > 0;

    while (more) {
        struct rolls r = find_rolls(f);

        more = r.n > (uint64_t)f->rule.roll_count && r.oldest && unlink(r.oldest) == 0;
        free(r.oldest);
    }
}

/* False when it stays as it is. */
static bool set_aside(struct log_file *f, const char *hour)
{
    AUTO(str) char *to = NULL;
    struct err ignored = { 0 };

    if (f->rule.roll == LOG_ROLL_HOURLY) {
        to = mem_printf("%s.%s", f->path, f->hour);
        /* The clock was set back: rather than replace what is there, this file goes on. */
        if (access(to, F_OK) == 0) {
            memcpy(f->hour, hour, HOUR_SIZE);
            return false;
        }
    } else {
        struct rolls r = find_rolls(f);

        free(r.oldest);
        to = mem_printf("%s.%" PRIu64, f->path, r.newest + 1);
    }
    if (rename(f->path, to))
        return false;
    remove_oldest(f);
    /* When no new file can be made, lines go where they went, under its new name, and the
     * next look at the path tries again. */
    return reopen(f, &ignored) == ERR_OK;
}

/* ---- each line ---- */

/* Did someone else rename, remove, replace or cut it? */
static void look(struct log_file *f)
{
    struct stat open_one, there;
    struct err ignored = { 0 };

    if (fstat(f->out.fd, &open_one))
        return;
    if (stat(f->path, &there) || there.st_dev != open_one.st_dev ||
        there.st_ino != open_one.st_ino) {
        /* What cannot be had now is asked for again with the next look. */
        if (reopen(f, &ignored))
            return;
    } else if (f->regular) {
        f->size = open_one.st_size;
    }
}

static bool is_time(const struct log_file *f, const char *hour, size_t n)
{
    if (!f->regular || f->size == 0)
        return false;
    switch (f->rule.roll) {
    case LOG_ROLL_SIZE:
        return f->rule.max_bytes > 0 && f->size + (int64_t)n > f->rule.max_bytes;
    case LOG_ROLL_HOURLY:
        return *f->hour && !streq(f->hour, hour);
    case LOG_ROLL_NONE:
        break;
    }
    return false;
}

bool log_file_write(struct log_file *f, int64_t wall_ms, int64_t mono_ms, const char *line,
                    size_t n)
{
    char hour[HOUR_SIZE] = "";
    bool written;

    if (mono_ms >= f->look_ms) {
        look(f);
        f->look_ms = mono_ms + LOOK_MS;
    }
    if (f->rule.roll == LOG_ROLL_HOURLY)
        local_hour((time_t)(wall_ms / 1000), hour);
    if (is_time(f, hour, n) && mono_ms >= f->again_ms && !set_aside(f, hour))
        f->again_ms = mono_ms + LOOK_MS; /* not with every line */
    if (f->size == 0 || !*f->hour)       /* someone else may have written the first line */
        memcpy(f->hour, hour, sizeof hour);
    written = log_out_write(&f->out, line, n);
    if (written)
        f->size += (int64_t)n;
    return written;
}
