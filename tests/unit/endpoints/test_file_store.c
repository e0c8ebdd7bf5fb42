/* Metadata files on a real disk, in folders that somebody else writes to as well. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "endpoints/file_store.h"
#include "task/task.h"

#define PATH  "shop/6f1e/api"
#define READY "{\n\t\"MetadataFileStatus\": \"READY\"\n}"

struct world {
    char dir[64], root[128];
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);

    snprintf(w->dir, sizeof w->dir, "/tmp/test_files.XXXXXX");
    *state = w;
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(w->root, sizeof w->root, "%s/metadata", w->dir);
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    free(w);
    return system(command);
}

static const char *at(const struct world *w, const char *path)
{
    static char text[512];

    snprintf(text, sizeof text, "%s/%s", w->root, path);
    return text;
}

static bool is_there(const struct world *w, const char *path)
{
    struct stat st;

    return !lstat(at(w, path), &st);
}

static void assert_file(const struct world *w, const char *want)
{
    char text[256] = "";
    struct stat st;
    FILE *f = fopen(at(w, PATH "/" TASK_FILE_NAME), "r");

    assert_non_null(f);
    (void)!fread(text, 1, sizeof text - 1, f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    fclose(f);
    assert_string_equal(text, want);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
}

static mode_t mode_of(const struct world *w, const char *path)
{
    struct stat st;

    assert_int_equal(lstat(at(w, path), &st), 0);
    return st.st_mode & 07777;
}

static enum err_code make(const struct world *w, const char *text)
{
    struct err e = { 0 };

    return file_store_make(w->root, PATH, str_of(text), &e);
}

static enum err_code fill(const struct world *w, const char *text)
{
    struct err e = { 0 };

    return file_store_fill(w->root, PATH, str_of(text), &e);
}

static enum err_code drop(const struct world *w, const char *path)
{
    struct err e = { 0 };

    return file_store_remove(w->root, path, &e);
}

static void test_life(void **state)
{
    struct world *w = *state;
    mode_t mask = umask(077);

    assert_int_equal(fill(w, READY), ERR_NOT_FOUND);
    assert_int_equal(make(w, "part"), ERR_OK);
    assert_int_equal(make(w, "partial"), ERR_OK); /* the create is repeated */
    umask(mask);
    assert_file(w, "partial");
    assert_int_equal(mode_of(w, PATH), 0755); /* whoever the container runs as reads it */
    assert_int_equal(mode_of(w, "shop"), 0700);
    assert_int_equal(mode_of(w, "shop/6f1e"), 0700);
    assert_int_equal(fill(w, READY), ERR_OK);
    assert_file(w, READY);
    assert_int_equal(fill(w, "again"), ERR_CONFLICT);
    assert_file(w, READY);
    assert_int_equal(drop(w, "shop/6f1e"), ERR_OK);
    assert_false(is_there(w, "shop/6f1e"));
    assert_int_equal(drop(w, "shop/6f1e"), ERR_OK);
    assert_int_equal(drop(w, "other/6f1e"), ERR_OK);
}

/* A container puts links where the files are to be. */
static void test_links(void **state)
{
    struct world *w = *state;
    char outside[128];
    int fd;

    snprintf(outside, sizeof outside, "%s/outside", w->dir);
    fd = open(outside, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(make(w, "partial"), ERR_OK);
    assert_int_equal(symlink(outside, at(w, PATH "/.ecs-container-metadata.json.new")), 0);
    assert_int_equal(fill(w, "full"), ERR_OK);
    assert_file(w, "full");
    assert_int_equal(unlink(at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(symlink(outside, at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(fill(w, "full"), ERR_OK);
    assert_file(w, "full");
    assert_int_equal(unlink(at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(symlink(outside, at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(make(w, "new"), ERR_OK);
    assert_file(w, "new");
    assert_int_equal(symlink(w->dir, at(w, PATH "/up")), 0);
    assert_int_equal(drop(w, "shop/6f1e"), ERR_OK);
    assert_int_equal(access(outside, F_OK), 0);
    fd = open(outside, O_RDONLY);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0); /* untouched */
    close(fd);
}

/* What is no plain file is never opened: a pipe would wait for a writer, a device might do things.
 * A socket cannot be opened, so who tries is found out. */
static void test_no_files(void **state)
{
    struct world *w = *state;

    assert_int_equal(make(w, "partial"), ERR_OK);
    assert_int_equal(unlink(at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(mknod(at(w, PATH "/" TASK_FILE_NAME), S_IFSOCK | 0644, 0), 0);
    assert_int_equal(fill(w, "full"), ERR_OK);
    assert_file(w, "full");
    assert_int_equal(unlink(at(w, PATH "/" TASK_FILE_NAME)), 0);
    assert_int_equal(mkfifo(at(w, PATH "/" TASK_FILE_NAME), 0644), 0);
    assert_int_equal(fill(w, "full"), ERR_OK);
    assert_file(w, "full");
}

static void test_trouble(void **state)
{
    struct world *w = *state;

    assert_int_equal(make(w, "partial"), ERR_OK);
    assert_int_equal(mkdir(at(w, PATH "/.ecs-container-metadata.json.new"), 0755), 0);
    assert_int_not_equal(fill(w, "full"), ERR_OK); /* the container wishes so */
    assert_file(w, "partial");
    assert_int_equal(rename(at(w, "shop/6f1e"), at(w, "shop/real")), 0);
    assert_int_equal(symlink(at(w, "shop/real"), at(w, "shop/6f1e")), 0);
    assert_int_not_equal(make(w, "partial"), ERR_OK); /* a folder is a folder */
}

/* A container leaves a tree that is deeper than descriptors are spent on, and names that are in the
 * way. */
static void test_deep(void **state)
{
    struct world *w = *state;
    char path[512] = PATH;
    size_t used = strlen(path);

    assert_int_equal(make(w, "partial"), ERR_OK);
    assert_int_equal(mkdir(at(w, "shop/6f1e/.deep-0"), 0755), 0);
    assert_int_equal(mkdir(at(w, "shop/6f1e/.deep-0/full"), 0755), 0);
    assert_int_equal(mkfifo(at(w, "shop/6f1e/.deep-1"), 0644), 0);
    for (int i = 0; i < 150; i++) {
        used += (size_t)snprintf(path + used, sizeof path - used, "/d");
        assert_int_equal(mkdir(at(w, path), 0755), 0);
    }
    assert_int_equal(drop(w, "shop/6f1e"), ERR_OK);
    assert_false(is_there(w, "shop/6f1e"));
}

static void test_sweep(void **state)
{
    static const char *const paths[] = { "shop/6f1e/api", "shop/dead/api", "dead/1/a",
                                         "old-arn/web", "dead-arn/web" };
    char *keep[] = { (char *)"shop/6f1e", (char *)"old-arn" };
    struct world *w = *state;
    struct err e = { 0 };

    assert_int_equal(file_store_sweep(w->root, keep, 2, &e), ERR_OK); /* nothing is there */
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_int_equal(file_store_make(w->root, paths[i], str_of("x"), &e), ERR_OK);
    assert_int_equal(file_store_sweep(w->root, keep, 2, &e), ERR_OK);
    assert_true(is_there(w, "shop/6f1e/api/" TASK_FILE_NAME));
    assert_true(is_there(w, "old-arn/web/" TASK_FILE_NAME));
    assert_false(is_there(w, "shop/dead"));
    assert_false(is_there(w, "dead"));
    assert_false(is_there(w, "dead-arn"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trouble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
