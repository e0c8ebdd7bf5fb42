#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define LINE_MAX_BYTES (64 * 1024)

static enum log_level threshold = LOG_INFO;
static bool as_json;
static int out_fd = STDERR_FILENO;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
    [LOG_ERROR] = "error", [LOG_CRIT] = "crit", [LOG_OFF] = "none",
};

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_set_json(bool json)
{
    as_json = json;
}

enum err_code log_parse_level(const char *text, enum log_level *out, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "expected debug, info, warn, error, crit or none, got '%.40s'",
                   text);
}

enum err_code log_open(const char *path, struct err *e)
{
    int fd;

    if (str_empty(path))
        return ERR_OK;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_errno(e, errno, "log file %s", path);
    if (out_fd != STDERR_FILENO)
        close(out_fd);
    out_fd = fd;
    return ERR_OK;
}

static void line_logfmt(struct buf *b, enum log_level level, const char *time, const char *module,
                        const char *event, va_list ap)
{
    struct log_kv kv;

    buf_printf(b, "level=%s time=%s mod=%s msg=", level_names[level], time, module);
    json_quote(b, str_of(event));
    while (kv = va_arg(ap, struct log_kv), kv.key) {
        buf_printf(b, " %s=", kv.key);
        if (kv.type == KV_INT)
            buf_printf(b, "%" PRId64, kv.i);
        else
            json_quote(b, str_of(kv.s));
    }
}

static void line_json(struct buf *b, enum log_level level, const char *time, const char *module,
                      const char *event, va_list ap)
{
    struct jw w;
    struct log_kv kv;

    jw_init(&w, b);
    jw_object(&w);
    jw_kstr(&w, "level", level_names[level]);
    jw_kstr(&w, "time", time);
    jw_kstr(&w, "mod", module);
    jw_kstr(&w, "msg", event);
    while (kv = va_arg(ap, struct log_kv), kv.key) {
        if (kv.type == KV_INT)
            jw_kint(&w, kv.key, kv.i);
        else
            jw_kstr(&w, kv.key, kv.s);
    }
    jw_end(&w);
}

void log_emit(enum log_level level, const char *module, const char *event, ...)
{
    struct buf b = BUF_INIT(LINE_MAX_BYTES);
    char time[CLOCK_ISO_SIZE];
    va_list ap;

    if (level < threshold || threshold == LOG_OFF)
        return;
    clock_iso(clock_wall_ms(), time);
    va_start(ap, event);
    (as_json ? line_json : line_logfmt)(&b, level, time, module, event, ap);
    va_end(ap);
    b.overflowed = false; /* a line over the maximum is cut, its newline is not */
    if (b.len == b.max)
        b.len--;
    buf_putc(&b, '\n');
    if (write(out_fd, b.data, b.len) < 0) {
        /* Nobody is left to tell. */
    }
    buf_fini(&b);
}
