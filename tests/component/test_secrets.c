/* links: secrets aws docker task config io */
/* What a task needs from the cloud, fetched from services that are scripted. */
#include "support/service_world.h"

#include "base/clock.h"
#include "base/secret.h"
#include "docker/docker.h"
#include "secrets/secrets.h"

#define SSM      "AmazonSSM.GetParameters"
#define ASM      "secretsmanager.GetSecretValue"
#define ECR      "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
#define ROLE     "Credential=AKROLE/"
#define INSTANCE "Credential=AKINST/"
#define ARN      "arn:aws:secretsmanager:us-west-2:1:secret:"
#define CANARY   "c4n4ry"

struct fixture {
    struct service_world w;
    struct credentials *credentials;
    struct roles *roles;
    struct secrets *secrets;
    struct task *task;
    uint64_t id;
    enum err_code code;
    char got[8192]; /* "0 env NAME=value;" ... or the reason */
};

static const char *credentials_env(void *user, const char *name)
{
    (void)user;
    if (streq(name, "AWS_ACCESS_KEY_ID"))
        return "AKINST";
    return streq(name, "AWS_SECRET_ACCESS_KEY") ? "secret" : NULL;
}

static void on_fetched(void *user, uint64_t id, const struct secrets_value *values, size_t n,
                       const struct err *e)
{
    static const char *const kinds[] = { "env", "log", "file", "header", "none" };
    struct fixture *f = user;
    AUTO(buf) struct buf all = BUF_INIT(sizeof f->got - 1);

    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%zu %s %s=%s;", values[i].container, kinds[values[i].kind],
                   values[i].name, values[i].value);
    assert_false(all.overflowed);
    assert_true(!e->code || (!values && !n));
    snprintf(f->got, sizeof f->got, "%s", e->code ? e->msg : buf_text(&all));
    f->code = e->code;
    f->id = id;
    world_done(&f->w);
}

static void put_role(struct fixture *f, const char *access_key)
{
    roles_put(f->roles, &(struct role_credentials){ .id = "exec-1",
                                                    .role_arn = "arn:role",
                                                    .access_key = access_key,
                                                    .secret_key = "secret",
                                                    .session_token = "session",
                                                    .task_arn = "arn" });
}

#define WITH_ROLE "\"executionRoleCredentials\":{\"credentialsId\":\"exec-1\"},"

static struct task *task_of(const char *role, const char *containers)
{
    AUTO(str)
    char *text = mem_printf("{\"arn\":\"arn:aws:ecs:us-west-2:1:task/c/"
                            "0123456789abcdef0123456789abcdef\",\"family\":\"web\",\"version\":"
                            "\"1\",\"desiredStatus\":\"RUNNING\",%s\"containers\":[%s]}",
                            role, containers);
    struct task *t = NULL;
    struct err e = { 0 };

    if (task_decode_text(text, strlen(text), &t, &e))
        fail_msg("%s", e.msg);
    return t;
}

static void set_up(struct fixture *f, struct route *routes, size_t n, const char *containers)
{
    memset(f, 0, sizeof *f);
    world_start(&f->w, routes, n);
    f->credentials =
        credentials_create(&(struct credentials_args){ .aws = f->w.aws, .env = credentials_env });
    f->roles = roles_create();
    put_role(f, "AKROLE");
    f->secrets = secrets_create(&(struct secrets_args){ .loop = f->w.loop,
                                                        .aws = f->w.aws,
                                                        .credentials = f->credentials,
                                                        .roles = f->roles,
                                                        .done = on_fetched,
                                                        .user = f,
                                                        .user_agent = "Berth (linux)" });
    f->task = task_of(WITH_ROLE, containers);
}

static void tear_down(struct fixture *f)
{
    secrets_destroy(f->secrets);
    credentials_destroy(f->credentials);
    roles_destroy(f->roles);
    task_destroy(f->task);
    world_stop(&f->w);
}

static void fetch(struct fixture *f, enum secrets_what what)
{
    f->got[0] = '\0';
    secrets_fetch(f->secrets, 7, what, f->task);
    assert_string_equal(f->got, "");
    world_run(&f->w, 1);
    assert_int_equal(f->id, 7);
    assert_null(strstr(f->code ? f->got : "", CANARY));
}

/* ---- secrets ---- */

