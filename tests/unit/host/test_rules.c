/* What is asked of iptables and ip, word by word, and what is made of their answers; with the
 * kernel's own rules, see the component test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/internal.h"

/* ---- programs that write down how they were called ---- */

static char root[64];
static char *iptables, *ip6tables, *ip, *proc;
static struct host_rules_config config;

static char *below(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void write_file(const char *path, const char *text)
{
    AUTO(str) char *full = below(path);
    FILE *f = fopen(full, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *want)
{
    AUTO(str) char *full = below(path);
    AUTO(buf) struct buf text = BUF_INIT(1 << 16);
    struct err e = { 0 };

    if (host_read_file(full, &text, &e) && e.code != ERR_NOT_FOUND)
        fail_msg("%s", e.msg);
    assert_string_equal(buf_text(&text), want);
}

static void program(const char *name, const char *answer)
{
    AUTO(str) char *path = below(name);
    AUTO(str)
    char *text = mem_printf("#!/bin/sh\necho \"%s $*\" >>%s/log\n%s\n", name, root, answer);

    write_file(name, text);
    assert_int_equal(chmod(path, 0755), 0);
}

/* Nothing is there yet: -C and -D find nothing. */
#define NOTHING_THERE "case \" $* \" in *' -C '*|*' -D '*) exit 1;; esac"

#define NO_DEFAULT                                                         \
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n" \
    "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n"
#define A_DEFAULT "eth0\t00000000\t0102000A\t0003\t0\t0\t100\t00000000\t0\n"
#define OUR_ROUTE "lo\t02AAFEA9\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\n"

static int setup(void **state)
{
    AUTO(str) char *folders = NULL;

    (void)state;
    snprintf(root, sizeof root, "/tmp/berth-rules-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    folders = mem_printf("cd '%s' && mkdir -p proc/sys/net/ipv4/conf/all "
                         "proc/sys/net/ipv4/conf/default proc/net proc/sys/net/ipv6/conf/docker0",
                         root);
    if (system(folders))
        return -1;
    iptables = below("iptables");
    ip6tables = below("ip6tables");
    ip = below("ip");
    proc = below("proc");
    program("iptables", NOTHING_THERE);
    program("ip6tables", NOTHING_THERE);
    program("ip", "");
    write_file("proc/sys/net/ipv4/conf/all/route_localnet", "0\n");
    write_file("proc/sys/net/ipv4/conf/default/route_localnet", "0\n");
    write_file("proc/sys/net/ipv6/conf/docker0/accept_ra", "1\n");
    write_file("proc/net/route", NO_DEFAULT A_DEFAULT);
    config = (struct host_rules_config){
        .iptables = iptables,
        .ip6tables = ip6tables,
        .ip = ip,
        .proc = proc,
        .endpoints_port = 51679,
        .introspection_port = 51678,
        .bridge = "docker0",
    };
    return 0;
}

static int teardown(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf '%s'", root);

    (void)state;
    free(iptables);
    free(ip6tables);
    free(ip);
    free(proc);
    return system(command);
}

static void put(void)
{
    struct err e = { 0 };

    if (host_rules_put(&config, &e))
        fail_msg("%s", e.msg);
}

static void take(void)
{
    struct err e = { 0 };

    if (host_rules_take(&config, &e))
        fail_msg("%s", e.msg);
}

static void assert_calls(const char *const *want)
{
    AUTO(buf) struct buf all = BUF_INIT(1 << 16);

    for (; *want; want++)
        assert_true(buf_puts(&all, *want));
    assert_file("log", buf_text(&all));
}
#define assert_log(...) assert_calls((const char *const[]){ __VA_ARGS__, NULL })

/* ---- what is asked ---- */

#define DNAT \
    "PREROUTING -p tcp -d 169.254.170.2 --dport 80 -j DNAT --to-destination 127.0.0.1:51679\n"
#define LOCALHOST                                                           \
    "INPUT --dst 127.0.0.0/8 ! --src 127.0.0.0/8 -m conntrack ! --ctstate " \
    "RELATED,ESTABLISHED,DNAT -j DROP\n"
#define DROP     "INPUT -p tcp --dport 51678 ! -i lo -j DROP\n"
#define ACCEPT   "INPUT -p tcp --dport 51678 -i docker0 -j ACCEPT\n"
#define REDIRECT "OUTPUT -p tcp -d 169.254.170.2 --dport 80 -j REDIRECT --to-ports 51679\n"

#define V4    "iptables -w 5 -t "
#define V6    "ip6tables -w 5 -t "
#define ORDER "filter -S INPUT\n"

static void test_put_what_is_missing(void **state)
{
    (void)state;
    put();
    assert_log(V4 "nat -C " DNAT, V4 "nat -A " DNAT, V4 "filter -C " LOCALHOST,
               V4 "filter -I " LOCALHOST, V4 "filter -C " DROP, V4 "filter -I " DROP,
               V4 "filter -D " ACCEPT, V4 "filter -C " ACCEPT, V4 "filter -I " ACCEPT,
               V4 "nat -C " REDIRECT, V4 "nat -A " REDIRECT, V6 "filter -C " DROP,
               V6 "filter -I " DROP, V6 "filter -D " ACCEPT, V6 "filter -C " ACCEPT,
               V6 "filter -I " ACCEPT);
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "1\n");
    assert_file("proc/sys/net/ipv6/conf/docker0/accept_ra", "0\n");
}

/* All is there, in order: nothing is changed. */
static void test_put_what_is_there(void **state)
{
    (void)state;
    program("iptables", "printf '%s\\n' '-P INPUT ACCEPT' "
                        "'-A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT' "
                        "'-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP'");
    write_file("proc/sys/net/ipv4/conf/all/route_localnet", "1\n");
    unlink(ip6tables);
    put();
    assert_log(V4 "nat -C " DNAT, V4 "filter -C " LOCALHOST, V4 "filter -C " DROP, V4 ORDER,
               V4 "filter -C " ACCEPT, V4 "nat -C " REDIRECT);
}

static enum err_code look(struct err *e)
{
    *e = (struct err){ 0 };
    return host_rules_look(&config, e);
}

/* Asks for what is wanted, and changes nothing. */
static void test_look(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(look(&e), ERR_OK);
    assert_log(V4 "nat -C " DNAT, V4 "filter -C " LOCALHOST, V4 "filter -C " DROP,
               V4 "filter -C " ACCEPT, V4 "nat -C " REDIRECT, V6 "filter -C " DROP,
               V6 "filter -C " ACCEPT);
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "0\n");
    config.bridge = NULL;
    config.skip_localhost_filter = true;
    unlink(ip6tables); /* then IPv6 is nobody's */
    assert_int_equal(look(&e), ERR_OK);
    assert_int_equal(e.code, ERR_OK);
    program("ip6tables", "echo 'no such table' >&2; exit 3");
    assert_int_equal(look(&e), ERR_IO);
    assert_non_null(strstr(e.msg, "no such table"));
    program("iptables", "echo 'you must be root' >&2; exit 4");
    assert_int_equal(look(&e), ERR_DENIED);
    unlink(iptables);
    assert_int_equal(look(&e), ERR_NOT_FOUND);
    config.bridge = "-x";
    assert_int_equal(look(&e), ERR_INVALID);
}

