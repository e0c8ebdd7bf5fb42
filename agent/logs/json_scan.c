#include "logs/json_scan.h"

#include <string.h>

static const char begin[] = "{\"log\":\"";

/* How much of a damaged line stands before the message that ends it; all of it when none does.
 * Inside of a message the quotes of such a beginning would be escaped. */
static size_t damage_of(struct str line)
{
    const size_t begin_n = sizeof begin - 1;
    const char *p = line.p, *end = line.p + line.n;
    struct record m;
    size_t used;

    while (p < end && (p = memmem(p + 1, (size_t)(end - p - 1), begin, begin_n)))
        if (json_file_next((struct str){ p, (size_t)(end - p) }, &used, &m) == RECORD_WHOLE)
            return (size_t)(p - line.p);
    return line.n;
}

enum record_read json_scan_next(struct record_scan *s, struct str data, size_t *used,
                                struct record *out)
{
    enum record_read read;

    *used = 0;
    if (s->skipping) {
        const char *newline = data.n ? memchr(data.p, '\n', data.n) : NULL;

        s->skipping = !newline;
        *used = newline ? (size_t)(newline - data.p) + 1 : data.n;
        return RECORD_MORE;
    }
    read = json_file_next(data, used, out);
    if (read == RECORD_MORE)
        *used = 0;
    if (read != RECORD_DAMAGED)
        return read;
    s->skipping = data.p[*used - 1] != '\n';
    if (!s->skipping)
        *used = damage_of((struct str){ data.p, *used });
    return RECORD_DAMAGED;
}

/* The time stands at the end of a line, which may be long: the last bytes of the first line. */
static int64_t key_of(struct str beginning)
{
    const char *newline = beginning.n ? memchr(beginning.p, '\n', beginning.n) : NULL;
    size_t n = newline ? (size_t)(newline - beginning.p) : beginning.n;
    size_t from = n > RECORD_KEY_BYTES ? n - RECORD_KEY_BYTES : 0;

    if (!newline && n <= RECORD_MAX)
        return 0;
    return record_key((struct str){ beginning.p + from, n - from });
}

const struct record_format json_records = { json_scan_next, key_of };
