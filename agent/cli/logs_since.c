#include "base/clock.h"
#include "cli/logs.h"

#define SECOND_NS 1000000000LL
#define SINCE_MAX (100LL * 366 * 86400) /* seconds */

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

/* "1h30m"; false: it is none. */
static bool parse_age(const char *text, int64_t *seconds)
{
    int64_t sum = 0, n = 0;
    bool digits = false, any = false;

    for (; *text; text++) {
        if (*text >= '0' && *text <= '9') {
            n = 10 * n + (*text - '0');
            digits = true;
        } else if (digits && unit_seconds(*text)) {
            sum += n * unit_seconds(*text);
            n = 0;
            digits = false;
            any = true;
        } else {
            return false;
        }
        if (n > SINCE_MAX || sum > SINCE_MAX)
            return false;
    }
    *seconds = sum;
    return any && !digits;
}

enum err_code logs_parse_since(const char *text, int64_t now_ns, int64_t *out, struct err *e)
{
    int64_t n = 0;

    if (parse_age(text, &n))
        *out = now_ns > n * SECOND_NS ? now_ns - n * SECOND_NS : 1;
    else if (!str_to_int(text, 1, INT64_MAX / SECOND_NS, &n, NULL))
        *out = n * SECOND_NS;
    else if (!clock_parse_iso(text, &n, NULL) && n > 0 && n < INT64_MAX / 1000000)
        *out = n * 1000000;
    else
        return err_set(e, ERR_INVALID,
                       "--since: expected an age (10m, 1h30m, 2d), a time "
                       "(2026-01-02T03:04:05Z) or seconds since the epoch, got '%.60s'",
                       text);
    return ERR_OK;
}