#define CONTAINER(name, more) \
    "{\"name\":\"" name "\",\"image\":\"busybox\",\"cpu\":1,\"memory\":32," more "}"
#define SECRET(name, provider, from, more)                                             \
    "{\"name\":\"" name "\",\"provider\":\"" provider "\",\"valueFrom\":\"" from "\"," \
    "\"type\":\"ENVIRONMENT_VARIABLE\"" more "}"
#define PARAMETER(n) SECRET("P" n, "ssm", "/p/" n, "")
#define FOUND(n)     "{\"Name\":\"/p/" n "\",\"Value\":\"" CANARY n "\"}"

/* clang-format off */
static const char two_containers[] =
    CONTAINER("a", "\"secrets\":["
              PARAMETER("0") "," PARAMETER("1") "," PARAMETER("2") "," PARAMETER("3") ","
              PARAMETER("4") "," PARAMETER("5") "," PARAMETER("6") "," PARAMETER("7") ","
              PARAMETER("8") "," PARAMETER("9") "," PARAMETER("10") "," PARAMETER("11") ","
              SECRET("USER", "asm", ARN "db-a:user::", "") "]") ","
    CONTAINER("b", "\"secrets\":["
              PARAMETER("0") ","
              SECRET("FAR", "ssm", "/p/0", ",\"region\":\"eu-west-1\"") ","
              SECRET("PORT", "asm", ARN "db-a:port::", "") ","
              SECRET("AGAIN", "asm", ARN "db-a:user::", "") ","
              "{\"name\":\"splunk-token\",\"provider\":\"asm\",\"valueFrom\":\"" ARN
              "db-a::AWSPREVIOUS:\",\"target\":\"LOG_DRIVER\"}]");

static const char ten_found[] =
    "{\"Parameters\":[" FOUND("9") "," FOUND("8") "," FOUND("7") "," FOUND("6") "," FOUND("5") ","
    FOUND("4") "," FOUND("3") "," FOUND("2") "," FOUND("1") "," FOUND("0") "]}";
/* clang-format on */

static void test_secrets_of_two_containers(void **state)
{
    struct route routes[] = {
        /* Twelve names are two calls, however often they are wanted. */
        { .in_head = { SSM, ROLE, "User-Agent: Berth (linux)\r\n" },
          .in_body = "{\"Names\":[\"/p/0\",\"/p/1\",\"/p/2\",\"/p/3\",\"/p/4\",\"/p/5\",\"/p/6\","
                     "\"/p/7\",\"/p/8\",\"/p/9\"],\"WithDecryption\":true}",
          .status = 200,
          .body = ten_found },
        { .in_head = { SSM, ROLE, "/us-west-2/ssm/" },
          .in_body = "{\"Names\":[\"/p/10\",\"/p/11\"]",
          .status = 200,
          .body = "{\"Parameters\":[" FOUND("10") "," FOUND("11") "]}" },
        { .in_head = { SSM, ROLE, "/eu-west-1/ssm/" },
          .in_body = "{\"Names\":[\"/p/0\"]",
          .status = 200,
          .body = "{\"Parameters\":[{\"Name\":\"/p/0\",\"Value\":\"there\"}]}" },
        { .in_head = { ASM, ROLE, "/us-west-2/secretsmanager/" },
          .in_body = "{\"SecretId\":\"" ARN "db-a\"}",
          .status = 200,
          .body = "{\"SecretString\":\"{\\\"user\\\":\\\"u\\\",\\\"port\\\":5432}\"}" },
        { .in_head = { ASM, ROLE },
          .in_body = "{\"SecretId\":\"" ARN "db-a\"}",
          .status = 200,
          .body = "{\"SecretString\":\"{\\\"user\\\":\\\"u\\\",\\\"port\\\":5432}\"}" },
        { .in_head = { ASM, ROLE },
          .in_body = "{\"SecretId\":\"" ARN "db-a\",\"VersionStage\":\"AWSPREVIOUS\"}",
          .status = 200,
          .body = "{\"SecretString\":\"old\"}" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes), two_containers);
    fetch(&f, SECRETS_VALUES);
    assert_int_equal(f.code, ERR_OK);
    assert_string_equal(
        f.got, "0 env P0=" CANARY "0;0 env P1=" CANARY "1;0 env P2=" CANARY "2;0 env P3=" CANARY
               "3;0 env P4=" CANARY "4;0 env P5=" CANARY "5;0 env P6=" CANARY "6;0 env P7=" CANARY
               "7;0 env P8=" CANARY "8;0 env P9=" CANARY "9;0 env P10=" CANARY
               "10;0 env P11=" CANARY "11;0 env USER=u;1 env P0=" CANARY
               "0;1 env FAR=there;1 env PORT=5432;1 env AGAIN=u;1 log splunk-token=old;");
    tear_down(&f);
}

