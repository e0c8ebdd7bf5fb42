/* links: endpoints aws io base task */
/* Tags of tasks: asked of ECS once for many, bounded in time, and never in the way. */
#include "component/ecs_endpoints_world.h"

#define ASKS_INSTANCE "{\"resourceArn\":\"" INSTANCE "\"}"
#define ASKS_TASK     "{\"resourceArn\":\"" TASK "\"}"
#define FOR_API       "User-Agent: Agent/1 container/api\r\n"
#define GET(target)   "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

#define RACK   "{\"tags\":[{\"key\":\"rack\",\"value\":\"7\"}]}"
#define TEAM   "{\"tags\":[{\"key\":\"team\",\"value\":\"payments\"},{\"key\":\"cost\"}]}"
#define TAGGED "\"TaskTags\":{\"cost\":\"\",\"team\":\"payments\"}"
#define RACKED "\"ContainerInstanceTags\":{\"rack\":\"7\"}"
#define DENIED "{\"__type\":\"AccessDeniedException\",\"message\":\"denied\"}"

#define FAILED(field, arn, attempts, why)                                              \
    "{\"ErrorField\":\"" field "\",\"ErrorMessage\":\"GetResourceTags failed for " arn \
    " after " attempts " attempts: " why "\",\"ResourceARN\":\"" arn "\"}"

static void assert_has(const struct client_reply *r, const char *part)
{
    if (!strstr(buf_text(&r->body), part))
        fail_msg("%s\nis not in\n%s", part, buf_text(&r->body));
}

static void assert_lacks(const struct client_reply *r, const char *part)
{
    if (strstr(buf_text(&r->body), part))
        fail_msg("%s\nis in\n%s", part, buf_text(&r->body));
}

/* Two at the same time, then one more: two questions in all. */
static void ask_thrice(struct world *w)
{
    int fds[2];

    for (size_t i = 0; i < 2; i++) {
        fds[i] = client_dial(w->port, NULL);
        client_say(fds[i], GET("/v4/known/taskWithTags"));
    }
    for (size_t i = 0; i < 2; i++) {
        client_read(fds[i], true, &w->replies[i]);
        close(fds[i]);
    }
    client_get(w->port, NULL, "/v3/known/taskWithTags", &w->replies[2]);
    client_get(w->port, NULL, "/v4/known/task", &w->replies[3]);
}

static void test_equal_questions_are_one(void **state)
{
    static const struct step steps[] = {
        { .in_head = FOR_API,
          .too_in_head = "AKINSTANCE/",
          .body = ASKS_INSTANCE,
          .held = true,
          .status = 200,
          .answer = RACK },
        { .in_head = FOR_API,
          .too_in_head = "X-Amz-Target: ECS.ListTagsForResource\r\n",
          .body = ASKS_TASK,
          .status = 200,
          .answer = TEAM },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    w.go_at = 2;
    run_clients(&w, ask_thrice);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.replies[i].status, 200);
        assert_has(&w.replies[i], TAGGED "," RACKED);
        assert_lacks(&w.replies[i], "Errors");
    }
    assert_int_equal(w.replies[3].status, 200);
    assert_lacks(&w.replies[3], "Tags");
    tear_down(&w);
}

static void ask_twice(struct world *w)
{
    client_get(w->port, NULL, "/v4/known/taskWithTags", &w->replies[0]);
    client_get(w->port, NULL, "/v3/known/taskWithTags", &w->replies[1]);
    client_get(w->port, NULL, "/v4/known/taskWithTags", &w->replies[2]);
}

