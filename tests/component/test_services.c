/* links: aws io */
/* The calls to other services, against a service that is scripted. */
#include "support/service_world.h"

#include "aws/services.h"
#include "base/clock.h"

#define TARGET_ECR "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
#define TARGET_SSM "AmazonSSM.GetParameters"
#define TARGET_ASM "secretsmanager.GetSecretValue"
#define ARN        "arn:aws:secretsmanager:us-west-2:1:secret:db-AbCdEf"

struct fixture {
    struct service_world w;
    struct aws_caller who;
    struct ecr_cache *cache;
    struct service_call *call;
    char got[4096];
    enum err_code code;
};

static const struct sigv4_keys keys = { "AKROLE", "secret", "session" };

static void set_up(struct fixture *f, struct route *routes, size_t n)
{
    memset(f, 0, sizeof *f);
    world_start(&f->w, routes, n);
    f->who = (struct aws_caller){
        .aws = f->w.aws, .keys = &keys, .cache_id = "id arn", .user_agent = "Other/2"
    };
    f->cache = ecr_cache_create(f->w.aws, 1);
}

static void tear_down(struct fixture *f)
{
    ecr_cache_destroy(f->cache);
    world_stop(&f->w);
}

static void done(struct fixture *f, const struct err *e)
{
    f->code = e->code;
    if (e->code)
        snprintf(f->got, sizeof f->got, "%s", e->msg);
    f->call = NULL;
    world_done(&f->w);
}

/* ---- ECR ---- */

static void on_token(void *user, const char *name, const char *password, const char *server,
                     const struct err *e)
{
    struct fixture *f = user;

    assert_true(!e->code == !!name && !name == !password && !name == !server);
    if (name)
        snprintf(f->got, sizeof f->got, "%s %s %s", name, password, server);
    done(f, e);
}

/* "AWS:pw" */
static char *token_answer(int64_t valid_ms)
{
    return mem_printf("{\"authorizationData\":[{\"authorizationToken\":\"QVdTOnB3\",\"expiresAt\":"
                      "%lld,\"proxyEndpoint\":\"https://1.dkr.ecr\"}]}",
                      (long long)((clock_wall_ms() + valid_ms) / 1000));
}

static struct ecr_question question(struct fixture *f)
{
    return (struct ecr_question){ .caller = f->who, .region = "", .registry_id = "012345678910" };
}

static void test_a_token_is_asked_for_once(void **state)
{
    AUTO(str) char *answer = token_answer(12 * 3600000);
    struct route routes[] = {
        { .in_head = { TARGET_ECR, "Credential=AKROLE/", "/us-west-2/ecr/aws4_request" },
          .in_body = "{\"registryIds\":[\"012345678910\"]}",
          .status = 200,
          .body = answer,
          .held = true },
        { .in_head = { TARGET_ECR, "/eu-west-1/ecr/", "User-Agent: Other/2\r\n" },
          .in_body = "{}",
          .status = 200,
          .body = answer },
    };
    struct fixture f;
    struct ecr_question q;
    struct service_call *other;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    q = question(&f);
    /* Three at once are one call; one of them changes its mind. */
    ecr_token(f.cache, &q, on_token, &f);
    other = ecr_token(f.cache, &q, on_token, &f);
    ecr_token(f.cache, &q, on_token, &f);
    service_cancel(other);
    peer_go(f.w.peer);
    world_run(&f.w, 2);
    assert_string_equal(f.got, "AWS pw https://1.dkr.ecr");
    /* Later ones are answered from memory, on a later turn. */
    f.got[0] = '\0';
    ecr_token(f.cache, &q, on_token, &f);
    other = ecr_token(f.cache, &q, on_token, &f);
    service_cancel(other);
    assert_string_equal(f.got, "");
    world_run(&f.w, 1);
    assert_string_equal(f.got, "AWS pw https://1.dkr.ecr");
    /* Another region is another question. */
    q.region = "eu-west-1";
    q.registry_id = NULL;
    ecr_token(f.cache, &q, on_token, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "AWS pw https://1.dkr.ecr");
    tear_down(&f);
}

