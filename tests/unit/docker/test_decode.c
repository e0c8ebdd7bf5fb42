#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"

#define ID   "be62b0c054a8d338c8721f3fd88c6e95ce8c11b7b049a291a12c3ee86c11b105"
#define ZERO "\"0001-01-01T00:00:00Z\""
#define T1   "\"2026-01-02T03:04:05.006789012Z\""
#define T2   "\"2026-01-02T03:04:07.5Z\""
#define MS1  1767323045006LL
#define MS2  1767323047500LL

/* ---- version ---- */

static void versions(void **state)
{
    static const struct {
        const char *json;
        enum err_code want;
        const char *text; /* the API version, or a part of the message */
    } cases[] = {
        { "{\"Version\":\"20.10.24+dfsg1\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}",
          ERR_OK, "1.41" },
        { "{\"Version\":\"28\",\"ApiVersion\":\"1.48\",\"MinAPIVersion\":\"1.24\"}", ERR_OK,
          "1.44" },
        { "{\"Version\":\"29\",\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", ERR_OK,
          "1.44" },
        { "{\"Version\":\"1.12\",\"ApiVersion\":\"1.24\"}", ERR_OK, "1.24" },
        { "{\"Version\":\"99\",\"ApiVersion\":\"2.0\"}", ERR_OK, "1.44" },
        { "{\"Version\":\"1.7\",\"ApiVersion\":\"1.19\"}", ERR_INVALID,
          "Docker Engine 1.7 is too old: its API version is 1.19, at least 1.24 is needed" },
        { "{\"Version\":\"0\",\"ApiVersion\":\"1.9\"}", ERR_INVALID, "too old" },
        { "{\"Version\":\"40\",\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.45\"}", ERR_INVALID,
          "Docker Engine 40 is too new: it needs API version 1.45, at most 1.44 is supported" },
        { "{\"Version\":\"1\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":1.41}", ERR_IO, "expected string" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"1\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"1.41/../x\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"1. 41\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"1.99999999999\"}", ERR_IO, "ApiVersion" },
        { "{\"Version\":\"1\",\"ApiVersion\":\"1.41", ERR_IO, "not JSON" },
        { "", ERR_IO, "not JSON" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker_version v = { 0 };
        struct err e = { 0 };

        assert_int_equal(docker_decode_version(str_of(cases[i].json), &v, &e), cases[i].want);
        if (e.code == ERR_OK) {
            assert_string_equal(v.api_version, cases[i].text);
        } else {
            assert_non_null(strstr(e.msg, cases[i].text));
            assert_string_equal(v.version, "");
        }
    }
}

/* ---- facts ---- */

#define STATE(members) "{\"Id\":\"" ID "\",\"Created\":" T1 ",\"State\":{" members "}}"

