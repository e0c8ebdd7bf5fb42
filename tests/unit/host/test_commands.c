/* Which words the helper lets through. */
#include "host/commands.h"

#include "host/sandbox.h"
#include "support/check.h"

static bool allowed(const char *const *argv)
{
    size_t n;
    const struct child_rule *rules = host_commands(&n);

    for (size_t i = 0; i < n; i++) {
        if (streq(rules[i].name, argv[0]))
            return rules[i].allows(NULL, argv);
    }
    return false;
}

/* As rules.c and systemd.c say them; those that are run end to end are tested with the agent. */
static void test_what_is_said(void **state)
{
    static const char *const rows[][24] = {
        { "iptables", "-w", "5", "-t", "nat", "-C", "PREROUTING", "-p", "tcp", "-d",
          "169.254.170.2", "--dport", "80", "-j", "DNAT", "--to-destination", "127.0.0.1:51679" },
        { "iptables", "-w", "5", "-t", "filter", "-I", "INPUT", "--dst", "127.0.0.0/8", "!",
          "--src", "127.0.0.0/8", "-m", "conntrack", "!", "--ctstate", "RELATED,ESTABLISHED,DNAT",
          "-j", "DROP" },
        { "ip6tables", "-w", "5", "-t", "filter", "-D", "INPUT", "-p", "tcp", "--dport", "51678",
          "!", "-i", "lo", "-j", "DROP" },
        { "ip6tables", "-w", "5", "-t", "filter", "-I", "INPUT", "-p", "tcp", "--dport", "51678",
          "-i", "docker0", "-j", "ACCEPT" },
        { "iptables", "-w", "5", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-d", "169.254.170.2",
          "--dport", "80", "-j", "REDIRECT", "--to-ports", "51679" },
        { "iptables", "-w", "5", "-t", "filter", "-S", "INPUT" },
        { "ip", "-4", "route", "add", "169.254.170.2/32", "dev", "lo", "scope", "link" },
        { "ip", "-4", "route", "del", "169.254.170.2/32", "dev", "eth0.5", "scope", "link" },
        { "systemctl", "--version" },
        { "systemctl", "stop", "ecstasks-0af3.slice" },
        { "systemctl", "revert", "ecstasks-0af3-b_2.slice" },
        { "systemctl", "set-property", "--runtime", "ecstasks-0af3.slice", "CPUQuota=50%",
          "CPUQuotaPeriodSec=100000us", "MemoryMax=268435456", "TasksMax=100" },
        { "systemctl", "set-property", "--runtime", "ecstasks-0af3.slice", "CPUWeight=39" },
        { "socket-owners", "/proc" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(allowed(rows[i]));
}

static void test_what_is_not(void **state)
{
    static const char *const rows[][24] = {
        { "sh", "-c", "id" },
        { "/sbin/iptables", "-w", "5", "-t", "nat", "-S", "INPUT" },
        { "iptables" },
        { "iptables", "-F" },
        { "iptables", "-w", "5", "-t", "nat", "-F", "PREROUTING" },
        { "iptables", "-w", "5", "-t", "mangle", "-S", "INPUT" },
        { "iptables", "-w", "5", "-t", "filter", "-S", "FORWARD" },
        { "iptables", "-w", "5", "-t", "filter", "-S", "INPUT", "--modprobe=/tmp/x" },
        { "iptables", "-w", "5", "-t", "filter", "-S", "INPUT", "-M", "/tmp/x" },
        { "iptables", "-w", "5", "-t", "filter", "-A", "INPUT", "-j", "LOG" },
        { "iptables", "-w", "5", "-t", "nat", "-A", "OUTPUT", "-j", "DNAT", "--to-destination",
          "10.0.0.1:80" },
        { "iptables", "-w", "5", "-t", "filter", "-I", "INPUT", "-i", "--modprobe=x" },
        { "iptables", "-w", "-5", "-t", "filter", "-S", "INPUT" },
        { "ip" },
        { "ip", "-4", "route", "add", "0.0.0.0/0", "dev", "lo", "scope", "link" },
        { "ip", "-4", "route", "flush", "169.254.170.2/32", "dev", "lo", "scope", "link" },
        { "ip", "-4", "route", "add", "169.254.170.2/32", "dev", "-batch", "scope", "link" },
        { "ip", "-4", "route", "add", "169.254.170.2/32", "dev", "lo", "scope" },
        { "ip", "-4", "route", "add", "169.254.170.2/32", "dev", "lo", "scope", "link", "x" },
        { "ip", "netns", "exec", "x", "sh" },
        { "systemctl" },
        { "systemctl", "stop" },
        { "systemctl", "stop", "docker.service" },
        { "systemctl", "stop", "ecstasks-.slice" },
        { "systemctl", "stop", "ecstasks-a/../b.slice" },
        { "systemctl", "stop", "ecstasks-a.slice", "docker.service" },
        { "systemctl", "start", "ecstasks-a.slice" },
        { "systemctl", "set-property", "ecstasks-a.slice", "CPUWeight=39" },
        { "systemctl", "set-property", "--runtime", "ecstasks-a.slice" },
        { "systemctl", "set-property", "--runtime", "ecstasks-a.slice", "DeviceAllow=/dev/sda rw" },
        { "systemctl", "set-property", "--runtime", "ecstasks-a.slice", "MemoryMax=" },
        { "systemctl", "set-property", "--runtime", "ecstasks-a.slice", "MemoryMax=1G" },
        { "systemctl", "--version", "x" },
        { "socket-owners" },
        { "socket-owners", "/tmp" },
        { "socket-owners", "/proc", "x" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (allowed(rows[i]))
            fail_msg("row %zu, %s, is allowed", i, rows[i][0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_what_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
