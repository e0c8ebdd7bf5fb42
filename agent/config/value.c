#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

#define LIST_MAX 1000

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
    whole += (int64_t)(fraction * (double)unit + 1e-3); /* 0.1 has no exact double */
    return whole >= 0 && !__builtin_add_overflow(*ns, whole, ns);
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

/* ---- JSON ---- */

size_t value_json_prefix(const char *text)
{
    bool in_string = false;
    int depth = 0;

    for (const char *p = text; *p; p++) {
        if (in_string) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == '"')
                in_string = false;
        } else if (*p == '"') {
            in_string = true;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if (*p == ']' || *p == '}') {
            if (--depth == 0)
                return (size_t)(p - text) + 1;
            if (depth < 0)
                return 0;
        }
    }
    return 0;
}

void config_strings_fini(struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct string_list){ 0 };
}

void config_map_fini(struct string_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->items[i].key);
        free(m->items[i].value);
    }
    free(m->items);
    *m = (struct string_map){ 0 };
}

static void fini_strings(void *field)
{
    config_strings_fini(field);
}

static void fini_map(void *field)
{
    config_map_fini(field);
}

static void fini_ports(void *field)
{
    struct port_list *l = field;

    free(l->ports);
    *l = (struct port_list){ 0 };
}

static void fini_text(void *field)
{
    mem_replace(field, NULL);
}

static void fini_secret(void *field)
{
    char **text = field;

    if (*text)
        explicit_bzero(*text, strlen(*text));
    mem_replace(text, NULL);
}

/* The reference agent stops reading a list at its closing bracket. */
static enum err_code parse_list(const char *text, struct json_t **out, struct err *e)
{
    size_t n = value_json_prefix(text);

    if (json_parse(text, n ? n : strlen(text), out, e))
        return err_wrap(e, "expected a JSON list");
    return ERR_OK;
}

static enum err_code parse_ports(const struct var *v, const char *text, void *field, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct port_list l = { 0 };
    struct jcur root;

    (void)v;
    if (parse_list(text, &doc, e))
        return e->code;
    root = jcur_root(doc, &own);
    l.n = jcur_len(&root);
    if (jcur_type(&root) != JSON_ARR || l.n > LIST_MAX)
        return err_set(e, ERR_INVALID, "expected a JSON list of ports, got '%.80s'", text);
    l.ports = mem_array(l.n, sizeof *l.ports);
    for (size_t i = 0; i < l.n; i++) {
        struct jcur item = jcur_at(&root, i);

        l.ports[i] = (uint16_t)jcur_as_int(&item, 0, UINT16_MAX);
    }
    if (own.code) {
        fini_ports(&l);
        return err_set(e, ERR_INVALID, "expected a JSON list of ports: %s", own.msg);
    }
    *(struct port_list *)field = l;
    return ERR_OK;
}

static bool is_allowed(const struct var *v, const char *name)
{
    for (const char **p = v->only; p && *p; p++)
        if (streq(*p, name))
            return true;
    return !v->only;
}

static enum err_code parse_strings(const struct var *v, const char *text, void *field,
                                   struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct string_list l = { 0 };
    struct jcur root;
    size_t n;

    if (parse_list(text, &doc, e))
        return e->code;
    root = jcur_root(doc, &own);
    n = jcur_len(&root);
    if (jcur_type(&root) != JSON_ARR || n > LIST_MAX)
        return err_set(e, ERR_INVALID, "expected a JSON list of strings, got '%.80s'", text);
    l.items = mem_array(n, sizeof *l.items);
    for (size_t i = 0; i < n && !own.code; i++) {
        struct jcur item = jcur_at(&root, i);
        const char *s = jcur_as_str(&item);

        if (!own.code && !is_allowed(v, s))
            jcur_fail(&item, "unknown name '%.80s'", s);
        if (!own.code)
            l.items[l.n++] = mem_strdup(s);
    }
    if (own.code) {
        config_strings_fini(&l);
        return err_set(e, ERR_INVALID, "expected a JSON list of strings: %s", own.msg);
    }
    *(struct string_list *)field = l;
    return ERR_OK;
}