static void states(void **state)
{
    static const struct {
        const char *json;
        enum ctr_status status;
        bool has_code;
        int code;
        int64_t started_ms, finished_ms;
        bool oom;
        enum ctr_health health;
        const char *error;
    } cases[] = {
        { STATE("\"Status\":\"created\",\"Running\":false,\"ExitCode\":0,\"Error\":\"\","
                "\"StartedAt\":" ZERO ",\"FinishedAt\":" ZERO),
          CTR_CREATED, false, 0, 0, 0, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"FinishedAt\":" ZERO), CTR_RUNNING, false,
          0, MS1, 0, false, HEALTH_UNKNOWN, "" },
        /* A second run: what is finished is the first. */
        { STATE("\"Running\":true,\"ExitCode\":3,\"StartedAt\":" T2 ",\"FinishedAt\":" T1),
          CTR_RUNNING, false, 0, MS2, MS1, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Running\":true,\"Paused\":true,\"StartedAt\":" T1), CTR_RUNNING, false, 0, MS1,
          0, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Running\":true,\"Restarting\":true,\"StartedAt\":" T1), CTR_RUNNING, false, 0,
          MS1, 0, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true,\"StartedAt\":" T1
                ",\"FinishedAt\":" T2),
          CTR_STOPPED, true, 137, MS1, MS2, true, HEALTH_UNKNOWN, "" },
        { STATE("\"ExitCode\":-1,\"StartedAt\":" T1 ",\"FinishedAt\":" T2), CTR_STOPPED, true, -1,
          MS1, MS2, false, HEALTH_UNKNOWN, "" },
        { STATE("\"ExitCode\":3221225786,\"StartedAt\":" T1 ",\"FinishedAt\":" T2), CTR_STOPPED,
          true, -1073741510, MS1, MS2, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Dead\":true,\"StartedAt\":" ZERO ",\"FinishedAt\":" ZERO), CTR_STOPPED, false, 0,
          0, 0, false, HEALTH_UNKNOWN, "" },
        /* A start that failed. */
        { STATE("\"Status\":\"created\",\"ExitCode\":127,\"Error\":\"runc: no such file\","
                "\"StartedAt\":" ZERO ",\"FinishedAt\":" ZERO),
          CTR_STOPPED, false, 0, 0, 0, false, HEALTH_UNKNOWN, "runc: no such file" },
        /* One that was given up. */
        { STATE("\"Status\":\"created\",\"ExitCode\":128,\"Error\":\"context canceled\","
                "\"StartedAt\":" ZERO ",\"FinishedAt\":" ZERO),
          CTR_CREATED, false, 0, 0, 0, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"Health\":{\"Status\":\"starting\"}"),
          CTR_RUNNING, false, 0, MS1, 0, false, HEALTH_STARTING, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"Health\":{\"Status\":\"healthy\"}"),
          CTR_RUNNING, false, 0, MS1, 0, false, HEALTH_OK, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"Health\":{\"Status\":\"unhealthy\"}"),
          CTR_RUNNING, false, 0, MS1, 0, false, HEALTH_BAD, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"Health\":{\"Status\":\"none\"}"),
          CTR_RUNNING, false, 0, MS1, 0, false, HEALTH_UNKNOWN, "" },
        { STATE("\"Running\":true,\"StartedAt\":" T1 ",\"Health\":null"), CTR_RUNNING, false, 0,
          MS1, 0, false, HEALTH_UNKNOWN, "" },
        { STATE(""), CTR_CREATED, false, 0, 0, 0, false, HEALTH_UNKNOWN, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctr_facts f = { 0 };
        struct err e = { 0 };

        assert_int_equal(docker_decode_facts(str_of(cases[i].json), &f, NULL, &e), ERR_OK);
        assert_string_equal(f.id, ID);
        assert_int_equal(f.created_ms, MS1);
        assert_int_equal(f.status, cases[i].status);
        assert_int_equal(f.has_exit_code, cases[i].has_code);
        assert_int_equal(f.exit_code, cases[i].code);
        assert_int_equal(f.started_ms, cases[i].started_ms);
        assert_int_equal(f.finished_ms, cases[i].finished_ms);
        assert_int_equal(f.oom_killed, cases[i].oom);
        assert_int_equal(f.health, cases[i].health);
        assert_string_equal(f.error, cases[i].error);
        ctr_facts_fini(&f);
    }
}

#define PORTS(members)                                                                             \
    "{\"Id\":\"" ID "\",\"State\":{\"Running\":true},\"NetworkSettings\":{\"Ports\":{" members "}" \
    "}"                                                                                            \
    "}"

static void bindings_are_sorted(void **state)
{
    static const struct port_binding want[] = {
        { "0.0.0.0", 80, 32770, PORT_TCP },     { "::", 80, 32770, PORT_TCP },
        { "127.0.0.1", 8080, 1, PORT_TCP },     { "127.0.0.1", 8080, 2, PORT_TCP },
        { "127.0.0.1", 8080, 65535, PORT_TCP }, { "", 53, 53, PORT_UDP },
    };
    struct ctr_facts f;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(
        docker_decode_facts(str_of(PORTS("\"53/udp\":[{\"HostPort\":\"53\"}],"
                                         "\"8080/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":"
                                         "\"65535\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"2\"},"
                                         "{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"1\"}],"
                                         "\"9/tcp\":null,\"7/tcp\":[],\"6/tcp\":[{\"HostIp\":\"\","
                                         "\"HostPort\":\"\"}],"
                                         "\"5/sctp\":[{\"HostPort\":\"5\"}],"
                                         "\"80/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"32770\"},"
                                         "{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"32770\"}]")),
                            &f, NULL, &e),
        ERR_OK);
    assert_int_equal(f.n_bindings, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_string_equal(f.bindings[i].ip, want[i].ip);
        assert_int_equal(f.bindings[i].container_port, want[i].container_port);
        assert_int_equal(f.bindings[i].host_port, want[i].host_port);
        assert_int_equal(f.bindings[i].proto, want[i].proto);
    }
    ctr_facts_fini(&f);
}

