/* links: endpoints aws io base task */
/* Protection of tasks: every answer, over real sockets. */
#include "component/ecs_endpoints_world.h"

#define PATH                   "/api/known/task-protection/v1/state"
#define PUT_OF                 "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":60}"
#define TASKS                  "\"tasks\":[\"" TASK "\"]}"
#define ASKS                   "{\"cluster\":\"shop\"," TASKS
#define WISHES                 "{\"cluster\":\"shop\",\"protectionEnabled\":true,\"expiresInMinutes\":60," TASKS
#define BY_ROLE                "Credential=AKROLE/"
#define ARN                    "\"Arn\":\"" TASK "\","
#define ERROR(arn, code, text) "{\"error\":{" arn "\"Code\":\"" code "\",\"Message\":\"" text "\"}}"

static int say(struct world *w, const char *method, const char *path, const char *body,
               struct client_reply *r)
{
    AUTO(str)
    char *text = mem_printf("%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", method,
                            path, strlen(body), body);
    int fd = client_dial(w->port, NULL);
    bool done = client_say(fd, text) && client_read(fd, !streq(method, "HEAD"), r);

    close(fd);
    return done ? r->status : 0;
}

static void assert_reply(const struct client_reply *r, int status, const char *body)
{
    assert_string_equal(buf_text(&r->body), body);
    assert_int_equal(r->status, status);
}

/* ---- what ECS says ---- */

static void put_and_get(struct world *w)
{
    say(w, "PUT", PATH, PUT_OF, &w->replies[0]);
    say(w, "GET", PATH, "not looked at", &w->replies[1]);
    say(w, "GET", PATH, "", &w->replies[2]);
    say(w, "GET", PATH, "", &w->replies[3]);
}

static void test_asked(void **state)
{
    static const struct step steps[] = {
        { .in_head = "X-Amz-Target: ECS.UpdateTaskProtection\r\n",
          .too_in_head = BY_ROLE,
          .body = WISHES,
          .status = 200,
          .answer = "{\"protectedTasks\":[{\"taskArn\":\"" TASK "\",\"protectionEnabled\":true,"
                    "\"expirationDate\":1741072200.25}],\"failures\":[]}" },
        { .in_head = "X-Amz-Target: ECS.GetTaskProtection\r\n",
          .too_in_head = "X-Amz-Security-Token: RT\r\n",
          .body = ASKS,
          .status = 200,
          .answer = "{\"protectedTasks\":[],\"failures\":[{\"arn\":\"" TASK
                    "\",\"reason\":\"TASK_NOT_VALID\"}]}" },
        { .status = 400,
          .headers = "x-amzn-RequestId: r-1\r\n",
          .answer = "{\"__type\":\"AccessDeniedException\",\"message\":\"not you\"}" },
        { .status = 500, .answer = "{\"__type\":\"ServerException\",\"message\":\"sorry\"}" },
        { .how = RESETS },
        { .status = 500,
          .headers = "x-amzn-RequestId: r-2\r\n",
          .answer = "{\"__type\":\"ServerException\",\"message\":\"sorry\"}" },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, put_and_get);
    assert_reply(&w.replies[0], 200,
                 "{\"protection\":{\"ExpirationDate\":\"2025-03-04T07:10:00.25Z\","
                 "\"ProtectionEnabled\":true,\"TaskArn\":\"" TASK "\"}}");
    assert_reply(&w.replies[1], 200,
                 "{\"failure\":{" ARN "\"Detail\":null,\"Reason\":\"TASK_NOT_VALID\"}}");
    assert_reply(&w.replies[2], 400,
                 "{\"requestID\":\"r-1\",\"error\":{" ARN
                 "\"Code\":\"AccessDeniedException\",\"Message\":\"not you\"}}");
    assert_reply(&w.replies[3], 500,
                 "{\"requestID\":\"r-2\",\"error\":{" ARN
                 "\"Code\":\"ServerException\",\"Message\":\"sorry\"}}");
    assert_non_null(strstr(buf_text(&w.replies[0].head), "\r\nContent-Type: application/json\r\n"));
    tear_down(&w);
}

/* ---- what does not get there ---- */

