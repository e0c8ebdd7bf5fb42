#include "support/check.h"

#include "base/rng.h"
#include "io/loop.h"
#include "secrets/job.h"

struct world {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct roles *roles;
    struct secrets *secrets;
    bool looping;
    int told;
    struct err err;
};

static struct ask *running[64];
static size_t n_running, n_started, most;

static void start(struct ask *a)
{
    running[n_running++] = a;
    n_started++;
    most = n_running > most ? n_running : most;
}

static void on_told(void *user, uint64_t id, const struct secrets_value *values, size_t n,
                    const struct err *e)
{
    struct world *w = user;

    assert_int_equal(id, 9);
    assert_true(!values && !n);
    w->told++;
    w->err = *e;
    if (w->looping)
        loop_stop(w->loop);
}

static void set_up(struct world *w)
{
    static const struct http_client_config cfg = { .user_agent = NULL };

    *w = (struct world){ .loop = loop_create() };
    w->http = http_client_create(w->loop, &cfg);
    w->aws = aws_create(&(struct aws_args){ .http = w->http, .region = "r" });
    w->roles = roles_create();
    w->secrets = secrets_create(&(struct secrets_args){
        .loop = w->loop, .aws = w->aws, .roles = w->roles, .done = on_told, .user = w });
    n_running = n_started = most = 0;
}

static void tear_down(struct world *w)
{
    secrets_destroy(w->secrets);
    roles_destroy(w->roles);
    aws_destroy(w->aws);
    http_client_destroy(w->http);
    loop_destroy(w->loop);
}

/* In whatever order they end, ten run as long as there are ten. */
static void test_ten_at_once(void **state)
{
    struct world w;
    struct rng rng;
    struct job *j;

    (void)state;
    rng_seed(&rng, 1);
    set_up(&w);
    j = job_create(w.secrets, 9, SECRETS_VALUES);
    for (int i = 0; i < 25; i++)
        job_ask(j, start, NULL);
    job_begin(j);
    assert_int_equal(n_running, 10);
    while (n_running) {
        size_t left = 25 - n_started, before = n_running;
        size_t i = rng_below(&rng, n_running);
        struct ask *a = running[i];

        assert_int_equal(w.told, 0);
        running[i] = running[--n_running];
        ask_over(a);
        assert_int_equal(n_running, left ? before : before - 1);
    }
    assert_int_equal(n_started, 25);
    assert_int_equal(most, 10);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.err.code, ERR_OK);
    tear_down(&w);
}

static void test_equal_things_are_one_slot(void **state)
{
    struct world w;
    struct job *j;
    struct slot *a, *b, *c;
    bool fresh;

    (void)state;
    set_up(&w);
    j = job_create(w.secrets, 9, SECRETS_VALUES);
    a = job_slot(j, SLOT_SECRET, mem_strdup("a"), &fresh);
    assert_true(fresh);
    b = job_slot(j, SLOT_SECRET, mem_strdup("b"), &fresh);
    assert_true(fresh);
    c = job_slot(j, SLOT_SECRET, mem_strdup("a"), &fresh);
    assert_false(fresh);
    assert_ptr_equal(a, c);
    assert_ptr_not_equal(a, b);
    job_destroy(j);
    tear_down(&w);
}

static void test_what_is_fetched_is_bounded(void **state)
{
    struct outcome o = { .n = 0 };
    struct want want = { .container = 0 };
    struct world w;
    struct job *j;

    (void)state;
    set_up(&w);
    j = job_create(w.secrets, 9, SECRETS_VALUES);
    assert_true(job_takes(j, SECRETS_BYTES_MAX - 1));
    assert_false(job_takes(j, 2));
    assert_true(job_takes(j, 1));
    assert_false(job_takes(j, SIZE_MAX));
    job_destroy(j);
    for (int i = 0; i < SECRETS_VALUES_MAX; i++)
        assert_true(outcome_add(&o, &want, "a", "b"));
    assert_false(outcome_add(&o, &want, "a", "b"));
    assert_int_equal(o.err.code, ERR_LIMIT);
    free(o.values);
    tear_down(&w);
}

/* Neither of them is a reason to ask again. */
static void test_trouble_of_a_service_is_final(void **state)
{
    struct world w;
    struct job *j;
    struct slot *s;
    bool fresh;

    (void)state;
    set_up(&w);
    j = job_create(w.secrets, 9, SECRETS_VALUES);
    s = job_slot(j, SLOT_PARAMETER, mem_strdup("a"), &fresh);
    err_set(&s->err, ERR_RETRY, "away");
    job_begin(j);
    assert_int_equal(w.told, 0); /* on a later turn */
    w.looping = true;
    loop_run(w.loop);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.err.code, ERR_IO);
    assert_string_equal(w.err.msg, "away");
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_at_once),
        cmocka_unit_test(test_equal_things_are_one_slot),
        cmocka_unit_test(test_what_is_fetched_is_bounded),
        cmocka_unit_test(test_trouble_of_a_service_is_final),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