static void facts_that_cannot_be_read(void **state)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        { "", "not JSON" },
        { "null", "Id" },
        { "[]", "Id" },
        { "<html>", "not JSON" },
        { "{}", "Id" },
        { "{\"Id\":5,\"State\":{}}", "Id: expected string" },
        { "{\"Id\":\"\",\"State\":{}}", "Id" },
        { "{\"Id\":\"" ID ID "\",\"State\":{}}", "Id" },
        { "{\"Id\":\"a\\u0000b\",\"State\":{}}", "NUL" },
        { "{\"Id\":\"a\"}", "State: expected object" },
        { "{\"Id\":\"a\",\"State\":[]}", "State: expected object" },
        { "{\"Id\":\"a\",\"State\":\"running\"}", "State: expected object" },
        { "{\"Id\":\"a\",\"Created\":\"yesterday\",\"State\":{}}", "Created" },
        { STATE("\"Running\":\"yes\""), "State.Running" },
        { STATE("\"Running\":1"), "State.Running" },
        { STATE("\"Dead\":\"no\""), "State.Dead" },
        { STATE("\"ExitCode\":\"0\""), "State.ExitCode" },
        { STATE("\"ExitCode\":1.5"), "State.ExitCode" },
        { STATE("\"ExitCode\":99999999999"), "State.ExitCode" },
        { STATE("\"Error\":{}"), "State.Error" },
        { STATE("\"StartedAt\":0"), "State.StartedAt" },
        { STATE("\"StartedAt\":\"now\""), "State.StartedAt" },
        { STATE("\"FinishedAt\":\"2026-01-02\""), "State.FinishedAt" },
        { STATE("\"Health\":\"healthy\""), "State.Health" },
        { STATE("\"Health\":{\"Status\":1}"), "State.Health.Status" },
        { STATE("\"Running\":true,\"StartedAt\":" T1) "x", "not JSON" },
        { "{\"Id\":\"" ID "\",\"State\":{\"Running\":tr", "not JSON" },
        { PORTS("\"0/tcp\":[]"), "0/tcp" },
        { PORTS("\"65536/tcp\":[]"), "65536/tcp" },
        { PORTS("\"99999999999999999999/tcp\":[]"), "99999999999999999999/tcp" },
        { PORTS("\"tcp\":[]"), "tcp" },
        { PORTS("\"\":[]"), "not a port" },
        { PORTS("\"/\":[]"), "not a port" },
        { PORTS("\"80/tcp\":{}"), "expected array" },
        { PORTS("\"80/tcp\":[{\"HostPort\":80}]"), "HostPort" },
        { PORTS("\"80/tcp\":[{\"HostPort\":\"65536\"}]"), "not a host port" },
        { PORTS("\"80/tcp\":[{\"HostPort\":\"-1\"}]"), "not a host port" },
        { PORTS("\"80/tcp\":[{\"HostPort\":\"8 0\"}]"), "not a host port" },
        { PORTS("\"80/tcp\":[{\"HostPort\":\"1\"},{\"HostPort\":\"1\",\"HostIp\":"
                "\"1234567890123456789012345678901234567890123456\"}]"),
          "not a host port" },
        { "{\"Id\":\"a\",\"State\":{},\"NetworkSettings\":[]}", "NetworkSettings" },
        { "{\"Id\":\"a\",\"State\":{},\"NetworkSettings\":{\"Ports\":7}}", "Ports" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctr_facts f = { .exit_code = 77 };
        struct err e = { 0 };

        if (docker_decode_facts(str_of(cases[i].json), &f, NULL, &e) == ERR_OK)
            fail_msg("'%s' was accepted", cases[i].json);
        assert_int_equal(e.code, ERR_IO);
        if (!strstr(e.msg, cases[i].text))
            fail_msg("'%s' does not name '%s'", e.msg, cases[i].text);
        assert_int_equal(f.exit_code, 77);
        assert_null(f.bindings);
    }
}

