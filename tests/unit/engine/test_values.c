#undef _FORTIFY_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/internal.h"

/* Stands before the C library's own, so that it is seen what is wiped. */
static char wiped[4096];

static void wipe(void *p, size_t n)
{
    volatile char *at = p;

    size_t len = strlen(wiped);

    if (n && *at)
        snprintf(wiped + len, sizeof wiped - len, "%.*s;", (int)n, (const char *)p);
    for (size_t i = 0; i < n; i++)
        at[i] = 0;
}

void explicit_bzero(void *p, size_t n)
{
    wipe(p, n);
}

void __explicit_bzero_chk(void *p, size_t n, size_t room);
void __explicit_bzero_chk(void *p, size_t n, size_t room)
{
    (void)room;
    wipe(p, n);
}

static const struct engine_value secrets[] = {
    { 0, ENGINE_VALUE_ENV, "PASSWORD", "hunter2" },
    { 1, ENGINE_VALUE_ENV, "PASSWORD", "of-another" },
    { 0, ENGINE_VALUE_LOG_OPTION, "token", "log-token" },
    { 0, ENGINE_VALUE_ENV, "API_KEY", "k-123" },
};

static const struct engine_value files[] = {
    { 0, ENGINE_VALUE_FILE, "B", "first" },
    { 0, ENGINE_VALUE_FILE, "A", "second" },
    { 0, ENGINE_VALUE_FILE, "B", "third" },
};

static const struct engine_value auth[] = { { 1, ENGINE_VALUE_AUTH, NULL, "eyJ1c2VyIjoieCJ9" } };

static void put_all(struct values *v, const char *arn)
{
    struct err e = { 0 };

    assert_int_equal(values_put(v, arn, CORE_OP_FETCH_SECRETS, secrets, COUNT_OF(secrets), &e), 0);
    assert_int_equal(values_put(v, arn, CORE_OP_FETCH_ENV_FILES, files, COUNT_OF(files), &e), 0);
    assert_int_equal(values_put(v, arn, CORE_OP_FETCH_AUTH, auth, COUNT_OF(auth), &e), 0);
}

static void gives_them_by_container_and_kind(void **state)
{
    struct values v = { 0 };
    struct task_kv *got;
    size_t n;

    (void)state;
    put_all(&v, "task/1");
    got = values_pairs(&v, "task/1", 0, ENGINE_VALUE_ENV, &n);
    assert_int_equal(n, 2);
    assert_string_equal(got[0].name, "PASSWORD");
    assert_string_equal(got[0].value, "hunter2");
    assert_string_equal(got[1].name, "API_KEY");
    free(got);
    got = values_pairs(&v, "task/1", 0, ENGINE_VALUE_FILE, &n);
    assert_int_equal(n, 3); /* in order: who comes first is for the reader to say */
    assert_string_equal(got[0].value, "first");
    assert_string_equal(got[2].value, "third");
    free(got);
    got = values_pairs(&v, "task/1", 0, ENGINE_VALUE_LOG_OPTION, &n);
    assert_int_equal(n, 1);
    free(got);
    assert_string_equal(values_one(&v, "task/1", 1, ENGINE_VALUE_AUTH), "eyJ1c2VyIjoieCJ9");
    assert_null(values_one(&v, "task/1", 0, ENGINE_VALUE_AUTH));
    assert_null(values_one(&v, "task/2", 1, ENGINE_VALUE_AUTH));
    assert_null(values_pairs(&v, "task/2", 0, ENGINE_VALUE_ENV, &n));
    assert_int_equal(n, 0);
    values_fini(&v);
}

static void fetching_again_replaces(void **state)
{
    const struct engine_value fresh = { 0, ENGINE_VALUE_ENV, "PASSWORD", "correct-horse" };
    struct values v = { 0 };
    struct task_kv *got;
    struct err e = { 0 };
    size_t n;

    (void)state;
    put_all(&v, "task/1");
    *wiped = '\0';
    assert_int_equal(values_put(&v, "task/1", CORE_OP_FETCH_SECRETS, &fresh, 1, &e), ERR_OK);
    assert_non_null(strstr(wiped, "hunter2;"));
    assert_non_null(strstr(wiped, "log-token;"));
    assert_null(strstr(wiped, "second;"));
    got = values_pairs(&v, "task/1", 0, ENGINE_VALUE_ENV, &n);
    assert_int_equal(n, 1);
    assert_string_equal(got[0].value, "correct-horse");
    free(got);
    got = values_pairs(&v, "task/1", 0, ENGINE_VALUE_FILE, &n);
    assert_int_equal(n, 3);
    free(got);
    values_fini(&v);
}

