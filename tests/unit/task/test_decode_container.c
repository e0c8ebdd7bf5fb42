/* What else the agent acts on: restarts, registries, environment files, volumes, and
 * copies of a task. */
#include "unit/task/fixture.h"

/* ---- restartPolicy ---- */

static void test_restart(void **state)
{
    AUTO(task)
    struct task *t = decode(ONE(",\"restartPolicy\":{\"enabled\":true,\"ignoredExitCodes\":"
                                "[0,-1,143],\"restartAttemptPeriod\":60}"));
    const struct task_restart *r = &t->containers[0].restart;

    (void)state;
    assert_true(r->enabled);
    assert_int_equal(r->attempt_period_s, 60);
    assert_int_equal(r->n_ignored_codes, 3);
    assert_int_equal(r->ignored_codes[0], 0);
    assert_int_equal(r->ignored_codes[1], -1);
    assert_int_equal(r->ignored_codes[2], 143);
}

static void test_no_restart(void **state)
{
    static const char *const texts[] = {
        ONE(""),
        ONE(",\"restartPolicy\":null"),
        ONE(",\"restartPolicy\":{}"),
        ONE(",\"restartPolicy\":{\"enabled\":false,\"restartAttemptPeriod\":null,"
            "\"ignoredExitCodes\":null}"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(task) struct task *t = decode(texts[i]);

        assert_false(t->containers[0].restart.enabled);
        assert_int_equal(t->containers[0].restart.n_ignored_codes, 0);
        assert_int_equal(t->containers[0].restart.attempt_period_s, 0);
    }
}

/* ---- registryAuthentication ---- */

#define AUTH(text) ",\"registryAuthentication\":{" text "}"
#define FULL_ECR                                               \
    AUTH("\"type\":\"ecr\",\"ecrAuthData\":{\"region\":\"r\"," \
         "\"registryId\":\"123\",\"endpointOverride\":\"e\",\"useExecutionRole\":true}")
#define EMPTY_ECR AUTH("\"type\":\"ecr\",\"ecrAuthData\":{}")
#define ASM                                                    \
    AUTH("\"Type\":\"asm\",\"AsmAuthData\":{\"region\":\"r\"," \
         "\"credentialsParameter\":\"arn:s\"}")

static void test_auth(void **state)
{
    AUTO(task)
    struct task *t = decode(MANY(C("a", FULL_ECR) "," C("b", EMPTY_ECR) "," C("c", ASM)));
    const struct task_auth *a = &t->containers[0].auth, *b = &t->containers[1].auth,
                           *c = &t->containers[2].auth;

    (void)state;
    assert_int_equal(a->kind, TASK_AUTH_ECR);
    assert_string_equal(a->region, "r");
    assert_string_equal(a->registry_id, "123");
    assert_string_equal(a->endpoint_override, "e");
    assert_true(a->use_execution_role);
    assert_int_equal(b->kind, TASK_AUTH_ECR);
    assert_string_equal(b->region, "");
    assert_null(b->registry_id);
    assert_null(b->endpoint_override);
    assert_false(b->use_execution_role);
    assert_int_equal(c->kind, TASK_AUTH_ASM);
    assert_string_equal(c->secret_id, "arn:s");
    assert_string_equal(c->region, "r");
    assert_null(c->registry_id);
}

static void test_auth_of_engine(void **state)
{
    static const char *const texts[] = {
        ONE(""),
        ONE(",\"registryAuthentication\":null"),
        ONE(",\"registryAuthentication\":{}"),
        ONE(",\"registryAuthentication\":{\"type\":null}"),
        ONE(",\"registryAuthentication\":{\"type\":\"ECR\",\"ecrAuthData\":{}}"),
        ONE(",\"registryAuthentication\":{\"type\":\"future\"}"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(task) struct task *t = decode(texts[i]);

        assert_int_equal(t->containers[0].auth.kind, TASK_AUTH_ENGINE);
    }
}

/* ---- environmentFiles ---- */

static void test_env_files(void **state)
{
    AUTO(task)
    struct task *t = decode(ONE(",\"environmentFiles\":[{\"value\":\"arn:aws:s3:::b/2.env\","
                                "\"type\":\"s3\"},{\"value\":\"arn:aws:s3:::b/1.env\"}]"));
    const struct task_container *c = &t->containers[0];

    (void)state;
    assert_int_equal(c->n_env_files, 2); /* in order: the first one wins */
    assert_string_equal(c->env_files[0], "arn:aws:s3:::b/2.env");
    assert_string_equal(c->env_files[1], "arn:aws:s3:::b/1.env");
}

/* ---- volumes ---- */

static void test_volumes(void **state)
{
    static const struct {
        const char *members;
        enum task_volume_kind kind;
        bool autoprovision;
        const char *path, *docker_name;
    } rows[] = {
#define DOCKER(members) "\"type\":\"docker\",\"dockerVolumeConfiguration\":{" members "}"
#define OWN             "ecs-f-1-v-0123456789abcdef0123"
        { "\"host\":{\"sourcePath\":\"/srv\"}", VOLUME_HOST, false, "/srv", NULL },
        { "\"type\":\"host\",\"Host\":{\"SourcePath\":\"/srv\"}", VOLUME_HOST, false, "/srv",
          NULL },
        { "\"type\":\"\",\"host\":{}", VOLUME_TASK, false, NULL, OWN },
        { "\"type\":null,\"host\":{\"sourcePath\":\"\"}", VOLUME_TASK, false, NULL, OWN },
        { "\"host\":{\"sourcePath\":null}", VOLUME_TASK, false, NULL, OWN },
        { DOCKER("\"scope\":\"task\""), VOLUME_TASK, false, NULL, OWN },
        { DOCKER("\"scope\":\"task\",\"autoprovision\":false"), VOLUME_TASK, false, NULL, OWN },
        { DOCKER("\"scope\":\"shared\""), VOLUME_SHARED, false, NULL, "v" },
        { DOCKER("\"scope\":\"shared\",\"autoprovision\":true"), VOLUME_SHARED, true, NULL, "v" },
        { DOCKER(""), VOLUME_SHARED, false, NULL, "v" },
        { DOCKER("\"scope\":\"TASK\",\"driver\":\"\""), VOLUME_SHARED, false, NULL, "v" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/0123456789abcdef0123456789abcdef\",\"family\":\"f\","
                                "\"version\":\"1\",\"containers\":[{\"name\":\"a\","
                                "\"image\":\"i\"}],\"volumes\":[{\"name\":\"v\",%s}]}",
                                rows[i].members);
        AUTO(task) struct task *t = decode(text);
        const struct task_volume *v = &t->volumes[0];
        AUTO(str) char *name = task_volume_docker_name(t, v);

        assert_int_equal(v->kind, rows[i].kind);
        assert_int_equal(v->autoprovision, rows[i].autoprovision);
        assert_string_equal(v->host_path ? v->host_path : "", rows[i].path ? rows[i].path : "");
        assert_string_equal(name ? name : "", rows[i].docker_name ? rows[i].docker_name : "");
        assert_int_equal(name == NULL, v->kind == VOLUME_HOST);
        assert_null(v->driver);
    }
}

/* ---- null is absent ---- */

static void test_nulls(void **state)
{
    static const char *const of_task[] = {
        "family",
        "version",
        "group",
        "serviceName",
        "launchType",
        "enableFaultInjection",
        "networkMode",
        "pidMode",
        "ipcMode",
        "desiredStatus",
        "cpu",
        "memory",
        "roleCredentials",
        "executionRoleCredentials",
        "volumes",
        "elasticNetworkInterfaces",
        "attachments",
        "associations",
        "proxyConfiguration",
        "overrides",
    };
    static const char *const of_container[] = {
        "containerArn",
        "essential",
        "cpu",
        "memory",
        "command",
        "entryPoint",
        "environment",
        "environmentFiles",
        "portMappings",
        "mountPoints",
        "volumesFrom",
        "links",
        "secrets",
        "dependsOn",
        "startTimeout",
        "stopTimeout",
        "healthCheckType",
        "logsAuthStrategy",
        "registryAuthentication",
        "restartPolicy",
        "firelensConfiguration",
        "credentialSpecs",
        "managedAgents",
        "overrides",
        "dockerConfig",
    };
    AUTO(task)
    struct task *plain = decode("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\","
                                "\"image\":\"i\"}]}");
    AUTO(str) char *want = task_redacted_json(plain);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_task) + COUNT_OF(of_container); i++) {
        bool outer = i < COUNT_OF(of_task);
        const char *name = outer ? of_task[i] : of_container[i - COUNT_OF(of_task)];
        AUTO(str)
        char *text = mem_printf("{\"arn\":\"x/1\",\"%s\":null,\"containers\":[{\"name\":\"a\","
                                "\"%s\":null,\"image\":\"i\"}]}",
                                outer ? name : "x", outer ? "x" : name);
        AUTO(task) struct task *t = decode(text);
        AUTO(str) char *got = task_redacted_json(t);

        assert_string_equal(got, want);
    }
}

