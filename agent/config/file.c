#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
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

static void parse_line(struct str line, int number, config_line_fn *fn, void *user,
                       struct config_problems *problems)
{
    const char *eq = memchr(line.p, '=', line.n);
    struct str name, raw, value;
    char *text;

    if (!eq) {
        config_problem_add(problems, false, number, "expected NAME=VALUE; line ignored");
        return;
    }
    name = (struct str){ line.p, (size_t)(eq - line.p) };
    if (name.n > 7 && memcmp(name.p, "export", 6) == 0 && isspace((unsigned char)name.p[6])) {
        name = str_trim((struct str){ name.p + 6, name.n - 6 });
        if (is_name(name))
            config_problem_add(problems, false, number, "%.*s: 'export' is not needed; ignored",
                               (int)(name.n < 80 ? name.n : 80), name.p);
    }
    if (!is_name(str_trim(name))) {
        config_problem_add(problems, false, number, "expected NAME=VALUE; line ignored");
        return;
    }
    raw = (struct str){ eq + 1, (size_t)(line.p + line.n - eq - 1) };
    value = str_trim(raw);
    if (value.n != raw.n || str_trim(name).n != name.n) {
        name = str_trim(name);
        config_problem_add(problems, false, number, "%.*s: spaces around '=' are ignored",
                           (int)(name.n < 80 ? name.n : 80), name.p);
    }
    if (!name.n) {
        config_problem_add(problems, false, number, "no name before '='; line ignored");
        return;
    }
    raw = value;
    value = strip_quotes(value);
    if (value.n != raw.n)
        config_problem_add(problems, false, number, "%.*s: the quotes around the value are ignored",
                           (int)(name.n < 80 ? name.n : 80), name.p);
    text = mem_strndup(value.p, value.n);
    fn(user, number, name, text);
    explicit_bzero(text, value.n); /* ECS_ENGINE_AUTH_DATA passes here too */
    free(text);
}

void config_file_parse(const char *text, size_t n, config_line_fn *fn, void *user,
                       struct config_problems *problems)
{
    const char *end = text + n, *zero = memchr(text, '\0', n), *p = text;
    int number = 1;

    if (n > CONFIG_FILE_MAX) {
        config_problem_add(problems, true, 0, "the file is over 1 MiB");
        return;
    }
    if (zero) {
        for (; p < zero; p++)
            number += *p == '\n';
        config_problem_add(problems, true, number, "a NUL byte: this is not a text file");
        return;
    }
    for (; p < end; number++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        struct str line = str_trim((struct str){ p, (size_t)(stop - p) });

        if (line.n && line.p[0] != '#')
            parse_line(line, number, fn, user, problems);
        p = nl ? nl + 1 : end;
    }
}

/* ---- the process ---- */

/* Reads up to the buffer's maximum; absent is ERR_NOT_FOUND. */
static enum err_code read_text(const char *path, struct buf *b, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code code = ERR_OK;
    ssize_t got = 1;

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    while (!code && got > 0) {
        size_t room = b->max - b->len < 65536 ? b->max - b->len : 65536;
        char *p = room ? buf_reserve(b, room) : NULL;

        if (!p)
            break;
        got = read(fd, p, room);
        if (got < 0)
            code = err_errno(e, errno, "%s", path);
        else
            buf_grew(b, (size_t)got);
    }
    close(fd);
    return code;
}

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

static const char *process_lookup(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

enum err_code config_load_process(const char *path, struct config **out,
                                  struct config_problems *problems, struct err *e)
{
    /* One byte more than allowed tells a file that is too long. */
    struct buf file = BUF_INIT(CONFIG_FILE_MAX + 1);
    struct buf release = BUF_INIT(64 * 1024);
    AUTO(str) char *family = NULL;
    struct err own = { 0 };
    enum err_code code = path ? read_text(path, &file, &own) : ERR_NOT_FOUND;

    (void)e; /* what goes wrong here is a problem of the configuration */
    if (code && code != ERR_NOT_FOUND)
        config_problem_add(problems, true, 0, "%s", own.msg);
    if (read_text("/etc/os-release", &release, NULL))
        buf_reset(&release);
    family = config_os_family(buf_text(&release));
    *out = config_build_as(code ? NULL : buf_text(&file), code ? 0 : file.len, process_lookup, NULL,
                           family, problems);
    if (file.data)
        explicit_bzero(file.data, file.len);
    buf_fini(&file);
    buf_fini(&release);
    return ERR_OK;
}
