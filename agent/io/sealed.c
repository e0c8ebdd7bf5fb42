#include "io/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_CHANGE (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static enum err_code fill_and_seal(int fd, size_t n, sealed_fill_fn *fill, void *user,
                                   struct err *e)
{
    void *at;

    if (ftruncate(fd, (off_t)n))
        return err_errno(e, errno, "no room for %zu bytes", n);
    if (n) {
        at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
            return err_errno(e, errno, "cannot map %zu bytes", n);
        madvise(at, n, MADV_DONTDUMP);
        fill(user, at, n);
        munmap(at, n); /* what can be written is not sealed */
    }
    if (fcntl(fd, F_ADD_SEALS, NO_CHANGE | F_SEAL_SEAL))
        return err_errno(e, errno, "cannot seal memory");
    return ERR_OK;
}

enum err_code sealed_create(const char *name, size_t n, sealed_fill_fn *fill, void *user, int *fd,
                            struct err *e)
{
    int made = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    enum err_code code;

    if (made < 0)
        return err_errno(e, errno, "memfd_create");
    code = fill_and_seal(made, n, fill, user, e);
    if (code)
        close(made);
    else
        *fd = made;
    return code;
}

enum err_code sealed_read(int fd, size_t max, sealed_read_fn *read, void *user, struct err *e)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    enum err_code code;
    void *at;

    if (seals < 0 || (seals & NO_CHANGE) != NO_CHANGE)
        return err_set(e, ERR_INVALID, "it is no sealed memory");
    if (fstat(fd, &st))
        return err_errno(e, errno, "fstat");
    if (st.st_size < 0 || (uintmax_t)st.st_size > max)
        return err_set(e, ERR_LIMIT, "it has more than %zu bytes", max);
    if (!st.st_size)
        return read(user, "", 0, e);
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_errno(e, errno, "cannot map it");
    madvise(at, (size_t)st.st_size, MADV_DONTDUMP);
    code = read(user, at, (size_t)st.st_size, e);
    munmap(at, (size_t)st.st_size);
    return code;
}