/* "a,b": neither trimmed nor quoted. Nothing between two commas is no word. */
static enum err_code parse_words(const struct var *v, const char *text, void *field, struct err *e)
{
    struct string_list l = { 0 };
    size_t n;

    (void)v;
    for (const char *p = text; *p; p += n + (p[n] == ',')) {
        n = strcspn(p, ",");
        if (!n)
            continue;
        if (l.n == LIST_MAX) {
            config_strings_fini(&l);
            return err_set(e, ERR_LIMIT, "more than %d names", LIST_MAX);
        }
        l.items = mem_resize(l.items, l.n + 1, sizeof *l.items);
        l.items[l.n++] = mem_strndup(p, n);
    }
    *(struct string_list *)field = l;
    return ERR_OK;
}

static enum err_code parse_map(const struct var *v, const char *text, void *field, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct string_map m = { 0 };
    struct jcur root, item;

    (void)v;
    if (json_parse(text, strlen(text), &doc, e))
        return err_wrap(e, "expected a JSON object of strings");
    root = jcur_root(doc, &own);
    if (jcur_type(&root) != JSON_OBJ)
        return err_set(e, ERR_INVALID, "expected a JSON object of strings, got '%.80s'", text);
    for (size_t i = 0; i < LIST_MAX && !own.code && jcur_member(&root, i, &item); i++) {
        const char *s = jcur_as_str(&item);

        if (own.code)
            break;
        m.items = mem_resize(m.items, m.n + 1, sizeof *m.items);
        m.items[m.n++] = (struct string_pair){ mem_strdup(item.key), mem_strdup(s) };
    }
    if (!own.code && jcur_member(&root, LIST_MAX, &item))
        jcur_fail(&root, "more than %d members", LIST_MAX);
    if (own.code) {
        config_map_fini(&m);
        return err_set(e, ERR_INVALID, "expected a JSON object of strings: %s", own.msg);
    }
    *(struct string_map *)field = m;
    return ERR_OK;
}

/* ---- numbers and words ---- */

