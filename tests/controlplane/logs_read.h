#pragma once
/* logs_read: pages of events, groups and streams as the JSON of the service.
 * Pure. Tokens name a place between events, so they stay good while more
 * events arrive. */
#include "base/buf.h"
#include "logs_store.h"

struct log_range {
    int64_t start_ms, end_ms; /* [start, end) */
    size_t limit;
    const char *token; /* NULL: none */
};

/* GetLogEvents. ERR_INVALID: the token is none of ours. */
MUST_CHECK enum err_code log_read_stream(const struct log_stream *st, const struct log_range *r,
                                         bool from_head, struct buf *out, struct err *e);

/* FilterLogEvents over `count` streams, by time across all of them. */
MUST_CHECK enum err_code log_read_filtered(struct log_stream *const *streams, size_t count,
                                           const struct log_filter *filter,
                                           const struct log_range *r, struct buf *out,
                                           struct err *e);

struct log_describe {
    const char *prefix, *pattern, *token; /* NULL: absent */
    size_t limit;
    bool descending, by_time;
    const char *region, *account;
};

void log_describe_groups(const struct log_store *s, const struct log_describe *d, struct buf *out);
MUST_CHECK enum err_code log_describe_streams(const struct log_group *g,
                                              const struct log_describe *d, struct buf *out,
                                              struct err *e);
