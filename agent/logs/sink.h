#pragma once
/* sink: puts one batch into a log stream of a CloudWatch-Logs-compatible service,
 * and creates stream and group when they are missing. Private to logs. It tries
 * once; whether and when to try again is the caller's. */
#include <stddef.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "base/err.h"
#include "base/str.h"
#include "logs/options.h"

struct sink {
    struct aws *aws;
    struct credentials *credentials;
    struct roles *roles;
};

enum sink_verdict {
    SINK_STORED,
    SINK_LATER,   /* busy, away, or the outcome is unknown: the same again, soon */
    SINK_BLOCKED, /* somebody has to change something first: the same again, rarely */
    SINK_INVALID, /* never again as it is */
};

struct sink_answer {
    enum sink_verdict verdict;
    /* Events that a service which stored the rest threw away. */
    size_t too_new, too_old, expired;
    const struct err *e; /* says why it is not stored; borrowed */
};

struct sink_put_args {
    const struct log_options *to;
    const char *role_id; /* sign with the keys of this role; NULL: the instance's */
    struct str body;     /* of PutLogEvents */
    size_t n_events;
};

/* What `args` points to is borrowed until `done` or the cancel. */
typedef void sink_done_fn(void *user, const struct sink_answer *a);
struct sink_put *sink_put(const struct sink *sink, const struct sink_put_args *args,
                          sink_done_fn *done, void *user);
void sink_cancel(struct sink_put *p); /* NULL is fine */
