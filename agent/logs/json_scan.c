#include "logs/json_scan.h"

#include <string.h>

static const char begin[] = "{\"log\":\"";

/* How much of a damaged line stands before the message that ends it; all of it when none does.
 * Inside of a message the quotes of such a beginning would be escaped. */
static size_t damage_of(struct str line)
{
    const size_t begin_n = sizeof begin - 1;
    const char *p = line.p, *end = line.p + line.n;
    struct json_message m;
    size_t used;

    while (p < end && (p = memmem(p + 1, (size_t)(end - p - 1), begin, begin_n)))
        if (json_file_next((struct str){ p, (size_t)(end - p) }, &used, &m) == JSON_MESSAGE)
            return (size_t)(p - line.p);
    return line.n;
}

enum json_read json_scan_next(struct json_scan *s, struct str data, size_t *used,
                              struct json_message *out)
{
    enum json_read read;

    *used = 0;
    if (s->skipping) {
        const char *newline = data.n ? memchr(data.p, '\n', data.n) : NULL;

        s->skipping = !newline;
        *used = newline ? (size_t)(newline - data.p) + 1 : data.n;
        return JSON_MORE;
    }
    read = json_file_next(data, used, out);
    if (read == JSON_MORE)
        *used = 0;
    if (read != JSON_DAMAGED)
        return read;
    s->skipping = data.p[*used - 1] != '\n';
    if (!s->skipping)
        *used = damage_of((struct str){ data.p, *used });
    return JSON_DAMAGED;
}
