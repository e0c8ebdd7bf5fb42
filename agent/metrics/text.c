#include "metrics/internal.h"

bool metrics_line(struct str *rest, struct str *line)
{
    if (!rest->n)
        return false;
    *line = metrics_until(rest, '\n');
    return true;
}

struct str metrics_until(struct str *rest, char sep)
{
    const char *end = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    struct str found = { rest->p, n };

    rest->p += n + (end ? 1 : 0);
    rest->n -= n + (end ? 1 : 0);
    return found;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct str metrics_word(struct str *line)
{
    size_t n = 0;
    struct str word;

    while (line->n && is_blank(*line->p)) {
        line->p++;
        line->n--;
    }
    while (n < line->n && !is_blank(line->p[n]))
        n++;
    word = (struct str){ line->p, n };
    line->p += n;
    line->n -= n;
    return word;
}

bool metrics_number(struct str word, uint64_t *out)
{
    uint64_t v = 0;

    if (!word.n)
        return false;
    for (size_t i = 0; i < word.n; i++) {
        uint64_t digit = (uint64_t)(unsigned char)word.p[i] - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

size_t metrics_pairs(struct str text, const struct metrics_target *targets, size_t n)
{
    struct str line;
    size_t found = 0;

    while (metrics_line(&text, &line)) {
        struct str name = metrics_word(&line), value = metrics_word(&line);

        for (size_t i = 0; i < n; i++)
            if (str_is(name, targets[i].name) && metrics_number(value, targets[i].to))
                found++;
    }
    return found;
}
