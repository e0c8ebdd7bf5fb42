#include "logs/json_text.h"

#include <string.h>

#define EVERY(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A byte below 0x20 borrows from its high bit, and a quote or a backslash, made zero, likewise; one
 * with a high bit has it. What a borrow does to the byte beside it makes no good text of a bad one.
 */
static uint64_t marks_of(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return w | (w - EVERY(0x20)) | ((w ^ EVERY('"')) - EVERY(1)) | ((w ^ EVERY('\\')) - EVERY(1));
}

bool json_text_is_plain(struct str text)
{
    uint64_t marks = 0;
    size_t i = 0;

    for (; i + sizeof marks <= text.n; i += sizeof marks)
        marks |= marks_of(text.p + i);
    if (i < text.n && text.n >= sizeof marks) {
        marks |= marks_of(text.p + text.n - sizeof marks);
    } else {
        for (; i < text.n; i++)
            if ((unsigned char)text.p[i] < 0x20 || (unsigned char)text.p[i] > 0x7F ||
                text.p[i] == '"' || text.p[i] == '\\')
                return false;
    }
    return !(marks & EVERY(0x80));
}

static char *put_escape(char *to, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };

    *to++ = '\\';
    if (c >= 0x20 || letters[c]) {
        *to++ = c < 0x20 ? letters[c] : (char)c;
        return to;
    }
    *to++ = 'u';
    *to++ = '0';
    *to++ = '0';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

bool json_text_escape(struct str text, struct buf *out)
{
    char *start = buf_reserve(out, 6 * text.n), *to = start;
    const char *p = text.p, *end = text.p + text.n;

    if (!start)
        return false;
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        int n = 1;

        if (c < 0x20 || c == '"' || c == '\\') {
            to = put_escape(to, c);
            p++;
            continue;
        }
        if (c >= 0x80 && (n = str_utf8_len(p, (size_t)(end - p))) <= 0)
            return false;
        for (; n > 0; n--)
            *to++ = *p++;
    }
    buf_grew(out, (size_t)(to - start));
    return true;
}
