/* owners_asked: who holds a socket, asked of the helper, for the agent itself may not look into
 * other processes. The question goes as lines of text, and so does the answer. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "host/commands.h"
#include "host/internal.h"
#include "io/child.h"

#define LOOK_MS    20000 /* over all processes of a large host */
#define TEXT_MAX   ((size_t)1024 * 1024)
#define ANSWER_MAX ((size_t)256 * 1024)
#define WORDS      5

/* ---- the question as text ---- */

void host_owners_fini(struct host_owners *o)
{
    for (size_t i = 0; i < o->n; i++) {
        free((char *)(uintptr_t)o->sockets[i].local);
        free((char *)(uintptr_t)o->sockets[i].remote);
    }
    for (size_t i = 0; i < o->n_groups; i++)
        free(o->groups[i]);
    free(o->sockets);
    free(o->groups);
    *o = (struct host_owners){ 0 };
}

static bool read_port(const char *word, uint16_t *out)
{
    int64_t port;

    if (str_to_int(word, 0, UINT16_MAX, &port, NULL))
        return false;
    *out = (uint16_t)port;
    return true;
}

static enum err_code add_socket(struct host_owners *o, char *const *w, struct err *e)
{
    struct host_socket s = { 0 };

    if (!read_port(w[2], &s.local_port) || !read_port(w[4], &s.remote_port))
        return err_set(e, ERR_INVALID, "a socket without a port");
    if (o->n == HOST_OWNERS_SOCKETS)
        return err_set(e, ERR_LIMIT, "more than %d sockets", HOST_OWNERS_SOCKETS);
    s.local = mem_strdup(w[1]);
    s.remote = mem_strdup(w[3]);
    o->sockets = mem_resize(o->sockets, o->n + 1, sizeof *o->sockets);
    o->sockets[o->n++] = s;
    return ERR_OK;
}

static enum err_code add_group(struct host_owners *o, const char *name, struct err *e)
{
    if (o->n_groups == HOST_OWNERS_GROUPS)
        return err_set(e, ERR_LIMIT, "more than %d groups", HOST_OWNERS_GROUPS);
    o->groups = mem_resize(o->groups, o->n_groups + 1, sizeof *o->groups);
    o->groups[o->n_groups++] = mem_strdup(name);
    return ERR_OK;
}

static enum err_code read_line(struct host_owners *o, char *line, struct err *e)
{
    char *words[WORDS] = { 0 }, *word;
    size_t n = 0;

    while ((word = strsep(&line, " ")) && n < WORDS)
        words[n++] = word;
    if (!word && n == 5 && streq(words[0], "s"))
        return add_socket(o, words, e);
    if (!word && n == 2 && streq(words[0], "g"))
        return add_group(o, words[1], e);
    return err_set(e, ERR_INVALID, "a line that is neither a socket nor a group");
}

enum err_code host_owners_read(const char *text, struct host_owners *out, struct err *e)
{
    AUTO(str) char *copy = mem_strdup(text);
    struct host_owners o = { 0 };
    char *rest = copy, *line;

    while ((line = strsep(&rest, "\n"))) {
        if (*line && read_line(&o, line, e)) {
            host_owners_fini(&o);
            return e->code;
        }
    }
    *out = o;
    return ERR_OK;
}

/* ---- in the helper ---- */

static void write_owners(const struct host_owners *o, struct buf *out)
{
    for (size_t i = 0; i < o->n; i++)
        buf_printf(out, "%d %zu\n", (int)o->sockets[i].owner, o->sockets[i].group);
}

