#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "docker/decode.h"

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void image_names(void **state)
{
    static const struct {
        const char *text, *name, *host, *tag, *digest;
    } cases[] = {
        { "busybox", "busybox", "", "", "" },
        { "busybox:1.36", "busybox", "", "1.36", "" },
        { "library/busybox", "library/busybox", "", "", "" },
        { "a.b/busybox:x", "a.b/busybox", "a.b", "x", "" },
        { "localhost/busybox", "localhost/busybox", "localhost", "", "" },
        { "localhost:5000/busybox", "localhost:5000/busybox", "localhost:5000", "", "" },
        { "127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "t", "" },
        { "[::1]:5000/a:t", "[::1]:5000/a", "[::1]:5000", "t", "" },
        { "[fe80::1]/a", "[fe80::1]/a", "[fe80::1]", "", "" },
        { "Host/a", "Host/a", "Host", "", "" },
        { "localhost:5000", "localhost", "", "5000", "" },
        { "a@" SHA, "a", "", "", SHA },
        { "r.io:443/a:t@" SHA, "r.io:443/a", "r.io:443", "t", SHA },
        { SHA, "sha256", "", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
          "" },
        { "a__b/c--d/e.f_g", "a__b/c--d/e.f_g", "", "", "" },
        { "123456789012.dkr.ecr.us-west-2.amazonaws.com/app:V1_x.y",
          "123456789012.dkr.ecr.us-west-2.amazonaws.com/app",
          "123456789012.dkr.ecr.us-west-2.amazonaws.com", "V1_x.y", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker_ref r;
        struct err e = { 0 };

        assert_int_equal(docker_ref_parse(cases[i].text, &r, &e), ERR_OK);
        assert_true(str_is(r.name, cases[i].name));
        assert_true(str_is(r.host, cases[i].host));
        assert_true(str_is(r.tag, cases[i].tag));
        assert_true(str_is(r.digest, cases[i].digest));
    }
}

static void wrong_image_names(void **state)
{
    static const char *const cases[] = {
        NULL,
        "",
        " ",
        ":",
        "@",
        "/",
        "a/",
        "/a",
        "a//b",
        "a:",
        ":tag",
        "a:b:c",
        "a@",
        "a@sha256",
        "a@sha256:12",
        "a@" SHA "@" SHA,
        "a@sha256:zz23456789abcdef0123456789abcdef",
        "Busybox",
        "a/B",
        "a b",
        "a?b",
        "a#b",
        "a%2fb",
        "a\nb",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "..",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "a:-t",
        "a:.t",
        "a:t/",
        "h:port/a",
        ":5000/a",
        "h:/a",
        "[::1/a",
        "[]/a",
        "[::1]x/a",
        "[::1]:/a",
        ".h/a",
        "-h.x/a",
        "a\xc3\xa9",
    };
    char longest[300] = "";
    struct docker_ref r;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        if (docker_ref_parse(cases[i], &r, &e) == ERR_OK)
            fail_msg("'%s' was accepted", cases[i]);
        assert_int_equal(e.code, ERR_INVALID);
        assert_true(str_starts(e.msg, "invalid reference format"));
    }
    memset(longest, 'a', 255);
    assert_int_equal(docker_ref_parse(longest, &r, NULL), ERR_OK);
    longest[255] = 'a';
    assert_int_equal(docker_ref_parse(longest, &r, NULL), ERR_INVALID);
    memcpy(longest, "a:", 2);
    longest[2 + 128] = '\0';
    assert_int_equal(docker_ref_parse(longest, &r, NULL), ERR_OK);
    longest[2 + 128] = 'a';
    longest[2 + 129] = '\0';
    assert_int_equal(docker_ref_parse(longest, &r, NULL), ERR_INVALID);
}

static void names_of_containers_and_volumes(void **state)
{
    static const struct {
        const char *text;
        enum err_code want;
    } cases[] = {
        { "ecs-shop-7-web-ccb2c49a89ada7e13d00", ERR_OK },
        { "0123abc", ERR_OK },
        { "a", ERR_OK },
        { "A_b.c-d", ERR_OK },
        { "", ERR_INVALID },
        { NULL, ERR_INVALID },
        { "..", ERR_INVALID },
        { ".a", ERR_INVALID },
        { "a/b", ERR_INVALID },
        { "a?b", ERR_INVALID },
        { "a%00", ERR_INVALID },
        { "a b", ERR_INVALID },
        { "a\r\nb", ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        assert_int_equal(docker_container_ref_check(cases[i].text, NULL), cases[i].want);
        assert_int_equal(docker_volume_name_check(cases[i].text, &e), cases[i].want);
        assert_true(!e.code || str_starts(e.msg, "invalid volume name: '"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_names),
        cmocka_unit_test(wrong_image_names),
        cmocka_unit_test(names_of_containers_and_volumes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
