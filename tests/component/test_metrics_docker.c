/* links: metrics host docker task io base */
/* Readings against the statistics of a real Docker Engine: each is taken between two of the
 * engine's, which enclose it. Containers that use processors, memory, a disk and a network;
 * one that is restarted; one that is killed while it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/clock.h"
#include "component/docker_world.h"
#include "metrics/internal.h"
#include "metrics/metrics.h"

#define MIB          1048576
#define TRANSFER     (4 * MIB)
#define READINGS     2000
#define READING_US   500 /* 100 containers each 5 s are then 1 % of a processor */
#define DOCUMENT_MAX (1 << 20)
#define UNTIL_MS     30000
#define PAUSE_MS     50

static struct fix {
    char image[64], volume[64];
    char names[8][64]; /* of containers to remove */
    size_t n_names;
    bool has_volume, has_parents;
    char id[80];
    int pid;
    struct buf text; /* of the engine's last answer */
    struct loop_timer *timer;
    struct metrics_reader *reader;
    struct metrics_files *files;
    struct metrics_sample sample;
    struct metrics *metrics;
} fx;

/* ---- the engine ---- */

static void on_text(void *user, const struct http_response *r, const struct err *e)
{
    (void)user;
    buf_reset(&fx.text);
    w.status = r ? r->status : 0;
    if (r)
        buf_append(&fx.text, r->body.p, r->body.n);
    finish(e);
}

static void engine_get(const char *path)
{
    bool local = str_starts(w.endpoint, "unix://");
    AUTO(str)
    char *url = local ? mem_printf("http://docker%s", path)
                      : mem_printf("http://%s%s", strstr(w.endpoint, "://") + 3, path);

    http_send(w.http,
              &(struct http_request){ .method = "GET",
                                      .url = url,
                                      .unix_socket = local ? w.endpoint + 7 : NULL,
                                      .timeout_ms = CALL_MS },
              on_text, NULL);
    wait_ok();
    assert_int_equal(w.status, 200);
}

static void engine_call(const char *method, const char *path)
{
    world_http(method, path, (struct http_header){ "Accept", "application/json" },
               (struct str){ 0 });
}

static void on_created(void *user, const char *id, const struct err *e)
{
    (void)user;
    snprintf(fx.id, sizeof fx.id, "%s", id ? id : "");
    finish(e);
}

static void find_process(void)
{
    AUTO(str) char *path = mem_printf("/containers/%s/json", fx.id);
    const char *at;

    engine_get(path);
    at = strstr(buf_text(&fx.text), "\"Pid\":");
    assert_non_null(at);
    fx.pid = (int)strtol(at + strlen("\"Pid\":"), NULL, 10);
    assert_true(fx.pid > 0);
}

/* `host` is a JSON object. The container runs then: fx.id, fx.pid; its name comes back. */
static const char *start(const char *suffix, const char *script, const char *host)
{
    AUTO(buf) struct buf body = BUF_INIT(8192);
    char *name = fx.names[fx.n_names];
    struct jw j;

    assert_true(fx.n_names < COUNT_OF(fx.names));
    snprintf(name, sizeof fx.names[0], "%s-%s", w.unique, suffix);
    fx.n_names++;
    jw_init(&j, &body);
    jw_object(&j);
    jw_kstr(&j, "Image", fx.image);
    jw_karray(&j, "Cmd");
    jw_str(&j, "/bin/sh");
    jw_str(&j, "-c");
    jw_str(&j, script);
    jw_end(&j);
    jw_key(&j, "HostConfig");
    jw_raw(&j, str_of(host));
    jw_end(&j);
    docker_create_container(w.d, name, buf_str(&body), CALL_MS, on_created, NULL);
    wait_ok();
    docker_start(w.d, fx.id, CALL_MS, on_done, NULL);
    wait_ok();
    find_process();
    return name;
}

/* ---- our side ---- */

static void open_files(bool network)
{
    fx.files = metrics_files_create(fx.reader, fx.id, fx.pid, network);
}

static bool read_sample(void)
{
    int64_t at;

    return metrics_files_read(fx.files, &fx.sample, &at);
}