static void a_long_error_is_cut_at_a_character(void **state)
{
    struct buf json = BUF_INIT(4096);
    struct ctr_facts f;
    struct err e = { 0 };

    (void)state;
    buf_puts(&json, "{\"Id\":\"a\",\"State\":{\"Error\":\"x");
    for (int i = 0; i < 400; i++)
        buf_puts(&json, "\xc3\xa9");
    buf_puts(&json, "\"}}");
    assert_int_equal(docker_decode_facts(buf_str(&json), &f, NULL, &e), ERR_OK);
    assert_int_equal(strlen(f.error), 511);
    assert_int_equal((unsigned char)f.error[510], 0xa9);
    ctr_facts_fini(&f);
    buf_fini(&json);
}

static void small_answers(void **state)
{
    static const struct {
        const char *json;
        enum err_code tty_code, id_code;
        bool tty;
    } cases[] = {
        { "{\"Id\":\"" ID "\",\"Config\":{\"Tty\":true}}", ERR_OK, ERR_OK, true },
        { "{\"Id\":\"a\",\"Warnings\":[],\"Config\":{\"Tty\":false}}", ERR_OK, ERR_OK, false },
        { "{\"Id\":\"\",\"Config\":{}}", ERR_OK, ERR_IO, false },
        { "{\"Id\":7,\"Config\":{\"Tty\":\"yes\"}}", ERR_IO, ERR_IO, false },
        { "{\"Id\":\"" ID ID "\"}", ERR_IO, ERR_IO, false },
        { "{\"Id\":\"a", ERR_IO, ERR_IO, false },
        { "[]", ERR_IO, ERR_IO, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str json = str_of(cases[i].json);
        char id[DOCKER_ID_SIZE];
        bool tty = false;
        struct err e = { 0 };

        assert_int_equal(docker_decode_tty(json, &tty, &e), cases[i].tty_code);
        assert_int_equal(tty, cases[i].tty);
        assert_int_equal(docker_decode_created(json, id, &e), cases[i].id_code);
    }
}

/* ---- list ---- */

static void lists(void **state)
{
    static const char json[] =
        "[{\"Id\":\"i1\",\"Names\":[\"/other/alias\",\"/web\"],\"State\":\"running\",\"Labels\":{"
        "\"com.amazonaws.ecs.task-arn\":\"arn:1\",\"com.amazonaws.ecs.container-name\":\"w\"}},"
        "{\"Id\":\"i2\",\"Names\":null,\"State\":\"exited\",\"Labels\":null},"
        "{\"Id\":\"i3\",\"Names\":[\"/a/b\"]}]";
    static const char *const wrong[] = {
        "",
        "{}",
        "null",
        "[5]",
        "[{}]",
        "[{\"Id\":1}]",
        "[{\"Id\":\"a\",\"Names\":\"x\"}]",
        "[{\"Id\":\"a\",\"Names\":[1]}]",
        "[{\"Id\":\"a\",\"State\":1}]",
        "[{\"Id\":\"a\",\"Labels\":[]}]",
        "[{\"Id\":\"a\",\"Labels\":{\"com.amazonaws.ecs.task-arn\":1}}]",
        "[{\"Id\":\"a\"}",
    };
    struct docker_rows l;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_decode_list(str_of(json), &l, &e), ERR_OK);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.rows[0].id, "i1");
    assert_string_equal(l.rows[0].name, "web");
    assert_string_equal(l.rows[0].state, "running");
    assert_string_equal(l.rows[0].task_arn, "arn:1");
    assert_string_equal(l.rows[0].container_name, "w");
    assert_string_equal(l.rows[1].name, "");
    assert_null(l.rows[1].task_arn);
    assert_string_equal(l.rows[2].name, "b");
    assert_string_equal(l.rows[2].state, "");
    docker_rows_fini(&l);
    assert_int_equal(docker_decode_list(str_of("[]"), &l, &e), ERR_OK);
    assert_int_equal(l.n, 0);
    docker_rows_fini(&l);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(docker_decode_list(str_of(wrong[i]), &l, &e), ERR_IO);
}

