#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "io/http_internal.h"

/* Kept as "name\0value\0" one after the other. */
bool head_add(struct buf *head, struct str line)
{
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    struct str name, value;
    char *at;

    if (!colon || memchr(line.p, 0, line.n))
        return true;
    name = str_trim((struct str){ line.p, (size_t)(colon - line.p) });
    value = str_trim((struct str){ colon + 1, line.n - (size_t)(colon - line.p) - 1 });
    if (name.n == 0)
        return true;
    /* All or nothing, so that head_find never sees half a pair. */
    at = buf_reserve(head, name.n + value.n + 2);
    if (!at)
        return false;
    memcpy(at, name.p, name.n);
    at[name.n] = '\0';
    memcpy(at + name.n + 1, value.p, value.n);
    at[name.n + 1 + value.n] = '\0';
    buf_grew(head, name.n + value.n + 2);
    return true;
}

const char *head_find(const struct buf *head, const char *name)
{
    for (size_t at = 0; at < head->len;) {
        const char *key = head->data + at;
        const char *value = key + strlen(key) + 1;

        if (strcasecmp(key, name) == 0)
            return value;
        at = (size_t)(value - head->data) + strlen(value) + 1;
    }
    return NULL;
}

int head_status(struct str line)
{
    int status = 0;

    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line.p[7]) ||
        line.p[8] != ' ' || (line.n > 12 && !isspace((unsigned char)line.p[12])))
        return 0;
    for (size_t i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)line.p[i]))
            return 0;
        status = status * 10 + (line.p[i] - '0');
    }
    return status >= 100 ? status : 0;
}
