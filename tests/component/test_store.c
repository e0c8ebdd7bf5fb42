/* links: store */
/* The store on a real file system: durability, damage, and the second process. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "store/store.h"

static char root[64];
static char dir[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test-store-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(dir, sizeof dir, "%s/lib/data", root);
    return 0;
}

static int tear_down(void **state)
{
    AUTO(str) char *cmd = mem_printf("rm -rf '%s'", root);

    (void)state;
    return system(cmd) == 0 ? 0 : -1;
}

static struct store *open_ok(void)
{
    struct store *s = NULL;
    struct err e = { 0 };

    if (store_open(dir, &s, &e))
        fail_msg("store_open: %s", e.msg);
    return s;
}

static void put(struct store *s, enum store_kind kind, const char *key, const char *value)
{
    struct store_batch *b = store_batch_create();
    struct err e = { 0 };

    store_batch_put(b, kind, key, value);
    if (store_commit(s, b, &e))
        fail_msg("store_commit: %s", e.msg);
    store_batch_destroy(b);
}

static enum err_code append_row(void *user, const char *key, const char *value, struct err *e)
{
    (void)e;
    buf_printf(user, "%s=%s ", key, value);
    return ERR_OK;
}

static enum err_code count_row(void *user, const char *key, const char *value, struct err *e)
{
    int *n = user;

    (void)key;
    (void)value;
    (void)e;
    ++*n;
    return ERR_OK;
}

static int count_rows(struct store *s, enum store_kind kind)
{
    struct err e = { 0 };
    int n = 0;

    assert_int_equal(store_each(s, kind, count_row, &n, &e), ERR_OK);
    return n;
}

static void assert_rows(struct store *s, enum store_kind kind, const char *want)
{
    struct buf b = BUF_INIT(1 << 20);
    struct err e = { 0 };

    assert_int_equal(store_each(s, kind, append_row, &b, &e), ERR_OK);
    assert_string_equal(buf_text(&b), want);
    buf_fini(&b);
}

static char *path_of(const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static char *read_whole(const char *path, size_t *n)
{
    struct buf b = BUF_INIT(8 << 20);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    assert_true(fd >= 0);
    for (char *p; (p = buf_reserve(&b, 65536)) && (got = read(fd, p, 65536)) > 0;)
        buf_grew(&b, (size_t)got);
    close(fd);
    *n = b.len;
    return buf_take(&b);
}

static void write_whole(const char *path, const char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    close(fd);
}

static bool exists(const char *name)
{
    AUTO(str) char *path = path_of(name);

    return access(path, F_OK) == 0;
}

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
    close(stop[1]);
    close(ready[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(open_ok()); /* the lock died with its holder */
}

static void commit_numbers(int ack) __attribute__((noreturn));
static void commit_numbers(int ack)
{
    struct store *s = NULL;
    char key[32], value[600];

    if (store_open(dir, &s, NULL))
        _exit(1);
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0;; i++) {
        struct store_batch *b = store_batch_create();

        snprintf(key, sizeof key, "%d", i);
        store_batch_put(b, STORE_TASK, key, value);
        store_batch_put(b, STORE_META, "last", key);
        if (store_commit(s, b, NULL) || write(ack, &i, sizeof i) != sizeof i)
            _exit(1);
        store_batch_destroy(b);
    }
}

/* Lets a child commit until `n` commits are acknowledged, then kills it. */
static void run_and_kill(int n)
{
    int ack[2], last = -1, status;
    pid_t child;

    assert_int_equal(pipe(ack), 0);
    child = fork();
    if (child == 0)
        commit_numbers(ack[1]);
    close(ack[1]);
    while (last < n)
        if (read(ack[0], &last, sizeof last) != sizeof last)
            fail_msg("the child died by itself");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ack[0]);
    assert_true(WIFSIGNALED(status));
}

static enum err_code expect_next(void *user, const char *key, const char *value, struct err *e)
{
    int *next = user;
    char want[32];

