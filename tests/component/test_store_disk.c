/* links: store */
/* The store, where the system says no. */
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "component/store_place.h"

static void test_read_only_file(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str)
    char *cmd = mem_printf("chmod 0755 '%s' '%s/lib' && chown -R 65534 '%s'", root, root, root);
    int status;
    pid_t child;

    (void)state;
    fill(1);
    assert_int_equal(chmod(path, 0400), 0);
    if (geteuid() == 0)
        assert_int_equal(system(cmd), 0);
    child = fork();
    if (child == 0) {
        struct store *s = NULL;
        struct err e = { 0 };

        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        _exit(store_open(dir, &s, &e) == ERR_DENIED && !s && strstr(e.msg, path) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(exists("berth.db.broken-1")); /* it is not damaged */
    assert_int_equal(chmod(path, 0600), 0);
    store_close(open_ok());
}

static void test_directory_is_a_file(void **state)
{
    struct store *s = NULL;
    struct err e = { 0 };
    AUTO(str) char *lib = mem_printf("%s/lib", root);

    (void)state;
    write_whole(lib, "", 0);
    assert_int_equal(store_open(dir, &s, &e), ERR_DENIED);
    assert_non_null(strstr(e.msg, "is not a directory"));
}

/* Commits until the disk is full, frees some room, and commits the same batch. */
static void exhaust(void)
{
    AUTO(str) char *ballast = mem_printf("%s/ballast", root);
    AUTO(str) char *zeros = mem_alloc(150000);
    struct err e = { 0 };
    char key[32], value[600];
    struct store *s;
    int done = 0;

    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    write_whole(ballast, zeros, 150000);
    s = open_ok();
    for (;; done++) {
        struct store_batch *b = store_batch_create();
        enum err_code code;

        snprintf(key, sizeof key, "%d", done);
        store_batch_put(b, STORE_TASK, key, value);
        store_batch_put(b, STORE_META, "last", key);
        code = store_commit(s, b, &e);
        if (code) {
            assert_int_equal(code, ERR_LIMIT);
            assert_non_null(strstr(e.msg, "disk is full"));
            assert_int_equal(assert_prefix(s), done - 1);
            assert_int_equal(unlink(ballast), 0);
            assert_int_equal(store_commit(s, b, &e), ERR_OK);
        }
        store_batch_destroy(b);
        if (code)
            break;
        assert_true(done < 1000);
    }
    store_close(s);
    s = open_ok();
    assert_int_equal(assert_prefix(s), done);
    assert_true(done > 5);
    store_close(s);
}

static void mount_small(const char *options)
{
    if (geteuid() != 0) {
        print_message("skipped: mounting a small file system needs root\n");
        skip();
    }
    if (mount("none", root, "tmpfs", 0, options) != 0) {
        print_message("skipped: mount: %s\n", strerror(errno));
        skip();
    }
}

static void remount(bool read_only)
{
    assert_int_equal(mount("none", root, NULL, MS_REMOUNT | (read_only ? MS_RDONLY : 0), NULL), 0);
}

static enum err_code try_put(struct store *s, const char *key, struct err *e)
{
    struct store_batch *b = store_batch_create();
    enum err_code code;

    store_batch_put(b, STORE_TASK, key, "1");
    code = store_commit(s, b, e);
    store_batch_destroy(b);
    return code;
}

/* What was stored is known, from the log too; what is to be stored is, when it can be. */
static void test_read_only_disk(void **state)
{
    struct store *s = NULL, *other = NULL;
    struct err e = { 0 };
    int last;

    (void)state;
    mount_small("size=4m,mode=0700");
    run_and_kill(12);
    remount(true);
    assert_int_equal(store_open(dir, &s, &e), ERR_RETRY);
    assert_non_null(strstr(e.msg, "Read-only file system"));
    assert_false(store_has_lost(s));
    last = count_rows(s, STORE_TASK);
    assert_true(last > 12);
    assert_int_equal(try_put(s, "x", &e), ERR_IO);
    assert_int_equal(store_open(dir, &other, &e), ERR_CONFLICT);
    remount(false);
    assert_int_equal(try_put(s, "x", &e), ERR_OK);
    assert_int_equal(count_rows(s, STORE_TASK), last + 1);
    store_close(s);
    s = open_ok();
    assert_int_equal(count_rows(s, STORE_TASK), last + 1);
    store_close(s);
    assert_int_equal(umount2(root, MNT_DETACH), 0);
}

/* Neither a database nor room for one. */
static void test_full_disk_from_the_start(void **state)
{
    AUTO(str) char *ballast = mem_printf("%s/ballast", root);
    AUTO(str) char *db = path_of("berth.db");
    AUTO(str) char *zeros = mem_alloc(1 << 20);
    struct store *s = NULL;
    struct err e = { 0 };
    int fd;

    (void)state;
    mount_small("size=256k,mode=0700");
    for (int damaged = 0; damaged < 2; damaged++) {
        fd = open(ballast, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(write(fd, zeros, 1 << 20) > 0);
        close(fd);
        assert_int_equal(store_open(dir, &s, &e), ERR_RETRY);
        assert_int_equal(store_has_lost(s), damaged);
        assert_int_equal(count_rows(s, STORE_TASK), 0);
        assert_int_not_equal(try_put(s, "x", &e), ERR_OK);
        assert_int_equal(unlink(ballast), 0);
        assert_int_equal(try_put(s, "x", &e), ERR_OK);
        store_close(s);
        s = open_ok();
        assert_rows(s, STORE_TASK, "x=1 ");
        store_close(s);
        write_whole(db, "no database any more, and no room to make one", 45);
    }
    assert_int_equal(umount2(root, MNT_DETACH), 0);
}

static void test_full_disk(void **state)
{
    (void)state;
    mount_small("size=512k,mode=0700");
    exhaust();
    assert_int_equal(umount2(root, MNT_DETACH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_read_only_file),           CASE(test_directory_is_a_file), CASE(test_full_disk),
        CASE(test_full_disk_from_the_start), CASE(test_read_only_disk),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
