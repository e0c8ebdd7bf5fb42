/* child_helper: the process that starts programs for one that cannot, and the end of it that the
 * asker holds. Each request gets a keeper: a fork of the helper that judges it, starts the program
 * (or does the rule's work itself), and stays until the asker has what it wants, or has gone. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "io/child_internal.h"

#define WORDS_MAX 256

static int helper = -1; /* the asker's end */

/* ---- messages with descriptors ---- */

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(CHILD_FD__COUNT * sizeof(int))];
};

int child_helper_send(struct str message, const int *fds)
{
    union control control = { 0 };
    struct iovec bytes = { (void *)(uintptr_t)message.p, message.n };
    struct msghdr msg = { .msg_iov = &bytes,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control.room };
    ssize_t n;

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(CHILD_FD__COUNT * sizeof(int));
    memcpy(CMSG_DATA(&control.head), fds, CHILD_FD__COUNT * sizeof(int));
    do
        n = sendmsg(helper, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static void close_all(int *fds)
{
    for (int i = 0; i < CHILD_FD__COUNT; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* The length of the next message, 0 when the asker has gone. One with other than the right number
 * of descriptors has none (-1). */
static size_t receive(int from, char *text, int *fds)
{
    union control control;
    struct iovec bytes = { text, CHILD_MESSAGE_MAX };
    struct msghdr msg = { .msg_iov = &bytes,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control.room };
    const struct cmsghdr *c;
    ssize_t n;

    for (int i = 0; i < CHILD_FD__COUNT; i++)
        fds[i] = -1;
    do
        n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return 0;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len <= CMSG_LEN(CHILD_FD__COUNT * sizeof(int)))
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return (size_t)n;
}

/* ---- the keeper of one program ---- */

struct keeper {
    const struct child_helper_args *args;
    const char *words[WORDS_MAX + 2]; /* the rule's name, argv, NULL */
    unsigned flags;
    int fds[CHILD_FD__COUNT];
};

static _Noreturn void answer(const struct keeper *k, int failed, int ended, const char *why)
{
    struct child_answer a = { .failed = failed, .ended = ended };

    memcpy(a.why, why, strnlen(why, sizeof a.why - 1));
    (void)!send(k->fds[CHILD_CHANNEL], &a, sizeof a, MSG_NOSIGNAL);
    _exit(0);
}

/* The message is from a process that may have been taken over: nothing in it is believed. */
static bool read_words(struct keeper *k, const char *text, size_t n)
{
    struct child_request head;
    const char *at = text + sizeof head;

    if (n <= sizeof head || text[n - 1])
        return false;
    memcpy(&head, text, sizeof head);
    if (head.n < 2 || head.n > WORDS_MAX)
        return false;
    for (size_t i = 0; i < head.n; i++) {
        if (at >= text + n)
            return false;
        k->words[i] = at;
        at += strlen(at) + 1;
    }
    k->flags = head.flags;
    return true;
}

static const struct child_rule *find_rule(const struct keeper *k)
{
    for (size_t i = 0; i < k->args->n_rules; i++) {
        const struct child_rule *rule = &k->args->rules[i];

        if (strcmp(rule->name, k->words[0]) == 0 &&
            (!rule->allows || rule->allows(k->args->user, &k->words[1])))
            return rule;
    }
    return NULL;
}

/* A byte from the asker: whatever the program has left running may go on. */
static bool is_content(int channel)
{
    char byte;

    return recv(channel, &byte, 1, MSG_DONTWAIT) == 1;
}

static void tell_end(int channel, int ended)
{
    const struct child_answer a = { .ended = ended };

    (void)!send(channel, &a, sizeof a, MSG_NOSIGNAL);
}

static _Noreturn void keep(struct keeper *k, pid_t pid, int children)
{
    int channel = k->fds[CHILD_CHANNEL];
    bool told = false;

    for (;;) {
        struct pollfd fds[] = { { .fd = channel, .events = POLLIN },
                                { .fd = told ? -1 : children, .events = POLLIN } };
        int ended;

        if (poll(fds, COUNT_OF(fds), -1) < 0 && errno != EINTR)
            _exit(1);
        if (!told && child_has_ended(pid, &ended)) {
            told = true;
            tell_end(channel, ended);
        }
        if (fds[0].revents) {
            child_bury(pid, !is_content(channel));
            _exit(0);
        }
    }
}

static _Noreturn void run_program(struct keeper *k)
{
    sigset_t child;
    int children, failed;
    pid_t pid;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0)
        answer(k, errno, 0, "");
    failed = child_spawn(&k->words[1], k->flags, k->fds[CHILD_IN], k->fds[CHILD_OUT], &pid);
    if (failed)
        answer(k, failed, 0, "");
    close(k->fds[CHILD_IN]);
    close(k->fds[CHILD_OUT]);
    keep(k, pid, children);
}

static _Noreturn void serve(struct keeper *k, const char *text, size_t n)
{
    const struct child_rule *rule;
    struct err e = { 0 };
    int code;

    signal(SIGCHLD, SIG_DFL);
    if (!read_words(k, text, n))
        answer(k, EINVAL, 0, "");
    rule = find_rule(k);
    if (!rule)
        answer(k, EPERM, 0, "it is not among the commands that the agent runs");
    if (k->args->prepare && k->args->prepare(rule->capabilities, &e))
        answer(k, EIO, 0, e.msg);
    if (!rule->run)
        run_program(k);
    signal(SIGPIPE, SIG_DFL); /* who does not read any more needs no answer */
    code = rule->run(&k->words[1], k->fds[CHILD_IN], k->fds[CHILD_OUT]);
    answer(k, 0, W_EXITCODE(code & 0xff, 0), "");
}

/* ---- the helper ---- */

static void begin(const struct child_helper_args *a, int from, char *text, size_t n, int *fds)
{
    struct keeper k = { .args = a };
    pid_t pid = fork();

    if (pid > 0)
        return;
    memcpy(k.fds, fds, sizeof k.fds);
    if (pid < 0) { /* still the helper itself */
        const struct child_answer none = { .failed = errno };

        (void)!send(k.fds[CHILD_CHANNEL], &none, sizeof none, MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    close(from);
    serve(&k, text, n);
}

static _Noreturn void serve_all(const struct child_helper_args *a, int from)
{
    char *text = mem_alloc(CHILD_MESSAGE_MAX);
    int fds[CHILD_FD__COUNT];
    size_t n;

    while ((n = receive(from, text, fds))) {
        if (fds[CHILD_FD__COUNT - 1] >= 0)
            begin(a, from, text, n, fds);
        explicit_bzero(text, n);
        close_all(fds);
    }
    _exit(0);
}

/* Moves it to 3 and closes everything behind. What standard input and output were is not the
 * helper's either. */
static int keep_only(int from)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    if (from != 3) {
        dup2(from, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 4u, ~0u, 0u) == 0)
        return 3;
#endif
    for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd > 3; fd--)
        close((int)fd);
    return 3;
}

static _Noreturn void be_helper(const struct child_helper_args *a, int from)
{
    static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGCHLD };
    struct child_answer ready = { 0 };
    struct err e = { 0 };

    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN); /* of SIGCHLD: keepers leave no zombies */
    from = keep_only(from);
    prctl(PR_SET_NAME, "berth-helper");
    if (a->confine && a->confine(&e)) {
        ready.failed = e.code == ERR_DENIED ? EPERM : EIO;
        memcpy(ready.why, e.msg, strnlen(e.msg, sizeof ready.why - 1));
    }
    (void)!send(from, &ready, sizeof ready, MSG_NOSIGNAL);
    serve_all(a, from);
}