    snprintf(want, sizeof want, "%d", (*next)++);
    if (!streq(key, want) || strlen(value) != 599)
        return err_set(e, ERR_IO, "expected %s, found %s", want, key);
    return ERR_OK;
}

/* Checks that the store holds commits 0..k and nothing else; returns k. */
static int assert_prefix(struct store *s)
{
    struct err e = { 0 };
    char *last = NULL;
    int next = 0;

    if (store_each(s, STORE_TASK, expect_next, &next, &e))
        fail_msg("%s", e.msg);
    if (next) {
        assert_int_equal(store_get(s, STORE_META, "last", &last, &e), ERR_OK);
        assert_int_equal(atol(last), next - 1);
        free(last);
    }
    return next - 1;
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

/* ---- foreign and damaged files ---- */

static void make_db(const char *sql)
{
    AUTO(str) char *path = path_of("berth.db");
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(const char *sql)
{
    AUTO(str) char *path = path_of("berth.db");
    sqlite3 *db;
    sqlite3_stmt *q;
    int64_t v;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    v = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return v;
}

static void test_empty_database_is_migrated(void **state)
{
    struct store *s;
    AUTO(str) char *path = path_of("berth.db");

    (void)state;
    store_close(open_ok());
    /* Schema 0 in both of its forms: no bytes, and a header without tables. */
    write_whole(path, "", 0);
    store_close(open_ok());
    assert_int_equal(ask("PRAGMA user_version"), STORE_SCHEMA);
    assert_int_equal(unlink(path), 0);
    make_db("CREATE TABLE t (x); DROP TABLE t;");
    assert_int_equal(ask("PRAGMA user_version"), 0);
    s = open_ok();
    put(s, STORE_TASK, "a", "1");
    store_close(s);
    assert_int_equal(ask("PRAGMA user_version"), STORE_SCHEMA);
    assert_int_equal(ask("PRAGMA application_id"), 0x42727468);
    assert_int_equal(ask("SELECT count(*) FROM entry WHERE kind = 1"), 1);
    assert_false(exists("berth.db.broken-1"));
}

static void test_newer_schema_is_left_alone(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *before = NULL;
    AUTO(str) char *after = NULL;
    size_t before_n, after_n;
    struct store *s = open_ok();
    struct err e = { 0 };

    (void)state;
    put(s, STORE_TASK, "a", "1");
    store_close(s);
    make_db("PRAGMA user_version = 7");
    before = read_whole(path, &before_n);
    s = NULL;
    assert_int_equal(store_open(dir, &s, &e), ERR_LIMIT);
    assert_null(s);
    assert_string_equal(e.msg, "berth.db is of schema 7, this agent knows up to 2; install a newer "
                               "agent, or run \"berth set-aside\"");
    after = read_whole(path, &after_n);
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, before_n);
    assert_false(exists("berth.db.broken-1"));
    make_db("PRAGMA user_version = 2"); /* the lock was given back as well */
    s = open_ok();
    assert_rows(s, STORE_TASK, "a=1 ");
    store_close(s);
}

static void test_newer_schema_is_set_aside(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *aside = path_of("berth.db.newer-1");
    AUTO(str) char *moved = NULL;
    AUTO(str) char *before = NULL;
    AUTO(str) char *after = NULL;
    size_t before_n, after_n, kept = 0;
    struct store *s = open_ok();
    struct err e = { 0 };

    (void)state;
    put(s, STORE_META, "container-instance-arn", "arn:i");
    put(s, STORE_TASK, "a", "1");
    assert_int_equal(store_set_aside(dir, &moved, &kept, &e), ERR_CONFLICT); /* it is in use */
    assert_null(moved);
    store_close(s);
    e = (struct err){ 0 };
    assert_int_equal(store_set_aside(dir, &moved, &kept, &e), ERR_NOT_FOUND); /* it is ours */
    assert_null(moved);
    assert_false(exists("berth.db.newer-1"));

    /* The newer agent has moved tables about, but kept what an older one may read. */
    make_db("CREATE TABLE more (x); INSERT INTO more VALUES (1);"
            "ALTER TABLE entry ADD COLUMN later INTEGER; PRAGMA user_version = 7");
    before = read_whole(path, &before_n);
    e = (struct err){ 0 };
    assert_int_equal(store_set_aside(dir, &moved, &kept, &e), ERR_OK);
    assert_string_equal(moved, aside);
    assert_int_equal(kept, 1);
    after = read_whole(aside, &after_n);
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, before_n);
    s = open_ok();
    assert_rows(s, STORE_META, "state-lost=1 container-instance-arn=arn:i ");
    assert_rows(s, STORE_TASK, "");
    store_close(s);

    /* One that kept nothing at all: this instance is a new one then. */
    make_db("DROP TABLE entry; PRAGMA user_version = 8");
    free(moved);
    assert_int_equal(store_set_aside(dir, &moved, &kept, &e), ERR_OK);
    assert_true(str_ends(moved, "berth.db.newer-2"));
    assert_int_equal(kept, 0);
    s = open_ok();
    assert_rows(s, STORE_META, "state-lost=1 ");
    store_close(s);
}

