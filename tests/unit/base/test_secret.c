/* The memory of secrets. What concerns its range does not apply where a sanitizer has all memory
 * come from the heap. */
#include "unit/base/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"

#define TEXT  "of-which-nothing-stays"
#define LARGE ((size_t)100 * 1024)

static bool ranged(void)
{
    char *p = secret_alloc(1);
    bool in = secret_has(p);

    secret_free(p);
    return in;
}

/* A place that was freed, for those who look all the same. */
static const volatile char *place_of(const void *p)
{
    return (const volatile char *)p;
}

static bool is_zero(const volatile char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static struct secret_totals totals(void)
{
    struct secret_totals t;

    secret_get_totals(&t);
    return t;
}

/* How a child ended that did `act`: its exit code, or minus the signal. */
static int child(void (*act)(void *), void *user)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        act(user);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_each_size(void **state)
{
    size_t before = totals().used;

    (void)state;
    for (size_t n = 0; n < 3 * LARGE; n += n < 9000 ? 1 : 4999) {
        char *p = secret_alloc(n);

        assert_true(is_zero(p, n));
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 'x', n);
        if (ranged())
            assert_true(totals().used - before >= n);
        secret_free(p);
        assert_int_equal(totals().used, before);
    }
    secret_free(NULL);
    assert_null(secret_strdup(NULL));
}

static void test_wiped(void **state)
{
    static const size_t sizes[] = { sizeof TEXT, 100, 4000 };

    (void)state;
    if (!ranged())
        skip();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *other = secret_alloc(sizes[i]), *p = secret_alloc(sizes[i]);
        const volatile char *place = place_of(p);

        memset(p, 'x', sizes[i]);
        secret_free(p);
        /* A link to the next free place is all that may be there. */
        assert_true(is_zero(place + sizeof(void *), sizes[i] - sizeof(void *)));
        p = secret_alloc(sizes[i]);
        assert_ptr_equal(p, (char *)(uintptr_t)place); /* taken again, and without the link */
        assert_true(is_zero(place, sizes[i]));
        secret_free(p);
        secret_free(other);
    }
}

static void test_texts(void **state)
{
    char *a = secret_strdup("one"), *b = secret_strndup("twofold", 3), *c = NULL;

    (void)state;
    assert_string_equal(a, "one");
    assert_string_equal(b, "two");
    c = secret_printf("%s and %s, %d", a, b, 3);
    assert_string_equal(c, "one and two, 3");
    secret_replace(&c, "three");
    assert_string_equal(c, "three");
    secret_replace(&c, NULL);
    assert_null(c);
    mem_wipe(a);
    mem_wipe(b);
    mem_wipe(mem_strdup("of the heap"));
    secret_free(mem_alloc(LARGE));
}

static void test_resize(void **state)
{
    char *p = NULL;
    size_t n = 0;

    (void)state;
    for (size_t to = 1; to < 3 * LARGE; to = to * 3 / 2 + 1) {
        const volatile char *place = place_of(p);
        bool known = secret_has(p);
        size_t had = n;

        p = secret_resize(p, to);
        assert_true(is_zero(p + n, to - n));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], (char)i);
        for (; n < to; n++)
            p[n] = (char)n;
        /* Small ones only: a large one's place is not there any more. */
        if (known && had > sizeof(void *) && had < 8192 && place != p)
            assert_true(is_zero(place + sizeof(void *), had - sizeof(void *)));
    }
    p = secret_resize(p, 10);
    p[10 - 1] = 'x';
    p = secret_resize(p, 60);
    assert_true(is_zero(p + 10, 50)); /* nothing of what was cut off */
    secret_free(p);
}

/* Many of all sizes, in any order: each keeps what was written. */
static void test_crowd(void **state)
{
    struct {
        unsigned char *p;
        size_t n;
    } all[400] = { 0 };
    size_t before = totals().used, at;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (unsigned round = 0; round < 40000; round++) {
        at = (size_t)rng_below(&rng, COUNT_OF(all));
        for (size_t i = 0; i < all[at].n; i += 1 + all[at].n / 7)
            assert_int_equal(all[at].p[i], (unsigned char)at);
        if (all[at].p && rng_below(&rng, 3)) {
            secret_free(all[at].p);
            all[at].p = NULL;
            all[at].n = 0;
            continue;
        }
        all[at].n = (size_t)rng_below(&rng, rng_below(&rng, 20) ? 600 : LARGE);
        all[at].p = secret_resize(all[at].p, all[at].n);
        memset(all[at].p, (int)at, all[at].n);
    }
    for (at = 0; at < COUNT_OF(all); at++)
        secret_free(all[at].p);
    assert_int_equal(totals().used, before);
    assert_true(totals().held <= SECRET_MAX);
}

