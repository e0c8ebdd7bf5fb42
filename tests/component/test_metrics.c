/* links: metrics host io base */
/* Readings of trees of real files that look like the kernel's: version 1 and 2, files that are
 * not there, processes that go; and the ring of readings behind the public calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/internal.h"
#include "metrics/metrics.h"

#define ID   "3abbe3f52427b67323b901ab0f5bf05dcc1fa043a2fae042e9d570b96b91a2f9"
#define V2   "cgroup/system.slice/docker-" ID ".scope"
#define MIB  1048576
#define HOST 8192000 /* KiB */

static struct world {
    char root[64], proc[96], cgroup[96];
    struct loop *loop;
    struct loop_timer *timer;
    struct metrics_reader *reader;
    struct metrics *m;
} w;

/* ---- the trees ---- */

static void put(const char *path, const char *text)
{
    AUTO(str) char *whole = mem_printf("%s/%s", w.root, path);
    int fd;

    for (char *p = whole + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(whole, 0755);
        *p = '/';
    }
    fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void put_in(const char *dir, const char *name, const char *text)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);

    put(path, text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void take_away(const char *path)
{
    AUTO(str) char *whole = mem_printf("%s/%s", w.root, path);

    nftw(whole, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_process(int pid, const char *cgroups, const char *counters)
{
    AUTO(str) char *cgroup = mem_printf("proc/%d/cgroup", pid);
    AUTO(str) char *net = mem_printf("proc/%d/net/dev", pid);
    AUTO(str)
    char *text = mem_printf("Inter-|   Receive\n face |bytes\n"
                            "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
                            "  eth0: %s\n",
                            counters);

    put(cgroup, cgroups);
    put(net, text);
}

static void put_v2(const char *dir, const char *cpu)
{
    AUTO(str)
    char *stat = mem_printf("usage_usec %s\nuser_usec 800\nsystem_usec 200\n"
                            "nr_periods 3\nnr_throttled 2\nthrottled_usec 1\n",
                            cpu);

    put_in(dir, "cpu.stat", stat);
    put_in(dir, "memory.current", "33554432\n");
    put_in(dir, "memory.peak", "44040192\n");
    put_in(dir, "memory.max", "max\n");
    put_in(dir, "memory.stat", "anon 1\ninactive_file 4194304\n");
    put_in(dir, "memory.events", "low 0\nhigh 0\nmax 0\noom 4\noom_kill 3\n");
    put_in(dir, "pids.current", "5\n");
    put_in(dir, "pids.max", "max\n");
    put_in(dir, "io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
    put_in(dir, "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
    put_in(dir, "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=8\n");
    put_in(dir, "io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
}

static void put_machine(const char *mounts)
{
    char meminfo[64];

    snprintf(meminfo, sizeof meminfo, "MemTotal: %10d kB\nMemFree: 1 kB\n", HOST);
    put("proc/meminfo", meminfo);
    put("proc/stat", "cpu  100 0 100 100 0 0 0 9 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 1\n");
    put("proc/self/mountinfo", mounts);
}

static void put_v2_machine(void)
{
    AUTO(str)
    char *mounts = mem_printf("30 23 0:26 / %s rw - cgroup2 cgroup2 rw\n", w.cgroup);

    put_machine(mounts);
    put_v2(V2, "1000");
    put_process(77, "0::/system.slice/docker-" ID ".scope\n",
                "1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0");
}

static int setup(void **state)
{
    (void)state;
    snprintf(w.root, sizeof w.root, "/tmp/berth-metrics-XXXXXX");
    assert_non_null(mkdtemp(w.root));
    snprintf(w.proc, sizeof w.proc, "%s/proc", w.root);
    snprintf(w.cgroup, sizeof w.cgroup, "%s/cgroup", w.root);
    w.loop = loop_create();
    put_v2_machine();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    metrics_destroy(w.m);
    metrics_reader_destroy(w.reader);
    w.m = NULL;
    w.reader = NULL;
    loop_timer_destroy(w.timer);
    w.timer = NULL;
    loop_destroy(w.loop);
    take_away("");
    return 0;
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* ---- the reader ---- */

static struct metrics_files *open_files(int pid)
{
    if (!w.reader)
        w.reader = metrics_reader_create(w.proc, w.cgroup);
    return metrics_files_create(w.reader, ID, pid, true);
}

static void test_v2(void **state)
{
    struct metrics_files *f = open_files(77);
    struct metrics_sample s = { 0 };
    int64_t at, before = clock_mono_ns();

    (void)state;
    assert_true(metrics_files_read(f, &s, &at));
    assert_true(at >= before && at <= clock_mono_ns());
    assert_true(s.v2);
    assert_true(s.wall_ns / 1000000 <= clock_wall_ms());
    assert_int_equal(s.cpu_ns, 1000000);
    assert_int_equal(s.cpu_user_ns, 800000);
    assert_int_equal(s.throttled_periods, 2);
    assert_int_equal(s.system_ns, 3000000000);
    assert_int_equal(s.online_cpus, 2);
    assert_int_equal(s.memory_bytes, 32 * MIB);
    assert_int_equal(metrics_sample_used(&s), 28 * MIB);
    assert_int_equal(s.memory_max_bytes, 42 * MIB);
    assert_int_equal(s.memory_limit, 1024ULL * HOST); /* no limit: the host's */
    assert_int_equal(s.memory_fails, 4);
    assert_int_equal(s.oom_kills, 3);
    assert_int_equal(s.pids, 5);
    assert_true(s.pids_limit == UINT64_MAX);
    assert_int_equal(s.n_io, 1);
    assert_int_equal(s.io[0].write_bytes, 8192);
    assert_true(s.pressure.known);
    assert_int_equal(s.pressure.cpu_some_us, 7);
    assert_int_equal(s.pressure.memory_some_us, 8);
    assert_int_equal(s.pressure.io_some_us, 9);
    assert_int_equal(s.n_interfaces, 1);
    assert_int_equal(s.interfaces[0].tx_bytes, 2000);

    put_in(V2, "cpu.stat", "usage_usec 2500\n");
    put_in(V2, "memory.max", "67108864\n");
    put_in(V2, "io.stat", "");
    put_in("proc/77/net", "dev", "eth0: 7 0 0 0 0 0 0 0 8 0 0 0 0 0 0 0\n");
    assert_true(metrics_files_read(f, &s, &at));
    assert_int_equal(s.cpu_ns, 2500000);
    assert_int_equal(s.throttled_periods, 0);
    assert_int_equal(s.memory_limit, 64 * MIB);
    assert_int_equal(s.n_io, 0);
    assert_int_equal(s.interfaces[0].rx_bytes, 7);
    metrics_sample_fini(&s);
    metrics_files_destroy(f);
}

static void test_v1(void **state)
{
    AUTO(str)
    char *mounts = mem_printf("1 1 0:1 / %s/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                              "1 1 0:2 / %s/memory rw - cgroup cgroup rw,memory\n"
                              "1 1 0:3 / %s/blkio rw - cgroup cgroup rw,blkio\n"
                              "1 1 0:4 / %s/unified rw - cgroup2 cgroup2 rw\n",
                              w.cgroup, w.cgroup, w.cgroup, w.cgroup);
    struct metrics_files *f;
    struct metrics_sample s = { 0 };
    int64_t at;

    (void)state;
    put_machine(mounts);
    put_process(77,
                "3:blkio:/docker/" ID "\n2:memory:/docker/" ID "\n1:cpu,cpuacct:/docker/" ID
                "\n0::/docker/" ID "\n",
                "1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0");
    put("cgroup/cpu,cpuacct/docker/" ID "/cpuacct.usage", "12345\n");
    put("cgroup/cpu,cpuacct/docker/" ID "/cpuacct.usage_percpu", "12000 345 \n");
    put("cgroup/cpu,cpuacct/docker/" ID "/cpuacct.stat", "user 2\nsystem 1\n");
    put("cgroup/cpu,cpuacct/docker/" ID "/cpu.stat",
        "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
    put("cgroup/memory/docker/" ID "/memory.usage_in_bytes", "8388608\n");
    put("cgroup/memory/docker/" ID "/memory.limit_in_bytes", "9223372036854771712\n");
    put("cgroup/memory/docker/" ID "/memory.stat", "cache 1048576\n");
    put("cgroup/memory/docker/" ID "/memory.oom_control", "oom_kill_disable 0\noom_kill 1\n");
    /* as older kernels name it */
    put("cgroup/blkio/docker/" ID "/blkio.throttle.io_service_bytes",
        "8:0 Read 4096\nTotal 4096\n");
    f = open_files(77);
    for (int i = 0; i < 2; i++) {
        assert_true(metrics_files_read(f, &s, &at));
        assert_false(s.v2);
        assert_int_equal(s.cpu_ns, 12345);
        assert_int_equal(s.n_percpu, 2);
        assert_int_equal(s.cpu_user_ns, 20000000);
        assert_int_equal(metrics_sample_used(&s), 7 * MIB);
        assert_int_equal(s.memory_limit, 1024ULL * HOST);
        assert_int_equal(s.memory_max_bytes, 0);
        assert_int_equal(s.oom_kills, 1);
        assert_int_equal(s.n_io, 1);
        assert_int_equal(s.io[0].read_bytes, 4096);
        assert_int_equal(s.pids, 0);
        assert_false(s.pressure.known);
    }
    metrics_sample_fini(&s);
    metrics_files_destroy(f);
}

/* No reading of a process that is gone, nor of another one with its number; and again when it
 * is there. Nothing stays open. */
static void test_gone(void **state)
{
    int descriptors;
    struct metrics_files *f = open_files(77);
    struct metrics_sample s = { 0 };
    int64_t at;

    (void)state;
    descriptors = count_descriptors();
    assert_true(metrics_files_read(f, &s, &at));
    assert_true(count_descriptors() > descriptors);
    take_away("proc/77");
    assert_false(metrics_files_read(f, &s, &at));
    assert_int_equal(count_descriptors(), descriptors);
    assert_false(metrics_files_read(f, &s, &at));
    put_process(77, "0::/system.slice/sshd.service\n", "1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0");
    assert_false(metrics_files_read(f, &s, &at));
    put_v2_machine();
    assert_true(metrics_files_read(f, &s, &at));
    assert_int_equal(s.cpu_ns, 1000000);

    /* Only its cgroup is gone; a file of it that was never opened tells. */
    metrics_files_destroy(f);
    take_away(V2);
    f = open_files(77);
    assert_false(metrics_files_read(f, &s, &at));
    put_in(V2, "cpu.stat", "user_usec 1\n"); /* not understood */
    assert_false(metrics_files_read(f, &s, &at));
    put_in(V2, "cpu.stat", "usage_usec 1\n"); /* the rest is not there: it is not needed */
    assert_true(metrics_files_read(f, &s, &at));
    assert_int_equal(s.cpu_ns, 1000);
    assert_int_equal(s.memory_bytes, 0);
    assert_int_equal(s.pids, 0);
    metrics_files_destroy(f);
    assert_int_equal(count_descriptors(), descriptors);
    metrics_sample_fini(&s);
}

/* Descriptors are few: what cannot be kept open is opened for each reading. */
static void test_few_descriptors(void **state)
{
    struct metrics_files *files[12];
    struct metrics_sample s = { 0 };
    struct rlimit old, few;
    int64_t at;
    int before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    w.reader = metrics_reader_create(w.proc, w.cgroup);
    before = count_descriptors();
    for (size_t i = 0; i < COUNT_OF(files); i++)
        files[i] = open_files(77);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(files); i++) {
            assert_true(metrics_files_read(files[i], &s, &at));
            assert_int_equal(s.cpu_ns, 1000000);
            assert_int_equal(s.pids, 5);
        }
    assert_true(count_descriptors() - before <= 16 + (int)COUNT_OF(files));
    for (size_t i = 0; i < COUNT_OF(files); i++)
        metrics_files_destroy(files[i]);
    assert_int_equal(count_descriptors(), before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    metrics_sample_fini(&s);
}

/* ---- the public calls ---- */

static void on_turn(void *user)
{
    loop_stop(user);
}

/* Lets the loop run: timers that are due before `ms` from now go first. */
static void turn(int64_t ms)
{
    if (!w.timer)
        w.timer = loop_timer_create(w.loop, on_turn, w.loop);
    loop_timer_arm(w.timer, ms);
    loop_run(w.loop);
}

/* Until what was read before is no longer fresh. A timer counts from when its turn of the loop
 * began, so it may fire a little before the clock says so. */
static void turn_stale(void)
{
    int64_t stale_ms = clock_mono_ms() + METRICS_FRESH_MS;

    for (int64_t now_ms; (now_ms = clock_mono_ms()) < stale_ms;)
        turn(stale_ms - now_ms);
}

static void begin(void)
{
    w.m = metrics_create(
        &(struct metrics_args){ .loop = w.loop, .proc = w.proc, .cgroup = w.cgroup, .cpus = 2 });
}

static void watch(int pid, bool restarts)
{
    metrics_watch(
        w.m, &(struct metrics_container){
                 .id = ID, .name = "/web", .pid = pid, .network = true, .restarts = restarts });
}

static bool stats_contain(bool v4, const char *text)
{
    AUTO(buf) struct buf b = BUF_INIT(65536);
    struct jw j;
    bool found;

    jw_init(&j, &b);
    assert_true(metrics_write_stats(w.m, ID, v4, &j));
    found = strstr(buf_text(&b), text) != NULL;
    if (!found)
        printf("no %s in %s\n", text, buf_text(&b));
    return found;
}

static bool stats_are(bool v4, const char *text)
{
    AUTO(buf) struct buf b = BUF_INIT(65536);
    struct jw j;

    jw_init(&j, &b);
    assert_true(metrics_write_stats(w.m, ID, v4, &j));
    return streq(buf_text(&b), text);
}

static double stats_number(const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT(65536);
    const char *at;
    struct jw j;

    jw_init(&j, &b);
    assert_true(metrics_write_stats(w.m, ID, true, &j));
    at = strstr(buf_text(&b), name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void test_watch_and_forget(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(65536);
    struct metrics_sets sets;
    struct jw j;

    (void)state;
    begin();
    jw_init(&j, &b);
    assert_false(metrics_write_stats(w.m, ID, true, &j));
    assert_int_equal(b.len, 0);
    assert_null(metrics_latest(w.m, ID));
    assert_false(metrics_take_sets(w.m, ID, &sets));
    metrics_forget(w.m, ID);

    watch(78, false); /* there is no such process */
    assert_true(stats_are(true, "{}"));
    assert_true(stats_are(false, "null"));
    watch(77, false);
    assert_null(metrics_latest(w.m, ID));
    turn(0);
    assert_non_null(metrics_latest(w.m, ID));
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1000000);
    assert_false(metrics_take_sets(w.m, ID, &sets)); /* one reading */
    assert_true(stats_contain(true, "\"preread\":\"0001-01-01T00:00:00Z\""));
    assert_true(stats_contain(true, "\"name\":\"/web\",\"id\":\"" ID "\",\"networks\":{\"eth0\""));
    assert_true(stats_contain(true, "\"tx_dropped\":4}}}")); /* no rate yet */
    metrics_forget(w.m, ID);
    assert_null(metrics_latest(w.m, ID));
    assert_null(metrics_fresh(w.m, ID));
    assert_false(metrics_write_stats(w.m, ID, true, &j));
}

/* Who asks after a second gets a new reading, and what follows from two. */
static void test_two_readings(void **state)
{
    struct metrics_sets sets;
    double rate;

    (void)state;
    begin();
    watch(77, false);
    turn(0);
    put_v2(V2, "501000");
    put_process(77, "0::/system.slice/docker-" ID ".scope\n",
                "3000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0");
    assert_true(stats_contain(true, "\"total_usage\":1000000")); /* still fresh */
    turn_stale();
    assert_true(stats_contain(true, "\"total_usage\":501000000,"));
    assert_true(stats_contain(true, "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":1000000,"));
    rate = stats_number("\"network_rate_stats\":{\"rx_bytes_per_sec\":");
    assert_true(rate <= 2000 && rate > 400); /* 2000 bytes, in at least a second */
    assert_true(stats_contain(true, "\"tx_bytes_per_sec\":0}}"));
    assert_true(stats_contain(false, "\"tx_dropped\":4}}}"));
    assert_true(metrics_take_sets(w.m, ID, &sets));
    assert_int_equal(sets.cpu_percent.count, 1);
    /* half a second of one of two processors, in at least a second */
    assert_true(sets.cpu_percent.max <= 25 && sets.cpu_percent.max > 5);
    assert_int_equal(sets.memory_mib.count, 2);
    assert_int_equal((int)sets.memory_mib.max, 28);
    assert_int_equal(sets.read_bytes.sum, 8192);
    assert_int_equal(sets.rx_bytes.min, 1000);
    assert_int_equal(sets.rx_bytes.max, 3000);
    assert_int_equal(sets.rx_rate.count, 1);
    assert_false(metrics_take_sets(w.m, ID, &sets));
}

static void test_fresh(void **state)
{
    (void)state;
    begin();
    watch(77, false);
    turn(0);
    put_v2(V2, "501000");
    assert_int_equal(metrics_fresh(w.m, ID)->cpu_ns, 1000000); /* not a second old */
    turn_stale();
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1000000);
    assert_int_equal(metrics_fresh(w.m, ID)->cpu_ns, 501000000);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 501000000);
}

/* With a restart policy what earlier lives used is added, and told while the next one has not
 * been read yet; watching the same process again adds nothing. */
static void test_restarts(void **state)
{
    static const char again[] = "0::/system.slice/docker-" ID ".scope\n";

    (void)state;
    begin();
    watch(77, true);
    turn(0);
    take_away("proc/77");
    put_process(78, again, "5 10 1 2 0 0 0 0 6 20 3 4 0 0 0 0");
    put_v2(V2, "10");
    watch(78, true);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1000000);
    turn(0);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1010000);
    assert_int_equal(metrics_latest(w.m, ID)->interfaces[0].rx_bytes, 1005);
    assert_int_equal(metrics_latest(w.m, ID)->io[0].read_bytes, 8192);
    assert_int_equal(metrics_latest(w.m, ID)->oom_kills, 6);
    watch(78, true);
    turn(0);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1010000);
    put_process(79, again, "5 10 1 2 0 0 0 0 6 20 3 4 0 0 0 0");
    watch(79, true);
    turn(0);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 1020000);

    watch(78, false); /* without a policy it begins anew */
    assert_null(metrics_latest(w.m, ID));
    turn(0);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 10000);
}

static void watch_counted(int pid, int64_t restart_count)
{
    metrics_watch(w.m, &(struct metrics_container){ .id = ID,
                                                    .name = "/web",
                                                    .pid = pid,
                                                    .restarts = true,
                                                    .restart_count = restart_count });
}

/* What is told of restarts is how many there were since the sets before; those from before it
 * was watched are nobody's news. */
static void test_restarts_told(void **state)
{
    struct metrics_sets sets;

    (void)state;
    begin();
    assert_false(metrics_is_watched(w.m, ID));
    watch_counted(77, 5);
    assert_true(metrics_is_watched(w.m, ID));
    turn(0);
    watch_counted(77, 7);
    turn_stale();
    assert_true(metrics_take_sets(w.m, ID, &sets));
    assert_int_equal(sets.restarts, 2);
    watch_counted(77, 8);
    assert_false(metrics_take_sets(w.m, ID, &sets)); /* nothing new to go with it */
    turn_stale();
    assert_true(metrics_take_sets(w.m, ID, &sets));
    assert_int_equal(sets.restarts, 1);
    turn_stale();
    assert_true(metrics_take_sets(w.m, ID, &sets));
    assert_int_equal(sets.restarts, 0);
}

/* All are read, a few on each turn of the loop. */
static void test_many(void **state)
{
    char id[100][72];

    (void)state;
    begin();
    for (int i = 0; i < 100; i++) {
        AUTO(str) char *dir = mem_printf("cgroup/docker/%064d", i);
        AUTO(str) char *cgroups = mem_printf("0::/docker/%064d\n", i);
        AUTO(str) char *stat = mem_printf("usage_usec %d\n", i);

        snprintf(id[i], sizeof id[i], "%064d", i);
        put_in(dir, "cpu.stat", stat);
        put_process(1000 + i, cgroups, "1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0");
        metrics_watch(w.m,
                      &(struct metrics_container){ .id = id[i], .name = "/x", .pid = 1000 + i });
    }
    for (int i = 0; i < 100; i++)
        turn(0);
    for (int i = 0; i < 100; i++) {
        assert_non_null(metrics_latest(w.m, id[i]));
        assert_int_equal(metrics_latest(w.m, id[i])->cpu_ns, 1000 * i);
        assert_int_equal(metrics_latest(w.m, id[i])->n_interfaces, 0);
    }
    for (int i = 0; i < 50; i++)
        metrics_forget(w.m, id[i * 2]);
    assert_null(metrics_latest(w.m, id[0]));
    assert_non_null(metrics_latest(w.m, id[1]));
}

/* Nobody asks: it is read all the same. */
static void test_interval(void **state)
{
    int64_t first;

    (void)state;
    begin();
    watch(77, false);
    turn(0);
    first = metrics_latest(w.m, ID)->wall_ns;
    put_v2(V2, "2000");
    for (int i = 0; i < 1000 && metrics_latest(w.m, ID)->wall_ns == first; i++)
        turn(20);
    assert_int_equal(metrics_latest(w.m, ID)->cpu_ns, 2000000);
    assert_true(metrics_latest(w.m, ID)->wall_ns - first > (METRICS_INTERVAL_MS - 100) * 1000000LL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_v2),           TEST(test_v1),
        TEST(test_gone),         TEST(test_few_descriptors),
        TEST(test_many),         TEST(test_watch_and_forget),
        TEST(test_restarts),     TEST(test_restarts_told),
        TEST(test_two_readings), TEST(test_interval),
        TEST(test_fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