static void on_pause(void *user)
{
    loop_stop(user);
}

static void pause_for(int64_t ms)
{
    loop_timer_arm(fx.timer, ms);
    loop_run(w.loop);
}

/* Readings until the counter is at least that much. */
static void read_until(const uint64_t *counter, uint64_t value)
{
    int64_t end = clock_mono_ms() + UNTIL_MS;

    while (read_sample() && *counter < value) {
        if (clock_mono_ms() > end)
            fail_msg("only %llu of %llu", (unsigned long long)*counter, (unsigned long long)value);
        pause_for(PAUSE_MS);
    }
    assert_true(*counter >= value);
}

/* Until what it does is done: one process sleeps. */
static void read_until_alone(void)
{
    int64_t end = clock_mono_ms() + UNTIL_MS;

    while (read_sample() && fx.sample.pids != 1) {
        assert_true(clock_mono_ms() < end);
        pause_for(PAUSE_MS);
    }
    assert_int_equal(fx.sample.pids, 1);
}

static uint64_t total_rx, total_written, total_read;

static void read_until_sum(const char *what, uint64_t *total, uint64_t value)
{
    int64_t end = clock_mono_ms() + UNTIL_MS;

    do {
        assert_true(clock_mono_ms() < end);
        pause_for(PAUSE_MS);
        assert_true(read_sample());
        total_rx = total_written = total_read = 0;
        for (size_t i = 0; i < fx.sample.n_interfaces; i++)
            total_rx += fx.sample.interfaces[i].rx_bytes;
        for (size_t i = 0; i < fx.sample.n_io; i++) {
            total_written += fx.sample.io[i].write_bytes;
            total_read += fx.sample.io[i].read_bytes;
        }
    } while (*total < value);
    printf("%s: %llu bytes\n", what, (unsigned long long)*total);
}

/* ---- two of the engine's, one of ours between ---- */

/* By how much a figure may be outside, besides 2 %: the engine reads some of them in coarser
 * steps, and the kernel gathers those of memory from its processors now and then. */
static double slack(const char *part)
{
    if (streq(part, "memory_stats"))
        return 512 * 1024;
    if (streq(part, "cpu_stats"))
        return 20e6; /* two ticks */
    return 0;
}

static size_t compared;

static void compare(const char *part, const char *key, const struct jcur *first,
                    const struct jcur *ours, const struct jcur *last)
{
    struct jcur a, b, c;
    double lo, hi, v;

    if (jcur_type(first) != jcur_type(ours) && jcur_type(first) == jcur_type(last))
        fail_msg("%s.%s: another type", part, key);
    switch (jcur_type(first)) {
    case JSON_OBJ:
        for (size_t i = 0; jcur_member(first, i, &a); i++) {
            /* The members are the same; their order has changed from engine to engine. */
            b = jcur_get(ours, a.key);
            if (!jcur_present(&b) && jcur_present(&a))
                fail_msg("%s.%s: no %s", part, key, a.key);
            c = jcur_get(last, a.key);
            if (!streq(a.key, "read") && !streq(a.key, "preread"))
                compare(*part ? part : a.key, a.key, &a, &b, &c);
        }
        if (jcur_member(ours, jcur_len(first), &b) && jcur_type(first) == JSON_ARR)
            fail_msg("%s.%s: more than the engine", part, key);
        return;
    case JSON_ARR:
        if (jcur_len(first) == jcur_len(last))
            assert_int_equal(jcur_len(ours), jcur_len(first));
        for (size_t i = 0; i < jcur_len(first) && i < jcur_len(ours); i++) {
            a = jcur_at(first, i);
            b = jcur_at(ours, i);
            c = jcur_at(last, i);
            compare(part, key, &a, &b, &c);
        }
        return;
    case JSON_STR:
        assert_string_equal(jcur_as_str(first), jcur_as_str(ours));
        return;
    case JSON_INT:
        lo = (double)jcur_as_int(first, INT64_MIN, INT64_MAX);
        hi = (double)jcur_as_int(last, INT64_MIN, INT64_MAX);
        v = (double)jcur_as_int(ours, INT64_MIN, INT64_MAX);
        if (hi < lo) { /* not a counter */
            double swap = lo;

            lo = hi;
            hi = swap;
        }
        compared++;
        if (v < lo * 0.98 - slack(part) || v > hi * 1.02 + slack(part))
            fail_msg("%s.%s: %.0f is not within %.0f and %.0f", part, key, v, lo, hi);
        return;
    case JSON_NONE:
    case JSON_NUM:
    case JSON_BOOL:
        return;
    }
}

