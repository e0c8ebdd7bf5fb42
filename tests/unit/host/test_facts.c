/* What registration says of the machine, from files of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/internal.h"

/* ---- a root of its own ---- */

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/berth-facts-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf '%s'", root);

    (void)state;
    return system(command);
}

static char *below(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void make_folders(const char *path)
{
    AUTO(str) char *command = mem_printf("mkdir -p '%s/%s'", root, path);

    assert_int_equal(system(command), 0);
}

static void write_file(const char *path, const char *text)
{
    AUTO(str) char *full = below(path);
    FILE *f = fopen(full, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* The file stays when the descriptor is closed. */
static void make_socket(const char *path)
{
    AUTO(str) char *full = below(path);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s", full) < sizeof a.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    close(fd);
}

/* ---- plugins ---- */

static void test_plugins_are_found_by_their_files(void **state)
{
    static const char *const want[] = { "flocker", "rexray", "nfs", "convoy", "extra" };
    struct host_names names;

    (void)state;
    make_folders("run/docker/plugins/rexray");
    make_folders("run/docker/plugins/empty");
    make_folders("etc/docker/plugins");
    make_folders("usr/lib/docker/plugins");
    make_socket("run/docker/plugins/flocker.sock");
    make_socket("run/docker/plugins/rexray/rexray.sock");
    make_socket("run/docker/plugins/no-suffix");
    write_file("run/docker/plugins/file.sock", "no socket");
    write_file("run/docker/plugins/empty/empty.sock", "no socket");
    write_file("etc/docker/plugins/nfs.spec", "unix:///nfs.sock");
    write_file("etc/docker/plugins/flocker.json", "{}"); /* known by its socket */
    write_file("etc/docker/plugins/readme.txt", "");
    write_file("etc/docker/plugins/.json", "");
    write_file("usr/lib/docker/plugins/convoy.spec", "");
    write_file("usr/lib/docker/plugins/extra.json", "{}");
    host_docker_plugins(root, &names);
    assert_int_equal(names.n, COUNT_OF(want));
    for (size_t i = 0; i < names.n; i++)
        assert_string_equal(names.items[i], want[i]);
    host_names_fini(&names);
}

static void test_no_folders_no_plugins(void **state)
{
    struct host_names names;

    (void)state;
    host_docker_plugins("/nowhere", &names);
    assert_int_equal(names.n, 0);
    host_names_fini(&names);
}

/* ---- GPUs ---- */

static void test_gpus(void **state)
{
    AUTO(str) char *path = below("gpu.json");
    struct host_gpus g = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_gpus_read(path, &g, &e), ERR_OK);
    assert_null(g.driver_version);
    assert_int_equal(g.ids.n, 0);
    write_file("gpu.json", "{\"DriverVersion\":\"535.1\",\"GPUIDs\":[\"GPU-1\",\"GPU-2\"]}\n");
    assert_int_equal(host_gpus_read(path, &g, &e), ERR_OK);
    assert_string_equal(g.driver_version, "535.1");
    assert_int_equal(g.ids.n, 2);
    assert_string_equal(g.ids.items[1], "GPU-2");
    host_gpus_fini(&g);
    write_file("gpu.json", "{\"GPUIDs\":null}");
    assert_int_equal(host_gpus_read(path, &g, &e), ERR_OK);
    assert_null(g.driver_version);
    host_gpus_fini(&g);
}

static void test_bad_gpu_files(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "gpu.json: not JSON" },
        { "[]", "expected object, got array" },
        { "{\"DriverVersion\":5}", "DriverVersion: expected string" },
        { "{\"GPUIDs\":\"GPU-1\"}", "GPUIDs: expected array" },
        { "{\"GPUIDs\":[\"GPU-1\",\"\"]}", "GPUIDs[1]: a GPU without an ID" },
        { "{\"GPUIDs\":[7]}", "GPUIDs[0]: expected string" },
    };
    AUTO(str) char *path = below("gpu.json");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host_gpus g = { 0 };
        struct err e = { 0 };

        write_file("gpu.json", cases[i].text);
        assert_int_equal(host_gpus_read(path, &g, &e), ERR_INVALID);
        if (!strstr(e.msg, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.msg, cases[i].says);
        assert_null(g.driver_version);
        assert_null(g.ids.items);
    }
}

