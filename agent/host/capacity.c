#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/host.h"
#include "host/internal.h"

#define CPU_UNITS_PER_CORE 1024
#define CPUS_MAX           65536
#define PROC_FILE_MAX      (4u << 20)

enum err_code host_parse_meminfo(const char *text, int64_t *mib, struct err *e)
{
    static const char field[] = "MemTotal:";
    const char *p = text;
    char *end;
    long long kib;

    while (p && !str_starts(p, field)) {
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    if (!p)
        return err_set(e, ERR_INVALID, "/proc/meminfo: no MemTotal");
    errno = 0;
    kib = strtoll(p + strlen(field), &end, 10);
    if (errno || kib <= 0 || !str_starts(end, " kB"))
        return err_set(e, ERR_INVALID, "/proc/meminfo: expected kB, got '%.*s'",
                       (int)strcspn(p, "\n"), p);
    *mib = kib / 1024;
    return ERR_OK;
}

enum err_code host_read_file(const char *path, struct buf *b, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code code = ERR_OK;

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (!fd_read_all(fd, b))
        code = errno == EFBIG ? err_set(e, ERR_LIMIT, "%s is over %zu bytes", path, b->max)
                              : err_errno(e, errno, "%s", path);
    close(fd);
    return code;
}

/* The kernel refuses a mask smaller than its own, so it grows until it fits. */
static enum err_code count_cores(int *out, struct err *e)
{
    for (int cpus = 1024; cpus <= CPUS_MAX; cpus *= 2) {
        size_t size = CPU_ALLOC_SIZE(cpus);
        cpu_set_t *set = CPU_ALLOC(cpus);
        int count = 0, failure = ENOMEM;

        if (set) {
            failure = sched_getaffinity(0, size, set) == 0 ? 0 : errno;
            count = failure ? 0 : CPU_COUNT_S(size, set);
            CPU_FREE(set);
        }
        if (failure == EINVAL)
            continue;
        if (failure)
            return err_errno(e, failure, "count the processors");
        *out = count;
        return ERR_OK;
    }
    return err_set(e, ERR_LIMIT, "this machine has more than %d processors", CPUS_MAX);
}

enum err_code host_read_capacity(struct host_capacity *out, struct err *e)
{
    struct buf text = BUF_INIT(PROC_FILE_MAX);
    struct host_capacity c = { 0 };
    enum err_code code;

    code = count_cores(&c.cores, e);
    if (!code)
        code = host_read_file("/proc/meminfo", &text, e);
    if (!code)
        code = host_parse_meminfo(buf_text(&text), &c.memory_mib, e);
    buf_fini(&text);
    if (code)
        return code;
    c.cpu_units = (int64_t)CPU_UNITS_PER_CORE * c.cores;
    *out = c;
    return ERR_OK;
}
