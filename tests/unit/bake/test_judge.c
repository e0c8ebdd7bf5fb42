/* judge.c: what each thing that is seen of a machine means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/internal.h"

#define MIB ((int64_t)1 << 20)

static struct preflight_facts f;
static struct preflight_row row;

static int clear(void **state)
{
    (void)state;
    f = (struct preflight_facts){ 0 };
    for (size_t i = 0; i < PREFLIGHT__COUNT; i++)
        f.checks[i].asked = ASKED_ENDED;
    return 0;
}

static void failed(enum preflight_check c, enum err_code code, const char *why)
{
    f.checks[c].err = (struct err){ 0 };
    if (code)
        err_set(&f.checks[c].err, code, "%s", why);
}

/* The verdict, something of the finding, and whether there is something to do. */
static void expect(enum preflight_check c, enum preflight_verdict v, const char *part, bool todo)
{
    preflight_judge(c, &f, &row);
    if (row.verdict != v || !strstr(row.finding, part) || (*row.todo != '\0') != todo)
        fail_msg("%s: %s, \"%s\", to do \"%s\"; expected %s with \"%s\"", preflight_check_name(c),
                 preflight_verdict_name(row.verdict), row.finding, row.todo,
                 preflight_verdict_name(v), part);
}

static void test_names(void **state)
{
    (void)state;
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        assert_true(strlen(preflight_check_name(c)) > 0);
        for (enum preflight_check other = 0; other < c; other++)
            assert_string_not_equal(preflight_check_name(c), preflight_check_name(other));
    }
    assert_string_equal(preflight_verdict_name(PREFLIGHT_SKIP), "SKIP");
}

/* The same for all of them, whatever else is known. */
static void test_not_asked(void **state)
{
    (void)state;
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        f.checks[c].asked = ASKED_SKIPPED;
        failed(c, ERR_RETRY, "it was not to be");
        expect(c, PREFLIGHT_SKIP, "it was not to be", false);
        f.checks[c].asked = ASKED_OVER;
        f.checks[c].limit_ms = 3000;
        expect(c, c == PREFLIGHT_LOGS ? PREFLIGHT_WARN : PREFLIGHT_FAIL, "within 3 s", false);
    }
    f.left = (char *)"berth-preflight-1";
    expect(PREFLIGHT_PROBE, PREFLIGHT_FAIL, "berth-preflight-1 is left", true);
}

static void test_configuration(void **state)
{
    (void)state;
    f.cluster = (char *)"web";
    expect(PREFLIGHT_CONFIGURATION, PREFLIGHT_PASS, "comes from instance metadata", false);
    f.region = (char *)"eu-west-1";
    expect(PREFLIGHT_CONFIGURATION, PREFLIGHT_PASS, "cluster web, region eu-west-1", false);
    f.problems = 1;
    f.first_problem = (char *)"a: b";
    expect(PREFLIGHT_CONFIGURATION, PREFLIGHT_WARN, "1 problem, the first: a: b", true);
    f.problems = 2;
    expect(PREFLIGHT_CONFIGURATION, PREFLIGHT_WARN, "2 problems", true);
    f.fatal = true;
    expect(PREFLIGHT_CONFIGURATION, PREFLIGHT_FAIL, "would not start: a: b", true);
}