/* ---- the asker's end ---- */

static enum err_code wait_ready(int fd, struct err *e)
{
    struct child_answer ready = { 0 };
    ssize_t n;

    do
        n = recv(fd, &ready, sizeof ready, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof ready)
        return err_set(e, ERR_IO, "the helper that starts programs has ended");
    ready.why[sizeof ready.why - 1] = '\0';
    if (ready.failed)
        return err_set(e, ready.failed == EPERM ? ERR_DENIED : ERR_IO, "%s", ready.why);
    return ERR_OK;
}

enum err_code child_helper_start(const struct child_helper_args *a, struct err *e)
{
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return err_errno(e, errno, "socketpair");
    pid = fork();
    if (pid == 0)
        be_helper(a, ends[1]);
    close(ends[1]);
    if (pid < 0)
        err_errno(e, errno, "fork");
    if (pid < 0 || wait_ready(ends[0], e)) {
        close(ends[0]);
        return e->code;
    }
    helper = ends[0];
    return ERR_OK;
}

bool child_helper_there(void)
{
    return helper >= 0;
}

void child_helper_stop(void)
{
    if (helper >= 0)
        close(helper);
    helper = -1;
}

/* ---- its end ---- */

struct child_watch {
    uv_poll_t poll;
    loop_fn *gone;
    void *user;
};

static void on_news(uv_poll_t *h, int status, int events)
{
    struct child_watch *w = h->data;

    (void)status;
    (void)events; /* it never says anything but that it has ended */
    uv_poll_stop(h);
    w->gone(w->user);
}

struct child_watch *child_helper_watch(struct loop *l, loop_fn *gone, void *user)
{
    struct child_watch *w;

    if (helper < 0)
        return NULL;
    w = NEW(struct child_watch);
    w->gone = gone;
    w->user = user;
    w->poll.data = w;
    if (uv_poll_init(loop_uv(l), &w->poll, helper) ||
        uv_poll_start(&w->poll, UV_READABLE | UV_DISCONNECT, on_news))
        abort(); /* a socket can always be watched */
    return w;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void child_watch_destroy(struct child_watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->poll, on_closed);
}
