#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "endpoints/audit.h"
#include "support/check.h"

#define TASK     "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define INSTANCE "arn:aws:ecs:eu-west-1:210987654321:container-instance/shop/90ab"
#define AT_MS    INT64_C(1741065753987) /* 2025-03-04T05:22:33.987Z */

static const struct http_peer peer = { "172.17.0.4", 41822 };
static const struct http_peer peer6 = { "fd00::4", 41822 };

static const struct {
    struct audit_line line;
    const char *cluster, *instance;
    const char *want;
} lines[] = {
    { { 200, &peer, "/v2/credentials/secret-id", "aws-sdk-go-v2/1.36.3", TASK, "GetCredentials" },
      "shop",
      INSTANCE,
      "2025-03-04T05:22:33Z 200 172.17.0.4:41822 \"/v2/credentials\" \"aws-sdk-go-v2/1.36.3\" " TASK
      " GetCredentials 2 shop " INSTANCE "\n" },
    { { 400, &peer, "/v2/credentials/secret-id/more", "curl/8.5.0", NULL, NULL },
      "shop",
      INSTANCE,
      "2025-03-04T05:22:33Z 400 172.17.0.4:41822 \"/v2/credentials\" \"curl/8.5.0\" - \n" },
    { { 429, &peer, "/v4/ID/task", NULL, NULL, NULL },
      "shop",
      INSTANCE,
      "2025-03-04T05:22:33Z 429 172.17.0.4:41822 \"/v4/ID/task\" \"\" - \n" },
    { { 200, &peer6, "/v1/credentials", "x", "", "GetCredentialsExecutionRole" },
      "",
      NULL,
      "2025-03-04T05:22:33Z 200 [fd00::4]:41822 \"/v1/credentials\" \"x\" - "
      "GetCredentialsExecutionRole 2 - -\n" },
    /* Nobody writes lines of his own. */
    { { 400, &peer, "/a\n\"b\\", "x\" y\r\n2025 200\x7f\t", NULL, NULL },
      "shop",
      INSTANCE,
      "2025-03-04T05:22:33Z 400 172.17.0.4:41822 \"/a\\x0a\\\"b\\\\\" "
      "\"x\\\" y\\x0d\\x0a2025 200\\x7f\\x09\" - \n" },
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        AUTO(buf) struct buf out = BUF_INIT(4096);

        audit_format(&lines[i].line, lines[i].cluster, lines[i].instance, AT_MS, &out);
        assert_string_equal(buf_text(&out), lines[i].want);
    }
}

static void test_what_the_client_chose_is_cut(void **state)
{
    static char agent[5000];
    struct audit_line line = { 200, &peer, agent, agent, NULL, NULL };
    AUTO(buf) struct buf out = BUF_INIT(1 << 20);

    (void)state;
    memset(agent, '\n', sizeof agent - 1);
    audit_format(&line, NULL, NULL, AT_MS, &out);
    assert_true(out.len > 2 * 4 * 512);
    assert_true(out.len < 2 * 4 * 512 + 100);
    assert_null(memchr(out.data, '\n', out.len - 1));
}

static char *slurp(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n;

    assert_true(fd >= 0);
    n = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static int count(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_the_file_is_kept_small(void **state)
{
    char dir[] = "/tmp/berth-test-XXXXXX";
    struct log_file_rule rule = { LOG_ROLL_SIZE, 200, 1 };
    struct audit_line line = { 400, &peer, "/v2/credentials/x", "curl", NULL, NULL };
    struct audit *a = NULL;
    struct err e = { 0 };
    int ends[2];
    char copy[512];

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO(str) char *path = mem_printf("%s/audit.log", dir);
    AUTO(str) char *rolled = mem_printf("%s/audit.log.2", dir);
    AUTO(str) char *gone = mem_printf("%s/audit.log.1", dir);

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(audit_open(path, &rule, ends[1], &a, &e), ERR_OK);
    audit_set_instance(a, "shop", INSTANCE);
    for (int i = 0; i < 5; i++) /* two of these lines fit */
        audit_write(a, AT_MS, i, &line);
    assert_int_equal(count(slurp(path)), 1);
    assert_int_equal(count(slurp(rolled)), 2);
    assert_int_not_equal(access(gone, F_OK), 0);

    line.task_arn = TASK;
    line.event = "GetCredentials";
    audit_write(a, AT_MS, 6, &line);
    assert_non_null(strstr(slurp(path), " 2 shop " INSTANCE "\n"));
    assert_true(read(ends[0], copy, sizeof copy) > 300); /* each line went there too */
    audit_close(a);
    audit_close(NULL);
    audit_write(NULL, AT_MS, 0, &line); /* turned off */
    close(ends[0]);
    close(ends[1]);
    for (int i = 1; i < 6; i++) {
        AUTO(str) char *old = mem_printf("%s/audit.log.%d", dir, i);

        unlink(old);
    }
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static void test_a_file_that_cannot_be_had(void **state)
{
    struct log_file_rule rule = { 0 };
    struct audit *a = NULL;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(audit_open("/nowhere/audit.log", &rule, -1, &a, &e), ERR_NOT_FOUND);
    assert_null(a);
    assert_non_null(strstr(e.msg, "/nowhere/audit.log"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_the_client_chose_is_cut),
        cmocka_unit_test(test_the_file_is_kept_small),
        cmocka_unit_test(test_a_file_that_cannot_be_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
