#pragma once
/* log: an event name and typed pairs, one line each.
 *
 *     log_info("container started", kv_s("container", name), kv_i("took_ms", ms));
 *     level=info time=... mod=engine msg="container started" container="web" took_ms=412
 *
 * Written to standard error or a file, as logfmt or JSON lines. Values are
 * escaped on the way out: a container name may contain anything. There is no
 * way to log a secret: secrets have no kv_ form. Only the modules that act log
 * (engine, logs, control, endpoints, main); libraries return errors. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

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

void log_set_level(enum log_level level); /* default LOG_INFO */
void log_set_json(bool json);             /* default logfmt */

/* "debug" "info" "warn" "error" "crit" "none"; ERR_INVALID otherwise. */
MUST_CHECK enum err_code log_parse_level(const char *text, enum log_level *out, struct err *e);

/* Appends to the file from now on (0640, created); "" or NULL is standard error. */
MUST_CHECK enum err_code log_open(const char *path, struct err *e);
