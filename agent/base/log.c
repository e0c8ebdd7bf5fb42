#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log_file.h"

#define LINE_MAX_BYTES (64 * 1024)

/* Where lines go. */
struct target {
    enum log_level level;
    int64_t lost; /* lines since the last that was written */
};

static struct target to_stderr = { LOG_INFO, 0 }, to_file = { LOG_INFO, 0 };
static struct log_out standard_error = { .fd = STDERR_FILENO };
static struct log_file *file; /* NULL: none */
static bool as_json;
static struct {
    log_tap_fn *fn; /* NULL: none */
    void *user;
    bool busy;
} tap;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
    [LOG_ERROR] = "error", [LOG_CRIT] = "crit", [LOG_OFF] = "none",
};

void log_set_level(enum log_level level)
{
    to_stderr.level = level;
}

void log_set_file_level(enum log_level level)
{
    to_file.level = level;
}

void log_set_json(bool json)
{
    as_json = json;
}

void log_set_tap(log_tap_fn *fn, void *user)
{
    tap.fn = fn;
    tap.user = user;
}

enum err_code log_parse_level(const char *text, enum log_level *out, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "expected debug, info, warn, error, crit or none, got '%.40s'",
                   text);
}

enum err_code log_open(const char *path, const struct log_file_rule *rule, struct err *e)
{
    static const struct log_file_rule none = { LOG_ROLL_NONE, 0, 0 };
    struct log_file *opened = NULL;

    if (!str_empty(path) && log_file_open(path, rule ? rule : &none, &opened, e))
        return e->code;
    log_file_close(file);
    file = opened;
    to_file.lost = 0;
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

static void make_line(struct buf *b, enum log_level level, int64_t wall_ms, const char *module,
                      const char *event, va_list ap)
{
    char time[CLOCK_ISO_SIZE];

    clock_iso(wall_ms, time);
    (as_json ? line_json : line_logfmt)(b, level, time, module, event, ap);
    b->overflowed = false; /* a line over the maximum is cut, its newline is not */
    if (b->len == b->max)
        b->len--;
    buf_putc(b, '\n');
}

static void make(struct buf *b, int64_t wall_ms, enum log_level level, const char *event, ...)
{
    va_list ap;

    va_start(ap, event);
    make_line(b, level, wall_ms, LOG_MODULE, event, ap);
    va_end(ap);
}

static bool put(const struct target *t, int64_t wall_ms, const struct buf *line)
{
    if (t == &to_stderr)
        return log_out_write(&standard_error, line->data, line->len);
    return log_file_write(file, wall_ms, clock_mono_ms(), line->data, line->len);
}

static void write_line(struct target *t, int64_t wall_ms, const struct buf *line)
{
    bool written = true;

    if (t->lost) {
        AUTO(buf) struct buf b = BUF_INIT(LINE_MAX_BYTES);

        make(&b, wall_ms, LOG_WARN, "log lines could not be written and are lost",
             kv_i("lines", t->lost), kv_end());
        written = put(t, wall_ms, &b);
        if (written)
            t->lost = 0;
    }
    if (!written || !put(t, wall_ms, line))
        t->lost++;
}

static void give_to_tap(int64_t wall_ms, const struct buf *line)
{
    if (!tap.fn || tap.busy)
        return;
    tap.busy = true;
    tap.fn(tap.user, wall_ms, (struct str){ line->data, line->len - 1 });
    tap.busy = false;
}

static bool wanted(const struct target *t, enum log_level level)
{
    return t->level != LOG_OFF && level >= t->level;
}

void log_emit(enum log_level level, const char *module, const char *event, ...)
{
    bool on_stderr = wanted(&to_stderr, level), in_file = file && wanted(&to_file, level);
    AUTO(buf) struct buf b = BUF_INIT(LINE_MAX_BYTES);
    int64_t now = clock_wall_ms();
    va_list ap;

    if (!on_stderr && !in_file)
        return;
    va_start(ap, event);
    make_line(&b, level, now, module, event, ap);
    va_end(ap);
    if (on_stderr)
        write_line(&to_stderr, now, &b);
    if (in_file)
        write_line(&to_file, now, &b);
    if (on_stderr)
        give_to_tap(now, &b);
}
