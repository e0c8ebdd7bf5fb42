#pragma once
/* register_body: the request of RegisterContainerInstance, and what its answer
 * must say. Pure. */
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "control/capability.h"

struct register_input { /* all borrowed */
    const struct config *config;
    const struct attributes *attributes;
    const struct string_map *ec2_tags; /* added to the configured ones, which win; NULL: none */
    const char *const *gpus;           /* IDs */
    size_t n_gpus;
    const char *instance_arn;         /* NULL: a new registration */
    const char *client_token;         /* the same over retries */
    const char *document, *signature; /* "" when there are none */
    int64_t cpu_units, memory_mib;
    const struct port_list *local_tcp, *local_udp; /* beside the reserved ones; NULL: none */
};

/* False when it does not fit into `out`. */
bool register_body(const struct register_input *in, struct buf *out);

/* The instance's ARN out of the answer, and the availability zone where the service sees it
 * (NULL: it does not say); free() them. ERR_RETRY for an answer that is
 * none, ERR_INVALID when an attribute came back changed or not at all: the
 * service would place tasks by what it believes, so that is for a person. */
MUST_CHECK enum err_code register_answer(struct str body, const struct attributes *sent,
                                         char **instance_arn, char **zone, struct err *e);
