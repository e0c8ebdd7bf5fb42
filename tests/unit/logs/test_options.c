#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/options.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char web[] = "web", task_id[] = "8f2c";

/* What the agent's configuration says. */
struct setting {
    const char *region, *logs_url, *any_url;
};
static const struct setting plain = { .region = "us-west-2" };

static const char *look_up(void *user, const char *name)
{
    const struct setting *s = user;

    if (streq(name, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"))
        return s->logs_url;
    return streq(name, "AWS_ENDPOINT_URL") ? s->any_url : NULL;
}

/* "name=value;name=value" */
static size_t parse(const char *text, struct task_kv *out)
{
    size_t n = 0;

    while (*text) {
        size_t all = strcspn(text, ";"), name = strcspn(text, "=");

        out[n].name = mem_strndup(text, name);
        out[n++].value = mem_strndup(text + name + 1, all - name - 1);
        text += all + (text[all] == ';');
    }
    return n;
}

static enum err_code read_options(const char *text, const struct setting *setting,
                                  struct log_options *out, struct err *e)
{
    struct task_kv options[32];
    struct task_container c = { .name = web, .log_options = options };
    struct task t = { .id = task_id, .containers = &c, .n_containers = 1 };
    struct aws *aws = aws_create(&(struct aws_args){
        .region = setting->region, .env = look_up, .env_user = (void *)(uintptr_t)setting });
    enum err_code code;

    c.n_log_options = parse(text, options);
    code = log_options_read(&t, &c, ID, aws, out, e);
    aws_destroy(aws);
    for (size_t i = 0; i < c.n_log_options; i++) {
        free(options[i].name);
        free(options[i].value);
    }
    return code;
}

static const struct {
    const char *text;
    const char *group, *stream, *region, *endpoint;
} good[] = {
    { "awslogs-group=/a/b", "/a/b", ID, "us-west-2", "https://logs.us-west-2.amazonaws.com" },
    { "awslogs-group=g;awslogs-region=cn-north-1", "g", ID, "cn-north-1",
      "https://logs.cn-north-1.amazonaws.com.cn" },
    { "awslogs-group=g;awslogs-stream-prefix=p", "g", "p/web/8f2c", "us-west-2",
      "https://logs.us-west-2.amazonaws.com" },
    { "awslogs-group=g;awslogs-stream=s;awslogs-stream-prefix=p", "g", "s", "us-west-2",
      "https://logs.us-west-2.amazonaws.com" },
    { "awslogs-group=g;awslogs-stream=;awslogs-region=;awslogs-stream-prefix=", "g", ID,
      "us-west-2", "https://logs.us-west-2.amazonaws.com" },
    { "awslogs-group=g;awslogs-endpoint=http://127.0.0.1:8080", "g", ID, "us-west-2",
      "http://127.0.0.1:8080" },
};

static void destinations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct log_options o;
        struct err e = { 0 };

        if (read_options(good[i].text, &plain, &o, &e))
            fail_msg("%s: %s", good[i].text, e.msg);
        assert_string_equal(o.group, good[i].group);
        assert_string_equal(o.stream, good[i].stream);
        assert_string_equal(o.region, good[i].region);
        assert_string_equal(o.endpoint, good[i].endpoint);
        assert_false(o.create_group);
        assert_int_equal(o.flush_ms, LOG_FLUSH_MS);
        assert_null(o.ignored);
        log_options_fini(&o);
    }
}

static void endpoints_by_rank(void **state)
{
    struct setting setting = { .region = "us-west-2", .any_url = "http://127.0.0.1:99" };
    struct log_options o;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(read_options("awslogs-group=g", &setting, &o, &e), ERR_OK);
    assert_string_equal(o.endpoint, setting.any_url);
    log_options_fini(&o);
    setting.logs_url = "https://logs.example";
    assert_int_equal(read_options("awslogs-group=g", &setting, &o, &e), ERR_OK);
    assert_string_equal(o.endpoint, setting.logs_url);
    log_options_fini(&o);
    assert_int_equal(read_options("awslogs-group=g;awslogs-endpoint=https://own", &setting, &o, &e),
                     ERR_OK);
    assert_string_equal(o.endpoint, "https://own");
    log_options_fini(&o);
}

