#include "control/acs_policy.h"

#include <string.h>

static bool is_clean(int code)
{
    return code == 1000 || code == 1001 || code == 1006 || code == 1011;
}

enum acs_next acs_after(bool was_open, int code, int64_t lasted_ms, int64_t short_ms,
                        const struct err *e)
{
    if (strstr(e->msg, "InactiveInstanceException"))
        return ACS_INACTIVE;
    if (!was_open || !is_clean(code))
        return ACS_BACKOFF;
    return lasted_ms < short_ms ? ACS_FLOOR : ACS_AT_ONCE;
}
