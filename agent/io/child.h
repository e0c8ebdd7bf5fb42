#pragma once
/* child: programs that are run, and the small process that starts them.
 *
 * A process that has entered its sandbox cannot start programs. So before it does, it forks a
 * helper, while it has neither threads nor secrets. The helper knows a list of commands, asks its
 * own judgment about each that is wished for, and starts it in a process of its own; what the
 * program says goes through a pipe to the asking thread, and how it ended over a socket. When the
 * asker goes (a time limit, a cancel, kill -9), the program and what it started are killed.
 *
 *     asker --- "ip6tables", its words, the ends of pipe and socket ---> helper
 *       ^                                                                  | fork
 *       +---- output (pipe), started / ended (socket) --- program <--- its keeper
 *
 * Without a helper (tests, and commands other than the agent) programs are started directly.
 * There is one helper for the process; calls may come from any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

/* ---- running ---- */

struct child_args {
    const char *as;          /* the row of the helper's list; NULL: argv[0] */
    const char *const *argv; /* ends with NULL; argv[0] is found on PATH; no shell */
    struct str input;        /* what it can read; nothing: /dev/null */
    bool environment;        /* it gets the process's own, which may hold keys; else PATH alone */
    bool errors;             /* standard error is output too; else it is dropped */
    /* All of the output is wanted: it ends when nobody holds it open any more, and more than
     * `out` may hold is ERR_LIMIT. Else what fits is kept, up to the program's end. */
    bool whole;
    int64_t timeout_ms;
    int cancel_fd;   /* readable: it is to end (ERR_RETRY); -1: none */
    struct buf *out; /* appended to; NULL: dropped */
};

/* Runs a program in a process group of its own, with no signal blocked or ignored, and waits for
 * its end. *ended is as waitpid(2) says. ERR_NOT_FOUND: no such program; ERR_DENIED: it is not on
 * the helper's list, or may not be executed; ERR_TIMEOUT, ERR_RETRY, ERR_LIMIT: it was killed,
 * with all of its group. Blocks: for a worker. */
MUST_CHECK enum err_code child_run(const struct child_args *a, int *ended, struct err *e);

/* ---- the helper ---- */

struct child_rule {
    const char *name;
    /* Whether these words may be run, argv[0] among them. NULL: any. In a process that ends
     * afterwards. */
    bool (*allows)(void *user, const char *const *argv);
    /* Done instead of a program, likewise: its input and output; its exit code. */
    int (*run)(const char *const *argv, int in, int out);
    uint64_t capabilities; /* for `prepare`: bits 1 << CAP_* */
};

struct child_helper_args {
    const struct child_rule *rules; /* borrowed for ever */
    size_t n_rules;
    void *user; /* of `allows`, likewise */
    /* In the helper, right after the fork, and in the process that becomes a program, or does a
     * rule's work. NULL: nothing. */
    enum err_code (*confine)(struct err *e);
    enum err_code (*prepare)(uint64_t capabilities, struct err *e);
};

/* Forks it, and waits until it is confined. Before there are threads, and once. It keeps no
 * descriptor but standard error, ignores what a terminal or a service manager sends to a whole
 * group, and ends when this process does. ERR_IO, ERR_DENIED: it could not be confined. */
MUST_CHECK enum err_code child_helper_start(const struct child_helper_args *a, struct err *e);
bool child_helper_there(void);
/* `gone` is called once when the helper has ended, which it never should. NULL without a helper. */
struct child_watch *child_helper_watch(struct loop *l, loop_fn *gone, void *user);
void child_watch_destroy(struct child_watch *w); /* NULL is fine */
/* Lets it end. Nothing may be running. Afterwards programs are started directly again. */
void child_helper_stop(void);
