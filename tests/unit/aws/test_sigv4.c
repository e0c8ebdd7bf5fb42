/* The signature against the public test suite (where BERTH_TEST_DATA names its
 * folder) and against cases of our own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define CI                                                        \
    "arn:aws:ecs:us-west-2:111122223333:container-instance/demo/" \
    "0123456789abcdef0123456789abcdef"
#define CI_ESCAPED                                                              \
    "arn%3Aaws%3Aecs%3Aus-west-2%3A111122223333%3Acontainer-instance%2Fdemo%2F" \
    "0123456789abcdef0123456789abcdef"

/* ---- the public suite ---- */

static char *slurp(const char *dir, const char *name)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    char *text;
    size_t n;

    if (!f)
        fail_msg("%s cannot be read", path);
    text = mem_alloc(64 * 1024);
    n = fread(text, 1, 64 * 1024 - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

struct parsed {
    char *method, *url;
    struct sigv4_header headers[32];
    size_t n_headers;
    char *body;
};

/* Takes `text` apart in place. */
static void parse_request(char *text, struct parsed *out)
{
    char *eol = strchr(text, '\n'), *http, *line;

    *eol = '\0';
    http = strstr(text, " HTTP/1.1");
    *http = '\0';
    out->method = text;
    out->url = strchr(text, ' ');
    *out->url++ = '\0';
    out->body = mem_strdup("");
    for (line = eol + 1; *line;) {
        char *end = line + strcspn(line, "\n"), *colon;

        if (end == line) {
            free(out->body);
            out->body = mem_strdup(line + 1);
            break;
        }
        /* A continued value belongs to the line before. */
        while (*end && (end[1] == ' ' || end[1] == '\t'))
            end += 1 + strcspn(end + 1, "\n");
        colon = strchr(line, ':');
        *colon = '\0';
        out->headers[out->n_headers++] = (struct sigv4_header){ line, colon + 1 };
        line = *end ? end + 1 : end;
        *end = '\0';
    }
}

static void run_case(const char *dir)
{
    AUTO(str) char *context = slurp(dir, "context.json"), *request = slurp(dir, "request.txt");
    AUTO(str) char *canonical = slurp(dir, "header-canonical-request.txt");
    AUTO(str) char *to_sign = slurp(dir, "header-string-to-sign.txt");
    AUTO(str) char *signature = slurp(dir, "header-signature.txt");
    AUTO(str) char *url = NULL, *body = NULL;
    AUTO(json) struct json_t *v = NULL;
    struct err e = { 0 };
    struct jcur root, cred;
    struct parsed p = { 0 };
    struct sigv4_keys keys;
    struct sigv4_request rq = { .headers = p.headers };
    struct sigv4_signed out;
    int64_t when = 0;
    size_t kept = 0;

    assert_int_equal(json_parse(context, strlen(context), &v, &e), ERR_OK);
    root = jcur_root(v, &e);
    cred = jcur_obj(&root, "credentials");
    keys.access_key = jcur_str(&cred, "access_key_id");
    keys.secret_key = jcur_str(&cred, "secret_access_key");
    keys.session_token =
        jcur_bool_or(&root, "omit_session_token", false) ? NULL : jcur_str_or(&cred, "token", NULL);
    rq.region = jcur_str(&root, "region");
    rq.service = jcur_str(&root, "service");
    rq.normalize_path = jcur_bool_or(&root, "normalize", true);
    assert_int_equal(clock_parse_iso(jcur_str(&root, "timestamp"), &when, &e), ERR_OK);
    assert_int_equal(e.code, ERR_OK);

    parse_request(request, &p);
    body = p.body;
    for (size_t i = 0; i < p.n_headers; i++) {
        if (strcasecmp(p.headers[i].name, "host") == 0)
            url = mem_printf("https://%s%s", p.headers[i].value, p.url);
        else
            p.headers[kept++] = p.headers[i];
    }
    rq.method = p.method;
    rq.url = url;
    rq.body = str_of(p.body);
    if (jcur_bool_or(&root, "sign_body", false)) {
        assert_int_equal(sigv4_sign(&rq, &keys, when, &out, &e), ERR_OK);
        p.headers[kept++] =
            (struct sigv4_header){ "x-amz-content-sha256", mem_strdup(out.payload_hash) };
        sigv4_signed_fini(&out);
    }
    rq.n_headers = kept;
    assert_int_equal(sigv4_sign(&rq, &keys, when, &out, &e), ERR_OK);
    assert_string_equal(buf_text(&out.canonical_request), canonical);
    assert_string_equal(buf_text(&out.string_to_sign), to_sign);
    assert_non_null(strstr(buf_text(&out.authorization), "Signature="));
    assert_string_equal(str_after_last(buf_text(&out.authorization), '='), signature);
    sigv4_signed_fini(&out);
    if (kept && streq(p.headers[kept - 1].name, "x-amz-content-sha256"))
        free((char *)(uintptr_t)p.headers[kept - 1].value);
}

static void test_public_suite(void **state)
{
    const char *data = getenv("BERTH_TEST_DATA");
    AUTO(str) char *folder = NULL;
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    (void)state;
    if (!data) {
        print_message("skipped: BERTH_TEST_DATA is not set\n");
        skip();
    }
    folder = mem_printf("%s/sigv4", data);
    dir = opendir(folder);
    assert_non_null(dir);
    while ((d = readdir(dir))) {
        AUTO(str) char *one = NULL;

        if (d->d_name[0] == '.')
            continue;
        one = mem_printf("%s/%s", folder, d->d_name);
        print_message("  %s\n", d->d_name);
        run_case(one);
        n++;
    }
    closedir(dir);
    assert_true(n >= 30);
}

/* ---- our own cases ---- */

static const struct {
    const char *url, *path, *query;
    bool normalize;
} paths[] = {
    { "https://h.example", "/", "", true },
    { "https://h.example?a=b", "/", "a=b", true },
    { "https://h.example/a/./b/../c/", "/a/c/", "", true },
    { "https://h.example/../..", "/", "", true },
    { "https://h.example/a//b", "/a/b", "", true },
    { "https://h.example/a//b/../c", "/a//b/../c", "", false },
    /* Escaped once more, but not for S3. */
    { "https://h.example/a%20b", "/a%2520b", "", true },
    { "https://h.example/a%20b", "/a%20b", "", false },
    { "https://h.example/?b=2&a=2&a=1&a-=0", "/", "a=1&a=2&a-=0&b=2", true },
    { "https://h.example/?x=%2f+%7e&flag", "/", "flag=&x=%2F%20~", true },
    { "https://h.example/?&&a=b=c&", "/", "a=b%3Dc", true },
};

static void test_canonical_paths_and_queries(void **state)
{
    struct sigv4_keys keys = { "AK", "SK", NULL };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct sigv4_request rq = { .method = "GET",
                                    .url = paths[i].url,
                                    .region = "r",
                                    .service = "s",
                                    .normalize_path = paths[i].normalize };
        AUTO(str)
        char *want = mem_printf("GET\n%s\n%s\nhost:h.example\n", paths[i].path, paths[i].query);
        struct sigv4_signed out;
        struct err e = { 0 };

        assert_int_equal(sigv4_sign(&rq, &keys, 0, &out, &e), ERR_OK);
        assert_memory_equal(buf_text(&out.canonical_request), want, (int)strlen(want));
        sigv4_signed_fini(&out);
    }
}

