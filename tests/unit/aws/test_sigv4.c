/* The signature against the public test suite (where BERTH_TEST_DATA names its
 * folder) and against cases of our own. */

#include "support/check.h"

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

static void cut_parameter(char *url, const char *name)
{
    char *at = strstr(url, name);

    if (at) {
        char *end = at + 1 + strcspn(at + 1, "&");

        memmove(at, end, strlen(end) + 1);
    }
}

/* Berth never signs a URL, so of the suite's query forms only that is checked which both
 * forms have in common: how path and query are written. */
static void run_query_case(const char *dir, const struct parsed *p, const char *host,
                           const struct sigv4_request *like, const struct sigv4_keys *keys)
{
    AUTO(str) char *text = slurp(dir, "query-signed-request.txt");
    AUTO(str) char *canonical = slurp(dir, "query-canonical-request.txt");
    AUTO(str) char *url = NULL;
    struct parsed wire = { 0 };
    struct sigv4_request rq = *like;
    struct sigv4_signed out;
    struct err e = { 0 };
    char *line;

    parse_request(text, &wire);
    assert_string_equal(wire.method, p->method);
    cut_parameter(wire.url, "&X-Amz-Signature=");
    if (!keys->session_token) /* it may be added when all is signed */
        cut_parameter(wire.url, "&X-Amz-Security-Token=");
    url = mem_printf("https://%s%s", host, wire.url);
    rq.url = url;
    rq.n_headers = 0;
    assert_int_equal(sigv4_sign(&rq, keys, 0, &out, &e), ERR_OK);
    /* Method, path, query: three lines. */
    line = canonical;
    for (int i = 0; i < 3; i++)
        line = strchr(line, '\n') + 1;
    assert_memory_equal(buf_text(&out.canonical_request), canonical, (size_t)(line - canonical));
    sigv4_signed_fini(&out);
    free(wire.body);
}

static void run_case(const char *dir)
{
    AUTO(str) char *context = slurp(dir, "context.json"), *request = slurp(dir, "request.txt");
    AUTO(str) char *canonical = slurp(dir, "header-canonical-request.txt");
    AUTO(str) char *to_sign = slurp(dir, "header-string-to-sign.txt");
    AUTO(str) char *signature = slurp(dir, "header-signature.txt");
    AUTO(str) char *url = NULL, *body = NULL;
    const char *host = "";
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
            url = mem_printf("https://%s%s", host = p.headers[i].value, p.url);
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
    run_query_case(dir, &p, host, &rq, &keys);
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
    assert_int_equal(n, 38);
}

/* ---- our own cases ---- */

/* Made with a second implementation, in another language, from the description of the
 * signature alone. */
