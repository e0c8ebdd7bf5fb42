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
#include <stdbool.h>
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

#define STORE_SCHEMA 2

/* Opens (0600) or creates `dir`/berth.db and takes an exclusive lock on the
 * directory (`dir`/lock). Older schemas are migrated.
 *
 * ERR_CONFLICT: another agent holds it, with its process id. ERR_LIMIT: the file is of a
 * newer schema; nothing was changed. Nothing else keeps an agent from starting; with the
 * following errors *out is set all the same, and the caller warns and goes on:
 *
 * ERR_INVALID: something is lost, as store_has_lost says too. Either the file was no
 * database or damaged, was moved aside to berth.db.broken-N, and an empty store is open; or
 * single entries were damaged, and are dropped; or the last transactions are missing (a
 * damaged log, an old copy), and then everything of STORE_TASK and STORE_TASK_STATE is
 * dropped, because a past is worse than nothing: tasks that came and went since would come
 * again.
 *
 * ERR_RETRY: the directory cannot be written (read-only, full) or not be read. What could be
 * read is there to be read, in memory (when nothing could, store_has_lost); each commit tries
 * to open the directory again, and fails until it can. */
MUST_CHECK enum err_code store_open(const char *dir, struct store **out, struct err *e);
/* What is there, to be read and not to be committed to; nothing is changed, made or moved aside.
 * Keeps agents out until it is closed. Where there is no store it is an empty one. ERR_CONFLICT:
 * an agent runs. With errors *out is not set; losses are as store_has_lost says. */
MUST_CHECK enum err_code store_look(const char *dir, struct store **out, struct err *e);
/* Tasks may be missing that were stored once: they are to be found by other means. The row
 * STORE_LOST of STORE_META says so as well, from the transaction that dropped them on, until the
 * caller deletes it. */
#define STORE_LOST "state-lost"
bool store_has_lost(const struct store *s);
void store_close(struct store *s); /* NULL is fine */

/* The way back to an older agent: the store of a newer schema is moved aside as it is, to
 * berth.db.newer-N (free() *moved), and a new one is made, which holds its STORE_META (*kept
 * entries) and the entry "state-lost", so that tasks are found by their containers. Renamed
 * back, it is the newer agent's store again. ERR_NOT_FOUND: there is none, or none of a newer
 * schema; ERR_CONFLICT: an agent uses it; nothing was changed then. With other errors *moved
 * says whether it was moved. */
MUST_CHECK enum err_code store_set_aside(const char *dir, char **moved, size_t *kept,
                                         struct err *e);

/* Keeps agents out of the directory until *fd is closed, and changes nothing there; -1: there was
 * never one. ERR_CONFLICT: one runs, with its process id. */
MUST_CHECK enum err_code store_hold(const char *dir, int *fd, struct err *e);

struct store_batch *store_batch_create(void);
void store_batch_destroy(struct store_batch *b); /* NULL is fine */
/* Copies key and value. A later entry for the same key wins. */
void store_batch_put(struct store_batch *b, enum store_kind kind, const char *key,
                     const char *value);
void store_batch_delete(struct store_batch *b, enum store_kind kind, const char *key);
size_t store_batch_size(const struct store_batch *b);
/* Moves what is in `later` behind what is in `b`; `later` is empty then. */
void store_batch_append(struct store_batch *b, struct store_batch *later);

/* All or nothing. The batch is unchanged and may be committed again. ERR_LIMIT: the disk is
 * full; ERR_IO: it fails otherwise. ERR_INVALID: the file is damaged; it was moved aside, all
 * later commits fail likewise, and the next store_open finds what is left. */
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