/* ---- failures ---- */

static void failures(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_code want;
        const char *text;
    } cases[] = {
        { 404, "{\"message\":\"No such container: x\"}\n", ERR_NOT_FOUND,
          "Error response from daemon: No such container: x" },
        { 409, "{\"message\":\"in use\"}", ERR_CONFLICT, "Error response from daemon: in use" },
        { 304, "", ERR_CONFLICT, "the Docker Engine answered with status 304" },
        { 400, "{\"message\":\"bad\"}", ERR_INVALID, "Error response from daemon: bad" },
        { 401, "{\"message\":\"a\"}", ERR_DENIED, "Error response from daemon: a" },
        { 403, "{\"message\":\"a\"}", ERR_DENIED, "Error response from daemon: a" },
        { 418, "{\"message\":\"a\"}", ERR_INVALID, "Error response from daemon: a" },
        { 429, "{\"message\":\"toomanyrequests: a\"}", ERR_IO,
          "Error response from daemon: toomanyrequests: a" },
        { 502, "{\"message\":\"a\"}", ERR_IO, "Error response from daemon: a" },
        { 503, "{\"message\":\"a\"}", ERR_IO, "Error response from daemon: a" },
        { 504, "{\"message\":\"a\"}", ERR_IO, "Error response from daemon: a" },
        { 408, "{\"message\":\"a\"}", ERR_IO, "Error response from daemon: a" },
        { 429, "slower", ERR_RETRY, "the Docker Engine answered with status 429: slower" },
        { 500, "{\"message\":\"a\"}", ERR_IO, "Error response from daemon: a" },
        { 501, "{\"message\":\"a\"}", ERR_INVALID, "Error response from daemon: a" },
        { 502, "<html>\r\n<b>Bad Gateway</b></html>\n", ERR_RETRY,
          "the Docker Engine answered with status 502: <html>  <b>Bad Gateway</b></html>" },
        { 503, "", ERR_RETRY, "the Docker Engine answered with status 503" },
        { 500, "plain", ERR_RETRY, "the Docker Engine answered with status 500: plain" },
        { 500, "{\"message\":5}", ERR_RETRY,
          "the Docker Engine answered with status 500: {\"message\":5}" },
        { 500, "{\"message\":\"\"}", ERR_RETRY,
          "the Docker Engine answered with status 500: {\"message\":\"\"}" },
        { 500, "{\"message\":\"cut", ERR_RETRY,
          "the Docker Engine answered with status 500: {\"message\":\"cut" },
        { 500, "[]", ERR_RETRY, "the Docker Engine answered with status 500: []" },
        { 500, "\x01\xff\x1b[31m", ERR_RETRY,
          "the Docker Engine answered with status 500:    [31m" },
        { 100, "", ERR_IO, "the Docker Engine answered with status 100" },
    };
    static char big[100000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };

        assert_int_equal(docker_decode_failure(cases[i].status, str_of(cases[i].body), &e),
                         cases[i].want);
        assert_string_equal(e.msg, cases[i].text);
    }
    for (int as_json = 0; as_json < 2; as_json++) {
        struct err e = { 0 };

        memset(big, 'x', sizeof big - 1);
        if (as_json) {
            memcpy(big, "{\"message\":\"", 12);
            memcpy(big + sizeof big - 3, "\"}", 2);
        }
        docker_decode_failure(500, str_of(big), &e);
        assert_in_range(strlen(e.msg), 100, sizeof e.msg - 1);
    }
}

/* ---- events ---- */

#define EVENT(action, attrs)                                                     \
    "{\"status\":\"x\",\"id\":\"i\",\"Type\":\"container\",\"Action\":\"" action \
    "\",\"Actor\":{\"ID\":\"" ID "\",\"Attributes\":{\"name\":\"web\"," attrs    \
    "\"image\":\"b\"}},\"time\":1767323045,\"timeNano\":1767323045006789012}"

