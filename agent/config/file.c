/* The lines of ecs.config. Two parsers read them on a host of the reference agent, its init
 * program's (which takes quotes, "export" and comments for parts of values and names) and
 * the service manager's (which has rules of its own for quotes and backslashes). This one
 * is kinder than both: what is meant is taken, and what is odd is told. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "config/internal.h"

/* The pair of quotes is no part of a value here, though it is in a shell. */
static struct str strip_quotes(struct str v)
{
    if (v.n >= 2 && (v.p[0] == '"' || v.p[0] == '\'') && v.p[v.n - 1] == v.p[0])
        return (struct str){ v.p + 1, v.n - 2 };
    return v;
}

/* What cannot be one is the rest of a value that was broken into lines, and may be secret. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("_-.", s.p[i]))
            return false;
    return true;
}

static int shown(struct str s)
{
    return (int)(s.n < 80 ? s.n : 80);
}

static void parse_line(const char *source, struct str line, int number, config_line_fn *fn,
                       void *user, struct config_problems *problems)
{
    const char *eq = memchr(line.p, '=', line.n);
    struct str name, raw, value;
    char *text;

    if (!eq) {
        config_problem_add(problems, false, source, number, "expected NAME=VALUE; line ignored");
        return;
    }
    name = (struct str){ line.p, (size_t)(eq - line.p) };
    if (name.n > 7 && memcmp(name.p, "export", 6) == 0 && isspace((unsigned char)name.p[6])) {
        name = str_trim((struct str){ name.p + 6, name.n - 6 });
        if (is_name(name))
            config_problem_add(problems, false, source, number,
                               "%.*s: 'export' is not needed; ignored", shown(name), name.p);
    }
    if (!is_name(str_trim(name))) {
        config_problem_add(problems, false, source, number, "expected NAME=VALUE; line ignored");
        return;
    }
    raw = (struct str){ eq + 1, (size_t)(line.p + line.n - eq - 1) };
    value = str_trim(raw);
    if (value.n != raw.n || str_trim(name).n != name.n) {
        name = str_trim(name);
        config_problem_add(problems, false, source, number, "%.*s: spaces around '=' are ignored",
                           shown(name), name.p);
    }
    if (!name.n) {
        config_problem_add(problems, false, source, number, "no name before '='; line ignored");
        return;
    }
    raw = value;
    value = strip_quotes(value);
    if (value.n != raw.n)
        config_problem_add(problems, false, source, number,
                           "%.*s: the quotes around the value are ignored", shown(name), name.p);
    text = secret_strndup(value.p, value.n);
    fn(user, number, name, text);
    mem_wipe(text); /* ECS_ENGINE_AUTH_DATA passes here too */
}

bool config_text_check(const struct config_text *file, struct config_problems *problems)
{
    const char *zero = memchr(file->text, '\0', file->len);
    int number = 1;

    if (file->len > CONFIG_FILE_MAX) {
        config_problem_add(problems, true, file->name, 0,
                           "the file is over 1 MiB; expected a file of settings");
        return false;
    }
    if (!zero)
        return true;
    for (const char *p = file->text; p < zero; p++)
        number += *p == '\n';
    config_problem_add(problems, true, file->name, number,
                       "a NUL byte; expected a text file of settings");
    return false;
}

void config_file_parse(const struct config_text *file, config_line_fn *fn, void *user,
                       struct config_problems *problems)
{
    const char *p = file->text, *end = p + file->len;

    if (!config_text_check(file, problems))
        return;
    if (file->len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        config_problem_add(problems, false, file->name, 1,
                           "the file begins with a byte order mark; ignored");
        p += 3;
    }
    for (int number = 1; p < end; number++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        struct str line = str_trim((struct str){ p, (size_t)(stop - p) });

        if (line.n && line.p[0] != '#')
            parse_line(file->name, line, number, fn, user, problems);
        p = nl ? nl + 1 : end;
    }
}

/* ---- os-release ---- */

/* The value of NAME= in os-release, without its quotes. */
static struct str release_field(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            return strip_quotes(str_trim((struct str){ p + n + 1, strcspn(p + n + 1, "\n") }));
    return (struct str){ "", 0 };
}

char *config_os_family(const char *os_release)
{
    struct str id = release_field(os_release, "ID");
    struct str version = release_field(os_release, "VERSION_ID");

    if (!id.n || !version.n)
        return mem_strdup("linux");
    return mem_printf("%.*s_%.*s", (int)id.n, id.p, (int)version.n, version.p);
}