/* What is too much for the range comes from the heap, and goes there. */
static void test_full(void **state)
{
    uint64_t outside = totals().outside;
    char *all[SECRET_MAX / ((size_t)1 << 20) + 4];
    size_t within = 0;

    (void)state;
    if (!ranged())
        skip();
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        all[i] = secret_alloc((size_t)1 << 20);
        within += secret_has(all[i]);
        all[i][i] = 'x';
    }
    assert_true(within > 32 && within < COUNT_OF(all));
    assert_int_equal(totals().outside - outside, COUNT_OF(all) - within);
    assert_true(totals().held <= SECRET_MAX);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        secret_free(all[i]);
    assert_true(totals().held < (size_t)1 << 20); /* given back */
    assert_null(secret_try(SIZE_MAX / 2));
}

static void exit_with_first(void *p)
{
    _exit(*(const char *)p);
}

static void write_behind(void *p)
{
    ((volatile char *)p)[7 * 16384] = 'x'; /* LARGE takes seven spans */
}

static void free_twice(void *p)
{
    secret_free(p);
    secret_free(p);
}

static void free_inside(void *p)
{
    secret_free((char *)p + 1);
}

static void test_children_and_guards(void **state)
{
    char *small = secret_strdup("7"), *large = secret_alloc(LARGE);

    (void)state;
    if (!ranged() || sysconf(_SC_PAGESIZE) > 16384) {
        secret_free(small);
        secret_free(large);
        skip();
    }
    *large = '7';
    assert_int_equal(child(exit_with_first, small), 0);
    assert_int_equal(child(exit_with_first, large), 0);
    assert_int_equal(child(write_behind, large), -SIGSEGV);
    assert_int_equal(child(free_twice, large), -SIGABRT);
    assert_int_equal(child(free_inside, large), -SIGABRT);
    assert_int_equal(child(free_inside, small), -SIGABRT);
    secret_free(small);
    secret_free(large);
}

/* The kernel's word for it. */
static void test_no_core(void **state)
{
    char *p = secret_alloc(1);
    char line[512], flags[512] = "";
    unsigned long begin, end;
    bool here = false;
    FILE *f;

    (void)state;
    if (!secret_has(p)) {
        secret_free(p);
        skip();
    }
    f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            here = (uintptr_t)p >= begin && (uintptr_t)p < end;
        else if (here && str_starts(line, "VmFlags:"))
            memcpy(flags, line, sizeof flags);
    }
    (void)fclose(f);
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
    assert_non_null(strstr(flags, totals().lock_error ? "" : " lo"));
    if (!totals().lock_error)
        assert_int_equal(totals().locked, totals().held);
    secret_free(p);
}

static void *hammer(void *user)
{
    char *all[64] = { 0 };
    struct rng rng;

    rng_seed(&rng, (uint64_t)(uintptr_t)user);
    for (unsigned i = 0; i < 20000; i++) {
        size_t at = (size_t)rng_below(&rng, COUNT_OF(all));
        size_t n = 1 + (size_t)rng_below(&rng, 20000);

        if (all[at] && all[at][0] != (char)(uintptr_t)user)
            abort();
        secret_free(all[at]);
        all[at] = secret_alloc(n);
        all[at][0] = all[at][n - 1] = (char)(uintptr_t)user;
    }
    for (size_t i = 0; i < COUNT_OF(all); i++)
        secret_free(all[i]);
    return NULL;
}

static void test_threads(void **state)
{
    size_t before = totals().used;
    pthread_t threads[3];

    (void)state;
    for (uintptr_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(totals().used, before);
}

/* A buffer that grows leaves nothing where it was. */
static void test_buffers(void **state)
{
    struct buf b = BUF_SECRET(LARGE);
    const volatile char *place;
    bool in = ranged();
    char *taken;

    (void)state;
    buf_puts(&b, TEXT);
    place = place_of(b.data);
    assert_int_equal(secret_has(b.data), in);
    while (place_of(b.data) == place)
        buf_puts(&b, TEXT);
    if (in)
        assert_true(is_zero(place + sizeof(void *), sizeof TEXT));
    taken = buf_take(&b);
    assert_int_equal(secret_has(taken), in);
    mem_wipe(taken);
    assert_true(b.secret);
    buf_puts(&b, TEXT);
    assert_int_equal(secret_has(b.data), in);
    buf_fini(&b);
    taken = buf_take(&b);
    assert_string_equal(taken, "");
    mem_wipe(taken);
    buf_init_secret(&b, 4);
    assert_false(buf_puts(&b, TEXT));
    buf_wipe(&b);
}

static void test_documents(void **state)
{
    AUTO(json) struct json_t *doc = NULL;
    size_t before = totals().used;
    struct err e = { 0 };
    struct jcur root;

    (void)state;
    assert_int_equal(
        json_parse("{\"a\":\"" TEXT "\"}", sizeof "{\"a\":\"" TEXT "\"}" - 1, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    assert_string_equal(jcur_str(&root, "a"), TEXT);
    assert_int_equal(secret_has(jcur_str(&root, "a")), ranged());
    json_free(doc);
    doc = NULL;
    assert_int_equal(totals().used, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_size), cmocka_unit_test(test_wiped),
        cmocka_unit_test(test_texts),     cmocka_unit_test(test_resize),
        cmocka_unit_test(test_crowd),     cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_core),   cmocka_unit_test(test_children_and_guards),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
