/* Who holds a client's socket: real sockets and processes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host/internal.h"

#define ONE "1111aaaa"
#define TWO "2222bbbb"

static const char *const groups[] = { ONE, TWO };

static void test_names(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {
        { "", 2 },
        { "0::/\n", 2 },
        { "0::/user.slice/session-1.scope\n", 2 },
        { "0::/ecstasks.slice/docker-" TWO ".scope\n", 1 },
        { "5:memory:/ecs/t/" ONE "\n4:cpu,cpuacct:/ecs/t/" ONE "\n", 0 },
        { "0::/../" TWO "\n", 1 },
        /* A container may name what is below its own. */
        { "0::/docker/" TWO "/" ONE "\n", 1 },
        { "0::/docker/" ONE "/init.scope\n", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(host_cgroup_names(cases[i].text, groups, 2), cases[i].want);
    assert_int_equal(host_cgroup_names("0::/\n", (const char *const[]){ "" }, 1), 1);
}

/* A connection on the loopback; `client` and `server` are its two ends. */
struct connection {
    int listener, client, server;
    struct host_socket socket;
};

static uint16_t port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof a;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

/* `family` of the client: one of version 6 asks for the mapped address, as Java does. */
static void connect_up(struct connection *c, int family)
{
    struct sockaddr_in near = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
    struct sockaddr_in peer;
    socklen_t n = sizeof peer;

    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(c->listener, (struct sockaddr *)&near, sizeof near), 0);
    assert_int_equal(listen(c->listener, 1), 0);
    near.sin_port = htons(port_of(c->listener));
    mapped.sin6_port = near.sin_port;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
    c->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (family == AF_INET)
        assert_int_equal(connect(c->client, (struct sockaddr *)&near, sizeof near), 0);
    else
        assert_int_equal(connect(c->client, (struct sockaddr *)&mapped, sizeof mapped), 0);
    c->server = accept(c->listener, (struct sockaddr *)&peer, &n);
    assert_true(c->server >= 0);
    c->socket = (struct host_socket){ .local = "127.0.0.1",
                                      .local_port = ntohs(peer.sin_port),
                                      .remote = "127.0.0.1",
                                      .remote_port = ntohs(near.sin_port) };
}

static void close_up(struct connection *c)
{
    if (c->client >= 0)
        close(c->client);
    close(c->server);
    close(c->listener);
}

/* A process that waits; it has what this one has open. */
static pid_t sleeper(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A /proc of one's own, where the processes are the real ones, but their control groups ours. */
struct world {
    char proc[64];
};

static void put_process(const struct world *w, pid_t pid, const char *cgroup)
{
    static const char *const links[] = { "fd", "task" };
    char path[128], real[64];
    FILE *f;

    snprintf(path, sizeof path, "%s/%d", w->proc, pid);
    assert_int_equal(mkdir(path, 0755), 0);
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        snprintf(path, sizeof path, "%s/%d/%s", w->proc, pid, links[i]);
        snprintf(real, sizeof real, "/proc/%d/%s", pid, links[i]);
        assert_int_equal(symlink(real, path), 0);
    }
    snprintf(path, sizeof path, "%s/%d/cgroup", w->proc, pid);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "0::%s\n", cgroup);
    fclose(f);
}

static int set_up(void **state)
{
    struct world *w = NEW(struct world);

    snprintf(w->proc, sizeof w->proc, "/tmp/test_owner.XXXXXX");
    *state = w;
    return mkdtemp(w->proc) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", w->proc);
    free(w);
    return system(command);
}

static void assert_owner(const char *proc, struct host_socket *s, enum host_owner want,
                         size_t group)
{
    struct err e = { 0 };

    if (host_socket_owners(proc, s, 1, groups, COUNT_OF(groups), &e))
        fail_msg("%s", e.msg);
    assert_int_equal(s->owner, want);
    if (want == HOST_OWNER_GROUP)
        assert_int_equal(s->group, group);
}