int host_owners_run(const char *const *argv, int in, int out)
{
    struct buf text = BUF_INIT(TEXT_MAX), answer = BUF_INIT(ANSWER_MAX);
    struct host_owners o = { 0 };
    struct err e = { 0 };
    int code = 1;

    if (!fd_read_all(in, &text))
        err_set(&e, ERR_LIMIT, "the question is too long");
    else if (!host_owners_read(buf_text(&text), &o, &e))
        (void)!host_find_owners(argv[1], o.sockets, o.n, (const char *const *)o.groups, o.n_groups,
                                &e);
    /* What is known is told even where not all is. */
    write_owners(&o, &answer);
    if (e.code)
        buf_printf(&answer, "%s %s\n", err_code_name(e.code), e.msg);
    else
        code = 0;
    if (!fd_write_all(out, buf_str(&answer)))
        code = 2;
    host_owners_fini(&o);
    buf_fini(&text);
    buf_fini(&answer);
    return code;
}

/* ---- in the agent ---- */

static bool read_owner(char *line, struct host_socket *s, size_t n_groups)
{
    char *rest = line, *owner = strsep(&rest, " ");
    int64_t which, group;

    if (!rest || str_to_int(owner, HOST_OWNER_NONE, HOST_OWNER_OTHER, &which, NULL) ||
        str_to_int(rest, 0, (int64_t)n_groups, &group, NULL) ||
        (which == HOST_OWNER_GROUP && (size_t)group >= n_groups))
        return false;
    s->owner = (enum host_owner)which;
    s->group = (size_t)group;
    return true;
}

static enum err_code read_answer(char *text, int ended, struct host_socket *sockets, size_t n,
                                 size_t n_groups, struct err *e)
{
    char *rest = text, *line;

    for (size_t i = 0; i < n; i++) {
        line = strsep(&rest, "\n");
        if (!line || !read_owner(line, &sockets[i], n_groups))
            return err_set(e, ERR_IO, "%s: %.200s", HOST_OWNERS_COMMAND,
                           line ? line : "a short answer");
    }
    if (WIFEXITED(ended) && !WEXITSTATUS(ended))
        return ERR_OK;
    line = strsep(&rest, "\n");
    if (!line || !rest || !strchr(line, ' '))
        return err_set(e, ERR_IO, "%s: it did not end well", HOST_OWNERS_COMMAND);
    *strchr(line, ' ') = '\0';
    return err_set(e, err_code_from_name(line), "%s", line + strlen(line) + 1);
}

static enum err_code ask(const char *proc, struct host_socket *sockets, size_t n,
                         const char *const *groups, size_t n_groups, struct err *e)
{
    const char *const argv[] = { HOST_OWNERS_COMMAND, proc, NULL };
    AUTO(buf) struct buf question = BUF_INIT(TEXT_MAX);
    AUTO(buf) struct buf answer = BUF_INIT(ANSWER_MAX);
    struct child_args child = {
        .argv = argv, .whole = true, .timeout_ms = LOOK_MS, .cancel_fd = -1, .out = &answer
    };
    AUTO(str) char *text = NULL;
    enum err_code code;
    int ended = 0;

    for (size_t i = 0; i < n; i++)
        buf_printf(&question, "s %s %d %s %d\n", sockets[i].local, sockets[i].local_port,
                   sockets[i].remote, sockets[i].remote_port);
    for (size_t i = 0; i < n_groups; i++)
        buf_printf(&question, "g %s\n", groups[i]);
    if (question.overflowed)
        return err_set(e, ERR_LIMIT, "too many sockets and containers to ask about");
    child.input = buf_str(&question);
    code = child_run(&child, &ended, e);
    if (code)
        return code;
    text = buf_take(&answer);
    return read_answer(text, ended, sockets, n, n_groups, e);
}

enum err_code host_socket_owners(const char *proc, struct host_socket *sockets, size_t n,
                                 const char *const *groups, size_t n_groups, struct err *e)
{
    enum err_code code;

    if (!child_helper_there())
        return host_find_owners(proc, sockets, n, groups, n_groups, e);
    code = ask(proc, sockets, n, groups, n_groups, e);
    for (size_t i = 0; code == ERR_TIMEOUT && i < n; i++)
        sockets[i].owner = HOST_OWNER_NONE;
    return code;
}