#define NOT_FOUND \
    "{\"__type\":\"ResourceNotFoundException\",\"message\":\"can't find the specified secret.\"}"
#define DENIED "{\"__type\":\"AccessDeniedException\",\"message\":\"not authorized\"}"

static const struct {
    const char *secrets;
    struct route routes[3];
    const char *reason;
} failures[] = {
    { SECRET("A", "ssm", "/p/0", "") "," SECRET("B", "asm", ARN "x", ""),
      { { .in_head = { SSM }, .status = 200, .body = "{\"InvalidParameters\":[\"/p/0\"]}" },
        { .in_head = { ASM }, .status = 400, .body = DENIED } },
      "fetching secret data from SSM Parameter Store in us-west-2: invalid parameters: /p/0" },
    { SECRET("A", "ssm", "/p/0", ",\"region\":\"eu-west-1\"") "," SECRET("B", "asm", ARN "x", ""),
      { { .in_head = { SSM }, .status = 400, .body = DENIED },
        { .in_head = { ASM }, .status = 200, .body = "{\"SecretString\":\"" CANARY "\"}" } },
      "fetching secret data from SSM Parameter Store in eu-west-1: AccessDeniedException: not "
      "authorized" },
    { SECRET("A", "asm", ARN "x::s:", "") "," SECRET("B", "asm", ARN "y", ""),
      { { .in_head = { ASM }, .in_body = "x\"", .status = 400, .body = NOT_FOUND },
        { .in_head = { ASM }, .in_body = "y\"", .status = 400, .body = DENIED } },
      "ResourceNotFoundException: The task can't retrieve the secret with ARN '" ARN
      "x' from AWS Secrets Manager. Check whether the secret exists in the specified Region: "
      "ResourceNotFoundException: can't find the specified secret.;secret " ARN
      "y: AccessDeniedException: not authorized: AccessDeniedException: not authorized" },
    { SECRET("A", "asm", ARN "x:k::", "") "," SECRET("B", "asm", "plain", ""),
      { { .in_head = { ASM },
          .status = 200,
          .body = "{\"SecretString\":\"{\\\"a\\\":\\\"" CANARY "\\\"}\"}" } },
      "retrieved secret from Secrets Manager did not contain json key k;trying to retrieve secret "
      "with value plain resulted in error: an invalid ARN format for the AWS Secrets Manager "
      "secret was specified. Specify a valid ARN and try again." },
    { SECRET("A", "asm", ARN "x:k::", ""),
      { { .in_head = { ASM }, .status = 200, .body = "{\"SecretString\":\"" CANARY "\"}" } },
      "retrieved secret from Secrets Manager is not a JSON object, so it has no json key k" },
    { SECRET("A", "asm", ARN "x", ""),
      { { .in_head = { ASM }, .status = 200, .body = "{\"SecretBinary\":\"" CANARY "\"}" } },
      "secret " ARN "x: the secret is binary; only a text can be used: the secret is binary; only "
      "a text can be used" },
    /* A service that is away is tried three times; then the task has a reason, not a delay. */
    { SECRET("A", "ssm", "/p/0", ""),
      { { .in_head = { SSM }, .status = 503, .body = "{}" },
        { .in_head = { SSM }, .status = 503, .body = "{}" },
        { .in_head = { SSM }, .status = 503, .body = "{}" } },
      "fetching secret data from SSM Parameter Store in us-west-2: status 503: error without a "
      "name" },
    { SECRET("A", "vault", "x", ""), { { .status = 0 } }, "secret A: unknown provider 'vault'" },
};

