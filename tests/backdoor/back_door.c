/* back_door: what code of somebody else's would do inside the agent, at any moment and in any
 * thread: on SIGUSR2 it does what BERTH_BACK_DOOR names, and says what came of it. Linked into a
 * program for tests only. Where the sandbox ends the process, nothing is said. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/str.h"
#include "io/child.h"

static char shell[] = "/bin/sh", dash_c[] = "-c", escape[] = "echo escaped >&2";
static char *const shell_argv[] = { shell, dash_c, escape, NULL };

static long do_socket(int family, int type, int protocol)
{
    return socket(family, type, protocol);
}

static long raw_socket(void)
{
    return do_socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
}

static long raw_socket_6(void)
{
    return do_socket(AF_INET6, SOCK_RAW, 58);
}

static long packet_socket(void)
{
    return do_socket(AF_PACKET, SOCK_RAW, 0);
}

static long netfilter_socket(void)
{
    return do_socket(AF_NETLINK, SOCK_RAW, 12);
}

static long exec_shell(void)
{
    return execve(shell, shell_argv, NULL);
}

static long exec_at(void)
{
    return syscall(SYS_execveat, AT_FDCWD, shell, shell_argv, NULL, 0);
}

static long fork_it(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long trace(void)
{
    return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long peek(void)
{
    char byte;
    struct iovec here = { &byte, 1 }, there = { &byte, 1 };

    return process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}

static long mount_it(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static long load_module(void)
{
    return syscall(SYS_init_module, "", 0ul, "");
}

static long load_module_file(void)
{
    return syscall(SYS_finit_module, 0, "", 0);
}

static long new_namespace(void)
{
    return unshare(CLONE_NEWUSER | CLONE_NEWNS);
}

static long enter_namespace(void)
{
    return setns(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), CLONE_NEWNET);
}

static long load_bpf(void)
{
    union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };

    return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

static long kill_other(void)
{
    return kill(getppid(), 0);
}

static long write_and_execute(void)
{
    return (long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long make_executable(void)
{
    static char page[8192];

    return mprotect((char *)((uintptr_t)(page + 4095) & ~(uintptr_t)4095), 4096,
                    PROT_READ | PROT_EXEC);
}

static long type_into_terminal(void)
{
    return ioctl(0, TIOCSTI, "x");
}

static long set_user_id(void)
{
    return syscall(SYS_fchmod, 2, 04755);
}

static long change_root(void)
{
    return chroot("/tmp");
}

static long open_handle(void)
{
    return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
}

static long become(void)
{
    return syscall(SYS_setuid, 12345);
}

static long read_file(void)
{
    return open(getenv("BERTH_BACK_DOOR_FILE"), O_RDONLY | O_CLOEXEC);
}

static long write_memory(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    return open(path, O_RDWR | O_CLOEXEC);
}

static long thread_by_memory(void)
{
    return syscall(SYS_clone3, NULL, 0ul);
}

static long ring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long future_call(void)
{
    return syscall(500);
}

/* Through the helper: what is not on its list, or has other words. */
static long ask(const char *as, const char *const *argv)
{
    const struct child_args a = { .as = as, .argv = argv, .timeout_ms = 5000, .cancel_fd = -1 };
    struct err e = { 0 };
    int ended;

    if (!child_run(&a, &ended, &e))
        return 0;
    errno = e.code == ERR_DENIED ? EPERM : EIO;
    return -1;
}

static long ask_shell(void)
{
    return ask(NULL, (const char *const *)shell_argv);
}

static long ask_shell_as_iptables(void)
{
    return ask("iptables", (const char *const *)shell_argv);
}

static long ask_shell_as_keys(void)
{
    return ask("credential_process", (const char *const *)shell_argv);
}

static long ask_modprobe(void)
{
    static const char *const argv[] = { "iptables",           "-w", "5", "-t", "nat", "-S", "INPUT",
                                        "--modprobe=/bin/sh", NULL };

    return ask(NULL, argv);
}

static long harmless(void)
{
    return getpid() > 0 ? 0 : -1;
}

static const struct {
    const char *name;
    long (*act)(void);
} acts[] = {
    { "raw-socket", raw_socket },
    { "raw-socket-6", raw_socket_6 },
    { "packet-socket", packet_socket },
    { "netfilter-socket", netfilter_socket },
    { "exec", exec_shell },
    { "execveat", exec_at },
    { "fork", fork_it },
    { "ptrace", trace },
    { "peek", peek },
    { "mount", mount_it },
    { "module", load_module },
    { "module-file", load_module_file },
    { "unshare", new_namespace },
    { "setns", enter_namespace },
    { "bpf", load_bpf },
    { "kill", kill_other },
    { "write-and-execute", write_and_execute },
    { "make-executable", make_executable },
    { "terminal", type_into_terminal },
    { "set-user-id", set_user_id },
    { "chroot", change_root },
    { "open-by-handle", open_handle },
    { "setuid", become },
    { "read-file", read_file },
    { "write-memory", write_memory },
    { "clone3", thread_by_memory },
    { "io-uring", ring },
    { "future", future_call },
    { "ask-shell", ask_shell },
    { "ask-shell-as-iptables", ask_shell_as_iptables },
    { "ask-shell-as-keys", ask_shell_as_keys },
    { "ask-modprobe", ask_modprobe },
    { "harmless", harmless },
};

static void on_signal(int signum)
{
    const char *wanted = getenv("BERTH_BACK_DOOR");

    (void)signum;
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        if (streq(acts[i].name, wanted)) {
            long rc = acts[i].act();

            dprintf(STDERR_FILENO, "back door: %s: %s\n", wanted,
                    rc == -1 ? strerrorname_np(errno) : "done");
        }
    }
}

__attribute__((constructor)) static void open_door(void)
{
    if (getenv("BERTH_BACK_DOOR"))
        signal(SIGUSR2, on_signal);
}
