#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs_store.h"

#define TERMS_MAX 64

struct term {
    char kind; /* ' ', '-' or '?' */
    char *text;
};

struct log_filter {
    struct term terms[TERMS_MAX];
    size_t count;
    bool plain; /* there is a term that must occur */
    bool maybe; /* there is a ?term */
};

static const char *term_end(const char *p, bool quoted)
{
    if (!quoted)
        return p + strcspn(p, " \t\n\"");
    while (*p && *p != '"')
        p += p[0] == '\\' && p[1] ? 2 : 1;
    return p;
}

/* The text of a phrase: \" and \\ lose their backslash. */
static char *unescaped(const char *p, const char *end)
{
    char *out = mem_alloc((size_t)(end - p) + 1);
    size_t n = 0;

    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        out[n++] = *p;
    }
    return out;
}

enum err_code log_filter_parse(const char *pattern, struct log_filter **out, struct err *e)
{
    struct log_filter *f = NEW(struct log_filter);
    const char *p = pattern;
    enum err_code code = ERR_OK;

    while (!code) {
        char kind = ' ';
        bool quoted;
        const char *end;

        while (isspace((unsigned char)*p))
            p++;
        if (!*p)
            break;
        if (strchr("{[%", *p)) {
            code = err_set(e, ERR_INVALID,
                           "JSON, column and regular expression filter patterns "
                           "are not supported here");
            break;
        }
        if ((*p == '-' || *p == '?') && p[1])
            kind = *p++;
        quoted = *p == '"';
        p += quoted;
        end = term_end(p, quoted);
        if (end == p || (quoted && !*end))
            code = err_set(e, ERR_INVALID, "Invalid filter pattern");
        else if (f->count == TERMS_MAX)
            code = err_set(e, ERR_LIMIT, "the filter pattern has more than %d terms", TERMS_MAX);
        else
            f->terms[f->count++] =
                (struct term){ kind,
                               quoted ? unescaped(p, end) : mem_strndup(p, (size_t)(end - p)) };
        f->plain |= kind == ' ';
        f->maybe |= kind == '?';
        p = end + (quoted && *end);
    }
    if (code) {
        log_filter_destroy(f);
        return code;
    }
    *out = f;
    return ERR_OK;
}

void log_filter_destroy(struct log_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        free(f->terms[i].text);
    free(f);
}

bool log_filter_match(const struct log_filter *f, struct str text)
{
    bool any = !f->maybe || f->plain;

    for (size_t i = 0; i < f->count; i++) {
        const struct term *t = &f->terms[i];
        bool found = memmem(text.p, text.n, t->text, strlen(t->text)) != NULL;

        if ((t->kind == ' ' && !found) || (t->kind == '-' && found))
            return false;
        any |= t->kind == '?' && found;
    }
    return any;
}