static void check_kinds(const struct world *w, int family)
{
    struct connection c;
    pid_t holder, other;

    connect_up(&c, family);
    holder = sleeper();
    close(c.client);
    c.client = -1;
    other = sleeper();
    put_process(w, other, "/docker/" ONE);
    put_process(w, holder, "/docker/" TWO "/below");
    assert_owner(w->proc, &c.socket, HOST_OWNER_GROUP, 1);
    assert_owner("/proc", &c.socket, HOST_OWNER_OTHER, 0); /* nobody there has such a group */
    end(holder);
    assert_owner(w->proc, &c.socket, HOST_OWNER_NONE, 0);
    end(other);
    close_up(&c);
}

static void test_version_4(void **state)
{
    check_kinds(*state, AF_INET);
}

static void test_mapped(void **state)
{
    check_kinds(*state, AF_INET6);
}

/* Somebody listens there, but nobody has that connection. */
static void test_only_listens(void **state)
{
    struct connection c;
    struct host_socket s;

    (void)state;
    connect_up(&c, AF_INET);
    s = c.socket;
    s.local_port = c.socket.remote_port;
    s.remote_port = 9;
    assert_owner("/proc", &s, HOST_OWNER_NONE, 0);
    s.local = "nonsense";
    assert_owner("/proc", &s, HOST_OWNER_NONE, 0);
    close_up(&c);
}

/* Many at once, each with its own answer. */
static void test_batch(void **state)
{
    struct world *w = *state;
    struct connection c[3];
    struct host_socket all[3];
    struct err e = { 0 };
    pid_t first, second;

    for (size_t i = 0; i < 3; i++)
        connect_up(&c[i], AF_INET);
    first = sleeper();
    close(c[0].client);
    close(c[2].client);
    second = sleeper();
    close(c[1].client);
    for (size_t i = 0; i < 3; i++) {
        c[i].client = -1;
        all[i] = c[i].socket;
    }
    put_process(w, first, "/user");
    put_process(w, second, "/docker/" ONE);
    assert_int_equal(host_socket_owners(w->proc, all, 3, groups, COUNT_OF(groups), &e), ERR_OK);
    assert_int_equal(all[0].owner, HOST_OWNER_OTHER);
    assert_int_equal(all[1].owner, HOST_OWNER_GROUP); /* whoever else has it */
    assert_int_equal(all[1].group, 0);
    assert_int_equal(all[2].owner, HOST_OWNER_OTHER);
    end(first);
    end(second);
    for (size_t i = 0; i < 3; i++)
        close_up(&c[i]);
}

static void assert_untold(const struct world *w, struct host_socket *s)
{
    struct err e = { 0 };

    assert_int_equal(host_socket_owners(w->proc, s, 1, groups, COUNT_OF(groups), &e), ERR_IO);
    assert_int_equal(s->owner, HOST_OWNER_NONE);
}

/* Who is not found, where not all can be seen, does not hide. */
static void test_unseen(void **state)
{
    struct world *w = *state;
    struct connection c;
    char path[128];
    pid_t other;
    FILE *f;

    other = sleeper(); /* before there is the connection */
    connect_up(&c, AF_INET);
    assert_untold(w, &c.socket); /* another process namespace: no process of the groups */
    put_process(w, other, "/docker/" ONE);
    assert_owner(w->proc, &c.socket, HOST_OWNER_NONE, 0);
    snprintf(path, sizeof path, "%s/1", w->proc);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/1/fd", w->proc);
    f = fopen(path, "w"); /* no folder that can be read */
    assert_non_null(f);
    fclose(f);
    assert_untold(w, &c.socket);
    end(other);
    close_up(&c);
}

static void test_addresses(void **state)
{
    (void)state;
    assert_true(host_has_address("127.0.0.1"));
    assert_true(host_has_address("127.8.0.1"));
    assert_true(host_has_address("::1"));
    assert_false(host_has_address("192.0.2.1"));
    assert_false(host_has_address("2001:db8::1"));
    assert_false(host_has_address(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_version_4, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mapped, set_up, tear_down),
        cmocka_unit_test(test_only_listens),
        cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unseen, set_up, tear_down),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
