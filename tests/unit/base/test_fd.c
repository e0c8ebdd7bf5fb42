#include "unit/base/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define MUCH ((size_t)300000) /* more than a pipe holds */

static void *write_much(void *fd)
{
    AUTO(str) char *text = mem_alloc(MUCH + 1);
    bool ok;

    for (size_t i = 0; i < MUCH; i++)
        text[i] = (char)('a' + i % 26);
    ok = fd_write_all(*(int *)fd, (struct str){ text, MUCH });
    close(*(int *)fd);
    return ok ? fd : NULL;
}

static void test_all_in_pieces(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(MUCH + 3);
    pthread_t writer;
    void *wrote;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_much, &ends[1]), 0);
    assert_true(buf_puts(&b, "is:"));
    assert_true(fd_read_all(ends[0], &b)); /* it just fits */
    assert_int_equal(pthread_join(writer, &wrote), 0);
    close(ends[0]);
    assert_non_null(wrote);
    assert_int_equal(b.len, MUCH + 3);
    assert_false(b.overflowed);
    for (size_t i = 0; i < MUCH; i++)
        if (b.data[3 + i] != (char)('a' + i % 26))
            fail_msg("byte %zu", i);
}

static void test_more_than_the_maximum(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(4);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_true(fd_write_all(ends[1], str_of("12345")));
    close(ends[1]);
    assert_false(fd_read_all(ends[0], &b));
    assert_int_equal(errno, EFBIG);
    assert_string_equal(buf_text(&b), "1234");
    close(ends[0]);
}

static void test_failures(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT(4);
    int fd = open("/", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_false(fd_read_all(fd, &b));
    assert_int_equal(errno, EISDIR);
    assert_false(fd_write_all(fd, str_of("x")));
    assert_int_equal(errno, EBADF);
    assert_true(fd_write_all(fd, str_of(""))); /* nothing was asked for */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_pieces),
        cmocka_unit_test(test_more_than_the_maximum),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
