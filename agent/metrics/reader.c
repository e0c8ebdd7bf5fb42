/* The I/O of metrics: the files of a container's cgroups and its process, read into samples. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "metrics/internal.h"

#define TEXT_MAX   (128 * 1024) /* /proc/stat of 1024 processors; what is more is left out */
#define NUMBER_MAX 512          /* files of one value */
#define KEPT_MAX   4096
#define SYSTEM_OLD (10 * 1000 * 1000) /* ns: the host's time is read once for a whole sweep */
#define MOUNTS_MAX (4 * 1024 * 1024)

/* What is read, in this order: time passes between the first and the last. A file whose name
 * changed over the years has two. */
static const struct file {
    enum metrics_place place;
    bool v2;
    bool needed; /* without it there is no reading */
    bool one;    /* one value: one call reads it all */
    const char *name, *other;
    metrics_parse_fn *parse;
} files[] = {
    { PLACE_ACCT, false, true, true, "cpuacct.usage", NULL, metrics_v1_usage },
    { PLACE_ACCT, false, false, false, "cpuacct.usage_percpu", NULL, metrics_v1_usage_percpu },
    { PLACE_ACCT, false, false, true, "cpuacct.stat", NULL, metrics_v1_cpuacct_stat },
    { PLACE_CPU, false, false, true, "cpu.stat", NULL, metrics_v1_cpu_stat },
    { PLACE_MEMORY, false, false, true, "memory.usage_in_bytes", NULL, metrics_memory_usage },
    { PLACE_MEMORY, false, false, true, "memory.max_usage_in_bytes", NULL, metrics_memory_max },
    { PLACE_MEMORY, false, false, true, "memory.limit_in_bytes", NULL, metrics_memory_limit },
    { PLACE_MEMORY, false, false, true, "memory.failcnt", NULL, metrics_memory_fails },
    { PLACE_MEMORY, false, false, false, "memory.stat", NULL, metrics_memory_stat },
    { PLACE_MEMORY, false, false, true, "memory.oom_control", NULL, metrics_v1_oom_control },
    { PLACE_PIDS, false, false, true, "pids.current", NULL, metrics_pids_current },
    { PLACE_PIDS, false, false, true, "pids.max", NULL, metrics_pids_limit },
    { PLACE_IO, false, false, false, "blkio.throttle.io_service_bytes_recursive",
      "blkio.throttle.io_service_bytes", metrics_v1_io_bytes },
    { PLACE_IO, false, false, false, "blkio.throttle.io_serviced_recursive",
      "blkio.throttle.io_serviced", metrics_v1_io_count },

    { PLACE_ACCT, true, true, false, "cpu.stat", NULL, metrics_v2_cpu_stat },
    { PLACE_MEMORY, true, false, true, "memory.current", NULL, metrics_memory_usage },
    { PLACE_MEMORY, true, false, true, "memory.peak", NULL, metrics_memory_max },
    { PLACE_MEMORY, true, false, true, "memory.max", NULL, metrics_memory_limit },
    { PLACE_MEMORY, true, false, false, "memory.stat", NULL, metrics_memory_stat },
    { PLACE_MEMORY, true, false, true, "memory.events", NULL, metrics_v2_memory_events },
    { PLACE_PIDS, true, false, true, "pids.current", NULL, metrics_pids_current },
    { PLACE_PIDS, true, false, true, "pids.max", NULL, metrics_pids_limit },
    { PLACE_IO, true, false, false, "io.stat", NULL, metrics_v2_io_stat },
    { PLACE_ACCT, true, false, true, "cpu.pressure", NULL, metrics_v2_cpu_pressure },
    { PLACE_MEMORY, true, false, true, "memory.pressure", NULL, metrics_v2_memory_pressure },
    { PLACE_IO, true, false, true, "io.pressure", NULL, metrics_v2_io_pressure },
};

struct metrics_reader {
    char *proc, *cgroup;
    char *text; /* TEXT_MAX; of whatever is read now */
    int kept, kept_max;
    int stat_fd;
    uint64_t host_memory; /* 0: unknown */
    uint64_t system_ns;
    uint32_t online;
    int64_t system_at; /* monotonic ns; 0: never */
};

enum { FD_NONE = -1, FD_MISSING = -2 };

struct metrics_files {
    struct metrics_reader *r;
    char *id;
    int pid;
    bool network, found;
    int proc; /* the process's folder: held, a number that is used again is no danger */
    struct metrics_places places;
    int fds[COUNT_OF(files)];
    bool second[COUNT_OF(files)]; /* goes by its other name */
};

