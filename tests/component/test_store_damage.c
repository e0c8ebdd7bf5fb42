/* links: store */
/* The store, where its files are not what it left. */
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "component/store_place.h"

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

/* An agent that was killed has left what it committed last in the log: it goes along, for nobody
 * can move two files at once. */
static void test_newer_schema_with_a_log(void **state)
{
    AUTO(str) char *path = path_of("berth.db");
    AUTO(str) char *log = path_of("berth.db-wal");
    AUTO(str) char *aside = path_of("berth.db.newer-1");
    AUTO(str) char *moved = NULL;
    AUTO(str) char *db_bytes = NULL;
    AUTO(str) char *log_bytes = NULL;
    size_t db_n, log_n, kept;
    sqlite3 *db;
    struct err e = { 0 };

    (void)state;
    store_close(open_ok());
    make_db("PRAGMA user_version = 7");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE last (x)", NULL, NULL, NULL), SQLITE_OK);
    db_bytes = read_whole(path, &db_n);
    log_bytes = read_whole(log, &log_n);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    write_whole(path, db_bytes, db_n);
    write_whole(log, log_bytes, log_n);
    assert_true(log_n > 0);

    assert_int_equal(store_set_aside(dir, &moved, &kept, &e), ERR_OK);
    assert_false(exists("berth.db.newer-1-wal"));
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(ask("SELECT count(*) FROM last"), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_empty_database_is_migrated),    CASE(test_newer_schema_is_left_alone),
        CASE(test_newer_schema_is_set_aside),     CASE(test_newer_schema_with_a_log),
        CASE(test_foreign_files_are_moved_aside), CASE(test_truncated_anywhere),
        CASE(test_flipped_bytes_never_kill_us),   CASE(test_damaged_entries_are_dropped),
        CASE(test_schema_1_is_believed),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
