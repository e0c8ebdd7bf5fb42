/* links: endpoints aws io base */
#include <fcntl.h>

#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "endpoints/credentials.h"
#include "support/check.h"
#include "support/http_clients.h"

#define TASK     "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define INSTANCE "arn:aws:ecs:eu-west-1:210987654321:container-instance/shop/90ab"

/* Exactly the example of the specification. */
#define KEYS                                                                      \
    "{\"RoleArn\":\"arn:aws:iam::210987654321:role/orders\",\"AccessKeyId\":"     \
    "\"ASIAXAMPLE7Q2ZK4\",\"SecretAccessKey\":\"kJ3v/Example+Secret\",\"Token\":" \
    "\"IQoJexample==\",\"Expiration\":\"2025-03-04T11:22:33Z\"}"
#define NOT_YET                                                                   \
    "{\"code\":\"CredentialsUninitialized\",\"message\":\"CredentialsV2Request: " \
    "Credentials uninitialized for ID\",\"HTTPErrorCode\":503}"

struct ask {
    const char *method, *target, *source;
    int status;
    const char *body;  /* NULL: any */
    const char *audit; /* of the line, after its address; NULL: no line */
};

struct world {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct http_server *server;
    struct route routes[4];
    struct endpoint_listener listener;
    struct credentials_endpoint endpoint;
    char dir[40], path[64];
    uint16_t port;
    const char *task; /* who the listener is told to ask; NULL: not known */
    const struct ask *asks;
    size_t n_asks;
    struct client_reply replies[80];
    struct buf log;
};

static void on_watchdog(void *user)
{
    (void)user;
    fail_msg("the test did not end in time");
}

static enum credentials_kind on_known(void *user, const char *id)
{
    (void)user;
    if (streq(id, "ended"))
        return CREDENTIALS_ENDED;
    if (streq(id, "execution"))
        return CREDENTIALS_EXECUTION;
    return streq(id, "task") || streq(id, "restored") ? CREDENTIALS_TASK : CREDENTIALS_UNKNOWN;
}

/* 127.0.0.9 is a container of another task; of 127.0.0.1 nothing is known. */
static enum credentials_may on_may(void *user, const struct http_call_head *head, const char *id)
{
    (void)user;
    if (streq(head->peer.address, "127.0.0.9"))
        return CREDENTIALS_REFUSE;
    return streq(id, "task") ? CREDENTIALS_ALLOW : CREDENTIALS_CALLER_UNKNOWN;
}

static const char *on_who(void *user, const struct http_call_head *head)
{
    struct world *w = user;

    (void)head;
    return w->task;
}

static void on_v1(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v1(&((struct world *)user)->endpoint, c, m);
}

static void on_v2(void *user, struct http_call *c, const struct route_match *m)
{
    credentials_serve_v2(&((struct world *)user)->endpoint, c, m);
}

static void on_error(void *user, struct http_call *c, const struct route_match *m)
{
    AUTO(str) char *text = mem_strndup(m->parts[0].p, m->parts[0].n);

    endpoint_reply_error(&((struct world *)user)->listener, c, 404, text);
}

static void on_limited(void *user, struct http_call *c, struct str path)
{
    credentials_audit_limited(&((struct world *)user)->endpoint, c, path);
}

static void on_call(void *user, struct http_call *c)
{
    endpoint_serve(&((struct world *)user)->listener, c);
}