/* ---- reading ---- */

/* From the start, as much as there is room for; -1 with errno. `one`: a file that comes whole
 * with the first call. What is cut off ends with a whole line. */
static ssize_t read_text(int fd, char *to, size_t max, bool one)
{
    size_t n = 0;

    while (n < max) {
        ssize_t got = pread(fd, to + n, max - n, (off_t)n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)n;
        n += (size_t)got;
        if (one && n < max)
            return (ssize_t)n;
    }
    while (n && to[n - 1] != '\n')
        n--;
    return (ssize_t)n;
}

static int open_at(int dir, const char *name)
{
    int fd;

    do {
        fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static bool read_at(int dir, const char *name, char *to, size_t max, struct str *out)
{
    int fd = open_at(dir, name);
    ssize_t n = fd < 0 ? -1 : read_text(fd, to, max, false);

    if (fd >= 0)
        close(fd);
    if (n >= 0)
        *out = (struct str){ to, (size_t)n };
    return n >= 0;
}

static uint64_t read_host_memory(struct metrics_reader *r)
{
    AUTO(str) char *path = mem_printf("%s/meminfo", r->proc);
    uint64_t kib = 0;
    const struct metrics_target target = { "MemTotal:", &kib };
    struct str text;

    if (read_at(AT_FDCWD, path, r->text, TEXT_MAX, &text))
        metrics_pairs(text, &target, 1);
    return kib * 1024;
}

struct metrics_reader *metrics_reader_create(const char *proc, const char *cgroup)
{
    struct metrics_reader *r = NEW(struct metrics_reader);
    AUTO(str) char *stat_path = mem_printf("%s/stat", proc);
    struct rlimit limit;

    r->proc = mem_strdup(proc);
    r->cgroup = mem_strdup(cgroup);
    r->text = mem_alloc(TEXT_MAX);
    r->stat_fd = open_at(AT_FDCWD, stat_path);
    r->host_memory = read_host_memory(r);
    /* An open file costs less than half as much to read, but descriptors are for others too. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        r->kept_max = limit.rlim_cur / 4 > KEPT_MAX ? KEPT_MAX : (int)(limit.rlim_cur / 4);
    return r;
}

void metrics_reader_destroy(struct metrics_reader *r)
{
    if (!r)
        return;
    if (r->stat_fd >= 0)
        close(r->stat_fd);
    free(r->proc);
    free(r->cgroup);
    free(r->text);
    free(r);
}

static bool read_system(struct metrics_reader *r, struct metrics_sample *s)
{
    int64_t now = clock_mono_ns();
    ssize_t n;

    if (!r->system_at || now - r->system_at > SYSTEM_OLD) {
        n = r->stat_fd < 0 ? -1 : read_text(r->stat_fd, r->text, TEXT_MAX, false);
        if (n < 0 ||
            !metrics_proc_stat((struct str){ r->text, (size_t)n }, &r->system_ns, &r->online))
            return false;
        r->system_at = now;
    }
    s->system_ns = r->system_ns;
    s->online_cpus = r->online;
    return true;
}

/* ---- the files of a container ---- */

struct metrics_files *metrics_files_create(struct metrics_reader *r, const char *id, int pid,
                                           bool network)
{
    struct metrics_files *f = NEW(struct metrics_files);

    f->r = r;
    f->id = mem_strdup(id);
    f->pid = pid;
    f->network = network;
    f->proc = -1;
    for (size_t i = 0; i < COUNT_OF(files); i++)
        f->fds[i] = FD_NONE;
    return f;
}

/* Back to the beginning: the next reading looks for everything anew. */
static void forget(struct metrics_files *f)
{
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (f->fds[i] >= 0) {
            close(f->fds[i]);
            f->r->kept--;
        }
        f->fds[i] = FD_NONE;
        f->second[i] = false;
    }
    if (f->proc >= 0)
        close(f->proc);
    f->proc = -1;
    metrics_places_fini(&f->places);
    f->found = false;
}

void metrics_files_destroy(struct metrics_files *f)
{
    if (!f)
        return;
    forget(f);
    free(f->id);
    free(f);
}

/* The table of mounts has no bound but memory: hosts with thousands of volumes exist. */
static bool read_mounts(struct metrics_reader *r, struct buf *out)
{
    AUTO(str) char *path = mem_printf("%s/self/mountinfo", r->proc);
    int fd = open_at(AT_FDCWD, path);
    bool all = fd >= 0 && fd_read_all(fd, out);

    if (fd >= 0)
        close(fd);
    return all;
}

static bool find(struct metrics_files *f)
{
    AUTO(str) char *path = mem_printf("%s/%d", f->r->proc, f->pid);
    AUTO(buf) struct buf mounts = BUF_INIT(MOUNTS_MAX);
    struct str cgroup;

    f->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    f->found = f->proc >= 0 && read_mounts(f->r, &mounts) &&
               read_at(f->proc, "cgroup", f->r->text, TEXT_MAX, &cgroup) &&
               metrics_locate(cgroup, buf_str(&mounts), f->r->cgroup, f->id, &f->places);
    return f->found;
}

static int open_file(struct metrics_files *f, size_t i)
{
    const struct file *file = &files[i];
    char path[PATH_MAX];
    int fd, n;

    for (;;) {
        n = snprintf(path, sizeof path, "%s/%s", f->places.dir[file->place],
                     f->second[i] ? file->other : file->name);
        if (n < 0 || (size_t)n >= sizeof path) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open_at(AT_FDCWD, path);
        if (fd >= 0 || errno != ENOENT || !file->other || f->second[i])
            return fd;
        f->second[i] = true;
    }
}

/* What a kernel does not have, or does not want to tell, is not asked for again. */
static bool is_absence(int error)
{
    return error == ENOENT || error == EACCES || error == EPERM || error == EOPNOTSUPP;
}

enum outcome { READ_DONE, READ_ABSENT, READ_FAILED };

static enum outcome read_file(struct metrics_files *f, size_t i, struct metrics_sample *s)
{
    const struct file *file = &files[i];
    struct metrics_reader *r = f->r;
    int fd = f->fds[i];
    bool absent;
    ssize_t n;

    if (fd == FD_MISSING)
        return READ_DONE;
    if (fd < 0 && (fd = open_file(f, i)) >= 0 && r->kept < r->kept_max) {
        f->fds[i] = fd;
        r->kept++;
    }
    n = fd < 0 ? -1 : read_text(fd, r->text, file->one ? NUMBER_MAX : TEXT_MAX, file->one);
    absent = n < 0 && is_absence(errno) && !file->needed;
    if (fd >= 0 && (absent || f->fds[i] != fd)) {
        r->kept -= f->fds[i] == fd;
        close(fd);
    }
    if (absent) {
        f->fds[i] = FD_MISSING;
        return READ_ABSENT;
    }
    if (n < 0 || (!file->parse(s, (struct str){ r->text, (size_t)n }) && file->needed))
        return READ_FAILED;
    return READ_DONE;
}

/* The counters of its network namespace, by way of its process. The file is never kept open:
 * that would keep the namespace and its interfaces. */
static bool read_network(struct metrics_files *f, struct metrics_sample *s)
{
    struct str text;

    return read_at(f->proc, "net/dev", f->r->text, TEXT_MAX, &text) && metrics_net_dev(s, text);
}

static bool read_all(struct metrics_files *f, struct metrics_sample *s, int64_t *mono_ns)
{
    bool absent = false;
    size_t needed = 0;
    int fd;

    s->v2 = f->places.v2[f->places.dir[PLACE_MEMORY] ? PLACE_MEMORY : PLACE_ACCT];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        const struct file *file = &files[i];
        enum outcome o = READ_DONE;

        if (!f->places.dir[file->place] || f->places.v2[file->place] != file->v2)
            continue;
        if (file->needed) {
            needed = i;
            s->wall_ns = clock_wall_ns();
            *mono_ns = clock_mono_ns();
        }
        o = read_file(f, i, s);
        if (o == READ_FAILED)
            return false;
        absent = absent || o == READ_ABSENT;
    }
    if (f->network && !read_network(f, s))
        return false;
    /* Was a file not there, or has the whole cgroup just gone? */
    if (absent) {
        fd = open_file(f, needed);
        if (fd < 0)
            return false;
        close(fd);
    }
    return true;
}

bool metrics_files_read(struct metrics_files *f, struct metrics_sample *s, int64_t *mono_ns)
{
    uint64_t host = f->r->host_memory;

    metrics_sample_reset(s);
    if ((!f->found && !find(f)) || !read_system(f->r, s) || !read_all(f, s, mono_ns)) {
        forget(f);
        return false;
    }
    if (host && s->memory_limit > host)
        s->memory_limit = host;
    return true;
}