static void test_unreadable_gpu_file(void **state)
{
    struct host_gpus g = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_gpus_read(root, &g, &e), ERR_IO); /* a folder */
    assert_non_null(strstr(e.msg, root));
}

/* ---- cloud-init ---- */

static void test_cloud_init(void **state)
{
    static const struct {
        const char *text;
        bool none;
    } cases[] = {
        { "{\"v1\":{\"datasource\":\"DataSourceNone\",\"errors\":[]}}", true },
        { "{\"v1\":{\"datasource\":\"DataSourceEc2Local\",\"errors\":[]}}", false },
        { "{\"v1\":{\"datasource\":[\"DataSourceNone\"]}}", false },
        { "{\"v1\":7}", false },
        { "{\"datasource\":\"DataSourceNone\"}", false },
        { "[\"DataSourceNone\"]", false },
        { "DataSourceNone", false },
        { "", false },
    };
    AUTO(str) char *path = below("result.json");

    (void)state;
    assert_false(host_cloud_init_none(path));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_file("result.json", cases[i].text);
        assert_int_equal(host_cloud_init_none(path), cases[i].none);
    }
}

/* ---- routes ---- */

#define HEAD4 \
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ROUTE4(destination, gateway, flags) \
    "eth0\t" destination "\t" gateway "\t" flags "\t0\t0\t0\t00000000\t0\t0\t0\n"
#define ZERO6 "00000000000000000000000000000000"
#define ROUTE6(destination, length, gateway, flags)                                      \
    destination " " length " " ZERO6 " 00 " gateway " 00000400 00000001 00000000 " flags \
                "     eth0\n"

static void test_routes(void **state)
{
    static const char near4[] = HEAD4 ROUTE4("000011AC", "00000000", "0001");
    static const char near6[] = ROUTE6("fe800000000000000000000000000000", "40", ZERO6, "00000001");
    static const struct {
        const char *route, *route6;
        bool v4, v6;
    } cases[] = {
        { "", "", false, false },
        { HEAD4, "", false, false },
        { near4, near6, false, false },
        { HEAD4 ROUTE4("000011AC", "00000000", "0001") ROUTE4("00000000", "010011AC", "0003"),
          near6, true, false },
        /* A default route without a gateway, one that is down, and one to a network. */
        { HEAD4 ROUTE4("00000000", "00000000", "0001"), near6, false, false },
        { HEAD4 ROUTE4("00000000", "010011AC", "0002"), near6, false, false },
        { HEAD4 ROUTE4("0000000A", "010011AC", "0003"), near6, false, false },
        { near4,
          ROUTE6("fe800000000000000000000000000000", "40", ZERO6, "00000001")
              ROUTE6(ZERO6, "00", "fe800000000000000000000000000001", "00450003"),
          false, true },
        /* "unreachable default", as the kernel has it where there is none. */
        { near4, ROUTE6(ZERO6, "00", ZERO6, "00200200"), false, false },
        { near4,
          ROUTE6("20010db8000000000000000000000000", "20", "fe800000000000000000000000000001",
                 "00000003"),
          false, false },
        { HEAD4 ROUTE4("00000000", "010011AC", "0003"),
          ROUTE6(ZERO6, "00", "fe800000000000000000000000000001", "00000003"), true, true },
        { "eth0\n00000000\n010011AC\n0003\n", "garbage", false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host_ip ip = host_parse_routes(cases[i].route, cases[i].route6);

        if (ip.v4 != cases[i].v4 || ip.v6 != cases[i].v6)
            fail_msg("case %zu: v4 %d, v6 %d", i, ip.v4, ip.v6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plugins_are_found_by_their_files, make_root,
                                        drop_root),
        cmocka_unit_test(test_no_folders_no_plugins),
        cmocka_unit_test_setup_teardown(test_gpus, make_root, drop_root),
        cmocka_unit_test_setup_teardown(test_bad_gpu_files, make_root, drop_root),
        cmocka_unit_test_setup_teardown(test_unreadable_gpu_file, make_root, drop_root),
        cmocka_unit_test_setup_teardown(test_cloud_init, make_root, drop_root),
        cmocka_unit_test(test_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