static void get_stats(struct json_t **out)
{
    AUTO(str) char *path = mem_printf("/containers/%s/stats?stream=false&one-shot=true", fx.id);
    struct err e = { 0 };

    engine_get(path);
    assert_int_equal(json_parse(buf_text(&fx.text), fx.text.len, out, &e), ERR_OK);
}

static void compare_with_engine(const char *name)
{
    AUTO(json) struct json_t *first = NULL;
    AUTO(json) struct json_t *ours = NULL;
    AUTO(json) struct json_t *last = NULL;
    AUTO(buf) struct buf text = BUF_INIT(DOCUMENT_MAX);
    AUTO(str) char *slashed = mem_printf("/%s", name);
    struct err e = { 0 };
    struct jcur a, b, c;
    struct jw j;

    get_stats(&first);
    assert_true(read_sample());
    get_stats(&last);
    jw_init(&j, &text);
    metrics_write_docker(&(struct metrics_stats){ .id = fx.id, .name = slashed, .now = &fx.sample },
                         &j);
    assert_int_equal(json_parse(buf_text(&text), text.len, &ours, &e), ERR_OK);
    a = jcur_root(first, &e);
    b = jcur_root(ours, &e);
    c = jcur_root(last, &e);
    compared = 0;
    compare("", "", &a, &b, &c);
    assert_int_equal(e.code, ERR_OK);
    printf("%s: %zu figures as the engine's\n", name + strlen(w.unique) + 1, compared);
    assert_true(compared > 20);
}

/* ---- tests ---- */

static int group_setup(void **state)
{
    (void)state;
    world_begin();
    fx.timer = loop_timer_create(w.loop, on_pause, w.loop);
    buf_init(&fx.text, DOCUMENT_MAX);
    fx.reader = metrics_reader_create("/proc", "/sys/fs/cgroup");
    snprintf(fx.image, sizeof fx.image, "%s:1", w.unique);
    snprintf(fx.volume, sizeof fx.volume, "%s-disk", w.unique);
    if (!w.why_skipped && !str_starts(w.endpoint, "unix://"))
        w.why_skipped = "the engine is on another machine";
    world_import_image();
    if (w.why_skipped)
        printf("skipped: %s (%s)\n", w.why_skipped, w.endpoint);
    return 0;
}

static int group_teardown(void **state)
{
    char path[200];

    (void)state;
    snprintf(path, sizeof path, "/images/%s", fx.image);
    if (!w.why_skipped)
        engine_call("DELETE", path);
    metrics_reader_destroy(fx.reader);
    metrics_sample_fini(&fx.sample);
    loop_timer_destroy(fx.timer);
    buf_fini(&fx.text);
    world_end();
    return 0;
}

/* A parent that the engine made stays: an empty directory in each hierarchy. */
static void remove_parents(const char *parent)
{
    DIR *d = opendir("/sys/fs/cgroup");
    const struct dirent *entry;

    while (d && (entry = readdir(d))) {
        AUTO(str)
        char *outer = mem_printf("/sys/fs/cgroup/%s/%s", entry->d_name, parent);
        AUTO(str) char *inner = mem_printf("%s/one", outer);

        rmdir(inner);
        rmdir(outer);
    }
    if (d)
        closedir(d);
}

static int teardown(void **state)
{
    char path[200];

    (void)state;
    metrics_destroy(fx.metrics);
    fx.metrics = NULL;
    metrics_files_destroy(fx.files);
    fx.files = NULL;
    for (; fx.n_names; fx.n_names--) {
        snprintf(path, sizeof path, "/containers/%s?force=1&v=1", fx.names[fx.n_names - 1]);
        engine_call("DELETE", path);
    }
    snprintf(path, sizeof path, "/volumes/%s", fx.volume);
    if (fx.has_volume)
        engine_call("DELETE", path);
    fx.has_volume = false;
    if (fx.has_parents)
        remove_parents(w.unique);
    fx.has_parents = false;
    return 0;
}