static void put(struct roles *r, const char *id)
{
    struct role_credentials c = { .id = id,
                                  .role_arn = "arn:aws:iam::210987654321:role/orders",
                                  .access_key = "ASIAXAMPLE7Q2ZK4",
                                  .secret_key = "kJ3v/Example+Secret",
                                  .session_token = "IQoJexample==",
                                  .expiration = "2025-03-04T11:22:33Z",
                                  .task_arn = TASK };

    roles_put(r, &c);
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    struct roles *roles = roles_create();
    struct log_file_rule rule = { 0 };
    struct audit *audit = NULL;
    struct http_server_args args = { .fd = -1, .address = "127.0.0.1", .handle = on_call };
    struct err e = { 0 };

    snprintf(w->dir, sizeof w->dir, "/tmp/berth-test-XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(w->path, sizeof w->path, "%s/audit.log", w->dir);
    put(roles, "task");
    put(roles, "execution");
    put(roles, "a/b");
    put(roles, "ended");
    if (audit_open(w->path, &rule, -1, &audit, &e))
        return -1;
    audit_set_instance(audit, "shop", INSTANCE);
    w->routes[0] = (struct route){ "/v1/credentials", NULL, on_v1, w };
    w->routes[1] = (struct route){ "/v2/credentials/**", NULL, on_v2, w };
    w->routes[2] = (struct route){ "/v4/*", NULL, on_error, w };
    w->routes[3] = (struct route){ "/api/*", "PUT", on_error, w };
    w->listener = (struct endpoint_listener){ .routes = w->routes,
                                              .n_routes = COUNT_OF(w->routes),
                                              .limits = limits_create(&(const struct limits_args){
                                                  .rate = 1, .burst = 3 }),
                                              .who = on_who,
                                              .limited = on_limited,
                                              .user = w };
    w->endpoint = (struct credentials_endpoint){
        .roles = roles, .known = on_known, .may = on_may, .listener = &w->listener, .audit = audit
    };
    w->loop = loop_create();
    w->watchdog = loop_timer_create(w->loop, on_watchdog, w);
    loop_timer_arm(w->watchdog, 60000);
    args.loop = w->loop;
    args.user = w;
    if (http_server_create(&args, &w->server, &e))
        return -1;
    w->port = http_server_port(w->server);
    buf_init(&w->log, 1 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    int rc;

    http_server_destroy(w->server);
    loop_timer_destroy(w->watchdog);
    loop_destroy(w->loop);
    audit_close(w->endpoint.audit);
    roles_destroy((struct roles *)(uintptr_t)w->endpoint.roles);
    limits_destroy(w->listener.limits);
    for (size_t i = 0; i < COUNT_OF(w->replies); i++)
        client_reply_fini(&w->replies[i]);
    buf_fini(&w->log);
    unlink(w->path);
    rc = rmdir(w->dir);
    free(w);
    return rc;
}

static void ask_all(void *user)
{
    struct world *w = user;
    char text[1024];

    for (size_t i = 0; i < w->n_asks; i++) {
        const struct ask *a = &w->asks[i];
        int fd = client_dial(w->port, a->source);

        snprintf(text, sizeof text,
                 "%s %s HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.5.0\r\n"
                 "X-Forwarded-For: 1.2.3.4\r\n\r\n",
                 a->method, a->target);
        client_say(fd, text);
        client_read(fd, !streq(a->method, "HEAD"), &w->replies[i]);
        close(fd);
    }
}

static void stop(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static void ask(struct world *w, const struct ask *asks, size_t n)
{
    int fd;
    ssize_t got;

    assert_true(n <= COUNT_OF(w->replies));
    w->asks = asks;
    w->n_asks = n;
    loop_work(w->loop, ask_all, stop, w);
    loop_run(w->loop);
    buf_reset(&w->log);
    fd = open(w->path, O_RDONLY);
    assert_true(fd >= 0);
    got = read(fd, buf_reserve(&w->log, (size_t)1 << 19), (size_t)1 << 19);
    close(fd);
    assert_true(got >= 0);
    buf_grew(&w->log, (size_t)got);
}

/* The replies and the audit lines are those of the rows. */
static void check(struct world *w, const struct ask *asks, size_t n)
{
    const char *line;

    ask(w, asks, n);
    line = buf_text(&w->log);
    for (size_t i = 0; i < n; i++) {
        const char *end;
        char head[64];

        print_message("%s %s from %s\n", asks[i].method, asks[i].target,
                      asks[i].source ? asks[i].source : "-");
        assert_int_equal(w->replies[i].status, asks[i].status);
        if (asks[i].body)
            assert_string_equal(buf_text(&w->replies[i].body), asks[i].body);
        if (!asks[i].audit)
            continue;
        end = strchr(line, '\n');
        assert_non_null(end);
        snprintf(head, sizeof head, "Z %d %s:", asks[i].status,
                 asks[i].source ? asks[i].source : "127.0.0.1");
        assert_memory_equal(line + 19, head, strlen(head));
        line = strchr(line, '"');
        assert_non_null(line);
        assert_int_equal(end - line, strlen(asks[i].audit));
        assert_memory_equal(line, asks[i].audit, strlen(asks[i].audit));
        line = end + 1;
    }
    assert_string_equal(line, "");
}

#define V1(code, text, status)                                         \
    "{\"code\":\"" code "\",\"message\":\"CredentialsV1Request: " text \
    "\",\"HTTPErrorCode\":" #status "}"
#define V2(code, text, status)                                         \
    "{\"code\":\"" code "\",\"message\":\"CredentialsV2Request: " text \
    "\",\"HTTPErrorCode\":" #status "}"
#define NO_ROLE2 "\"/v2/credentials\" \"curl/8.5.0\" - "
#define NO_ROLE1 "\"/v1/credentials\" \"curl/8.5.0\" - "
#define ROLE(version, event) \
    "\"/v" version "/credentials\" \"curl/8.5.0\" " TASK " " event " 2 shop " INSTANCE

static void test_each_case(void **state)
{
    static const struct ask asks[] = {
        { "GET", "/v2/credentials/task", NULL, 200, KEYS, ROLE("2", "GetCredentials") },
        { "POST", "/v2/credentials/task", NULL, 200, KEYS, ROLE("2", "GetCredentials") },
        { "HEAD", "/v2/credentials/task", NULL, 200, "", ROLE("2", "GetCredentials") },
        { "GET", "/v1/credentials?x=y&id=%74ask&id=no", NULL, 200, KEYS,
          ROLE("1", "GetCredentials") },
        { "GET", "/v2/credentials/execution?id=x", NULL, 200, KEYS,
          ROLE("2", "GetCredentialsExecutionRole") },
        { "GET", "/v2/credentials/a/b", NULL, 200, KEYS, ROLE("2", "GetCredentials") },
        { "GET", "/v2/credentials/restored", NULL, 503, NOT_YET, NO_ROLE2 },
        { "GET", "/v1/credentials?id=restored", NULL, 503,
          V1("CredentialsUninitialized", "Credentials uninitialized for ID", 503), NO_ROLE1 },
        { "GET", "/v2/credentials/", NULL, 400,
          V2("NoIdInRequest", "No Credential ID in the request", 400), NO_ROLE2 },
        { "GET", "/v1/credentials", "127.0.0.3", 400,
          V1("NoIdInRequest", "No Credential ID in the request", 400),
          "\"/v1/credentials\" \"curl/8.5.0\" - " },
        { "GET", "/v1/credentials?id=", "127.0.0.3", 400, NULL, NO_ROLE1 },
        { "GET", "/v2/credentials/ended", NULL, 400,
          V2("InvalidIdInRequest", "Credentials not found", 400), NO_ROLE2 },
        { "GET", "/v2/credentials/nobody", NULL, 400,
          V2("InvalidIdInRequest", "Credentials not found", 400), NO_ROLE2 },
        { "GET", "/v2/credentials/task/", NULL, 400, NULL, NO_ROLE2 },
        { "GET", "/v2/credentials/TASK", NULL, 400, NULL, NO_ROLE2 },
        { "GET", "/v1/credentials?id=nobody", "127.0.0.2", 400,
          V1("InvalidIdInRequest", "Credentials not found", 400), NO_ROLE1 },
    };
    struct world *w = *state;

    check(w, asks, COUNT_OF(asks));
    assert_null(strstr(buf_text(&w->log), "nobody"));
    assert_null(strstr(buf_text(&w->log), "Secret"));
}

static void test_another_task_is_refused(void **state)
{
    static const struct ask asks[] = {
        { "GET", "/v2/credentials/task", "127.0.0.9", 403,
          V2("AccessDenied", "Credentials belong to another task", 403),
          ROLE("2", "GetCredentials") },
        { "GET", "/v1/credentials?id=execution", "127.0.0.9", 403,
          V1("AccessDenied", "Credentials belong to another task", 403),
          ROLE("1", "GetCredentialsExecutionRole") },
        { "GET", "/v2/credentials/restored", "127.0.0.9", 403, NULL,
          "\"/v2/credentials\" \"curl/8.5.0\" - GetCredentials 2 shop " INSTANCE },
        /* No task's id tells nobody anything. */
        { "GET", "/v2/credentials/nobody", "127.0.0.9", 400, NULL, NO_ROLE2 },
        { "GET", "/v2/credentials/task", "127.0.0.2", 200, KEYS, ROLE("2", "GetCredentials") },
    };

    check(*state, asks, COUNT_OF(asks));
}

static void test_redirect_before_limit_before_not_found(void **state)
{
    static const struct ask asks[] = {
        { "GET", "/v2//credentials/task?a=b", NULL, 301, "", NULL },
        { "GET", "/v2//credentials/task?a=b", NULL, 301, "", NULL },
        { "GET", "/v2//credentials/task?a=b", NULL, 301, "", NULL },
        { "PUT", "/v4/../v2/credentials/task", NULL, 301, "", NULL },
        { "GET", "/v2/credentials", NULL, 404, "404 page not found\n", NULL },
        { "GET", "/v2/credentials", NULL, 404, "404 page not found\n", NULL },
        { "GET", "/v2/credentials", NULL, 404, "404 page not found\n", NULL },
        { "GET", "/v2/credentials", NULL, 429, "You have reached maximum request limit.",
          NO_ROLE2 },
        { "GET", "/v4/a%22b%3C", NULL, 404, "\"a\\\"b<\"", NULL },
        { "DELETE", "/api/x", NULL, 405, "", NULL },
        { "PUT", "/api/x", NULL, 404, "\"x\"", NULL },
        { "GET", "/v2/credentials/task%00", NULL, 400, "400 Bad Request", NULL },
        { "GET", "/v2/credentials/task", NULL, 200, KEYS, ROLE("2", "GetCredentials") },
    };
    struct world *w = *state;
    const char *head;

    check(w, asks, COUNT_OF(asks));
    head = buf_text(&w->replies[0].head);
    assert_non_null(strstr(head, "\r\nLocation: /v2/credentials/task?a=b\r\n"));
    assert_null(strstr(head, "X-Rate-Limit"));
    head = buf_text(&w->replies[4].head);
    assert_non_null(strstr(head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(head, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(head, "\r\nX-Rate-Limit-Limit: 1.00\r\n"));
    head = buf_text(&w->replies[7].head);
    assert_non_null(strstr(head, "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    head = buf_text(&w->replies[9].head);
    assert_null(strstr(head, "Allow:"));
    head = buf_text(&w->replies[12].head);
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nX-Rate-Limit-Duration: 1\r\n"));
    assert_non_null(strstr(head, "\r\nX-Rate-Limit-Request-Forwarded-For: 1.2.3.4\r\n"));
    assert_non_null(strstr(head, "\r\nX-Rate-Limit-Request-Remote-Addr: 127.0.0.1:"));
}

/* Two containers of one task share a limit; another address that is nobody's has its own. */
static void test_the_limit_is_of_the_task(void **state)
{
    static const struct ask asks[] = {
        { "GET", "/v2/credentials/task", "127.0.0.2", 200, KEYS, NULL },
        { "GET", "/v2/credentials/task", "127.0.0.3", 200, KEYS, NULL },
        { "GET", "/v2/credentials/task", "127.0.0.2", 200, KEYS, NULL },
        { "GET", "/v2/credentials/task", "127.0.0.3", 429, NULL, NULL },
    };
    struct world *w = *state;

    w->task = TASK;
    ask(w, asks, COUNT_OF(asks));
    for (size_t i = 0; i < COUNT_OF(asks); i++)
        assert_int_equal(w->replies[i].status, asks[i].status);
    w->task = NULL;
    ask(w, asks + 3, 1);
    assert_int_equal(w->replies[0].status, 200);
}

static void test_an_audit_log_that_is_off(void **state)
{
    static const struct ask asks[] = {
        { "GET", "/v2/credentials/task", NULL, 200, KEYS, NULL },
    };
    struct world *w = *state;
    struct audit *audit = w->endpoint.audit;

    w->endpoint.audit = NULL;
    check(w, asks, COUNT_OF(asks));
    w->endpoint.audit = audit;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_case, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_task_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirect_before_limit_before_not_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_limit_is_of_the_task, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_audit_log_that_is_off, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
