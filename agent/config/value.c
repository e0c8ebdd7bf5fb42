/* Switches, numbers, durations and words of a list. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

#define NS_PER_MS 1000000

/* ---- switches ---- */

enum err_code value_bool(const char *text, bool *out, struct err *e)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };
    struct str s = str_trim(str_of(text));

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (str_is(s, yes[i]) || str_is(s, no[i])) {
            *out = str_is(s, yes[i]);
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "expected true or false, got '%.80s'", text);
}

static enum err_code parse_bool(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    return value_bool(text, field, e);
}

static void show_bool(const struct var *v, const void *field, struct buf *out)
{
    (void)v;
    buf_puts(out, *(const bool *)field ? "true" : "false");
}

static bool zero_bool(const void *field)
{
    return !*(const bool *)field;
}

static enum err_code parse_tristate(const struct var *v, const char *text, void *field,
                                    struct err *e)
{
    bool yes = false;

    (void)v;
    if (value_bool(text, &yes, e))
        return e->code;
    *(enum tristate *)field = yes ? TRI_TRUE : TRI_FALSE;
    return ERR_OK;
}

static void show_tristate(const struct var *v, const void *field, struct buf *out)
{
    enum tristate t = *(const enum tristate *)field;

    (void)v;
    if (t != TRI_UNSET)
        buf_puts(out, t == TRI_TRUE ? "true" : "false");
}

/* ---- durations ---- */

static int64_t unit_ns(const char **p)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        { "ns", 1 },           { "us", 1000 },      { "\xC2\xB5s", 1000 }, /* micro sign */
        { "\xCE\xBCs", 1000 },                                             /* Greek mu */
        { "ms", 1000000 },     { "s", 1000000000 }, { "m", 60000000000 },  { "h", 3600000000000 },
    };

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t n = strlen(units[i].name);

        if (strncmp(*p, units[i].name, n) == 0) {
            *p += n;
            return units[i].ns;
        }
    }
    return 0;
}

/* One "1.5h"; false when malformed or too big. */
static bool duration_part(const char **p, int64_t *ns)
{
    int64_t whole = 0, unit;
    double fraction = 0, scale = 1;
    bool digits = false;

    for (; isdigit((unsigned char)**p); (*p)++, digits = true)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **p - '0', &whole))
            return false;
    if (**p == '.') {
        for ((*p)++; isdigit((unsigned char)**p); (*p)++, digits = true) {
            scale /= 10;
            fraction += scale * (**p - '0');
        }
    }
    unit = digits ? unit_ns(p) : 0;
    if (!unit || __builtin_mul_overflow(whole, unit, &whole))
        return false;
    return !__builtin_add_overflow(*ns, whole, ns) &&
           /* 0.1 has no exact double */
           !__builtin_add_overflow(*ns, (int64_t)(fraction * (double)unit + 1e-3), ns);
}

enum err_code value_duration(const char *text, int64_t *out_ns, struct err *e)
{
    const char *p = text;
    bool negative = *p == '-';
    int64_t ns = 0;

    if (*p == '-' || *p == '+')
        p++;
    if (streq(p, "0")) {
        *out_ns = 0;
        return ERR_OK;
    }
    do {
        if (!duration_part(&p, &ns))
            return err_set(e, ERR_INVALID, "expected a duration such as 30s or 1h30m, got '%.80s'",
                           text);
    } while (*p);
    *out_ns = negative ? -ns : ns;
    return ERR_OK;
}

void value_show_duration(int64_t ns, struct buf *out)
{
    char text[CLOCK_ISO_SIZE];

    if (ns % NS_PER_MS) {
        buf_printf(out, ns % 1000 ? "%" PRId64 "ns" : "%" PRId64 "us", ns % 1000 ? ns : ns / 1000);
        return;
    }
    clock_go_duration(ns / NS_PER_MS, text);
    buf_puts(out, text);
}

/* The bounds of a duration are applied by config.c, which knows the default. */
static enum err_code parse_duration(const struct var *v, const char *text, void *field,
                                    struct err *e)
{
    (void)v;
    return value_duration(text, field, e);
}

/* By then the field is in its own unit. */
static void show_duration(const struct var *v, const void *field, struct buf *out)
{
    value_show_duration(*(const int64_t *)field * (v->unit_ns ? v->unit_ns : NS_PER_MS), out);
}

/* ---- numbers ---- */

static enum err_code parse_int(const struct var *v, const char *text, void *field, struct err *e)
{
    return str_to_int(text, v->min, v->max, field, e);
}

static void show_int(const struct var *v, const void *field, struct buf *out)
{
    int64_t n = *(const int64_t *)field;

    if (n || *v->def)
        buf_printf(out, "%" PRId64, n);
}

static bool zero_int(const void *field)
{
    return *(const int64_t *)field == 0;
}

static enum err_code parse_range(const struct var *v, const char *text, void *field, struct err *e)
{
    struct str s = str_trim(str_of(text));
    const char *dash = memchr(s.p, '-', s.n);
    AUTO(str) char *first = mem_strndup(s.p, dash ? (size_t)(dash - s.p) : 0);
    AUTO(str) char *last = dash ? mem_strndup(dash + 1, (size_t)(s.p + s.n - dash - 1)) : NULL;
    int64_t from, to;

    (void)v;
    if (!dash || str_to_int(first, 1, UINT16_MAX, &from, NULL) ||
        str_to_int(last, from, UINT16_MAX, &to, NULL))
        return err_set(e, ERR_INVALID, "expected a range of ports such as 49153-65535, got '%.80s'",
                       text);
    *(struct port_range *)field = (struct port_range){ (uint16_t)from, (uint16_t)to };
    return ERR_OK;
}

