/* What others may not look at. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/host.h"
#include "support/check.h"

static char root[64];

static char *below(const char *name)
{
    return mem_printf("%s/%s", root, name);
}

static void put(const char *name, mode_t mode)
{
    AUTO(str) char *path = below(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static mode_t mode_of(const char *name)
{
    AUTO(str) char *path = below(name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/berth-modes-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int end(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf %s", root);

    (void)state;
    assert_int_equal(system(command), 0);
    return 0;
}

static void test_made_private(void **state)
{
    AUTO(str) char *folder = below("folder");
    AUTO(str) char *link_at = below("link");
    struct err e = { 0 };
    size_t n = 9;

    (void)state;
    assert_int_equal(chmod(root, 0755), 0);
    put("open", 0644);
    put("group", 0640);
    put("private", 0600);
    put("read-only", 0444);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(symlink("/etc/passwd", link_at), 0);
    assert_int_equal(host_make_private(root, &n, &e), ERR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(mode_of("."), 0700);
    assert_int_equal(mode_of("open"), 0600);
    assert_int_equal(mode_of("group"), 0600);
    assert_int_equal(mode_of("private"), 0600);
    assert_int_equal(mode_of("read-only"), 0400);
    assert_int_equal(mode_of("folder"), 0755);
    assert_int_equal(mode_of("../../etc/passwd"), 0644);
    assert_int_equal(host_make_private(root, &n, &e), ERR_OK);
    assert_int_equal(n, 0);
}

static void test_left_alone(void **state)
{
    AUTO(str) char *missing = below("missing");
    struct err e = { 0 };
    size_t n = 9;

    (void)state;
    assert_int_equal(host_make_private(missing, &n, &e), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(chmod(root, 01777), 0); /* as /tmp is */
    assert_int_equal(host_make_private(root, &n, &e), ERR_CONFLICT);
    assert_int_equal(mode_of("."), 01777);
}

static void test_of_somebody_else(void **state)
{
    struct err e = { 0 };
    size_t n = 9;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chown(root, 12345, 12345), 0);
    assert_int_equal(host_make_private(root, &n, &e), ERR_DENIED);
    assert_int_equal(mode_of("."), 0755);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_private, begin, end),
        cmocka_unit_test_setup_teardown(test_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(test_of_somebody_else, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