/* As the configuration before has left them, they go. */
static void test_put_without(void **state)
{
    (void)state;
    config.skip_localhost_filter = true;
    config.offhost_introspection = true;
    unlink(ip6tables);
    put();
    assert_log(V4 "nat -C " DNAT, V4 "nat -A " DNAT, V4 "filter -D " LOCALHOST,
               V4 "filter -D " DROP, V4 "filter -D " ACCEPT, V4 "nat -C " REDIRECT,
               V4 "nat -A " REDIRECT);
}

static void test_no_bridge(void **state)
{
    (void)state;
    config.bridge = NULL;
    unlink(ip6tables);
    put();
    assert_log(V4 "nat -C " DNAT, V4 "nat -A " DNAT, V4 "filter -C " LOCALHOST,
               V4 "filter -I " LOCALHOST, V4 "filter -C " DROP, V4 "filter -I " DROP,
               V4 "nat -C " REDIRECT, V4 "nat -A " REDIRECT);
    assert_file("proc/sys/net/ipv6/conf/docker0/accept_ra", "1\n");
}

/* Those that the configuration does not want now were perhaps put by the one before. */
static void test_take(void **state)
{
    (void)state;
    config.skip_localhost_filter = true;
    config.offhost_introspection = true;
    write_file("proc/sys/net/ipv4/conf/all/route_localnet", "1\n");
    take();
    assert_log(V4 "nat -D " DNAT, V4 "filter -D " LOCALHOST, V4 "filter -D " DROP,
               V6 "filter -D " DROP, V4 "filter -D " ACCEPT, V6 "filter -D " ACCEPT,
               V4 "nat -D " REDIRECT);
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "0\n");
    write_file("proc/sys/net/ipv4/conf/default/route_localnet", "1\n");
    take();
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "1\n");
}

