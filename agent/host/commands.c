/* The commands that the helper starts for the agent: which words they may have. Each is taken
 * apart as rules.c and systemd.c put it together, and whatever else could be said to these programs
 * (other tables, programs to load modules with) is refused. */
#include <linux/capability.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/commands.h"
#include "host/internal.h"
#include "host/sandbox.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static bool one_of(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (streq(word, list[i]))
            return true;
    }
    return false;
}

static bool is_number(const char *word)
{
    return *word && strspn(word, "0123456789") == strlen(word) && strlen(word) < 20;
}

static bool is_interface(const char *word)
{
    return *word && *word != '-' && *word != '.' && strlen(word) < 16 && !strpbrk(word, "/: \n\t");
}

/* "127.0.0.1:51679" */
static bool is_here(const char *word)
{
    static const char host[] = "127.0.0.1:";

    return str_starts(word, host) && is_number(word + sizeof host - 1);
}

/* ---- iptables ---- */

static const char *const iptables_words[] = {
    "-p",      "tcp",         "-d",        HOST_ENDPOINTS_ADDRESS,
    "--dport", "-j",          "DNAT",      "--to-destination",
    "--dst",   "127.0.0.0/8", "!",         "--src",
    "-m",      "conntrack",   "--ctstate", "RELATED,ESTABLISHED,DNAT",
    "DROP",    "ACCEPT",      "REDIRECT",  "--to-ports",
    "-i",
};

static bool allows_iptables(void *user, const char *const *argv)
{
    static const char *const programs[] = { "iptables", "ip6tables" };
    static const char *const tables[] = { "nat", "filter" };
    static const char *const verbs[] = { "-C", "-A", "-I", "-D", "-S" };
    static const char *const chains[] = { "PREROUTING", "INPUT", "OUTPUT" };
    size_t n = 0;

    (void)user;
    while (argv[n])
        n++;
    if (n < 7 || !one_of(argv[0], programs, COUNT_OF(programs)) || !streq(argv[1], "-w") ||
        !is_number(argv[2]) || !streq(argv[3], "-t") ||
        !one_of(argv[4], tables, COUNT_OF(tables)) || !one_of(argv[5], verbs, COUNT_OF(verbs)) ||
        !one_of(argv[6], chains, COUNT_OF(chains)))
        return false;
    for (size_t i = 7; i < n; i++) {
        bool known = streq(argv[i - 1], "-i")
                         ? is_interface(argv[i])
                         : one_of(argv[i], iptables_words, COUNT_OF(iptables_words)) ||
                               is_number(argv[i]) || is_here(argv[i]);

        if (!known)
            return false;
    }
    return true;
}

/* ---- ip ---- */

static bool allows_ip(void *user, const char *const *argv)
{
    /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one word */
    static const char *const words[] = { "-4",  NULL, NULL,    HOST_ENDPOINTS_ADDRESS "/32",
                                         "dev", NULL, "scope", "link" };
    size_t n = 0;

    (void)user;
    for (; n < COUNT_OF(words) && argv[n + 1]; n++) {
        if (words[n] && !streq(argv[n + 1], words[n]))
            return false;
    }
    return streq(argv[0], "ip") && n == COUNT_OF(words) && !argv[n + 1] &&
           streq(argv[2], "route") && (streq(argv[3], "add") || streq(argv[3], "del")) &&
           is_interface(argv[6]);
}

/* ---- systemctl ---- */

static bool is_slice(const char *word)
{
    static const char front[] = "ecstasks-", end[] = ".slice";
    size_t n = strlen(word), least = sizeof front + sizeof end - 1;

    return n >= least && n < 256 && str_starts(word, front) && str_ends(word, end) &&
           strspn(word + sizeof front - 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789-_") == n - (least - 1);
}

/* "MemoryMax=268435456", "CPUQuota=50%", "CPUQuotaPeriodSec=100000us" */
static bool is_limit(const char *word)
{
    static const struct {
        const char *name, *unit;
    } limits[] = { { "CPUQuota=", "%" },
                   { "CPUQuotaPeriodSec=", "us" },
                   { "CPUWeight=", "" },
                   { "MemoryMax=", "" },
                   { "TasksMax=", "" } };

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        size_t digits;

        if (!str_starts(word, limits[i].name))
            continue;
        word += strlen(limits[i].name);
        digits = strspn(word, "0123456789");
        return digits > 0 && digits < 20 && streq(word + digits, limits[i].unit);
    }
    return false;
}

static bool allows_systemctl(void *user, const char *const *argv)
{
    const char *verb = argv[1];

    (void)user;
    if (!streq(argv[0], "systemctl") || !verb)
        return false;
    if (streq(verb, "--version"))
        return !argv[2];
    if (streq(verb, "stop") || streq(verb, "revert"))
        return argv[2] && is_slice(argv[2]) && !argv[3];
    if (!streq(verb, "set-property") || !argv[2] || !streq(argv[2], "--runtime") || !argv[3] ||
        !is_slice(argv[3]))
        return false;
    for (size_t i = 4; argv[i]; i++) {
        if (!is_limit(argv[i]))
            return false;
    }
    return argv[4] != NULL;
}

/* ---- all ---- */

static bool allows_owners(void *user, const char *const *argv)
{
    (void)user;
    return streq(argv[0], HOST_OWNERS_COMMAND) && streq(argv[1] ? argv[1] : "", "/proc") &&
           !argv[2];
}

static const struct child_rule commands[] = {
    { "iptables", allows_iptables, NULL, BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) },
    { "ip6tables", allows_iptables, NULL, BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) },
    { "ip", allows_ip, NULL, BIT(CAP_NET_ADMIN) },
    { "systemctl", allows_systemctl, NULL, 0 },
    { HOST_OWNERS_COMMAND, allows_owners, host_owners_run,
      BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH) },
};

const struct child_rule *host_commands(size_t *n)
{
    *n = COUNT_OF(commands);
    return commands;
}
