/* The edits of LogConfig, in their order. */
#include "unit/task/create.h"

static char token[] = "splunk-token", tag[] = "tag", buffer[] = "max-buffer-size", mode[] = "mode",
            endpoint[] = "awslogs-credentials-endpoint", hush[] = "hush", later[] = "later",
            non_blocking[] = "non-blocking", empty[] = "", of_24[] = "24m";

static struct task *with_log(const char *log, bool role)
{
    AUTO(str) char *quoted = NULL, *text = NULL;
    struct buf b = BUF_INIT(4096);

    json_quote(&b, str_of(log));
    quoted = buf_take(&b);
    text = mem_printf("{\"arn\":\"x/1\",\"executionRoleCredentials\":{\"credentialsId\":\"ex\"},"
                      "\"containers\":[{\"name\":\"a\",\"image\":\"i\",%s"
                      "\"dockerConfig\":{\"hostConfig\":%s}}]}",
                      role ? "\"logsAuthStrategy\":\"ExecutionRole\"," : "", quoted);
    return decode(text);
}

static const struct task_kv none[1] = { { tag, empty } };
static const struct task_kv plain[] = { { token, hush } };
static const struct task_kv over[] = { { tag, hush }, { tag, later }, { token, empty } };
static const struct task_kv settings[] = { { buffer, later }, { mode, non_blocking } };
static const struct task_kv sized[] = { { buffer, of_24 } };
static const struct task_kv of_role[] = { { endpoint, later } };

static const struct {
    const char *host_config;
    bool role;
    const struct task_kv *secrets;
    size_t n_secrets;
    const char *want;
} rows[] = {
    /* no driver: Docker's default, whatever else there is */
    { "{}", true, plain, 1, "" },
    { "{\"LogConfig\":{\"Config\":{\"a\":\"b\"}}}", true, plain, 1, "" },
    /* 1: the endpoint, for any driver */
    { "{\"LogConfig\":{\"Type\":\"syslog\"}}", true, NULL, 0,
      "{\"Config\":{\"awslogs-credentials-endpoint\":\"/v2/credentials/"
      "ex\"},\"Type\":\"syslog\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"awslogs-credentials-endpoint\":\"old\"}}}",
      true, NULL, 0,
      "{\"Config\":{\"awslogs-credentials-endpoint\":\"/v2/credentials/ex\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"awslogs-credentials-endpoint\":\"old\"}}}",
      false, NULL, 0, "{\"Config\":{\"awslogs-credentials-endpoint\":\"old\"},\"Type\":\"x\"}" },
    /* but awslogs itself becomes a file */
    { "{\"LogConfig\":{\"Type\":\"awslogs\",\"Config\":{\"mode\":\"non-blocking\"}}}", true, plain,
      1,
      "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"67108864\"},\"Type\":"
      "\"json-file\"}" },
    { "{\"LogConfig\":{\"Type\":\"awslogs\",\"Config\":{\"mode\":\"non-blocking\","
      "\"max-buffer-size\":\"12m\"}}}",
      false, NULL, 0,
      "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"2097152\"},\"Type\":"
      "\"json-file\"}" },
    { "{\"LogConfig\":{\"Type\":\"awslogs\",\"Config\":{\"mode\":\"non-blocking\"}}}", false, sized,
      1,
      "{\"Config\":{\"compress\":\"false\",\"max-file\":\"4\",\"max-size\":\"4194304\"},\"Type\":"
      "\"json-file\"}" },
    /* 4: the buffer */
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"mode\":\"non-blocking\"}}}", false, NULL, 0,
      "{\"Config\":{\"max-buffer-size\":\"10m\",\"mode\":\"non-blocking\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"mode\":\"non-blocking\",\"max-buffer-size\":"
      "\"1m\"}}}",
      false, NULL, 0,
      "{\"Config\":{\"max-buffer-size\":\"1m\",\"mode\":\"non-blocking\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"mode\":\"blocking\"}}}", false, NULL, 0,
      "{\"Config\":{\"mode\":\"blocking\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"MODE\":\"non-blocking\"}}}", false, NULL, 0,
      "{\"Config\":{\"MODE\":\"non-blocking\"},\"Type\":\"x\"}" },
    /* 5: secrets, last */
    { "{\"LogConfig\":{\"Type\":\"splunk\"}}", false, plain, 1,
      "{\"Config\":{\"splunk-token\":\"hush\"},\"Type\":\"splunk\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"tag\":\"t\"}}}", false, none, 1,
      "{\"Config\":{\"tag\":\"t\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"tag\":\"t\",\"splunk-token\":\"s\"}}}", false,
      over, COUNT_OF(over),
      "{\"Config\":{\"splunk-token\":\"s\",\"tag\":\"later\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"mode\":\"non-blocking\"}}}", false, settings, 1,
      "{\"Config\":{\"max-buffer-size\":\"later\",\"mode\":\"non-blocking\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\",\"Config\":{}}}", false, settings + 1, 1,
      "{\"Config\":{\"mode\":\"non-blocking\"},\"Type\":\"x\"}" },
    { "{\"LogConfig\":{\"Type\":\"x\"}}", true, of_role, 1,
      "{\"Config\":{\"awslogs-credentials-endpoint\":\"later\"},\"Type\":\"x\"}" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task) struct task *t = with_log(rows[i].host_config, rows[i].role);
        struct task_create_args a = args_for(t);
        json_t *body;

        a.log_secrets = rows[i].secrets;
        a.n_log_secrets = rows[i].n_secrets;
        body = body_of(&a);
        assert_at(body, "HostConfig", "LogConfig", rows[i].want);
        json_decref(body);
    }
}

/* A name that comes twice would be a broken body. */
static void test_names_come_once(void **state)
{
    static const struct task_kv secrets[] = {
        { tag, hush }, { tag, later }, { buffer, later }, { endpoint, later }, { token, empty }
    };
    static const char *const once[] = { "\"tag\"", "\"max-buffer-size\"",
                                        "\"awslogs-credentials-endpoint\"", "\"splunk-token\"" };
    AUTO(task)
    struct task *t = with_log("{\"LogConfig\":{\"Type\":\"x\",\"Config\":{\"tag\":\"t\","
                              "\"splunk-token\":\"s\",\"mode\":\"non-blocking\","
                              "\"awslogs-credentials-endpoint\":\"old\"}}}",
                              true);
    struct task_create_args a = args_for(t);
    struct buf b = BUF_INIT(1 << 16);
    struct err e = { 0 };

    (void)state;
    a.log_secrets = secrets;
    a.n_log_secrets = COUNT_OF(secrets);
    assert_int_equal(task_create_body(&a, &b, &e), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(once); i++) {
        const char *first = strstr(b.data, once[i]);

        assert_non_null(first);
        assert_null(strstr(first + 1, once[i]));
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_names_come_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
