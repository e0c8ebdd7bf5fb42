#pragma once
/* log: an event name and typed pairs, one line each.
 *
 *     log_info("container started", kv_s("container", name), kv_i("took_ms", ms));
 *     level=info time=... mod=engine msg="container started" container="web" took_ms=412
 *
 * Written to standard error and, if there is one, to a file, each with its own
 * level, as logfmt or JSON lines. Values are escaped on the way out: a container
 * name may contain anything. There is no way to log a secret: secrets have no kv_
 * form. Only the modules that act log (engine, logs, control, endpoints, main);
 * libraries return errors.
 *
 * A line that cannot be written (the disk is full) is dropped: nothing waits for
 * it. When writing works again, a line says how many were lost. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CRIT, LOG_OFF };

struct log_kv {
    const char *key; /* NULL ends the list */
    enum { KV_STR, KV_INT } type;
    const char *s;
    int64_t i;
};

static inline UNUSED struct log_kv kv_s(const char *key, const char *value)
{
    return (struct log_kv){ key, KV_STR, value ? value : "", 0 };
}

static inline UNUSED struct log_kv kv_i(const char *key, int64_t value)
{
    return (struct log_kv){ key, KV_INT, NULL, value };
}

static inline UNUSED struct log_kv kv_err(const struct err *e)
{
    return kv_s("error", e->msg);
}

static inline UNUSED struct log_kv kv_end(void)
{
    return (struct log_kv){ 0 };
}

/* CMake defines LOG_MODULE for each module. */
#define log_debug(...) log_emit(LOG_DEBUG, LOG_MODULE, __VA_ARGS__, kv_end())
#define log_info(...)  log_emit(LOG_INFO, LOG_MODULE, __VA_ARGS__, kv_end())
#define log_warn(...)  log_emit(LOG_WARN, LOG_MODULE, __VA_ARGS__, kv_end())
#define log_error(...) log_emit(LOG_ERROR, LOG_MODULE, __VA_ARGS__, kv_end())
#define log_crit(...)  log_emit(LOG_CRIT, LOG_MODULE, __VA_ARGS__, kv_end())

/* The rest of the arguments are struct log_kv values, the last one kv_end(). */
void log_emit(enum log_level level, const char *module, const char *event, ...);

void log_set_level(enum log_level level);      /* of standard error; default LOG_INFO */
void log_set_file_level(enum log_level level); /* of the file; default LOG_INFO */
void log_set_json(bool json);                  /* default logfmt */

/* "debug" "info" "warn" "error" "crit" "none", in capitals or not; ERR_INVALID otherwise. */
MUST_CHECK enum err_code log_parse_level(const char *text, enum log_level *out, struct err *e);

/* Each line that goes to standard error goes to `fn` too, without its newline, borrowed for the
 * call; one at a time, NULL for none. What `fn` itself logs is not given to it. */
typedef void log_tap_fn(void *user, int64_t wall_ms, struct str line);
void log_set_tap(log_tap_fn *fn, void *user);

enum log_roll {
    LOG_ROLL_NONE,
    LOG_ROLL_SIZE,  /* to "<path>.<N>", the highest N is the newest */
    LOG_ROLL_HOURLY /* to "<path>.YYYY-MM-DD-HH", the local hour that it is of */
};

/* How the file is kept small. */
struct log_file_rule {
    enum log_roll roll;
    int64_t max_bytes;  /* LOG_ROLL_SIZE: it does not grow over this */
    int64_t roll_count; /* so many old files are kept; 0: all */
};

/* Appends to the file from now on (0640, created), besides standard error, and begins it
 * anew when someone renames or removes it. Takes the place of the file before, which
 * stays when this fails. "" or NULL: no file. `rule` NULL: LOG_ROLL_NONE. */
MUST_CHECK enum err_code log_open(const char *path, const struct log_file_rule *rule,
                                  struct err *e);
