#include "base/prom.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 40
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
/* Up to here each whole number is one double, and the other way round. */
#define WHOLE_MAX 9007199254740992.0

static const char *const type_names[] = {
    [PROM_COUNTER] = "counter",
    [PROM_GAUGE] = "gauge",
    [PROM_HISTOGRAM] = "histogram",
};

void prom_init(struct prom *p, struct buf *out)
{
    *p = (struct prom){ .out = out };
}

/* ---- texts ---- */

static bool is_plain(char c)
{
    return (unsigned char)c < 0x80 && c != '\\' && c != '\n' && c != '"';
}

/* Quotes are reserved in label values only. */
static void put_escaped(struct buf *out, const char *text, bool quoted)
{
    struct str rest = str_of(text ? text : "");

    while (rest.n > 0) {
        size_t n = 0;
        bool valid = true;

        while (n < rest.n && is_plain(rest.p[n]))
            n++;
        if (n == 0) {
            int len = str_utf8_len(rest.p, rest.n);

            valid = len > 0;
            n = valid ? (size_t)len : 1;
        }
        if (rest.p[0] == '\\')
            buf_puts(out, "\\\\");
        else if (rest.p[0] == '\n')
            buf_puts(out, "\\n");
        else if (rest.p[0] == '"' && quoted)
            buf_puts(out, "\\\"");
        else if (!valid)
            buf_puts(out, REPLACEMENT);
        else
            buf_append(out, rest.p, n);
        rest.p += n;
        rest.n -= n;
    }
}

static void put_labels(struct buf *out, const struct prom_label *labels, size_t n, const char *le)
{
    const char *sep = "{";

    for (size_t i = 0; i < n; i++, sep = ",") {
        buf_printf(out, "%s%s=\"", sep, labels[i].name);
        put_escaped(out, labels[i].value, true);
        buf_putc(out, '"');
    }
    if (le)
        buf_printf(out, "%sle=\"%s\"", sep, le);
    if (n > 0 || le)
        buf_putc(out, '}');
}

/* The shortest text that reads back as `v`. */
static void number(double v, char text[NUMBER_SIZE])
{
    if (isnan(v)) {
        snprintf(text, NUMBER_SIZE, "NaN");
        return;
    }
    if (isinf(v)) {
        snprintf(text, NUMBER_SIZE, v > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (v >= -WHOLE_MAX && v <= WHOLE_MAX && (double)(int64_t)v == v) {
        snprintf(text, NUMBER_SIZE, "%" PRId64, (int64_t)v);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_SIZE, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
}

/* ---- families and samples ---- */

void prom_family(struct prom *p, const char *name, enum prom_type type, const char *help)
{
    p->family = name;
    buf_printf(p->out, "# HELP %s ", name);
    put_escaped(p->out, help, false);
    buf_printf(p->out, "\n# TYPE %s %s\n", name, type_names[type]);
}

static void put_sample(struct prom *p, const char *suffix, const struct prom_label *labels,
                       size_t n, const char *le, const char *value)
{
    buf_puts(p->out, p->family);
    buf_puts(p->out, suffix);
    put_labels(p->out, labels, n, le);
    buf_printf(p->out, " %s\n", value);
}

void prom_sample(struct prom *p, const struct prom_label *labels, size_t n, double value)
{
    char text[NUMBER_SIZE];

    number(value, text);
    put_sample(p, "", labels, n, NULL, text);
}

void prom_count(struct prom *p, const struct prom_label *labels, size_t n, uint64_t value)
{
    char text[NUMBER_SIZE];

    snprintf(text, sizeof text, "%" PRIu64, value);
    put_sample(p, "", labels, n, NULL, text);
}

void prom_histogram(struct prom *p, const struct prom_label *labels, size_t n,
                    const struct histogram *h)
{
    char le[NUMBER_SIZE], text[NUMBER_SIZE];

    for (size_t i = 0; i < h->rule->n; i++) {
        number((double)h->rule->bounds[i] / h->rule->per, le);
        snprintf(text, sizeof text, "%" PRIu64, histogram_upto(h, i));
        put_sample(p, "_bucket", labels, n, le, text);
    }
    snprintf(text, sizeof text, "%" PRIu64, histogram_upto(h, h->rule->n));
    put_sample(p, "_bucket", labels, n, "+Inf", text);
    number((double)h->sum / h->rule->per, le);
    put_sample(p, "_sum", labels, n, NULL, le);
    put_sample(p, "_count", labels, n, NULL, text);
}

void prom_gauge(struct prom *p, const char *name, const char *help, double value)
{
    prom_family(p, name, PROM_GAUGE, help);
    prom_sample(p, NULL, 0, value);
}

void prom_counter(struct prom *p, const char *name, const char *help, uint64_t value)
{
    prom_family(p, name, PROM_COUNTER, help);
    prom_count(p, NULL, 0, value);
}
