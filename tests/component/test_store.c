/* links: store */
/* The store: what it holds, over kills and beside a second process. */
#include <sys/stat.h>

#include "component/store_place.h"

/* ---- contents ---- */

static void test_survives_reopening(void **state)
{
    struct store *s = open_ok();
    struct err e = { 0 };
    char *value = NULL;

    (void)state;
    put(s, STORE_TASK, "arn:1", "{\"family\":\"web\"}");
    put(s, STORE_META, "arn", "x");
    store_close(s);
    s = open_ok();
    assert_rows(s, STORE_TASK, "arn:1={\"family\":\"web\"} ");
    assert_int_equal(store_get(s, STORE_META, "arn", &value, &e), ERR_OK);
    assert_string_equal(value, "x");
    free(value);
    assert_int_equal(store_get(s, STORE_CURSOR, "arn", &value, &e), ERR_NOT_FOUND);
    assert_null(value);
    store_close(s);
    store_close(NULL);
}

static void test_batch_keeps_the_last_word_and_the_first_place(void **state)
{
    struct store *s = open_ok();
    struct store_batch *b = store_batch_create();
    struct err e = { 0 };
    char key[32];

    (void)state;
    assert_int_equal(store_commit(s, b, &e), ERR_OK); /* empty */
    store_batch_put(b, STORE_TASK, "a", "1");
    store_batch_put(b, STORE_TASK, "b", "1");
    store_batch_put(b, STORE_TASK, "c", "1");
    store_batch_put(b, STORE_TASK, "a", "2");
    store_batch_put(b, STORE_META, "a", "other kind");
    store_batch_delete(b, STORE_TASK, "b");
    store_batch_delete(b, STORE_TASK, "never there");
    assert_int_equal(store_batch_size(b), 5);
    assert_int_equal(store_commit(s, b, &e), ERR_OK);
    assert_rows(s, STORE_TASK, "a=2 c=1 ");
    assert_int_equal(store_commit(s, b, &e), ERR_OK); /* again changes nothing */
    assert_rows(s, STORE_TASK, "a=2 c=1 ");
    put(s, STORE_TASK, "d", "1");
    put(s, STORE_TASK, "a", "3");
    assert_rows(s, STORE_TASK, "a=3 c=1 d=1 ");
    assert_rows(s, STORE_META, "a=other kind ");
    store_batch_destroy(b);

    b = store_batch_create();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            store_batch_put(b, STORE_CURSOR, key, round ? "new" : "old");
        }
    }
    assert_int_equal(store_batch_size(b), 1000);
    assert_int_equal(store_commit(s, b, &e), ERR_OK);
    store_batch_destroy(b);
    store_batch_destroy(NULL);
    store_close(s);
}

static enum err_code refuse_second(void *user, const char *key, const char *value, struct err *e)
{
    int *seen = user;

    (void)value;
    return ++*seen == 2 ? err_set(e, ERR_CONFLICT, "enough at %s", key) : ERR_OK;
}

static void test_each_stops_on_the_callers_error(void **state)
{
    struct store *s = open_ok();
    struct err e = { 0 };
    int seen = 0;

    (void)state;
    put(s, STORE_TASK, "a", "1");
    put(s, STORE_TASK, "b", "1");
    put(s, STORE_TASK, "c", "1");
    assert_int_equal(store_each(s, STORE_TASK, refuse_second, &seen, &e), ERR_CONFLICT);
    assert_string_equal(e.msg, "enough at b");
    assert_int_equal(seen, 2);
    put(s, STORE_TASK, "d", "1"); /* no read transaction was left open */
    store_close(s);
}

