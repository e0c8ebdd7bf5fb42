/* auth: signatures, the public suite where it is at hand, and TCS frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define CI                                                                    \
    "arn%3Aaws%3Aecs%3Aus-west-2%3A111122223333%3Acontainer-instance%2Fdemo%" \
    "2F0123456789abcdef0123456789abcdef"

static int64_t at(const char *iso)
{
    int64_t ms = 0;

    assert_int_equal(clock_parse_iso(iso, &ms, NULL), ERR_OK);
    return ms;
}

static struct auth_keys *keys(const char *token)
{
    struct auth_keys *k = auth_keys_create();

    auth_keys_set(k, "AKIDEXAMPLE", SECRET, token);
    return k;
}

/* The handshake of the agent, as the reference signs it. */
#define ACS_QUERY                                                                    \
    "agentHash=0a1b2c3d&agentVersion=1.0.0&clusterArn=demo&containerInstanceArn=" CI \
    "&dockerVersion=DockerVersion%3A+25.0.8&protocolVersion=2&sendCredentials=true&seqNum=1"
#define ACS_SIGNATURE "f04e39a614603993c7621f6c3b8d9373753c769a4ff90d2dd0e2ea81d5dc9609"
#define SCOPE         "AKIDEXAMPLE/20260102/us-west-2/ecs/aws4_request"
#define NAMES         "host;x-amz-date;x-amz-security-token"

static struct auth_header handshake[5];

static struct auth_request handshake_request(const char *authorization)
{
    handshake[0] =
        (struct auth_header){ str_of("Host"), str_of("ecs-a-1.us-west-2.amazonaws.com") };
    handshake[1] = (struct auth_header){ str_of("X-Amz-Date"), str_of("20260102T030405Z") };
    handshake[2] =
        (struct auth_header){ str_of("X-Amz-Security-Token"), str_of("SESSIONTOKENEXAMPLE") };
    handshake[3] = (struct auth_header){ str_of("Authorization"), str_of(authorization) };
    return (struct auth_request){ .method = str_of("GET"),
                                  .path = str_of("/ws"),
                                  .query = str_of(ACS_QUERY),
                                  .headers = handshake,
                                  .header_count = 4,
                                  .body = str_of("") };
}