/* Only where there is no other way out, and once. */
static void test_route(void **state)
{
    static const struct {
        const char *table, *put, *take; /* "": ip is not called */
    } cases[] = {
        { NO_DEFAULT A_DEFAULT, "", "" },
        { NO_DEFAULT, "ip -4 route add 169.254.170.2/32 dev lo scope link\n", "" },
        { NO_DEFAULT OUR_ROUTE, "", "ip -4 route del 169.254.170.2/32 dev lo scope link\n" },
        { A_DEFAULT OUR_ROUTE, "", "ip -4 route del 169.254.170.2/32 dev lo scope link\n" },
    };
    AUTO(str) char *log = below("log");

    (void)state;
    /* They write nothing down. */
    config.iptables = config.ip6tables = "true";
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_file("proc/net/route", cases[i].table);
        put();
        assert_file("log", cases[i].put);
        unlink(log);
        config.iptables = config.ip6tables = "false"; /* nothing to take */
        take();
        assert_file("log", cases[i].take);
        unlink(log);
        config.iptables = config.ip6tables = "true";
    }
    write_file("proc/net/route", NO_DEFAULT);
    program("ip", "echo 'RTNETLINK answers: Operation not permitted'; exit 2");
    struct err e = { 0 };
    assert_int_equal(host_rules_put(&config, &e), ERR_DENIED);
    assert_string_equal(e.msg, "ip route add: exit code 2: RTNETLINK answers: Operation not "
                               "permitted");
}

/* ---- what they answer ---- */

static void test_missing(void **state)
{
    struct err e = { 0 };

    (void)state;
    unlink(iptables);
    assert_int_equal(host_rules_put(&config, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "/iptables: No such file"));
    /* What goes without it is put all the same. */
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "1\n");
    assert_int_equal(host_rules_take(&config, &e), ERR_NOT_FOUND);
    assert_file("proc/sys/net/ipv4/conf/all/route_localnet", "0\n");
}

static void test_denied(void **state)
{
    struct err e = { 0 };

    (void)state;
    program("iptables", "echo 'iptables v1.8.9 (nf_tables): Could not fetch rule set: Permission "
                        "denied (you must be root)'; exit 4");
    assert_int_equal(host_rules_put(&config, &e), ERR_DENIED);
    AUTO(str)
    char *want = mem_printf(
        "%s -t nat -C PREROUTING: exit code 4: iptables v1.8.9 (nf_tables): Could not fetch "
        "rule set: Permission denied (you must be root)",
        iptables);
    assert_string_equal(e.msg, want);
}

/* The first failure is told; what comes after is tried. */
static void test_failures_when_putting(void **state)
{
    struct err e = { 0 };

    (void)state;
    program("iptables", "case \" $* \" in *' -A OUTPUT '*) echo last; exit 1;; *conntrack*) "
                        "echo 'no such match'; exit 2;; *' -C '*|*' -D '*) exit 1;; esac");
    unlink(ip6tables);
    assert_int_equal(host_rules_put(&config, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "-t filter -C INPUT: exit code 2: no such match"));
    assert_log(V4 "nat -C " DNAT, V4 "nat -A " DNAT, V4 "filter -C " LOCALHOST,
               V4 "filter -C " DROP, V4 "filter -I " DROP, V4 "filter -D " ACCEPT,
               V4 "filter -C " ACCEPT, V4 "filter -I " ACCEPT, V4 "nat -C " REDIRECT,
               V4 "nat -A " REDIRECT);
}

