#include "logs/pattern_syntax.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* https://pkg.go.dev/regexp/syntax */
#define MAX_REPEAT 1000
#define MAX_RUNE   0x10FFFF
#define QUOTED_MAX 100

struct spelling {
    const char *text, *p;
    struct buf *out;
    struct err *e;
    int depth;          /* open groups */
    bool repeatable;    /* what comes before `p` can be repeated, */
    const char *repeat; /* and is a repeat already, which began here; NULL */
};

static enum err_code fail(struct spelling *s, const char *what, const char *from, const char *to)
{
    size_t n = str_utf8_prefix(from, (size_t)(to - from), QUOTED_MAX);

    return err_set(s->e, ERR_INVALID, "error parsing regexp: %s: `%.*s`", what, (int)n, from);
}

static const char *after_rune(const char *p)
{
    int n = str_utf8_len(p, strlen(p));

    return p + (n > 0 ? n : *p != '\0');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* One character that stands for itself, in a class or outside. */
static void put_rune(struct spelling *s, const char *p, size_t n)
{
    if (n == 1 && !is_word(*p) && (unsigned char)*p < 0x80)
        buf_putc(s->out, '\\');
    buf_append(s->out, p, n);
}

/* ---- escapes ---- */

static bool parse_hex(const char **at, uint32_t *rune)
{
    const char *p = *at;
    uint32_t r = 0;

    if (*p == '{') {
        const char *digits = ++p;

        for (; str_hex_digit(*p) >= 0; p++) {
            r = r * 16 + (uint32_t)str_hex_digit(*p);
            if (r > MAX_RUNE)
                return false;
        }
        if (*p != '}' || p == digits)
            return false;
        p++;
    } else {
        if (str_hex_digit(p[0]) < 0 || str_hex_digit(p[1]) < 0)
            return false;
        r = (uint32_t)(str_hex_digit(p[0]) * 16 + str_hex_digit(p[1]));
        p += 2;
    }
    *at = p;
    *rune = r;
    return true;
}

/* An escape that is one character: `s->p` is at the backslash, and behind it all afterwards.
 * *rune is what it is. */
static enum err_code parse_escape(struct spelling *s, uint32_t *rune)
{
    static const char names[] = "aftnrv", values[] = "\a\f\t\n\r\v";
    const char *from = s->p, *p = from + 1, *found;
    char c = *p;

    if (!c)
        return fail(s, "trailing backslash at end of expression", p, p);
    p++;
    found = strchr(names, c);
    if (found) {
        *rune = (uint32_t)values[found - names];
    } else if (c == 'x') {
        if (!parse_hex(&p, rune))
            return fail(s, "invalid escape sequence", from, *p ? after_rune(p) : p);
    } else if (c >= '0' && c <= '7' && (c == '0' || (*p >= '0' && *p <= '7'))) {
        /* A single digit that is not 0 would be a reference back. */
        *rune = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *p >= '0' && *p <= '7'; i++)
            *rune = *rune * 8 + (uint32_t)(*p++ - '0');
    } else if ((unsigned char)c < 0x80 && (!is_word(c) || c == '_')) {
        *rune = (unsigned char)c;
    } else {
        return fail(s, "invalid escape sequence", from, after_rune(from + 1));
    }
    s->p = p;
    return ERR_OK;
}

/* "\pL", "\p{Greek}", "\P{^Greek}". */
static enum err_code spell_property(struct spelling *s)
{
    const char *from = s->p, *p = from + 2;

    if (*p == '{') {
        p++;
        p += *p == '^';
        while (is_word(*p))
            p++;
        if (*p != '}')
            return fail(s, "invalid character class range", from, *p ? after_rune(p) : p);
        p++;
    } else if (is_word(*p)) {
        p++;
    } else {
        return fail(s, "invalid character class range", from, *p ? after_rune(p) : p);
    }
    buf_append(s->out, from, (size_t)(p - from));
    s->p = p;
    return ERR_OK;
}

/* Names of sets of characters. PCRE2's white space has the vertical tab, Go's has not. */
static bool spell_set(struct spelling *s, bool in_class)
{
    switch (s->p[1]) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
        buf_append(s->out, s->p, 2);
        break;
    case 's':
        buf_puts(s->out, in_class ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]");
        break;
    case 'S':
        buf_puts(s->out, in_class ? "\\S\\x{b}" : "[^\\t\\n\\f\\r ]");
        break;
    default:
        return false;
    }
    s->p += 2;
    return true;
}