static void test_cpu(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    name = start("cpu", "while :; do :; done",
                 "{\"CpuPeriod\":20000,\"CpuQuota\":10000,\"PidsLimit\":50}");
    open_files(true);
    read_until(&fx.sample.cpu_ns, 1000000000);
    compare_with_engine(name);
    assert_true(fx.sample.throttled_periods > 10);
    assert_int_equal(fx.sample.pids_limit, 50);
}

static void test_memory(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    name = start("memory",
                 "busybox dd if=/dev/zero of=/dev/null bs=50M count=2; "
                 "busybox dd if=/dev/zero of=/t/f bs=1M count=50; exec busybox sleep 600",
                 "{\"Memory\":268435456,\"Tmpfs\":{\"/t\":\"size=100m\"}}");
    open_files(true);
    read_until(&fx.sample.memory_bytes, 50 * MIB);
    read_until_alone();
    compare_with_engine(name);
    assert_int_equal(fx.sample.memory_limit, 256 * MIB);
}

/* A process of it is killed for want of memory; the container goes on. */
static void test_oom(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    name =
        start("oom", "busybox dd if=/dev/zero of=/dev/null bs=50M count=1; exec busybox sleep 600",
              "{\"Memory\":16777216,\"MemorySwap\":-1}");
    open_files(true);
    read_until(&fx.sample.oom_kills, 1);
    read_until_alone();
    compare_with_engine(name);
    assert_true(fx.sample.v2 || fx.sample.memory_fails > 0);
}

/* Current kernels count version 1's requests only where a limit is set: a high one is. */
static bool disk_limits(char *out, size_t size)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 17);
    char path[100];
    struct stat st;
    const char *name;

    if (stat("/var/lib/docker", &st))
        return false;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/uevent", major(st.st_dev), minor(st.st_dev));
    if (!world_read_file(path, &text) || !(name = strstr(buf_text(&text), "DEVNAME=")))
        return false;
    name += strlen("DEVNAME=");
    snprintf(out, size,
             "\"BlkioDeviceWriteBps\":[{\"Path\":\"/dev/%.*s\",\"Rate\":10000000000}],"
             "\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/%.*s\",\"Rate\":10000000000}],",
             (int)strcspn(name, "\n"), name, (int)strcspn(name, "\n"), name);
    return true;
}

static void test_disk(void **state)
{
    char limits[400];
    AUTO(str) char *host = NULL;
    const char *name;

    (void)state;
    NEED_ENGINE();
    if (!disk_limits(limits, sizeof limits)) {
        printf("skipped: Docker's files are not on a device\n");
        skip();
    }
    host = mem_printf("{%s\"Binds\":[\"%s:/v\"]}", limits, fx.volume);
    fx.has_volume = true;
    name = start("disk",
                 "busybox dd if=/dev/zero of=/v/f bs=1M count=20 oflag=direct; "
                 "busybox dd if=/v/f of=/dev/null bs=1M iflag=direct; busybox sleep 600",
                 host);
    open_files(true);
    read_until_sum("written", &total_written, 20 * MIB);
    read_until_sum("read", &total_read, 20 * MIB);
    compare_with_engine(name);
}

static void test_network(void **state)
{
    AUTO(str) char *script = NULL;
    const char *name, *at;
    char path[200];

    (void)state;
    NEED_ENGINE();
    start("server",
          "busybox mkdir /www; busybox dd if=/dev/zero of=/www/f bs=1M count=5; "
          "exec busybox httpd -f -p 8080 -h /www",
          "{}");
    snprintf(path, sizeof path, "/containers/%s/json", fx.id);
    engine_get(path);
    at = strstr(buf_text(&fx.text), "\"IPAddress\":\"");
    assert_non_null(at);
    at += strlen("\"IPAddress\":\"");
    if (*at == '"') {
        printf("skipped: the engine's default network has no addresses\n");
        skip();
    }
    script =
        mem_printf("until busybox wget -O /dev/null http://%.*s:8080/f; do busybox sleep 1; done; "
                   "busybox sleep 600",
                   (int)strcspn(at, "\""), at);
    name = start("client", script, "{}");
    open_files(true);
    read_until_sum("received", &total_rx, TRANSFER);
    compare_with_engine(name);
}

