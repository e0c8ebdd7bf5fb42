#pragma once
/* bolt: reads a database of bbolt, the Go library in whose format the reference agent keeps its
 * state. Private to this folder (and its tests); pure.
 *
 * The file is somebody else's, and is believed in nothing: every place that it names is looked at
 * before it is read, a page that is reached twice ends the walk (so no circle goes on for ever),
 * what a page holds has to fit into it side by side (so that no bytes are given again and again),
 * and keys have to be in order. The work is bounded by the size of the file.
 *
 * The format: pages of one size; the first two are meta pages, of which the valid one with the
 * higher transaction counts (magic, version 2, FNV-1a sum). It names the root of a B+tree whose
 * leaves map the names of buckets to their roots; a small bucket's only leaf stands in its
 * parent's value. Numbers are those of the machine that wrote: little-endian ones are read, others
 * fail by their magic. */
#include "base/err.h"
#include "base/str.h"

struct bolt {
    struct str file; /* borrowed */
    uint64_t page_size, pages;
    uint64_t root;
    uint64_t txid; /* of the last commit */
};

/* Finds the meta page that counts. ERR_INVALID: this is no such database, or its metas are
 * damaged. */
MUST_CHECK enum err_code bolt_open(struct str file, struct bolt *out, struct err *e);

/* Each key of a top-level bucket with its value, in order; both borrowed from the file. Buckets
 * within it are left out. Stops with `row`'s error. ERR_NOT_FOUND: there is no such bucket;
 * ERR_INVALID: the file is damaged, and what was given until then may be anything. */
typedef enum err_code bolt_row_fn(void *user, struct str key, struct str value, struct err *e);
MUST_CHECK enum err_code bolt_each(const struct bolt *b, const char *bucket, bolt_row_fn *row,
                                   void *user, struct err *e);