/* Opens a damaged store: it must be moved to berth.db.broken-`n` and work. */
static void assert_replaced(int n)
{
    AUTO(str) char *name = mem_printf("berth.db.broken-%d", n);
    AUTO(str) char *path = path_of(name);
    struct store *s = NULL;
    struct err e = { 0 };

    assert_int_equal(store_open(dir, &s, &e), ERR_INVALID);
    assert_non_null(s);
    assert_non_null(strstr(e.msg, path));
    assert_true(exists(name));
    assert_rows(s, STORE_TASK, "");
    put(s, STORE_TASK, "fresh", "1");
    store_close(s);
    s = open_ok();
    assert_rows(s, STORE_TASK, "fresh=1 ");
    store_close(s);
}

static void test_foreign_files_are_moved_aside(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *first = path_of("berth.db.broken-1");
    char *text;
    size_t n;

    (void)state;
    store_close(open_ok());
    write_whole(path, "this is not a database, by any measure", 38);
    assert_replaced(1);
    assert_int_equal(unlink(path), 0);
    make_db("CREATE TABLE bookmarks (url)");
    assert_replaced(2);
    make_db("DROP TABLE entry");
    assert_replaced(3);
    make_db("ALTER TABLE entry RENAME COLUMN value TO text");
    assert_replaced(4);
    make_db("CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry; END");
    assert_replaced(5);
    make_db("DROP TABLE entry; CREATE VIEW entry AS WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
            " SELECT i AS seq, 1 AS kind, 'k' AS key, 'v' AS value FROM n");
    assert_replaced(6); /* reading all of it would never end */
    make_db("DROP TABLE entry; CREATE TABLE entry (seq INTEGER PRIMARY KEY, kind, key, value);"
            " INSERT INTO entry (kind) VALUES (1)");
    assert_replaced(7);
    text = read_whole(first, &n);
    assert_int_equal(n, 38); /* kept for whoever wants to look */
    free(text);
}

static void fill(int rows)
{
    struct store_batch *b = store_batch_create();
    struct store *s = open_ok();
    struct err e = { 0 };
    char key[32], value[600];

    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < rows; i++) {
        snprintf(key, sizeof key, "%d", i);
        store_batch_put(b, STORE_TASK, key, value);
        store_batch_put(b, STORE_META, "last", key);
    }
    assert_int_equal(store_commit(s, b, &e), ERR_OK);
    store_batch_destroy(b);
    store_close(s);
}

