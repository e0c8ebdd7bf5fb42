/* newer: the way back, when an older agent is to go on where a newer one has been. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

/* STORE_META keeps its table and these columns in every schema to come (schema.c). What cannot
 * be read all the same is left: the instance is then registered anew. */
static void read_meta(sqlite3 *db, struct store_batch *into)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT key, value FROM entry WHERE kind = 0 ORDER BY seq", -1,
                                &q, NULL);

    while (!rc && sqlite3_step(q) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(q, 0);
        const char *value = (const char *)sqlite3_column_text(q, 1);

        if (key && value)
            store_batch_put(into, STORE_META, key, value);
    }
    sqlite3_finalize(q);
}

static enum err_code read_newer(const char *dir, struct store_batch *into, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/" DB_NAME, dir);
    int64_t version = 0;
    sqlite3 *db = NULL;
    struct stat st;

    if (stat(path, &st))
        return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "there is no state in %s", dir)
                               : err_errno(e, errno, "%s", path);
    if (sqlite3_open_v2(path, &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL))
        err_set(e, ERR_IO, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    /* Closing it brings what is in its log into the database, so that there is one file to move:
     * between two we might be stopped. */
    if (db)
        sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!e->code &&
        !sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF", e) &&
        !sql_read_int(db, "PRAGMA user_version", &version, e)) {
        if (version <= STORE_SCHEMA)
            err_set(e, ERR_NOT_FOUND, "the state in %s is not of a newer agent", dir);
        else
            read_meta(db, into);
    }
    sqlite3_close(db);
    return e->code;
}

enum err_code store_set_aside(const char *dir, char **moved, size_t *kept, struct err *e)
{
    struct store_batch *meta = store_batch_create();
    struct err own = { 0 };
    struct store *s = NULL;
    int lock = -1;

    *moved = NULL;
    if (!lock_take(dir, &lock, &own) && !read_newer(dir, meta, &own))
        (void)!files_move_aside(dir, "newer", moved, &own);
    if (lock >= 0)
        close(lock);
    if (*moved) {
        *kept = store_batch_size(meta);
        store_batch_put(meta, STORE_META, STORE_LOST, "1");
        if (store_open(dir, &s, &own) && s)
            own = (struct err){ 0 }; /* it may say what is not there any more, which is known */
        if (!s || store_commit(s, meta, &own))
            err_wrap(&own, "the state is in %s", *moved);
        store_close(s);
    }
    store_batch_destroy(meta);
    if (own.code && e)
        *e = own;
    return own.code;
}
