#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/creds_sources.h"
#include "base/buf.h"
#include "base/mem.h"

#define FILE_MAX (1024 * 1024)

void secret_free(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void cred_set_fini(struct cred_set *s)
{
    secret_free(s->access_key);
    secret_free(s->secret_key);
    secret_free(s->session_token);
    *s = (struct cred_set){ 0 };
}

static struct str next_line(const char **p, const char *end)
{
    const char *eol = memchr(*p, '\n', (size_t)(end - *p));
    struct str line = { *p, (size_t)((eol ? eol : end) - *p) };

    *p = eol ? eol + 1 : end;
    return str_trim(line);
}

/* "[name]" or, as the config file writes it, "[profile name]". */
static bool is_section(struct str line, const char *profile)
{
    struct str name = str_trim((struct str){ line.p + 1, line.n - 2 });

    if (name.n > 8 && memcmp(name.p, "profile ", 8) == 0)
        name = str_trim((struct str){ name.p + 8, name.n - 8 });
    return str_is(name, profile);
}

static void take_setting(struct str line, struct cred_set *set)
{
    const struct {
        const char *name;
        char **slot;
    } known[] = { { "aws_access_key_id", &set->access_key },
                  { "aws_secret_access_key", &set->secret_key },
                  { "aws_session_token", &set->session_token } };
    const char *eq = memchr(line.p, '=', line.n);
    struct str name, value;

    if (!eq || memchr(line.p, 0, line.n)) /* no key holds a NUL */
        return;
    name = str_trim((struct str){ line.p, (size_t)(eq - line.p) });
    value = str_trim((struct str){ eq + 1, line.n - (size_t)(eq - line.p) - 1 });
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (name.n != strlen(known[i].name) || strncasecmp(name.p, known[i].name, name.n) != 0)
            continue;
        secret_free(*known[i].slot);
        *known[i].slot = value.n ? mem_strndup(value.p, value.n) : NULL;
    }
}

enum err_code creds_ini_read(const char *text, size_t n, const char *profile, struct cred_set *out,
                             struct err *e)
{
    struct cred_set set = { 0 };
    const char *p = text, *end = text + n;
    bool inside = false, seen = false;

    while (p < end) {
        struct str line = next_line(&p, end);

        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (line.p[0] == '[' && line.n >= 2 && line.p[line.n - 1] == ']') {
            inside = is_section(line, profile);
            seen = seen || inside;
        } else if (inside) {
            take_setting(line, &set);
        }
    }
    if (!set.access_key || !set.secret_key) {
        const char *lacks = set.access_key ? "aws_secret_access_key" : "aws_access_key_id";

        cred_set_fini(&set);
        if (!seen)
            return err_set(e, ERR_NOT_FOUND, "no profile '%.80s'", profile);
        return err_set(e, ERR_NOT_FOUND, "profile '%.80s' has no %s", profile, lacks);
    }
    *out = set;
    return ERR_OK;
}

static enum err_code read_all(int fd, const char *path, struct buf *text, struct err *e)
{
    for (;;) {
        char *at = buf_reserve(text, 4096);
        ssize_t n;

        if (!at)
            return err_set(e, ERR_LIMIT, "%.200s is larger than %d bytes", path, FILE_MAX);
        n = read(fd, at, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, errno, "%.200s", path);
        if (n == 0)
            return ERR_OK;
        buf_grew(text, (size_t)n);
    }
}

enum err_code creds_file_read(const char *path, const char *profile, struct cred_set *out,
                              struct err *e)
{
    struct buf text = BUF_INIT(FILE_MAX + 4096);
    struct err local = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum err_code code;

    if (!e)
        e = &local;
    if (fd < 0)
        return err_errno(e, errno, "%.200s", path);
    code = read_all(fd, path, &text, e);
    close(fd);
    if (!code) {
        code = creds_ini_read(buf_text(&text), text.len, profile, out, e);
        if (code)
            err_wrap(e, "%.200s", path);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_fini(&text);
    return code;
}