static void spell_quoted(struct spelling *s)
{
    const char *p = s->p + 2, *end = strstr(p, "\\E"), *next;

    if (!end)
        end = p + strlen(p);
    for (; p < end; p = next) {
        next = after_rune(p);
        put_rune(s, p, (size_t)(next - p));
        s->repeatable = true;
        s->repeat = NULL;
    }
    s->p = *end ? end + 2 : end;
}

static enum err_code spell_escape(struct spelling *s)
{
    uint32_t rune = 0;
    char c = s->p[1];

    if (c == 'Q') {
        spell_quoted(s);
        return ERR_OK;
    }
    s->repeatable = true;
    s->repeat = NULL;
    if (c && strchr("AzbB", c)) {
        buf_append(s->out, s->p, 2);
        s->p += 2;
        return ERR_OK;
    }
    if (spell_set(s, false))
        return ERR_OK;
    if (c == 'p' || c == 'P')
        return spell_property(s);
    if (parse_escape(s, &rune))
        return s->e->code;
    buf_printf(s->out, "\\x{%x}", (unsigned)rune);
    return ERR_OK;
}

/* ---- classes ---- */

/* "[:alpha:]"; false: these are characters like others. */
static bool spell_posix(struct spelling *s, bool *unknown, const char **end)
{
    static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl",
                                         "digit", "graph", "lower", "print", "punct",
                                         "space", "upper", "word",  "xdigit" };
    const char *name = s->p + 2;
    size_t n;

    *end = strstr(s->p, ":]");
    if (s->p[1] != ':' || !*end || *end < name)
        return false;
    name += *name == '^';
    n = *end > name ? (size_t)(*end - name) : 0;
    *end += 2;
    *unknown = true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_is((struct str){ name, n }, names[i]))
            *unknown = false;
    }
    return true;
}

static enum err_code parse_class_char(struct spelling *s, const char *class, uint32_t *rune)
{
    int n;

    if (!*s->p)
        return fail(s, "missing closing ]", class, class + strlen(class));
    if (*s->p == '\\')
        return parse_escape(s, rune);
    n = str_utf8_len(s->p, strlen(s->p));
    *rune = (unsigned char)*s->p;
    if (n > 1) {
        static const unsigned char first[] = { 0, 0, 0x1F, 0x0F, 0x07 };

        *rune &= first[n];
        for (int i = 1; i < n; i++)
            *rune = *rune << 6 | ((unsigned char)s->p[i] & 0x3F);
    }
    s->p += n > 0 ? n : 1;
    return ERR_OK;
}

static enum err_code spell_range(struct spelling *s, const char *class)
{
    const char *from = s->p;
    uint32_t low = 0, high = 0;

    if (parse_class_char(s, class, &low))
        return s->e->code;
    buf_printf(s->out, "\\x{%x}", (unsigned)low);
    if (s->p[0] != '-' || !s->p[1] || s->p[1] == ']')
        return ERR_OK;
    s->p++;
    if (parse_class_char(s, class, &high))
        return s->e->code;
    if (high < low)
        return fail(s, "invalid character class range", from, s->p);
    buf_printf(s->out, "-\\x{%x}", (unsigned)high);
    return ERR_OK;
}

static enum err_code spell_class(struct spelling *s)
{
    const char *class = s->p++, *end;
    bool unknown = false;

    buf_putc(s->out, '[');
    if (*s->p == '^')
        buf_putc(s->out, *s->p++);
    for (bool first = true; *s->p != ']' || first; first = false) {
        enum err_code code = ERR_OK;

        if (!*s->p)
            return fail(s, "missing closing ]", class, class + strlen(class));
        if (*s->p == '[' && spell_posix(s, &unknown, &end)) {
            if (unknown)
                return fail(s, "invalid character class range", s->p, end);
            buf_append(s->out, s->p, (size_t)(end - s->p));
            s->p = end;
        } else if (*s->p == '\\' && (s->p[1] | 0x20) == 'p') {
            code = spell_property(s);
        } else if (*s->p != '\\' || !spell_set(s, true)) {
            code = spell_range(s, class);
        }
        if (code)
            return code;
    }
    buf_putc(s->out, *s->p++);
    s->repeatable = true;
    s->repeat = NULL;
    return ERR_OK;
}

/* ---- groups ---- */

/* "(?P<name>": `name` is where that begins. */
static enum err_code spell_named(struct spelling *s, const char *name)
{
    const char *end = name;

    while (is_word(*end))
        end++;
    if (*end != '>' || end == name)
        return fail(s, "invalid named capture", s->p, *end ? after_rune(end) : end);
    s->p = end + 1;
    s->depth++;
    buf_puts(s->out, "(?:");
    return ERR_OK;
}