/* What failed is asked for again, what did not is not. */
static void test_failures_are_told_and_forgotten(void **state)
{
    static const struct step steps[] = {
        { .body = ASKS_INSTANCE, .status = 400, .answer = DENIED },
        { .body = ASKS_TASK, .status = 200, .answer = TEAM },
        { .in_head = "User-Agent: Agent/1\r\n",
          .body = ASKS_INSTANCE,
          .status = 400,
          .answer = DENIED },
        { .body = ASKS_INSTANCE, .how = RESETS },
        { .body = ASKS_INSTANCE, .status = 503, .answer = "{}" },
        { .body = ASKS_INSTANCE, .status = 500, .answer = "{\"__type\":\"ServerException\"}" },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, ask_twice);
    assert_int_equal(w.replies[0].status, 200);
    assert_has(&w.replies[0], TAGGED);
    assert_lacks(&w.replies[0], RACKED);
    assert_has(&w.replies[0], "\"Errors\":[" FAILED("ContainerInstanceTags", INSTANCE, "1",
                                                    "AccessDeniedException: denied") "],");
    assert_int_equal(w.replies[1].status, 200);
    assert_has(&w.replies[1], TAGGED);
    assert_lacks(&w.replies[1], "Error");
    assert_has(&w.replies[2], "\"Errors\":[" FAILED("ContainerInstanceTags", INSTANCE, "3",
                                                    "ServerException") "]");
    tear_down(&w);
}

/* Meanwhile others are served. */
static void ask_slow(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/v4/known/taskWithTags"));
    client_get(w->port, NULL, "/v4/known", &w->replies[1]);
    if (client_wait(fd, 0))
        w->replies[1].status = -1; /* it was not answered meanwhile */
    client_read(fd, true, &w->replies[0]);
    close(fd);
}

static void test_slow(void **state)
{
    static const struct step steps[] = {
        { .body = ASKS_INSTANCE, .how = HANGS },
        { .how = HANGS },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 2000);
    run_clients(&w, ask_slow);
    assert_int_equal(w.replies[1].status, 200);
    assert_int_equal(w.replies[0].status, 200);
    assert_has(&w.replies[0],
               "\"Errors\":[" FAILED("ContainerInstanceTags", INSTANCE, "1",
                                     "no answer in time") "," FAILED("TaskTags", TASK, "1",
                                                                     "no answer in time") "],");
    assert_has(&w.replies[0], "\"Containers\":[");
    tear_down(&w);
}

static void hang_up(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/v4/known/taskWithTags"));
    wait_for_ecs(w, 1);
    hang_up_on(fd);
    client_get(w->port, NULL, "/v4/known/taskWithTags", &w->replies[1]);
}

/* ECS sees the connections closed long before its time is up, and the next one asks anew. */
static void test_client_that_hangs_up(void **state)
{
    static const struct step steps[] = {
        { .body = ASKS_INSTANCE, .how = HANGS },
        { .how = HANGS },
        { .body = ASKS_INSTANCE, .status = 200, .answer = RACK },
        { .body = ASKS_TASK, .status = 200, .answer = "{\"tags\":[]}" },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, hang_up);
    assert_has(&w.replies[1], RACKED);
    assert_lacks(&w.replies[1], "TaskTags");
    tear_down(&w);
}

static void end_meanwhile(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/v4/known/taskWithTags"));
    client_get(w->port, NULL, "/v4/known", &w->replies[1]);
    w->task_gone = true;
    peer_go(w->peer);
    client_read(fd, true, &w->replies[0]);
    close(fd);
}

static void test_task_that_goes_meanwhile(void **state)
{
    static const struct step steps[] = {
        { .held = true, .status = 200, .answer = RACK },
        { .status = 200, .answer = TEAM },
    };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, end_meanwhile);
    assert_int_equal(w.replies[1].status, 200);
    assert_int_equal(w.replies[0].status, 500);
    assert_string_equal(buf_text(&w.replies[0].body),
                        "\"Unable to generate metadata for v4 task: '" TASK "'\"");
    tear_down(&w);
}

static void ask_and_stay(struct world *w)
{
    int fd = client_dial(w->port, NULL);

    client_say(fd, GET("/v4/known/taskWithTags"));
    wait_for_ecs(w, 1);
    /* Left open: the server ends with the question under way. */
}

static void test_end_of_the_server(void **state)
{
    static const struct step steps[] = { { .how = HANGS }, { .how = HANGS } };
    struct world w;

    (void)state;
    SET_UP(&w, steps, 0);
    run_clients(&w, ask_and_stay);
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_questions_are_one),
        cmocka_unit_test(test_failures_are_told_and_forgotten),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_client_that_hangs_up),
        cmocka_unit_test(test_task_that_goes_meanwhile),
        cmocka_unit_test(test_end_of_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
