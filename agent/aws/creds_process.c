#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "aws/creds_sources.h"
#include "base/mem.h"
#include "io/child.h"

#define OUTPUT_MAX (64 * 1024)
#define WORDS_MAX  128

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
        struct buf word = BUF_SECRET(CREDS_FILE_MAX + 1);
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

/* ---- the program ---- */

static enum err_code in_words(enum err_code code, struct err *e)
{
    if (code == ERR_TIMEOUT)
        return err_set(e, code, "credential_process did not end in time");
    if (code == ERR_RETRY)
        return err_set(e, code, "credential_process was canceled");
    if (code == ERR_LIMIT)
        return err_set(e, code, "credential_process printed more than %d bytes", OUTPUT_MAX);
    return err_wrap(e, "credential_process");
}

static enum err_code read_keys(int ended, struct str text, struct cred_set *out, struct err *e)
{
    if (WIFSIGNALED(ended))
        return err_set(e, ERR_DENIED, "credential_process was killed by signal %d",
                       WTERMSIG(ended));
    if (WEXITSTATUS(ended) != 0)
        return err_set(e, ERR_DENIED, "credential_process ended with status %d",
                       WEXITSTATUS(ended));
    return creds_json_read(text, "credential_process", "SessionToken", out, e);
}

enum err_code creds_process_run(const char *command, int64_t limit_ms, int cancel_fd,
                                struct cred_set *out, struct err *e)
{
    struct buf text;
    struct child_args child = { .as = CREDENTIALS_PROGRAM,
                                .environment = true,
                                .whole = true,
                                .timeout_ms = limit_ms,
                                .cancel_fd = cancel_fd,
                                .out = &text };
    struct err local = { 0 };
    char **argv = NULL;
    int ended = 0;

    if (!e)
        e = &local;
    *e = (struct err){ 0 };
    if (creds_argv_split(command, &argv, e))
        return e->code;
    child.argv = (const char *const *)argv;
    buf_init_secret(&text, OUTPUT_MAX);
    if (child_run(&child, &ended, e))
        (void)!in_words(e->code, e);
    else
        (void)!read_keys(ended, buf_str(&text), out, e);
    creds_argv_free(argv);
    buf_wipe(&text);
    return e->code;
}

/* ---- what the helper may start ---- */

struct named {
    const char *const *argv;
    bool found;
};

static bool same_words(char **a, const char *const *b)
{
    size_t i = 0;

    while (a[i] && b[i] && streq(a[i], b[i]))
        i++;
    return !a[i] && !b[i];
}

static void compare(void *user, struct str name, struct str value)
{
    struct named *n = user;
    AUTO(str) char *command = mem_strndup(value.p, value.n);
    char **argv = NULL;

    if (n->found || !creds_ini_is(name, "credential_process") ||
        creds_argv_split(command, &argv, NULL))
        return;
    n->found = same_words(argv, n->argv);
    creds_argv_free(argv);
}

static void look_into(const char *path, struct named *n)
{
    struct buf text = BUF_INIT(CREDS_FILE_MAX);

    if (!creds_text_read(path, &text, NULL))
        creds_ini_walk(buf_str(&text), true, NULL, compare, n);
    buf_wipe(&text);
}

bool credentials_names_program(aws_env_fn *env, void *env_user, const char *const *argv)
{
    const struct creds_context x = { .env = env, .env_user = env_user };
    AUTO(str) char *config = creds_shared_path(&x, true);
    AUTO(str) char *credentials = creds_shared_path(&x, false);
    struct named n = { .argv = argv };

    look_into(config, &n);
    look_into(credentials, &n);
    return n.found;
}
