#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#undef err_set /* what the analyzer sees of them elsewhere */
#undef err_errno

static const char *const names[] = {
    [ERR_OK] = "ok",
    [ERR_INVALID] = "invalid",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_CONFLICT] = "conflict",
    [ERR_RETRY] = "retry",
    [ERR_DENIED] = "denied",
    [ERR_LIMIT] = "limit",
    [ERR_TIMEOUT] = "timeout",
    [ERR_IO] = "io",
};

static void cut(struct err *e)
{
    e->msg[str_utf8_prefix(e->msg, strlen(e->msg), sizeof e->msg - 1)] = '\0';
}

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return code;
    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    cut(e);
    return code;
}

static enum err_code code_of_errno(int value)
{
    switch (value) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EEXIST:
        return ERR_CONFLICT;
    default:
        return ERR_IO;
    }
}

enum err_code err_errno(struct err *e, int errno_value, const char *fmt, ...)
{
    enum err_code code = code_of_errno(errno_value);
    va_list ap;
    size_t used;

    if (!e)
        return code;
    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    used = strlen(e->msg);
    snprintf(e->msg + used, sizeof e->msg - used, ": %s", ERRNO_TEXT(errno_value));
    cut(e);
    return code;
}

enum err_code err_wrap(struct err *e, const char *fmt, ...)
{
    char whole[2 * sizeof e->msg + 2];
    va_list ap;
    size_t used;

    if (!e)
        return ERR_IO;
    va_start(ap, fmt);
    vsnprintf(whole, sizeof e->msg, fmt, ap);
    va_end(ap);
    used = strlen(whole);
    snprintf(whole + used, sizeof whole - used, ": %s", e->msg);
    used = str_utf8_prefix(whole, strlen(whole), sizeof e->msg - 1);
    memcpy(e->msg, whole, used);
    e->msg[used] = '\0';
    return e->code;
}

const char *err_code_name(enum err_code code)
{
    return (size_t)code < COUNT_OF(names) ? names[code] : "io";
}

enum err_code err_code_from_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum err_code)i;
    return ERR_IO;
}
