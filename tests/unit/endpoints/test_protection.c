/* What a task may say of its protection, and what it is answered. */
#include "endpoints/protection.h"
#include "support/check.h"

#define TASK "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"

static void test_wishes(void **state)
{
    static const struct {
        const char *body;
        struct protection_wish want;
    } good[] = {
        { "{\"ProtectionEnabled\":true}", { .has_enabled = true, .enabled = true } },
        { "{\"protectionenabled\":false,\"EXPIRESINMINUTES\":60}",
          { .has_enabled = true, .has_expires = true, .expires_minutes = 60 } },
        { "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":null}",
          { .has_enabled = true, .enabled = true } },
        { "{\"ProtectionEnabled\":null,\"ExpiresInMinutes\":-1}",
          { .has_expires = true, .expires_minutes = -1 } },
        { "{}", { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const struct protection_wish *want = &good[i].want;
        struct protection_wish w = { .has_enabled = true, .has_expires = true };

        print_message("%s\n", good[i].body);
        assert_true(protection_wish_read(str_of(good[i].body), &w));
        assert_int_equal(w.has_enabled, want->has_enabled);
        assert_int_equal(w.enabled, want->enabled);
        assert_int_equal(w.has_expires, want->has_expires);
        assert_int_equal(w.expires_minutes, want->expires_minutes);
    }
}

static void test_no_wishes(void **state)
{
    static const char *const bad[] = {
        "",
        "yes",
        "[]",
        "\"on\"",
        "{\"ProtectionEnabled\":true",
        "{\"ProtectionEnabled\":\"true\"}",
        "{\"ProtectionEnabled\":1}",
        "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":\"60\"}",
        "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":1.5}",
        "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":99999999999999999999}",
        "{\"ProtectionEnabled\":true,\"Forever\":true}",
        "{\"ProtectionEnabled\":true,\"Forever\":null}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct protection_wish w;

        print_message("%s\n", bad[i]);
        assert_false(protection_wish_read(str_of(bad[i]), &w));
    }
}

#define ERROR(code, text) \
    "{\"error\":{\"Arn\":\"" TASK "\",\"Code\":\"" code "\",\"Message\":\"" text "\"}}"
#define ODD ERROR("ServerException", "Unexpected error occurred")

static void test_answers(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *want;
    } rows[] = {
        { "{\"protectedTasks\":[{\"taskArn\":\"" TASK "\",\"protectionEnabled\":true,"
          "\"expirationDate\":1741072200.0}],\"failures\":[]}",
          200,
          "{\"requestID\":\"r-1\",\"protection\":{\"ExpirationDate\":\"2025-03-04T07:10:00Z\","
          "\"ProtectionEnabled\":true,\"TaskArn\":\"" TASK "\"}}" },
        { "{\"protectedTasks\":[{\"taskArn\":\"" TASK "\",\"protectionEnabled\":false}]}", 200,
          "{\"requestID\":\"r-1\",\"protection\":{\"ExpirationDate\":null,"
          "\"ProtectionEnabled\":false,\"TaskArn\":\"" TASK "\"}}" },
        { "{\"protectedTasks\":[],\"failures\":[{\"arn\":\"" TASK "\",\"reason\":"
          "\"TASK_NOT_VALID\"}]}",
          200,
          "{\"requestID\":\"r-1\",\"failure\":{\"Arn\":\"" TASK "\",\"Detail\":null,"
          "\"Reason\":\"TASK_NOT_VALID\"}}" },
        { "{}", 500, ODD },
        { "", 500, ODD },
        { "{\"protectedTasks\":[{},{}]}", 500, ODD },
        { "{\"failures\":[{},{}]}", 500, ODD },
        { "{\"protectedTasks\":[{\"taskArn\":7}]}", 500, ODD },
        { "{\"protectedTasks\":7}", 500, ODD },
    };
    const struct err none = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf out = BUF_INIT(4096);
        struct protection_heard h = { .task_arn = TASK,
                                      .request_id = "r-1",
                                      .status = 200,
                                      .body = str_of(rows[i].body),
                                      .error_code = "",
                                      .e = &none };

        print_message("%s\n", rows[i].body);
        assert_int_equal(protection_answer(&h, &out), rows[i].status);
        assert_string_equal(buf_text(&out), rows[i].want);
    }
}

static void test_errors(void **state)
{
    static const struct {
        int status;
        const char *code;
        struct err e;
        int want_status;
        const char *want;
    } rows[] = {
        { 400,
          "AccessDeniedException",
          { ERR_DENIED, "GetTaskProtection: AccessDeniedException: it may: not" },
          400,
          "{\"requestID\":\"r-1\",\"error\":{\"Arn\":\"" TASK
          "\",\"Code\":\"AccessDeniedException\""
          ",\"Message\":\"it may: not\"}}" },
        { 500,
          "ServerException",
          { ERR_RETRY, "GetTaskProtection: ServerException" },
          500,
          "{\"requestID\":\"r-1\",\"error\":{\"Arn\":\"" TASK "\",\"Code\":\"ServerException\","
          "\"Message\":\"\"}}" },
        { 0,
          "",
          { ERR_TIMEOUT, "GetTaskProtection: late" },
          504,
          ERROR("RequestCanceled", "Timed out calling ECS Task Protection API") },
        { 0,
          "",
          { ERR_RETRY, "GetTaskProtection: refused" },
          500,
          ERROR("ServerException", "GetTaskProtection: refused") },
        { 502,
          "",
          { ERR_RETRY, "GetTaskProtection: a page" },
          500,
          ERROR("ServerException", "GetTaskProtection: a page") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf out = BUF_INIT(4096);
        struct protection_heard h = { .task_arn = TASK,
                                      .request_id = "r-1",
                                      .status = rows[i].status,
                                      .error_code = rows[i].code,
                                      .e = &rows[i].e };

        assert_int_equal(protection_answer(&h, &out), rows[i].want_status);
        assert_string_equal(buf_text(&out), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_no_wishes),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