static void test_truncated_anywhere(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *whole = NULL;
    struct rng r;
    size_t n, cut;
    int broken = 0;

    (void)state;
    fill(60);
    whole = read_whole(path, &n);
    assert_true(n > 40000);
    rng_seed(&r, 20);
    for (int i = 0; i < 60; i++) {
        /* Whole pages as well, and within the header. */
        cut = i < 4   ? (size_t)(1 + 99 * i)
              : i % 4 ? 1 + (size_t)rng_below(&r, n - 1)
                      : 4096 * (1 + (size_t)rng_below(&r, n / 4096 - 1));
        write_whole(path, whole, cut);
        assert_replaced(++broken);
    }
}

static void test_flipped_bytes_never_kill_us(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *whole = NULL;
    struct rng r;
    size_t n, at;

    (void)state;
    fill(40);
    whole = read_whole(path, &n);
    rng_seed(&r, 21);
    for (int i = 0; i < 150; i++) {
        struct store *s = NULL;
        struct err e = { 0 };
        enum err_code code;

        at = i < 100 ? (size_t)i : (size_t)rng_below(&r, n); /* each header byte once */
        whole[at] ^= (char)0xA5;
        write_whole(path, whole, n);
        whole[at] ^= (char)0xA5;
        code = store_open(dir, &s, &e);
        /* The four bytes of user_version may well spell a newer schema. */
        if (code == ERR_LIMIT && at >= 60 && at < 64)
            continue;
        if ((code != ERR_OK && code != ERR_INVALID) || !s)
            fail_msg("byte %zu: %s", at, e.msg);
        put(s, STORE_CURSOR, "works", "1");
        store_close(s);
    }
}

static void test_damaged_entries_are_dropped(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *whole = NULL;
    struct store *s = open_ok();
    struct err e = { 0 };
    size_t n;
    char *at;

    (void)state;
    put(s, STORE_TASK, "a", "{\"known\":3}");
    put(s, STORE_TASK, "b", "{\"known\":4}");
    put(s, STORE_META, "name", "worth");
    store_close(s);
    whole = read_whole(path, &n);
    at = memmem(whole, n, "known\":3", 8);
    assert_non_null(at);
    at[7] = '4'; /* as good a JSON as before */
    write_whole(path, whole, n);
    assert_int_equal(store_open(dir, &s, &e), ERR_INVALID);
    assert_string_equal(e.msg, "berth.db: 1 entries were damaged and are dropped");
    assert_true(store_has_lost(s));
    assert_rows(s, STORE_TASK, "b={\"known\":4} ");
    assert_rows(s, STORE_META, "name=worth " STORE_LOST "=1 ");
    store_close(s);
    s = open_ok();
    assert_false(store_has_lost(s));
    assert_rows(s, STORE_META, "name=worth " STORE_LOST "=1 "); /* it has not been dealt with */
    store_close(s);
    assert_false(exists("berth.db.broken-1"));
}

/* A release that knew no sums wrote them without. */
static void test_schema_1_is_believed(void **state)
{
    struct store *s;

    (void)state;
    store_close(open_ok());
    make_db("INSERT INTO entry (kind, key, value) VALUES (1, 'a', '1');"
            "ALTER TABLE entry DROP COLUMN sum; PRAGMA user_version = 1");
    s = open_ok();
    assert_rows(s, STORE_TASK, "a=1 ");
    put(s, STORE_TASK, "b", "1");
    store_close(s);
    assert_int_equal(ask("PRAGMA user_version"), STORE_SCHEMA);
    assert_int_equal(ask("SELECT count(*) FROM entry WHERE sum IS NULL"), 1);
}

/* ---- the system says no ---- */

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

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

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
        CASE(test_empty_database_is_migrated),
        CASE(test_newer_schema_is_left_alone),
        CASE(test_newer_schema_is_set_aside),
        CASE(test_foreign_files_are_moved_aside),
        CASE(test_truncated_anywhere),
        CASE(test_flipped_bytes_never_kill_us),
        CASE(test_damaged_entries_are_dropped),
        CASE(test_schema_1_is_believed),
        CASE(test_read_only_file),
        CASE(test_directory_is_a_file),
        CASE(test_full_disk),
        CASE(test_full_disk_from_the_start),
        CASE(test_read_only_disk),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
