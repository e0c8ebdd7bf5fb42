#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

enum stmt { ST_BEGIN, ST_COMMIT, ST_ROLLBACK, ST_PUT, ST_DELETE, ST_GET, ST__COUNT };

static const char *const statements[ST__COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_PUT] = ("INSERT INTO entry (kind, key, value) VALUES (?1, ?2, ?3)"
                " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"),
    [ST_DELETE] = "DELETE FROM entry WHERE kind = ?1 AND key = ?2",
    [ST_GET] = "SELECT value FROM entry WHERE kind = ?1 AND key = ?2",
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *st[ST__COUNT];
    int lock_fd;
};

static void db_close(struct store *s)
{
    for (size_t i = 0; i < ST__COUNT; i++) {
        sqlite3_finalize(s->st[i]);
        s->st[i] = NULL;
    }
    sqlite3_close(s->db);
    s->db = NULL;
}

static enum err_code prepare_all(struct store *s, struct err *e)
{
    for (size_t i = 0; i < ST__COUNT; i++) {
        int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i],
                                    NULL);

        if (rc)
            return sql_error(s->db, rc, e);
    }
    return ERR_OK;
}

/* The directory's lock makes us the only user, so the exclusive mode costs
 * nothing and keeps the log's index on the heap: a mapped one would kill us with
 * SIGBUS on a full disk. */
static enum err_code set_up(struct store *s, struct err *e)
{
    int version = 0;
    enum err_code code;

    sqlite3_db_config(s->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 256, 64);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* A file that is refused below must stay as it is, its log included. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = sql_exec(s->db,
                    "PRAGMA locking_mode = EXCLUSIVE;"
                    "PRAGMA cache_size = -256;"
                    "PRAGMA temp_store = MEMORY;"
                    "PRAGMA mmap_size = 0;"
                    "PRAGMA trusted_schema = OFF",
                    e);
    if (code || schema_check(s->db, &version, e))
        return e->code;
    code = sql_exec(s->db,
                    "PRAGMA journal_mode = WAL;"
                    "PRAGMA synchronous = FULL;"
                    "PRAGMA wal_autocheckpoint = 256;"
                    "PRAGMA journal_size_limit = 1048576",
                    e);
    if (code || schema_migrate(s->db, version, e) || prepare_all(s, e))
        return e->code;
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return ERR_OK;
}

static enum err_code db_open(struct store *s, const char *dir, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/" DB_NAME, dir);
    enum err_code code;
    int rc;

    if (files_make_db(dir, e) || files_check_whole(dir, e))
        return e->code;
    rc = sqlite3_open_v2(path, &s->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc)
        code = s->db ? sql_error(s->db, rc, e) : err_set(e, ERR_IO, "%s: out of memory", path);
    else
        code = set_up(s, e);
    /* The file can be written (files_make_db), so only its own header can make
     * it read-only for SQLite. */
    if (!rc && code != ERR_LIMIT && sqlite3_db_readonly(s->db, "main") == 1)
        code = err_set(e, ERR_INVALID, DB_NAME ": its header says read-only");
    if (code && s->db) {
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        db_close(s);
    }
    return code;
}

static enum err_code open_or_replace(struct store *s, const char *dir, struct err *e)
{
    AUTO(str) char *moved = NULL;
    struct err why = { 0 };

    if (db_open(s, dir, e) != ERR_INVALID)
        return e->code;
    why = *e;
    if (files_move_aside(dir, &moved, e) || db_open(s, dir, e))
        return e->code;
    return err_set(e, ERR_INVALID, "%s is not usable (%.300s); moved to %s, starting empty",
                   DB_NAME, why.msg, moved);
}

enum err_code store_open(const char *dir, struct store **out, struct err *e)
{
    struct store *s;
    struct err own = { 0 };
    enum err_code code;
    int fd = -1;

    if (files_make_dir(dir, &own) || lock_take(dir, &fd, &own)) {
        if (e)
            *e = own;
        return own.code;
    }
    s = NEW(struct store);
    s->lock_fd = fd;
    code = open_or_replace(s, dir, &own);
    if (code && e)
        *e = own;
    if (code && !s->db) {
        store_close(s);
        return code;
    }
    *out = s;
    return code;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    db_close(s);
    close(s->lock_fd); /* releases the lock, so it is last */
    free(s);
}

/* Runs a statement to its end and leaves it ready for the next use. */
static int run(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int bind_text(sqlite3_stmt *st, int i, const char *text)
{
    return sqlite3_bind_text64(st, i, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8);
}

static int apply(struct store *s, const struct batch_op *op)
{
    sqlite3_stmt *st = s->st[op->value ? ST_PUT : ST_DELETE];
    int rc = sqlite3_bind_int(st, 1, (int)op->kind);

    if (!rc)
        rc = bind_text(st, 2, op->key);
    if (!rc && op->value)
        rc = bind_text(st, 3, op->value);
    return rc ? rc : run(st);
}

enum err_code store_commit(struct store *s, const struct store_batch *b, struct err *e)
{
    enum err_code code;
    int rc;

    if (!b->n)
        return ERR_OK;
    rc = run(s->st[ST_BEGIN]);
    for (size_t i = 0; i < b->n && !rc; i++)
        rc = apply(s, &b->ops[i]);
    if (!rc)
        rc = run(s->st[ST_COMMIT]);
    if (!rc)
        return ERR_OK;
    code = sql_error(s->db, rc, e);
    /* Damage found now is the system's failure: the batch was fine. */
    if (code == ERR_INVALID || code == ERR_CONFLICT)
        code = err_set(e, ERR_IO, DB_NAME ": %s", sqlite3_errmsg(s->db));
    if (!sqlite3_get_autocommit(s->db) && run(s->st[ST_ROLLBACK])) {
        /* SQLite rolls back by itself before the next transaction. */
    }
    return code;
}

enum err_code store_clear(struct store *s, struct err *e)
{
    int rc = sqlite3_exec(s->db, "DELETE FROM entry", NULL, NULL, NULL);

    return rc ? sql_error(s->db, rc, e) : ERR_OK;
}

enum err_code store_each(struct store *s, enum store_kind kind, store_row_fn *row, void *user,
                         struct err *e)
{
    /* The plus sign keeps the planner off the index of (kind, key): the rows of
     * the table are in order already, and nothing needs sorting in memory. */
    static const char sql[] = "SELECT key, value FROM entry WHERE +kind = ?1 ORDER BY seq";
    sqlite3_stmt *q = NULL;
    enum err_code code = ERR_OK;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

    if (!rc)
        rc = sqlite3_bind_int(q, 1, (int)kind);
    while (!rc && !code && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        code = row(user, (const char *)sqlite3_column_text(q, 0),
                   (const char *)sqlite3_column_text(q, 1), e);
    }
    if (!code && rc != SQLITE_DONE)
        code = sql_error(s->db, rc, e);
    sqlite3_finalize(q);
    return code;
}

enum err_code store_get(struct store *s, enum store_kind kind, const char *key, char **out,
                        struct err *e)
{
    sqlite3_stmt *q = s->st[ST_GET];
    enum err_code code = ERR_OK;
    int rc = sqlite3_bind_int(q, 1, (int)kind);

    *out = NULL;
    if (!rc)
        rc = bind_text(q, 2, key);
    if (!rc)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = mem_strdup((const char *)sqlite3_column_text(q, 0));
    else if (rc == SQLITE_DONE)
        code = err_set(e, ERR_NOT_FOUND, "%s is not in the store", key);
    else
        code = sql_error(s->db, rc, e);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return code;
}