static void test_reasons_of_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        struct route routes[3];
        struct fixture f;
        size_t n = 0;
        AUTO(str)
        char *containers = mem_printf(CONTAINER("a", "\"secrets\":[%s]"), failures[i].secrets);

        memcpy(routes, failures[i].routes, sizeof routes);
        while (n < COUNT_OF(routes) && routes[n].status)
            n++;
        set_up(&f, routes, n, containers);
        fetch(&f, SECRETS_VALUES);
        assert_string_equal(f.got, failures[i].reason);
        assert_int_not_equal(f.code, ERR_OK);
        assert_int_not_equal(f.code, ERR_RETRY);
        tear_down(&f);
    }
}

/* ---- the execution role ---- */

static const struct {
    enum secrets_what what;
    const char *container, *reason;
} needs[] = {
    { SECRETS_VALUES,
      "\"secrets\":[" SECRET("B", "asm", ARN "x", "") "," SECRET("A", "ssm", "/p/0", "") "]",
      "ssm secret resource: unable to find execution role credentials" },
    { SECRETS_VALUES, "\"secrets\":[" SECRET("B", "asm", ARN "x", "") "]",
      "ASM secret resource: unable to find execution role credentials" },
    { SECRETS_ENV_FILES,
      "\"environmentFiles\":[{\"type\":\"s3\",\"value\":\"arn:aws:s3:::b12/k\"}]",
      "environment file resource: unable to find execution role credentials" },
    { SECRETS_AUTH,
      "\"registryAuthentication\":{\"type\":\"asm\",\"asmAuthData\":{\"credentialsParameter\":"
      "\"x\","
      "\"region\":\"us-west-2\"}}",
      "asm resource: unable to find execution role credentials" },
    { SECRETS_AUTH,
      "\"registryAuthentication\":{\"type\":\"ecr\",\"ecrAuthData\":{\"region\":\"us-west-2\","
      "\"registryId\":\"1\",\"useExecutionRole\":true}}",
      "0 none =engine ecr credentials: not found;" },
};

static void test_without_the_execution_role(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        struct route never;
        struct fixture f;
        AUTO(str) char *containers = mem_printf(CONTAINER("a", "%s"), needs[i].container);

        set_up(&f, &never, 0, containers);
        /* It has one, whose credentials are not here. */
        roles_drop_task(f.roles, "arn");
        fetch(&f, needs[i].what);
        assert_int_equal(f.code, ERR_RETRY);
        /* It has none. */
        task_destroy(f.task);
        f.task = task_of("", containers);
        fetch(&f, needs[i].what);
        assert_string_equal(f.got, needs[i].reason);
        assert_int_not_equal(f.code, ERR_RETRY);
        tear_down(&f);
    }
}

/* What keys that are replaced meanwhile are told is no reason to stop the task. */
static void test_the_role_has_new_keys(void **state)
{
    static const char expired[] = "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}";
    struct route routes[] = { { { "Credential=AKROLE" }, NULL, 400, NULL, expired, false, false },
                              { { "Credential=AKNEW" }, NULL, 400, NULL, expired, false, false } };
    struct fixture f;

    (void)state;
    set_up(&f, routes, 2, CONTAINER("a", "\"secrets\":[" SECRET("A", "ssm", "/p/0", "") "]"));
    secrets_fetch(f.secrets, 7, SECRETS_VALUES, f.task);
    put_role(&f, "AKNEW");
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_RETRY);
    fetch(&f, SECRETS_VALUES);
    assert_int_equal(f.code, ERR_DENIED);
    assert_non_null(strstr(f.got, "ExpiredTokenException: old"));
    tear_down(&f);
}

#define ECR_BY_ROLE                                                             \
    "\"registryAuthentication\":{\"type\":\"ecr\",\"ecrAuthData\":{\"region\":" \
    "\"us-west-2\",\"registryId\":\"1\",\"useExecutionRole\":true}}"

static void test_the_role_has_new_keys_for_a_token(void **state)
{
    static const char expired[] = "{\"__type\":\"ExpiredTokenException\",\"message\":\"old\"}";
    struct route routes[] = { { { "Credential=AKROLE" }, NULL, 400, NULL, expired, false, false },
                              { { "Credential=AKNEW" }, NULL, 400, NULL, expired, false, false } };
    struct fixture f;

    (void)state;
    set_up(&f, routes, 2, CONTAINER("a", ECR_BY_ROLE));
    secrets_fetch(f.secrets, 7, SECRETS_AUTH, f.task);
    put_role(&f, "AKNEW");
    world_run(&f.w, 1);
    assert_int_equal(f.code, ERR_RETRY);
    fetch(&f, SECRETS_AUTH);
    assert_int_equal(f.code, ERR_OK);
    assert_string_equal(f.got, "0 none =ExpiredTokenException: old;");
    tear_down(&f);
}