static void test_a_token_near_its_end_is_not_kept(void **state)
{
    AUTO(str) char *answer = token_answer(29 * 60000);
    struct route routes[] = {
        { .in_head = { TARGET_ECR }, .status = 200, .body = answer },
        { .in_head = { TARGET_ECR }, .status = 200, .body = answer },
    };
    struct fixture f;
    struct ecr_question q;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    q = question(&f);
    for (int i = 0; i < 2; i++) {
        ecr_token(f.cache, &q, on_token, &f);
        world_run(&f.w, 1);
        assert_int_equal(f.code, ERR_OK);
    }
    tear_down(&f);
}

static void test_callers_do_not_share_tokens(void **state)
{
    AUTO(str) char *answer = token_answer(12 * 3600000);
    struct route routes[] = {
        { .in_head = { TARGET_ECR }, .status = 200, .body = answer },
        { .in_head = { TARGET_ECR }, .status = 200, .body = answer },
    };
    struct fixture f;
    struct ecr_question q;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    q = question(&f);
    ecr_token(f.cache, &q, on_token, &f);
    q.caller.cache_id = "id other-arn";
    ecr_token(f.cache, &q, on_token, &f);
    world_run(&f.w, 2);
    assert_int_equal(f.code, ERR_OK);
    tear_down(&f);
}

static void test_all_who_wait_hear_of_a_failure(void **state)
{
    struct route routes[] = {
        { .in_head = { TARGET_ECR },
          .status = 400,
          .body = "{\"__type\":\"AccessDeniedException\",\"message\":\"not allowed\"}" },
    };
    struct fixture f;
    struct ecr_question q;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    q = question(&f);
    ecr_token(f.cache, &q, on_token, &f);
    ecr_token(f.cache, &q, on_token, &f);
    world_run(&f.w, 2);
    assert_int_equal(f.code, ERR_DENIED);
    assert_string_equal(f.got, "AccessDeniedException: not allowed");
    /* An endpoint of its own; plain http to elsewhere is refused. */
    q.endpoint = "http://192.0.2.1:1";
    ecr_token(f.cache, &q, on_token, &f);
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_DENIED);
    /* Silence once the last one is canceled, whether asked or not yet. */
    service_cancel(ecr_token(f.cache, &q, on_token, &f));
    tear_down(&f);
}

/* ---- SSM ---- */

static void on_parameters(void *user, const char *const *values, const struct err *e)
{
    struct fixture *f = user;

    assert_true(!values == !!e->code);
    if (values)
        snprintf(f->got, sizeof f->got, "%s %s", values[0], values[1]);
    done(f, e);
}

