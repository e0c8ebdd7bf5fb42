/* The numbers, the arguments for systemd, and version 2 on a tree of plain files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host/internal.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/berth-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void put(const char *name, const char *text, mode_t mode)
{
    AUTO(str) char *path = mem_printf("%s/%s", root, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void make(const char *name)
{
    AUTO(str) char *path = mem_printf("%s/%s", root, name);

    assert_int_equal(mkdir(path, 0755), 0);
}

static void assert_file(const char *name, const char *want)
{
    AUTO(str) char *path = mem_printf("%s/%s", root, name);
    FILE *f = fopen(path, "r");
    char text[1024];
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    assert_string_equal(text, want);
}

static void test_cpu(void **state)
{
    static const struct {
        double vcpus;
        int64_t shares, period, quota, want_shares, weight, percent;
    } cases[] = {
        { 0.25, 0, 100000, 25000, 2, 1, 25 },
        { 0.333, 0, 100000, 33300, 2, 1, 34 },   /* percents are rounded up */
        { 0.0123459, 0, 100000, 1234, 2, 1, 2 }, /* the quota is cut */
        { 10, 0, 8000, 80000, 2, 1, 1000 },
        { 0.005, 0, 100000, 1000, 2, 1, 1 }, /* the kernel takes no less */
        { 0.000001, 0, 8000, 1000, 2, 1, 13 },
        { 1.5, 0, 0, 150000, 2, 1, 150 }, /* no period: the default */
        { 0, 0, 100000, 0, 2, 1, 0 },     /* the least shares */
        { 0, 1024, 100000, 0, 1024, 39, 0 },
        { 0, 262144, 100000, 0, 262144, 10000, 0 },
        { 0, 9999999, 100000, 0, 262144, 10000, 0 }, /* capped */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host_cgroup_limits l = { .cpu_vcpus = cases[i].vcpus,
                                        .cpu_shares = cases[i].shares,
                                        .cpu_period_us = cases[i].period };
        struct host_cpu c = host_cpu_of(&l);

        assert_int_equal(c.quota_us, cases[i].quota);
        assert_int_equal(c.shares, cases[i].want_shares);
        assert_int_equal(c.weight, cases[i].weight);
        assert_int_equal(c.quota_percent, cases[i].percent);
    }
}

static void assert_args(const struct host_cgroup_limits *l, const char *want)
{
    struct host_args a = { 0 };
    struct buf got = BUF_INIT(4096);

    host_systemd_limits(&a, "0af3", l);
    for (int i = 0; i < a.n; i++)
        buf_printf(&got, "%s%s", i ? " " : "", a.argv[i]);
    assert_null(a.argv[a.n]);
    assert_string_equal(buf_text(&got), want);
    buf_fini(&got);
    host_args_fini(&a);
}

#define SET "systemctl set-property --runtime ecstasks-0af3.slice "

static void test_systemd_arguments(void **state)
{
    (void)state;
    assert_args(
        &(struct host_cgroup_limits){
            .cpu_vcpus = 0.5, .cpu_period_us = 20000, .memory_bytes = 1 << 20, .pids = 9 },
        SET "CPUQuota=50% CPUQuotaPeriodSec=20000us MemoryMax=1048576 TasksMax=9");
    assert_args(&(struct host_cgroup_limits){ .cpu_shares = 1024 }, SET "CPUWeight=39");
}

static void test_slice_path(void **state)
{
    AUTO(str) char *flat = host_slice_path("0af3");
    AUTO(str) char *deep = host_slice_path("a-b-c");

    (void)state;
    assert_string_equal(flat, "ecstasks.slice/ecstasks-0af3.slice");
    assert_string_equal(deep, "ecstasks.slice/ecstasks-a.slice/ecstasks-a-b.slice/"
                              "ecstasks-a-b-c.slice");
}

/* ---- version 2, cgroupfs ---- */

#define PARENT "ecstasks.slice"
#define TASK   PARENT "/ecstasks-0af3.slice"

static void test_v2_writes_limits(void **state)
{
    struct host_cgroup_limits l = {
        .cpu_vcpus = 0.5, .cpu_period_us = 100000, .memory_bytes = 256 << 20, .pids = 77
    };
    struct host_cgroups *g = NULL;
    AUTO(str) char *parent = NULL;
    struct err e = { 0 };

    (void)state;
    put("cgroup.controllers", "cpuset cpu io memory pids\n", 0644);
    put("cgroup.subtree_control", "cpu memory\n", 0644);
    make(PARENT);
    put(PARENT "/cgroup.controllers", "cpu memory\n", 0644);
    put(PARENT "/cgroup.subtree_control", "memory\n", 0644);
    make(TASK);
    put(TASK "/cpu.max", "max", 0644);
    put(TASK "/cpu.weight", "100", 0644);
    put(TASK "/memory.max", "max", 0644);
    put(TASK "/pids.max", "max", 0644);
    assert_int_equal(host_cgroups_create(root, 2, false, &g, &e), ERR_OK);
    /* What is on is not asked for again; what is not offered is not asked for at all. */
    assert_file("cgroup.subtree_control", "+pidsemory\n");
    assert_file(PARENT "/cgroup.subtree_control", "+cpury\n");
    assert_int_equal(host_cgroup_make(g, "0af3", &l, &e), ERR_OK);
    assert_file(TASK "/cpu.max", "50000 100000");
    assert_file(TASK "/cpu.weight", "100");
    assert_file(TASK "/memory.max", "268435456");
    assert_file(TASK "/pids.max", "77x");
    /* Without CPU of its own the containers' shares count. */
    l = (struct host_cgroup_limits){ .cpu_shares = 1024 };
    assert_int_equal(host_cgroup_make(g, "0af3", &l, &e), ERR_OK);
    assert_file(TASK "/cpu.weight", "390");
    assert_file(TASK "/memory.max", "268435456");
    parent = host_cgroup_parent(g, "0af3");
    assert_string_equal(parent, "/ecstasks.slice/ecstasks-0af3.slice");
    assert_int_equal(host_cgroup_make(g, "new", &l, &e), ERR_NOT_FOUND); /* no cpu.weight */
    assert_int_equal(host_cgroup_remove(g, "new", &e), ERR_OK);
    assert_int_equal(host_cgroup_remove(g, "new", &e), ERR_OK);
    host_cgroups_destroy(g);
}