static void test_nothing_to_fetch(void **state)
{
    struct route never;
    struct fixture f;

    (void)state;
    set_up(&f, &never, 0, CONTAINER("a", "\"essential\":true"));
    roles_drop_task(f.roles, "arn");
    for (int what = SECRETS_VALUES; what <= SECRETS_AUTH; what++) {
        fetch(&f, (enum secrets_what)what);
        assert_int_equal(f.code, ERR_OK);
        assert_string_equal(f.got, "");
    }
    tear_down(&f);
}

/* ---- environment files ---- */

#define FILE_OF(key) "{\"type\":\"s3\",\"value\":\"arn:aws:s3:::conf/" key "\"}"

static void test_environment_files(void **state)
{
    struct route routes[] = {
        { .in_head = { "HEAD /conf HTTP/1.1\r\n", ROLE },
          .status = 301,
          .headers = "x-amz-bucket-region: eu-west-1\r\n" },
        { .in_head = { "GET /conf/one.env HTTP/1.1\r\n", ROLE, "/eu-west-1/s3/aws4_request" },
          .status = 200,
          .body = "#no\nA=1\r\nB=x=y\nA=2\n\n=\nC=" },
        { .in_head = { "GET /conf/two.env HTTP/1.1\r\n", ROLE, "/eu-west-1/s3/aws4_request" },
          .status = 200,
          .body = "A=3\nD= 4 \n" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes),
           CONTAINER("a", "\"environmentFiles\":[" FILE_OF("one.env") "," FILE_OF(
                              "two.env") "]") "," CONTAINER("b",
                                                            "\"environmentFiles\":[" FILE_OF(
                                                                "two.env") "]"));
    fetch(&f, SECRETS_ENV_FILES);
    assert_int_equal(f.code, ERR_OK);
    assert_string_equal(f.got, "0 file A=2;0 file B=x=y;0 file C=;0 file A=3;0 file D= 4 ;"
                               "1 file A=3;1 file D= 4 ;");
    tear_down(&f);
}

static void test_reasons_of_environment_files(void **state)
{
    struct route routes[] = {
        { .in_head = { "HEAD /conf HTTP/1.1\r\n" }, .status = 200 },
        { .in_head = { "HEAD /none HTTP/1.1\r\n" }, .status = 404 },
        { .in_head = { "GET /conf/one.env HTTP/1.1\r\n" },
          .status = 403,
          .body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes),
           CONTAINER("a",
                     "\"environmentFiles\":[" FILE_OF(
                         "one.env") ",{\"type\":\"s3\",\"value\":\"arn:aws:s3:::none/k\"},"
                                    "{\"type\":\"s3\",\"value\":\"arn:aws:s3:::conf/../k\"}]"));
    fetch(&f, SECRETS_ENV_FILES);
    assert_string_equal(
        f.got,
        "unable to download env file with key one.env from bucket conf, error: AccessDenied: "
        "Access Denied;unable to download env file with key k from bucket none, error: "
        "NoSuchBucket: bucket none does not exist;unable to download env file, error: "
        "'arn:aws:s3:::conf/../k' leaves its folder ('..')");
    tear_down(&f);
}

static void test_a_file_that_is_no_environment_file(void **state)
{
    AUTO(str) char *longest = mem_alloc(70000);
    struct route routes[] = {
        { .in_head = { "HEAD /conf" }, .status = 200 },
        { .in_head = { "GET /conf/one.env" }, .status = 200 },
    };
    struct fixture f;

    (void)state;
    memset(longest, 'x', 69999);
    memcpy(longest, "A=" CANARY "\n", strlen("A=" CANARY "\n"));
    routes[1].body = longest;
    set_up(&f, routes, COUNT_OF(routes),
           CONTAINER("a", "\"environmentFiles\":[" FILE_OF("one.env") "]"));
    fetch(&f, SECRETS_ENV_FILES);
    assert_string_equal(f.got, "unable to read env file with key one.env from bucket conf, error: "
                               "line 2 is longer than 64 KiB");
    tear_down(&f);
}

/* ---- registries ---- */