static void test_parameters(void **state)
{
    static const char *const names[] = { "/web/key", "plain:2" };
    struct route routes[] = {
        { .in_head = { TARGET_SSM },
          .status = 400,
          .body = "{\"__type\":\"ThrottlingException\",\"message\":\"slow down\"}" },
        { .in_head = { TARGET_SSM, "/eu-west-1/ssm/aws4_request",
                       "X-Amz-Security-Token: session\r\n" },
          .in_body = "{\"Names\":[\"/web/key\",\"plain:2\"],\"WithDecryption\":true}",
          .status = 200,
          .body = "{\"Parameters\":[{\"Name\":\"plain\",\"Selector\":\":2\",\"Value\":\"p\"},"
                  "{\"Name\":\"/web/key\",\"Value\":\"k\"}]}" },
        { .in_head = { TARGET_SSM }, .status = 200, .body = "{\"InvalidParameters\":[\"a\"]}" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    ssm_get(&f.who, "eu-west-1", names, 2, on_parameters, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "k p");
    ssm_get(&f.who, "eu-west-1", names, 2, on_parameters, &f);
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_INVALID);
    assert_string_equal(f.got, "invalid parameters: a");
    tear_down(&f);
}

/* ---- Secrets Manager ---- */

static struct secret_ref ref(const char *value_from)
{
    struct secret_ref r = { 0 };

    assert_int_equal(secret_ref_parse(value_from, &r, NULL), ERR_OK);
    return r;
}

/* The service's name of an error, else its text. */
static void on_secret(void *user, const char *secret, const char *error_code, const struct err *e)
{
    struct fixture *f = user;

    assert_true(!secret == !!e->code);
    done(f, e);
    if (secret)
        snprintf(f->got, sizeof f->got, "%s", secret);
    else if (*error_code)
        snprintf(f->got, sizeof f->got, "%s", error_code);
}

static void test_a_secret(void **state)
{
    struct route routes[] = {
        { .in_head = { TARGET_ASM, "/us-west-2/secretsmanager/aws4_request" },
          .in_body = "{\"SecretId\":\"" ARN "\",\"VersionId\":\"v1\",\"VersionStage\":\"s1\"}",
          .status = 200,
          .body = "{\"SecretString\":\"s3cret\"}" },
        { .in_head = { TARGET_ASM },
          .in_body = "{\"SecretId\":\"" ARN "\"}",
          .status = 400,
          .body = "{\"__type\":\"ResourceNotFoundException\",\"message\":\"none\"}" },
        { .in_head = { TARGET_ASM }, .status = 200, .body = "{\"SecretString\":\"hunter2" },
        { .in_head = { TARGET_ASM }, .status = 200, .body = "{\"SecretString\":\"hunter2" },
        { .in_head = { TARGET_ASM }, .status = 200, .body = "{\"SecretString\":\"hunter2" },
    };
    struct secret_ref whole = ref(ARN "::s1:v1"), plain = ref(ARN);
    struct fixture f;

    (void)state;
    set_up(&f, routes, 3);
    secret_get(&f.who, NULL, &whole, on_secret, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "s3cret");
    secret_get(&f.who, NULL, &plain, on_secret, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "ResourceNotFoundException");
    secret_get(&f.who, NULL, &plain, on_secret, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "the answer of the service could not be read");
    secret_ref_fini(&whole);
    secret_ref_fini(&plain);
    tear_down(&f);
}

/* ---- S3 ---- */

static void on_region(void *user, const char *region, const struct err *e)
{
    struct fixture *f = user;

    assert_true(!region == !!e->code);
    if (region)
        snprintf(f->got, sizeof f->got, "%s", region);
    done(f, e);
}

static void test_the_region_of_a_bucket(void **state)
{
    static const struct {
        struct route route;
        const char *got;
        enum err_code code;
    } cases[] = {
        { { .status = 200, .headers = "x-amz-bucket-region: eu-west-1\r\n" }, "eu-west-1", ERR_OK },
        { { .status = 301, .headers = "X-Amz-Bucket-Region: eu-west-2\r\n" }, "eu-west-2", ERR_OK },
        { { .status = 403, .headers = "x-amz-bucket-region: eu-west-3\r\n" }, "eu-west-3", ERR_OK },
        { { .status = 200 }, "us-west-2", ERR_OK },
        { { .status = 404 }, "NoSuchBucket: bucket conf does not exist", ERR_NOT_FOUND },
        { { .status = 403, .headers = "x-amz-bucket-region: evil.example/\r\n" },
          "the region of bucket conf: status 403",
          ERR_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct route route = cases[i].route;
        struct fixture f;

        route.in_head[0] = "HEAD /conf HTTP/1.1\r\n";
        route.in_head[1] = "/us-west-2/s3/aws4_request";
        set_up(&f, &route, 1);
        s3_region(&f.who, "conf", on_region, &f);
        world_run(&f.w, 1);
        assert_int_equal(f.code, cases[i].code);
        assert_string_equal(f.got, cases[i].got);
        tear_down(&f);
    }
}

static struct s3_object object_of(const char *arn)
{
    struct s3_object o = { 0 };

    assert_int_equal(s3_object_parse(arn, &o, NULL), ERR_OK);
    return o;
}

static void on_object(void *user, struct str object, const struct err *e)
{
    struct fixture *f = user;

    snprintf(f->got, sizeof f->got, "%.*s", (int)object.n, object.p);
    done(f, e);
}

static void test_an_object(void **state)
{
    struct route routes[] = {
        { .in_head = { "GET /conf/a%20b/web.env HTTP/1.1\r\n", "/eu-west-1/s3/aws4_request",
                       "X-Amz-Content-Sha256: e3b0c44298fc1c14" },
          .status = 200,
          .body = "A=1\n" },
        { .in_head = { "GET /conf/a%20b/web.env" }, .status = 200, .body = "too long" },
        { .in_head = { "GET /conf/a%20b/web.env" },
          .status = 404,
          .body = "<Error><Code>NoSuchKey</Code><Message>The key is not there.</Message></Error>" },
    };
    struct s3_object o = object_of("arn:aws:s3:::conf/a b/web.env");
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    s3_get(&f.who, "eu-west-1", &o, 4, on_object, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "A=1\n");
    s3_get(&f.who, "eu-west-1", &o, 4, on_object, &f);
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_LIMIT);
    assert_string_equal(f.got, "the object is larger than 4 bytes");
    s3_get(&f.who, "eu-west-1", &o, 4096, on_object, &f);
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_NOT_FOUND);
    assert_string_equal(f.got, "NoSuchKey: The key is not there.");
    s3_object_fini(&o);
    tear_down(&f);
}

