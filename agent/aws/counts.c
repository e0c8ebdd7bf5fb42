/* counts: which calls were made, and how they went. */
#include <stdlib.h>

#include "aws/internal.h"
#include "base/mem.h"

#define OTHER "other"

static const char *const names[] = {
    [AWS_OK] = "ok",         [AWS_DENIED] = "denied",   [AWS_REFUSED] = "refused",
    [AWS_FAILED] = "failed", [AWS_TIMEOUT] = "timeout",
};

const char *aws_outcome_name(enum aws_outcome outcome)
{
    return names[outcome];
}

enum aws_outcome aws_outcome_of(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return AWS_OK;
    case ERR_DENIED:
        return AWS_DENIED;
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_LIMIT:
        return AWS_REFUSED;
    case ERR_TIMEOUT:
        return AWS_TIMEOUT;
    case ERR_RETRY:
    case ERR_IO:
        break;
    }
    return AWS_FAILED;
}

struct aws_counts *aws_counts_of(struct aws *a, const char *service, const char *operation)
{
    struct aws_counts *row;

    for (size_t i = 0; i < a->n_counts; i++) {
        row = &a->counts[i];
        if (streq(row->operation, operation) && streq(row->service, service))
            return row;
    }
    row = &a->counts[a->n_counts];
    if (a->n_counts < AWS_COUNTS_MAX) {
        row->service = mem_strdup(service);
        row->operation = mem_strdup(operation);
        a->n_counts++;
    } else {
        row->service = row->operation = OTHER;
    }
    return row;
}

const struct aws_counts *aws_get_counts(const struct aws *a, size_t *n)
{
    *n = a->n_counts + (a->counts[AWS_COUNTS_MAX].service != NULL);
    return a->counts;
}

void aws_counts_fini(struct aws *a)
{
    for (size_t i = 0; i < a->n_counts; i++) {
        free((char *)a->counts[i].service);
        free((char *)a->counts[i].operation);
    }
}
