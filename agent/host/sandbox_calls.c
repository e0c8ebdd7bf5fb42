/* The system calls: what the agent may do, what is answered as by an older kernel, and what no
 * program of the helper may do. Whatever a library of Debian 12, Ubuntu or Amazon Linux uses is
 * here under both its names, the old and the new: the one that a C library takes is its own
 * affair. */
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/defs.h"
#include "host/sandbox_internal.h"

#define SET_VMA   0x53564d41 /* PR_SET_VMA: names of memory, by newer C libraries */
#define TCGETS2_  0x802c542a /* isatty() of newer C libraries; its macro needs a kernel's struct */
#define TMPFILE   020000000  /* O_TMPFILE without what it includes */
#define TYPE_MASK 0xf        /* the rest of a socket's type are flags */

#define SPACES                                                                                    \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)
#define THREAD  (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define CREATES (O_CREAT | TMPFILE)
#define SET_ID  (S_ISUID | S_ISGID)
#define WX      (PROT_WRITE | PROT_EXEC)

/* An argument of 32 bits: what is above them in the register is not the call's. */
#define IS(arg, value)                             \
    {                                              \
        arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, value \
    }
#define HAS(arg, mask, bits)                \
    {                                       \
        arg, SCMP_CMP_MASKED_EQ, mask, bits \
    }
#define ABOVE(arg, value)          \
    {                              \
        arg, SCMP_CMP_GT, value, 0 \
    }
#define IF(call, condition) \
    {                       \
#call, false, 1,    \
        {                   \
            condition       \
        }                   \
    }
#define IF_BOTH(call, first, second) \
    {                                \
#call, false, 2,             \
        {                            \
            first, second            \
        }                            \
    }
#define ON_ITSELF(call) \
    {                   \
#call, true, 0, \
        {               \
            {           \
                0       \
            }           \
        }               \
    }

/* Newer than the library may be; the same for all processors. */
static const struct {
    const char *name;
    int number;
} newer[] = {
    { "clone3", 435 },           { "close_range", 436 },   { "faccessat2", 439 },
    { "epoll_pwait2", 441 },     { "mount_setattr", 442 }, { "quotactl_fd", 443 },
    { "memfd_secret", 447 },     { "futex_waitv", 449 },   { "fchmodat2", 452 },
    { "map_shadow_stack", 453 }, { "futex_wake", 454 },    { "futex_wait", 455 },
    { "futex_requeue", 456 },    { "mseal", 462 },         { "open_tree_attr", 467 },
};

int sandbox_number(const char *name)
{
    int number = seccomp_syscall_resolve_name(name);

    for (size_t i = 0; number < 0 && i < COUNT_OF(newer); i++) {
        if (strcmp(newer[i].name, name) == 0)
            number = newer[i].number;
    }
    return number < 0 ? -1 : number;
}

/* ---- the agent ---- */

static const char *const allowed[] = {
    /* Files: which ones is the matter of their modes. SQLite as root gives its log the owner that
     * the database has (fchown), which is root here. */
    "close close_range read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2",
    "lseek _llseek fsync fdatasync ftruncate fallocate fadvise64 readahead flock fcntl fcntl64",
    "dup dup2 dup3 umask getcwd stat lstat fstat newfstatat fstatat64 statx statfs fstatfs",
    "statfs64 fstatfs64 access faccessat faccessat2 getdents64 readlink readlinkat mkdir mkdirat",
    "rmdir unlink unlinkat rename renameat renameat2 utimensat fchown",
    "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
    /* Waiting, and telling each other. */
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select",
    "pselect6 pipe pipe2 eventfd eventfd2 timerfd_create timerfd_settime timerfd_gettime futex",
    "futex_waitv futex_wake futex_wait futex_requeue membarrier nanosleep clock_nanosleep pause",
    "sched_yield",
    /* Sockets; which ones is below. */
    "bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt",
    "sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg",
    /* Memory; which of it is below. */
    "munmap mremap madvise msync mincore brk mlock mlock2 munlock memfd_create memfd_secret mseal",
    "map_shadow_stack",
    /* Threads, and who one is. */
    "set_robust_list get_robust_list set_tid_address rseq exit exit_group arch_prctl gettid getpid",
    "getppid getpgrp getpgid getsid getuid geteuid getgid getegid getresuid getresgid getgroups",
    "capget sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max",
    "sched_get_priority_min getcpu",
    /* Signals. */
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait",
    "sigaltstack sigreturn restart_syscall alarm setitimer getitimer",
    /* What time it is, and what there is. */
    "clock_gettime clock_getres gettimeofday time times getrusage sysinfo uname getrandom",
    "getrlimit ugetrlimit",
#ifdef SANDBOX_FOR_SANITIZERS
    /* LeakSanitizer stops all threads by ptrace, from a process that it clones. */
    "clone getdents ptrace wait4 waitid prctl kill tkill tgkill personality process_vm_readv",
    "process_vm_writev mmap mprotect prlimit64 setrlimit sched_setaffinity",
#endif
};