static enum err_code parse_bool(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    return value_bool(text, field, e);
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

/* The bounds of a duration are applied by config.c, which knows the default. */
static enum err_code parse_duration(const struct var *v, const char *text, void *field,
                                    struct err *e)
{
    (void)v;
    return value_duration(text, field, e);
}

static enum err_code parse_int(const struct var *v, const char *text, void *field, struct err *e)
{
    return str_to_int(text, v->min, v->max, field, e);
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

static enum err_code parse_text(const struct var *v, const char *text, void *field, struct err *e)
{
    struct str s = str_trim(str_of(text));

    (void)v;
    (void)e;
    *(char **)field = mem_strndup(s.p, s.n);
    return ERR_OK;
}

/* Whatever it is, no message says it. */
static enum err_code parse_secret(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    (void)e;
    *(char **)field = mem_strdup(text);
    return ERR_OK;
}

static enum err_code parse_level(const struct var *v, const char *text, void *field, struct err *e)
{
    enum log_level level;

    if (log_parse_level(text, &level, e))
        return e->code;
    return parse_text(v, text, field, e);
}

static enum err_code parse_pull(const struct var *v, const char *text, void *field, struct err *e)
{
    static const char *const names[] = {
        [PULL_DEFAULT] = "default",
        [PULL_ALWAYS] = "always",
        [PULL_ONCE] = "once",
        [PULL_PREFER_CACHED] = "prefer-cached",
    };

    (void)v;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (streq(text, names[i])) {
            *(enum pull_behavior *)field = (enum pull_behavior)i;
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "expected default, always, once or prefer-cached, got '%.80s'",
                   text);
}

static enum err_code parse_format(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    if (!streq(text, "json") && !streq(text, "logfmt"))
        return err_set(e, ERR_INVALID, "expected logfmt or json, got '%.80s'", text);
    *(bool *)field = streq(text, "json");
    return ERR_OK;
}

/* ---- places ---- */

/* A file of the reference agent names paths of its own container. */
static enum err_code parse_path(const struct var *v, const char *text, void *field, struct err *e)
{
    static const struct {
        const char *inside, *outside;
    } mounts[] = { { "/data", "/var/lib/ecs/data" }, { "/log", "/var/log/ecs" } };
    char *path;

    (void)v;
    if (*text != '/')
        return err_set(e, ERR_INVALID, "expected an absolute path, got '%.200s'", text);
    path = mem_strdup(text);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(mounts); i++) {
        size_t n = strlen(mounts[i].inside);

        if (strncmp(path, mounts[i].inside, n) == 0 && (!path[n] || path[n] == '/')) {
            char *mapped = mem_printf("%s%s", mounts[i].outside, path + n);

            free(path);
            path = mapped;
            break;
        }
    }
    *(char **)field = path;
    return ERR_OK;
}

static bool host_is_near(struct str host)
{
    static const char *const near_hosts[] = { "localhost", "[::1]", "[fd00:ec2::254]" };
    char text[64];

    for (size_t i = 0; i < COUNT_OF(near_hosts); i++)
        if (str_is(host, near_hosts[i]))
            return true;
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    /* Only numbers count: 127.example.org is somebody else's. */
    if (strspn(text, "0123456789.") == host.n)
        return str_starts(text, "127.") || str_starts(text, "169.254.");
    return str_starts(text, "[fe80:");
}

/* https:// is added where no scheme is given; signed requests do not travel in
 * the clear beyond this machine. */
static enum err_code parse_endpoint(const struct var *v, const char *text, void *field,
                                    struct err *e)
{
    struct str s = str_trim(str_of(text)), host;
    AUTO(str) char *url = NULL;
    const char *after;

    (void)v;
    url = mem_strndup(s.p, s.n);
    if (!strstr(url, "://")) {
        char *with_scheme = mem_printf("https://%s", url);

        free(url);
        url = with_scheme;
    }
    if (!str_starts(url, "https://") && !str_starts(url, "http://"))
        return err_set(e, ERR_INVALID, "expected an http or https URL, got '%.200s'", text);
    after = strstr(url, "://") + 3;
    host = (struct str){ after, *after == '[' ? strcspn(after, "]") + 1 : strcspn(after, ":/?#") };
    if (!host.n || host.n > strlen(after) || strpbrk(url, " \t@"))
        return err_set(e, ERR_INVALID, "expected a URL with a host, got '%.200s'", text);
    if (str_starts(url, "http://") && !host_is_near(host))
        return err_set(e, ERR_INVALID,
                       "http:// is accepted for this machine and link-local addresses only, "
                       "got '%.200s'; use https://",
                       text);
    *(char **)field = url;
    url = NULL;
    return ERR_OK;
}

const struct var_type type_text = { "text", parse_text, fini_text };
const struct var_type type_path = { "path", parse_path, fini_text };
const struct var_type type_bool = { "bool", parse_bool, NULL };
const struct var_type type_tristate = { "bool", parse_tristate, NULL };
const struct var_type type_duration = { "duration", parse_duration, NULL };
const struct var_type type_int = { "number", parse_int, NULL };
const struct var_type type_ports = { "ports", parse_ports, fini_ports };
const struct var_type type_range = { "port range", parse_range, NULL };
const struct var_type type_words = { "words", parse_words, fini_strings };
const struct var_type type_secret = { "secret", parse_secret, fini_secret };
const struct var_type type_strings = { "strings", parse_strings, fini_strings };
const struct var_type type_map = { "map", parse_map, fini_map };
const struct var_type type_endpoint = { "url", parse_endpoint, fini_text };
const struct var_type type_level = { "level", parse_level, fini_text };
const struct var_type type_pull = { "pull behavior", parse_pull, NULL };
const struct var_type type_format = { "log format", parse_format, NULL };
