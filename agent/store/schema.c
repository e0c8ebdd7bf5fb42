#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "store/internal.h"

/* "Brth" in the header of the file, so that file(1) and we know whose it is. */
#define APPLICATION_ID 0x42727468

/* steps[v] takes a database of schema v to v + 1. A step that was released is
 * never edited; a change is a new step and a new STORE_SCHEMA. The table `entry` with its columns
 * kind, key and value stays for STORE_META (0), so that an older agent that is put back knows who
 * this instance is (newer.c). */
static const char *const steps[] = {
    "CREATE TABLE entry ("
    "  seq INTEGER PRIMARY KEY," /* order of first insertion */
    "  kind INTEGER NOT NULL,"
    "  key TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  UNIQUE (kind, key)"
    ") STRICT;",
    /* Rows from before have none, and are believed. */
    "ALTER TABLE entry ADD COLUMN sum INTEGER;",
};
_Static_assert(COUNT_OF(steps) == STORE_SCHEMA, "one step a schema");

/* Nobody will ever have written so many releases: the number itself is damaged. */
#define SCHEMA_SANE 1000

enum err_code sql_error(sqlite3 *db, int rc, struct err *e)
{
    int sys = sqlite3_system_errno(db);

    switch (rc & 0xFF) {
    case SQLITE_FULL:
        return err_set(e, ERR_LIMIT, DB_NAME ": the disk is full");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_ERROR: /* our statements are right, so the schema they meet is not */
        return err_set(e, ERR_INVALID, DB_NAME ": %s", sqlite3_errmsg(db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, ERR_CONFLICT, DB_NAME ": another program has it open");
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (sys == ENOSPC || sys == EDQUOT)
            return err_set(e, ERR_LIMIT, DB_NAME ": the disk is full");
        if (sys)
            return err_set(e, ERR_IO, DB_NAME ": %s: %s", sqlite3_errmsg(db), ERRNO_TEXT(sys));
        return err_set(e, ERR_IO, DB_NAME ": %s", sqlite3_errmsg(db));
    default:
        return err_set(e, ERR_IO, DB_NAME ": %s", sqlite3_errmsg(db));
    }
}

enum err_code sql_exec(sqlite3 *db, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc ? sql_error(db, rc, e) : ERR_OK;
}

enum err_code sql_read_int(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
    enum err_code code = ERR_OK;

    if (!rc && (rc = sqlite3_step(q)) == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        code = sql_error(db, rc, e);
    sqlite3_finalize(q);
    return code;
}

/* With the indexes: a row that its index does not have would be stored twice. */
static enum err_code whole_check(sqlite3 *db, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &q, NULL);
    enum err_code code = ERR_OK;
    const char *text;

    if (!rc && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        text = (const char *)sqlite3_column_text(q, 0);
        if (!text || !streq(text, "ok"))
            code = err_set(e, ERR_INVALID, DB_NAME ": %.200s", text ? text : "check failed");
    } else {
        code = sql_error(db, rc, e);
    }
    sqlite3_finalize(q);
    return code;
}

/* All tables, indexes, views and triggers, as one text; sqlite3_free() it. */
static enum err_code read_shape(sqlite3 *db, char **out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    sqlite3_str *text = sqlite3_str_new(db);
    int rc = sqlite3_prepare_v2(db,
                                "SELECT type || ' ' || name || ' ' || tbl_name || ': ' ||"
                                " ifnull(sql, '') FROM sqlite_master ORDER BY type, name",
                                -1, &q, NULL);

    while (!rc && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        sqlite3_str_appendf(text, "%s\n", sqlite3_column_text(q, 0));
    }
    sqlite3_finalize(q);
    *out = sqlite3_str_finish(text);
    return rc == SQLITE_DONE ? ERR_OK : sql_error(db, rc, e);
}

/* What a schema is: what its steps make of nothing. */
static enum err_code make_shape(int version, char **out, struct err *e)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(":memory:", &db);
    enum err_code code = rc ? sql_error(db, rc, e) : ERR_OK;

    for (int v = 0; v < version && !code; v++)
        code = sql_exec(db, steps[v], e);
    if (!code)
        code = read_shape(db, out, e);
    sqlite3_close(db);
    return code;
}

/* A view or a trigger instead of what we made would have our statements do what somebody else
 * wants, without end perhaps; a column without NOT NULL would give us no text. */
static enum err_code check_shape(sqlite3 *db, int version, struct err *e)
{
    char *is = NULL, *should = NULL;
    enum err_code code = ERR_OK;

    if (read_shape(db, &is, e) || make_shape(version, &should, e))
        code = e->code;
    else if (!streq(is ? is : "", should ? should : ""))
        code = err_set(e, ERR_INVALID, DB_NAME ": its tables are not those of schema %d", version);
    sqlite3_free(is);
    sqlite3_free(should);
    return code;
}

enum err_code schema_check(sqlite3 *db, int *version, struct err *e)
{
    int64_t id = 0, have = 0, tables = 0;

    if (sql_read_int(db, "PRAGMA application_id", &id, e) ||
        sql_read_int(db, "PRAGMA user_version", &have, e) ||
        sql_read_int(db, "SELECT count(*) FROM sqlite_master", &tables, e))
        return e->code;
    if (id == 0 && have == 0 && tables == 0) {
        *version = 0;
        return ERR_OK;
    }
    if (id != APPLICATION_ID || have < 0)
        return err_set(e, ERR_INVALID, DB_NAME ": it belongs to another program");
    if (have > SCHEMA_SANE)
        return err_set(e, ERR_INVALID, DB_NAME ": its header is damaged");
    *version = (int)have;
    if (have > STORE_SCHEMA)
        return err_set(e, ERR_LIMIT,
                       DB_NAME " is of schema %" PRId64 ", this agent knows up to %d; install a "
                               "newer agent, or run \"berth set-aside\"",
                       have, STORE_SCHEMA);
    return check_shape(db, (int)have, e) ? e->code : whole_check(db, e);
}

enum err_code schema_migrate(sqlite3 *db, int version, struct err *e)
{
    char mark[96];

    for (int v = version; v < STORE_SCHEMA; v++) {
        snprintf(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                 APPLICATION_ID, v + 1);
        if (sql_exec(db, "BEGIN IMMEDIATE", e))
            return e->code;
        if (sql_exec(db, steps[v], e) || sql_exec(db, mark, e) || sql_exec(db, "COMMIT", e)) {
            /* The error above is the one that counts. */
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return err_wrap(e, "migrate to schema %d", v + 1);
        }
    }
    return ERR_OK;
}