static void test_files(void **state)
{
    static const struct {
        size_t path;
        mode_t mode;
        uid_t owner;
        bool folder, secrets;
        enum preflight_verdict want;
    } rows[] = {
        { PATH_SETTINGS, 0600, 0, false, true, PREFLIGHT_PASS },
        { PATH_SETTINGS, 0644, 0, false, false, PREFLIGHT_PASS },
        { PATH_SETTINGS, 0644, 0, false, true, PREFLIGHT_WARN },
        { PATH_SETTINGS, 0664, 0, false, false, PREFLIGHT_FAIL },
        { PATH_SETTINGS, 0602, 0, false, false, PREFLIGHT_FAIL },
        { PATH_JSON, 0600, 7, false, false, PREFLIGHT_FAIL },
        { PATH_DATA, 0700, 0, true, true, PREFLIGHT_PASS },
        { PATH_DATA, 0755, 0, true, false, PREFLIGHT_WARN },
        { PATH_DATA, 01777, 0, true, false, PREFLIGHT_FAIL },
        { PATH_DATA, 0700, 7, true, false, PREFLIGHT_FAIL },
        { PATH_DATA, 0600, 0, false, false, PREFLIGHT_FAIL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct preflight_path *p = &f.paths[rows[i].path];

        clear(NULL);
        *p = (struct preflight_path){ .what = "the settings",
                                      .path = (char *)"/p",
                                      .there = true,
                                      .folder = rows[i].folder,
                                      .mode = rows[i].mode | (rows[i].folder ? S_IFDIR : S_IFREG),
                                      .owner = rows[i].owner };
        f.holds_secrets = rows[i].secrets;
        expect(PREFLIGHT_FILES, rows[i].want, "", rows[i].want != PREFLIGHT_PASS);
        p->there = false;
        expect(PREFLIGHT_FILES, PREFLIGHT_PASS, "", false);
    }
    /* The worst counts, whichever comes first. */
    f.paths[PATH_SETTINGS] =
        (struct preflight_path){ "the settings", (char *)"/s", true, false, S_IFREG | 0666, 0 };
    f.paths[PATH_DATA] = (struct preflight_path){ "the state", (char *)"/d", true, true, 0755, 0 };
    expect(PREFLIGHT_FILES, PREFLIGHT_FAIL, "/s", true);
    f.paths[PATH_SETTINGS].mode = S_IFREG | 0644;
    f.holds_secrets = true;
    f.paths[PATH_DATA].mode = 01777;
    expect(PREFLIGHT_FILES, PREFLIGHT_FAIL, "/d", true);
    f.paths[PATH_SETTINGS].mode = S_IFCHR | 0666; /* /dev/null, for who wants none */
    f.paths[PATH_DATA].there = false;
    expect(PREFLIGHT_FILES, PREFLIGHT_PASS, "", false);
    failed(PREFLIGHT_FILES, ERR_IO, "broken");
    expect(PREFLIGHT_FILES, PREFLIGHT_FAIL, "broken", false);
}

static void test_disks(void **state)
{
    (void)state;
    f.disk_path = f.engine_root = (char *)"/d";
    f.disk = (struct host_disk){ 1000 * MIB, 100 * MIB, 100000, 100 };
    expect(PREFLIGHT_DISK, PREFLIGHT_PASS, "900 MiB free in /d", false);
    f.disk.bytes_used = 489 * MIB;
    expect(PREFLIGHT_DISK, PREFLIGHT_WARN, "only 511 MiB", true);
    f.disk.bytes_used = 937 * MIB;
    expect(PREFLIGHT_DISK, PREFLIGHT_FAIL, "63 MiB free in /d, less than 64", true);
    f.disk.bytes_used = 0;
    f.disk.inodes_used = 99001;
    expect(PREFLIGHT_DISK, PREFLIGHT_FAIL, "room for 999 more files", true);
    f.disk.inodes = f.disk.inodes_used = 0; /* a file system without such a limit */
    expect(PREFLIGHT_DISK, PREFLIGHT_PASS, "", false);

    f.disk_high_pct = 85;
    f.engine_disk = (struct host_disk){ 100000 * MIB, 84000 * MIB, 0, 0 };
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_PASS, "16000 MiB", false);
    f.engine_disk.bytes_used = 86000 * MIB;
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_WARN, "from 85 % on images are removed", true);
    f.disk_high_pct = 0;
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_PASS, "", false);
    f.engine_disk.bytes_used = 95905 * MIB;
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_WARN, "only 4095 MiB", true);
    f.engine_disk.bytes_used = 99489 * MIB;
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_FAIL, "511 MiB", true);
    f.engine_disk = (struct host_disk){ INT64_MAX, 0, 0, 0 };
    f.disk_high_pct = 85;
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_PASS, "", false);
    failed(PREFLIGHT_ENGINE_DISK, ERR_IO, "/d: Input/output error");
    expect(PREFLIGHT_ENGINE_DISK, PREFLIGHT_FAIL, "Input/output error", false);
}

static void taken(size_t port, const char *by)
{
    err_set(&f.ports[port].err, ERR_CONFLICT, "port %d is taken: %s", f.ports[port].number, by);
}