/* "(?i)", "(?i-s:" and "(?:": PCRE2 knows these flags by the same letters. */
static enum err_code spell_flags(struct spelling *s)
{
    const char *p = s->p + 2;
    bool minus = false, any = false;

    for (; *p && strchr("imsU-", *p); p++) {
        if (*p == '-' && minus)
            break;
        any = *p != '-';
        minus |= *p == '-';
    }
    if ((*p != ')' && *p != ':') || (minus && !any))
        return fail(s, "invalid or unsupported Perl syntax", s->p, after_rune(p));
    s->depth += *p == ':';
    p++;
    buf_append(s->out, s->p, (size_t)(p - s->p));
    s->p = p;
    return ERR_OK;
}

static enum err_code spell_group(struct spelling *s)
{
    const char *p = s->p;

    s->repeatable = false;
    s->repeat = NULL;
    if (p[1] != '?') {
        buf_puts(s->out, "(?:");
        s->p++;
        s->depth++;
        return ERR_OK;
    }
    if (p[2] == 'P' && p[3] == '<')
        return spell_named(s, p + 4);
    if (p[2] == '<' && p[3] != '=' && p[3] != '!')
        return spell_named(s, p + 3);
    return spell_flags(s);
}

/* ---- repeats ---- */

static bool parse_count(const char **at, int *count)
{
    const char *p = *at;

    if (!is_digit(*p) || (p[0] == '0' && is_digit(p[1])))
        return false;
    for (*count = 0; is_digit(*p); p++) {
        if (*count <= MAX_REPEAT)
            *count = *count * 10 + (*p - '0');
    }
    *at = p;
    return true;
}

/* "{2}", "{2,}", "{2,3}"; what only begins so is text. */
static bool parse_counts(const char *p, const char **end, int *low, int *high)
{
    p++;
    if (!parse_count(&p, low))
        return false;
    *high = *low;
    if (*p == ',') {
        p++;
        *high = -1;
        if (*p != '}' && !parse_count(&p, high))
            return false;
    }
    if (*p != '}')
        return false;
    *end = p + 1;
    return true;
}

static enum err_code spell_repeat(struct spelling *s, const char *end)
{
    const char *from = s->p, *last = end;

    if (!s->repeatable)
        return fail(s, "missing argument to repetition operator", from, end);
    last += *last == '?';
    if (s->repeat)
        return fail(s, "invalid nested repetition operator", s->repeat, last);
    buf_append(s->out, from, (size_t)(last - from));
    s->repeat = from;
    s->p = last;
    return ERR_OK;
}

static enum err_code spell_brace(struct spelling *s)
{
    const char *end;
    int low, high;

    if (!parse_counts(s->p, &end, &low, &high)) {
        put_rune(s, s->p++, 1);
        s->repeatable = true;
        s->repeat = NULL;
        return ERR_OK;
    }
    if (low > MAX_REPEAT || high > MAX_REPEAT || (high >= 0 && low > high))
        return fail(s, "invalid repeat count", s->p, end);
    return spell_repeat(s, end);
}

/* ---- all ---- */

static enum err_code spell_one(struct spelling *s)
{
    const char *next;

    switch (*s->p) {
    case '\\':
        return spell_escape(s);
    case '[':
        return spell_class(s);
    case '(':
        return spell_group(s);
    case '*':
    case '+':
    case '?':
        return spell_repeat(s, s->p + 1);
    case '{':
        return spell_brace(s);
    case ')':
        if (!s->depth--)
            return fail(s, "unexpected )", s->text, s->text + strlen(s->text));
        break;
    case '|':
    case '^':
    case '$':
    case '.':
        break;
    default:
        next = after_rune(s->p);
        put_rune(s, s->p, (size_t)(next - s->p));
        s->p = next;
        s->repeatable = true;
        s->repeat = NULL;
        return ERR_OK;
    }
    s->repeatable = *s->p != '|';
    s->repeat = NULL;
    buf_putc(s->out, *s->p++);
    return ERR_OK;
}

enum err_code pattern_spell(const char *text, struct buf *out, struct err *e)
{
    struct spelling s = { .text = text, .p = text, .out = out, .e = e };

    if (strlen(text) > PATTERN_TEXT_MAX)
        return fail(&s, "expression too large", text, text + QUOTED_MAX);
    while (*s.p) {
        if (spell_one(&s))
            return e->code;
    }
    if (s.depth)
        return fail(&s, "missing closing )", text, s.p);
    return ERR_OK;
}