static const struct {
    const char *what, *method, *url;
    struct sigv4_header headers[3];
    const char *body, *token;
    bool normalize;
    const char *service, *signed_headers, *signature;
} own[] = {
    { "the least",
      "GET",
      "https://demo.example/",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "d6c4279360c94c947a00f14713a91dc51203cf00b78c34e7b7506cb434936379" },
    { "a token",
      "GET",
      "https://demo.example/",
      { { 0 } },
      "",
      "TOKEN/with+signs==",
      true,
      "ecs",
      "host;x-amz-date;x-amz-security-token",
      "e88b04be6ff9e3ef456333037f0f093a26498eb7849edaf35b21bcf3269da411" },
    { "a header twice, in its order",
      "GET",
      "https://demo.example/",
      { { "My-Header", "b" }, { "my-header", "a" }, { "MY-HEADER", "c" } },
      "",
      NULL,
      true,
      "ecs",
      "host;my-header;x-amz-date",
      "f58ee49757c7f1f615fd191b542c04df35b7308a11b727944365378b154a81c3" },
    { "a value on more than one line",
      "GET",
      "https://demo.example/",
      { { "My-Header", "one\n  two\n\tthree" } },
      "",
      NULL,
      true,
      "ecs",
      "host;my-header;x-amz-date",
      "1fc5f707c94b622cccc42b0418a27fc54fb6e2f15a9a1b45e00be6aa89aea649" },
    { "blanks around and within values",
      "GET",
      "https://demo.example/",
      { { "My-Header1", "  value 1  " }, { "My-Header2", "\"a   b   c\"" } },
      "",
      NULL,
      true,
      "ecs",
      "host;my-header1;my-header2;x-amz-date",
      "483bd9106bf4fe22cfd31666fb230a33ed972bd6286b01e6e7dd9591dec46a7d" },
    { "names in any case and order",
      "POST",
      "https://demo.example/",
      { { "Zulu", "1" }, { "ALPHA", "2" }, { "mike", "3" } },
      "",
      NULL,
      true,
      "ecs",
      "alpha;host;mike;x-amz-date;zulu",
      "4fed0e4ec9e478f0d93d9c9e10834c0a2dcc11bd67dcce8e71bcac643b7254ca" },
    { "an empty value",
      "GET",
      "https://demo.example/",
      { { "My-Header", "" } },
      "",
      NULL,
      true,
      "ecs",
      "host;my-header;x-amz-date",
      "6a3f335d5c43ad8fdbb98542dd9432833d463deb70c8465b6aaf2a047b1f0923" },
    { "keys out of order",
      "GET",
      "https://demo.example/?b=2&a=2&A=1&a=1&aa=0&a-=0",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "5fff2ab740e6f99d973f4cced3c090b459af81baa5753edf3da6212943f920ba" },
    { "what must be escaped in a query",
      "GET",
      "https://demo.example/?k=a b/c:d&p=%7e%41%2f&plus=1+1&e==&f",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "66e3370b2ad4dcf737307ad531a4c0176bd9ee49f911020053e02b81e95b35fd" },
    { "unreserved characters",
      "GET",
      "https://demo.example/"
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz?-._~=09azAZ",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "2b2c97af22e40a8446d9308e3517b9d4d8180baf2bce1cdc12c9b5e13515f6cf" },
    { "UTF-8 in path and query",
      "GET",
      "https://demo.example/\xe1\x88\xb4/\xc3\xa9?\xe1\x88\xb4=\xe2\x82\xac",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "72727af4b456d4a5044d3e5cb0890e40a26aa78552e92aa297c896780f4591b7" },
    { "a path to be cleaned",
      "GET",
      "https://demo.example/a/./b/../../c//d/",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "de8ca09cadc7527686f64e550464356c26487a488f6ed05fd83edebbf47531ef" },
    { "a path above the root",
      "GET",
      "https://demo.example/../../a",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "f360af5e560463d2ab481a8013d6af40bc40f67a1d901d09fa9486100310f200" },
    { "an escaped path, escaped again",
      "GET",
      "https://demo.example/a%20b/c%2Fd",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "a8cd10186f0750d67aacf5e61f32cf22c6e4bfc81548384d363bd5270578a3bf" },
    { "S3 takes paths as they are",
      "GET",
      "https://demo.example/bucket/a//b/../c%20d/%E1%88%B4",
      { { "x-amz-content-sha256",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "Range", "bytes=0-5242879" } },
      "",
      "TOKEN",
      false,
      "s3",
      "host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token",
      "5cc3430c09bb7438ba13b8fb0abe82a3d1254126b57c5f1b8ecce6d66fa92246" },
    { "a form",
      "POST",
      "https://demo.example/",
      { { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" } },
      "Action=DescribeTags&Version=2016-11-15",
      NULL,
      true,
      "ec2",
      "content-type;host;x-amz-date",
      "25364b5b7859134a671e6eaa6f3af941dce244c896af9e9b525c5a2a6653b97e" },
    { "a JSON call",
      "POST",
      "https://demo.example/",
      { { "Content-Type", "application/x-amz-json-1.1" },
        { "X-Amz-Target", "AmazonSSM.GetParameters" } },
      "{\"Names\":[\"/a\"],\"WithDecryption\":true}",
      "TOKEN",
      true,
      "ssm",
      "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
      "ab0acd85a3a3df184983ac459d12d6239c711e83de3bd08ae57971162afc06f2" },
    { "a port of its own",
      "GET",
      "https://127.0.0.1:8443/",
      { { 0 } },
      "",
      NULL,
      true,
      "ecs",
      "host;x-amz-date",
      "c9170a37403336ab410dd1b297af4ef9194828455b3b636a07ab8a3cfae98928" },
};

static void test_own_cases(void **state)
{
    int64_t when = 0;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(clock_parse_iso("2026-01-02T03:04:05Z", &when, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        struct sigv4_keys keys = { "AKIDEXAMPLE", SECRET, own[i].token };
        struct sigv4_request rq = { .method = own[i].method,
                                    .url = own[i].url,
                                    .headers = own[i].headers,
                                    .body = str_of(own[i].body),
                                    .region = "us-west-2",
                                    .service = own[i].service,
                                    .normalize_path = own[i].normalize };
        struct sigv4_signed out;
        AUTO(str)
        char *want = mem_printf("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-west-2/%s/"
                                "aws4_request, SignedHeaders=%s, Signature=%s",
                                own[i].service, own[i].signed_headers, own[i].signature);

        while (rq.n_headers < COUNT_OF(own[i].headers) && own[i].headers[rq.n_headers].name)
            rq.n_headers++;
        assert_int_equal(sigv4_sign(&rq, &keys, when, &out, &e), ERR_OK);
        if (!streq(buf_text(&out.authorization), want))
            fail_msg("%s: %s\n%s", own[i].what, buf_text(&out.authorization),
                     buf_text(&out.canonical_request));
        sigv4_signed_fini(&out);
    }
}

static void test_body_hash(void **state)
{
    char hash[SIGV4_HASH_SIZE];

    (void)state;
    sigv4_hash((struct str){ NULL, 0 }, hash);
    assert_string_equal(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sigv4_hash(str_of("abc"), hash);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

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
        cmocka_unit_test(test_own_cases),
        cmocka_unit_test(test_body_hash),
        cmocka_unit_test(test_canonical_paths_and_queries),
        cmocka_unit_test(test_host_has_only_an_odd_port),
        cmocka_unit_test(test_session_handshakes),
        cmocka_unit_test(test_what_cannot_be_signed),
        cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
