#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

#define PIECE 16384

bool fd_read_all(int fd, struct buf *to)
{
    for (;;) {
        size_t left = to->max - to->len, room = left < PIECE ? left : PIECE;
        char one_more;
        ssize_t n = read(fd, room ? buf_reserve(to, room) : &one_more, room ? room : 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (!room) {
            errno = EFBIG;
            return false;
        }
        buf_grew(to, (size_t)n);
    }
}

bool fd_write_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text.p += n;
        text.n -= (size_t)n;
    }
    return true;
}
