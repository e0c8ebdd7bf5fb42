/* The pure parts: the shared file, the metadata answer, the environment, and the
 * table of the tasks' roles. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/mem.h"

static const char file[] = "# a comment\r\n"
                           "aws_access_key_id = outside\n"
                           "[default]\r\n"
                           "aws_access_key_id = AKDEFAULT\r\n"
                           "  aws_secret_access_key=se=cret/+\n"
                           "region = us-west-2\n"
                           "; another\n"
                           "[ other ]\n"
                           "AWS_ACCESS_KEY_ID=AKOTHER\n"
                           "aws_secret_access_key = two\n"
                           "aws_session_token = tok\n"
                           "[commented] ; of a person\n"
                           "aws_access_key_id: AKCOMMENTED # = old\n"
                           "aws_secret_access_key = a#b;c=d\t; new\n"
                           "aws_session_token = # none\n"
                           "[half]\n"
                           "aws_access_key_id = AKHALF\n"
                           "[profile named]\n"
                           "aws_access_key_id = AKNAMED\n"
                           "aws_secret_access_key = four";

static void test_shared_file(void **state)
{
    const struct {
        const char *profile, *access, *secret, *token;
    } good[] = {
        { "default", "AKDEFAULT", "se=cret/+", NULL },
        { "other", "AKOTHER", "two", "tok" },
        { "named", "AKNAMED", "four", NULL },
        { "commented", "AKCOMMENTED", "a#b;c=d", NULL },
    };
    struct cred_set set = { 0 };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(creds_ini_read(file, strlen(file), good[i].profile, &set, &e), ERR_OK);
        assert_string_equal(set.access_key, good[i].access);
        assert_string_equal(set.secret_key, good[i].secret);
        if (good[i].token)
            assert_string_equal(set.session_token, good[i].token);
        else
            assert_null(set.session_token);
        cred_set_fini(&set);
    }
    assert_int_equal(creds_ini_read(file, strlen(file), "half", &set, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "profile 'half' has no aws_secret_access_key");
    assert_int_equal(creds_ini_read(file, strlen(file), "nobody", &set, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "no profile 'nobody'");
    assert_int_equal(creds_ini_read("[", 1, "x", &set, &e), ERR_NOT_FOUND);
    assert_null(set.access_key);
}

static void test_missing_file(void **state)
{
    struct cred_set set = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(creds_file_read("/no/such/file", "default", &set, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "/no/such/file"));
}

static const char *look_up(void *user, const char *name)
{
    const char *const *pairs = user;

    for (; pairs[0]; pairs += 2) {
        if (streq(pairs[0], name))
            return pairs[1];
    }
    return NULL;
}

static void test_environment(void **state)
{
    const char *both[] = { "AWS_ACCESS_KEY_ID", "AK", "AWS_SECRET_ACCESS_KEY", "SK", NULL };
    const char *half[] = { "AWS_ACCESS_KEY_ID", "AK", "AWS_SECRET_ACCESS_KEY", "", NULL };
    struct cred_set set = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(creds_env_read(look_up, both, &set, &e), ERR_OK);
    assert_string_equal(set.secret_key, "SK");
    assert_null(set.session_token);
    cred_set_fini(&set);
    assert_int_equal(creds_env_read(look_up, half, &set, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "AWS_SECRET_ACCESS_KEY is not set");
}

static void test_metadata_answer(void **state)
{
    const char *good = "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIA1\","
                       "\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                       "\"Expiration\":\"2026-01-02T03:04:05Z\"}";
    const struct {
        const char *text;
        enum err_code want;
    } bad[] = {
        { "{\"Code\":\"Failed\",\"Message\":\"no role\"}", ERR_DENIED },
        { "{\"Code\":\"Success\"}", ERR_INVALID },
        { "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}", ERR_DENIED },
        { "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"soon\"}",
          ERR_INVALID },
        { "<html>", ERR_INVALID },
        { "{\"AccessKeyId\":1,\"SecretAccessKey\":\"b\"}", ERR_INVALID },
    };
    struct cred_set set = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(creds_imds_parse(str_of(good), &set, &e), ERR_OK);
    assert_string_equal(set.session_token, "t");
    assert_int_equal(set.expires_ms, 1767323045000);
    cred_set_fini(&set);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(creds_imds_parse(str_of(bad[i].text), &set, &e), bad[i].want);
        assert_int_equal(e.code, bad[i].want);
        assert_null(set.access_key);
    }
}

static void put(struct roles *r, const char *id, const char *task, const char *secret)
{
    struct role_credentials c = { id, "role", "ak", secret, "tok", "2036", task };

    roles_put(r, &c);
}

static void test_roles_of_tasks(void **state)
{
    struct roles *r = roles_create();
    struct role_credentials c;
    struct buf text = BUF_INIT(256);

    (void)state;
    put(r, "c-1", "task-1", "one");
    put(r, "c-2", "task-1", "two");
    put(r, "c-3", "task-2", "three");
    put(r, "c-1", "task-1", "renewed");
    assert_true(roles_get(r, "c-1", &c));
    assert_string_equal(c.secret_key, "renewed");
    assert_string_equal(c.task_arn, "task-1");
    buf_puts(&text, "one two-secret token-secret");
    roles_put(r, &(struct role_credentials){ .id = "c-2",
                                             .task_arn = "task-1",
                                             .access_key = "AKID-secret",
                                             .secret_key = "two-secret",
                                             .session_token = "token-secret" });
    roles_redact(r, "task-2", &text);
    assert_string_equal(buf_text(&text), "one two-secret token-secret");
    roles_redact(r, "task-1", &text);
    assert_string_equal(buf_text(&text), "one [secret] [secret]");
    buf_fini(&text);
    roles_drop_task(r, "task-1");
    assert_false(roles_get(r, "c-1", &c));
    assert_false(roles_get(r, "c-2", &c));
    assert_true(roles_get(r, "c-3", &c));
    roles_destroy(r);
    roles_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_file),    cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_environment),    cmocka_unit_test(test_metadata_answer),
        cmocka_unit_test(test_roles_of_tasks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
