/* links: host */
/* Task cgroups on this machine's own hierarchies; skipped where they cannot be had. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/host.h"

#define ROOT "/sys/fs/cgroup"

static char task_id[64];

/* The number in the file below the root, or -1 where there is none. */
static long long value_of(const char *dir, const char *name)
{
    AUTO(str) char *path = mem_printf(ROOT "/%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    long long v = -1;

    if (!f)
        return -1;
    assert_int_equal(fscanf(f, "%lld", &v), 1);
    fclose(f);
    return v;
}

static bool exists(const char *dir)
{
    AUTO(str) char *path = mem_printf(ROOT "/%s", dir);

    return access(path, F_OK) == 0;
}

/* NULL: this machine has none, or not for us. */
static struct host_cgroups *open_version(int version)
{
    struct host_cgroups *g = NULL;
    struct err e = { 0 };
    enum err_code code = host_cgroups_create(ROOT, version, false, &g, &e);

    if (!code)
        return g;
    print_message("skipped: %s\n", e.msg);
    assert_true(code == ERR_NOT_FOUND || code == ERR_DENIED || code == ERR_IO);
    return NULL;
}

static pid_t start_in(const char *dir)
{
    AUTO(str) char *path = mem_printf(ROOT "/%s/cgroup.procs", dir);
    AUTO(str) char *text = NULL;
    pid_t pid = fork();
    int fd;

    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;)
            pause();
    }
    text = mem_printf("%d", (int)pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return pid;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void check_v1(struct host_cgroups *g)
{
    struct host_cgroup_limits l = {
        .cpu_vcpus = 0.5, .cpu_period_us = 50000, .memory_bytes = 64 << 20, .pids = 33
    };
    AUTO(str) char *cpu = mem_printf("cpu/ecs/%s", task_id);
    AUTO(str) char *memory = mem_printf("memory/ecs/%s", task_id);
    AUTO(str) char *pids = mem_printf("pids/ecs/%s", task_id);
    AUTO(str) char *cpuset = mem_printf("cpuset/ecs/%s", task_id);
    AUTO(str) char *parent = NULL, *inner = NULL;
    struct err e = { 0 };
    pid_t pid;

    parent = host_cgroup_parent(g, task_id);
    inner = mem_printf(ROOT "/%s/container", memory);
    assert_true(str_starts(parent, "/ecs/"));
    assert_int_equal(host_cgroup_make(g, task_id, &l, &e), ERR_OK);
    assert_int_equal(value_of(cpu, "cpu.cfs_period_us"), 50000);
    assert_int_equal(value_of(cpu, "cpu.cfs_quota_us"), 25000);
    assert_int_equal(value_of(memory, "memory.limit_in_bytes"), 64 << 20);
    assert_int_equal(value_of(memory, "memory.use_hierarchy"), 1);
    assert_int_equal(value_of(pids, "pids.max"), 33);
    /* Again, with other limits. */
    l = (struct host_cgroup_limits){ .cpu_shares = 700, .memory_bytes = 32 << 20 };
    assert_int_equal(host_cgroup_make(g, task_id, &l, &e), ERR_OK);
    assert_int_equal(value_of(cpu, "cpu.shares"), 700);
    assert_int_equal(value_of(memory, "memory.limit_in_bytes"), 32 << 20);
    /* Something may run in it, and then it stays. */
    pid = start_in(cpuset);
    assert_int_equal(host_cgroup_remove(g, task_id, &e), ERR_CONFLICT);
    assert_true(exists(cpuset));
    end(pid);
    assert_int_equal(host_cgroup_make(g, task_id, &l, &e), ERR_OK);
    assert_int_equal(mkdir(inner, 0755), 0); /* a container's, left behind */
    assert_int_equal(host_cgroup_remove(g, task_id, &e), ERR_OK);
    assert_false(exists(cpu) || exists(memory) || exists(pids) || exists(cpuset));
    assert_int_equal(host_cgroup_remove(g, task_id, &e), ERR_OK);
}

static void check_v2(struct host_cgroups *g)
{
    struct host_cgroup_limits l = { .cpu_vcpus = 0.5,
                                    .cpu_period_us = 50000,
                                    .memory_bytes = 64 << 20 };
    AUTO(str) char *dir = mem_printf("ecstasks.slice/ecstasks-%s.slice", task_id);
    struct err e = { 0 };
    pid_t pid;

    assert_int_equal(host_cgroup_make(g, task_id, &l, &e), ERR_OK);
    assert_int_equal(value_of(dir, "cpu.max"), 25000);
    assert_int_equal(value_of(dir, "memory.max"), 64 << 20);
    pid = start_in(dir);
    assert_int_equal(host_cgroup_remove(g, task_id, &e), ERR_CONFLICT);
    end(pid);
    assert_int_equal(host_cgroup_remove(g, task_id, &e), ERR_OK);
    assert_false(exists(dir));
}

/* skip() leaves at once, so nothing may be held by then. */
static void test_v1(void **state)
{
    struct host_cgroups *g = open_version(1);

    (void)state;
    if (!g)
        skip();
    check_v1(g);
    host_cgroups_destroy(g);
}

static void test_v2(void **state)
{
    struct host_cgroups *g = open_version(2);

    (void)state;
    if (!g)
        skip();
    check_v2(g);
    host_cgroups_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_v2),
    };

    snprintf(task_id, sizeof task_id, "berthtest%d", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
