#include "cli/why_stages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

struct stage {
    const char *name, *container, *from; /* container: NULL: the task's own */
    int64_t ms;
    bool done;
    size_t place; /* in the answer */
};

/* What people call it; `way`: it is a part of the way to running. */
static const struct {
    const char *name, *text;
    bool way;
} kinds[] = {
    { "room", "waits for room", true },
    { "prepare", "brings its containers up", false },
    { "dependencies", "waits for its dependencies", true },
    { "resources", "waits for volumes, secrets, cgroup", true },
    { "pull_turn", "waits for its turn to pull", true },
    { "pull", "looks for its image or pulls it", true },
    { "turn", "waits for its turn: others start", true },
    { "create", "is created", true },
    { "start", "is started", true },
    { "health", "runs, is not healthy yet", false },
    { "run", "runs", false },
    { "restart", "waits to be restarted", false },
    { "stop", "stops", false },
    { "report", "has its end reported", false },
    { "kept", "is kept until its removal", false },
};

static size_t kind_of(const struct stage *s)
{
    size_t i = 0;

    while (i < COUNT_OF(kinds) && !streq(kinds[i].name, s->name))
        i++;
    return i;
}

static bool of_the_way(const struct stage *s)
{
    size_t i = kind_of(s);

    return i < COUNT_OF(kinds) && kinds[i].way;
}

/* "0.25 s", "3m20s" */
static void length_text(int64_t ms, char out[CLI_AGE_SIZE])
{
    if (ms < 60000)
        snprintf(out, CLI_AGE_SIZE, "%" PRId64 ".%02" PRId64 " s", ms / 1000, ms % 1000 / 10);
    else
        cli_age(ms, out);
}

/* ---- the way to running ---- */

static bool same_container(const struct stage *s, const char *name)
{
    return s->container && streq(s->container, name);
}

/* When it ran, whether its health was awaited first or not; NULL: not yet. */
static const char *ran_from(const struct stage *all, size_t n, const char *container)
{
    const char *from = NULL;

    for (size_t i = 0; i < n; i++)
        if (same_container(&all[i], container) &&
            (streq(all[i].name, "run") || streq(all[i].name, "health")) &&
            /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): at least "?" */
            (!from || strcmp(all[i].from, from) < 0))
            from = all[i].from;
    return from;
}

/* The task ran when the last of its containers did. What still is on its way goes before. */
static const char *decisive(const struct stage *all, size_t n, bool *ran)
{
    const char *found = NULL, *found_from = NULL;

    *ran = true;
    for (size_t i = 0; i < n; i++) {
        const char *from;

        if (!all[i].container)
            continue;
        from = ran_from(all, n, all[i].container);
        if (!from && of_the_way(&all[i]) && !all[i].done) {
            *ran = false;
            return all[i].container;
        }
        if (!found || (from && (!found_from || strcmp(from, found_from) > 0))) {
            found = all[i].container;
            found_from = from;
        }
    }
    *ran = found_from != NULL;
    return found;
}

static void print_way(const struct stage *all, size_t n)
{
    bool ran, open = false;
    const char *container = decisive(all, n, &ran), *before = ": ";
    char text[CLI_AGE_SIZE];
    int64_t total = 0;

    if (!container)
        return;
    for (size_t i = 0; i < n; i++) {
        if (same_container(&all[i], container) && of_the_way(&all[i])) {
            total += all[i].ms;
            open |= !all[i].done;
        }
    }
    length_text(total, text);
    printf("Accepted -> %s ", ran ? "running" : open ? "now" : "ended without running");
    fputs(text, stdout);
    fputs(" (", stdout);
    cli_put(stdout, container);
    fputs(")", stdout);
    for (size_t i = 0; i < n; i++) {
        if (!same_container(&all[i], container) || !of_the_way(&all[i]) || !all[i].ms || !total)
            continue;
        length_text(all[i].ms, text);
        printf("%s%s %s (%" PRId64 " %%)", before, all[i].name, text,
               (all[i].ms * 100 + total / 2) / total);
        before = ", ";
    }
    puts(".");
}

/* ---- the timeline ---- */

static int by_time(const void *a, const void *b)
{
    const struct stage *x = a, *y = b;
    int order = strcmp(x->from, y->from);

    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static void print_line(const struct stage *s, int name_width)
{
    size_t kind = kind_of(s);
    char text[CLI_AGE_SIZE];
    const char *name = s->container ? s->container : "the task";
    int pad = name_width - (int)strlen(name);

    length_text(s->ms, text);
    cli_printf("  %s  %9s  ", s->from, text);
    cli_put(stdout, name);
    printf("%*s  ", pad, "");
    cli_put(stdout, kind < COUNT_OF(kinds) ? kinds[kind].text : s->name);
    puts(s->done ? "" : ", now");
}

/* What took no time is in --json. */
static bool worth_a_line(const struct stage *s)
{
    return s->ms > 0 || !s->done;
}

void why_print_stages(const struct jcur *stages)
{
    struct stage *all = mem_array(jcur_len(stages), sizeof *all);
    size_t n = 0;
    int width = (int)strlen("the task");

    JCUR_EACH (c, stages) {
        struct stage *s = &all[n];

        *s = (struct stage){
            jcur_str_or(&c, "stage", "?"),  jcur_str_or(&c, "container", NULL),
            jcur_str_or(&c, "from", "?"),   jcur_int_or(&c, "for_ms", 0, INT64_MAX / 200, 0),
            jcur_bool_or(&c, "done", true), n
        };
        if (s->container && str_starts(s->container, "~internal~"))
            continue; /* nobody's but the agent's; in --json it is there */
        if (s->container && (int)strlen(s->container) > width)
            width = (int)strlen(s->container);
        n++;
    }
    if (n) {
        print_way(all, n);
        qsort(all, n, sizeof *all, by_time);
        puts("From, for how long, and what:");
    }
    for (size_t i = 0; i < n; i++)
        if (worth_a_line(&all[i]))
            print_line(&all[i], width);
    free(all);
}
