#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/creds_sources.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/loop.h"

/* ---- texts ---- */

static struct str next_line(const char **p, const char *end)
{
    const char *eol = memchr(*p, '\n', (size_t)(end - *p));
    struct str line = { *p, (size_t)((eol ? eol : end) - *p) };

    *p = eol ? eol + 1 : end;
    return str_trim(line);
}

static const char *first_of(struct str line, char a, char b)
{
    const char *x = memchr(line.p, a, line.n);
    const char *y = memchr(line.p, b, x ? (size_t)(x - line.p) : line.n);

    return y ? y : x;
}

static struct str before(struct str line, const char *end)
{
    return end ? str_trim((struct str){ line.p, (size_t)(end - line.p) }) : line;
}

/* The line up to its comment. Behind a setting one needs a blank in front: a value may hold
 * these characters. */
static struct str without_comment(struct str line)
{
    const char *at;

    if (line.p[0] == '[')
        return before(line, first_of(line, '#', ';'));
    for (size_t from = 1;; from = (size_t)(at - line.p) + 1) {
        at =
            from < line.n ? first_of((struct str){ line.p + from, line.n - from }, '#', ';') : NULL;
        if (!at || at[-1] == ' ' || at[-1] == '\t')
            return before(line, at);
    }
}

static bool is_section(struct str line, bool is_config, const char *profile)
{
    struct str name = str_trim((struct str){ line.p + 1, line.n - 2 });

    if (name.n > 8 && memcmp(name.p, "profile", 7) == 0 && (name.p[7] == ' ' || name.p[7] == '\t'))
        name = str_trim((struct str){ name.p + 8, name.n - 8 });
    else if (is_config && !str_is(name, "default"))
        return false; /* "[sso-session x]", "[services x]" */
    return str_is(name, profile);
}

bool creds_ini_is(struct str name, const char *text)
{
    return name.n == strlen(text) && strncasecmp(name.p, text, name.n) == 0;
}

bool creds_ini_walk(struct str text, bool is_config, const char *profile, creds_ini_fn *fn,
                    void *user)
{
    const char *p = text.p, *end = text.p + text.n;
    bool inside = false, seen = false;

    while (text.n && p < end) {
        struct str line = next_line(&p, end);
        const char *eq;

        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        line = without_comment(line);
        if (line.p[0] == '[' && line.n >= 2 && line.p[line.n - 1] == ']') {
            inside = !profile || is_section(line, is_config, profile);
            seen = seen || inside;
            continue;
        }
        eq = first_of(line, '=', ':');
        if (!inside || !eq || memchr(line.p, 0, line.n)) /* no setting holds a NUL */
            continue;
        fn(user, str_trim((struct str){ line.p, (size_t)(eq - line.p) }),
           str_trim((struct str){ eq + 1, line.n - (size_t)(eq - line.p) - 1 }));
    }
    return seen;
}

static void take_key(void *user, struct str name, struct str value)
{
    struct cred_set *set = user;
    const struct {
        const char *name;
        char **slot;
    } known[] = { { "aws_access_key_id", &set->access_key },
                  { "aws_secret_access_key", &set->secret_key },
                  { "aws_session_token", &set->session_token } };

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (!creds_ini_is(name, known[i].name))
            continue;
        mem_wipe(*known[i].slot);
        *known[i].slot = value.n ? secret_strndup(value.p, value.n) : NULL;
    }
}

enum err_code creds_ini_read(const char *text, size_t n, const char *profile, struct cred_set *out,
                             struct err *e)
{
    struct cred_set set = { 0 };
    bool seen = creds_ini_walk((struct str){ text, n }, false, profile, take_key, &set);

    if (!set.access_key || !set.secret_key) {
        const char *lacks = set.access_key ? "aws_secret_access_key" : "aws_access_key_id";

        cred_set_fini(&set);
        if (!seen)
            return err_set(e, ERR_NOT_FOUND, "no profile '%.80s'", profile);
        return err_set(e, ERR_NOT_FOUND, "profile '%.80s' has no %s", profile, lacks);
    }
    set.of_file = true;
    *out = set;
    return ERR_OK;
}

/* ---- files ---- */

#define PIECE 65536

enum err_code creds_text_read(const char *path, struct buf *text, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum err_code code = ERR_OK;

    if (fd < 0)
        return err_errno(e, errno, "%.200s", path);
    /* In one piece: a buffer that grows leaves copies of what it held behind. */
    buf_reserve(text, PIECE);
    if (!fd_read_all(fd, text))
        code = errno == EFBIG
                   ? err_set(e, ERR_LIMIT, "%.200s is larger than %zu bytes", path, text->max)
                   : err_errno(e, errno, "%.200s", path);
    close(fd);
    return code;
}

enum err_code creds_file_read(const char *path, const char *profile, struct cred_set *out,
                              struct err *e)
{
    struct buf text = BUF_SECRET(CREDS_FILE_MAX);
    struct err local = { 0 };
    enum err_code code;

    if (!e)
        e = &local;
    code = creds_text_read(path, &text, e);
    if (!code) {
        code = creds_ini_read(buf_text(&text), text.len, profile, out, e);
        if (code)
            err_wrap(e, "%.200s", path);
    }
    buf_wipe(&text);
    return code;
}

/* ---- the rotating file ---- */

struct rotating {
    struct cred_fetch base;
    struct work *work;
    char *path, *profile;
    struct cred_set set; /* written by the worker, like `err` */
    struct err err;
    cred_done_fn *done;
    void *user;
};

static void rotating_cancel(struct cred_fetch *base)
{
    struct rotating *f = (struct rotating *)base;

    work_cancel(f->work);
    cred_set_fini(&f->set);
    free(f->path);
    free(f->profile);
    free(f);
}

static void rotating_read(void *user)
{
    struct rotating *f = user;

    if (!creds_file_read(f->path, f->profile, &f->set, &f->err))
        f->set.source = mem_printf("rotating file, profile %s of %s", f->profile, f->path);
}

static void rotating_done(void *user)
{
    struct rotating *f = user;
    struct cred_set set = f->set;
    struct err e = f->err;
    cred_done_fn *done = f->done;
    void *done_user = f->user;

    f->work = NULL;
    f->set = (struct cred_set){ 0 };
    rotating_cancel(&f->base);
    done(done_user, e.code ? NULL : &set, &e);
    cred_set_fini(&set);
}

struct cred_fetch *creds_rotating_fetch(const struct creds_context *x, const char *path,
                                        const char *profile, cred_done_fn *done, void *user)
{
    struct rotating *f = NEW(struct rotating);

    f->base.cancel = rotating_cancel;
    f->path = mem_strdup(path);
    f->profile = mem_strdup(profile);
    f->done = done;
    f->user = user;
    f->work = loop_work(http_client_loop(aws_http(x->aws)), rotating_read, rotating_done, f);
    return &f->base;
}
