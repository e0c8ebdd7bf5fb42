#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
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
    [ST_PUT] = ("INSERT INTO entry (kind, key, value, sum) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value,"
                " sum = excluded.sum"),
    [ST_DELETE] = "DELETE FROM entry WHERE kind = ?1 AND key = ?2",
    [ST_GET] = "SELECT value FROM entry WHERE kind = ?1 AND key = ?2",
};

struct store {
    char *dir;
    sqlite3 *db; /* NULL: it was found damaged while it was in use */
    sqlite3_stmt *st[ST__COUNT];
    int lock_fd, count_fd;
    int64_t count; /* of durable transactions */
    bool detached; /* `db` is a copy in memory, for reading */
    bool lost;     /* see store_has_lost */
    bool blind;    /* nothing could be read when it was opened: what is there is of the past */
    bool newer;    /* the schema is */
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
static enum err_code set_up(struct store *s, struct err *doubt, struct err *e)
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
    if (code || schema_check(s->db, &version, e)) {
        s->newer = version > STORE_SCHEMA;
        return e->code;
    }
    code = sql_exec(s->db,
                    "PRAGMA journal_mode = WAL;"
                    "PRAGMA synchronous = FULL;"
                    "PRAGMA wal_autocheckpoint = 256;"
                    "PRAGMA journal_size_limit = 1048576",
                    e);
    if (code || schema_migrate(s->db, version, e) ||
        trust_check(s->db, trust_count_read(s->count_fd), &s->count, doubt, e) || prepare_all(s, e))
        return e->code;
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return ERR_OK;
}

static enum err_code db_open(struct store *s, const char *dir, struct err *doubt, struct err *e)
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
        code = set_up(s, doubt, e);
    /* The file can be written (files_make_db), so only its own header can make
     * it read-only for SQLite. */
    if (!rc && !s->newer && sqlite3_db_readonly(s->db, "main") == 1)
        code = err_set(e, ERR_INVALID, DB_NAME ": its header says read-only");
    if (code && s->db) {
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        db_close(s);
    }
    return code;
}

/* ERR_INVALID: it is open, and something is lost. */
static enum err_code open_or_replace(struct store *s, struct err *e)
{
    AUTO(str) char *moved = NULL;
    struct err doubt = { 0 };

    if (s->count_fd < 0)
        s->count_fd = trust_count_open(s->dir, true);
    if (db_open(s, s->dir, &doubt, e) == ERR_INVALID) {
        struct err why = *e;

        *e = (struct err){ 0 };
        if (files_move_aside(s->dir, "broken", &moved, e) || db_open(s, s->dir, &doubt, e))
            return e->code;
        err_set(&doubt, ERR_INVALID, "%s is not usable (%.300s); moved to %s, starting empty",
                DB_NAME, why.msg, moved);
    }
    if (e->code)
        return e->code;
    if (doubt.code)
        *e = doubt;
    s->lost = e->code != ERR_OK;
    return e->code;
}

/* ---- a directory that cannot be written ---- */

static void read_copy(struct store *s, struct err *e)
{
    AUTO(copy_dir) char *tmp = copy_files(s->dir, e);
    struct store copy = { .lock_fd = -1, .count_fd = s->count_fd };
    struct err doubt = { 0 };

    if (tmp && !db_open(&copy, tmp, &doubt, e) && !copy_to_memory(copy.db, &s->db, e)) {
        s->lost = doubt.code != ERR_OK;
        s->count = copy.count;
    }
    s->newer = copy.newer;
    db_close(&copy);
}

static enum err_code detach(struct store *s, struct err *e)
{
    struct err why = *e, unread = { 0 };

    if (s->count_fd < 0)
        s->count_fd = trust_count_open(s->dir, false);
    read_copy(s, &unread);
    if (s->newer) {
        *e = unread;
        return e->code;
    }
    if (unread.code) {
        s->lost = s->blind = true;
        *e = (struct err){ 0 };
        if (copy_to_memory(NULL, &s->db, e))
            return e->code;
    }
    if (prepare_all(s, e))
        return e->code;
    s->detached = true;
    if (s->count_fd >= 0)
        close(s->count_fd); /* it cannot be written */
    s->count_fd = -1;
    return unread.code
               ? err_set(e, ERR_RETRY, "%.150s (nor can it be read: %.150s)", why.msg, unread.msg)
               : err_set(e, ERR_RETRY, "%.300s", why.msg);
}

/* The directory can be written again, perhaps. */
static enum err_code attach(struct store *s, struct err *e)
{
    struct store now = { .dir = s->dir, .lock_fd = s->lock_fd, .count_fd = -1 };
    struct err own = { 0 };

    if (now.lock_fd < 0 && (files_make_dir(s->dir, &own) || lock_take(s->dir, &now.lock_fd, &own)))
        goto failed;
    s->lock_fd = now.lock_fd;
    if (open_or_replace(&now, &own) && !now.db)
        goto failed;
    if (s->blind && store_clear(&now, &own)) {
        db_close(&now);
        goto failed;
    }
    db_close(s);
    *s = now;
    return ERR_OK;
failed:
    if (now.count_fd >= 0)
        close(now.count_fd);
    return err_set(e, own.code == ERR_LIMIT && !now.newer ? ERR_LIMIT : ERR_IO, "%s", own.msg);
}

/* ---- life ---- */

enum err_code store_open(const char *dir, struct store **out, struct err *e)
{
    struct store *s = NEW(struct store);
    struct err own = { 0 };

