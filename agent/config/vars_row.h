#pragma once
/* vars_row: what the pieces of the table share.
 *
 * The defaults are those that a host of the reference agent has in effect, its init
 * program's included, with the paths of its container mapped; `bad` is what remains when a
 * variable overrides these with nothing of use. */
#include <stddef.h>

#include "config/internal.h"

#define FIELD(name) offsetof(struct config, name)
#define SECOND      INT64_C(1000000000)
#define MILLI       INT64_C(1000000)
#define MICRO       INT64_C(1000)
#define GROUP(rows)                         \
    {                                       \
        rows, sizeof(rows) / sizeof *(rows) \
    }
