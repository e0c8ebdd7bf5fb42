#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/child_internal.h"

#define LOOK_MS   50 /* between looks at a child of this process that says nothing */
#define ENDING_MS 2  /* between looks at one that has closed its output */
#define DEFAULT   "/usr/bin:/bin"

/* ---- a process of ours ---- */

static int set_files(posix_spawn_file_actions_t *files, unsigned flags, int in, int out)
{
    int failed = posix_spawn_file_actions_adddup2(files, in, 0);

    failed = failed ? failed : posix_spawn_file_actions_adddup2(files, out, 1);
    if (failed)
        return failed;
    if (flags & CHILD_ERRORS)
        return posix_spawn_file_actions_adddup2(files, out, 2);
    return posix_spawn_file_actions_addopen(files, 2, "/dev/null", O_WRONLY, 0);
}

int child_spawn(const char *const *argv, unsigned flags, int in, int out, pid_t *pid)
{
    const char *path = getenv("PATH");
    AUTO(str) char *path_is = mem_printf("PATH=%s", path ? path : DEFAULT);
    char *const little[] = { path_is, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) || posix_spawnattr_init(&attr))
        abort(); /* no memory */
    failed = set_files(&files, flags, in, out);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)argv,
                              flags & CHILD_ENVIRONMENT ? environ : little);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

bool child_has_ended(pid_t pid, int *ended)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid != pid)
        return false;
    *ended =
        info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : W_EXITCODE(0, info.si_status);
    return true;
}

void child_bury(pid_t pid, bool kill_group)
{
    if (kill_group)
        kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- one run ---- */

struct run {
    const struct child_args *args;
    int out;     /* -1: it is at its end */
    int channel; /* to the helper's keeper; -1: it is a child of this process */
    pid_t pid;   /* of such a child */
    bool ended;
    int how;
    int64_t until;
};

/* /dev/null, or memory that holds the input. */
static int open_input(struct str input, struct err *e)
{
    int fd;

    if (!input.n) {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? (err_errno(e, errno, "/dev/null"), -1) : fd;
    }
    fd = memfd_create("berth-input", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, input.p, input.n, 0) == (ssize_t)input.n)
        return fd;
    err_errno(e, errno, "its input");
    if (fd >= 0)
        close(fd);
    return -1;
}

static enum err_code start_here(struct run *r, unsigned flags, int in, int out, struct err *e)
{
    int failed = child_spawn(r->args->argv, flags, in, out, &r->pid);

    return failed ? err_errno(e, failed, "%.200s", r->args->argv[0]) : ERR_OK;
}

static bool add_text(struct buf *b, struct child_request *head, const char *text)
{
    head->n++;
    return buf_append(b, text, strlen(text) + 1);
}

static enum err_code ask(struct run *r, unsigned flags, int in, int out, struct err *e)
{
    const char *const *argv = r->args->argv;
    struct buf message = BUF_INIT(CHILD_MESSAGE_MAX);
    struct child_request head = { .flags = flags };
    int ends[2], fds[CHILD_FD__COUNT];
    bool fits;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return err_errno(e, errno, "socketpair");
    /* The words may hold keys, so nothing may stay behind in memory that was too small. */
    fits = buf_reserve(&message, CHILD_MESSAGE_MAX - 1) &&
           buf_append(&message, &head, sizeof head) &&
           add_text(&message, &head, r->args->as ? r->args->as : argv[0]);
    for (size_t i = 0; fits && argv[i]; i++)
        fits = add_text(&message, &head, argv[i]);
    if (fits)
        memcpy(message.data, &head, sizeof head);
    fds[CHILD_CHANNEL] = ends[1];
    fds[CHILD_IN] = in;
    fds[CHILD_OUT] = out;
    if (!fits)
        err_set(e, ERR_LIMIT, "%.200s: too many words", argv[0]);
    else if (child_helper_send(buf_str(&message), fds))
        err_errno(e, errno, "%.200s: the helper that starts programs cannot be asked", argv[0]);
    buf_wipe(&message);
    close(ends[1]);
    if (e->code) {
        close(ends[0]);
        return e->code;
    }
    r->channel = ends[0];
    return ERR_OK;
}

static enum err_code start(struct run *r, struct err *e)
{
    unsigned flags =
        (r->args->environment ? CHILD_ENVIRONMENT : 0u) | (r->args->errors ? CHILD_ERRORS : 0u);
    int in = open_input(r->args->input, e), fds[2] = { -1, -1 };