/* ---- another run of the same task ---- */

static void test_with_arn(void **state)
{
    AUTO(task)
    struct task *t =
        decode("{\"ARN\":\"x/1\",\"family\":\"f\",\"pidMode\":\"task\",\"containers\":["
               "{\"name\":\"a\",\"image\":\"i\",\"environment\":{\"K\":\"v\"}}]}");
    AUTO(task) struct task *copy = task_with_arn(t, "arn:y/22");
    AUTO(task) struct task *again = NULL;

    (void)state;
    assert_non_null(copy);
    assert_string_equal(copy->arn, "arn:y/22");
    assert_string_equal(copy->id, "22");
    assert_string_equal(copy->family, "f");
    assert_string_equal(copy->containers[0].env[0].value, "v");
    assert_int_equal(copy->n_containers, 2);
    assert_string_equal(t->arn, "x/1");
    again = decode(copy->json); /* what the store keeps has the new name too */
    assert_string_equal(again->arn, "arn:y/22");
    assert_null(task_with_arn(t, ""));
    assert_null(task_with_arn(t, "arn:y/"));
}

static void test_with_arn_too_long(void **state)
{
    struct buf b = BUF_INIT(TASK_MAX_JSON);
    AUTO(task) struct task *t = NULL;

    (void)state;
    buf_puts(&b, "{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\",\"image\":\"");
    while (b.len < TASK_MAX_JSON - 4)
        buf_putc(&b, 'i');
    buf_puts(&b, "\"}]}");
    assert_false(b.overflowed);
    t = decode(buf_text(&b));
    assert_null(task_with_arn(t, "x/22"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_no_restart),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_auth_of_engine),
        cmocka_unit_test(test_env_files),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_nulls),
        cmocka_unit_test(test_with_arn),
        cmocka_unit_test(test_with_arn_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
