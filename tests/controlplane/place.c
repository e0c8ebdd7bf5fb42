#include "place.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

const char *place_attribute(const struct place_host *host, const char *name)
{
    for (size_t i = 0; i < host->attr_count; i++)
        if (streq(host->attrs[i].name, name))
            return host->attrs[i].value;
    return NULL;
}

/* ---- expressions ---- */

struct term {
    char name[129], value[257];
    enum { TERM_IS, TERM_IS_NOT, TERM_EXISTS, TERM_ABSENT } op;
};

static struct str next_word(struct str *rest)
{
    struct str word;

    *rest = str_trim(*rest);
    word = (struct str){ rest->p, 0 };
    while (word.n < rest->n && rest->p[word.n] != ' ' && rest->p[word.n] != '\t')
        word.n++;
    *rest = (struct str){ rest->p + word.n, rest->n - word.n };
    return word;
}

static bool keep(struct str word, char *out, size_t size)
{
    if (word.n == 0 || word.n >= size)
        return false;
    memcpy(out, word.p, word.n);
    out[word.n] = '\0';
    return true;
}

/* Reads one term and the "and" behind it; false when the text is wrong. */
static bool read_term(struct str *rest, struct term *t)
{
    static const char prefix[] = "attribute:";
    struct str subject = next_word(rest), op = next_word(rest), joint;
    const size_t skip = sizeof prefix - 1;

    *t = (struct term){ .op = TERM_IS };
    if (subject.n <= skip || memcmp(subject.p, prefix, skip) != 0 ||
        !keep((struct str){ subject.p + skip, subject.n - skip }, t->name, sizeof t->name))
        return false;
    if (str_is(op, "exists")) {
        t->op = TERM_EXISTS;
    } else if (str_is(op, "!exists")) {
        t->op = TERM_ABSENT;
    } else if (str_is(op, "==") || str_is(op, "!=")) {
        t->op = op.p[0] == '!' ? TERM_IS_NOT : TERM_IS;
        if (!keep(next_word(rest), t->value, sizeof t->value))
            return false;
    } else {
        return false;
    }
    if (str_trim(*rest).n == 0) {
        rest->n = 0;
        return true;
    }
    joint = next_word(rest);
    return (str_is(joint, "and") || str_is(joint, "&&")) && str_trim(*rest).n > 0;
}

bool place_expression_valid(const char *text)
{
    struct str rest = str_of(text);
    struct term t;

    do {
        if (!read_term(&rest, &t))
            return false;
    } while (rest.n > 0);
    return true;
}

static bool term_match(const struct term *t, const struct place_host *host)
{
    const char *value = place_attribute(host, t->name);

    switch (t->op) {
    case TERM_IS:
        return value && streq(value, t->value);
    case TERM_IS_NOT:
        return !value || !streq(value, t->value);
    case TERM_EXISTS:
        return value != NULL;
    case TERM_ABSENT:
        return value == NULL;
    }
    return false;
}

bool place_expression_match(const char *text, const struct place_host *host)
{
    struct str rest = str_of(text);
    struct term t;

    do {
        if (!read_term(&rest, &t) || !term_match(&t, host))
            return false;
    } while (rest.n > 0);
    return true;
}

/* ---- fit ---- */

static bool ports_clash(const uint16_t *a, size_t an, const uint16_t *b, size_t bn)
{
    for (size_t i = 0; i < an; i++)
        for (size_t k = 0; k < bn; k++)
            if (a[i] == b[k])
                return true;
    return false;
}

const char *place_check(const struct place_need *need, const struct place_host *host)
{
    if (!host->active)
        return "INACTIVE";
    if (!host->connected)
        return "AGENT";
    for (size_t i = 0; i < need->attribute_count; i++)
        if (!place_attribute(host, need->attributes[i]))
            return "ATTRIBUTE";
    for (size_t i = 0; i < need->expression_count; i++)
        if (!place_expression_match(need->expressions[i], host))
            return "MemberOf placement constraint unsatisfied.";
    if (need->distinct && host->group_tasks > 0)
        return "DistinctInstance placement constraint unsatisfied.";
    if (need->memory > host->memory_free)
        return "RESOURCE:MEMORY";
    if (need->cpu > host->cpu_free)
        return "RESOURCE:CPU";
    if (ports_clash(need->tcp, need->tcp_count, host->tcp, host->tcp_count) ||
        ports_clash(need->udp, need->udp_count, host->udp, host->udp_count))
        return "RESOURCE:PORTS";
    return NULL;
}

/* ---- choice ---- */

static const char *spread_key(const struct place_host *host, const char *field)
{
    const char *value;

    if (!str_starts(field, "attribute:"))
        return host->arn;
    value = place_attribute(host, field + strlen("attribute:"));
    return value ? value : "";
}

/* Lower is better. */
static int64_t rank(const struct place_host *hosts, size_t count, size_t i,
                    const struct place_strategy *s)
{
    int64_t sum = 0;

    if (s->kind == PLACE_BINPACK)
        return strcasecmp(s->field, "cpu") == 0 ? hosts[i].cpu_free : hosts[i].memory_free;
    for (size_t k = 0; k < count; k++)
        if (streq(spread_key(&hosts[k], s->field), spread_key(&hosts[i], s->field)))
            sum += (int64_t)hosts[k].group_tasks;
    return sum;
}

static size_t nth_kept(const bool *kept, size_t count, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (kept[i] && n-- == 0)
            return i;
    return count;
}

size_t place_choose(const struct place_host *hosts, size_t count,
                    const struct place_strategy *strategies, size_t strategy_count, struct rng *rng)
{
    AUTO(str) char *memory = mem_alloc(count * sizeof(bool) + 1);
    bool *kept = (bool *)memory;
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        kept[i] = hosts[i].eligible;
        left += kept[i];
    }
    for (size_t n = 0; n < strategy_count && left > 1; n++) {
        int64_t best = INT64_MAX;

        if (strategies[n].kind == PLACE_RANDOM)
            break;
        for (size_t i = 0; i < count; i++) {
            int64_t r = kept[i] ? rank(hosts, count, i, &strategies[n]) : INT64_MAX;

            best = r < best ? r : best;
        }
        left = 0;
        for (size_t i = 0; i < count; i++) {
            kept[i] = kept[i] && rank(hosts, count, i, &strategies[n]) == best;
            left += kept[i];
        }
    }
    return left == 0 ? count : nth_kept(kept, count, (size_t)rng_below(rng, left));
}
