#include <errno.h>
#include <sys/statvfs.h>

#include "host/host.h"

static int64_t product(uint64_t count, uint64_t size)
{
    int64_t out;

    return __builtin_mul_overflow(count, size, &out) ? INT64_MAX : out;
}

enum err_code host_read_disk(const char *path, struct host_disk *out, struct err *e)
{
    struct statvfs v;
    uint64_t free_blocks, free_inodes;

    if (statvfs(path, &v))
        return err_errno(e, errno, "%s", path);
    /* What is kept for root counts as used; quotas can make "available" the bigger one. */
    free_blocks = v.f_bavail < v.f_blocks ? v.f_bavail : v.f_blocks;
    free_inodes = v.f_favail < v.f_files ? v.f_favail : v.f_files;
    *out = (struct host_disk){
        .bytes = product(v.f_blocks, v.f_frsize),
        .bytes_used = product(v.f_blocks - free_blocks, v.f_frsize),
        .inodes = product(v.f_files, 1),
        .inodes_used = product(v.f_files - free_inodes, 1),
    };
    return ERR_OK;
}
