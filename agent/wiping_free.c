/* free(3) and realloc(3) that wipe, for the whole program.
 *
 * Our own secrets lie in base/secret's memory. Libraries that we cannot tell where to allocate
 * (libmicrohttpd, wslay, the C library's streams) see pieces of them pass by; here nothing that
 * they let go of stays behind. Replacing these functions is what the GNU C Library provides for
 * ("Replacing malloc" in its manual); elsewhere, and where a sanitizer replaces them itself, this
 * file is empty, and so it is in tests of modules: nothing relies on it but tests of the program.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* As mallopt(M_MMAP_THRESHOLD) of cli/agent.c: such a block is a mapping of its own, which goes
 * back to the kernel at once. Wiping it would first make all of it exist. */
#define MAPPED ((size_t)128 * 1024)

void __libc_free(void *p);

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void free(void *p)
{
    size_t n;

    if (!p)
        return;
    if (secret_has(p)) { /* it should not come here, but for that nobody has to die */
        secret_free(p);
        return;
    }
    n = malloc_usable_size(p);
    if (n < MAPPED) {
        memset(p, 0, n);
        __asm__ volatile("" : : "r"(p) : "memory"); /* as if somebody looked */
    }
    __libc_free(p);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void *realloc(void *p, size_t n)
{
    size_t room = !p || secret_has(p) ? 0 : malloc_usable_size(p);
    void *moved;

    if (p && !n) {
        free(p);
        return NULL;
    }
    if (secret_has(p))
        return secret_try_resize(p, n);
    /* A smaller one stays, unless that would waste much. */
    if (n <= room && n > room / 2)
        return p;
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): realloc(NULL, 0) is malloc(0) */
    moved = malloc(n);
    if (moved && p) {
        memcpy(moved, p, n < room ? n : room);
        free(p);
    }
    return moved;
}

#endif