static void test_files_are_private(void **state)
{
    static const char *const names[] = { "berth.db", "berth.db-wal", "lock", "." };
    struct store *s;
    struct stat st;
    AUTO(str) char *db = path_of("berth.db");

    (void)state;
    s = open_ok();
    put(s, STORE_META, "a", "1");
    assert_false(exists("berth.db-shm")); /* the log's index is not mapped from the disk */
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(str) char *path = path_of(names[i]);

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, S_ISDIR(st.st_mode) ? 0700 : 0600);
    }
    store_close(s);
    assert_int_equal(chmod(db, 0644), 0);
    store_close(open_ok());
    assert_int_equal(stat(db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* ---- processes ---- */

static void test_second_agent_is_told_who_is_there(void **state)
{
    struct store *s = NULL, *other = NULL;
    struct err e = { 0 };
    char want[256];
    int ready[2], stop[2], status;
    pid_t child;
    char c;
    int fd = -1;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stop), 0);
    child = fork();
    if (child == 0) {
        close(stop[1]);
        if (store_open(dir, &s, NULL) || write(ready[1], "", 1) != 1)
            _exit(1);
        _exit(read(stop[0], &c, 1) == 0 ? 0 : 1);
    }
    close(ready[1]);
    close(stop[0]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(store_open(dir, &other, &e), ERR_CONFLICT);
    snprintf(want, sizeof want, "another agent (process %d) uses %s", (int)child, dir);
    assert_string_equal(e.msg, want);
    assert_null(other);
    assert_int_equal(store_hold(dir, &fd, &e), ERR_CONFLICT);
    assert_string_equal(e.msg, want);
    assert_int_equal(fd, -1);
    close(stop[1]);
    close(ready[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(open_ok()); /* the lock died with its holder */
    /* Held without a store, it keeps stores out; where none has been there is none. */
    assert_int_equal(store_hold(dir, &fd, &e), ERR_OK);
    assert_int_equal(store_open(dir, &other, &e), ERR_CONFLICT);
    close(fd);
    store_close(open_ok());
    assert_int_equal(store_hold("/proc", &fd, &e), ERR_OK);
    assert_int_equal(fd, -1);
}

static void test_killed_while_committing(void **state)
{
    static const int acked[] = { 0, 1, 7, 33, 150, 700 }; /* the last ones passed a checkpoint */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(acked); i++) {
        struct store *s;

        run_and_kill(acked[i]);
        s = open_ok();
        assert_true(assert_prefix(s) >= acked[i]);
        store_close(s);
        assert_int_equal(tear_down(NULL), 0);
    }
}

static void test_log_cut_anywhere_leaves_a_prefix(void **state)
{
    AUTO(str) char *db_path = path_of("berth.db");
    AUTO(str) char *wal_path = path_of("berth.db-wal");
    AUTO(str) char *count_path = path_of("berth.commits");
    AUTO(str) char *db = NULL;
    AUTO(str) char *wal = NULL;
    size_t db_n, wal_n;
    int whole = -1, before = -1, got;
    struct store *s;

    (void)state;
    run_and_kill(25);
    db = read_whole(db_path, &db_n);
    wal = read_whole(wal_path, &wal_n);
    assert_true(wal_n > 20000);
    for (size_t cut = 0;; cut = cut + 1777 < wal_n ? cut + 1777 : wal_n) {
        write_whole(db_path, db, db_n);
        write_whole(wal_path, wal, cut);
        /* As after losing power, when the count of commits may be older than they are. */
        unlink(count_path);
        /* Cut within the first transaction, even the schema is gone: an empty store. */
        s = open_ok();
        got = assert_prefix(s);
        store_close(s);
        assert_true(got >= before);
        before = whole = got;
        if (cut == wal_n)
            break;
    }
    assert_true(whole >= 25);
    assert_false(exists("berth.db.broken-1"));
}

/* Of the past nothing is told about tasks: what was done since would be done again. */
static void test_a_past_is_not_believed(void **state)
{
    AUTO(str) char *db_path = path_of("berth.db");
    AUTO(str) char *wal_path = path_of("berth.db-wal");
    AUTO(str) char *db = NULL;
    AUTO(str) char *wal = NULL;
    size_t db_n, wal_n;
    struct store *s = NULL;
    struct err e = { 0 };

    (void)state;
    s = open_ok();
    put(s, STORE_META, "arn", "x");
    store_close(s);
    run_and_kill(9);
    db = read_whole(db_path, &db_n);
    wal = read_whole(wal_path, &wal_n);
    wal[wal_n * 2 / 3] ^= 1;
    write_whole(wal_path, wal, wal_n);
    for (int again = 0; again < 2; again++) { /* until something is committed */
        s = NULL;
        assert_int_equal(store_open(dir, &s, &e), ERR_INVALID);
        assert_non_null(strstr(e.msg, "changes are missing"));
        assert_true(store_has_lost(s));
        assert_rows(s, STORE_TASK, "");
        assert_true(count_rows(s, STORE_META) >= 1);
        store_close(s);
        write_whole(db_path, db, db_n);
        write_whole(wal_path, wal, wal_n);
    }
    assert_int_equal(store_open(dir, &s, &e), ERR_INVALID);
    put(s, STORE_TASK, "a", "1");
    store_close(s);
    s = open_ok();
    assert_false(store_has_lost(s));
    assert_rows(s, STORE_TASK, "a=1 ");
    store_close(s);

    assert_int_equal(unlink(db_path), 0); /* gone as a whole */
    assert_int_equal(store_open(dir, &s, &e), ERR_INVALID);
    assert_true(store_has_lost(s));
    assert_int_equal(store_clear(s, &e), ERR_OK);
    put(s, STORE_TASK, "b", "1");
    assert_int_equal(store_clear(s, &e), ERR_OK);
    store_close(s);
    store_close(open_ok()); /* what is cleared is not lost */
}

/* ---- a look ---- */

/* Every file, by its bytes. */
static void assert_look_changes_nothing(enum err_code code, const char *tasks)
{
    static const char *const names[] = { "berth.db", "berth.db-wal", "berth.commits" };
    char *bytes[COUNT_OF(names)] = { 0 };
    size_t n[COUNT_OF(names)] = { 0 };
    struct store *s = NULL;
    struct err e = { 0 };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(str) char *path = path_of(names[i]);

        if (exists(names[i]))
            bytes[i] = read_whole(path, &n[i]);
    }
    assert_int_equal(store_look(dir, &s, &e), code);
    assert_int_equal(s == NULL, code != ERR_OK);
    if (s)
        assert_rows(s, STORE_TASK, tasks);
    store_close(s);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(str) char *path = path_of(names[i]);
        size_t now_n = 0;
        AUTO(str) char *now = exists(names[i]) ? read_whole(path, &now_n) : NULL;

        assert_int_equal(now_n, n[i]);
        assert_true(!now == !bytes[i] && (!now || memcmp(now, bytes[i], n[i]) == 0));
        free(bytes[i]);
    }
    assert_false(exists("berth.db.broken-1"));
}

