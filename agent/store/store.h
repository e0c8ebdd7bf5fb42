#pragma once
/* store: what the agent must still know after a crash.
 *
 * Below: base, task; SQLite is private to this folder. Above: engine, logs, main.
 *
 * A table of (kind, key) -> value, written in batches: one batch is one
 * transaction, and when store_commit returns ERR_OK it survives losing power
 * (WAL, synchronous=FULL). A commit may run on a worker thread, one at a time;
 * nothing else may touch the store meanwhile. The store never reads the clock,
 * never calls back and never logs. */
#include <stddef.h>

#include "base/err.h"

enum store_kind {
    STORE_META,       /* key: a name; value: text */
    STORE_TASK,       /* key: task ARN; value: the task's JSON, without credentials */
    STORE_TASK_STATE, /* key: task ARN; value: the core's JSON */
    STORE_CURSOR,     /* key: container id; value: the log shipper's JSON */
    STORE_IMAGE,      /* key: image id; value: the core's JSON */
    STORE__KINDS,
};

struct store;
struct store_batch;

#define STORE_SCHEMA 1

/* Opens (0600) or creates `dir`/berth.db and takes an exclusive lock on the
 * directory (`dir`/lock). ERR_CONFLICT: another agent holds it, with its process
 * id. ERR_LIMIT: the file is of a newer schema; nothing was changed. ERR_INVALID:
 * not a database or damaged beyond SQLite's recovery, the file was moved aside to
 * berth.db.broken-N and an empty store is open (*out is set all the same: the
 * caller warns and goes on). Older schemas are migrated. */
MUST_CHECK enum err_code store_open(const char *dir, struct store **out, struct err *e);
void store_close(struct store *s); /* NULL is fine */

struct store_batch *store_batch_create(void);
void store_batch_destroy(struct store_batch *b); /* NULL is fine */
/* Copies key and value. A later entry for the same key wins. */
void store_batch_put(struct store_batch *b, enum store_kind kind, const char *key,
                     const char *value);
void store_batch_delete(struct store_batch *b, enum store_kind kind, const char *key);
size_t store_batch_size(const struct store_batch *b);

/* All or nothing. ERR_LIMIT: the disk is full; ERR_IO otherwise. The batch is
 * unchanged and may be committed again. */
MUST_CHECK enum err_code store_commit(struct store *s, const struct store_batch *b, struct err *e);

/* Removes everything. ERR_LIMIT, ERR_IO as above; then nothing is removed. */
MUST_CHECK enum err_code store_clear(struct store *s, struct err *e);

/* Calls `row` for each entry of a kind in the order of first insertion; stops and
 * returns its error if it gives one. */
typedef enum err_code store_row_fn(void *user, const char *key, const char *value, struct err *e);
MUST_CHECK enum err_code store_each(struct store *s, enum store_kind kind, store_row_fn *row,
                                    void *user, struct err *e);
/* free() *out; ERR_NOT_FOUND leaves it NULL. */
MUST_CHECK enum err_code store_get(struct store *s, enum store_kind kind, const char *key,
                                   char **out, struct err *e);
