#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/mem.h"

#define OUTPUT_MAX (64 * 1024)
#define WORDS_MAX  128
#define REAP_MS    10

/* ---- the command line ---- */

void creds_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        mem_wipe(argv[i]); /* people do write keys there */
    free(argv);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Appends the word at *p, and moves behind it. */
static bool read_word(const char **p, struct buf *word)
{
    char quote = 0;

    for (; **p && (quote || !is_blank(**p)); ++*p) {
        char c = **p;

        if (quote ? c == quote : (c == '\'' || c == '"')) {
            quote = quote ? 0 : c;
            continue;
        }
        if (c == '\\' && quote != '\'' && (*p)[1] && (!quote || (*p)[1] == '"' || (*p)[1] == '\\'))
            c = *++*p;
        buf_putc(word, c);
    }
    return !quote;
}

enum err_code creds_argv_split(const char *command, char ***argv, struct err *e)
{
    char **words = mem_array(WORDS_MAX + 1, sizeof *words);
    size_t n = 0;

    for (const char *p = command;;) {
        struct buf word = BUF_INIT(CREDS_FILE_MAX + 1);
        bool closed;

        while (is_blank(*p))
            p++;
        if (!*p)
            break;
        buf_reserve(&word, strlen(p) + 1);
        closed = read_word(&p, &word);
        if (!closed || n == WORDS_MAX) {
            buf_wipe(&word);
            creds_argv_free(words);
            return err_set(e, ERR_INVALID,
                           closed ? "credential_process has too many words"
                                  : "credential_process has a quote that does not end");
        }
        words[n++] = mem_strdup(buf_text(&word));
        buf_wipe(&word);
    }
    if (n == 0) {
        creds_argv_free(words);
        return err_set(e, ERR_INVALID, "credential_process is empty");
    }
    *argv = words;
    return ERR_OK;
}

/* ---- the child ---- */

struct child {
    pid_t pid;
    int out;
    int64_t until_mono;
    int cancel_fd;
    struct buf text;
};

static enum err_code spawn(char **argv, struct child *c, struct err *e)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int fds[2], rc;

    if (pipe2(fds, O_CLOEXEC))
        return err_errno(e, errno, "pipe");
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    sigfillset(&all);
    sigemptyset(&none);
    if (posix_spawn_file_actions_init(&files) || posix_spawnattr_init(&attr))
        abort();
    rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(&files, fds[1], 1);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnp(&c->pid, argv[0], &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    close(fds[1]);
    if (rc) {
        close(fds[0]);
        return err_errno(e, rc, "credential_process: %.200s", argv[0]);
    }
    c->out = fds[0];
    return ERR_OK;
}

static enum err_code too_long(struct err *e)
{
    return err_set(e, ERR_TIMEOUT, "credential_process did not end in time");
}

/* True once there is something to read (or, without `fd`, when the time is over). */
static enum err_code wait_for(const struct child *c, int fd, int64_t at_most_ms, struct err *e)
{
    struct pollfd fds[2] = { { .fd = c->cancel_fd, .events = POLLIN },
                             { .fd = fd, .events = POLLIN } };
    int64_t left = c->until_mono - clock_mono_ms();

    if (left <= 0)
        return too_long(e);
    if (poll(fds, 2, (int)(left < at_most_ms ? left : at_most_ms)) < 0 && errno != EINTR)
        return err_errno(e, errno, "poll");
    if (fds[0].revents)
        return err_set(e, ERR_RETRY, "credential_process was canceled");
    return ERR_OK;
}

static enum err_code read_output(struct child *c, struct err *e)
{
    for (;;) {
        char *at;
        ssize_t n;

        if (wait_for(c, c->out, INT32_MAX, e))
            return e->code;
        at = buf_reserve(&c->text, 4096);
        n = at ? read(c->out, at, 4096) : -1;
        if (!at || c->text.len + (n > 0 ? (size_t)n : 0) > OUTPUT_MAX)
            return err_set(e, ERR_LIMIT, "credential_process printed more than %d bytes",
                           OUTPUT_MAX);
        if (n == 0)
            return ERR_OK;
        if (n > 0)
            buf_grew(&c->text, (size_t)n);
        else if (errno != EINTR && errno != EAGAIN)
            return err_errno(e, errno, "credential_process");
    }
}

/* It has closed its output; usually it is gone the next moment. */
static enum err_code await_end(struct child *c, int *status, struct err *e)
{
    for (;;) {
        pid_t got = waitpid(c->pid, status, WNOHANG);

        if (got == c->pid) {
            c->pid = 0;
            return ERR_OK;
        }
        if (got < 0 && errno != EINTR)
            return err_errno(e, errno, "credential_process");
        if (wait_for(c, -1, REAP_MS, e))
            return e->code;
    }
}

static enum err_code collect(struct child *c, struct cred_set *out, struct err *e)
{
    int status = 0;

    if (read_output(c, e) || await_end(c, &status, e))
        return e->code;
    if (WIFSIGNALED(status))
        return err_set(e, ERR_DENIED, "credential_process was killed by signal %d",
                       WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(e, ERR_DENIED, "credential_process ended with status %d",
                       WEXITSTATUS(status));
    return creds_json_read(buf_str(&c->text), "credential_process", "SessionToken", out, e);
}

enum err_code creds_process_run(const char *command, int64_t limit_ms, int cancel_fd,
                                struct cred_set *out, struct err *e)
{
    struct child c = { .until_mono = clock_mono_ms() + limit_ms, .cancel_fd = cancel_fd };
    struct err local = { 0 };
    char **argv = NULL;
    enum err_code code;

    if (!e)
        e = &local;
    *e = (struct err){ 0 };
    if (creds_argv_split(command, &argv, e))
        return e->code;
    code = spawn(argv, &c, e);
    creds_argv_free(argv);
    if (code)
        return code;
    buf_init(&c.text, OUTPUT_MAX + 8192);
    buf_reserve(&c.text, OUTPUT_MAX + 4096); /* growing would leave copies behind */
    code = collect(&c, out, e);
    close(c.out);
    if (c.pid > 0) {
        kill(-c.pid, SIGKILL);
        while (waitpid(c.pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    buf_wipe(&c.text);
    return code;
}
