#include "secrets/secrets.h"

#define LINE_MAX_BYTES (64 * 1024)

static void read_line(struct str line, env_file_fn *fn, void *user)
{
    const char *equals;
    struct str name, value;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!line.n || line.p[0] == '#' || !(equals = memchr(line.p, '=', line.n)))
        return;
    name = (struct str){ line.p, (size_t)(equals - line.p) };
    value = (struct str){ equals + 1, line.n - name.n - 1 };
    if (name.n)
        fn(user, name, value);
}

enum err_code env_file_parse(struct str text, env_file_fn *fn, void *user, struct err *e)
{
    for (size_t number = 1; text.n; number++) {
        const char *end = memchr(text.p, '\n', text.n);
        struct str line = { text.p, end ? (size_t)(end - text.p) : text.n };
        size_t taken = line.n + (end ? 1 : 0);

        if (line.n > LINE_MAX_BYTES)
            return err_set(e, ERR_LIMIT, "line %zu is longer than %d KiB", number,
                           LINE_MAX_BYTES / 1024);
        if (memchr(line.p, '\0', line.n))
            return err_set(e, ERR_INVALID, "line %zu contains a NUL byte", number);
        text = (struct str){ text.p + taken, text.n - taken };
        read_line(line, fn, user);
    }
    return ERR_OK;
}
