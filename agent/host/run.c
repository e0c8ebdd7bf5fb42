#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/internal.h"

#define SAYS_MAX  16384
#define LOOK_MS   50 /* between looks at a child that says nothing */
#define ENDING_MS 2  /* between looks at one that has closed its outputs */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A child with nothing on its standard input, what it says in a pipe, and no signal blocked
 * or ignored. 0 or errno. */
static int spawn_child(const char *const *argv, int says, pid_t *pid)
{
    /* Not the agent's own environment, which may hold passwords. */
    const char *path = getenv("PATH");
    AUTO(str) char *path_is = mem_printf("PATH=%s", path ? path : "/usr/bin:/bin");
    char *const env[] = { path_is, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int failed;

    sigemptyset(&none);
    sigfillset(&all);
    failed = posix_spawn_file_actions_init(&files);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attr);
    if (failed) {
        posix_spawn_file_actions_destroy(&files);
        return failed;
    }
    failed = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&files, says, 1);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&files, says, 2);
    if (!failed)
        failed = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(&attr, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(&attr, &all);
    if (!failed)
        failed = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* Keeps what fits; false at the end. */
static bool read_some(int fd, struct buf *text)
{
    char chunk[512];
    ssize_t n = read(fd, chunk, sizeof chunk);

    if (n > 0) {
        size_t room = text->max - text->len;

        buf_append(text, chunk, (size_t)n < room ? (size_t)n : room);
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Its end is looked for with the clock in hand: a child may close the pipe and go on, or
 * leave it open in a child of its own. */
static bool wait_child(pid_t pid, int fd, int64_t timeout_ms, struct buf *text, int *status)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (;;) {
        pid_t ended;

        if (poll(&p, 1, p.fd < 0 ? ENDING_MS : LOOK_MS) > 0 && !read_some(fd, text))
            p.fd = -1; /* ignored by poll from now on */
        ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            break;
        if (now_ms() >= deadline) {
            kill(pid, SIGKILL);
            while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                ;
            return false;
        }
    }
    while (p.fd >= 0 && poll(&p, 1, 0) > 0 && read_some(fd, text))
        ;
    return true;
}

enum err_code host_run(const char *const *argv, int64_t timeout_ms, int *status, struct buf *out,
                       struct err *e)
{
    AUTO(buf) struct buf says = BUF_INIT(SAYS_MAX);
    int fds[2], ended_as = 0, failed;
    bool ended;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return err_errno(e, errno, "%s: pipe", argv[0]);
    failed = spawn_child(argv, fds[1], &pid);
    close(fds[1]);
    if (failed) {
        close(fds[0]);
        return err_errno(e, failed, "%s", argv[0]);
    }
    ended = wait_child(pid, fds[0], timeout_ms, &says, &ended_as);
    close(fds[0]);
    if (!ended)
        return err_set(e, ERR_TIMEOUT, "%s %s: no end after %" PRId64 " ms", argv[0],
                       argv[1] ? argv[1] : "", timeout_ms);
    if (out)
        buf_append(out, buf_text(&says), says.len);
    *status = WIFEXITED(ended_as) ? WEXITSTATUS(ended_as) : 128 + WTERMSIG(ended_as);
    return ERR_OK;
}

enum err_code host_run_well(const char *const *argv, int64_t timeout_ms, struct err *e)
{
    AUTO(buf) struct buf says = BUF_INIT(SAYS_MAX);
    struct str said;
    enum err_code code;
    int status;

    code = host_run(argv, timeout_ms, &status, &says, e);
    if (code || !status)
        return code;
    said = str_trim(buf_str(&says));
    return err_set(e, ERR_IO, "%s %s: exit code %d: %.*s", argv[0], argv[1] ? argv[1] : "", status,
                   (int)said.n, said.n ? said.p : "");
}
