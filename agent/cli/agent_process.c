#include "cli/agent_process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* In pages; false: unknown. */
static bool read_memory(long *virtual_pages, long *resident_pages)
{
    FILE *f = fopen("/proc/self/statm", "re");
    bool ok = f && fscanf(f, "%ld %ld", virtual_pages, resident_pages) == 2;

    if (f)
        fclose(f);
    return ok;
}

static void write_descriptors(struct prom *p)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;
    size_t n = 0;

    if (dir) {
        for (struct dirent *d = readdir(dir); d; d = readdir(dir))
            n += d->d_name[0] != '.';
        closedir(dir);
        /* Without the one that the folder was read by. */
        prom_gauge(p, "process_open_fds", "Open file descriptors.", (double)n - 1);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        prom_gauge(p, "process_max_fds", "How many may be open.", (double)limit.rlim_cur);
}

void process_write_metrics(int64_t started_ms, struct prom *p)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    long size, resident;
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) == 0) {
        prom_family(p, "process_cpu_seconds_total", PROM_COUNTER,
                    "Processor time of this process, user and system.");
        prom_sample(p, NULL, 0, seconds(used.ru_utime) + seconds(used.ru_stime));
    }
    if (read_memory(&size, &resident)) {
        prom_gauge(p, "process_resident_memory_bytes", "Resident memory.", (double)resident * page);
        prom_gauge(p, "process_virtual_memory_bytes", "Virtual memory.", (double)size * page);
    }
    write_descriptors(p);
    prom_gauge(p, "process_start_time_seconds", "When it started, since the epoch.",
               (double)started_ms / 1000);
}
