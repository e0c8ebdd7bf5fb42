/* The line about a call that the filter refuses. It is written in a signal handler, in whatever
 * state the thread is, so everything it needs is there before. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/sandbox_internal.h"

#define NUMBERS_MAX 1024
#define NAMES_MAX   16384
#define LINE_MAX_   512
#define ARGS        6

static char names[NAMES_MAX]; /* one after the other; an empty one first */
static uint16_t name_at[NUMBERS_MAX];

static void make_names(void)
{
    size_t used = 1;

    for (int i = 0; i < NUMBERS_MAX; i++) {
        AUTO(str) char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
        size_t n = name ? strlen(name) + 1 : 0;

        if (!name || used + n > sizeof names)
            continue;
        memcpy(names + used, name, n);
        name_at[i] = (uint16_t)used;
        used += n;
    }
}

/* ---- in the handler: no allocation, no locks, no stdio ---- */

struct line {
    char text[LINE_MAX_];
    size_t n;
};

static void put(struct line *l, const char *text)
{
    while (*text && l->n < sizeof l->text)
        l->text[l->n++] = *text++;
}

static void put_number(struct line *l, uint64_t value, unsigned base)
{
    static const char digits[] = "0123456789abcdef";
    char text[32], *at = text + sizeof text;

    *--at = '\0';
    do
        *--at = digits[value % base];
    while (value /= base);
    put(l, at);
}

/* The arguments, as the registers still have them. They say what a refused ioctl or socket was;
 * what they point to is not read. */
static size_t arguments(const void *context, uint64_t out[ARGS])
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    static const int regs[ARGS] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9 };

    for (size_t i = 0; i < ARGS; i++)
        out[i] = (uint64_t)u->uc_mcontext.gregs[regs[i]];
    return ARGS;
#elif defined(__aarch64__)
    for (size_t i = 0; i < ARGS; i++)
        out[i] = u->uc_mcontext.regs[i];
    return ARGS;
#else
    (void)u;
    (void)out;
    return 0;
#endif
}

static void put_arguments(struct line *l, const void *context)
{
    uint64_t args[ARGS];
    size_t n = arguments(context, args);

    put(l, " args=\"");
    for (size_t i = 0; i < n; i++) {
        put(l, i ? ",0x" : "0x");
        put_number(l, args[i], 16);
    }
    put(l, "\"");
}

static void on_refused(int signum, siginfo_t *info, void *context)
{
    unsigned number = (unsigned)info->si_syscall;
    struct line l = { .n = 0 };

    put(&l,
        "level=crit mod=host msg=\"the sandbox refuses a system call; the agent ends\" call=\"");
    put(&l, names + (number < NUMBERS_MAX ? name_at[number] : 0));
    put(&l, "\" number=");
    put_number(&l, number, 10);
    put_arguments(&l, context);
    put(&l, " thread=");
    put_number(&l, (uint64_t)gettid(), 10);
    if (l.n == sizeof l.text)
        l.n--;
    l.text[l.n++] = '\n';
    (void)!write(STDERR_FILENO, l.text, l.n);
    /* The default action, in which no handler has a part any more. */
    signal(signum, SIG_DFL);
    raise(signum);
    /* cppcheck-suppress unreachableCode ; where the signal is blocked it comes later */
    _exit(128 + signum);
}

void sandbox_trap(void)
{
    struct sigaction act = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER };

    make_names();
    sigemptyset(&act.sa_mask);
    sigaction(SIGSYS, &act, NULL);
}
