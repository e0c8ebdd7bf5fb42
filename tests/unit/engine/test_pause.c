/* The archive is read back as any tar would read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/pause.h"

#define BLOCK 512

static unsigned long octal(const char *field)
{
    char *end;
    unsigned long v = strtoul(field, &end, 8);

    assert_true(end > field && (*end == '\0' || *end == ' '));
    return v;
}

static void test_header(void **state)
{
    struct str a = pause_archive();
    unsigned long sum = 0;

    (void)state;
    assert_string_equal(a.p, "pause");
    assert_string_equal(PAUSE_ENTRY_POINT, "/pause");
    assert_int_equal(octal(a.p + 100), 0755);
    assert_int_equal(octal(a.p + 108), 0);
    assert_int_equal(octal(a.p + 116), 0);
    assert_int_equal(octal(a.p + 136), 0);
    assert_int_equal(a.p[156], '0');
    assert_memory_equal(a.p + 257,
                        "ustar\0"
                        "00",
                        8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? (unsigned char)' ' : (unsigned char)a.p[i];
    assert_int_equal(octal(a.p + 148), sum);
}

static void test_one_program_and_the_end(void **state)
{
    struct str a = pause_archive();
    size_t size = octal(a.p + 124), padded = (size + BLOCK - 1) / BLOCK * BLOCK;

    (void)state;
    assert_true(size > 1000 && size < 4u << 20);
    assert_int_equal(a.n, BLOCK + padded + 2 * BLOCK);
    assert_memory_equal(a.p + BLOCK, "\177ELF", 4);
    for (size_t i = BLOCK + size; i < a.n; i++)
        assert_int_equal(a.p[i], 0);
}

static void test_same_bytes_each_time(void **state)
{
    struct str a = pause_archive(), b = pause_archive();

    (void)state;
    assert_ptr_equal(a.p, b.p);
    assert_int_equal(a.n, b.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_one_program_and_the_end),
        cmocka_unit_test(test_same_bytes_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
