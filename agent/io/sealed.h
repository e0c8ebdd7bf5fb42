#pragma once
/* sealed: bytes in memory that a file descriptor leads to and that nobody can change any more
 * (memfd_create(2)), so that they may outlive the process in another's hands. They have no name
 * in any file system and are never written to one (swap may take them, as all memory). */
#include <stddef.h>

#include "base/err.h"

/* Writes all of the `n` bytes at `to`, which are zero before; there is no other copy. */
typedef void sealed_fill_fn(void *user, void *to, size_t n);
/* `name` is what /proc shows. */
MUST_CHECK enum err_code sealed_create(const char *name, size_t n, sealed_fill_fn *fill, void *user,
                                       int *fd, struct err *e);

/* Borrowed for the call. */
typedef enum err_code sealed_read_fn(void *user, const void *data, size_t n, struct err *e);
/* Has the bytes read and returns what `read` returns. ERR_INVALID: it is not sealed, so it could
 * change while it is read; ERR_LIMIT: more than `max` bytes. `fd` stays the caller's. */
MUST_CHECK enum err_code sealed_read(int fd, size_t max, sealed_read_fn *read, void *user,
                                     struct err *e);