static void test_ports(void **state)
{
    (void)state;
    f.ports[0].number = 51679;
    expect(PREFLIGHT_PORTS, PREFLIGHT_PASS, "51679 is free", false);
    f.ports[1].number = 51678;
    expect(PREFLIGHT_PORTS, PREFLIGHT_PASS, "51679 and 51678 are free", false);
    taken(1, "process 81 (nginx) listens there");
    expect(PREFLIGHT_PORTS, PREFLIGHT_FAIL, "process 81 (nginx)", true);
    f.agent_pid = 8; /* not 81 */
    expect(PREFLIGHT_PORTS, PREFLIGHT_FAIL, "process 81 (nginx)", true);
    f.agent_pid = 81;
    expect(PREFLIGHT_PORTS, PREFLIGHT_PASS, "by the running agent (process 81)", false);
    taken(0, "process 1 (systemd) listens there"); /* which keeps it for the agent */
    expect(PREFLIGHT_PORTS, PREFLIGHT_PASS, "51679 and 51678", false);
    f.agent_pid = 0;
    expect(PREFLIGHT_PORTS, PREFLIGHT_FAIL, "process 1 (systemd)", true);
}

static void test_engine(void **state)
{
    (void)state;
    snprintf(f.engine_version, sizeof f.engine_version, "20.10");
    snprintf(f.engine_api, sizeof f.engine_api, "1.41");
    f.engine_api_minor = 41;
    expect(PREFLIGHT_ENGINE, PREFLIGHT_PASS, "version 20.10, API 1.41", false);
    f.engine_api_minor = 24;
    expect(PREFLIGHT_ENGINE, PREFLIGHT_WARN, "volume plugins", true);
    failed(PREFLIGHT_ENGINE, ERR_RETRY, "refused");
    expect(PREFLIGHT_ENGINE, PREFLIGHT_FAIL, "refused", true);
    assert_non_null(strstr(row.todo, "systemctl start docker"));
    failed(PREFLIGHT_ENGINE, ERR_INVALID, "API 1.12");
    expect(PREFLIGHT_ENGINE, PREFLIGHT_FAIL, "API 1.12", true);
    assert_non_null(strstr(row.todo, "1.24"));
}

static void test_cgroups(void **state)
{
    (void)state;
    f.cgroup_version = 2;
    f.cgroup_systemd = true;
    expect(PREFLIGHT_CGROUPS, PREFLIGHT_PASS, "version 2, by systemd", false);
    failed(PREFLIGHT_CGROUPS, ERR_DENIED, "read-only");
    expect(PREFLIGHT_CGROUPS, PREFLIGHT_WARN, "read-only", true);
    f.cgroups_wanted = true;
    expect(PREFLIGHT_CGROUPS, PREFLIGHT_FAIL, "read-only", true);
}

static void test_packet_filter(void **state)
{
    (void)state;
    expect(PREFLIGHT_PACKET_FILTER, PREFLIGHT_PASS, "169.254.170.2", false);
    failed(PREFLIGHT_PACKET_FILTER, ERR_NOT_FOUND, "iptables: no such file");
    expect(PREFLIGHT_PACKET_FILTER, PREFLIGHT_FAIL, "no such file", true);
    assert_string_equal(row.todo, "install iptables");
    failed(PREFLIGHT_PACKET_FILTER, ERR_DENIED, "must be root");
    expect(PREFLIGHT_PACKET_FILTER, PREFLIGHT_FAIL, "must be root", true);
}

static void test_probe(void **state)
{
    (void)state;
    f.image = (char *)"pause:1";
    f.ran = true;
    expect(PREFLIGHT_PROBE, PREFLIGHT_PASS, "a container of pause:1 was created", false);
    f.image_made = true;
    expect(PREFLIGHT_PROBE, PREFLIGHT_PASS, "pause:1 (made here)", false);
    f.left = (char *)"berth-preflight-1";
    failed(PREFLIGHT_PROBE, ERR_IO, "removal failed");
    expect(PREFLIGHT_PROBE, PREFLIGHT_WARN, "could not be removed: berth-preflight-1: removal",
           true);
    f.ran = false;
    expect(PREFLIGHT_PROBE, PREFLIGHT_FAIL, "did not run", true);
    f.left = NULL;
    failed(PREFLIGHT_PROBE, ERR_IO, "no runc");
    expect(PREFLIGHT_PROBE, PREFLIGHT_FAIL, "no runc", true);
    failed(PREFLIGHT_PROBE, ERR_NOT_FOUND, "No such image");
    f.image_named = true;
    expect(PREFLIGHT_PROBE, PREFLIGHT_FAIL, "No such image", true);
    assert_non_null(strstr(row.todo, "pull"));
}

