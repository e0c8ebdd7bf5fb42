#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "docker/docker.h"

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Base64 with the URL alphabet and padding, read by another algorithm than the one that
 * writes it: bit by bit. */
static char *unheader(const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = strlen(text), bits = 0;
    char *out = mem_alloc(n + 1);

    assert_int_equal(n % 4, 0);
    for (; *text && *text != '='; text++) {
        const char *at = strchr(alphabet, *text);

        assert_non_null(at);
        for (int bit = 5; bit >= 0; bit--, bits++)
            if ((at - alphabet) >> bit & 1)
                out[bits / 8] = (char)(out[bits / 8] | 1 << (7 - bits % 8));
    }
    out[bits / 8] = '\0';
    assert_true(strlen(text) <= 2);
    return out;
}

static void a_header_is_what_the_engine_reads(void **state)
{
    static const struct {
        const char *user, *password, *server, *json;
    } cases[] = {
        { "u", "p", "r.io", "{\"username\":\"u\",\"password\":\"p\",\"serveraddress\":\"r.io\"}" },
        { "uu", "p", "r.io",
          "{\"username\":\"uu\",\"password\":\"p\",\"serveraddress\":\"r.io\"}" },
        { "uuu", "p", "r.io",
          "{\"username\":\"uuu\",\"password\":\"p\",\"serveraddress\":\"r.io\"}" },
        { "AWS", "a\"\\\n:?~\xc3\xbf", "https://1.dkr.ecr.us-west-2.amazonaws.com",
          "{\"username\":\"AWS\",\"password\":\"a\\\"\\\\\\n:?~\xc3\xbf\",\"serveraddress\":"
          "\"https://1.dkr.ecr.us-west-2.amazonaws.com\"}" },
        { "u", "", NULL, "{\"username\":\"u\"}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(secret)
        char *header = docker_auth_header(cases[i].user, cases[i].password, cases[i].server);
        AUTO(str) char *json = unheader(header);

        assert_string_equal(json, cases[i].json);
    }
}

static void a_header_of_every_byte(void **state)
{
    char all[256] = "", *header, *json;
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    (void)state;
    for (int i = 1; i < 128; i++)
        all[i - 1] = (char)i;
    header = docker_auth_header(all, all, all);
    json = unheader(header);
    assert_int_equal(json_parse(json, strlen(json), &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    assert_string_equal(jcur_str(&root, "username"), all);
    assert_string_equal(jcur_str(&root, "password"), all);
    assert_string_equal(jcur_str(&root, "serveraddress"), all);
    json_free(doc);
    mem_wipe(header);
    free(json);
}

/* ---- matching ---- */

/* "dTpw" is u:p; the user's name tells which entry was taken. */
#define MAP                                       \
    "{\"https://index.docker.io/v1/\":{\"auth\":" \
    "\"aHViOnA=\"}," /* hub:p */                  \
    "\"r.io\":{\"auth\":"                         \
    "\"cm9vdDpw\"}," /* root:p */                 \
    "\"http://r.io/team\":{\"auth\":"             \
    "\"dGVhbTpw\"}," /* team:p */                 \
    "\"r.io/team/app\":{\"auth\":"                \
    "\"YXBwOnA=\"}," /* app:p */                  \
    "\"https://r.io:5000/v1/\":{\"auth\":"        \
    "\"b2xkOnA=\"}," /* old:p */                  \
    "\"s.io/a\":{\"auth\":\"YTpw\"},"             \
    "\"s.io/bcd\":{\"auth\":\"YjpwOnE=\"}}" /* b:p:q */

static void the_longest_key_counts(void **state)
{
    static const struct {
        const char *image, *user;
    } cases[] = {
        { "busybox", "hub" },
        { "busybox:1", "hub" },
        { "library/busybox@" SHA, "hub" },
        { "docker.io/me/app", "hub" },
        { "index.docker.io/me/app:1", "hub" },
        { "registry-1.docker.io/me/app:1", "hub" },
        { "r.io/app", "root" },
        { "r.io/other/app:1", "root" },
        { "r.io/team/web:1", "team" },
        { "r.io/team/app:1", "app" },
        { "r.io/team/app@" SHA, "app" },
        { "r.io/teamwork:1", "team" }, /* a prefix of the text, as the reference has it */
        { "r.io:5000/app:1", "old" },  /* shares no more than the host */
        { "s.io/a/x", "a" },
        { "s.io/bcd/x", "b" },
        { "s.io/other", "a" }, /* only the host, so the one that says least */
        { "r.io:5001/app", NULL },
        { "x.io/app", NULL },
        { "x.r.io/app", NULL },
        { "r.iox/app", NULL },
        { "localhost/app", NULL },
        { "hub.docker.io/app", NULL },
        { "", NULL },
        { "not a name", NULL },
    };
    struct docker_auths *a = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_auths_create("dockercfg", MAP, &a, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(secret) char *header = docker_auths_header(a, cases[i].image);
        AUTO(str) char *json = header ? unheader(header) : NULL;
        char want[64];

        snprintf(want, sizeof want, "{\"username\":\"%s\",", cases[i].user ? cases[i].user : "");
        if (!json != !cases[i].user || (json && !str_starts(json, want)))
            fail_msg("%s: %s", cases[i].image, json ? json : "none");
        if (json && streq(cases[i].user, "b"))
            assert_non_null(strstr(json, "\"password\":\"p:q\""));
        if (json && streq(cases[i].user, "old"))
            assert_non_null(strstr(json, "\"serveraddress\":\"r.io:5000/v1/\""));
    }
    docker_auths_destroy(a);
}

static void the_hub_has_one_key(void **state)
{
    static const char *const keys[] = {
        "docker.io", "index.docker.io", "index.docker.io/v1", "registry-1.docker.io", "busybox", ""
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        AUTO(str) char *data = mem_printf("{\"%s\":{\"auth\":\"dTpw\"}}", keys[i]);
        struct docker_auths *a = NULL;
        struct err e = { 0 };

        assert_int_equal(docker_auths_create("dockercfg", data, &a, &e), ERR_OK);
        assert_null(docker_auths_header(a, "busybox"));
        assert_null(docker_auths_header(a, "docker.io/library/busybox"));
        docker_auths_destroy(a);
    }
}

static void entries_of_type_docker(void **state)
{
    static const char data[] =
        "{\"https://a.io\":{\"username\":\"u\",\"password\":\"p\",\"email\":\"e@x\"},"
        "\"b.io\":{\"username\":\"u\"},"
        "\"c.io\":{\"identitytoken\":\"t\"}}";
    static const struct {
        const char *image, *json;
    } cases[] = {
        { "a.io/x", "{\"username\":\"u\",\"password\":\"p\",\"email\":\"e@x\",\"serveraddress\":"
                    "\"a.io\"}" },
        { "b.io/x", "{\"username\":\"u\",\"serveraddress\":\"b.io\"}" },
        { "c.io/x", "{\"serveraddress\":\"c.io\",\"identitytoken\":\"t\"}" },
    };
    struct docker_auths *a = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_auths_create("docker", data, &a, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(secret) char *header = docker_auths_header(a, cases[i].image);
        AUTO(str) char *json = NULL;

        assert_non_null(header);
        json = unheader(header);
        assert_string_equal(json, cases[i].json);
    }
    docker_auths_destroy(a);
}

/* What cannot be read is named without its value, and leaves the rest. */
static void credentials_that_cannot_be_read(void **state)
{
#define GOOD ",\"good.io\":{\"auth\":\"dTpw\",\"username\":\"u\"}}"
    static const struct {
        const char *type, *data, *text;
        bool good;
    } cases[] = {
        { "dockerconfig", "{\"a.io\":{\"auth\":\"dTpw\"}}", "unknown type", false },
        { "Docker", "{}", "unknown type", false },
        { "dockercfg", NULL, "not a JSON object", false },
        { "dockercfg", "", "not a JSON object", false },
        { "dockercfg", "{\"a.io\":{\"auth\":\"SECRET", "not a JSON object", false },
        { "docker", "SECRET", "not a JSON object", false },
        { "docker", "[\"SECRET\"]", "not a JSON object", false },
        { "docker", "\"SECRET\"", "not a JSON object", false },
        { "dockercfg", "{\"a.io\":\"SECRET\"" GOOD, "entry 1: expected object", true },
        { "dockercfg", "{\"u:SECRET@a.io\":{}" GOOD, "entry 1: auth: expected string", true },
        { "dockercfg", "{\"a.io\":{\"auth\":5}" GOOD, "entry 1: auth: expected string", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"SECRET!\"}" GOOD, "entry 1: auth is not base64",
          true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"dTpw=\"}" GOOD, "auth is not base64", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"dTp\"}" GOOD, "auth is not base64", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"d===\"}" GOOD, "auth is not base64", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"dT=p\"}" GOOD, "auth is not base64", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"dTp-\"}" GOOD, "auth is not base64", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"U0VDUkVU\"}" GOOD, "user:password", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"OnA=\"}" GOOD, "user:password", true },
        { "dockercfg", "{\"a.io\":{\"auth\":\"\"}" GOOD, "user:password", true },
        { "docker", "{\"a.io\":{\"password\":\"SECRET\"}" GOOD, "entry 1: no username", true },
        { "docker", "{\"a.io\":{\"username\":\"u\",\"password\":{\"SECRET\":1}}" GOOD,
          "entry 1: password: expected string", true },
        { "docker", "{\"a.io\":{\"username\":\"u\",\"password\":\"S\\u0000ECRET\"}" GOOD,
          "password", true },
        { "docker", "{\"a.io\":{\"username\":7,\"password\":\"SECRET\"}" GOOD, "username", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker_auths *a = NULL;
        struct err e = { 0 };
        char *header;

        if (docker_auths_create(cases[i].type, cases[i].data, &a, &e) != ERR_INVALID)
            fail_msg("case %zu was accepted", i);
        assert_non_null(a);
        if (!strstr(e.msg, cases[i].text) || strstr(e.msg, "SECRET") || strstr(e.msg, "U0VD"))
            fail_msg("case %zu: '%s'", i, e.msg);
        assert_null(docker_auths_header(a, "a.io/x"));
        header = docker_auths_header(a, "good.io/x");
        if (!header == cases[i].good)
            fail_msg("case %zu: the other entry", i);
        mem_wipe(header);
        docker_auths_destroy(a);
    }
}

static void no_credentials(void **state)
{
    struct docker_auths *a = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_auths_create("", "{\"r.io\":{\"auth\":\"dTpw\"}}", &a, &e), ERR_OK);
    assert_null(docker_auths_header(a, "r.io/x"));
    docker_auths_destroy(a);
    assert_int_equal(docker_auths_create("docker", "{}", &a, &e), ERR_OK);
    assert_null(docker_auths_header(a, "r.io/x"));
    docker_auths_destroy(a);
    assert_null(docker_auths_header(NULL, "r.io/x"));
    docker_auths_destroy(NULL);
}

static void base64_may_be_wrapped(void **state)
{
    struct docker_auths *a = NULL;
    struct err e = { 0 };
    char *header, *json;

    (void)state;
    /* "ab?>:x>?" needs both characters that the URL alphabet has differently. */
    assert_int_equal(
        docker_auths_create("dockercfg", "{\"r.io\":{\"auth\":\"YWI/\\nPjp4\\r\\nPj8=\"}}", &a, &e),
        ERR_OK);
    header = docker_auths_header(a, "r.io/x");
    json = unheader(header);
    assert_string_equal(json,
                        "{\"username\":\"ab?>\",\"password\":\"x>?\",\"serveraddress\":\"r.io\"}");
    mem_wipe(header);
    free(json);
    docker_auths_destroy(a);
}

/* ---- repositories and digests ---- */

static void repositories_are_normalized(void **state)
{
    static const struct {
        const char *image, *want;
    } cases[] = {
        { "busybox", "docker.io/library/busybox" },
        { "busybox:1.36", "docker.io/library/busybox" },
        { "busybox@" SHA, "docker.io/library/busybox" },
        { "library/busybox", "docker.io/library/busybox" },
        { "docker.io/busybox", "docker.io/library/busybox" },
        { "index.docker.io/library/busybox:1", "docker.io/library/busybox" },
        { "me/app:1@" SHA, "docker.io/me/app" },
        { "docker.io/me/app", "docker.io/me/app" },
        { "r.io/app:1", "r.io/app" },
        { "r.io:5000/a/b/c", "r.io:5000/a/b/c" },
        { "localhost/app", "localhost/app" },
        { "localhost:5000", "docker.io/library/localhost" },
        { "", NULL },
        { "NO/pe", "NO/pe" }, /* a host: users have lower-case names */
        { "no//pe", NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *got = docker_normal_repository(cases[i].image);

        if (!got != !cases[i].want || (got && !streq(got, cases[i].want)))
            fail_msg("%s: %s", cases[i].image, got ? got : "none");
    }
}

static void the_digest_of_the_own_repository(void **state)
{
#define D(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
    static const char *const digests[] = {
        "r.io/app@" D("01"),      "busybox@" D("02"), "odd", "me/x@",
        "r.io:5000/app@" D("03"), "busybox@" D("04"), NULL
    };
    static const struct {
        const char *image, *want;
    } cases[] = {
        { "busybox:9", D("02") },
        { "docker.io/library/busybox", D("02") },
        { "r.io/app", D("01") },
        { "r.io/app:1", D("01") },
        { "r.io:5000/app:1@" D("07"), D("03") },
        { "app", NULL },
        { "me/x", NULL },
        { "odd", NULL },
        { "", NULL },
    };
    struct docker_image image = { .repo_digests = digests }, none = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *got = docker_digest_of(&image, cases[i].image);

        if (!got != !cases[i].want || (got && !streq(got, cases[i].want)))
            fail_msg("%s: %s", cases[i].image, got ? got : "none");
        assert_null(docker_digest_of(&none, cases[i].image));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_what_the_engine_reads),
        cmocka_unit_test(a_header_of_every_byte),
        cmocka_unit_test(the_longest_key_counts),
        cmocka_unit_test(the_hub_has_one_key),
        cmocka_unit_test(entries_of_type_docker),
        cmocka_unit_test(credentials_that_cannot_be_read),
        cmocka_unit_test(no_credentials),
        cmocka_unit_test(base64_may_be_wrapped),
        cmocka_unit_test(repositories_are_normalized),
        cmocka_unit_test(the_digest_of_the_own_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
