#include "base/redact.h"

#include <string.h>

static void replace(struct buf *text, const char *secret, size_t n)
{
    struct buf out = { .max = text->max, .secret = text->secret };
    const char *at = text->data, *end = at + text->len, *found;

    if (n < REDACT_SHORTEST || !text->len || !memmem(at, text->len, secret, n))
        return;
    /* Reserved at once, so that no copy is left behind where it grew. */
    if (buf_reserve(&out, text->len * 2 < text->max ? text->len * 2 : text->max)) {
        while ((found = memmem(at, (size_t)(end - at), secret, n))) {
            buf_append(&out, at, (size_t)(found - at));
            buf_puts(&out, REDACT_MARK);
            at = found + n;
        }
        buf_append(&out, at, (size_t)(end - at));
    }
    if (out.overflowed)
        buf_reset(&out);
    buf_wipe(text);
    *text = out;
}

void redact(struct buf *text, const char *secret)
{
    const char *line = secret;

    if (!secret)
        return;
    replace(text, secret, strlen(secret));
    while (*line) {
        size_t n = strcspn(line, "\r\n");

        if (n != strlen(secret))
            replace(text, line, n);
        line += n;
        line += strspn(line, "\r\n");
    }
}
