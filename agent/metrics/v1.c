/* The files of cgroup version 1. */
#include <unistd.h>

#include "base/mem.h"
#include "metrics/internal.h"

bool metrics_v1_usage(struct metrics_sample *s, struct str text)
{
    return metrics_number(str_trim(text), &s->cpu_ns);
}

bool metrics_v1_usage_percpu(struct metrics_sample *s, struct str text)
{
    struct str line = str_trim(text), word;
    uint64_t v;

    s->n_percpu = 0;
    while ((word = metrics_word(&line)).n && s->n_percpu < METRICS_CPUS) {
        if (!metrics_number(word, &v))
            return false;
        METRICS_ROOM(s->percpu_ns, s->percpu_room, s->n_percpu + 1);
        s->percpu_ns[s->n_percpu++] = v;
    }
    return s->n_percpu > 0;
}

bool metrics_v1_cpuacct_stat(struct metrics_sample *s, struct str text)
{
    const struct metrics_target targets[] = { { "user", &s->cpu_user_ns },
                                              { "system", &s->cpu_system_ns } };
    long hz = sysconf(_SC_CLK_TCK);
    uint64_t tick = METRICS_NS / (uint64_t)(hz > 0 ? hz : 100);

    if (metrics_pairs(text, targets, COUNT_OF(targets)) != COUNT_OF(targets))
        return false;
    s->cpu_user_ns *= tick;
    s->cpu_system_ns *= tick;
    return true;
}

bool metrics_v1_cpu_stat(struct metrics_sample *s, struct str text)
{
    const struct metrics_target targets[] = { { "nr_periods", &s->throttle_periods },
                                              { "nr_throttled", &s->throttled_periods },
                                              { "throttled_time", &s->throttled_ns } };

    return metrics_pairs(text, targets, COUNT_OF(targets)) == COUNT_OF(targets);
}

bool metrics_v1_oom_control(struct metrics_sample *s, struct str text)
{
    const struct metrics_target targets[] = { { "oom_kill", &s->oom_kills } };

    /* Kernels before 4.13 do not count. */
    metrics_pairs(text, targets, COUNT_OF(targets));
    return true;
}

/* "254:0 Read 4096" lines; the last one, "Total 4096", has no device. */
static bool parse_io(struct metrics_sample *s, struct str text, bool bytes)
{
    static const char *const others[METRICS_IO_OTHERS] = { "Sync", "Async", "Discard", "Total" };
    struct str line;

    while (metrics_line(&text, &line)) {
        struct str device = metrics_word(&line), op = metrics_word(&line);
        struct str major = metrics_until(&device, ':'), value = metrics_word(&line);
        uint64_t ma, mi, v;
        struct metrics_io *io;

        if (!metrics_number(major, &ma) || !metrics_number(device, &mi) ||
            !metrics_number(value, &v))
            continue;
        io = metrics_sample_io(s, (uint32_t)ma, (uint32_t)mi);
        if (!io)
            continue;
        if (str_is(op, "Read"))
            *(bytes ? &io->read_bytes : &io->reads) = v;
        if (str_is(op, "Write"))
            *(bytes ? &io->write_bytes : &io->writes) = v;
        for (size_t i = 0; i < METRICS_IO_OTHERS; i++)
            if (str_is(op, others[i]))
                (bytes ? io->other_bytes : io->others)[i] = v;
    }
    return true;
}

bool metrics_v1_io_bytes(struct metrics_sample *s, struct str text)
{
    return parse_io(s, text, true);
}

bool metrics_v1_io_count(struct metrics_sample *s, struct str text)
{
    return parse_io(s, text, false);
}
