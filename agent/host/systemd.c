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

#define SYSTEMCTL_MS 30000
#define LOOK_MS      50 /* between looks at a child that says nothing */
#define ENDING_MS    2  /* between looks at one that has closed its errors */

void host_args_fini(struct host_args *a)
{
    for (int i = 0; i < a->n; i++)
        free(a->argv[i]);
    *a = (struct host_args){ 0 };
}

static void add(struct host_args *a, char *text)
{
    if (a->n >= HOST_ARGS_MAX - 1)
        abort(); /* the vectors are all built below */
    a->argv[a->n++] = text;
    a->argv[a->n] = NULL;
}

void host_systemd_limits(struct host_args *a, const char *task_id,
                         const struct host_cgroup_limits *l)
{
    struct host_cpu cpu = host_cpu_of(l);

    add(a, mem_strdup("systemctl"));
    add(a, mem_strdup("set-property"));
    add(a, mem_strdup("--runtime"));
    add(a, mem_printf("ecstasks-%s.slice", task_id));
    if (cpu.quota_us) {
        add(a, mem_printf("CPUQuota=%" PRId64 "%%", cpu.quota_percent));
        add(a, mem_printf("CPUQuotaPeriodSec=%" PRId64 "us", cpu.period_us));
    } else {
        add(a, mem_printf("CPUWeight=%" PRId64, cpu.weight));
    }
    if (l->memory_bytes > 0)
        add(a, mem_printf("MemoryMax=%" PRId64, l->memory_bytes));
    if (l->pids > 0)
        add(a, mem_printf("TasksMax=%" PRId64, l->pids));
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A child with nothing on its standard input and output, its errors in a pipe, and
 * no signal blocked or ignored. 0 or errno. */
static int spawn_child(char *const argv[], int errors, pid_t *pid)
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
        failed = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&files, errors, 2);
    if (!failed)
        failed = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(&attr, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(&attr, &all);
    if (!failed)
        failed = posix_spawnp(pid, argv[0], &files, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* Keeps what fits of the child's errors; false at their end. */
static bool read_errors(int fd, struct buf *text)
{
    char chunk[512];
    ssize_t n = read(fd, chunk, sizeof chunk);

    if (n > 0) {
        size_t room = text->max - text->len;

        buf_append(text, chunk, (size_t)n < room ? (size_t)n : room);
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Its end is looked for with the clock in hand: a child may close its errors and
 * go on, or leave them open in a child of its own. */
static bool wait_child(pid_t pid, int fd, int64_t timeout_ms, struct buf *text, int *status)
{
    int64_t deadline = now_ms() + timeout_ms;
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (;;) {
        pid_t ended;

        if (poll(&p, 1, p.fd < 0 ? ENDING_MS : LOOK_MS) > 0 && !read_errors(fd, text))
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
    while (p.fd >= 0 && poll(&p, 1, 0) > 0 && read_errors(fd, text))
        ;
    return true;
}

enum err_code host_run(char *const argv[], int64_t timeout_ms, struct err *e)
{
    struct buf text = BUF_INIT(400);
    struct str said;
    int fds[2], status = -1, failed;
    enum err_code code = ERR_OK;
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
    ended = wait_child(pid, fds[0], timeout_ms, &text, &status);
    close(fds[0]);
    said = str_trim(buf_str(&text));
    if (!ended)
        code = err_set(e, ERR_TIMEOUT, "%s %s: no end after %" PRId64 " ms", argv[0], argv[1],
                       timeout_ms);
    else if (!WIFEXITED(status) || WEXITSTATUS(status))
        code = err_set(e, ERR_IO, "%s %s: %s %d: %.*s", argv[0], argv[1],
                       WIFEXITED(status) ? "exit code" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), (int)said.n,
                       said.n ? said.p : "");
    buf_fini(&text);
    return code;
}

enum err_code host_systemctl(const char *verb, const char *task_id, struct err *e)
{
    struct host_args a = { 0 };
    enum err_code code;

    add(&a, mem_strdup("systemctl"));
    add(&a, mem_strdup(verb));
    if (task_id)
        add(&a, mem_printf("ecstasks-%s.slice", task_id));
    code = host_run(a.argv, SYSTEMCTL_MS, e);
    host_args_fini(&a);
    return code;
}
