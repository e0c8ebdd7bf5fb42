#include "url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void url_decode(struct str in, bool plus, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '%' && i + 2 < in.n && hex_digit(in.p[i + 1]) >= 0 &&
            hex_digit(in.p[i + 2]) >= 0) {
            c = (char)(hex_digit(in.p[i + 1]) << 4 | hex_digit(in.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        buf_putc(out, c);
    }
}

void url_encode(struct str in, bool keep_slash, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if ((c < 0x80 && isalnum(c)) || (c && strchr("-_.~", c)) || (c == '/' && keep_slash))
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", (unsigned)c);
    }
}

static char *decoded(struct str in)
{
    struct buf b = BUF_INIT(in.n + 1);

    url_decode(in, true, &b);
    return buf_take(&b);
}

bool url_params_parse(struct url_params *p, struct str text)
{
    size_t at = 0;

    *p = (struct url_params){ 0 };
    while (at < text.n) {
        const char *start = text.p + at;
        const char *end = memchr(start, '&', text.n - at);
        size_t n = end ? (size_t)(end - start) : text.n - at;
        const char *eq = memchr(start, '=', n);
        size_t name_n = eq ? (size_t)(eq - start) : n;

        at += n + 1;
        if (n == 0)
            continue;
        if (p->count == URL_PARAMS_MAX) {
            url_params_fini(p);
            return false;
        }
        p->items[p->count++] = (struct url_param){
            decoded((struct str){ start, name_n }),
            eq ? decoded((struct str){ eq + 1, n - name_n - 1 }) : mem_strdup(""),
        };
    }
    return true;
}

void url_params_fini(struct url_params *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].name);
        free(p->items[i].value);
    }
    p->count = 0;
}

const char *url_params_get(const struct url_params *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (streq(p->items[i].name, name))
            return p->items[i].value;
    }
    return NULL;
}
