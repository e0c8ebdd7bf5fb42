/* sim [--seeds N] [--first N] [--jobs N] [--bad N] | sim --seed N */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sim.h"

#define TROUBLE_MS 70000            /* then everything is to stop */
#define END_MS     (40 * 60 * 1000) /* and by then must have */
#define QUIET_MS   45000
#define MAX_STEPS  400000

/* Nothing is left, and nothing has come late for as long as anything may be late. */
static bool quiet(struct sim *s)
{
    bool now = s->alive && !s->committing && !s->n_inbox && locals_over(s) &&
               core_task_count(s->core) == 0;

    if (!now)
        s->quiet_since = -1;
    else if (s->quiet_since < 0)
        s->quiet_since = s->now;
    return now && s->now - s->quiet_since > QUIET_MS;
}

bool sim_run(uint64_t seed, bool verbose, struct sim *s)
{
    bool asked = false;

    *s = (struct sim){ .seed = seed, .verbose = verbose, .engine_up = true, .timer_at = -1 };
    rng_seed(&s->rng, seed * 0x9E3779B97F4A7C15ULL + 1);
    list_init(&s->boxes);
    s->cpu_total = 2048;
    s->memory_total = 1500;
    s->ageing_ms = 20000;
    s->cgroups = seed / 16 % 2;
    s->disk_cleanup = seed / 64 % 2;
    s->untracked = seed / 128 % 2;
    s->loses = seed % 5 == 2;
    s->quiet_since = -1;
    images_begin(s);
    host_begin(s);
    locals_begin(s);
    settings_begin(s);
    agent_start(s);
    control_begin(s);
    while (!s->broken_law[0] && s->steps < MAX_STEPS) {
        if (!asked && s->now > TROUBLE_MS && s->alive && s->engine_up && !engine_hangs_for(s)) {
            asked = true;
            trace(s, "** from here on nothing goes wrong, and everything is to stop");
            control_finish(s);
            engine_repair(s);
        }
        if (s->now > END_MS || (asked && quiet(s)))
            break;
        if (!world_step(s)) {
            if (asked)
                break;
            s->now = TROUBLE_MS + 1;
        }
    }
    if (s->steps >= MAX_STEPS)
        broken(s, 8, "%d steps did not end it", MAX_STEPS);
    else if (!s->broken_law[0])
        law_end(s);
    return !s->broken_law[0];
}

static void tear_down(struct sim *s)
{
    s->over = s->finishing = true;
    s->alive = s->verbose = false;
    s->life++;
    while (world_step(s))
        ; /* what is under way owns memory and gives it back when it ends */
    agent_fini(s);
    calls_fini(s);
    engine_fini(s);
    locals_fini(s);
    control_fini(s);
    world_fini(s);
}

static int run_range(uint64_t first, uint64_t last, uint64_t stride, int max_bad)
{
    struct sim *s = NEW(struct sim);
    int bad = 0;

    for (uint64_t seed = first; seed < last; seed += stride) {
        if (!sim_run(seed, false, s)) {
            printf("seed %llu broke %s\n", (unsigned long long)seed, s->broken_law);
            fflush(stdout);
            bad++;
        }
        tear_down(s);
        if (bad >= max_bad)
            break;
    }
    free(s);
    return bad;
}

static int run_all(uint64_t first, uint64_t n, long jobs, int max_bad)
{
    int64_t begun = clock_mono_ms();
    int failed = 0, status;

    for (long j = 0; j < jobs; j++) {
        pid_t pid = fork();

        if (pid == 0)
            exit(run_range(first + (uint64_t)j, first + n, (uint64_t)jobs, max_bad) ? 1 : 0);
        if (pid < 0)
            return 2;
    }
    for (long j = 0; j < jobs; j++)
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
            failed++;
    printf("%llu seeds in %.1f s: %s\n", (unsigned long long)n,
           (double)(clock_mono_ms() - begun) / 1000,
           failed ? "laws were broken; replay one with --seed N" : "every law held");
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' },
        { "first", required_argument, NULL, 'f' },
        { "jobs", required_argument, NULL, 'j' },
        { "seed", required_argument, NULL, 's' },
        { "bad", required_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int max_bad = 5;
    uint64_t n = 1000, first = 1;
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    struct sim *s;
    bool ok;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'n':
            n = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            first = strtoull(optarg, NULL, 10);
            break;
        case 'j':
            jobs = strtol(optarg, NULL, 10);
            break;
        case 'b':
            max_bad = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            s = NEW(struct sim);
            ok = sim_run(strtoull(optarg, NULL, 10), true, s);
            printf("%s\n", ok ? "every law held" : s->broken_law);
            tear_down(s);
            free(s);
            return ok ? 0 : 1;
        default:
            printf("usage: sim [--seeds N] [--first N] [--jobs N] [--bad N]   run N histories, "
                   "until N of\n"
                   "                                                          a process are bad\n"
                   "       sim --seed N                             replay one, verbosely\n");
            return o == 'h' ? 0 : 2;
        }
    }
    return run_all(first, n, jobs < 1 ? 1 : jobs, max_bad);
}