static void other_values(void **state)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };
    struct log_options o;
    struct err e = { 0 };
    char text[100];

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(yes); i++) {
        bool want = i < COUNT_OF(yes);

        snprintf(text, sizeof text, "awslogs-group=g;awslogs-create-group=%s",
                 want ? yes[i] : no[i - COUNT_OF(yes)]);
        assert_int_equal(read_options(text, &plain, &o, &e), ERR_OK);
        assert_int_equal(o.create_group, want);
        log_options_fini(&o);
    }
    assert_int_equal(read_options("awslogs-group=g;awslogs-force-flush-interval-seconds=7;"
                                  "mode=non-blocking;tag={{.ID}};max-buffer-size=25m",
                                  &plain, &o, &e),
                     ERR_OK);
    assert_int_equal(o.flush_ms, 7000);
    assert_string_equal(o.ignored, "mode tag max-buffer-size");
    log_options_fini(&o);
}

static const struct {
    const char *text, *message;
} bad[] = {
    { "", "awslogs-group: must be given" },
    { "awslogs-group=", "awslogs-group: must be given" },
    { "awslogs-group=aws/x", "awslogs-group: 'aws/x' begins with aws/" },
    { "awslogs-group=a b", "awslogs-group: 'a b' has characters other than A-Za-z0-9_-/.#" },
    { "awslogs-group=g\xC3\xA4",
      "awslogs-group: 'g\xC3\xA4' has characters other than A-Za-z0-9_-/.#" },
    { "awslogs-group=g;awslogs-stream=a:b",
      "the log stream's name 'a:b' has a colon, an asterisk or a control character" },
    { "awslogs-group=g;awslogs-stream-prefix=*",
      "the log stream's name '*/web/8f2c' has a colon, an asterisk or a control character" },
    { "awslogs-group=g;awslogs-region=evil.example/#",
      "awslogs-region: 'evil.example/#' is not a region" },
    { "awslogs-group=g;awslogs-create-group=yes",
      "awslogs-create-group: expected true or false, got 'yes'" },
    { "awslogs-group=g;awslogs-force-flush-interval-seconds=0",
      "awslogs-force-flush-interval-seconds: 0 is not in 1..2147483647" },
    { "awslogs-group=g;awslogs-force-flush-interval-seconds=5s",
      "awslogs-force-flush-interval-seconds: expected a whole number, got '5s'" },
    { "awslogs-group=g;labels=x", "unknown log opt 'labels' for awslogs log driver" },
    { "awslogs-datetime-format=%Y;awslogs-group=g;awslogs-multiline-pattern=x",
      "you cannot configure log opt 'awslogs-datetime-format' and 'awslogs-multiline-pattern' "
      "at the same time" },
};

static void errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct log_options o = { .flush_ms = 77 };
        struct err e = { 0 };

        assert_int_equal(read_options(bad[i].text, &plain, &o, &e), ERR_INVALID);
        assert_string_equal(e.msg, bad[i].message);
        assert_int_equal(o.flush_ms, 77); /* untouched */
    }
}

static void more_errors(void **state)
{
    struct setting setting = { 0 };
    struct log_options o;
    struct err e = { 0 };
    char text[600] = "awslogs-group=";

    (void)state;
    assert_int_equal(read_options("awslogs-group=g", &setting, &o, &e), ERR_INVALID);
    assert_string_equal(e.msg,
                        "awslogs-region: must be given, because the agent has no region either");
    setting.region = "us-west-2";
    memset(text + strlen(text), 'g', 513);
    assert_int_equal(read_options(text, &setting, &o, &e), ERR_INVALID);
    assert_string_equal(e.msg, "awslogs-group: 513 bytes are more than 512");
    /* Log texts in the clear over a network: the rule of all http here. */
    assert_int_equal(
        read_options("awslogs-group=g;awslogs-endpoint=http://logs.example", &setting, &o, &e),
        ERR_DENIED);
    assert_non_null(strstr(e.msg, "awslogs-endpoint: "));
    assert_int_not_equal(read_options("awslogs-group=g;awslogs-endpoint=ftp://x", &setting, &o, &e),
                         ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations), cmocka_unit_test(endpoints_by_rank),
        cmocka_unit_test(other_values), cmocka_unit_test(errors),
        cmocka_unit_test(more_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
