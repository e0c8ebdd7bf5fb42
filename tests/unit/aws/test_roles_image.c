/* The table of the tasks' credentials as bytes, and back. */
#include "aws/roles.h"
#include "base/mem.h"
#include "support/check.h"

static void put(struct roles *r, const char *id, const char *task, const char *secret)
{
    roles_put(r, &(struct role_credentials){ id, "role", "ak", secret, "tok", "2036", task });
}

static struct roles *some(void)
{
    struct roles *r = roles_create();

    put(r, "c-1", "task-1", "one");
    put(r, "c-2", NULL, "");
    put(r, "c-3", "task-2", "three");
    return r;
}

static char *image_of(const struct roles *r, size_t *n)
{
    char *image;

    *n = roles_image_size(r);
    image = mem_alloc(*n + 1);
    roles_image_write(r, image);
    assert_int_equal(image[*n], 0);
    return image;
}

static void test_what_was_written_is_read(void **state)
{
    struct roles *from = some(), *to = roles_create();
    struct role_credentials c;
    struct err e = { 0 };
    size_t n, again;
    AUTO(str) char *image = image_of(from, &n);
    AUTO(str) char *second = NULL;

    (void)state;
    put(to, "c-1", "task-1", "older");
    assert_int_equal(roles_image_read(to, image, n, &e), ERR_OK);
    assert_int_equal(roles_count(to), 3);
    assert_true(roles_get(to, "c-1", &c));
    assert_string_equal(c.secret_key, "one");
    assert_string_equal(c.task_arn, "task-1");
    assert_true(roles_get(to, "c-2", &c));
    assert_null(c.task_arn);
    assert_string_equal(c.secret_key, "");
    second = image_of(to, &again);
    assert_int_equal(again, n);
    assert_memory_equal(image, second, n);
    roles_destroy(from);
    roles_destroy(to);
}

static void test_an_empty_table(void **state)
{
    struct roles *r = roles_create();
    struct err e = { 0 };
    size_t n;
    AUTO(str) char *image = image_of(r, &n);

    (void)state;
    assert_int_equal(n, ROLES_IMAGE_HEAD);
    assert_int_equal(roles_image_read(r, image, n, &e), ERR_OK);
    assert_int_equal(roles_count(r), 0);
    roles_destroy(r);
}

/* Nothing but the whole is taken, and then nothing is. */
static void test_cut_short_anywhere(void **state)
{
    struct roles *from = some(), *to = roles_create();
    struct err e = { 0 };
    size_t n;
    AUTO(str) char *image = image_of(from, &n);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(roles_image_read(to, image, cut, &e), ERR_INVALID);
        /* Also where the head agrees with it. */
        if (cut < ROLES_IMAGE_HEAD)
            continue;
        roles_image_put_head(image, cut - ROLES_IMAGE_HEAD, roles_count(from));
        assert_int_equal(roles_image_read(to, image, cut, &e), ERR_INVALID);
    }
    assert_int_equal(roles_count(to), 0);
    roles_destroy(from);
    roles_destroy(to);
}

static void test_any_byte_damaged(void **state)
{
    struct roles *from = some(), *to = roles_create();
    struct err e = { 0 };
    size_t n;
    AUTO(str) char *image = image_of(from, &n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        image[i] ^= 1;
        assert_int_equal(roles_image_read(to, image, n, &e), ERR_INVALID);
        image[i] ^= 1;
    }
    assert_int_equal(roles_count(to), 0);
    assert_int_equal(roles_image_read(to, image, n, &e), ERR_OK);
    roles_destroy(from);
    roles_destroy(to);
}

static void test_why_it_is_refused(void **state)
{
    struct roles *r = some();
    struct err e = { 0 };
    size_t n;
    AUTO(str) char *image = image_of(r, &n);

    (void)state;
    image[8] = 9;
    assert_int_equal(roles_image_read(r, image, n, &e), ERR_INVALID);
    assert_string_equal(e.msg, "its version is 9, not 1");
    roles_image_put_head(image, n - ROLES_IMAGE_HEAD, 2);
    assert_int_equal(roles_image_read(r, image, n, &e), ERR_INVALID);
    assert_non_null(strstr(e.msg, "bytes too many"));
    roles_destroy(r);
}

/* ---- what the table tells of its changes ---- */

static void count(void *user)
{
    ++*(int *)user;
}

static bool is_task_2(void *user, const char *task_arn)
{
    (void)user;
    return streq(task_arn, "task-2");
}

static void test_changes_are_told(void **state)
{
    struct roles *r = some();
    struct role_credentials c;
    int changes = 0;

    (void)state;
    roles_on_change(r, count, &changes);
    put(r, "c-1", "task-1", "one");
    put(r, "c-2", NULL, "");
    assert_int_equal(changes, 0);
    put(r, "c-2", "task-1", "");
    assert_int_equal(changes, 1);
    put(r, "c-1", "task-1", "renewed");
    assert_int_equal(changes, 2);
    roles_drop_task(r, "task-9");
    assert_int_equal(changes, 2);
    roles_sweep(r, is_task_2, NULL);
    assert_int_equal(changes, 3);
    assert_int_equal(roles_count(r), 1);
    assert_true(roles_get(r, "c-3", &c));
    roles_sweep(r, is_task_2, NULL);
    assert_int_equal(changes, 3);
    roles_destroy(r);
    assert_int_equal(changes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read), cmocka_unit_test(test_an_empty_table),
        cmocka_unit_test(test_cut_short_anywhere),       cmocka_unit_test(test_any_byte_damaged),
        cmocka_unit_test(test_why_it_is_refused),        cmocka_unit_test(test_changes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