static void wipes_what_it_drops(void **state)
{
    struct values v = { 0 };
    size_t n;

    (void)state;
    put_all(&v, "task/1");
    put_all(&v, "task/2");
    *wiped = '\0';
    values_drop(&v, "task/3");
    assert_string_equal(wiped, "");
    values_drop(&v, "task/1");
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        assert_non_null(strstr(wiped, secrets[i].value));
    for (size_t i = 0; i < COUNT_OF(files); i++)
        assert_non_null(strstr(wiped, files[i].value));
    assert_non_null(strstr(wiped, auth[0].value));
    assert_null(values_pairs(&v, "task/1", 0, ENGINE_VALUE_ENV, &n));
    assert_non_null(values_one(&v, "task/2", 1, ENGINE_VALUE_AUTH));
    *wiped = '\0';
    values_fini(&v);
    assert_non_null(strstr(wiped, "hunter2;"));
}

static void keeps_a_bounded_number(void **state)
{
    struct engine_value *many = mem_array(VALUES_MAX, sizeof *many);
    char *large = mem_alloc(VALUES_BYTES_MAX + 1);
    const struct engine_value one = { 0, ENGINE_VALUE_ENV, "A", "1" };
    struct engine_value huge = { 0, ENGINE_VALUE_FILE, "A", large };
    struct values v = { 0 };
    struct err e = { 0 };
    size_t n;

    (void)state;
    for (size_t i = 0; i < VALUES_MAX; i++)
        many[i] = (struct engine_value){ 0, ENGINE_VALUE_FILE, "A", "1" };
    memset(large, 'x', VALUES_BYTES_MAX);
    assert_int_equal(values_put(&v, "t", CORE_OP_FETCH_ENV_FILES, many, VALUES_MAX, &e), ERR_OK);
    assert_int_equal(values_put(&v, "t", CORE_OP_FETCH_SECRETS, &one, 1, &e), ERR_LIMIT);
    assert_int_equal(values_put(&v, "t", CORE_OP_FETCH_ENV_FILES, &huge, 1, &e), ERR_LIMIT);
    free(values_pairs(&v, "t", 0, ENGINE_VALUE_FILE, &n));
    assert_int_equal(n, 0); /* neither the old ones nor the new */
    assert_int_equal(values_put(&v, "t", CORE_OP_FETCH_SECRETS, &one, 1, &e), ERR_OK);
    values_fini(&v);
    free(large);
    free(many);
}

/* Values of every kind, of this task only; short ones are in too many texts. */
static void takes_them_out_of_texts(void **state)
{
    static const char text[] = "hunter2 log-token k-123 second eyJ1c2VyIjoieCJ9 x";
    static const struct engine_value nested[] = { { 0, ENGINE_VALUE_ENV, "A", "hunter2" },
                                                  { 0, ENGINE_VALUE_ENV, "B", "hunter2-long" } };
    struct err e = { 0 };
    struct buf b = BUF_INIT(1024);
    struct values v = { 0 };

    (void)state;
    buf_puts(&b, text);
    values_redact(&v, "task/1", &b);
    put_all(&v, "task/2");
    values_redact(&v, "task/1", &b);
    assert_string_equal(buf_text(&b), text);
    assert_false(values_known(&v, "task/1", CORE_OP_FETCH_SECRETS));
    values_redact(&v, "task/2", &b);
    assert_string_equal(buf_text(&b), "[secret] [secret] k-123 [secret] [secret] x");
    assert_true(values_known(&v, "task/2", CORE_OP_FETCH_SECRETS));
    assert_true(values_known(&v, "task/2", CORE_OP_FETCH_ENV_FILES));
    assert_int_equal(values_put(&v, "task/2", CORE_OP_FETCH_SECRETS, nested, 2, &e), 0);
    buf_reset(&b);
    buf_puts(&b, "hunter2-long");
    values_redact(&v, "task/2", &b);
    assert_string_equal(buf_text(&b), "[secret]"); /* nothing is left of the longer one */
    values_drop(&v, "task/2");
    assert_false(values_known(&v, "task/2", CORE_OP_FETCH_SECRETS));
    values_fini(&v);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_them_by_container_and_kind),
        cmocka_unit_test(takes_them_out_of_texts),
        cmocka_unit_test(fetching_again_replaces),
        cmocka_unit_test(wipes_what_it_drops),
        cmocka_unit_test(keeps_a_bounded_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
