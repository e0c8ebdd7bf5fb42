/* seal.c, names.c: what goes and what stays, on a real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bake/seal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- names ---- */

static void test_state_names(void **state)
{
    static const struct {
        const char *name;
        bool ours;
    } rows[] = {
        { "berth.db", true },
        { "berth.db-wal", true },
        { "berth.db-shm", true },
        { "berth.db.newer-1", true },
        { "berth.db.newer-1-wal", true },
        { "berth.db.broken-12", true },
        { "berth.commits", true },
        { "instance.json", true },
        { "instance.json.new", true },
        { "flight.jsonl", true },
        { "flight.1.jsonl", true },
        { "postmortem", true },
        { "metadata", true },
        { "lock", false },
        { "agent.db", false }, /* the reference agent's */
        { "berth.dbx", false },
        { "berth", false },
        { "flight.2.jsonl", false },
        { "ecs_volume_plugin.json", false },
        { "my-berth.db", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (seal_is_state(rows[i].name) != rows[i].ours)
            fail_msg("%s", rows[i].name);
}

static void test_log_names(void **state)
{
    static const struct {
        const char *name;
        bool ours;
    } rows[] = {
        { "a.log", true },
        { "a.log.1", true },
        { "a.log.2026-01-02-03", true },
        { "a.log.4.gz", true },
        { "a.log-20260102", true },
        { "a.log-20260102.gz", true },
        { "a.logx", false },
        { "a.log.bak", false },
        { "a.log.", false },
        { "a.log.1x", false },
        { "a.log.1.gz.bak", false },
        { "b.log", false },
        { "a.lo", false },
        { "", false },
        { "a.log.gz", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (seal_is_log("a.log", rows[i].name) != rows[i].ours)
            fail_msg("%s", rows[i].name);
}

/* ---- a machine ---- */

static char root[64];
static struct buf said = BUF_INIT(1 << 16);

static char *below(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void folder(const char *path)
{
    AUTO(str) char *full = below(path);

    assert_int_equal(mkdir(full, 0700), 0);
}

static void file(const char *path)
{
    AUTO(str) char *full = below(path);
    int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "81\n", 3), 3);
    close(fd);
}

static void link_to(const char *target, const char *path)
{
    AUTO(str) char *to = below(target);
    AUTO(str) char *full = below(path);

    assert_int_equal(symlink(to, full), 0);
}

static bool is_there(const char *path)
{
    AUTO(str) char *full = below(path);
    struct stat st;

    return lstat(full, &st) == 0;
}

static void make_socket(const char *path)
{
    AUTO(str) char *full = below(path);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", full);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/berth-seal-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    folder("data");
    folder("data/metadata");
    folder("data/metadata/cluster");
    folder("data/postmortem");
    folder("logs");
    folder("run");
    folder("elsewhere");
    file("elsewhere/precious");
    file("data/lock");
    file("data/berth.db");
    file("data/berth.db-wal");
    file("data/instance.json");
    file("data/agent.db");
    file("data/metadata/cluster/file");
    file("data/postmortem/1.json");
    file("logs/agent.log");
    file("logs/agent.log.3");
    file("logs/audit.log");
    file("logs/others.log");
    make_socket("run/berth.sock");
    link_to("elsewhere", "data/metadata/cluster/way-out");
    link_to("elsewhere", "data/berth.db.newer-1");
    link_to("elsewhere/precious", "logs/agent.log.9");
    link_to("elsewhere", "logs/agent.log.10");
    return 0;
}

static int end(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf %s", root);

    (void)state;
    buf_fini(&said);
    return system(command);
}

static void on_said(void *user, enum seal_said what, const char *path, const struct err *e)
{
    static const char *const verbs[] = { "removed", "failed", "left" };

    (void)user;
    assert_int_equal(e != NULL, what == SEAL_FAILED);
    assert_true(str_starts(path, root));
    buf_printf(&said, "%s %s\n", verbs[what], path + strlen(root) + 1);
}

static enum err_code seal_it(bool dry_run, struct err *e)
{
    AUTO(str) char *data = below("data");
    AUTO(str) char *log = below("logs/agent.log");
    AUTO(str) char *audit = below("logs/audit.log");
    AUTO(str) char *sock = below("run/berth.sock");
    const char *const logs[] = { log, NULL, audit };

    buf_reset(&said);
    *e = (struct err){ 0 };
    return seal(&(struct seal_args){ .data_dir = data,
                                     .logs = logs,
                                     .n_logs = COUNT_OF(logs),
                                     .socket = sock,
                                     .dry_run = dry_run,
                                     .said = on_said },
                e);
}

#define ALL                           \
    "left data/agent.db\n"            \
    "removed data/berth.db\n"         \
    "removed data/berth.db-wal\n"     \
    "removed data/berth.db.newer-1\n" \
    "removed data/instance.json\n"    \
    "removed data/metadata\n"         \
    "removed data/postmortem\n"       \
    "removed logs/agent.log\n"        \
    "removed logs/agent.log.3\n"      \
    "left logs/agent.log.9\n"         \
    "removed logs/audit.log\n"        \
    "removed run/berth.sock\n"

static void test_all(void **state)
{
    AUTO(str) char *lock = below("data/lock");
    struct stat st;
    struct err e;

    (void)state;
    assert_int_equal(seal_it(false, &e), ERR_OK);
    assert_string_equal(buf_text(&said), ALL);
    assert_false(is_there("data/berth.db"));
    assert_false(is_there("data/metadata"));
    assert_false(is_there("data/berth.db.newer-1"));
    assert_false(is_there("run/berth.sock"));
    assert_true(is_there("data/agent.db"));
    assert_true(is_there("logs/others.log"));
    assert_true(is_there("elsewhere/precious")); /* no link was followed */
    assert_true(is_there("logs/agent.log.10"));  /* nor is one to a folder a log */
    assert_int_equal(stat(lock, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(seal_it(false, &e), ERR_OK); /* once more */
    assert_string_equal(buf_text(&said), "left data/agent.db\nleft logs/agent.log.9\n");
}

static void test_dry_run(void **state)
{
    AUTO(str) char *lock = below("data/lock");
    struct stat st;
    struct err e;

    (void)state;
    assert_int_equal(seal_it(true, &e), ERR_OK);
    assert_string_equal(buf_text(&said), ALL);
    assert_true(is_there("data/berth.db"));
    assert_true(is_there("data/metadata/cluster/file"));
    assert_true(is_there("logs/agent.log"));
    assert_true(is_there("run/berth.sock"));
    assert_int_equal(stat(lock, &st), 0);
    assert_int_equal(st.st_size, 3);
}

static void test_agent_runs(void **state)
{
    AUTO(str) char *lock = below("data/lock");
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    struct err e;

    (void)state;
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(seal_it(false, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "process 81"));
    assert_string_equal(buf_text(&said), "");
    assert_true(is_there("data/berth.db"));
    close(fd);
    assert_int_equal(seal_it(false, &e), ERR_OK);
}

/* The way to a folder may be a link; the lock may not lead elsewhere. */
static void test_links(void **state)
{
    AUTO(str) char *data = below("data");
    AUTO(str) char *real = below("real");
    AUTO(str) char *lock = below("real/lock");
    AUTO(str) char *precious = below("elsewhere/precious");
    struct stat st;
    struct err e;

    (void)state;
    assert_int_equal(rename(data, real), 0);
    link_to("real", "data");
    assert_int_equal(unlink(lock), 0);
    link_to("elsewhere/precious", "real/lock");
    assert_int_equal(seal_it(false, &e), ERR_OK);
    assert_false(is_there("real/berth.db"));
    assert_true(is_there("data"));
    assert_int_equal(stat(precious, &st), 0);
    assert_int_equal(st.st_size, 3);
}

/* Whether an agent runs there cannot be known, so nothing is done. */
static void test_no_way_to_the_state(void **state)
{
    AUTO(str) char *data = below("data");
    AUTO(str) char *real = below("real");
    struct err e;

    (void)state;
    assert_int_equal(rename(data, real), 0);
    link_to("data", "data");
    assert_true(seal_it(false, &e));
    assert_non_null(strstr(e.msg, data));
    assert_string_equal(buf_text(&said), "");
    assert_true(is_there("logs/agent.log"));
}

/* The rest is done all the same. */
static void test_no_way_to_a_log(void **state)
{
    AUTO(str) char *logs = below("logs");
    AUTO(str) char *real = below("real");
    struct err e;

    (void)state;
    assert_int_equal(rename(logs, real), 0);
    link_to("logs", "logs");
    assert_true(seal_it(false, &e));
    assert_non_null(strstr(e.msg, logs));
    assert_false(is_there("data/berth.db"));
    assert_false(is_there("run/berth.sock"));
    assert_true(is_there("real/agent.log"));
}

static void test_nothing_there(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf %s/*", root);
    struct err e;

    (void)state;
    assert_int_equal(system(command), 0);
    assert_int_equal(seal_it(false, &e), ERR_OK);
    assert_string_equal(buf_text(&said), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_names),
        cmocka_unit_test(test_log_names),
        cmocka_unit_test_setup_teardown(test_all, begin, end),
        cmocka_unit_test_setup_teardown(test_dry_run, begin, end),
        cmocka_unit_test_setup_teardown(test_agent_runs, begin, end),
        cmocka_unit_test_setup_teardown(test_links, begin, end),
        cmocka_unit_test_setup_teardown(test_no_way_to_the_state, begin, end),
        cmocka_unit_test_setup_teardown(test_no_way_to_a_log, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_there, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
