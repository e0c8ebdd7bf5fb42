#pragma once
/* internal: what the files of this folder share. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

#define DB_NAME "berth.db"

/* ---- lock.c ---- */

/* Locks `dir`/lock until the descriptor is closed; ERR_CONFLICT names the holder. */
MUST_CHECK enum err_code lock_take(const char *dir, int *fd, struct err *e);

/* ---- files.c ---- */

/* Creates the directory and its parents, 0700. */
MUST_CHECK enum err_code files_make_dir(const char *dir, struct err *e);
/* Creates `dir`/berth.db (0600) when missing and proves that it can be written. */
MUST_CHECK enum err_code files_make_db(const char *dir, struct err *e);
/* ERR_INVALID when the file ends within a page. */
MUST_CHECK enum err_code files_check_whole(const char *dir, struct err *e);
/* Renames the database and its companions to the first free berth.db.broken-N;
 * free() *moved, the new path. */
MUST_CHECK enum err_code files_move_aside(const char *dir, char **moved, struct err *e);

/* ---- schema.c ---- */

/* What SQLite's result means to a caller, with the connection's own words. */
enum err_code sql_error(sqlite3 *db, int rc, struct err *e);
MUST_CHECK enum err_code sql_exec(sqlite3 *db, const char *sql, struct err *e);

/* Refuses newer schemas (ERR_LIMIT) and foreign or damaged files (ERR_INVALID).
 * Reads only. */
MUST_CHECK enum err_code schema_check(sqlite3 *db, int *version, struct err *e);
/* Runs every step from `version` to STORE_SCHEMA, each in its own transaction. */
MUST_CHECK enum err_code schema_migrate(sqlite3 *db, int version, struct err *e);

/* ---- batch.c ---- */

struct batch_op {
    enum store_kind kind;
    char *key;
    char *value; /* NULL: delete */
};

struct store_batch {
    struct batch_op *ops;
    size_t n, cap;
    size_t *slots; /* open addressing: index into ops plus 1, 0 is free */
    size_t slots_n;
};