#define ECR_AUTH(id, role)                                                                    \
    "\"registryAuthentication\":{\"type\":\"ecr\",\"ecrAuthData\":{\"region\":\"eu-west-1\"," \
    "\"registryId\":\"" id "\",\"useExecutionRole\":" role "}}"
#define ASM_AUTH(id)                                                                               \
    "\"registryAuthentication\":{\"type\":\"asm\",\"asmAuthData\":{\"credentialsParameter\":\"" id \
    "\",\"region\":\"us-west-2\"}}"
#define WITH_IMAGE(name, image, more) \
    "{\"name\":\"" name "\",\"image\":\"" image "\",\"cpu\":1,\"memory\":32," more "}"

static char *token_answer(void)
{
    return mem_printf("{\"authorizationData\":[{\"authorizationToken\":\"QVdTOnB3\",\"expiresAt\":"
                      "%lld,\"proxyEndpoint\":\"https://1.dkr.ecr\"}]}",
                      (long long)(clock_wall_ms() / 1000 + 12 * 3600));
}

static void test_passwords_of_registries(void **state)
{
    AUTO(str) char *answer = token_answer();
    AUTO(secret) char *ecr = docker_auth_header("AWS", "pw", "https://1.dkr.ecr");
    AUTO(secret) char *private = docker_auth_header("joe", CANARY, "registry.example.com:5000");
    AUTO(secret) char *hub = docker_auth_header("joe", CANARY, "index.docker.io/v1/");
    AUTO(str)
    char *wanted = mem_printf("0 header =%s;1 header =%s;2 header =%s;3 header =%s;4 header =%s;",
                              ecr, ecr, ecr, private, hub);
    struct route routes[] = {
        { .in_head = { ECR, ROLE, "/eu-west-1/ecr/" },
          .in_body = "\"1\"",
          .status = 200,
          .body = answer },
        { .in_head = { ECR, INSTANCE }, .in_body = "\"1\"", .status = 200, .body = answer },
        { .in_head = { ASM, ROLE },
          .in_body = "{\"SecretId\":\"hub-login\"}",
          .status = 200,
          .body = "{\"SecretString\":\"{\\\"username\\\":\\\"joe\\\",\\\"password\\\":\\\"" CANARY
                  "\\\"}\"}" },
        { .in_head = { ASM, ROLE },
          .in_body = "{\"SecretId\":\"hub-login\"}",
          .status = 200,
          .body = "{\"SecretString\":\"{\\\"username\\\":\\\"joe\\\",\\\"password\\\":\\\"" CANARY
                  "\\\"}\"}" },
    };
    struct fixture f;

    (void)state;
    set_up(
        &f, routes, COUNT_OF(routes),
        WITH_IMAGE("a", "1.dkr.ecr/web", ECR_AUTH("1", "true")) "," WITH_IMAGE(
            "b", "1.dkr.ecr/web",
            ECR_AUTH(
                "1",
                "true")) "," WITH_IMAGE("c", "1.dkr.ecr/web",
                                        ECR_AUTH(
                                            "1",
                                            "false")) "," WITH_IMAGE("d",
                                                                     "registry.example.com:5000/x/"
                                                                     "web:1",
                                                                     ASM_AUTH(
                                                                         "hub-login")) "," WITH_IMAGE("e",
                                                                                                      "joe/web",
                                                                                                      ASM_AUTH(
                                                                                                          "hub-login")));
    fetch(&f, SECRETS_AUTH);
    assert_int_equal(f.code, ERR_OK);
    assert_string_equal(f.got, wanted);
    /* The tokens are remembered, passwords are not. */
    fetch(&f, SECRETS_AUTH);
    assert_string_equal(f.got, wanted);
    tear_down(&f);
}

static void test_a_token_that_cannot_be_had_is_no_failure(void **state)
{
    struct route routes[] = {
        { .in_head = { ECR, INSTANCE }, .status = 400, .body = DENIED },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, COUNT_OF(routes), WITH_IMAGE("a", "1.dkr.ecr/web", ECR_AUTH("1", "false")));
    fetch(&f, SECRETS_AUTH);
    assert_int_equal(f.code, ERR_OK);
    assert_string_equal(f.got, "0 none =AccessDeniedException: not authorized;");
    tear_down(&f);
}

