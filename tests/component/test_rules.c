/* links: host */
/* The way of tasks to the local endpoints, with the kernel's own rules and real packets, in
 * network namespaces of the test's own: a host, a task on a bridge of it, a neighbor outside. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "component/programs.h"
#include "host/host.h"

#define BRIDGE  "berth-br"
#define TASK_4  "10.77.0.1" /* the host, as the task sees it */
#define TASK_6  "fd77::1"
#define OTHER_4 "10.88.0.1" /* the host, as the neighbor sees it */
#define OTHER_6 "fd88::1"

#define ENDPOINTS     51679
#define INTROSPECTION 51678

#define COMES_MS 10000
#define LOST_MS  300 /* a packet that is dropped is not answered, however long one waits */

static int host_ns = -1, task_ns = -1, other_ns = -1;
static struct host_rules_config config;

/* ---- namespaces ---- */

static int new_namespace(void)
{
    return unshare(CLONE_NEWNET) ? -1 : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void enter(int ns)
{
    assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static void run_in(int ns, const char *script)
{
    AUTO(str) char *text = mem_printf("set -e; exec 2>&1; %s", script);

    enter(ns);
    int status = system(text);
    enter(host_ns);
    if (status)
        fail_msg("%s: %d", script, status);
}

static char *output_of(const char *command)
{
    struct buf all = BUF_INIT(1 << 20);
    FILE *f = popen(command, "r");
    char line[1024];

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        assert_true(buf_puts(&all, line));
    assert_int_equal(pclose(f), 0);
    return buf_take(&all);
}

/* A veth pair between the host and another namespace. */
static void link_to(int ns, const char *here, const char *there)
{
    AUTO(str)
    char *add = mem_printf("ip link add %s type veth peer name %s; "
                           "ip link set %s netns /proc/%d/fd/%d; ip link set %s up",
                           here, there, there, (int)getpid(), ns, here);

    run_in(host_ns, add);
}

static void build_world(void)
{
    run_in(host_ns, "ip link set lo up; ip link add " BRIDGE " type bridge; "
                    "ip addr add " TASK_4 "/24 dev " BRIDGE "; "
                    "ip -6 addr add " TASK_6 "/64 dev " BRIDGE " nodad; "
                    "ip link set " BRIDGE " up");
    link_to(task_ns, "to-task", "eth0");
    run_in(host_ns, "ip link set to-task master " BRIDGE);
    run_in(task_ns, "ip link set lo up; ip addr add 10.77.0.2/24 dev eth0; "
                    "ip -6 addr add fd77::2/64 dev eth0 nodad; ip link set eth0 up; "
                    "ip route add default via " TASK_4);
    link_to(other_ns, "to-other", "eth0");
    run_in(host_ns, "ip addr add " OTHER_4 "/24 dev to-other; "
                    "ip -6 addr add " OTHER_6 "/64 dev to-other nodad");
    /* Its loopback stays down, so that 127.0.0.1 is not itself but the host: the packets of
     * somebody who wants in. */
    run_in(other_ns, "ip addr add 10.88.0.2/24 dev eth0; "
                     "ip -6 addr add fd88::2/64 dev eth0 nodad; ip link set eth0 up; "
                     "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; "
                     "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; "
                     "ip route add 127.0.0.0/8 via " OTHER_4 " src 10.88.0.2");
}

/* ---- two servers, which say who they are ---- */

static struct {
    int endpoints, introspection, stop[2];
    pthread_t thread;
} server;

static int listen_at(int family, const char *address, uint16_t port)
{
    struct sockaddr_in at4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    bool bound;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    inet_pton(family, address, family == AF_INET ? (void *)&at4.sin_addr : (void *)&at6.sin6_addr);
    bound = family == AF_INET ? bind(fd, (const struct sockaddr *)&at4, sizeof at4) == 0
                              : bind(fd, (const struct sockaddr *)&at6, sizeof at6) == 0;
    assert_true(bound);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void *serve(void *arg)
{
    struct pollfd p[3] = { { .fd = server.endpoints, .events = POLLIN },
                           { .fd = server.introspection, .events = POLLIN },
                           { .fd = server.stop[0], .events = POLLIN } };

    (void)arg;
    while (poll(p, 3, -1) > 0 && !p[2].revents) {
        for (int i = 0; i < 2; i++) {
            int fd = p[i].revents ? accept(p[i].fd, NULL, NULL) : -1;

            if (fd < 0)
                continue;
            if (write(fd, i ? "intro" : "tasks", 5) != 5)
                fprintf(stderr, "the client has gone\n");
            close(fd);
        }
    }
    return NULL;
}

static void start_server(void)
{
    server.endpoints = listen_at(AF_INET, "127.0.0.1", ENDPOINTS);
    server.introspection = listen_at(AF_INET6, "::", INTROSPECTION);
    assert_int_equal(pipe(server.stop), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
    close(server.stop[1]);
    pthread_join(server.thread, NULL);
    close(server.stop[0]);
    close(server.endpoints);
    close(server.introspection);
}

/* ---- clients ---- */

static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = { .fd = fd, .events = events };
    int64_t left = deadline - clock_mono_ms();

    return poll(&p, 1, left > 0 ? (int)left : 0) > 0;
}

/* "tasks" or "intro", whoever answers; "lost" where nobody does; else the error. */
static const char *ask(int ns, const char *address, uint16_t port, int64_t timeout_ms)
{
    static char answer[8];
    struct sockaddr_in at4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool v6 = strchr(address, ':');
    int64_t deadline = clock_mono_ms() + timeout_ms;
    int fd, error = 0;
    socklen_t n = sizeof error;
    ssize_t got = 0;

    enter(ns); /* a socket stays in the namespace that it was made in */
    fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    enter(host_ns);
    assert_true(fd >= 0);
    inet_pton(v6 ? AF_INET6 : AF_INET, address,
              v6 ? (void *)&at6.sin6_addr : (void *)&at4.sin_addr);
    if (v6 ? connect(fd, (const struct sockaddr *)&at6, sizeof at6)
           : connect(fd, (const struct sockaddr *)&at4, sizeof at4))
        error = errno;
    if (error == EINPROGRESS) {
        error = wait_for(fd, POLLOUT, deadline) ? 0 : ETIMEDOUT;
        if (!error)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    }
    if (!error && wait_for(fd, POLLIN, deadline))
        got = read(fd, answer, sizeof answer - 1);
    close(fd);
    answer[got > 0 ? got : 0] = '\0';
    return error == ETIMEDOUT ? "lost" : error ? strerror(error) : answer;
}

static void assert_answers(int ns, const char *address, uint16_t port, const char *want)
{
    assert_string_equal(ask(ns, address, port, COMES_MS), want);
}

static void assert_lost(int ns, const char *address, uint16_t port)
{
    assert_string_equal(ask(ns, address, port, LOST_MS), "lost");
}

/* ---- the rules as they are ---- */

/* All tables of both families, without comments and counters. */
static char *all_rules(void)
{
    return output_of("{ iptables-save; ip6tables-save; } | sed -e '/^#/d' -e 's/ \\[.*\\]$//'");
}

/* Only the "-A" lines. */
static void assert_chain(const char *which, const char *want)
{
    AUTO(str) char *command = mem_printf("%s | sed -n '/^-A/p'", which);
    AUTO(str) char *got = output_of(command);

    assert_string_equal(got, want);
}

#define FOREIGN_NAT "-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80\n"
#define FOREIGN_OUT "-A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j ACCEPT\n"
#define FOREIGN_IN  "-A INPUT -s 10.99.0.0/16 -p tcp -m tcp --dport 51678 -j DROP\n"
#define DNAT                                                              \
    "-A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT " \
    "--to-destination 127.0.0.1:51679\n"
#define REDIRECT \
    "-A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 51679\n"
#define LOCALHOST                                                        \
    "-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate " \
    "RELATED,ESTABLISHED,DNAT -j DROP\n"
#define DROP   "-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n"
#define ACCEPT "-A INPUT -i " BRIDGE " -p tcp -m tcp --dport 51678 -j ACCEPT\n"

static void assert_all_put(void)
{
    assert_chain("iptables -t nat -S PREROUTING", FOREIGN_NAT DNAT);
    assert_chain("iptables -t nat -S OUTPUT", FOREIGN_OUT REDIRECT);
    assert_chain("iptables -S INPUT", ACCEPT DROP LOCALHOST FOREIGN_IN);
    assert_chain("ip6tables -S INPUT", ACCEPT DROP);
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

static bool has_route(void)
{
    AUTO(str) char *routes = output_of("ip -4 route show");

    return strstr(routes, "169.254.170.2 dev lo scope link") != NULL;
}

static int setup(void **state)
{
    (void)state;
    config = (struct host_rules_config){
        .proc = "/proc",
        .endpoints_port = ENDPOINTS,
        .introspection_port = INTROSPECTION,
        .bridge = BRIDGE,
    };
    return system("set -e\niptables -F\niptables -t nat -F\nip6tables -F\n"
                  "iptables " FOREIGN_IN "iptables -t nat " FOREIGN_NAT
                  "iptables -t nat " FOREIGN_OUT);
}

/* ---- tests ---- */

static void test_packets(void **state)
{
    (void)state;
    /* Without the rules: no way for tasks, and introspection is everybody's. */
    assert_answers(host_ns, "169.254.170.2", 80, strerror(ENETUNREACH));
    assert_answers(other_ns, OTHER_4, INTROSPECTION, "intro");
    assert_answers(other_ns, OTHER_6, INTROSPECTION, "intro");
    put();
    assert_answers(host_ns, "169.254.170.2", 80, "tasks");
    assert_answers(task_ns, "169.254.170.2", 80, "tasks");
    assert_answers(host_ns, "127.0.0.1", INTROSPECTION, "intro");
    assert_answers(host_ns, "::1", INTROSPECTION, "intro");
    assert_answers(task_ns, TASK_4, INTROSPECTION, "intro");
    assert_answers(task_ns, TASK_6, INTROSPECTION, "intro");
    assert_lost(other_ns, OTHER_4, INTROSPECTION);
    assert_lost(other_ns, OTHER_6, INTROSPECTION);
    take();
    assert_answers(host_ns, "169.254.170.2", 80, strerror(ENETUNREACH));
    assert_answers(other_ns, OTHER_4, INTROSPECTION, "intro");
}

static void test_introspection_for_all(void **state)
{
    (void)state;
    put();
    config.offhost_introspection = true;
    put(); /* also over what was put without it */
    assert_chain("iptables -S INPUT", LOCALHOST FOREIGN_IN);
    assert_chain("ip6tables -S INPUT", "");
    assert_answers(other_ns, OTHER_4, INTROSPECTION, "intro");
    assert_answers(other_ns, OTHER_6, INTROSPECTION, "intro");
    assert_answers(task_ns, "169.254.170.2", 80, "tasks");
    take();
}

/* The sysctl opens 127.0.0.1 to who is on the same wire; the filter closes it. */
static void test_the_host_itself(void **state)
{
    (void)state;
    config.skip_localhost_filter = true;
    put();
    assert_answers(other_ns, "127.0.0.1", ENDPOINTS, "tasks");
    config.skip_localhost_filter = false;
    put();
    assert_lost(other_ns, "127.0.0.1", ENDPOINTS);
    assert_answers(task_ns, "169.254.170.2", 80, "tasks");
    take();
    assert_lost(other_ns, "127.0.0.1", ENDPOINTS); /* the sysctl is back too */
}

static void test_positions(void **state)
{
    AUTO(str) char *before = all_rules();

    (void)state;
    put();
    assert_all_put();
    AUTO(str) char *once = all_rules();
    put();
    AUTO(str) char *twice = all_rules();
    assert_string_equal(twice, once);
    take();
    AUTO(str) char *after = all_rules();
    assert_string_equal(after, before);
    take(); /* there is nothing left to take */
}

/* The reference puts its rules anew each time it starts. */
static void test_after_crashes(void **state)
{
    AUTO(str) char *before = all_rules();

    (void)state;
    for (int i = 0; i < 3; i++)
        run_in(host_ns, "iptables -t nat " DNAT "iptables -I "
                        "INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate "
                        "RELATED,ESTABLISHED,DNAT -j DROP\n"
                        "for p in iptables ip6tables; do\n"
                        "$p -I INPUT -p tcp --dport 51678 ! -i lo -j DROP\n"
                        "$p -I INPUT -p tcp --dport 51678 -i " BRIDGE " -j ACCEPT\n"
                        "done\n"
                        "iptables -t nat " REDIRECT);
    AUTO(str) char *thrice = all_rules();
    put();
    AUTO(str) char *put_over = all_rules();
    assert_string_equal(put_over, thrice); /* each is there, and in order */
    assert_answers(task_ns, TASK_4, INTROSPECTION, "intro");
    take();
    AUTO(str) char *after = all_rules();
    assert_string_equal(after, before);
}

/* A crash between two of them, or an administrator's hand. */
static void test_what_is_missing_or_moved(void **state)
{
    static const char *const changes[] = {
        "iptables -D INPUT 1",
        "iptables -D INPUT 2",
        "iptables -D INPUT 1; iptables -I INPUT 2 -p tcp --dport 51678 -i " BRIDGE " -j ACCEPT",
        "iptables -t nat -D PREROUTING 2",
        "iptables -t nat -D OUTPUT 2; ip6tables -F INPUT",
        "ip6tables -D INPUT 2",
    };

    (void)state;
    put();
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        run_in(host_ns, changes[i]);
        put();
        assert_all_put();
    }
    take();
}

static void test_route(void **state)
{
    (void)state;
    assert_false(has_route());
    put();
    assert_true(has_route());
    put();
    take();
    assert_false(has_route());
    run_in(host_ns, "ip route add default via 10.88.0.2");
    put();
    assert_false(has_route());
    assert_answers(host_ns, "169.254.170.2", 80, "tasks");
    assert_answers(task_ns, "169.254.170.2", 80, "tasks");
    take();
    run_in(host_ns, "ip route del default via 10.88.0.2");
}

static void test_without_programs(void **state)
{
    struct err e = { 0 };

    (void)state;
    config.ip6tables = "/no/such/ip6tables"; /* then IPv6 is left as it is */
    put();
    assert_chain("ip6tables -S INPUT", "");
    assert_answers(task_ns, "169.254.170.2", 80, "tasks");
    take();
    config.iptables = "/no/such/iptables";
    assert_int_equal(host_rules_put(&config, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "/no/such/iptables: No such file or directory");
    assert_int_equal(host_rules_take(&config, &e), ERR_NOT_FOUND);
}

/* NULL, or why this machine cannot run it. */
static const char *build(void)
{
    if (getuid())
        return "it is not run as root";
    if (!program_exists("iptables") || !program_exists("ip6tables") || !program_exists("ip"))
        return "iptables or ip is not installed";
    if ((task_ns = new_namespace()) < 0 || (other_ns = new_namespace()) < 0 ||
        (host_ns = new_namespace()) < 0)
        return "no network namespaces can be made";
    if (access("/proc/sys/net/ipv4/conf/all/route_localnet", W_OK) ||
        access("/proc/sys/net/ipv6", F_OK))
        return "sysctls cannot be set, or there is no IPv6";
    if (system("iptables -t nat -S >/dev/null 2>&1 && ip6tables -S >/dev/null 2>&1"))
        return "iptables does not work here";
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    build_world();
    start_server();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stop_server();
    close(host_ns);
    close(task_ns);
    close(other_ns);
    return 0;
}

int main(void)
{
#define CLEAN(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        CLEAN(test_packets),         CLEAN(test_introspection_for_all),
        CLEAN(test_the_host_itself), CLEAN(test_positions),
        CLEAN(test_after_crashes),   CLEAN(test_what_is_missing_or_moved),
        CLEAN(test_route),           CLEAN(test_without_programs),
    };
    const char *missing = build();

    if (missing) {
        printf("skipped: %s\n", missing);
        return 0;
    }
    return cmocka_run_group_tests(tests, begin, end);
}