    if (in < 0)
        return e->code;
    if (pipe2(fds, O_CLOEXEC))
        err_errno(e, errno, "pipe");
    else if (child_helper_there())
        (void)!ask(r, flags, in, fds[1], e);
    else
        (void)!start_here(r, flags, in, fds[1], e);
    close(in);
    if (fds[1] >= 0)
        close(fds[1]);
    if (!e->code) {
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        r->out = fds[0];
    } else if (fds[0] >= 0) {
        close(fds[0]);
    }
    return e->code;
}

/* False at the end of the output, or when it is too much. */
static bool read_some(struct run *r, struct err *e)
{
    struct buf *out = r->args->out;
    char chunk[4096];
    ssize_t n = read(r->out, chunk, sizeof chunk);
    size_t room = out ? out->max - out->len : 0;

    if (n > 0 && out)
        buf_append(out, chunk, (size_t)n < room ? (size_t)n : room);
    explicit_bzero(chunk, sizeof chunk);
    if (n > 0 && out && r->args->whole && (size_t)n > room) {
        err_set(e, ERR_LIMIT, "%.200s said more than %zu bytes", r->args->argv[0], out->max);
        return false;
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static enum err_code hear(struct run *r, struct err *e)
{
    struct child_answer answer;
    ssize_t n = recv(r->channel, &answer, sizeof answer, MSG_DONTWAIT);
    const char *name = r->args->argv[0];

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return ERR_OK;
    if (n != sizeof answer)
        return err_set(e, ERR_IO, "%.200s: the process that kept it has ended", name);
    answer.why[sizeof answer.why - 1] = '\0';
    if (answer.failed && *answer.why)
        return err_set(e, answer.failed == EPERM ? ERR_DENIED : ERR_IO, "%.200s: %s", name,
                       answer.why);
    if (answer.failed)
        return err_errno(e, answer.failed, "%.200s", name);
    r->ended = true;
    r->how = answer.ended;
    return ERR_OK;
}

static int patience(const struct run *r, int64_t left)
{
    int64_t look = r->channel >= 0 || r->ended ? INT32_MAX : r->out < 0 ? ENDING_MS : LOOK_MS;

    return (int)(left < look ? left : look);
}

/* Waits for news, and takes them. */
static enum err_code turn(struct run *r, struct err *e)
{
    struct pollfd fds[] = { { .fd = r->args->cancel_fd, .events = POLLIN },
                            { .fd = r->out, .events = POLLIN },
                            { .fd = r->ended ? -1 : r->channel, .events = POLLIN } };
    int64_t left = r->until - clock_mono_ms();

    if (left <= 0)
        return err_set(e, ERR_TIMEOUT, "%.200s: no end after %" PRId64 " ms", r->args->argv[0],
                       r->args->timeout_ms);
    if (poll(fds, COUNT_OF(fds), patience(r, left)) < 0 && errno != EINTR)
        return err_errno(e, errno, "poll");
    if (fds[0].revents)
        return err_set(e, ERR_RETRY, "%.200s was canceled", r->args->argv[0]);
    if (fds[1].revents && !read_some(r, e)) {
        close(r->out);
        r->out = -1;
    }
    if (!e->code && fds[2].revents)
        return hear(r, e);
    if (!r->ended && r->channel < 0)
        r->ended = child_has_ended(r->pid, &r->how);
    return e->code;
}

static void finish(struct run *r, bool well)
{
    if (r->out >= 0)
        close(r->out);
    if (r->channel < 0) {
        child_bury(r->pid, !well);
        return;
    }
    if (well)
        (void)!send(r->channel, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(r->channel);
}

enum err_code child_run(const struct child_args *a, int *ended, struct err *e)
{
    struct run r = {
        .args = a, .out = -1, .channel = -1, .until = clock_mono_ms() + a->timeout_ms
    };
    struct err local = { 0 };

    e = e ? e : &local;
    *e = (struct err){ 0 };
    if (start(&r, e))
        return e->code;
    while (!e->code && !(r.ended && (!a->whole || r.out < 0)))
        (void)!turn(&r, e);
    /* Somebody may hold the output open for longer; what is in it was said by the program. */
    while (!e->code && r.out >= 0 && poll(&(struct pollfd){ r.out, POLLIN, 0 }, 1, 0) > 0 &&
           read_some(&r, e))
        ;
    finish(&r, !e->code);
    if (!e->code)
        *ended = r.how;
    return e->code;
}