static const struct sandbox_call allowed_if[] = {
    /* No file becomes set-user-id. */
    IF(open, HAS(1, CREATES, 0)),
    IF(open, HAS(2, SET_ID, 0)),
    IF(openat, HAS(2, CREATES, 0)),
    IF(openat, HAS(3, SET_ID, 0)),
    IF(chmod, HAS(1, SET_ID, 0)),
    IF(fchmod, HAS(1, SET_ID, 0)),
    IF(fchmodat, HAS(2, SET_ID, 0)),
    IF(fchmodat2, HAS(2, SET_ID, 0)),
    /* The four families that are spoken, none of them raw. Netlink: the addresses of interfaces,
     * which getaddrinfo() too wants to know. */
    IF(socket, IS(0, AF_UNIX)),
    IF_BOTH(socket, IS(0, AF_INET), HAS(1, TYPE_MASK, SOCK_STREAM)),
    IF_BOTH(socket, IS(0, AF_INET), HAS(1, TYPE_MASK, SOCK_DGRAM)),
    IF_BOTH(socket, IS(0, AF_INET6), HAS(1, TYPE_MASK, SOCK_STREAM)),
    IF_BOTH(socket, IS(0, AF_INET6), HAS(1, TYPE_MASK, SOCK_DGRAM)),
    IF_BOTH(socket, IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)),
    IF(socketpair, IS(0, AF_UNIX)),
    IF(ioctl, IS(1, FIONBIO)),
    IF(ioctl, IS(1, FIOCLEX)),
    IF(ioctl, IS(1, FIONCLEX)),
    IF(ioctl, IS(1, FIONREAD)),
    IF(ioctl, IS(1, TCGETS)),
    IF(ioctl, IS(1, TCGETS2_)),
    IF(ioctl, IS(1, TIOCGWINSZ)),
    IF(ioctl, IS(1, SIOCGIFFLAGS)),
    IF(ioctl, IS(1, SIOCGIFINDEX)),
    IF(ioctl, IS(1, SIOCGIFNAME)),
    /* Never memory that can be written and executed. A file may be mapped to be executed: the C
     * library loads what resolves names (nsswitch.conf). */
    IF(mmap, HAS(2, WX, 0)),
    IF(mmap, HAS(2, WX, PROT_WRITE)),
    IF(mmap, HAS(2, WX, PROT_EXEC)),
    IF(mmap2, HAS(2, WX, 0)),
    IF(mmap2, HAS(2, WX, PROT_WRITE)),
    IF(mmap2, HAS(2, WX, PROT_EXEC)),
    IF(mprotect, HAS(2, PROT_EXEC, 0)),
    IF(pkey_mprotect, HAS(2, PROT_EXEC, 0)),
    /* Threads of this process, in its namespaces; no other process. */
    IF(clone, HAS(0, THREAD | SPACES, THREAD)),
    IF(prctl, IS(0, PR_SET_NAME)),
    IF(prctl, IS(0, PR_GET_NAME)),
    IF(prctl, IS(0, PR_GET_DUMPABLE)),
    IF(prctl, IS(0, SET_VMA)),
    /* Limits are read (the new ones are NULL). */
    IF(prlimit64, HAS(2, UINT64_MAX, 0)),
    /* Signals to itself alone: abort() for one. */
    ON_ITSELF(kill),
    ON_ITSELF(tgkill),
};

/* Tried first by newer libraries, which then do without: threads with arguments that a filter
 * cannot see, file work that passes every filter by. */
const char *const sandbox_unknown =
    "clone3 io_uring_setup io_uring_enter io_uring_register openat2 pidfd_open pidfd_send_signal "
    "pidfd_getfd";

/* ---- programs of the helper ---- */

/* What no iptables, no systemctl and no program that prints keys has a use for, whoever it obeys.
 * Most of it asks for rights that they do not have either; this is the second lock. */
static const char *const refused[] = {
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd perf_event_open "
    "bpf",
    "userfaultfd lookup_dcookie init_module finit_module delete_module create_module kexec_load",
    "kexec_file_load reboot syslog acct swapon swapoff mount umount umount2 pivot_root chroot",
    "move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr setns "
    "unshare",
    "open_by_handle_at fanotify_init quotactl quotactl_fd mknod mknodat settimeofday",
    "clock_settime clock_adjtime adjtimex stime sethostname setdomainname ioperm iopl modify_ldt",
    "vm86 vm86old nfsservctl uselib ustat _sysctl vhangup add_key request_key keyctl",
    "io_uring_setup io_uring_enter io_uring_register",
};

static const struct sandbox_call refused_if[] = {
    /* Sockets of families that only the kernel's own bugs make interesting. */
    IF(socket, ABOVE(0, AF_NETLINK)),
    IF(socket, IS(0, AF_AX25)),
    IF(socket, IS(0, AF_IPX)),
    IF(socket, IS(0, AF_APPLETALK)),
    IF(socket, IS(0, AF_NETROM)),
    IF(socket, IS(0, AF_BRIDGE)),
    IF(socket, IS(0, AF_ATMPVC)),
    IF(socket, IS(0, AF_X25)),
    IF(socket, IS(0, AF_ROSE)),
    IF(socket, IS(0, AF_DECnet)),
    IF(socket, IS(0, AF_NETBEUI)),
    IF(socket, IS(0, AF_SECURITY)),
    IF(socket, IS(0, AF_KEY)),
    /* New namespaces, one row for each: rows add up. */
    IF(clone, HAS(0, CLONE_NEWNS, CLONE_NEWNS)),
    IF(clone, HAS(0, CLONE_NEWUTS, CLONE_NEWUTS)),
    IF(clone, HAS(0, CLONE_NEWIPC, CLONE_NEWIPC)),
    IF(clone, HAS(0, CLONE_NEWUSER, CLONE_NEWUSER)),
    IF(clone, HAS(0, CLONE_NEWPID, CLONE_NEWPID)),
    IF(clone, HAS(0, CLONE_NEWNET, CLONE_NEWNET)),
    IF(clone, HAS(0, CLONE_NEWCGROUP, CLONE_NEWCGROUP)),
};

const struct sandbox_list sandbox_allowed = { allowed, COUNT_OF(allowed), allowed_if,
                                              COUNT_OF(allowed_if) };
const struct sandbox_list sandbox_refused = { refused, COUNT_OF(refused), refused_if,
                                              COUNT_OF(refused_if) };