static const struct {
    const char *url, *host;
} hosts[] = {
    { "https://a.example:443/", "a.example" },     { "http://a.example:80/", "a.example" },
    { "http://127.0.0.1:8080", "127.0.0.1:8080" }, { "wss://a.example:443", "a.example" },
    { "https://a.example:80/", "a.example:80" },   { "http://[::1]:51678/x", "[::1]:51678" },
};

static void test_host_has_only_an_odd_port(void **state)
{
    struct sigv4_keys keys = { "AK", "SK", NULL };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct sigv4_request rq = {
            .method = "GET", .url = hosts[i].url, .region = "r", .service = "s"
        };
        struct sigv4_signed out;
        struct err e = { 0 };

        assert_int_equal(sigv4_sign(&rq, &keys, 0, &out, &e), ERR_OK);
        assert_string_equal(out.host, hosts[i].host);
        sigv4_signed_fini(&out);
    }
}

static void check_signature(const char *url, const char *body, const char *signature)
{
    struct sigv4_keys keys = { "AKIDEXAMPLE", SECRET, "SESSIONTOKENEXAMPLE" };
    struct sigv4_request rq = { .method = "GET",
                                .url = url,
                                .body = str_of(body),
                                .region = "us-west-2",
                                .service = "ecs",
                                .normalize_path = true };
    struct sigv4_signed out;
    struct err e = { 0 };
    int64_t when = 0;
    AUTO(str) char *want = NULL;

    assert_int_equal(clock_parse_iso("2026-01-02T03:04:05Z", &when, &e), ERR_OK);
    assert_int_equal(sigv4_sign(&rq, &keys, when, &out, &e), ERR_OK);
    want = mem_printf("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-west-2/ecs/aws4_request,"
                      " SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=%s",
                      signature);
    assert_string_equal(buf_text(&out.authorization), want);
    sigv4_signed_fini(&out);
}