static void test_failures_when_taking(void **state)
{
    struct err e = { 0 };

    (void)state;
    program("iptables", "case \" $* \" in *REDIRECT*) echo second; exit 3;; *conntrack*) "
                        "echo first; exit 2;; esac; exit 1");
    assert_int_equal(host_rules_take(&config, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "-t filter -D INPUT: exit code 2: first"));
    assert_log(V4 "nat -D " DNAT, V4 "filter -D " LOCALHOST, V4 "filter -D " DROP,
               V6 "filter -D " DROP, V4 "filter -D " ACCEPT, V6 "filter -D " ACCEPT,
               V4 "nat -D " REDIRECT);
}

static void test_sysctl_that_cannot_be(void **state)
{
    AUTO(str) char *path = below("proc/sys/net/ipv4/conf/all/route_localnet");
    struct err e = { 0 };

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(host_rules_put(&config, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "route_localnet: No such file"));
    assert_file("proc/sys/net/ipv6/conf/docker0/accept_ra", "0\n"); /* it went on */
}

static void test_bridge_names(void **state)
{
    static const char *const bad[] = { "", "-j", "../x", "a/b", "a b", "longer-than-names-are" };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        config.bridge = bad[i];
        assert_int_equal(host_rules_put(&config, &e), ERR_INVALID);
        assert_int_equal(host_rules_take(&config, &e), ERR_INVALID);
    }
    assert_file("log", "");
}

/* ---- what is listed ---- */

static void test_routes(void **state)
{
    static const struct {
        const char *text;
        bool has_default, has_ours;
    } cases[] = {
        { "", false, false },
        { NO_DEFAULT, false, false },
        { NO_DEFAULT A_DEFAULT, true, false },
        { A_DEFAULT OUR_ROUTE, true, true },
        { OUR_ROUTE, false, true },
        /* Over a device alone; refused; down; half of all addresses (0.0.0.0/1). */
        { "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\n", true, false },
        { "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\n", false, false },
        { "eth0\t00000000\t0102000A\t0002\t0\t0\t0\t00000000\t0\n", false, false },
        { "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000080\t0\n", false, false },
        { "lo\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n", false, false },
        { "no table\n\nat all", false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool has_default = !cases[i].has_default, has_ours = !cases[i].has_ours;

        host_parse_local_routes(cases[i].text, &has_default, &has_ours);
        assert_int_equal(has_default, cases[i].has_default);
        assert_int_equal(has_ours, cases[i].has_ours);
    }
}

static void test_order(void **state)
{
#define LISTED_ACCEPT "-A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n"
#define LISTED_DROP   "-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n"
#define LISTED_OTHER  "-A INPUT -s 10.0.0.9/32 -p tcp -m tcp --dport 51678 -j DROP\n"
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        { LISTED_ACCEPT LISTED_DROP, true },
        { "-P INPUT DROP\n" LISTED_OTHER LISTED_ACCEPT LISTED_OTHER LISTED_DROP, true },
        { LISTED_ACCEPT LISTED_DROP LISTED_ACCEPT LISTED_DROP, true },
        { LISTED_DROP LISTED_ACCEPT, false },
        { LISTED_DROP LISTED_ACCEPT LISTED_DROP, false },
        { LISTED_ACCEPT LISTED_OTHER, false },
        { LISTED_DROP, false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(host_rules_in_order(cases[i].text, "docker0", "lo", "51678"),
                         cases[i].want);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_ROOT(test_put_what_is_missing),
        WITH_ROOT(test_put_what_is_there),
        WITH_ROOT(test_put_without),
        WITH_ROOT(test_look),
        WITH_ROOT(test_no_bridge),
        WITH_ROOT(test_take),
        WITH_ROOT(test_route),
        WITH_ROOT(test_missing),
        WITH_ROOT(test_denied),
        WITH_ROOT(test_failures_when_putting),
        WITH_ROOT(test_failures_when_taking),
        WITH_ROOT(test_sysctl_that_cannot_be),
        WITH_ROOT(test_bridge_names),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