static void handshake_cases(void **state)
{
    static const struct {
        const char *authorization, *when, *region, *service, *token, *want;
    } cases[] = {
#define GOOD \
    "AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=" NAMES ", Signature=" ACS_SIGNATURE
#define WHEN  "2026-01-02T03:04:05Z"
#define TOKEN "SESSIONTOKENEXAMPLE"
        { GOOD, WHEN, "us-west-2", "ecs", TOKEN, NULL },
        { GOOD, "2026-01-02T03:09:05Z", "us-west-2", "ecs", TOKEN, NULL },
        { GOOD, "2026-01-02T03:09:06Z", "us-west-2", "ecs", TOKEN, "InvalidSignatureException" },
        { GOOD, "2026-01-02T02:59:04Z", "us-west-2", "ecs", TOKEN, "InvalidSignatureException" },
        { GOOD, WHEN, "us-east-1", "ecs", TOKEN, "InvalidSignatureException" },
        { GOOD, WHEN, "us-west-2", "logs", TOKEN, "InvalidSignatureException" },
        { GOOD, WHEN, "us-west-2", "ecs", "OTHER", "UnrecognizedClientException" },
        { GOOD, WHEN, "us-west-2", "ecs", NULL, "UnrecognizedClientException" },
        { "AWS4-HMAC-SHA256 Credential=NOBODY/20260102/us-west-2/ecs/aws4_request, "
          "SignedHeaders=" NAMES ", Signature=" ACS_SIGNATURE,
          WHEN, "us-west-2", "ecs", TOKEN, "UnrecognizedClientException" },
        { "AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, "
          "Signature=" ACS_SIGNATURE,
          WHEN, "us-west-2", "ecs", TOKEN, "InvalidSignatureException" },
        { "AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=x-amz-date;x-amz-security-token, "
          "Signature=" ACS_SIGNATURE,
          WHEN, "us-west-2", "ecs", TOKEN, "InvalidSignatureException" },
        { "AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=" NAMES, WHEN, "us-west-2", "ecs",
          TOKEN, "IncompleteSignatureException" },
        { "AWS4-HMAC-SHA256 SignedHeaders=" NAMES ", Signature=" ACS_SIGNATURE, WHEN, "us-west-2",
          "ecs", TOKEN, "IncompleteSignatureException" },
        { "Basic QWxhZGRpbg==", WHEN, "us-west-2", "ecs", TOKEN, "IncompleteSignatureException" },
        { "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=" NAMES ", Signature=" ACS_SIGNATURE,
          WHEN, "us-west-2", "ecs", TOKEN, "IncompleteSignatureException" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct auth_keys *k = keys(cases[i].token);
        struct auth_request r = handshake_request(cases[i].authorization);
        struct auth_refusal why;
        char who[AUTH_KEY_SIZE] = "";
        bool ok =
            auth_verify(k, &r, cases[i].region, cases[i].service, at(cases[i].when), who, &why);

        if (cases[i].want) {
            assert_false(ok);
            assert_string_equal(why.type, cases[i].want);
        } else {
            assert_true(ok);
            assert_string_equal(who, "AKIDEXAMPLE");
        }
        buf_fini(&why.message);
        auth_keys_destroy(k);
    }
}

static void nothing_signed(void **state)
{
    struct auth_keys *k = keys(NULL);
    struct auth_request r = handshake_request("");
    struct auth_refusal why;
    char who[AUTH_KEY_SIZE];

    (void)state;
    r.header_count = 3;
    assert_false(auth_verify(k, &r, "us-west-2", "ecs", at(WHEN), who, &why));
    assert_string_equal(why.type, "MissingAuthenticationTokenException");
    buf_fini(&why.message);
    auth_keys_destroy(k);
}

static void stated_payload_hash_must_be_true(void **state)
{
    struct auth_keys *k = keys(TOKEN);
    struct auth_request r = handshake_request(GOOD);
    struct auth_refusal why;
    char who[AUTH_KEY_SIZE];

    (void)state;
    handshake[4] = (struct auth_header){ str_of("X-Amz-Content-Sha256"), str_of("abc") };
    r.header_count = 5;
    assert_false(auth_verify(k, &r, "us-west-2", "ecs", at(WHEN), who, &why));
    assert_non_null(strstr(buf_text(&why.message), "x-amz-content-sha256"));
    buf_fini(&why.message);
    auth_keys_destroy(k);
}

/* ---- frames ---- */

#define TCS_QUERY                                                              \
    "agentHash=0a1b2c3d&agentVersion=1.0.0&cluster=demo&containerInstance=" CI \
    "&dockerVersion=25.0.8"
#define TCS_HOST "ecs-t-1.us-west-2.amazonaws.com"
#define ENVELOPE                                                                                   \
    "{\"type\":\"PublishMetricsRequest\",\"message\":{\"metadata\":{\"cluster\":\"demo\",\"fin\":" \
    "true,"                                                                                        \
    "\"idle\":true}}}"
#define FRAME_HEAD                                                                     \
    "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=" NAMES       \
    ", Signature=e8dda6c53dc4ff6909fc96a587f23758e312416b823160d939fde507d9efbcd7\r\n" \
    "Host: " TCS_HOST "\r\nX-Amz-Date: 20260102T030405Z\r\n"                           \
    "X-Amz-Security-Token: SESSIONTOKENEXAMPLE\r\n"

static void frames(void **state)
{
    static const struct {
        const char *frame, *query, *host;
        enum err_code want;
    } cases[] = {
        { FRAME_HEAD "\r\n" ENVELOPE, TCS_QUERY, TCS_HOST, ERR_OK },
        { FRAME_HEAD "\r\n" ENVELOPE " ", TCS_QUERY, TCS_HOST, ERR_DENIED },
        { FRAME_HEAD "\r\n" ENVELOPE, TCS_QUERY "&x=1", TCS_HOST, ERR_DENIED },
        { FRAME_HEAD "\r\n" ENVELOPE, TCS_QUERY, "elsewhere", ERR_INVALID },
        { FRAME_HEAD "Content-Length: 3\r\n\r\n" ENVELOPE, TCS_QUERY, TCS_HOST, ERR_INVALID },
        { FRAME_HEAD "nonsense\r\n\r\n" ENVELOPE, TCS_QUERY, TCS_HOST, ERR_INVALID },
        { ENVELOPE, TCS_QUERY, TCS_HOST, ERR_INVALID },
        { "\r\n\r\n" ENVELOPE, TCS_QUERY, TCS_HOST, ERR_INVALID },
        { "", TCS_QUERY, TCS_HOST, ERR_INVALID },
    };
    struct auth_keys *k = keys(TOKEN);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str envelope = { 0 };
        struct err e = { 0 };

        assert_int_equal(auth_verify_frame(k, str_of(cases[i].frame), str_of("/ws"),
                                           str_of(cases[i].query), str_of(cases[i].host),
                                           "us-west-2", at(WHEN), &envelope, &e),
                         cases[i].want);
        if (!cases[i].want)
            assert_true(str_is(envelope, ENVELOPE));
    }
    auth_keys_destroy(k);
}

