#pragma once
/* prom: the Prometheus text format (version 0.0.4), written. Pure.
 *
 * A family is begun once, its samples follow, then the next one begins: so the samples of a
 * family stand together, under one HELP and one TYPE. Names and label names are the caller's
 * own texts and must be valid; label values and help may be anything: what the format reserves
 * is escaped, and what is no UTF-8 is replaced. A buffer that overflows stays without what did
 * not fit, and says so (buf.h); nothing else can fail.
 *
 * No timestamps: a value is what it is when it is read. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/histogram.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM };

struct prom_label {
    const char *name, *value; /* NULL: "" */
};

struct prom {
    struct buf *out;
    const char *family; /* borrowed; NULL before the first */
};

void prom_init(struct prom *p, struct buf *out);

/* `name` with its unit and, of a counter, "_total"; it is borrowed until the next family. A
 * family without samples may be begun too. */
void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help);
/* One sample of the family; no two of them with the same labels. */
void prom_sample(struct prom *p, const struct prom_label *labels, size_t n, double value);
/* Likewise, of a number that a double cannot hold exactly. */
void prom_count(struct prom *p, const struct prom_label *labels, size_t n, uint64_t value);
/* All samples of one histogram: buckets, sum and count. */
void prom_histogram(struct prom *p, const struct prom_label *labels, size_t n,
                    const struct histogram *h);

/* A family of one sample without labels. */
void prom_gauge(struct prom *p, const char *name, const char *help, double value);
void prom_counter(struct prom *p, const char *name, const char *help, uint64_t value);
