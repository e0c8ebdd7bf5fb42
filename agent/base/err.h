#pragma once
/* err: an error is a value with a sentence.
 *
 * The code says what the program should do; the message what a person should
 * know. The caller owns the struct, so failing never allocates. A function that
 * fails leaves its outputs untouched and either returns the error or logs it,
 * never both. */
#include "base/defs.h"

enum err_code {
    ERR_OK = 0,
    ERR_INVALID,   /* the input is wrong; the same call fails again */
    ERR_NOT_FOUND, /* the thing named does not exist */
    ERR_CONFLICT,  /* it exists already, or is in another state */
    ERR_RETRY,     /* the other side is busy or away; try again later */
    ERR_DENIED,    /* credentials or permissions */
    ERR_LIMIT,     /* a stated maximum was reached */
    ERR_TIMEOUT,   /* no answer in time; the outcome is unknown */
    ERR_IO,        /* the system refused: disk, socket, process */
};

struct err {
    enum err_code code;
    char msg[1024]; /* UTF-8, cut at a character boundary */
};

/* Sets `e` (NULL is fine) and returns `code`. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, with ": <strerror(errno_value)>" at the end. The code follows
 * from errno: ENOENT is ERR_NOT_FOUND, EACCES and EPERM are ERR_DENIED,
 * EEXIST is ERR_CONFLICT, everything else is ERR_IO. */
enum err_code err_errno(struct err *e, int errno_value, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What an errno value means, in the words of strerror, which is not for threads. Valid to the
 * end of the block that asks. */
#define ERRNO_TEXT(value) strerror_r((value), (char[128]){ 0 }, 128)

/* Puts "<where>: " in front of the message and returns the code. */
enum err_code err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__
/* The analyzer does not look into another file, and takes what they return for a code that
 * may be ERR_OK. */
static inline UNUSED enum err_code err_known_(enum err_code said, enum err_code code)
{
    (void)said;
    return code;
}
#define err_set(e, code, ...)    err_known_(err_set(e, code, __VA_ARGS__), code)
#define err_errno(e, value, ...) err_known_(err_errno(e, value, __VA_ARGS__), ERR_IO)
#endif

/* "retry", "not-found", ...: for logs and records. */
const char *err_code_name(enum err_code code);
/* The inverse; ERR_IO for an unknown name. */
enum err_code err_code_from_name(const char *name);
