#include "unit/config/helper.h"

static void test_bool(void **state)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True", " true " };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False", "\tf\r" };
    static const char *const bad[] = { "", "yes", "on", "tRUE", "2", "true false", "\"true\"" };
    bool v;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        v = false;
        assert_int_equal(value_bool(yes[i], &v, NULL), ERR_OK);
        assert_true(v);
        v = true;
        assert_int_equal(value_bool(no[i], &v, NULL), ERR_OK);
        assert_false(v);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        v = true;
        assert_int_equal(value_bool(bad[i], &v, NULL), ERR_INVALID);
        assert_true(v);
    }
}

static void test_duration(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        { "0", 0 },
        { "-0", 0 },
        { "0s", 0 },
        { "5ns", 5 },
        { "5us", 5000 },
        { "5\xC2\xB5s", 5000 },
        { "5\xCE\xBCs", 5000 },
        { "250ms", 250000000 },
        { "30s", 30000000000 },
        { "+30s", 30000000000 },
        { "-30s", -30000000000 },
        { "1h30m", 5400000000000 },
        { "1.5h", 5400000000000 },
        { ".5s", 500000000 },
        { "1.s", 1000000000 },
        { "0.1s", 100000000 },
        { "1m0.001s", 60001000000 },
        { "2562047h", 9223369200000000000 },
    };
    static const char *const bad[] = {
        "",
        "30",
        "s",
        ".",
        ".s",
        "-",
        "+",
        "3 s",
        " 3s",
        "3s ",
        "3S",
        "1d",
        "1h30",
        "1h-30m",
        "--3s",
        "1..5s",
        "2562048h",
        "2562047.99h",
        "9223372036854775808ns",
        "99999999999999999999s",
        "0x1s",
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ns = -7;
        if (value_duration(good[i].text, &ns, NULL) || ns != good[i].ns)
            fail_msg("'%s' gave %lld", good[i].text, (long long)ns);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ns = -7;
        if (value_duration(bad[i], &ns, NULL) != ERR_INVALID || ns != -7)
            fail_msg("'%s' gave %lld", bad[i], (long long)ns);
    }
}

static void test_json_prefix(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        { "[]", 2 },          { "[1] tail", 3 }, { "[[1],{}]x", 8 }, { "[\"]\"] ]", 5 },
        { "[\"\\\"]\"]", 7 }, { "[", 0 },        { "]", 0 },         { "", 0 },
        { "[\"]", 0 },        { "[\"\\", 0 },    { "12", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (value_json_prefix(cases[i].text) != cases[i].n)
            fail_msg("'%s' gave %zu", cases[i].text, value_json_prefix(cases[i].text));
}

/* The types whose parsers stay behind the table: text in, text of the field out. */
static void test_paths_and_urls(void **state)
{
    static const struct {
        const struct var_type *type;
        const char *text;
        const char *want; /* NULL: refused */
    } cases[] = {
        { &type_path, "/data", "/var/lib/ecs/data" },
        { &type_path, "/data/", "/var/lib/ecs/data" },
        { &type_path, "/data/x/", "/var/lib/ecs/data/x" },
        { &type_path, "/database", "/database" },
        { &type_path, "/log/ecs-agent.log", "/var/log/ecs/ecs-agent.log" },
        { &type_path, "/srv//", "/srv" },
        { &type_path, "/", "/" },
        { &type_path, "data", NULL },
        { &type_path, "/rotatingcreds/credentials", "/root/.aws/credentials" },
        { &type_path, "/managed-agents", "/var/lib/ecs/deps" },
        { &type_path, "/host/proc/1", "/proc/1" },
        { &type_path, "/host/processes", "/host/processes" },
        { &type_proxy, "proxy.example.com:3128", "proxy.example.com:3128" },
        { &type_proxy, "http://me:secret@proxy:3128", "http://me:secret@proxy:3128" },
        { &type_proxy, "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080" },
        { &type_proxy, "http://[::1]:3128", "http://[::1]:3128" },
        { &type_proxy, "http://proxy:99999", NULL },
        { &type_proxy, "http://proxy:", NULL },
        { &type_proxy, "http://[::1:3128", NULL },
        { &type_proxy, "ftp://proxy", NULL },
        { &type_proxy, "http://", NULL },
        { &type_proxy, "http://me:secret@", NULL },
        { &type_proxy, "http://a b", NULL },
        { &type_endpoint, " unix:///d.sock ", "unix:///d.sock" },
        { &type_endpoint, "tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375" },
        { &type_endpoint, "http://docker", "http://docker" },
        { &type_endpoint, "unix://d.sock", NULL },
        { &type_endpoint, "/var/run/docker.sock", NULL },
        { &type_endpoint, "ssh://docker", NULL },
        { &type_endpoint, "tcp://", NULL },
        { &type_endpoint, "tcp://:2375", NULL },
        { &type_endpoint, "tcp://docker:high", NULL },
        { &type_endpoint, "http://me:secret@docker", NULL },
        { &type_cidr, "169.254.172.0/22", "169.254.172.0/22" },
        { &type_cidr, "fd00::/8", "fd00::/8" },
        { &type_cidr, "10.0.0.0", NULL },
        { &type_cidr, "10.0.0.0/33", NULL },
        { &type_cidr, "10.0.0/8", NULL },
        { &type_url, "ecs.example.com", "https://ecs.example.com" },
        { &type_url, " https://ecs.example.com:8443/x ", "https://ecs.example.com:8443/x" },
        { &type_url, "http://127.0.0.1:4566", "http://127.0.0.1:4566" },
        { &type_url, "http://localhost", "http://localhost" },
        { &type_url, "http://[::1]:80", "http://[::1]:80" },
        { &type_url, "http://169.254.169.254", "http://169.254.169.254" },
        { &type_url, "http://[fd00:ec2::254]/", "http://[fd00:ec2::254]/" },
        { &type_url, "http://ecs.example.com", NULL },
        { &type_url, "http://127.0.0.1.example.com", NULL },
        { &type_url, "http://10.0.0.1", NULL },
        { &type_url, "http://localhost@example.com", NULL },
        { &type_url, "http://[::1", NULL },
        { &type_url, "https://ecs.example.com:70000", NULL },
        { &type_url, "https://ecs.example.com:port/x", NULL },
        { &type_url, "https://ecs.example.com/a:b", "https://ecs.example.com/a:b" },
        { &type_url, "http://[::1]:0", NULL },
        { &type_url, "https://", NULL },
        { &type_url, "ftp://example.com", NULL },
        { &type_url, "https://a b", NULL },
    };
    static const struct var v = { .name = "X" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *out = NULL;
        struct err e = { 0 };
        enum err_code code = cases[i].type->parse(&v, cases[i].text, &out, &e);

        assert_int_equal(code, cases[i].want ? ERR_OK : ERR_INVALID);
        if (cases[i].want)
            assert_string_equal(out, cases[i].want);
        else
            assert_null(out);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_json_prefix),
        cmocka_unit_test(test_paths_and_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