static void test_a_look(void **state)
{
    AUTO(str) char *db_path = path_of("berth.db");
    AUTO(str) char *nowhere = path_of("nowhere");
    struct store *s = NULL, *other = NULL;
    struct err e = { 0 };

    (void)state;
    assert_look_changes_nothing(ERR_OK, "");
    assert_false(exists("lock"));
    assert_int_equal(store_look(nowhere, &s, &e), ERR_OK);
    store_close(s);
    assert_false(exists("nowhere"));
    s = open_ok();
    put(s, STORE_TASK, "a", "1");
    assert_int_equal(store_look(dir, &other, &e), ERR_CONFLICT);
    assert_null(other);
    store_close(s);
    assert_look_changes_nothing(ERR_OK, "a=1 ");
    run_and_kill(3); /* what is only in the log */
    assert_int_equal(store_look(dir, &s, &e), ERR_OK);
    assert_int_equal(store_open(dir, &other, &e), ERR_CONFLICT);
    assert_false(store_has_lost(s));
    assert_true(count_rows(s, STORE_META) >= 1);
    store_close(s);
    write_whole(db_path, "no database, for sure", 21);
    assert_look_changes_nothing(ERR_INVALID, NULL);
    assert_int_equal(unlink(db_path), 0);
    assert_int_equal(store_look(dir, &s, &e), ERR_OK);
    assert_true(store_has_lost(s));
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_survives_reopening),
        CASE(test_batch_keeps_the_last_word_and_the_first_place),
        CASE(test_each_stops_on_the_callers_error),
        CASE(test_files_are_private),
        CASE(test_second_agent_is_told_who_is_there),
        CASE(test_killed_while_committing),
        CASE(test_log_cut_anywhere_leaves_a_prefix),
        CASE(test_a_past_is_not_believed),
        CASE(test_a_look),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
