#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "engine/internal.h"

static void keeps_a_copy(void **state)
{
    const char *env[] = { "A=1", "B=2", NULL };
    struct images im = { 0 };
    const char *const *got;

    (void)state;
    assert_null(images_get(&im, "busybox"));
    images_put(&im, "busybox", env);
    env[0] = "A=changed";
    got = images_get(&im, "busybox");
    assert_string_equal(got[0], "A=1");
    assert_string_equal(got[1], "B=2");
    assert_null(got[2]);
    images_put(&im, "busybox", NULL); /* known, and without any */
    got = images_get(&im, "busybox");
    assert_non_null(got);
    assert_null(got[0]);
    images_fini(&im);
}

static void drops_the_least_recently_used(void **state)
{
    const char *const env[] = { "A=1", NULL };
    struct images im = { 0 };
    char name[32];

    (void)state;
    for (int i = 0; i < IMAGES_KEPT; i++) {
        snprintf(name, sizeof name, "image-%d", i);
        images_put(&im, name, env);
    }
    assert_non_null(images_get(&im, "image-0"));
    images_put(&im, "one-more", env);
    assert_non_null(images_get(&im, "one-more"));
    assert_non_null(images_get(&im, "image-0"));
    assert_null(images_get(&im, "image-1"));
    assert_non_null(images_get(&im, "image-2"));
    images_fini(&im);
}

static void cuts_a_large_environment(void **state)
{
    static char large[IMAGES_ENV_MAX + 1];
    const char *env[IMAGES_ENV_VARS + 10];
    struct images im = { 0 };
    const char *const *got;
    size_t n = 0;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    env[0] = large;
    for (size_t i = 1; i < COUNT_OF(env) - 1; i++)
        env[i] = "A=1";
    env[COUNT_OF(env) - 1] = NULL;
    images_put(&im, "busybox", env);
    got = images_get(&im, "busybox");
    assert_string_equal(got[0], "A=1");
    while (got[n])
        n++;
    assert_int_equal(n, IMAGES_ENV_VARS);
    images_fini(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_copy),
        cmocka_unit_test(drops_the_least_recently_used),
        cmocka_unit_test(cuts_a_large_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
