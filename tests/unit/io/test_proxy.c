#include <stdlib.h>

#include "base/mem.h"
#include "io/http_internal.h"
#include "support/check.h"

static void test_pick(void **state)
{
    static const struct {
        struct proxy_rules rules;
        const char *url;
        const char *want;
    } cases[] = {
        { { "p:3128", NULL, NULL }, "https://e.com/", "http://p:3128" },
        { { "http://p", "http://s", NULL }, "https://e.com/", "http://s" },
        { { "http://p", "", "" }, "wss://e.com/", "http://p" },
        { { NULL, "http://s", NULL }, "http://e.com/", NULL },
        { { NULL, "socks5://u:p@s:1080", NULL }, "https://e.com/", "socks5h://u:p@s:1080" },
        { { "http://p", NULL, "e.com" }, "https://e.com/", NULL },
        { { "http://p", NULL, NULL }, "https://localhost/", NULL },
        { { "http://p", NULL, NULL }, "https://127.1.2.3/", NULL },
        { { "http://p", NULL, NULL }, "http://169.254.169.254/", NULL },
        { { "http://p", NULL, NULL }, "https://[fe80::2]/", NULL },
        { { NULL, NULL, NULL }, "https://e.com/", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url_parts u = { 0 };
        struct err e = { 0 };
        char *proxy;

        assert_int_equal(url_parse(cases[i].url, &u, &e), ERR_OK);
        proxy = proxy_pick(&cases[i].rules, &u);
        if (cases[i].want) {
            assert_non_null(proxy);
            assert_string_equal(proxy, cases[i].want);
        } else {
            assert_null(proxy);
        }
        mem_wipe(proxy);
        url_fini(&u);
    }
}

static void test_shown(void **state)
{
    static const struct {
        const char *proxy, *want;
    } cases[] = {
        { "http://p:3128", "p:3128" },
        { "http://u:p@p.example:3128/", "p.example:3128" },
        { "u:p@p", "p" },
        { "socks5h://u@[fd00::1]:1080", "[fd00::1]:1080" },
        { "http://u:a@b/c@p:1/x?y", "p:1" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *shown = proxy_shown(cases[i].proxy);

        assert_string_equal(shown, cases[i].want);
        free(shown);
    }
}

static void test_excluded(void **state)
{
    static const struct {
        const char *no_proxy, *host;
        int port;
        bool want;
    } cases[] = {
        { NULL, "a.com", 443, false },
        { "", "a.com", 443, false },
        { "*", "a.com", 443, true },
        { "a.com", "a.com", 443, true },
        { "A.com", "x.a.COM", 443, true },
        { "a.com", "xa.com", 443, false },
        { ".a.com", "a.com", 443, false },
        { ".a.com", "b.a.com", 443, true },
        { "*.a.com", "a.com", 443, false },
        { "*.a.com", "c.b.a.com", 443, true },
        { "a.com:8443", "a.com", 443, false },
        { "a.com:8443", "a.com", 8443, true },
        { "a.com:x", "a.com", 443, false },
        { " b.com , a.com ", "a.com", 443, true },
        { ",,a.com", "a.com", 443, true },
        { "10.0.0.1", "10.0.0.1", 443, true },
        { "10.0.0.1:80", "10.0.0.1", 443, false },
        { "10.0.0.0/8", "10.200.3.4", 443, true },
        { "10.0.0.0/8", "11.0.0.1", 443, false },
        { "10.1.16.0/20", "10.1.31.255", 443, true },
        { "10.1.16.0/20", "10.1.32.0", 443, false },
        { "10.0.0.0/33", "10.0.0.1", 443, false },
        { "0.0.0.0/0", "a.com", 443, false },
        { "fd00::/8", "fd12::1", 443, true },
        { "[fd12::1]:443", "fd12::1", 443, true },
        { "[fd12::1]:444", "fd12::1", 443, false },
        { "fd12::1", "fd12:0::1", 443, true },
        { "0.1", "10.0.0.1", 443, false },
        { "/var/run/docker.sock", "a.com", 443, false },
        { ".", "a.com", 443, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (proxy_excluded(cases[i].no_proxy, cases[i].host, cases[i].port) != cases[i].want)
            fail_msg("row %zu: NO_PROXY=%s host %s", i, cases[i].no_proxy, cases[i].host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_excluded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
