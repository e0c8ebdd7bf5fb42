/* links: aws io */
/* Calls that are mended at once, since the service has another time or the keys are old;
 * and calls that are canceled. */
#include "support/aws_world.h"

/* ---- mending ---- */

#define SKEWED  "{\"__type\":\"InvalidSignatureException\",\"message\":\"expired\"}"
#define EXPIRED "{\"__type\":\"ExpiredTokenException\"}"

static void test_another_time(void **state)
{
    static const struct step steps[] = {
        { .status = 403, .answer = SKEWED, .date_ahead = 600 },
        { .signed_ahead = 600, .status = 200, .answer = "{}", .date_ahead = 600 },
        /* What is known is used at once. */
        { .signed_ahead = 600, .status = 200, .answer = "{}", .date_ahead = 600 },
        /* Somebody has set our clock. */
        { .signed_ahead = 600, .status = 403, .answer = SKEWED, .date_ahead = -600 },
        { .signed_ahead = -600, .status = 200, .answer = "{}", .date_ahead = -600 },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 1);
    for (int i = 0; i < 3; i++) {
        run(&f, &args);
        assert_int_equal(f.err.code, ERR_OK);
    }
    assert_true(llabs(aws_clock_offset_ms(f.aws) + 600000) < 60000);
    assert_int_equal(atomic_load(&f.n_requests), COUNT_OF(steps));
    tear_down(&f);
}

static void test_time_of_other_protocols(void **state)
{
    static const struct step steps[] = {
        { .status = 401,
          .answer = "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>",
          .date_ahead = 3600 },
        { .signed_ahead = 3600, .status = 200, .answer = "<Response/>" },
        /* HEAD has no body that could say why. */
        { .expect = "HEAD /", .signed_ahead = 3600, .status = 403, .date_ahead = -3600 },
        { .expect = "HEAD /", .signed_ahead = -3600, .status = 200 },
        { .expect = "GET /",
          .signed_ahead = -3600,
          .status = 403,
          .answer = "<Error><Code>RequestTimeTooSkewed</Code></Error>",
          .date_ahead = 60 },
        { .expect = "GET /", .signed_ahead = 60, .status = 200 },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 1);
    args.protocol = AWS_QUERY;
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    args = (struct aws_call_args){ .service = &f.service,
                                   .protocol = AWS_REST,
                                   .operation = "Head",
                                   .method = "HEAD",
                                   .path = "/" };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    args.method = "GET";
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    tear_down(&f);
}

/* Each trouble is mended once: a service that lies cannot keep us busy. */
static void test_a_lying_clock(void **state)
{
    static const struct step steps[] = {
        { .status = 403, .answer = SKEWED, .date_ahead = 600 },
        { .signed_ahead = 600,
          .status = 403,
          .answer = SKEWED,
          .date_ahead = 6000,
          .new_key = "AK2" },
        { .expect = "Credential=AK2/",
          .signed_ahead = 600,
          .status = 403,
          .answer = SKEWED,
          .date_ahead = 60000 },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_DENIED);
    assert_string_equal(f.err.msg, "DoIt: InvalidSignatureException: expired");
    assert_int_equal(atomic_load(&f.n_requests), COUNT_OF(steps));
    tear_down(&f);
}

static void test_small_differences_are_nobodys_fault(void **state)
{
    static const struct step steps[] = {
        { .status = 403, .answer = "{\"__type\":\"SignatureDoesNotMatch\"}", .date_ahead = 120 },
        { .status = 403, .answer = "{\"__type\":\"AccessDenied\"}", .date_ahead = 900 },
        { .status = 200, .answer = "{}", .date_ahead = 900 },
    };
    static const enum err_code want[] = { ERR_DENIED, ERR_DENIED, ERR_OK };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        run(&f, &args);
        assert_int_equal(f.err.code, want[i]);
    }
    assert_int_equal(aws_clock_offset_ms(f.aws), 0);
    tear_down(&f);
}

static void test_expired_keys(void **state)
{
    static const struct step steps[] = {
        { .expect = "Credential=AK1/", .status = 400, .answer = EXPIRED, .new_key = "AK2" },
        { .expect = "Credential=AK2/", .status = 200, .answer = "{\"ok\":1}" },
        { .expect = "Credential=AK2/", .status = 400, .answer = EXPIRED, .new_key = "AK3" },
        { .expect = "Credential=AK3/", .status = 400, .answer = EXPIRED, .new_key = "AK4" },
        /* Those of a role come from elsewhere. */
        { .expect = "Credential=ROLE/", .status = 400, .answer = EXPIRED },
    };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 1);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_OK);
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_DENIED);
    assert_string_equal(f.code, "ExpiredTokenException");
    args.keys = &(struct sigv4_keys){ "ROLE", "SK", NULL };
    run(&f, &args);
    assert_int_equal(f.err.code, ERR_DENIED);
    tear_down(&f);
}

/* ---- two calls that have the same trouble ---- */

#define CLOSING .headers = "Connection: close\r\n", .then = CLOSES

static void run_two(struct fixture *f, const struct sigv4_keys *keys)
{
    struct aws_call_args args = json_args(f, 1);

    args.keys = keys;
    aws_call(f->aws, f->credentials, &args, on_done, f);
    aws_call(f->aws, f->credentials, &args, on_done, f);
    for (int i = 1; i <= 2; i++) {
        while (f->n_done < i)
            loop_run(f->loop);
        assert_int_equal(f->err.code, ERR_OK);
    }
    assert_int_equal(atomic_load(&f->n_requests), 4);
}

