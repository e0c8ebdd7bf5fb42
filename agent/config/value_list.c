/* Lists and maps. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

#define LIST_MAX 1000

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

static void fini_strings(void *field)
{
    struct string_list *l = field;

    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct string_list){ 0 };
}

/* Variables of `env` are among those that pass here. */
void config_map_fini(struct string_map *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->items[i].key);
        mem_wipe(m->items[i].value);
    }
    free(m->items);
    *m = (struct string_map){ 0 };
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

static bool zero_ports(const void *field)
{
    return ((const struct port_list *)field)->n == 0;
}

static bool zero_strings(const void *field)
{
    return ((const struct string_list *)field)->n == 0;
}

static bool zero_map(const void *field)
{
    return ((const struct string_map *)field)->n == 0;
}

/* ---- ports ---- */

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
        return ERR_INVALID;
    root = jcur_root(doc, &own);
    l.n = jcur_len(&root);
    if (jcur_type(&root) != JSON_ARR)
        return err_set(e, ERR_INVALID, "expected a JSON list of ports, got '%.80s'", text);
    if (l.n > LIST_MAX)
        return err_set(e, ERR_LIMIT, "more than %d ports", LIST_MAX);
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

static void show_ports(const struct var *v, const void *field, struct buf *out)
{
    const struct port_list *l = field;

    (void)v;
    buf_putc(out, '[');
    for (size_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%d", i ? "," : "", l->ports[i]);
    buf_putc(out, ']');
}

/* ---- texts ---- */

static bool is_allowed(const struct var *v, const char *name)
{
    for (const char *const *p = v->only; p && *p; p++)
        if (streq(*p, name))
            return true;
    return !v->only;
}

static bool is_cidr(const char *text)
{
    const char *slash = strchr(text, '/');
    AUTO(str) char *address = mem_strndup(text, slash ? (size_t)(slash - text) : 0);
    struct in6_addr bytes;
    int64_t bits;
    bool v4 = inet_pton(AF_INET, address, &bytes) == 1;

    return (v4 || inet_pton(AF_INET6, address, &bytes) == 1) &&
           !str_to_int(slash + 1, 0, v4 ? 32 : 128, &bits, NULL);
}

static enum err_code parse_strings_as(const struct var *v, const char *text, bool cidrs,
                                      struct string_list *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err own = { 0 };
    struct string_list l = { 0 };
    enum err_code code = ERR_INVALID;
    struct jcur root;
    size_t n;

    if (parse_list(text, &doc, e))
        return ERR_INVALID;
    root = jcur_root(doc, &own);
    n = jcur_len(&root);
    if (jcur_type(&root) != JSON_ARR)
        return err_set(e, ERR_INVALID, "expected a JSON list of strings, got '%.80s'", text);
    if (n > LIST_MAX)
        return err_set(e, ERR_LIMIT, "more than %d names", LIST_MAX);
    l.items = mem_array(n, sizeof *l.items);
    for (size_t i = 0; i < n && !own.code; i++) {
        struct jcur item = jcur_at(&root, i);
        const char *s = jcur_as_str(&item);

        if (!own.code && !is_allowed(v, s)) {
            jcur_fail(&item, "unknown name '%.80s'", s);
            code = ERR_NOT_FOUND;
        }
        if (!own.code && cidrs && !is_cidr(s))
            jcur_fail(&item, "expected a block of addresses such as 10.0.0.0/16, got '%.80s'", s);
        if (!own.code)
            l.items[l.n++] = mem_strdup(s);
    }
    if (own.code) {
        fini_strings(&l);
        return err_set(e, code, "expected a JSON list of strings: %s", own.msg);
    }
    *out = l;
    return ERR_OK;
}

static enum err_code parse_strings(const struct var *v, const char *text, void *field,
                                   struct err *e)
{
    return parse_strings_as(v, text, false, field, e);
}

static enum err_code parse_cidrs(const struct var *v, const char *text, void *field, struct err *e)
{
    return parse_strings_as(v, text, true, field, e);
}

static enum err_code parse_cidr(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    if (!is_cidr(text))
        return err_set(e, ERR_INVALID,
                       "expected a block of addresses such as 10.0.0.0/16, got '%.80s'", text);
    *(char **)field = mem_strdup(text);
    return ERR_OK;
}

static void show_strings(const struct var *v, const void *field, struct buf *out)
{
    const struct string_list *l = field;
    struct jw w;

    (void)v;
    jw_init(&w, out);
    jw_array(&w);
    for (size_t i = 0; i < l->n; i++)
        jw_str(&w, l->items[i]);
    jw_end(&w);
}

/* "a,b": neither trimmed nor quoted. Nothing between two commas is no word. */
static enum err_code parse_words(const struct var *v, const char *text, void *field, struct err *e)
{
    struct string_list l = { 0 };
    enum err_code code = ERR_OK;
    size_t n;

    for (const char *p = text; *p && !code; p += n + (p[n] == ',')) {
        AUTO(str) char *word = NULL;

        n = strcspn(p, ",");
        if (!n)
            continue;
        word = mem_strndup(p, n);
        if (l.n == LIST_MAX) {
            code = err_set(e, ERR_LIMIT, "more than %d names", LIST_MAX);
        } else if (!is_allowed(v, word)) {
            code = err_set(e, ERR_INVALID, "unknown word '%.80s'; the words are %s%s%s", word,
                           v->only[0], v->only[1] ? " and " : "", v->only[1] ? v->only[1] : "");
        } else {
            l.items = mem_resize(l.items, l.n + 1, sizeof *l.items);
            l.items[l.n++] = word;
            word = NULL;
        }
    }
    if (code)
        fini_strings(&l);
    else
        *(struct string_list *)field = l;
    return code;
}

static void show_words(const struct var *v, const void *field, struct buf *out)
{
    const struct string_list *l = field;

    (void)v;
    for (size_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%s", i ? "," : "", l->items[i]);
}

/* ---- maps ---- */

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
    for (size_t i = 0; !own.code && jcur_member(&root, i, &item); i++) {
        const char *s = jcur_as_str(&item);

        if (!own.code && i == LIST_MAX)
            jcur_fail(&root, "more than %d members", LIST_MAX);
        if (own.code)
            break;
        m.items = mem_resize(m.items, m.n + 1, sizeof *m.items);
        m.items[m.n++] = (struct string_pair){ mem_strdup(item.key), mem_strdup(s) };
    }
    if (own.code) {
        config_map_fini(&m);
        return err_set(e, ERR_INVALID, "expected a JSON object of strings: %s", own.msg);
    }
    *(struct string_map *)field = m;
    return ERR_OK;
}

static void show_map(const struct var *v, const void *field, struct buf *out)
{
    const struct string_map *m = field;
    struct jw w;

    (void)v;
    if (!m->n)
        return;
    jw_init(&w, out);
    jw_object(&w);
    for (size_t i = 0; i < m->n; i++)
        jw_kstr(&w, m->items[i].key, m->items[i].value);
    jw_end(&w);
}

static void show_cidr(const struct var *v, const void *field, struct buf *out)
{
    const char *text = *(char *const *)field;

    (void)v;
    buf_puts(out, text ? text : "");
}

static void fini_cidr(void *field)
{
    mem_replace(field, NULL);
}

const struct var_type type_ports = { "ports",    FORM_LIST, parse_ports, show_ports, zero_ports,
                                     fini_ports, 0 };
const struct var_type type_strings = {
    "strings", FORM_LIST, parse_strings, show_strings, zero_strings, fini_strings, 0
};
const struct var_type type_cidrs = {
    "strings", FORM_LIST, parse_cidrs, show_strings, zero_strings, fini_strings, 0
};
const struct var_type type_cidr = {
    "text", FORM_STRING, parse_cidr, show_cidr, NULL, fini_cidr, 0
};
const struct var_type type_words = { "words",      FORM_LIST, parse_words, show_words, zero_strings,
                                     fini_strings, 0 };
const struct var_type type_map = { "map", FORM_MAP, parse_map, show_map, zero_map, fini_map, 0 };
