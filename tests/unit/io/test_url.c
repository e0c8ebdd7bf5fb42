#include <stdlib.h>

#include "io/http_internal.h"
#include "support/check.h"

static void test_parts(void **state)
{
    static const struct {
        const char *url;
        bool tls;
        const char *host;
        int port;
        bool default_port;
        const char *target;
        const char *curl;
    } cases[] = {
        { "https://a.b", true, "a.b", 443, true, "/", "https://a.b" },
        { "http://127.0.0.1:51678/v1/../tasks?x=%2F&y", false, "127.0.0.1", 51678, false,
          "/v1/../tasks?x=%2F&y", "http://127.0.0.1:51678/v1/../tasks?x=%2F&y" },
        { "wss://h:443/ws?q", true, "h", 443, true, "/ws?q", "https://h:443/ws?q" },
        { "WS://[::1]:80/", false, "::1", 80, true, "/", "http://[::1]:80/" },
        { "https://h:8443?q=1", true, "h", 8443, false, "/?q=1", "https://h:8443?q=1" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url_parts u = { 0 };
        struct err e = { 0 };

        assert_int_equal(url_parse(cases[i].url, &u, &e), ERR_OK);
        assert_int_equal(u.tls, cases[i].tls);
        assert_string_equal(u.host, cases[i].host);
        assert_int_equal(u.port, cases[i].port);
        assert_int_equal(u.default_port, cases[i].default_port);
        assert_string_equal(u.target, cases[i].target);
        assert_string_equal(u.curl, cases[i].curl);
        url_fini(&u);
    }
}

static void test_check(void **state)
{
    static const struct {
        const char *url;
        enum err_code want;
    } cases[] = {
        { "https://ecs.us-west-2.amazonaws.com", ERR_OK },
        { "http://localhost:4566/x", ERR_OK },
        { "http://LOCALHOST", ERR_OK },
        { "http://127.8.9.10/", ERR_OK },
        { "http://169.254.170.2/v2", ERR_OK },
        { "http://[::1]:80", ERR_OK },
        { "http://[fe80::1]/", ERR_OK },
        { "http://[::ffff:127.0.0.1]/", ERR_OK },
        { "http://[fd00:ec2::254]/latest", ERR_OK },
        { "http://[fd00:ec3::254]/latest", ERR_DENIED },
        { "http://[::ffff:10.0.0.1]/", ERR_DENIED },
        { "http://10.0.0.1/", ERR_DENIED },
        { "http://localhost.example.com/", ERR_DENIED },
        { "http://127.0.0.1.example.com/", ERR_DENIED },
        { "http://169.254.169.254@evil.example/", ERR_DENIED },
        { "ws://example.com/", ERR_DENIED },
        { "wss://example.com/", ERR_OK },
        { "file:///etc/passwd", ERR_INVALID },
        { "example.com", ERR_INVALID },
        { "https://", ERR_INVALID },
        { "https://a b/", ERR_INVALID },
        { "https://h:99999/", ERR_INVALID },
        { "", ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        if (http_url_check(cases[i].url, &e) != cases[i].want)
            fail_msg("%s: %s", cases[i].url, err_code_name(e.code));
    }
}

static void test_headers(void **state)
{
    (void)state;
    assert_true(url_header_ok("X-Amz-Date", "2026\t01 \xc3\xa4"));
    assert_true(url_header_ok("X", ""));
    assert_false(url_header_ok("", "v"));
    assert_false(url_header_ok("X:", "v"));
    assert_false(url_header_ok("X Y", "v"));
    assert_false(url_header_ok("X", NULL));
    assert_false(url_header_ok("X", "a\nb"));
    assert_false(url_header_ok("X", "a\rb"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