static const struct {
    struct route route;
    const char *reason;
} logins[] = {
    { { .in_head = { ASM }, .status = 400, .body = NOT_FOUND },
      "asm fetching secret from the service for login: ResourceNotFoundException: can't find the "
      "specified secret." },
    { { .in_head = { ASM }, .status = 200, .body = "{\"SecretString\":\"" CANARY "\"}" },
      "asm fetching authorization data: the secret is not JSON" },
    { { .in_head = { ASM }, .status = 200, .body = "{\"SecretString\":\"{}\"}" },
      "asm fetching authorization data: the secret's username: expected string, but it is "
      "missing" },
    { { .in_head = { ASM },
        .status = 200,
        .body = "{\"SecretString\":\"{\\\"username\\\":\\\"" CANARY
                "\\\",\\\"password\\\":\\\"\\\"}\"}" },
      "asm fetching authorization data: the secret's password is empty" },
};

static void test_reasons_of_passwords(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        struct route route = logins[i].route;
        struct fixture f;

        set_up(&f, &route, 1, WITH_IMAGE("a", "joe/web", ASM_AUTH("login")));
        fetch(&f, SECRETS_AUTH);
        assert_string_equal(f.got, logins[i].reason);
        assert_int_not_equal(f.code, ERR_RETRY);
        tear_down(&f);
    }
}

/* ---- ends ---- */

static void test_cancel_means_silence(void **state)
{
    struct route routes[] = {
        { .in_head = { SSM }, .status = 200, .body = "{\"Parameters\":[" FOUND("0") "]}" },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, 1, CONTAINER("a", "\"secrets\":[" PARAMETER("0") "]"));
    secrets_fetch(f.secrets, 1, SECRETS_VALUES, f.task);
    secrets_fetch(f.secrets, 2, SECRETS_ENV_FILES, f.task);
    secrets_cancel(f.secrets, 1);
    secrets_cancel(f.secrets, 2);
    secrets_cancel(f.secrets, 3);
    fetch(&f, SECRETS_VALUES); /* the only one that is told */
    assert_string_equal(f.got, "0 env P0=" CANARY "0;");
    assert_int_equal(f.w.n_done, 1);
    secrets_fetch(f.secrets, 4, SECRETS_VALUES, f.task); /* ends with the module */
    tear_down(&f);
}

static void on_last(void *user, uint64_t id, const struct secrets_value *values, size_t n,
                    const struct err *e)
{
    struct fixture *f = user;
    struct secrets *s = f->secrets;

    on_fetched(user, id, values, n, e);
    f->secrets = NULL;
    secrets_destroy(s);
}

static void test_the_receiver_may_end_it_all(void **state)
{
    AUTO(str) char *answer = token_answer();
    struct route routes[] = {
        { .in_head = { ECR, ROLE }, .status = 200, .body = answer },
    };
    struct fixture f;

    (void)state;
    set_up(&f, routes, 1, WITH_IMAGE("a", "1.dkr.ecr/web", ECR_AUTH("1", "true")));
    secrets_destroy(f.secrets);
    f.secrets = secrets_create(&(struct secrets_args){
        .loop = f.w.loop, .aws = f.w.aws, .roles = f.roles, .done = on_last, .user = &f });
    /* Both wait for the same token; one of them hears of it. */
    secrets_fetch(f.secrets, 1, SECRETS_AUTH, f.task);
    secrets_fetch(f.secrets, 2, SECRETS_AUTH, f.task);
    world_run(&f.w, 1);
    assert_int_equal(f.id, 1);
    assert_int_equal(f.w.n_done, 1);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_of_two_containers),
        cmocka_unit_test(test_reasons_of_secrets),
        cmocka_unit_test(test_without_the_execution_role),
        cmocka_unit_test(test_the_role_has_new_keys),
        cmocka_unit_test(test_the_role_has_new_keys_for_a_token),
        cmocka_unit_test(test_nothing_to_fetch),
        cmocka_unit_test(test_environment_files),
        cmocka_unit_test(test_reasons_of_environment_files),
        cmocka_unit_test(test_a_file_that_is_no_environment_file),
        cmocka_unit_test(test_passwords_of_registries),
        cmocka_unit_test(test_a_token_that_cannot_be_had_is_no_failure),
        cmocka_unit_test(test_reasons_of_passwords),
        cmocka_unit_test(test_cancel_means_silence),
        cmocka_unit_test(test_the_receiver_may_end_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