static void test_cloud(void **state)
{
    (void)state;
    expect(PREFLIGHT_METADATA, PREFLIGHT_PASS, "instance without id", false);
    f.instance_id = (char *)"i-1";
    f.region = (char *)"eu-west-1";
    expect(PREFLIGHT_METADATA, PREFLIGHT_PASS, "instance i-1 in eu-west-1", false);
    failed(PREFLIGHT_METADATA, ERR_TIMEOUT, "silence");
    expect(PREFLIGHT_METADATA, PREFLIGHT_FAIL, "silence", true);

    expect(PREFLIGHT_CREDENTIALS, PREFLIGHT_PASS, "from", false);
    f.key_source = (char *)"instance role web";
    expect(PREFLIGHT_CREDENTIALS, PREFLIGHT_PASS, "from instance role web", false);
    failed(PREFLIGHT_CREDENTIALS, ERR_DENIED, "no AWS credentials: none");
    expect(PREFLIGHT_CREDENTIALS, PREFLIGHT_FAIL, "no AWS credentials: none", true);

    f.endpoint = f.logs_endpoint = (char *)"https://e";
    f.endpoint_status = f.logs_status = 404; /* somebody is there */
    expect(PREFLIGHT_CONTROL_PLANE, PREFLIGHT_PASS, "https://e answers (404)", false);
    expect(PREFLIGHT_LOGS, PREFLIGHT_PASS, "https://e answers (404)", false);
    failed(PREFLIGHT_CONTROL_PLANE, ERR_DENIED, "certificate");
    expect(PREFLIGHT_CONTROL_PLANE, PREFLIGHT_FAIL, "https://e cannot be reached: cert", true);
    failed(PREFLIGHT_LOGS, ERR_DENIED, "certificate");
    expect(PREFLIGHT_LOGS, PREFLIGHT_WARN, "https://e cannot be reached: cert", true);
    f.endpoint = f.logs_endpoint = NULL;
    expect(PREFLIGHT_CONTROL_PLANE, PREFLIGHT_FAIL, "the endpoint cannot be", true);
    assert_string_equal(row.todo, "set AWS_DEFAULT_REGION");
    expect(PREFLIGHT_LOGS, PREFLIGHT_WARN, "the endpoint cannot be", true);
}

static void test_clock(void **state)
{
    static const struct {
        int64_t ahead_ms;
        enum preflight_verdict want;
        const char *part;
    } rows[] = {
        { 0, PREFLIGHT_PASS, "within 1 s" },
        { -900, PREFLIGHT_PASS, "within 1 s" },
        { 59999, PREFLIGHT_PASS, "within 60 s" },
        { 60000, PREFLIGHT_WARN, "60 s ahead of" },
        { -299999, PREFLIGHT_WARN, "299 s behind" },
        { 300000, PREFLIGHT_FAIL, "300 s ahead of" },
        { -86400000, PREFLIGHT_FAIL, "86400 s behind" },
    };

    (void)state;
    expect(PREFLIGHT_CLOCK, PREFLIGHT_SKIP, "tells the time", false);
    f.clock_known = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f.clock_ahead_ms = rows[i].ahead_ms;
        expect(PREFLIGHT_CLOCK, rows[i].want, rows[i].part, rows[i].want != PREFLIGHT_PASS);
    }
}

/* Whatever an engine or a service says, the finding is a text. */
static void test_long_texts(void **state)
{
    char said[1100];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof said; i += 2)
        memcpy(said + i, "\xC3\xA4", 3);
    failed(PREFLIGHT_ENGINE, ERR_IO, said);
    expect(PREFLIGHT_ENGINE, PREFLIGHT_FAIL, "\xC3\xA4\xC3\xA4", true);
    failed(PREFLIGHT_DISK, ERR_IO, said);
    expect(PREFLIGHT_DISK, PREFLIGHT_FAIL, "\xC3\xA4\xC3\xA4", false);
    assert_true(strlen(row.finding) < sizeof row.finding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, clear),
        cmocka_unit_test_setup(test_not_asked, clear),
        cmocka_unit_test_setup(test_configuration, clear),
        cmocka_unit_test_setup(test_files, clear),
        cmocka_unit_test_setup(test_disks, clear),
        cmocka_unit_test_setup(test_ports, clear),
        cmocka_unit_test_setup(test_engine, clear),
        cmocka_unit_test_setup(test_cgroups, clear),
        cmocka_unit_test_setup(test_packet_filter, clear),
        cmocka_unit_test_setup(test_probe, clear),
        cmocka_unit_test_setup(test_cloud, clear),
        cmocka_unit_test_setup(test_clock, clear),
        cmocka_unit_test_setup(test_long_texts, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