static void events(void **state)
{
    static const struct {
        const char *json;
        enum docker_action action;
        bool has_code;
        int code;
    } cases[] = {
        { EVENT("create", ""), DOCKER_CREATE, false, 0 },
        { EVENT("start", "\"exitCode\":\"5\","), DOCKER_START, false, 0 },
        { EVENT("die", "\"exitCode\":\"137\","), DOCKER_DIE, true, 137 },
        { EVENT("die", "\"exitCode\":\"-1\","), DOCKER_DIE, true, -1 },
        { EVENT("die", "\"exitCode\":\"\","), DOCKER_DIE, false, 0 },
        { EVENT("die", "\"exitCode\":\"9 \","), DOCKER_DIE, false, 0 },
        { EVENT("die", "\"exitCode\":\"99999999999\","), DOCKER_DIE, false, 0 },
        { EVENT("die", "\"exitCode\":7,"), DOCKER_DIE, false, 0 },
        { EVENT("die", ""), DOCKER_DIE, false, 0 },
        { EVENT("oom", ""), DOCKER_OOM, false, 0 },
        { EVENT("destroy", ""), DOCKER_DESTROY, false, 0 },
        { EVENT("restart", ""), DOCKER_RESTART, false, 0 },
        { EVENT("health_status: healthy", ""), DOCKER_HEALTHY, false, 0 },
        { EVENT("health_status: unhealthy", ""), DOCKER_UNHEALTHY, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker_event ev = { 0 };
        struct json_t *doc = NULL;
        struct err e = { 0 };
        bool known = false;

        assert_int_equal(docker_decode_event(str_of(cases[i].json), &ev, &known, &doc, &e), ERR_OK);
        assert_true(known);
        assert_int_equal(ev.action, cases[i].action);
        assert_int_equal(ev.has_exit_code, cases[i].has_code);
        assert_int_equal(ev.exit_code, cases[i].code);
        assert_string_equal(ev.id, ID);
        assert_string_equal(ev.name, "web");
        assert_int_equal(ev.time_ms, MS1);
        assert_null(ev.task_arn);
        json_free(doc);
    }
}

static void an_event_carries_its_labels(void **state)
{
    struct docker_event ev;
    struct json_t *doc = NULL;
    struct err e = { 0 };
    bool known = false;

    (void)state;
    assert_int_equal(
        docker_decode_event(str_of("{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":"
                                   "\"i\",\"Attributes\":{\"com.amazonaws.ecs.task-arn\":\"arn:1\","
                                   "\"com.amazonaws.ecs.container-name\":\"w\"}},\"time\":5}"),
                            &ev, &known, &doc, &e),
        ERR_OK);
    assert_true(known);
    assert_string_equal(ev.task_arn, "arn:1");
    assert_string_equal(ev.container_name, "w");
    assert_string_equal(ev.name, "");
    assert_int_equal(ev.time_ms, 5000);
    json_free(doc);
}

static void events_of_no_interest(void **state)
{
    static const struct {
        const char *json;
        enum err_code want;
    } cases[] = {
        { EVENT("exec_create: sh", ""), ERR_OK },
        { EVENT("health_status: starting", ""), ERR_OK },
        { EVENT("attach", ""), ERR_OK },
        { EVENT("", ""), ERR_OK },
        { "{\"Type\":\"image\",\"Action\":\"create\",\"Actor\":{\"ID\":\"i\"}}", ERR_OK },
        { "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"\"}}", ERR_OK },
        { "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":5}}", ERR_OK },
        { "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":[]}", ERR_OK },
        { "{\"Type\":\"container\",\"Action\":5,\"Actor\":{\"ID\":\"i\"}}", ERR_OK },
        { "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"i\"},\"time\":-1}",
          ERR_OK },
        { "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"i\","
          "\"Attributes\":\"x\"}}",
          ERR_OK },
        { "{}", ERR_OK },
        { "[]", ERR_OK },
        { "5", ERR_OK },
        { "", ERR_IO },
        { "{\"Type\":\"container\"", ERR_IO },
        { "HTTP/1.1 200 OK", ERR_IO },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct docker_event ev;
        struct json_t *doc = NULL;
        struct err e = { 0 };
        bool known = false;

        assert_int_equal(docker_decode_event(str_of(cases[i].json), &ev, &known, &doc, &e),
                         cases[i].want);
        assert_false(known);
        assert_null(doc);
    }
}

