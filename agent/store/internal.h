#pragma once
/* internal: what the files of this folder share. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "store/store.h"

#define DB_NAME "berth.db"

#define COUNT_NAME "berth.commits" /* how many transactions were durable; see trust.c */
#define KIND_COUNT 100             /* the row that says the same; no kind of a caller */

/* ---- lock.c ---- */

/* Locks `dir`/lock until the descriptor is closed; ERR_CONFLICT names the holder. Where the
 * file is there, a disk that cannot be written is no obstacle. */
MUST_CHECK enum err_code lock_take(const char *dir, int *fd, struct err *e);

/* ---- files.c ---- */

/* Creates the directory and its parents, 0700. */
MUST_CHECK enum err_code files_make_dir(const char *dir, struct err *e);
/* Creates `dir`/berth.db (0600) when missing and proves that it can be written. */
MUST_CHECK enum err_code files_make_db(const char *dir, struct err *e);
/* ERR_INVALID when the file ends within a page. */
MUST_CHECK enum err_code files_check_whole(const char *dir, struct err *e);
/* Renames the database and its companions to the first free berth.db.WHY-N;
 * free() *moved, the new path. */
MUST_CHECK enum err_code files_move_aside(const char *dir, const char *why, char **moved,
                                          struct err *e);

/* ---- schema.c ---- */

/* What SQLite's result means to a caller, with the connection's own words. */
enum err_code sql_error(sqlite3 *db, int rc, struct err *e);
MUST_CHECK enum err_code sql_exec(sqlite3 *db, const char *sql, struct err *e);

MUST_CHECK enum err_code sql_read_int(sqlite3 *db, const char *sql, int64_t *out, struct err *e);

/* Refuses newer schemas (ERR_LIMIT; *version says which) and files that are foreign, damaged, or
 * have other tables, views or triggers than their schema (ERR_INVALID). Reads only. */
MUST_CHECK enum err_code schema_check(sqlite3 *db, int *version, struct err *e);
/* Runs every step from `version` to STORE_SCHEMA, each in its own transaction. */
MUST_CHECK enum err_code schema_migrate(sqlite3 *db, int version, struct err *e);

/* ---- trust.c ---- */

int64_t trust_sum(int kind, const char *key, const char *value);
/* The count of durable transactions beside the database; -1: there is none, and none can be
 * made. Reading and writing take that. 0: nothing is known. */
int trust_count_open(const char *dir, bool create);
int64_t trust_count_read(int fd);
void trust_count_write(int fd, int64_t count);
/* Drops what cannot be believed, durably, and says so in `doubt` (else untouched). `beside` is
 * the count that the database should have at least; *count the one to go on from. */
MUST_CHECK enum err_code trust_check(sqlite3 *db, int64_t beside, int64_t *count, struct err *doubt,
                                     struct err *e);

/* ---- copy.c ---- */

/* A new directory with copies of the database and its log, as far as there are any; NULL on
 * failure. copy_drop removes and frees it. */
char *copy_files(const char *dir, struct err *e);
void copy_drop(char *tmp); /* NULL is fine */
AUTO_DEFINE(copy_dir, char *, copy_drop)
/* Takes a database into memory; NULL: an empty one. */
MUST_CHECK enum err_code copy_to_memory(sqlite3 *from, sqlite3 **out, struct err *e);

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