static const struct {
    const char *method, *path, *body;
    bool no_role, gone;
    int status;
    const char *want;
} rows[] = {
    { "PUT", PATH, "{", false, false, 400,
      ERROR("", "InvalidParameterException", "UpdateTaskProtection: failed to decode request") },
    { "PUT", "/api/x/task-protection/v1/state", "{", false, false, 400,
      ERROR("", "InvalidParameterException", "UpdateTaskProtection: failed to decode request") },
    { "PUT", "/api/x/task-protection/v1/state", "{}", false, false, 404,
      ERROR("", "ResourceNotFoundException", "Failed to find a task for the request") },
    { "GET", "/api/x/task-protection/v1/state", "", false, false, 404,
      ERROR("", "ResourceNotFoundException", "Failed to find a task for the request") },
    { "GET", PATH, "", false, true, 500,
      ERROR("", "ServerException", "Failed to find a task for the request") },
    { "PUT", PATH, "{\"ExpiresInMinutes\":5}", true, false, 400,
      ERROR(ARN, "InvalidParameterException",
            "Invalid request: does not contain 'ProtectionEnabled' field") },
    { "PUT", PATH, PUT_OF, true, false, 403,
      ERROR(ARN, "AccessDeniedException",
            "Invalid Request: no task IAM role credentials available for task") },
    { "GET", PATH, "", true, false, 403,
      ERROR(ARN, "AccessDeniedException",
            "Invalid Request: no task IAM role credentials available for task") },
    { "POST", PATH, "{}", false, false, 405, "" },
    { "HEAD", PATH, "", false, false, 405, "" },
    { "GET", PATH "/", "", false, false, 404, "404 page not found\n" },
};

static size_t at;

static void say_row(struct world *w)
{
    say(w, rows[at].method, rows[at].path, rows[at].body, &w->replies[0]);
}

static void test_refused(void **state)
{
    struct world w;

    (void)state;
    set_up(&w, NULL, 0, 0);
    for (at = 0; at < COUNT_OF(rows); at++) {
        print_message("%s %s %s\n", rows[at].method, rows[at].path, rows[at].body);
        w.role = rows[at].no_role ? "none" : "role";
        w.task_gone = rows[at].gone;
        run_clients(&w, say_row);
        assert_reply(&w.replies[0], rows[at].status, rows[at].want);
    }
    tear_down(&w);
}

/* The keys of another task's role are none. */
static void get_once(struct world *w)
{
    say(w, "GET", PATH, "", &w->replies[0]);
}

static void test_keys_of_another_task(void **state)
{
    const struct role_credentials other = { .id = "other",
                                            .role_arn = "arn:aws:iam::210987654321:role/other",
                                            .access_key = "AKOTHER",
                                            .secret_key = "S",
                                            .session_token = "T",
                                            .expiration = "2035-03-04T11:22:33Z",
                                            .task_arn = TASK "-other" };
    struct world w;

    (void)state;
    set_up(&w, NULL, 0, 0);
    roles_put(w.roles, &other);
    w.role = "other";
    run_clients(&w, get_once);
    assert_int_equal(w.replies[0].status, 403);
    tear_down(&w);
}

/* ---- time ---- */

static void ask_slow(struct world *w)
{
    AUTO(str) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: h\r\n\r\n", PATH);
    int fd = client_dial(w->port, NULL);

    client_say(fd, text);
    say(w, "GET", "/v4/known", "", &w->replies[1]);
    if (client_wait(fd, 0))
        w->replies[1].status = -1; /* it was not answered meanwhile */
    client_read(fd, true, &w->replies[0]);
    close(fd);
}

static void test_slow(void **state)
{
    static const struct step steps[] = { { .body = ASKS, .how = HANGS } };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 2000);
    run_clients(&w, ask_slow);
    assert_int_equal(w.replies[1].status, 200);
    assert_reply(&w.replies[0], 504,
                 ERROR(ARN, "RequestCanceled", "Timed out calling ECS Task Protection API"));
    tear_down(&w);
}

static void hang_up(struct world *w)
{
    AUTO(str) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: h\r\n\r\n", PATH);
    int fd = client_dial(w->port, NULL);

    client_say(fd, text);
    wait_for_ecs(w, 1);
    hang_up_on(fd);
    say(w, "GET", PATH, "", &w->replies[1]);
}

/* The call ends with the client: the script comes to its second step at once. */
static void test_client_that_hangs_up(void **state)
{
    static const struct step steps[] = {
        { .body = ASKS, .how = HANGS },
        { .body = ASKS,
          .status = 200,
          .answer =
              "{\"protectedTasks\":[{\"taskArn\":\"" TASK "\",\"protectionEnabled\":false}]}" },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, hang_up);
    assert_reply(&w.replies[1], 200,
                 "{\"protection\":{\"ExpirationDate\":null,\"ProtectionEnabled\":false,"
                 "\"TaskArn\":\"" TASK "\"}}");
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keys_of_another_task),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_client_that_hangs_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