/* ---- pull ---- */

static void progress(void **state)
{
    static const struct {
        const char *json;
        enum err_code want;
        const char *text;
    } cases[] = {
        { "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":3145728,\"total\":"
          "10485760},\"progress\":\"[=>]\",\"id\":\"a1b2c3d4e5f6\"}",
          ERR_OK, "layer a1b2c3d4e5f6: Downloading 3.1 of 10 MB" },
        { "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"a1b2c3d4e5f6\"}", ERR_OK,
          "layer a1b2c3d4e5f6: Pull complete" },
        { "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}", ERR_OK,
          "latest: Pulling from library/busybox" },
        { "{\"status\":\"Digest: sha256:12\"}", ERR_OK, "Digest: sha256:12" },
        { "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":1,\"units\":\"s\"},\"id\":"
          "\"a1b2c3d4e5f6\"}",
          ERR_OK, "layer a1b2c3d4e5f6: Extracting" },
        { "{\"progressDetail\":{}}", ERR_OK, "" },
        { "{\"status\":5}", ERR_OK, "" },
        { "{\"status\":\"a\",\"progressDetail\":{\"current\":\"x\",\"total\":1}}", ERR_OK, "" },
        { "{\"status\":\"a\",\"progressDetail\":{\"current\":9223372036854775807,\"total\":"
          "9223372036854775807}}",
          ERR_OK, "a 9223372036854 of 9223372036854 MB" },
        { "[]", ERR_OK, "" },
        { "{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}",
          ERR_IO, "manifest unknown" },
        { "{\"error\":\"short\"}", ERR_IO, "short" },
        { "{\"errorDetail\":{\"message\":\"only here\"}}", ERR_IO, "only here" },
        { "{\"errorDetail\":{\"code\":1}}", ERR_IO, "the pull failed" },
        { "{\"error\":5,\"status\":\"fine\"}", ERR_IO, "the pull failed" },
        { "{\"error\":\"\"}", ERR_IO, "the pull failed" },
    };
    char human[DOCKER_PROGRESS_SIZE];
    static char big[5000];
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        e = (struct err){ 0 };
        assert_int_equal(docker_decode_progress(str_of(cases[i].json), human, &e), cases[i].want);
        assert_string_equal(e.code ? e.msg : human, cases[i].text);
    }
    assert_int_equal(docker_decode_progress(str_of("{\"status\":\"a"), human, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "not JSON"));
    memset(big, 'x', sizeof big - 1);
    memcpy(big, "{\"id\":\"i\",\"status\":\"", 20);
    memcpy(big + sizeof big - 3, "\"}", 2);
    assert_int_equal(docker_decode_progress(str_of(big), human, &e), ERR_OK);
    assert_in_range(strlen(human), 100, DOCKER_PROGRESS_SIZE - 1);
}

/* Every prefix of a good answer is refused, not misread. */
static void truncated_answers(void **state)
{
    static const char json[] = PORTS("\"80/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"1\"}]");
    struct ctr_facts f;
    struct docker_event ev;
    struct json_t *doc = NULL;
    bool known;

    (void)state;
    for (size_t n = 0; n < sizeof json - 1; n++) {
        char *exact = mem_alloc(n ? n : 1);

        memcpy(exact, json, n);
        assert_int_equal(
            docker_decode_facts((struct str){ exact, n }, &f, NULL, &(struct err){ 0 }), ERR_IO);
        assert_int_equal(
            docker_decode_event((struct str){ exact, n }, &ev, &known, &doc, &(struct err){ 0 }),
            ERR_IO);
        free(exact);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(states),
        cmocka_unit_test(bindings_are_sorted),
        cmocka_unit_test(facts_that_cannot_be_read),
        cmocka_unit_test(a_long_error_is_cut_at_a_character),
        cmocka_unit_test(small_answers),
        cmocka_unit_test(lists),
        cmocka_unit_test(failures),
        cmocka_unit_test(events),
        cmocka_unit_test(an_event_carries_its_labels),
        cmocka_unit_test(events_of_no_interest),
        cmocka_unit_test(progress),
        cmocka_unit_test(truncated_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
