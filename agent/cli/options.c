#include <string.h>

#include "cli/cli.h"

#define NEAR_MAX 2

static const struct cli_option *find(const struct cli_option *options, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(name, options[i].name))
            return &options[i];
    }
    return NULL;
}

static int complain(const char *command, int bad, const char *what, const char *about)
{
    fprintf(stderr, "berth %s: %s '%s'\nberth %s: see \"berth %s --help\"\n", command, what, about,
            command, command);
    return bad;
}

int cli_options(const struct cli_option *options, size_t n, const char *help, int bad, int max_args,
                int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        const char *arg = argv[i];
        const char *name = arg + (arg[0] == '-') + (arg[0] == '-' && arg[1] == '-');
        const char *eq = strchr(name, '=');
        const struct cli_option *o;

        if (arg[0] != '-' || !arg[1]) {
            argv[kept++] = argv[i];
            continue;
        }
        if (streq(name, "help") || streq(name, "h")) {
            fputs(help, stdout);
            return CLI_OK;
        }
        o = find(options, n, (struct str){ name, eq ? (size_t)(eq - name) : strlen(name) });
        if (!o)
            return complain(argv[0], bad, "there is no option", arg);
        if (o->flag && eq)
            return complain(argv[0], bad, "no value is expected by", arg);
        if (o->flag) {
            *o->flag = true;
            continue;
        }
        if (!eq && i + 1 >= *argc)
            return complain(argv[0], bad, "a value is missing after", arg);
        *o->value = eq ? eq + 1 : argv[++i];
    }
    if (kept - 1 > max_args)
        return complain(argv[0], bad, "unexpected argument", argv[max_args + 1]);
    *argc = kept;
    argv[kept] = NULL;
    return -1;
}

const char *cli_nearest(const char *text, const char *const *candidates, size_t n)
{
    const char *near = NULL;
    size_t best = NEAR_MAX + 1;

    for (size_t i = 0; i < n; i++) {
        size_t far = str_distance(str_of(text), str_of(candidates[i]), NEAR_MAX);

        if (strlen(text) >= 3 && str_starts(candidates[i], text))
            far = 0;
        if (far < best) {
            best = far;
            near = candidates[i];
        }
    }
    return near;
}