static void test_v2_needs_controllers(void **state)
{
    struct host_cgroups *g = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_cgroups_create(root, 2, false, &g, &e), ERR_NOT_FOUND);
    put("cgroup.controllers", "cpuset io memory\n", 0644);
    assert_int_equal(host_cgroups_create(root, 2, false, &g, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "no cpu controller"));
    assert_int_equal(host_cgroups_create(root, 1, false, &g, &e), ERR_NOT_FOUND);
    assert_int_equal(host_cgroups_create(root, 1, true, &g, &e), ERR_NOT_FOUND);
    assert_null(g);
    host_cgroups_destroy(NULL);
}

/* ---- systemd: a systemctl that writes down what it is told ---- */

static void test_systemd_driver(void **state)
{
    struct host_cgroup_limits l = { .cpu_shares = 2, .memory_bytes = 4096 };
    AUTO(str) char *old = mem_strdup(getenv("PATH"));
    AUTO(str) char *path = mem_printf("%s:%s", root, old);
    AUTO(str) char *parent = NULL;
    struct host_cgroups *g = NULL;
    struct err e = { 0 };

    (void)state;
    put("cgroup.controllers", "cpu memory pids\n", 0644);
    put("systemctl",
        "#!/bin/sh\necho \"$*\" >> \"${0%/*}/said\"\n"
        "[ \"$2\" != ecstasks-bad.slice ] && [ \"$3\" != ecstasks-bad.slice ] && exit 0\n"
        "echo 'Unit is masked.' >&2\nexit 4\n",
        0755);
    setenv("PATH", path, 1);
    assert_int_equal(host_cgroups_create(root, 2, true, &g, &e), ERR_OK);
    assert_int_equal(host_cgroup_make(g, "0af3", &l, &e), ERR_OK);
    make(PARENT);
    make(TASK);
    put(TASK "/cgroup.events", "populated 1\nfrozen 0\n", 0644);
    assert_int_equal(host_cgroup_remove(g, "0af3", &e), ERR_CONFLICT);
    put(TASK "/cgroup.events", "populated 0\nfrozen 0\n", 0644);
    assert_int_equal(host_cgroup_remove(g, "0af3", &e), ERR_OK);
    assert_file("said", "--version\n"
                        "set-property --runtime ecstasks-0af3.slice CPUWeight=1 MemoryMax=4096\n"
                        "stop ecstasks-0af3.slice\nrevert ecstasks-0af3.slice\n");
    assert_int_equal(host_cgroup_make(g, "bad", &l, &e), ERR_IO);
    assert_string_equal(e.msg, "systemctl set-property: exit code 4: Unit is masked.");
    parent = host_cgroup_parent(g, "0af3");
    assert_string_equal(parent, "ecstasks-0af3.slice");
    host_cgroups_destroy(g);
    setenv("PATH", old, 1);
}

static void test_no_systemctl(void **state)
{
    AUTO(str) char *old = mem_strdup(getenv("PATH"));
    struct host_cgroups *g = NULL;
    struct err e = { 0 };

    (void)state;
    put("cgroup.controllers", "cpu memory pids\n", 0644);
    setenv("PATH", root, 1);
    assert_int_equal(host_cgroups_create(root, 2, true, &g, &e), ERR_NOT_FOUND);
    setenv("PATH", old, 1);
}

static void test_names_that_are_no_names(void **state)
{
    static const char *const bad[] = { "", "..", "a/b", "a.b", "-a", "a b" };
    struct host_cgroup_limits l = { 0 };
    struct host_cgroups *g = NULL;
    struct err e = { 0 };

    (void)state;
    put("cgroup.controllers", "cpu memory\n", 0644);
    put("cgroup.subtree_control", "cpu memory\n", 0644);
    make(PARENT);
    put(PARENT "/cgroup.controllers", "cpu memory\n", 0644);
    put(PARENT "/cgroup.subtree_control", "cpu memory\n", 0644);
    assert_int_equal(host_cgroups_create(root, 2, false, &g, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(host_cgroup_make(g, bad[i], &l, &e), ERR_INVALID);
        assert_int_equal(host_cgroup_remove(g, bad[i], &e), ERR_INVALID);
    }
    host_cgroups_destroy(g);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu),           cmocka_unit_test(test_systemd_arguments),
        cmocka_unit_test(test_slice_path),    WITH_ROOT(test_v2_writes_limits),
        WITH_ROOT(test_v2_needs_controllers), WITH_ROOT(test_systemd_driver),
        WITH_ROOT(test_no_systemctl),         WITH_ROOT(test_names_that_are_no_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
