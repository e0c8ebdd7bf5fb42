#pragma once
/* acs_encode: what the agent says on the session. Pure: each writes one message
 * into `out` and returns false when it does not fit. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The ARNs echo those of the message that is answered. */
bool acs_put_ack(struct buf *out, const char *cluster, const char *instance,
                 const char *message_id);
bool acs_put_nack(struct buf *out, const char *cluster, const char *instance,
                  const char *message_id, const char *reason);
bool acs_put_heartbeat_ack(struct buf *out, const char *message_id); /* NULL: it had none */
bool acs_put_credentials_ack(struct buf *out, const char *message_id, const char *credentials_id,
                             const char *expiration);
/* Tasks of which the manifest knows nothing: may they be stopped? */
bool acs_put_stop_candidates(struct buf *out, const char *message_id, const char *cluster,
                             const char *const *arns, size_t n);