/* A container in the host's network has no counters, and the engine tells none. */
static void test_host_network(void **state)
{
    const char *name;

    (void)state;
    NEED_ENGINE();
    name = start("host", "busybox sleep 600", "{\"NetworkMode\":\"host\"}");
    open_files(false);
    compare_with_engine(name);
    assert_int_equal(fx.sample.n_interfaces, 0);
}

/* A cgroup with a parent of its own, as tasks with limits have. */
static void test_parent(void **state)
{
    AUTO(str) char *host = NULL;
    const char *name;
    bool systemd;

    (void)state;
    NEED_ENGINE();
    engine_get("/info");
    systemd = strstr(buf_text(&fx.text), "\"CgroupDriver\":\"systemd\"") != NULL;
    host = systemd ? mem_strdup("{\"CgroupParent\":\"berthtest.slice\"}")
                   : mem_printf("{\"CgroupParent\":\"/%s/one\"}", w.unique);
    fx.has_parents = !systemd;
    name = start("parent", "exec busybox sleep 600", host);
    open_files(true);
    compare_with_engine(name);
    assert_true(fx.sample.cpu_ns > 0);
}

static void put(const char *root, const char *name, const char *text)
{
    AUTO(str) char *path = mem_printf("%s/%s", root, name);
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void link_to(const char *root, const char *name, const char *target)
{
    AUTO(str) char *path = mem_printf("%s/%s", root, name);

    assert_int_equal(symlink(target, path), 0);
}

/* Where version 2 is mounted beside version 1, it counts the processors' time too: a process
 * that seems to be in version 2 only is read from there, as far as that goes. */
static void test_version_2_beside_1(void **state)
{
    char root[] = "/tmp/berth-metrics-XXXXXX";
    AUTO(str) char *cgroup = NULL;
    AUTO(str) char *net = NULL;
    AUTO(str) char *dir = NULL;
    struct metrics_reader *reader;
    struct metrics_files *files;
    struct metrics_sample s = { 0 };
    const char *const names[] = { "self/mountinfo", "1/cgroup", "1/net", "self", "1",
                                  "stat",           "meminfo" };
    int64_t at;
    bool read;

    (void)state;
    NEED_ENGINE();
    start("beside", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec busybox sleep 600",
          "{}");
    dir = mem_printf("/sys/fs/cgroup/unified/docker/%s", fx.id);
    if (access(dir, R_OK)) {
        printf("skipped: no version 2 beside version 1\n");
        skip();
    }
    open_files(true);
    read_until(&fx.sample.cpu_ns, 100000000);
    assert_non_null(mkdtemp(root));
    cgroup = mem_printf("0::/docker/%s\n", fx.id);
    net = mem_printf("/proc/%d/net", fx.pid);
    link_to(root, "stat", "/proc/stat");
    link_to(root, "meminfo", "/proc/meminfo");
    for (int i = 0; i < 2; i++) {
        AUTO(str) char *path = mem_printf("%s/%s", root, i ? "1" : "self");

        assert_int_equal(mkdir(path, 0700), 0);
    }
    put(root, "self/mountinfo", "1 1 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put(root, "1/cgroup", cgroup);
    link_to(root, "1/net", net);
    reader = metrics_reader_create(root, "/sys/fs/cgroup");
    files = metrics_files_create(reader, fx.id, 1, true);
    assert_true(read_sample());
    read = metrics_files_read(files, &s, &at);
    metrics_files_destroy(files);
    metrics_reader_destroy(reader);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(str) char *path = mem_printf("%s/%s", root, names[i]);

        remove(path);
    }
    remove(root);
    assert_true(read);
    assert_true(s.v2);
    assert_true(s.cpu_ns + 1000 >= fx.sample.cpu_ns); /* whole microseconds */
    assert_true(read_sample());
    assert_true(s.cpu_ns <= fx.sample.cpu_ns);
    assert_true(s.cpu_user_ns + s.cpu_system_ns > s.cpu_ns * 9 / 10);
    assert_int_equal(s.n_interfaces, 1);
    printf("beside: %llu us of version 2, pressure %s\n", (unsigned long long)s.cpu_ns / 1000,
           s.pressure.known ? "known" : "unknown");
    metrics_sample_fini(&s);
}

/* It is killed while it is read over and over: whole readings until there is none. */
static void test_killed(void **state)
{
    uint64_t last = 0;
    int readings = 0;
    int64_t end;

    (void)state;
    NEED_ENGINE();
    start("killed", "while :; do :; done", "{}");
    open_files(true);
    assert_true(read_sample());
    w.done = false;
    docker_kill(w.d, fx.id, "SIGKILL", CALL_MS, on_done, NULL);
    end = clock_mono_ms() + UNTIL_MS;
    while (read_sample()) {
        assert_true(fx.sample.cpu_ns >= last);
        assert_true(fx.sample.memory_bytes > 0);
        assert_int_equal(fx.sample.n_interfaces, 1);
        assert_true(clock_mono_ms() < end);
        last = fx.sample.cpu_ns;
        readings++;
        pause_for(0);
    }
    printf("killed after %d readings\n", readings);
    for (int i = 0; i < 100; i++)
        assert_false(read_sample());
    if (!w.done)
        wait_ok();
}

/* Restarted: what it used before is kept, and the sum grows. */
static void test_restarted(void **state)
{
    struct metrics_container c;
    uint64_t before;
    char path[200];

    (void)state;
    NEED_ENGINE();
    start("restarted", "while :; do :; done", "{}");
    fx.metrics = metrics_create(&(struct metrics_args){
        .loop = w.loop, .proc = "/proc", .cgroup = "/sys/fs/cgroup", .cpus = 1 });
    c = (struct metrics_container){
        .id = fx.id, .name = "/x", .pid = fx.pid, .network = true, .restarts = true
    };
    metrics_watch(fx.metrics, &c);
    while (!metrics_latest(fx.metrics, fx.id))
        pause_for(0);
    before = metrics_latest(fx.metrics, fx.id)->cpu_ns;
    assert_true(before > 0);
    snprintf(path, sizeof path, "/containers/%s/restart?t=0", fx.id);
    engine_call("POST", path);
    assert_int_equal(w.status, 204);
    find_process();
    assert_int_not_equal(fx.pid, c.pid);
    c.pid = fx.pid;
    metrics_watch(fx.metrics, &c);
    pause_for(0);
    pause_for(0);
    assert_true(metrics_latest(fx.metrics, fx.id)->cpu_ns > before);
}

static void test_cost(void **state)
{
    struct timespec t[2];
    int64_t took_ns;

    (void)state;
    NEED_ENGINE();
    start("cost", "busybox sleep 600", "{}");
    open_files(true);
    assert_true(read_sample());
    /* Our own processor time: others may want the machine as well. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[0]);
    for (int i = 0; i < READINGS; i++)
        assert_true(read_sample());
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[1]);
    took_ns = ((t[1].tv_sec - t[0].tv_sec) * 1000000000LL + t[1].tv_nsec - t[0].tv_nsec) / READINGS;
    printf("one reading: %.1f us; 100 containers each %d s: %.3f %% of a processor\n",
           (double)took_ns / 1e3, METRICS_INTERVAL_MS / 1000,
           (double)took_ns * 100 / (METRICS_INTERVAL_MS * 1e6) * 100);
    assert_true(took_ns < READING_US * 1000);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cpu),     TEST(test_memory),
        TEST(test_oom),     TEST(test_disk),
        TEST(test_network), TEST(test_host_network),
        TEST(test_parent),  TEST(test_version_2_beside_1),
        TEST(test_killed),  TEST(test_restarted),
        TEST(test_cost),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
