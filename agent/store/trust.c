/* trust: what a database that opens may be believed.
 *
 * SQLite has no sums over what lies in the file, and drops the rest of a log whose sums are
 * wrong without a word: a changed byte would be another truth, and a damaged log an older
 * one. So each row has a sum of its own; and each transaction counts itself, in the database
 * and, when it is durable, in a small file beside it. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

#define COUNT_MAX  ((int64_t)1 << 60)
#define COUNT_SIZE 21 /* digits and a newline: always as long, so always one write */

int64_t trust_sum(int kind, const char *key, const char *value)
{
    uint64_t h = 14695981039346656037u ^ (uint64_t)kind; /* FNV-1a */

    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * 1099511628211u;
    h *= 1099511628211u;
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        h = (h ^ *p) * 1099511628211u;
    return (int64_t)h;
}

/* ---- the count beside the database ---- */

int trust_count_open(const char *dir, bool create)
{
    AUTO(str) char *path = mem_printf("%s/" COUNT_NAME, dir);

    return open(path, (create ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
}

int64_t trust_count_read(int fd)
{
    char text[COUNT_SIZE + 1];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, COUNT_SIZE, 0);
    int64_t count = 0;

    if (n != COUNT_SIZE || text[COUNT_SIZE - 1] != '\n')
        return 0;
    text[COUNT_SIZE - 1] = '\0';
    return str_to_int(text, 0, COUNT_MAX, &count, NULL) ? 0 : count;
}

/* It need not survive losing power: then it is an older count, which accuses nobody. */
void trust_count_write(int fd, int64_t count)
{
    char text[COUNT_SIZE + 1];

    snprintf(text, sizeof text, "%020" PRId64 "\n", count);
    if (fd >= 0 && pwrite(fd, text, COUNT_SIZE, 0) != COUNT_SIZE) {
        /* As above. */
    }
}

/* ---- the look at a database that was opened ---- */

/* By the columns of the query below. */
static bool is_as_written(sqlite3_stmt *q)
{
    const char *key = (const char *)sqlite3_column_text(q, 2);
    const char *value = (const char *)sqlite3_column_text(q, 3);

    if (!key || !value)
        return false;
    return sqlite3_column_type(q, 4) == SQLITE_NULL ||
           sqlite3_column_int64(q, 4) == trust_sum(sqlite3_column_int(q, 1), key, value);
}

static enum err_code drop_bad_rows(sqlite3 *db, int64_t *dropped, struct err *e)
{
    sqlite3_stmt *q = NULL, *del = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT seq, kind, key, value, sum FROM entry", -1, &q, NULL);

    if (!rc)
        rc = sqlite3_prepare_v2(db, "DELETE FROM entry WHERE seq = ?1", -1, &del, NULL);
    while (!rc && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (is_as_written(q))
            continue;
        ++*dropped;
        rc = sqlite3_bind_int64(del, 1, sqlite3_column_int64(q, 0));
        if (!rc && (rc = sqlite3_step(del)) == SQLITE_DONE)
            rc = sqlite3_reset(del);
    }
    if (rc != SQLITE_DONE)
        sql_error(db, rc, e);
    sqlite3_finalize(q);
    sqlite3_finalize(del);
    return e->code;
}

static enum err_code read_count(sqlite3 *db, int64_t *out, struct err *e)
{
    char sql[128];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM entry WHERE kind = %d",
             KIND_COUNT);
    return sql_read_int(db, sql, out, e);
}

/* Durable with what was dropped, for whoever opens it next knows no more of that. */
static enum err_code put_lost(sqlite3 *db, struct err *e)
{
    char sql[200];

    snprintf(sql, sizeof sql,
             "INSERT INTO entry (kind, key, value, sum) VALUES (%d, '" STORE_LOST "', '1', %" PRId64
             ") ON CONFLICT (kind, key) DO NOTHING",
             STORE_META, trust_sum(STORE_META, STORE_LOST, "1"));
    return sql_exec(db, sql, e);
}

enum err_code trust_check(sqlite3 *db, int64_t beside, int64_t *count, struct err *doubt,
                          struct err *e)
{
    int64_t dropped = 0;
    char sql[128];

    if (sql_exec(db, "BEGIN IMMEDIATE", e))
        return e->code;
    if (drop_bad_rows(db, &dropped, e) || read_count(db, count, e))
        goto failed;
    if (dropped)
        err_set(doubt, ERR_INVALID, DB_NAME ": %" PRId64 " entries were damaged and are dropped",
                dropped);
    if (*count < beside) {
        /* A task that has come and gone since would be run again. */
        snprintf(sql, sizeof sql, "DELETE FROM entry WHERE kind IN (%d, %d)", STORE_TASK,
                 STORE_TASK_STATE);
        err_set(doubt, ERR_INVALID,
                DB_NAME ": the last %" PRId64 " changes are missing; what it says of tasks is "
                        "dropped",
                beside - *count);
        *count = beside;
        if (sql_exec(db, sql, e))
            goto failed;
    }
    if (doubt->code && put_lost(db, e))
        goto failed;
    if (!sql_exec(db, "COMMIT", e))
        return ERR_OK;
failed:
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the error above is the one that counts */
    return e->code;
}