    s->dir = mem_strdup(dir);
    s->lock_fd = s->count_fd = -1;
    if (!files_make_dir(dir, &own) && !lock_take(dir, &s->lock_fd, &own))
        open_or_replace(s, &own);
    /* Who may not write, or means another directory, is told so; what a disk does is lived with. */
    if (!s->db && !s->newer && (own.code == ERR_LIMIT || own.code == ERR_IO))
        detach(s, &own);
    if (own.code && e)
        *e = own;
    if (!s->db)
        store_close(s);
    else
        *out = s;
    return own.code;
}

enum err_code store_look(const char *dir, struct store **out, struct err *e)
{
    struct store *s = NEW(struct store);
    struct err own = { 0 };

    s->dir = mem_strdup(dir);
    s->lock_fd = s->count_fd = -1;
    if (!store_hold(dir, &s->lock_fd, &own)) {
        s->count_fd = trust_count_open(dir, false);
        read_copy(s, &own);
    }
    if (own.code || prepare_all(s, &own)) {
        store_close(s);
        return err_set(e, own.code, "%s", own.msg);
    }
    s->detached = true;
    *out = s;
    return ERR_OK;
}

bool store_has_lost(const struct store *s)
{
    return s->lost;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    db_close(s);
    if (s->count_fd >= 0)
        close(s->count_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd); /* releases the lock, so it is last */
    free(s->dir);
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

static int put(struct store *s, int kind, const char *key, const char *value)
{
    sqlite3_stmt *st = s->st[ST_PUT];
    int rc = sqlite3_bind_int(st, 1, kind);

    if (!rc)
        rc = bind_text(st, 2, key);
    if (!rc)
        rc = bind_text(st, 3, value);
    if (!rc)
        rc = sqlite3_bind_int64(st, 4, trust_sum(kind, key, value));
    return rc ? rc : run(st);
}

static int apply(struct store *s, const struct batch_op *op)
{
    sqlite3_stmt *st = s->st[ST_DELETE];
    int rc;

    if (op->value)
        return put(s, (int)op->kind, op->key, op->value);
    rc = sqlite3_bind_int(st, 1, (int)op->kind);
    if (!rc)
        rc = bind_text(st, 2, op->key);
    return rc ? rc : run(st);
}

static int count(struct store *s)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, s->count + 1);
    return put(s, KIND_COUNT, "commits", text);
}

static void roll_back(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db) && run(s->st[ST_ROLLBACK])) {
        /* SQLite rolls back by itself before the next transaction. */
    }
}

/* The file broke under our hands. */
static enum err_code set_aside(struct store *s, struct err *e)
{
    AUTO(str) char *moved = NULL;
    struct err why = *e;

    db_close(s);
    s->lost = true;
    if (files_move_aside(s->dir, "broken", &moved, e))
        return err_set(e, ERR_INVALID, "%.300s", why.msg);
    return err_set(e, ERR_INVALID, "%.300s; moved to %s", why.msg, moved);
}

static bool is_damage(int rc)
{
    return (rc & 0xFF) == SQLITE_CORRUPT || (rc & 0xFF) == SQLITE_NOTADB;
}

enum err_code store_commit(struct store *s, const struct store_batch *b, struct err *e)
{
    enum err_code code;
    struct err own = { 0 };
    int rc;

    if (!b->n)
        return ERR_OK;
    if (!s->db)
        return err_set(e, ERR_INVALID, DB_NAME " was damaged and is set aside");
    if (s->detached && attach(s, e))
        return e ? e->code : ERR_IO;
    rc = run(s->st[ST_BEGIN]);
    for (size_t i = 0; i < b->n && !rc; i++)
        rc = apply(s, &b->ops[i]);
    if (!rc)
        rc = count(s);
    if (!rc)
        rc = run(s->st[ST_COMMIT]);
    if (!rc) {
        trust_count_write(s->count_fd, ++s->count);
        return ERR_OK;
    }
    code = sql_error(s->db, rc, &own);
    roll_back(s);
    if (is_damage(rc))
        code = set_aside(s, &own);
    else if (code != ERR_LIMIT)
        code = own.code = ERR_IO;
    if (e)
        *e = own;
    return code;
}

enum err_code store_clear(struct store *s, struct err *e)
{
    char sql[64];
    int rc;

    snprintf(sql, sizeof sql, "DELETE FROM entry WHERE kind <> %d", KIND_COUNT);
    rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
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
    int rc;

    if (!s->db)
        return err_set(e, ERR_INVALID, DB_NAME " was damaged and is set aside");
    rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

    if (!rc)
        rc = sqlite3_bind_int(q, 1, (int)kind);
    while (!rc && !code && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(q, 0);
        const char *value = (const char *)sqlite3_column_text(q, 1);

        rc = key && value ? SQLITE_OK : SQLITE_CORRUPT; /* NOT NULL, but the file is only a file */
        if (!rc)
            code = row(user, key, value, e);
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
    const char *value;
    int rc;

    *out = NULL;
    if (!s->db)
        return err_set(e, ERR_INVALID, DB_NAME " was damaged and is set aside");
    rc = sqlite3_bind_int(q, 1, (int)kind);
    if (!rc)
        rc = bind_text(q, 2, key);
    if (!rc)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW && (value = (const char *)sqlite3_column_text(q, 0)))
        *out = mem_strdup(value);
    else if (rc == SQLITE_DONE)
        code = err_set(e, ERR_NOT_FOUND, "%s is not in the store", key);
    else
        code = sql_error(s->db, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc, e);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return code;
}