static void test_session_handshakes(void **state)
{
    (void)state;
    check_signature("https://ecs-a-1.us-west-2.amazonaws.com/ws?agentHash=0a1b2c3d"
                    "&agentVersion=1.0.0&clusterArn=demo&containerInstanceArn=" CI_ESCAPED
                    "&dockerVersion=DockerVersion%3A%2025.0.8&protocolVersion=2"
                    "&sendCredentials=true&seqNum=1",
                    "", "f04e39a614603993c7621f6c3b8d9373753c769a4ff90d2dd0e2ea81d5dc9609");
    /* The same with unescaped text, another order and '+' for the space. */
    check_signature("wss://ecs-a-1.us-west-2.amazonaws.com/ws?clusterArn=demo"
                    "&containerInstanceArn=" CI "&agentHash=0a1b2c3d&agentVersion=1.0.0&seqNum=1"
                    "&protocolVersion=2&dockerVersion=DockerVersion:+25.0.8&sendCredentials=true",
                    "", "f04e39a614603993c7621f6c3b8d9373753c769a4ff90d2dd0e2ea81d5dc9609");
    check_signature("https://ecs-t-1.us-west-2.amazonaws.com/ws?cluster=demo&containerInstance=" CI
                    "&agentVersion=1.0.0&agentHash=0a1b2c3d&dockerVersion=25.0.8",
                    "{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":"
                    "{\"cluster\":\"demo\",\"fin\":true,\"idle\":true}}}",
                    "e8dda6c53dc4ff6909fc96a587f23758e312416b823160d939fde507d9efbcd7");
}

static void test_what_cannot_be_signed(void **state)
{
    const struct {
        const char *url, *access, *region;
        enum err_code want;
    } cases[] = {
        { "ftp://h/", "AK", "r", ERR_INVALID },        { "https:///path", "AK", "r", ERR_INVALID },
        { "https://user@h/", "AK", "r", ERR_INVALID }, { "https://h/", "", "r", ERR_DENIED },
        { "https://h/", "AK", "", ERR_INVALID },       { "https://h/", "AK", NULL, ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sigv4_request rq = {
            .method = "GET", .url = cases[i].url, .region = cases[i].region, .service = "s"
        };
        struct sigv4_keys keys = { cases[i].access, "SK", NULL };
        struct sigv4_signed out = { .host = "untouched" };
        struct err e = { 0 };

        assert_int_equal(sigv4_sign(&rq, &keys, 0, &out, &e), cases[i].want);
        assert_string_equal(out.host, "untouched");
        assert_int_equal(e.code, cases[i].want);
    }
}

static void test_escape(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(100), tiny = BUF_INIT(2);

    (void)state;
    assert_true(sigv4_escape(&b, str_of("a/b c~\xc3\xa9"), false));
    assert_string_equal(buf_text(&b), "a%2Fb%20c~%C3%A9");
    buf_reset(&b);
    assert_true(sigv4_escape(&b, str_of("a/b"), true));
    assert_string_equal(buf_text(&b), "a/b");
    assert_false(sigv4_escape(&tiny, str_of("a b"), true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_suite),
        cmocka_unit_test(test_canonical_paths_and_queries),
        cmocka_unit_test(test_host_has_only_an_odd_port),
        cmocka_unit_test(test_session_handshakes),
        cmocka_unit_test(test_what_cannot_be_signed),
        cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
