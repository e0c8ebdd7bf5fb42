/* The files of cgroup version 2. */
#include "metrics/internal.h"

bool metrics_v2_cpu_stat(struct metrics_sample *s, struct str text)
{
    uint64_t usage = 0, user = 0, system = 0, throttled = 0;
    const struct metrics_target usage_target = { "usage_usec", &usage };
    const struct metrics_target targets[] = {
        { "user_usec", &user },
        { "system_usec", &system },
        /* Only where the cpu controller is enabled. */
        { "nr_periods", &s->throttle_periods },
        { "nr_throttled", &s->throttled_periods },
        { "throttled_usec", &throttled },
    };

    if (!metrics_pairs(text, &usage_target, 1))
        return false;
    metrics_pairs(text, targets, COUNT_OF(targets));
    s->cpu_ns = usage * 1000;
    s->cpu_user_ns = user * 1000;
    s->cpu_system_ns = system * 1000;
    s->throttled_ns = throttled * 1000;
    return true;
}

bool metrics_v2_memory_events(struct metrics_sample *s, struct str text)
{
    const struct metrics_target targets[] = { { "oom", &s->memory_fails },
                                              { "oom_kill", &s->oom_kills } };

    return metrics_pairs(text, targets, COUNT_OF(targets)) > 0;
}

/* Where a counter belongs; -1: it is of no interest. */
static int io_counter(struct str name)
{
    static const struct {
        const char *name;
        size_t at;
    } known[] = { { "rbytes", offsetof(struct metrics_io, read_bytes) },
                  { "wbytes", offsetof(struct metrics_io, write_bytes) },
                  { "rios", offsetof(struct metrics_io, reads) },
                  { "wios", offsetof(struct metrics_io, writes) } };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_is(name, known[i].name))
            return (int)known[i].at;
    return -1;
}

/* "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0". Some kernels leave out the newline
 * after a device that has nothing to tell, so a word without '=' begins a device; it is there
 * once it has a counter. */
bool metrics_v2_io_stat(struct metrics_sample *s, struct str text)
{
    struct str line, word;

    while (metrics_line(&text, &line)) {
        uint64_t major, minor, v;
        bool device = false;

        while ((word = metrics_word(&line)).n) {
            struct str name = metrics_until(&word, '=');
            struct metrics_io *io;

            if (memchr(name.p, ':', name.n)) {
                struct str first = metrics_until(&name, ':');

                device = metrics_number(first, &major) && metrics_number(name, &minor);
                continue;
            }
            if (!device || io_counter(name) < 0 || !metrics_number(word, &v))
                continue;
            io = metrics_sample_io(s, (uint32_t)major, (uint32_t)minor);
            if (io)
                *(uint64_t *)(void *)((char *)io + io_counter(name)) = v;
        }
    }
    return true;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" and "full ..." */
static bool pressure(struct metrics_sample *s, struct str text, uint64_t *some, uint64_t *full)
{
    struct str line, word;
    bool found = false;

    while (metrics_line(&text, &line)) {
        struct str kind = metrics_word(&line);
        uint64_t *to = str_is(kind, "some") ? some : str_is(kind, "full") ? full : NULL;

        while ((word = metrics_word(&line)).n) {
            struct str name = metrics_until(&word, '=');

            if (to && str_is(name, "total") && metrics_number(word, to))
                found = true;
        }
    }
    s->pressure.known = s->pressure.known || found;
    return found;
}

bool metrics_v2_cpu_pressure(struct metrics_sample *s, struct str text)
{
    return pressure(s, text, &s->pressure.cpu_some_us, NULL);
}

bool metrics_v2_memory_pressure(struct metrics_sample *s, struct str text)
{
    return pressure(s, text, &s->pressure.memory_some_us, &s->pressure.memory_full_us);
}

bool metrics_v2_io_pressure(struct metrics_sample *s, struct str text)
{
    return pressure(s, text, &s->pressure.io_some_us, &s->pressure.io_full_us);
}
