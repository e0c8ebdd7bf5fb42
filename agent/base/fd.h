#pragma once
/* fd: whole texts through a descriptor, in as many pieces as it takes, whatever signals come. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/str.h"

/* Appends all there is, until the end. False with errno; EFBIG: it is more than `to` may hold,
 * which is full then. */
MUST_CHECK bool fd_read_all(int fd, struct buf *to);

/* False with errno, and some of it may be written. A signal handler may call it. */
MUST_CHECK bool fd_write_all(int fd, struct str text);