static void show_range(const struct var *v, const void *field, struct buf *out)
{
    const struct port_range *r = field;

    (void)v;
    if (r->first)
        buf_printf(out, "%d-%d", r->first, r->last);
}

/* "0.5" of 10^6 bytes, into bytes. */
static enum err_code parse_megabytes(const struct var *v, const char *text, void *field,
                                     struct err *e)
{
    AUTO(str) char *own = NULL;
    struct str s = str_trim(str_of(text));
    double mb;
    char *end;

    (void)v;
    own = mem_strndup(s.p, s.n);
    mb = strtod(own, &end);
    if (*end || end == own || !(mb >= 0.001 && mb <= 1e6))
        return err_set(e, ERR_INVALID,
                       "expected a number of megabytes such as 5 or 0.5, got '%.80s'", text);
    *(int64_t *)field = (int64_t)(mb * 1e6 + 0.5);
    return ERR_OK;
}

static void show_megabytes(const struct var *v, const void *field, struct buf *out)
{
    int64_t bytes = *(const int64_t *)field;

    (void)v;
    buf_printf(out, "%" PRId64, bytes / 1000000);
    if (bytes % 1000000)
        buf_printf(out, ".%06" PRId64, bytes % 1000000);
}

/* "40,60" */
static enum err_code parse_rates(const struct var *v, const char *text, void *field, struct err *e)
{
    const char *comma = strchr(text, ',');
    struct str first = str_trim((struct str){ text, comma ? (size_t)(comma - text) : 0 });
    struct str last = str_trim(str_of(comma ? comma + 1 : ""));
    AUTO(str) char *a = mem_strndup(first.p, first.n);
    AUTO(str) char *b = mem_strndup(last.p, last.n);
    struct rate_limit r;

    (void)v;
    if (str_to_int(a, 1, INT32_MAX, &r.steady, NULL) || str_to_int(b, 1, INT32_MAX, &r.burst, NULL))
        return err_set(e, ERR_INVALID, "expected two numbers above 0 such as 40,60, got '%.80s'",
                       text);
    *(struct rate_limit *)field = r;
    return ERR_OK;
}

static void show_rates(const struct var *v, const void *field, struct buf *out)
{
    const struct rate_limit *r = field;

    (void)v;
    buf_printf(out, "%" PRId64 ",%" PRId64, r->steady, r->burst);
}

/* ---- one word of a few ---- */

static enum err_code choose(const struct var *v, const char *text, size_t *out, struct err *e)
{
    struct buf all = BUF_INIT(512);

    for (size_t i = 0; v->only[i]; i++) {
        if (v->any_case ? strcasecmp(text, v->only[i]) == 0 : streq(text, v->only[i])) {
            *out = i;
            return ERR_OK;
        }
    }
    for (size_t i = 0; v->only[i]; i++)
        buf_printf(&all, "%s%s", !i ? "" : v->only[i + 1] ? ", " : " or ", v->only[i]);
    err_set(e, ERR_INVALID, "expected %s, got '%.80s'", buf_text(&all), text);
    buf_fini(&all);
    return ERR_INVALID;
}

static enum err_code parse_choice(const struct var *v, const char *text, void *field, struct err *e)
{
    size_t i;

    if (choose(v, text, &i, e))
        return ERR_INVALID;
    *(unsigned *)field = (unsigned)i; /* what an enum without negative members is */
    return ERR_OK;
}

static void show_choice(const struct var *v, const void *field, struct buf *out)
{
    buf_puts(out, v->only[*(const unsigned *)field]);
}

static bool zero_choice(const void *field)
{
    return *(const unsigned *)field == 0;
}

/* Two words, of which the second is true. */
static enum err_code parse_switch(const struct var *v, const char *text, void *field, struct err *e)
{
    size_t i;

    if (choose(v, text, &i, e))
        return ERR_INVALID;
    *(bool *)field = i == 1;
    return ERR_OK;
}

static void show_switch(const struct var *v, const void *field, struct buf *out)
{
    buf_puts(out, v->only[*(const bool *)field]);
}

const struct var_type type_bool = { "bool",    FORM_BOOL, parse_bool,  show_bool,
                                    zero_bool, NULL,      sizeof(bool) };
const struct var_type type_tristate = { "bool", FORM_BOOL, parse_tristate,       show_tristate,
                                        NULL,   NULL,      sizeof(enum tristate) };
const struct var_type type_duration = { "duration", FORM_NS, parse_duration, show_duration,
                                        zero_int,   NULL,    sizeof(int64_t) };
const struct var_type type_int = { "number", FORM_INT, parse_int,      show_int,
                                   zero_int, NULL,     sizeof(int64_t) };
const struct var_type type_range = {
    "port range", FORM_STRING, parse_range, show_range, NULL, NULL, sizeof(struct port_range)
};
const struct var_type type_megabytes = { "megabytes", FORM_STRING, parse_megabytes, show_megabytes,
                                         NULL,        NULL,        sizeof(int64_t) };
const struct var_type type_rates = {
    "rates", FORM_INT, parse_rates, show_rates, NULL, NULL, sizeof(struct rate_limit)
};
const struct var_type type_choice = { "choice",    FORM_STRING, parse_choice,    show_choice,
                                      zero_choice, NULL,        sizeof(unsigned) };
const struct var_type type_switch = { "choice",  FORM_STRING, parse_switch, show_switch,
                                      zero_bool, NULL,        sizeof(bool) };
