/* details.c: what an inspect says beyond what decisions need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "docker/decode.h"

static void read_details(const char *text, struct docker_details *d)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    if (json_parse(text, strlen(text), &doc, &e))
        fail_msg("%s", e.msg);
    root = jcur_root(doc, &e);
    docker_details_read(&root, d);
}

static void test_all(void **state)
{
    struct docker_details d;

    (void)state;
    read_details(
        "{\"Image\":\"sha256:aa\",\"State\":{\"Pid\":42,\"OOMKilled\":true,\"Health\":{\"Status\":"
        "\"unhealthy\",\"Log\":[{\"ExitCode\":0,\"Output\":\"first\"},{\"End\":"
        "\"2026-01-02T03:04:05.5Z\",\"ExitCode\":2,\"Output\":\"last\"}]}},"
        "\"Config\":{\"Labels\":{\"b\":\"2\",\"a\":\"1\"}},\"HostConfig\":{\"NetworkMode\":"
        "\"default\"},\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.4\","
        "\"GlobalIPv6Address\":\"fd00::4\"}}},\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"v\","
        "\"Source\":\"/s\",\"Destination\":\"/d\"},{\"Type\":\"bind\",\"Source\":\"/b\","
        "\"Destination\":\"/c\"}]}",
        &d);
    assert_string_equal(d.image_id, "sha256:aa");
    assert_int_equal(d.pid, 42);
    assert_true(d.oom_killed);
    assert_int_equal(d.n_labels, 2);
    assert_string_equal(d.labels[0].key, "a");
    assert_string_equal(d.labels[1].value, "2");
    assert_true(d.network_mode_known);
    assert_int_equal(d.n_networks, 1);
    assert_string_equal(d.networks[0].name, "bridge");
    assert_string_equal(d.networks[0].ipv6, "fd00::4");
    assert_int_equal(d.n_mounts, 2);
    assert_string_equal(d.mounts[1].name, "");
    assert_true(d.has_probe);
    assert_int_equal(d.health_exit, 2);
    assert_int_equal(d.health_end_ms, 1767323045500);
    assert_string_equal(d.health_output, "last");
    docker_details_fini(&d);
}

static void test_log_and_pause(void **state)
{
    struct docker_details d;

    (void)state;
    read_details(
        "{\"State\":{\"Running\":true,\"Paused\":true},\"LogPath\":\"/l/x-json.log\","
        "\"Config\":{\"Tty\":true},\"HostConfig\":{\"LogConfig\":{\"Type\":\"json-file\"}}}",
        &d);
    assert_true(d.paused);
    assert_true(d.tty);
    assert_string_equal(d.log_path, "/l/x-json.log");
    assert_string_equal(d.log_driver, "json-file");
    docker_details_fini(&d);
    assert_null(d.log_path);
    /* Another driver has no file, and says so by an empty path. */
    read_details("{\"State\":{\"Paused\":false},\"LogPath\":\"\",\"HostConfig\":{\"LogConfig\":{"
                 "\"Type\":\"journald\"}}}",
                 &d);
    assert_false(d.paused);
    assert_false(d.tty);
    assert_null(d.log_path);
    assert_string_equal(d.log_driver, "journald");
    docker_details_fini(&d);
}

/* Whole, for a secret that is cut in two cannot be found; and a NUL costs nothing but its rest. */
static void test_output_of_a_probe(void **state)
{
    AUTO(str)
    char *text = mem_printf("{\"State\":{\"OOMKilled\":true,\"Health\":{\"Log\":[{"
                            "\"ExitCode\":2,\"Output\":\"%04096d\\u0000more\"}]}},"
                            "\"Mounts\":[{\"Name\":\"v\"}]}",
                            7);
    struct docker_details d;

    (void)state;
    read_details(text, &d);
    assert_int_equal(strlen(d.health_output), 4096);
    assert_int_equal(d.health_exit, 2);
    assert_true(d.oom_killed);
    assert_int_equal(d.n_mounts, 1);
    assert_string_equal(d.mounts[0].name, "v");
    docker_details_fini(&d);
}

/* What is odd is left out, and nothing is lost of the rest that matters. */
static void test_odd(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"Image\":7,\"State\":\"gone\"}",
        "{\"State\":{\"Pid\":-1,\"Health\":{\"Log\":[7]}},\"Mounts\":{}}",
        "{\"State\":{\"Paused\":1},\"LogPath\":7,\"HostConfig\":{\"LogConfig\":[]}}",
        "{\"NetworkSettings\":{\"Networks\":[1,2]},\"Config\":{\"Labels\":{\"a\":7}}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct docker_details d;

        read_details(texts[i], &d);
        assert_non_null(d.image_id);
        docker_details_fini(&d);
    }
}

static void test_without_a_list_of_networks(void **state)
{
    struct docker_details d;

    (void)state;
    read_details("{\"HostConfig\":{\"NetworkMode\":\"host\"},\"NetworkSettings\":{}}", &d);
    assert_int_equal(d.n_networks, 1);
    assert_string_equal(d.networks[0].name, "host");
    assert_string_equal(d.networks[0].ipv4, "");
    docker_details_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_log_and_pause),
        cmocka_unit_test(test_output_of_a_probe),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_without_a_list_of_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
