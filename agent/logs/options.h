#pragma once
/* options: where the log of a container goes, of its awslogs options. Pure;
 * private to logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "base/buf.h"
#include "base/err.h"
#include "task/task.h"

#define LOG_FLUSH_MS 1000

struct log_options { /* owned */
    char *group, *stream, *region, *endpoint;
    bool create_group;
    int64_t flush_ms;
    char *ignored; /* names of the options that have no effect yet; NULL: none */
};

/* `c` is a container of `t` whose log driver is awslogs. ERR_INVALID names the
 * option; ERR_DENIED for plain http to another host. Region and endpoint that are not
 * given are those of `aws`. On success *out is the caller's. */
MUST_CHECK enum err_code log_options_read(const struct task *t, const struct task_container *c,
                                          const char *docker_id, const struct aws *aws,
                                          struct log_options *out, struct err *e);
void log_options_fini(struct log_options *o);
