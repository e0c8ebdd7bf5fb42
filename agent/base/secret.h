#pragma once
/* secret: memory for what must not be found later: keys, passwords, tokens, fetched values, and
 * the messages and documents that carry them.
 *
 * It comes from one range of SECRET_MAX bytes of addresses, of which only what is in use is backed:
 *   - wiped on free, so that an allocation is always zero and a value that is gone is gone;
 *   - in no core file (MADV_DONTDUMP);
 *   - zero in a child of fork(2) (MADV_WIPEONFORK). What a child is to have before its exec, its
 *     arguments for one, is not kept here;
 *   - locked, so that it is never swapped (mlock(2)). Where the limit RLIMIT_MEMLOCK does not allow
 *     it, it goes on unlocked, and secret_totals says how much;
 *   - between pages without access: at both ends of the range, and behind each large allocation.
 *
 * Small allocations share spans of 16 KiB by size, 20 sizes from 32 bytes to 8 KiB; larger ones
 * have spans of their own, which go back to the kernel. When the range is full, memory comes from
 * the ordinary heap: still wiped on free, and counted. Under AddressSanitizer, which is to see each
 * allocation, all does.
 *
 * The libraries that carry secrets for us allocate here too: jansson (base/json), libcurl (io), and
 * in the agent OpenSSL.
 *
 * Any thread may call; each call takes one lock, and tens of nanoseconds. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

#define SECRET_MAX ((size_t)64 << 20)

/* Zeroed. Aborts when memory is gone, as mem_alloc. */
void *secret_alloc(size_t n) __attribute__((malloc, returns_nonnull));
/* NULL when memory is gone: for libraries, and for what outsiders size. */
void *secret_try(size_t n) __attribute__((malloc));
/* `p` (NULL is fine) with room for `n` bytes, the new ones zero. Where it moves, the old place is
 * wiped. NULL when memory is gone; `p` is as before then. */
void *secret_try_resize(void *p, size_t n) MUST_CHECK;
void *secret_resize(void *p, size_t n) __attribute__((returns_nonnull)); /* likewise; aborts */
/* Wipes and frees what came from here, or from malloc(3). NULL is fine. */
void secret_free(void *p);

char *secret_strdup(const char *s) __attribute__((malloc)); /* NULL gives NULL */
char *secret_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *secret_printf(const char *fmt, ...) PRINTF_LIKE(1, 2)
    __attribute__((malloc, returns_nonnull));
/* Frees *slot and puts a copy of `s` (or NULL) there. */
void secret_replace(char **slot, const char *s);

static inline UNUSED void secret_free_(void *p)
{
    secret_free(p);
}
AUTO_DEFINE(secret, char *, secret_free_)

struct secret_totals {
    size_t used;      /* bytes handed out, as rounded */
    size_t held;      /* bytes backed by memory; at most SECRET_MAX */
    size_t locked;    /* of those */
    uint64_t outside; /* allocations that came from the heap so far */
    int lock_error;   /* errno of the last mlock(2) that failed, 0: none has */
};
void secret_get_totals(struct secret_totals *out);

/* Whether it lies in the range. Takes no lock. */
bool secret_has(const void *p);
