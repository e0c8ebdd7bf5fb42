#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/options.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char web[] = "web", task_id[] = "8f2c", image[] = "repo/app@sha256";

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

/* What a test gives besides the options. */
struct besides {
    const char *secrets;  /* likewise */
    const char *declared; /* a secret of the definition; NULL: none */
    const struct log_tag *tag;
    bool execution_role;
    bool before_create;
};

static void free_pairs(struct task_kv *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

static enum err_code read_with(const char *text, const struct besides *b,
                               const struct setting *setting, struct log_options *out,
                               struct err *e)
{
    static const struct log_tag plain_tag = { .id = ID, .name = "n", .image = "i" };
    struct task_kv options[32], secrets[8];
    struct task_secret declared = { .name = (char *)(uintptr_t)b->declared, .log_driver = true };
    struct task_container c = { .name = web,
                                .image = image,
                                .log_options = options,
                                .secrets = &declared,
                                .n_secrets = b->declared != NULL,
                                .log_execution_role = b->execution_role };
    struct task t = { .id = task_id, .containers = &c, .n_containers = 1 };
    struct aws *aws = aws_create(&(struct aws_args){
        .region = setting->region, .env = look_up, .env_user = (void *)(uintptr_t)setting });
    size_t n_secrets = b->secrets ? parse(b->secrets, secrets) : 0;
    enum err_code code;

    c.n_log_options = parse(text, options);
    code = log_options_read(&t, &c, secrets, n_secrets, b->before_create ? NULL : ID,
                            b->before_create ? NULL
                            : b->tag         ? b->tag
                                             : &plain_tag,
                            aws, out, e);
    aws_destroy(aws);
    free_pairs(options, c.n_log_options);
    free_pairs(secrets, n_secrets);
    return code;
}

static enum err_code read_options(const char *text, const struct setting *setting,
                                  struct log_options *out, struct err *e)
{
    return read_with(text, &(struct besides){ 0 }, setting, out, e);
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
    assert_false(o.blocking);
    assert_true(o.create_stream);
    assert_null(o.pattern);
    assert_null(o.format);
    log_options_fini(&o);
    assert_int_equal(read_options("awslogs-group=g;awslogs-create-stream=false;mode=blocking;"
                                  "awslogs-format=json/emf;awslogs-max-buffered-events=9;"
                                  "cache-disabled=true;cache-max-size=1m;cache-max-file=2;"
                                  "cache-compress=true",
                                  &plain, &o, &e),
                     ERR_OK);
    assert_false(o.create_stream);
    assert_true(o.blocking);
    assert_string_equal(o.format, "json/emf");
    log_options_fini(&o);
    assert_int_equal(read_options("awslogs-group=g", &plain, &o, &e), ERR_OK);
    assert_true(o.blocking);
    log_options_fini(&o);
}

static void patterns(void **state)
{
    static const struct {
        const char *text, *line;
        bool matches;
    } cases[] = {
        { "awslogs-multiline-pattern=^INFO", "INFO", true },
        { "awslogs-multiline-pattern=^INFO", " INFO", false },
        { "awslogs-datetime-format=\\[%b %d, %Y %H:%M:%S\\]", "x [Jan 02, 2026 03:04:05]", true },
        { "awslogs-datetime-format=%b %d", "Foo 02", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *text = mem_printf("awslogs-group=g;%s", cases[i].text);
        struct log_options o;
        struct err e = { 0 };

        assert_int_equal(read_options(text, &plain, &o, &e), ERR_OK);
        assert_int_equal(pattern_matches(o.pattern, str_of(cases[i].line), NULL), cases[i].matches);
        log_options_fini(&o);
    }
}

static const struct log_tag whole_tag = { .id = ID,
                                          .name = "ecs-web-1",
                                          .image = "repo/app",
                                          .image_id = "sha256:abcdefghi",
                                          .command = "/bin/sh -c x",
                                          .hostname = "host",
                                          .daemon = "docker" };

static void tags(void **state)
{
    static const struct {
        const char *tag, *want;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "{{.ID}}", "0123456789ab" },
        { "{{.FullID}}", ID },
        { "{{ .Name }}/{{\t.ID }}", "ecs-web-1/0123456789ab" },
        { "{{.ImageID}}", "sha256:abcde" },
        { "{{.ImageFullID}}", "sha256:abcdefghi" },
        { "a{{.ImageName}}b{{.Command}}c", "arepo/appb/bin/sh -c xc" },
        { "{{.Hostname}}.{{.DaemonName}}", "host.docker" },
        { "a}}b{c", "a}}b{c" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf) struct buf out = BUF_INIT(1000);
        struct err e = { 0 };

        assert_int_equal(log_tag_expand(cases[i].tag, &whole_tag, &out, &e), ERR_OK);
        assert_string_equal(buf_text(&out), cases[i].want);
    }
}

static void tag_errors(void **state)
{
    static const struct {
        const char *tag, *message;
    } cases[] = {
        { "{{.ID", "template: log-tag:1: unclosed action" },
        { "{{}}", "template: log-tag:1: missing value for command" },
        { "{{.Foo}}", "template: log-tag:1:2: executing \"log-tag\" at <.Foo>: can't evaluate "
                      "field Foo in type *logger.Info" },
        { "x{{.id}}", "template: log-tag:1:3: executing \"log-tag\" at <.id>: can't evaluate "
                      "field id in type *logger.Info" },
        { "{{.ID | upper}}", "template: log-tag:1: '.ID | upper' is not understood, only fields "
                             "such as {{.Name}} are" },
        { "{{.ID.X}}", "template: log-tag:1: '.ID.X' is not understood, only fields such as "
                       "{{.Name}} are" },
        { "{{- .ID -}}", "template: log-tag:1: '- .ID -' is not understood, only fields such as "
                         "{{.Name}} are" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(buf) struct buf out = BUF_INIT(1000);
        struct err e = { 0 };

        assert_int_equal(log_tag_expand(cases[i].tag, &whole_tag, &out, &e), ERR_INVALID);
        assert_string_equal(e.msg, cases[i].message);
    }
}

/* A stream's name by rank: stream, prefix, tag, id. */
static void streams_of_tags(void **state)
{
    const struct besides tagged = { .tag = &whole_tag }, before = { .before_create = true };
    struct log_options o;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(read_with("awslogs-group=g;tag={{.Name}}/{{.ID}}", &tagged, &plain, &o, &e),
                     ERR_OK);
    assert_string_equal(o.stream, "ecs-web-1/0123456789ab");
    log_options_fini(&o);
    assert_int_equal(read_with("awslogs-group=g;tag=t;awslogs-stream=s", &tagged, &plain, &o, &e),
                     ERR_OK);
    assert_string_equal(o.stream, "s");
    log_options_fini(&o);
    assert_int_equal(
        read_with("awslogs-group=g;tag=t;awslogs-stream-prefix=p", &tagged, &plain, &o, &e),
        ERR_OK);
    assert_string_equal(o.stream, "p/web/8f2c");
    log_options_fini(&o);
    assert_int_equal(
        read_options("awslogs-group=g;tag={{.ImageName}}.{{.DaemonName}}", &plain, &o, &e), ERR_OK);
    assert_string_equal(o.stream, "i.docker");
    log_options_fini(&o);
    assert_int_equal(read_with("awslogs-group=g", &before, &plain, &o, &e), ERR_OK);
    log_options_fini(&o);
    assert_int_equal(
        read_with("awslogs-group=g;tag={{.Name}}.{{.ImageName}}", &before, &plain, &o, &e), ERR_OK);
    log_options_fini(&o);
    /* An image's id has a colon, which no stream may have; that much is known early. */
    assert_int_equal(read_with("awslogs-group=g;tag={{.ImageID}}", &before, &plain, &o, &e),
                     ERR_INVALID);
    assert_int_equal(
        read_with("awslogs-group=g;tag={{.Foo}};awslogs-stream=s", &before, &plain, &o, &e),
        ERR_INVALID);
    assert_string_equal(e.msg, "failed to initialize logging driver: template: log-tag:1:2: "
                               "executing \"log-tag\" at <.Foo>: can't evaluate field Foo in type "
                               "*logger.Info");
}

/* Secrets count more than the options, and are never quoted. */
static void secrets(void **state)
{
    static const struct {
        const char *secrets, *message;
    } cases[] = {
        { "awslogs-group=hush hush",
          "awslogs-group: '(secret)' has characters other than A-Za-z0-9_-/.#" },
        { "awslogs-group=aws/hush", "awslogs-group: '(secret)' begins with aws/" },
        { "awslogs-region=hush!", "awslogs-region: '(secret)' is not a region" },
        { "awslogs-stream=hush:", "the log stream's name '(made with secrets)' has a colon, an "
                                  "asterisk or a control character" },
        { "awslogs-endpoint=ftp://hush", "awslogs-endpoint: (secret)" },
        { "mode=hush", "logger: logging mode not supported: (secret)" },
        { "cache-disabled=hush", "invalid value for option cache-disabled: (secret)" },
        { "awslogs-format=hush", "unsupported log format '(secret)'" },
        { "awslogs-create-group=hush",
          "must specify valid value for log opt 'awslogs-create-group': strconv.ParseBool: "
          "parsing \"(secret)\": invalid syntax" },
        { "awslogs-max-buffered-events=hush",
          "must specify a positive integer for log opt 'awslogs-max-buffered-events': (secret)" },
        { "awslogs-multiline-pattern=hush(",
          "awslogs could not parse multiline pattern key (secret)" },
        { "tag={{hush}}", "failed to initialize logging driver: tag: (secret)" },
        { "hush=1", "unknown log opt 'hush' for awslogs log driver" },
    };
    struct besides b = { .secrets = "awslogs-region=eu-west-1;awslogs-group=;awslogs-stream=own",
                         .declared = "awslogs-stream" };
    struct log_options o;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(read_with("awslogs-group=g;awslogs-region=us-east-1", &b, &plain, &o, &e),
                     ERR_OK);
    assert_string_equal(o.region, "eu-west-1");
    assert_string_equal(o.group, "g"); /* an empty secret sets nothing */
    assert_string_equal(o.stream, "own");
    log_options_fini(&o);
    b.declared = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        b.secrets = cases[i].secrets;
        assert_int_not_equal(read_with("awslogs-group=g", &b, &plain, &o, &e), ERR_OK);
        assert_string_equal(e.msg, cases[i].message);
    }
    b = (struct besides){ .declared = "awslogs-group" };
    assert_int_equal(read_with("awslogs-group=g", &b, &plain, &o, &e), ERR_RETRY);
    assert_string_equal(e.msg, "log opt 'awslogs-group' is a secret whose value is not here");
}

static void credentials(void **state)
{
    static const char text[] = "awslogs-group=g;awslogs-credentials-endpoint=/v2/credentials/x";
    struct besides b = { .execution_role = true };
    struct log_options o;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(read_with(text, &b, &plain, &o, &e), ERR_OK); /* what it says is overridden */
    log_options_fini(&o);
    b.execution_role = false;
    assert_int_equal(read_with(text, &b, &plain, &o, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "awslogs-credentials-endpoint: only the execution role's"));
}

static const struct {
    const char *text, *message;
} bad[] = {
    { "", "must specify a value for log opt 'awslogs-group'" },
    { "awslogs-group=", "must specify a value for log opt 'awslogs-group'" },
    { "awslogs-group=aws/x", "awslogs-group: 'aws/x' begins with aws/" },
    { "awslogs-group=a b", "awslogs-group: 'a b' has characters other than A-Za-z0-9_-/.#" },
    { "awslogs-group=g\xC3\xA4",
      "awslogs-group: 'g\xC3\xA4' has characters other than A-Za-z0-9_-/.#" },
    { "awslogs-group=g;awslogs-stream=a:b",
      "the log stream's name 'a:b' has a colon, an asterisk or a control character" },
    { "awslogs-group=g;awslogs-stream-prefix=*",
      "the log stream's name '*/web/8f2c' has a colon, an asterisk or a control character" },
    { "awslogs-group=g;tag={{.Command}}", "the log stream's name is empty" },
    { "awslogs-group=g;awslogs-region=evil.example/#",
      "awslogs-region: 'evil.example/#' is not a region" },
    { "awslogs-group=g;awslogs-create-group=yes",
      "must specify valid value for log opt 'awslogs-create-group': strconv.ParseBool: parsing "
      "\"yes\": invalid syntax" },
    { "awslogs-group=g;awslogs-create-stream=\"\\",
      "must specify valid value for log opt 'awslogs-create-stream': strconv.ParseBool: parsing "
      "\"\\\"\\\\\": invalid syntax" },
    { "awslogs-group=g;awslogs-force-flush-interval-seconds=0",
      "must specify a positive integer for log opt 'awslogs-force-flush-interval-seconds': 0" },
    { "awslogs-group=g;awslogs-force-flush-interval-seconds=5s",
      "must specify a positive integer for log opt 'awslogs-force-flush-interval-seconds': 5s" },
    { "awslogs-group=g;awslogs-max-buffered-events=-1",
      "must specify a positive integer for log opt 'awslogs-max-buffered-events': -1" },
    { "awslogs-group=g;mode=none", "logger: logging mode not supported: none" },
    { "awslogs-group=g;cache-disabled=maybe", "invalid value for option cache-disabled: maybe" },
    { "awslogs-group=g;labels=x", "unknown log opt 'labels' for awslogs log driver" },
    { "awslogs-datetime-format=%Y;awslogs-group=g;awslogs-multiline-pattern=",
      "you cannot configure log opt 'awslogs-datetime-format' and 'awslogs-multiline-pattern' "
      "at the same time" },
    { "awslogs-group=g;awslogs-format=xml", "unsupported log format 'xml'" },
    { "awslogs-group=g;awslogs-format=json/emf;awslogs-datetime-format=%Y",
      "you cannot configure log opt 'awslogs-datetime-format' or 'awslogs-multiline-pattern' when "
      "log opt 'awslogs-format' is set to 'json/emf'" },
    { "awslogs-group=g;awslogs-multiline-pattern=(a)\\1",
      "failed to initialize logging driver: awslogs could not parse multiline pattern key "
      "\"(a)\\\\1\": error parsing regexp: invalid escape sequence: `\\1`" },
    { "awslogs-group=g;awslogs-datetime-format=%Y(",
      "failed to initialize logging driver: awslogs could not parse multiline pattern key "
      "\"\\\\d{4}(\": error parsing regexp: missing closing ): `\\d{4}(`" },
    { "awslogs-group=g;tag={{.ID",
      "failed to initialize logging driver: template: log-tag:1: unclosed action" },
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
                        "failed to initialize logging driver: Cannot determine region for awslogs "
                        "driver");
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
        cmocka_unit_test(patterns),     cmocka_unit_test(tags),
        cmocka_unit_test(tag_errors),   cmocka_unit_test(streams_of_tags),
        cmocka_unit_test(secrets),      cmocka_unit_test(credentials),
        cmocka_unit_test(more_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
