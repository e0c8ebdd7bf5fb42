#pragma once
/* acs_policy: what follows the end of a session. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum acs_next {
    ACS_AT_ONCE, /* the peer ended it in peace */
    ACS_FLOOR,   /* the same, but so soon that a loop would spin */
    ACS_BACKOFF,
    ACS_INACTIVE, /* the instance was deregistered: ask rarely */
};

/* `code` and `e` as ws_events.closed gives them, or 0 and why we cut it;
 * `lasted_ms` counts from the opening. */
enum acs_next acs_after(bool was_open, int code, int64_t lasted_ms, int64_t short_ms,
                        const struct err *e);
