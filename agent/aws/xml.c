#include <stdlib.h>
#include <string.h>

#include "aws/aws_call.h"
#include "base/buf.h"

/* Where `text` begins at or after `at`; the end when it does not. */
static size_t find(struct str xml, size_t at, const char *text)
{
    const char *p = memmem(xml.p + at, xml.n - at, text, strlen(text));

    return p ? (size_t)(p - xml.p) : xml.n;
}

static size_t behind(struct str xml, size_t at, const char *text)
{
    size_t found = find(xml, at, text);

    return found == xml.n ? xml.n : found + strlen(text);
}

static bool starts(struct str xml, size_t at, const char *text)
{
    size_t n = strlen(text);

    return xml.n - at >= n && memcmp(xml.p + at, text, n) == 0;
}

enum markup { M_OPEN, M_EMPTY, M_CLOSE, M_TEXT, M_OTHER };

struct piece {
    enum markup what;
    struct str name; /* of a tag, without its prefix; of M_TEXT, the text as it is */
};

static void read_tag(struct str xml, size_t *at, struct piece *out)
{
    size_t start, end;
    char quote = 0;

    out->what = starts(xml, *at, "</") ? M_CLOSE : M_OPEN;
    start = end = *at + (out->what == M_CLOSE ? 2 : 1);
    while (end < xml.n && !strchr(" \t\r\n/>", xml.p[end])) {
        if (xml.p[end++] == ':')
            start = end;
    }
    out->name = (struct str){ xml.p + start, end - start };
    while (end < xml.n && (quote || xml.p[end] != '>')) {
        if (xml.p[end] == quote)
            quote = 0;
        else if (!quote && (xml.p[end] == '"' || xml.p[end] == '\''))
            quote = xml.p[end];
        end++;
    }
    if (end < xml.n && xml.p[end - 1] == '/' && out->what == M_OPEN)
        out->what = M_EMPTY;
    *at = end < xml.n ? end + 1 : xml.n;
}

/* The markup that begins at *at, which is moved behind it. */
static void read_markup(struct str xml, size_t *at, struct piece *out)
{
    *out = (struct piece){ .what = M_OTHER };
    if (starts(xml, *at, "<!--")) {
        *at = behind(xml, *at + 4, "-->");
    } else if (starts(xml, *at, "<![CDATA[")) {
        size_t start = *at + 9, end = find(xml, start, "]]>");

        out->what = M_TEXT;
        out->name = (struct str){ xml.p + start, end - start };
        *at = behind(xml, start, "]]>");
    } else if (starts(xml, *at, "<?")) {
        *at = behind(xml, *at, "?>");
    } else if (starts(xml, *at, "<!")) {
        *at = behind(xml, *at, ">");
    } else {
        read_tag(xml, at, out);
    }
}

/* ---- text ---- */

static bool put_utf8(struct buf *b, unsigned long c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    if (c < 0x80) {
        buf_putc(b, (char)c);
    } else if (c < 0x800) {
        buf_putc(b, (char)(0xc0 | c >> 6));
        buf_putc(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_putc(b, (char)(0xe0 | c >> 12));
        buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_putc(b, (char)(0xf0 | c >> 18));
        buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(b, (char)(0x80 | (c & 0x3f)));
    }
    return true;
}

/* `name` is what stands between '&' and ';'. */
static bool put_entity(struct buf *b, struct str name)
{
    static const struct {
        const char *name;
        char is;
    } entities[] = {
        { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' }, { "apos", '\'' },
    };
    char digits[10], *end;
    unsigned long c;
    bool hex;

    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (str_is(name, entities[i].name))
            return buf_putc(b, entities[i].is);
    }
    if (name.n < 2 || name.p[0] != '#')
        return false;
    hex = name.p[1] == 'x';
    name = (struct str){ name.p + (hex ? 2 : 1), name.n - (hex ? 2 : 1) };
    if (name.n == 0 || name.n >= sizeof digits)
        return false;
    memcpy(digits, name.p, name.n);
    digits[name.n] = '\0';
    if (strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != name.n)
        return false;
    c = strtoul(digits, &end, hex ? 16 : 10);
    return put_utf8(b, c);
}

static void put_text(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.n;) {
        const char *semi =
            text.p[i] == '&' ? memchr(text.p + i, ';', text.n - i < 12 ? text.n - i : 12) : NULL;

        if (semi &&
            put_entity(b, (struct str){ text.p + i + 1, (size_t)(semi - text.p) - i - 1 })) {
            i = (size_t)(semi - text.p) + 1;
        } else {
            buf_putc(b, text.p[i++]);
        }
    }
}

/* The text up to the end tag of `name`; false when there is none. */
static bool read_text(struct str xml, size_t *at, const char *name, struct buf *out)
{
    struct piece piece;

    while (*at < xml.n) {
        size_t end = find(xml, *at, "<");

        put_text(out, (struct str){ xml.p + *at, end - *at });
        *at = end;
        if (end == xml.n)
            return false;
        read_markup(xml, at, &piece);
        if (piece.what == M_TEXT)
            buf_append(out, piece.name.p, piece.name.n);
        else if (piece.what == M_CLOSE && str_is(piece.name, name))
            return true;
    }
    return false;
}

char *aws_xml_text(struct str xml, const char *name, size_t *from)
{
    AUTO(buf) struct buf text = BUF_SECRET(xml.n + 1);
    size_t at = from && *from < xml.n ? *from : from ? xml.n : 0;
    struct piece piece;

    if (!xml.p)
        return NULL;
    while ((at = find(xml, at, "<")) < xml.n) {
        read_markup(xml, &at, &piece);
        if ((piece.what != M_OPEN && piece.what != M_EMPTY) || !str_is(piece.name, name))
            continue;
        if (piece.what == M_OPEN && !read_text(xml, &at, name, &text))
            return NULL;
        if (from)
            *from = at;
        return buf_take(&text);
    }
    return NULL;
}