static void test_another_time_for_two(void **state)
{
    static const struct step steps[] = {
        { .status = 403, .answer = SKEWED, .date_ahead = 600, CLOSING },
        { .status = 403, .answer = SKEWED, .date_ahead = 600, CLOSING },
        { .signed_ahead = 600, .status = 200, .answer = "{}", CLOSING },
        { .signed_ahead = 600, .status = 200, .answer = "{}", CLOSING },
    };
    struct fixture f;

    (void)state;
    SET_UP(&f, steps);
    run_two(&f, &(struct sigv4_keys){ "ROLE", "SK", NULL });
    tear_down(&f);
}

static int n_fetches;

static const char *look_up_and_count(void *user, const char *name)
{
    n_fetches += streq(name, "AWS_ACCESS_KEY_ID");
    return look_up(user, name);
}

static void test_expired_keys_of_two(void **state)
{
    static const struct step steps[] = {
        { .expect = "=AK1/", .status = 400, .answer = EXPIRED, .new_key = "AK2", CLOSING },
        { .expect = "=AK1/", .status = 400, .answer = EXPIRED, CLOSING },
        { .expect = "=AK2/", .status = 200, .answer = "{}", CLOSING },
        { .expect = "=AK2/", .status = 200, .answer = "{}", CLOSING },
    };
    struct fixture f;

    (void)state;
    SET_UP(&f, steps);
    credentials_destroy(f.credentials);
    f.credentials = credentials_from(&f, look_up_and_count);
    n_fetches = 0;
    run_two(&f, NULL);
    assert_int_equal(n_fetches, 2);
    tear_down(&f);
}

/* ---- silence ---- */

static bool one_request(struct fixture *f)
{
    return atomic_load(&f->n_requests) == 1;
}

static bool waits_to_try_again(struct fixture *f)
{
    return aws_retry_tokens(f->aws) < AWS_RETRY_TOKENS;
}

static void cancel_and_listen(struct fixture *f)
{
    aws_call_cancel(f->call);
    f->call = NULL;
    run_some_turns(f);
    assert_int_equal(f->n_done, 0);
}

static void test_cancel_before_it_begins(void **state)
{
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    set_up(&f, NULL, 0);
    args = json_args(&f, 3);
    begin(&f, &args);
    cancel_and_listen(&f);
    aws_call_cancel(NULL);
    tear_down(&f);
}

static void test_cancel_while_keys_are_fetched(void **state)
{
    /* The silent service is that of metadata here. */
    static const struct step steps[] = { { .expect = "/latest/", .then = IS_SILENT } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    f.imds = imds_create(&(struct imds_args){ .http = f.http, .base = f.service.endpoint });
    credentials_destroy(f.credentials);
    f.credentials = credentials_from(&f, nothing);
    args = json_args(&f, 3);
    begin(&f, &args);
    run_until(&f, one_request);
    cancel_and_listen(&f);
    tear_down(&f);
}

static void test_cancel_while_the_service_thinks(void **state)
{
    static const struct step steps[] = { { .then = IS_SILENT } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    begin(&f, &args);
    run_until(&f, one_request);
    cancel_and_listen(&f);
    tear_down(&f);
}

static void test_cancel_between_attempts(void **state)
{
    static const struct step steps[] = { { .status = 500, .headers = "Retry-After: 20\r\n" } };
    struct fixture f;
    struct aws_call_args args;

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 3);
    begin(&f, &args);
    run_until(&f, waits_to_try_again);
    cancel_and_listen(&f);
    tear_down(&f);
}

struct pair {
    struct fixture *f;
    struct aws_call *other;
};

static void on_first(void *user, const struct aws_result *r)
{
    struct pair *pair = user;

    assert_int_equal(r->e->code, ERR_OK);
    aws_call_cancel(pair->other);
    loop_stop(pair->f->loop);
}

static void on_never(void *user, const struct aws_result *r)
{
    (void)user;
    (void)r;
    fail_msg("a canceled call is done");
}

static void test_cancel_from_another_calls_end(void **state)
{
    static const struct step steps[] = { { .status = 200, .answer = "{}" } };
    struct fixture f;
    struct aws_call_args args, silent;
    struct aws_service nobody;
    struct pair pair = { &f, NULL };

    (void)state;
    SET_UP(&f, steps);
    args = json_args(&f, 1);
    silent = args;
    nobody = f.service;
    nobody.endpoint = "http://127.0.0.1:1";
    silent.service = &nobody;
    silent.attempts = 1000;
    aws_set_backoff_ms(f.aws, 100);
    pair.other = aws_call(f.aws, f.credentials, &silent, on_never, &f);
    aws_call(f.aws, f.credentials, &args, on_first, &pair);
    loop_run(f.loop);
    run_some_turns(&f);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_time),
        cmocka_unit_test(test_time_of_other_protocols),
        cmocka_unit_test(test_a_lying_clock),
        cmocka_unit_test(test_small_differences_are_nobodys_fault),
        cmocka_unit_test(test_expired_keys),
        cmocka_unit_test(test_another_time_for_two),
        cmocka_unit_test(test_expired_keys_of_two),
        cmocka_unit_test(test_cancel_before_it_begins),
        cmocka_unit_test(test_cancel_while_keys_are_fetched),
        cmocka_unit_test(test_cancel_while_the_service_thinks),
        cmocka_unit_test(test_cancel_between_attempts),
        cmocka_unit_test(test_cancel_from_another_calls_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