/* ---- EC2 ---- */

static void on_tags(void *user, const struct ec2_tag *tags, size_t n, const struct err *e)
{
    struct fixture *f = user;
    AUTO(buf) struct buf all = BUF_INIT(sizeof f->got);

    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s=%s;", tags[i].key, tags[i].value);
    snprintf(f->got, sizeof f->got, "%s", buf_text(&all));
    done(f, e);
}

static void test_tags_of_an_instance(void **state)
{
    struct route routes[] = {
        { .in_head = { "POST / HTTP/1.1\r\n", "/us-west-2/ec2/aws4_request" },
          .in_body = "Action=DescribeTags&Version=2016-11-15&Filter.1.Name=resource-id&"
                     "Filter.1.Value.1=i-1&Filter.2.Name=resource-type&"
                     "Filter.2.Value.1=instance&MaxResults=50",
          .status = 200,
          .body = "<DescribeTagsResponse><tagSet><item><key>a</key><value>1</value></item>"
                  "<item><key>aws:x</key><value>2</value></item></tagSet></DescribeTagsResponse>" },
        { .in_head = { "POST / HTTP/1.1\r\n" },
          .status = 403,
          .body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no"
                  "</Message></Error></Errors></Response>" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes));
    ec2_instance_tags(&f.who, "i-1", on_tags, &f);
    world_run(&f.w, 1);
    assert_string_equal(f.got, "a=1;");
    ec2_instance_tags(&f.who, "i-1", on_tags, &f);
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_DENIED);
    assert_string_equal(f.got, "UnauthorizedOperation: no");
    tear_down(&f);
}

static void test_cancel_means_silence(void **state)
{
    static const char *const names[] = { "a" };
    struct secret_ref plain = ref(ARN);
    struct s3_object o = object_of("arn:aws:s3:::conf/k");
    struct route never;
    struct fixture f;

    (void)state;
    set_up(&f, &never, 0);
    service_cancel(ssm_get(&f.who, NULL, names, 1, on_parameters, &f));
    service_cancel(secret_get(&f.who, NULL, &plain, on_secret, &f));
    service_cancel(s3_region(&f.who, "conf", on_region, &f));
    service_cancel(s3_get(&f.who, "r", &o, 1, on_object, &f));
    service_cancel(ec2_instance_tags(&f.who, "i-1", on_tags, &f));
    service_cancel(NULL);
    assert_int_equal(f.w.n_done, 0);
    secret_ref_fini(&plain);
    s3_object_fini(&o);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_asked_for_once),
        cmocka_unit_test(test_a_token_near_its_end_is_not_kept),
        cmocka_unit_test(test_callers_do_not_share_tokens),
        cmocka_unit_test(test_all_who_wait_hear_of_a_failure),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_a_secret),
        cmocka_unit_test(test_the_region_of_a_bucket),
        cmocka_unit_test(test_an_object),
        cmocka_unit_test(test_tags_of_an_instance),
        cmocka_unit_test(test_cancel_means_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
