#include "cli/why_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"

static void put_line(const char *head, const char *text)
{
    if (!text)
        return;
    fputs(head, stdout);
    cli_put(stdout, text);
    putchar('\n');
}

static int64_t count(const struct jcur *c, const char *key)
{
    return jcur_int_or(c, key, 0, INT64_MAX, 0);
}

static void print_use(const struct jcur *k)
{
    struct jcur u = jcur_obj(k, "use");
    const char *missing = jcur_str_or(k, "use_missing", NULL);
    const double mib = 1024 * 1024;
    char age[CLI_AGE_SIZE];

    if (missing)
        put_line("    use: ", missing);
    if (!jcur_present(&u))
        return;
    cli_age(count(&u, "age_ms"), age);
    printf("    use, read %s before its end: memory %.1f MiB, at most %.1f MiB", age,
           (double)count(&u, "memory_bytes") / mib, (double)count(&u, "memory_max_bytes") / mib);
    if (count(&u, "memory_limit_bytes"))
        printf(" of %.1f MiB", (double)count(&u, "memory_limit_bytes") / mib);
    printf(", %" PRId64 " processes\n", count(&u, "pids"));
    if (count(&u, "cpu_throttled_periods"))
        printf("    throttled in %" PRId64 " of %" PRId64 " periods, for %" PRId64 " ms\n",
               count(&u, "cpu_throttled_periods"), count(&u, "cpu_periods"),
               count(&u, "cpu_throttled_ms"));
    if (count(&u, "oom_kills"))
        printf("    the kernel killed %" PRId64 " of its processes: out of memory\n",
               count(&u, "oom_kills"));
}

static void print_container(const struct jcur *k)
{
    struct jcur code = jcur_get(k, "exit_code");
    const char *sig = jcur_str_or(k, "signal", NULL);

    fputs(jcur_bool_or(k, "failed", false) ? "  * " : "    ", stdout);
    cli_put(stdout, jcur_str_or(k, "name", "?"));
    if (jcur_present(&code))
        printf(", exit code %" PRId64, jcur_as_int(&code, INT32_MIN, INT32_MAX));
    if (sig)
        cli_printf(" (%s)", sig);
    if (jcur_bool_or(k, "out_of_memory", false))
        fputs(", out of memory", stdout);
    if (count(k, "restarts"))
        printf(", restarted %" PRId64 " times", count(k, "restarts"));
    fputs(", image ", stdout);
    cli_put(stdout, jcur_str_or(k, "image", "?"));
    putchar('\n');
    put_line("    error: ", jcur_str_or(k, "error", NULL));
    put_line("    health: ", jcur_str_or(k, "health", NULL));
    put_line("    health check said: ", jcur_str_or(k, "health_output", NULL));
    print_use(k);
}

static void print_log(const struct jcur *log)
{
    struct jcur lines = jcur_arr(log, "lines");
    const char *missing = jcur_str_or(log, "missing", NULL);

    if (!jcur_len(&lines) && !missing)
        return;
    fputs("Last lines of ", stdout);
    cli_put(stdout, jcur_str_or(log, "container", "?"));
    puts(":");
    put_line("    not whole: ", missing);
    JCUR_EACH (l, &lines) {
        struct jcur text = jcur_get(&l, "text");

        cli_printf("  %s ", jcur_str_or(&l, "time", "?"));
        cli_put_bytes(stdout, jcur_as_bytes(&text)); /* a NUL may be in it */
        putchar('\n');
    }
}

void why_print_record(const struct jcur *answer)
{
    struct jcur r = jcur_obj(answer, "post_mortem");
    struct jcur containers = jcur_arr(&r, "containers"), events = jcur_arr(&r, "events");
    struct jcur logs = jcur_arr(&r, "logs");

    if (!jcur_present(&r))
        return;
    put_line("\nIt failed: ", jcur_str_or(&r, "what", "?"));
    put_line("Stopped:   ", jcur_str_or(&r, "stopped", NULL));
    puts("Containers (* failed):");
    JCUR_EACH (k, &containers)
        print_container(&k);
    if (jcur_len(&events))
        puts("What happened:");
    JCUR_EACH (ev, &events) {
        const char *name = jcur_str_or(&ev, "container", NULL);

        cli_printf("  %s ", jcur_str_or(&ev, "time", "?"));
        if (name) {
            cli_put(stdout, name);
            fputs(": ", stdout);
        }
        cli_put(stdout, jcur_str_or(&ev, "event", ""));
        putchar('\n');
    }
    JCUR_EACH (log, &logs)
        print_log(&log);
}
