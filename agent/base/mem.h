#pragma once
/* mem: small allocations that cannot fail.
 *
 * When memory is gone the process aborts: the service manager restarts it and
 * the store knows the rest. Whatever an outsider sizes goes into a `buf`, which
 * is born with a maximum. */
#include <stddef.h>
#include <stdlib.h>

#include "base/defs.h"

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));               /* zeroed */
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *mem_resize(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc)); /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));

/* Frees *slot and puts a copy of `s` (or NULL) there. */
void mem_replace(char **slot, const char *s);

/* Zeroes a secret text, whether from base/secret or from here, and frees it; NULL is fine. */
void mem_wipe(char *s);

static inline UNUSED void mem_free_(void *p)
{
    free(p);
}
AUTO_DEFINE(str, char *, mem_free_)

#define NEW(type) ((type *)mem_alloc(sizeof(type)))