static void key_files(void **state)
{
    static const struct {
        const char *json;
        enum err_code want;
    } cases[] = {
        { "{\"a\":\"s\",\"b\":{\"secret\":\"s\",\"token\":\"t\"}}", ERR_OK },
        { "{}", ERR_OK },
        { "[]", ERR_INVALID },
        { "{\"a\":1}", ERR_INVALID },
        { "{\"a\":\"\"}", ERR_INVALID },
        { "{\"a\":{}}", ERR_INVALID },
        { "nonsense", ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct auth_keys *k = auth_keys_create();
        struct err e = { 0 };

        assert_int_equal(auth_keys_load(k, str_of(cases[i].json), &e), cases[i].want);
        auth_keys_destroy(k);
    }
}

/* ---- the public suite ---- */

static char *slurp(const char *folder, const char *name, const char *file)
{
    AUTO(str) char *path = mem_printf("%s/sigv4/%s/%s", folder, name, file);
    FILE *f = fopen(path, "re");
    struct buf b = BUF_INIT(1024 * 1024);
    char chunk[4096];
    size_t n;

    if (!f)
        return NULL;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(&b, chunk, n);
    fclose(f);
    return buf_take(&b);
}

/* Reads a request in place; the pieces borrow `text`. */
static struct auth_request parse(char *text, struct auth_header *headers)
{
    struct auth_request r = { .headers = headers };
    char *line_end = strchr(text, '\n'), *space = strchr(text, ' '), *last, *mark, *p;

    *line_end = '\0';
    last = strrchr(text, ' ');
    r.method = (struct str){ text, (size_t)(space - text) };
    r.path = (struct str){ space + 1, (size_t)(last - space - 1) };
    mark = memchr(r.path.p, '?', r.path.n);
    if (mark) {
        r.query = (struct str){ mark + 1, (size_t)(last - mark - 1) };
        r.path.n = (size_t)(mark - r.path.p);
    }
    for (p = line_end + 1; *p && *p != '\n';) {
        char *end = strchrnul(p, '\n'), *colon;

        /* A line that begins with a space continues the last one. */
        while (*end && (end[1] == ' ' || end[1] == '\t')) {
            *end = ' ';
            end = strchrnul(end, '\n');
        }
        colon = memchr(p, ':', (size_t)(end - p));
        headers[r.header_count++] =
            (struct auth_header){ { p, (size_t)(colon - p) },
                                  { colon + 1, (size_t)(end - colon - 1) } };
        p = *end ? end + 1 : end;
    }
    r.body = str_of(*p == '\n' ? p + 1 : "");
    return r;
}

/* The examples of the S3 manual, and what S3 refuses. */
#define S3_HOST  "Host:examplebucket.s3.amazonaws.com\n"
#define S3_DATE  "X-Amz-Date:20130524T000000Z\n"
#define S3_SCOPE "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
#define S3_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_GET                                                             \
    "Authorization:AWS4-HMAC-SHA256 " S3_SCOPE                             \
    ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=" \
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\n\n"

static void s3_cases(void **state)
{
    static const struct {
        const char *request;
        bool good;
        enum auth_fault fault;
    } cases[] = {
        { "GET /test.txt HTTP/1.1\n" S3_HOST "Range:bytes=0-9\nX-Amz-Content-Sha256:" S3_EMPTY
          "\n" S3_DATE S3_GET,
          true, AUTH_MISSING },
        { "PUT /test$file.text HTTP/1.1\n" S3_HOST "Date:Fri, 24 May 2013 00:00:00 GMT\n" S3_DATE
          "X-Amz-Storage-Class:REDUCED_REDUNDANCY\nX-Amz-Content-Sha256:"
          "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
          "Authorization:AWS4-HMAC-SHA256 " S3_SCOPE
          ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature="
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\n\n"
          "Welcome to Amazon S3.",
          true, AUTH_MISSING },
        { "GET /?lifecycle HTTP/1.1\n" S3_HOST "X-Amz-Content-Sha256:" S3_EMPTY "\n" S3_DATE
          "Authorization:AWS4-HMAC-SHA256 " S3_SCOPE
          ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature="
          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\n\n",
          true, AUTH_MISSING },
        /* Tidied up it would be the same path. */
        { "GET //test.txt HTTP/1.1\n" S3_HOST "Range:bytes=0-9\nX-Amz-Content-Sha256:" S3_EMPTY
          "\n" S3_DATE S3_GET,
          false, AUTH_MISMATCH },
        { "GET /test.txt HTTP/1.1\n" S3_HOST "Range:bytes=0-9\n" S3_DATE S3_GET, false,
          AUTH_PAYLOAD_ABSENT },
        { "GET /test.txt HTTP/1.1\n" S3_HOST "Range:bytes=0-9\nX-Amz-Content-Sha256:" S3_EMPTY
          "\n" S3_DATE S3_GET "a body",
          false, AUTH_PAYLOAD },
        /* Allowed, but it is not what was signed. */
        { "GET /test.txt HTTP/1.1\n" S3_HOST
          "Range:bytes=0-9\nX-Amz-Content-Sha256:UNSIGNED-PAYLOAD\n" S3_DATE S3_GET,
          false, AUTH_MISMATCH },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct auth_keys *k = auth_keys_create();
        AUTO(str) char *text = mem_strdup(cases[i].request);
        struct auth_header headers[32];
        struct auth_request r = parse(text, headers);
        struct auth_refusal why;
        char who[AUTH_KEY_SIZE];

        auth_keys_set(k, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL);
        assert_true(str_is(auth_claimed_region(&r), "us-east-1"));
        assert_true(str_is(auth_claimed_service(&r), "s3"));
        if (auth_verify(k, &r, NULL, "s3", at("2013-05-24T00:00:00Z"), who, &why) != cases[i].good)
            fail_msg("case %zu: %s", i, buf_text(&why.message));
        if (!cases[i].good)
            assert_int_equal(why.fault, cases[i].fault);
        buf_fini(&why.message);
        auth_keys_destroy(k);
    }
}

/* The handshake of the agent with keys that end. */
static void keys_end(void **state)
{
    static const char role[] = "arn:aws:iam::1:role/app";
    struct auth_keys *k = auth_keys_create();
    struct auth_request r = handshake_request(GOOD);
    struct auth_refusal why;
    char who[AUTH_KEY_SIZE];
    static const struct {
        struct auth_selection which;
        size_t want;
    } rows[] = {
        { { .id = "OTHER" }, 0 },      { { .role = "arn:aws:iam::1:role/other" }, 0 },
        { { .session = "task2" }, 0 }, { { .instance = true }, 1 },
        { { .session = "task1" }, 1 }, { { .role = role, .session = "task1" }, 0 },
    };

    (void)state;
    auth_keys_add(k, &(const struct auth_key_args){ .id = "AKIDEXAMPLE",
                                                    .secret = SECRET,
                                                    .token = TOKEN,
                                                    .role = role,
                                                    .arn = "arn:aws:sts::1:assumed-role/app/task1",
                                                    .expires_ms = at(WHEN) + 1000 });
    auth_keys_add(k, &(const struct auth_key_args){ .id = "ASIAINSTANCE",
                                                    .secret = "s",
                                                    .token = "t",
                                                    .arn = "arn:aws:sts::1:assumed-role/i/i-1" });
    auth_keys_set(k, "STATIC", "s", NULL);
    assert_true(auth_verify(k, &r, NULL, "ecs", at(WHEN), who, &why));
    buf_fini(&why.message);
    assert_false(auth_verify(k, &r, NULL, "ecs", at(WHEN) + 1000, who, &why));
    assert_int_equal(why.fault, AUTH_EXPIRED);
    assert_string_equal(why.type, "ExpiredTokenException");
    buf_fini(&why.message);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(auth_keys_expire(k, &rows[i].which, at(WHEN)), rows[i].want);
    assert_false(auth_verify(k, &r, NULL, "ecs", at(WHEN), who, &why));
    assert_int_equal(why.fault, AUTH_EXPIRED);
    buf_fini(&why.message);
    auth_keys_destroy(k);
}

static void suite_case(const char *folder, const char *name)
{
    AUTO(str) char *context = slurp(folder, name, "context.json");
    AUTO(str) char *text = slurp(folder, name, "header-signed-request.txt");
    AUTO(str) char *canonical = slurp(folder, name, "header-canonical-request.txt");
    AUTO(json) struct json_t *doc = NULL;
    struct auth_header headers[32];
    struct err e = { 0 };
    struct jcur root, cred;
    struct auth_keys *k = auth_keys_create();
    struct auth_request r;
    struct auth_refusal why;
    char who[AUTH_KEY_SIZE];
    const char *token;

    assert_non_null(context);
    assert_non_null(text);
    assert_non_null(canonical);
    assert_int_equal(json_parse(context, strlen(context), &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    cred = jcur_obj(&root, "credentials");
    token = jcur_str_or(&cred, "token", NULL);
    r = parse(text, headers);
    /* Left unnormalized only for S3; signed without its token only for one case. */
    if (jcur_bool_or(&root, "normalize", true) &&
        !jcur_bool_or(&root, "omit_session_token", false)) {
        auth_keys_set(k, jcur_str(&cred, "access_key_id"), jcur_str(&cred, "secret_access_key"),
                      token);
        if (!auth_verify(k, &r, "us-east-1", "service", at(jcur_str(&root, "timestamp")), who,
                         &why))
            fail_msg("%s: %s %s", name, why.type, buf_text(&why.message));
        buf_fini(&why.message);
        /* With another secret the refusal shows the canonical request. */
        auth_keys_set(k, jcur_str(&cred, "access_key_id"), "another", token);
        assert_false(auth_verify(k, &r, "us-east-1", "service", at(jcur_str(&root, "timestamp")),
                                 who, &why));
        if (!strstr(buf_text(&why.message), canonical))
            fail_msg("%s: wanted %s, got %s", name, canonical, buf_text(&why.message));
        buf_fini(&why.message);
    }
    auth_keys_destroy(k);
}

static void public_suite(void **state)
{
    const char *folder = getenv("BERTH_TEST_DATA");
    AUTO(str) char *path = NULL;
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    (void)state;
    if (!folder) {
        print_message("skipped: BERTH_TEST_DATA is not set\n");
        skip();
    }
    path = mem_printf("%s/sigv4", folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        suite_case(folder, entry->d_name);
        count++;
    }
    closedir(dir);
    assert_true(count > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_cases),
        cmocka_unit_test(nothing_signed),
        cmocka_unit_test(stated_payload_hash_must_be_true),
        cmocka_unit_test(frames),
        cmocka_unit_test(key_files),
        cmocka_unit_test(s3_cases),
        cmocka_unit_test(keys_end),
        cmocka_unit_test(public_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
