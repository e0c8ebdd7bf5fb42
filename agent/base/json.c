#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"

/* ---- documents ---- */

/* Behind the quote that begins a string, behind its end; NULL: it has none. */
static const char *skip_string(const char *p, const char *end)
{
    while (p < end && *p != '"')
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p < end ? p + 1 : NULL;
}

/* How much jansson would build of it, before it builds anything: a value that costs two bytes
 * of text takes up to two hundred of memory. Every value but the first stands behind one of
 * three characters. What is no JSON at all is for jansson to say. */
static enum err_code check_bounds(const char *text, size_t n, struct err *e)
{
    const char *end = text + n;
    size_t values = 1, nests = 0, depth = 0;

    if (n > JSON_TEXT_MAX)
        return err_set(e, ERR_INVALID, "longer than %zu bytes", JSON_TEXT_MAX);
    for (const char *p = text; p && p < end;) {
        char c = *p++;

        if (c == '"') {
            p = skip_string(p, end);
        } else if (c == '{' || c == '[') {
            nests++;
            values++;
            if (++depth > JSON_DEPTH_MAX)
                return err_set(e, ERR_INVALID, "nested deeper than %d levels", JSON_DEPTH_MAX);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        }
    }
    if (values > JSON_VALUES_MAX)
        return err_set(e, ERR_INVALID, "more than %zu values", JSON_VALUES_MAX);
    if (nests > JSON_NESTS_MAX)
        return err_set(e, ERR_INVALID, "more than %zu objects and arrays", JSON_NESTS_MAX);
    return ERR_OK;
}

static void use_secret_memory(void)
{
    json_set_alloc_funcs(secret_try, secret_free);
}

static enum err_code parse(const char *text, size_t n, size_t flags, struct json_t **out,
                           struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t je;
    json_t *v;
    char *quote;

    text = text ? text : "";
    if (check_bounds(text, n, e))
        return ERR_INVALID;
    pthread_once(&once, use_secret_memory);
    v = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | flags, &je);
    /* The text may be a message cut off inside a secret: say where, quote nothing. */
    if (!v && (quote = strstr(je.text, " near ")))
        *quote = '\0';
    if (!v)
        return err_set(e, ERR_INVALID, "not JSON: line %d column %d: %s", je.line, je.column,
                       je.text);
    *out = v;
    return ERR_OK;
}

enum err_code json_parse(const char *text, size_t n, struct json_t **out, struct err *e)
{
    return parse(text, n, 0, out, e);
}

enum err_code json_parse_doubles(const char *text, size_t n, struct json_t **out, struct err *e)
{
    return parse(text, n, JSON_DECODE_INT_AS_REAL, out, e);
}

void json_free(struct json_t *v)
{
    json_decref(v);
}

static int dump_to_buf(const char *data, size_t n, void *user)
{
    return buf_append(user, data, n) ? 0 : -1;
}

bool json_dump(const struct json_t *v, struct buf *b)
{
    return json_dump_callback(v, dump_to_buf, b, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) ==
           0;
}

/* ---- cursor ---- */

struct jcur jcur_root(const struct json_t *v, struct err *e)
{
    return (struct jcur){ .val = v, .err = e };
}

bool jcur_present(const struct jcur *c)
{
    return c->val && !json_is_null(c->val);
}

enum json_type jcur_type(const struct jcur *c)
{
    if (!c->val)
        return JSON_NONE;
    switch (json_typeof(c->val)) {
    case JSON_OBJECT:
        return JSON_OBJ;
    case JSON_ARRAY:
        return JSON_ARR;
    case JSON_STRING:
        return JSON_STR;
    case JSON_INTEGER:
        return JSON_INT;
    case JSON_REAL:
        return JSON_NUM;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_BOOL;
    case JSON_NULL:
    default:
        return JSON_NONE;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as decoders have cursors */
static void path_of(const struct jcur *c, struct buf *b)
{
    if (!c->up)
        return;
    path_of(c->up, b);
    if (c->key)
        buf_printf(b, "%s%.120s", b->len ? "." : "", c->key);
    else
        buf_printf(b, "[%zu]", c->idx);
}

void jcur_fail(const struct jcur *c, const char *fmt, ...)
{
    struct buf b = BUF_INIT(sizeof c->err->msg - 1);
    va_list ap;

    if (!jcur_ok(c))
        return;
    path_of(c, &b);
    if (b.len)
        buf_puts(&b, ": ");
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    err_set(c->err, ERR_INVALID, "%s", buf_text(&b));
    buf_fini(&b);
}

static const char *const type_words[] = {
    [JSON_NONE] = "nothing", [JSON_OBJ] = "object", [JSON_ARR] = "array",    [JSON_STR] = "string",
    [JSON_INT] = "integer",  [JSON_NUM] = "number", [JSON_BOOL] = "boolean",
};

static void fail_type(const struct jcur *c, const char *wanted)
{
    if (jcur_present(c))
        jcur_fail(c, "expected %s, got %s", wanted, type_words[jcur_type(c)]);
    else
        jcur_fail(c, "expected %s, but it is missing", wanted);
}

struct jcur jcur_get(const struct jcur *c, const char *key)
{
    struct jcur out = { .up = c, .key = key, .err = c->err };
    const char *name;
    json_t *item;

    if (!json_is_object(c->val))
        return out;
    out.val = json_object_get(c->val, key);
    if (!out.val)
        json_object_foreach((json_t *)c->val, name, item) if (strcasecmp(name, key) == 0) out.val =
            item;
    if (json_is_null(out.val))
        out.val = NULL;
    return out;
}

struct jcur jcur_exact(const struct jcur *c, const char *key)
{
    struct jcur out = { .up = c, .key = key, .err = c->err };

    out.val = json_object_get(c->val, key);
    return out;
}

struct jcur jcur_at(const struct jcur *c, size_t i)
{
    struct jcur out = { .up = c, .idx = i, .err = c->err };

    out.val = json_array_get(c->val, i);
    return out;
}

size_t jcur_len(const struct jcur *c)
{
    return json_array_size(c->val);
}

bool jcur_member(const struct jcur *c, size_t i, struct jcur *out)
{
    json_t *object = (json_t *)c->val;
    void *it = i ? json_object_iter_next(object, json_object_iter_at(object, out->key))
                 : json_object_iter(object);

    if (!it)
        return false;
    *out = (struct jcur){
        .val = json_object_iter_value(it), .up = c, .key = json_object_iter_key(it), .err = c->err
    };
    return true;
}

bool jcur_null(const struct jcur *c, const char *key)
{
    const char *name;
    json_t *item;

    if (!json_is_object(c->val))
        return false;
    item = json_object_get(c->val, key);
    if (item)
        return json_is_null(item);
    json_object_foreach((json_t *)c->val, name,
                        item) if (strcasecmp(name, key) == 0 && json_is_null(item)) return true;
    return false;
}

bool jcur_expect(const struct jcur *c, enum json_type type)
{
    if (jcur_type(c) == type)
        return true;
    fail_type(c, type_words[type]);
    return false;
}

const char *jcur_as_str(const struct jcur *c)
{
    const char *s = json_string_value(c->val);

    if (!s) {
        fail_type(c, "string");
        return "";
    }
    if (strlen(s) != json_string_length(c->val)) {
        jcur_fail(c, "contains a NUL character");
        return "";
    }
    return s;
}

struct str jcur_as_bytes(const struct jcur *c)
{
    if (!json_is_string(c->val)) {
        fail_type(c, "string");
        return (struct str){ "", 0 };
    }
    return (struct str){ json_string_value(c->val), json_string_length(c->val) };
}

int64_t jcur_as_int(const struct jcur *c, int64_t min, int64_t max)
{
    int64_t v;

    if (!json_is_integer(c->val)) {
        fail_type(c, "integer");
        return 0;
    }
    v = json_integer_value(c->val);
    if (v < min || v > max) {
        jcur_fail(c, "%" PRId64 " is not in %" PRId64 "..%" PRId64, v, min, max);
        return 0;
    }
    return v;
}

const char *jcur_str(const struct jcur *c, const char *key)
{
    struct jcur m = jcur_get(c, key);

    return jcur_as_str(&m);
}

const char *jcur_str_or(const struct jcur *c, const char *key, const char *absent)
{
    struct jcur m = jcur_get(c, key);

    return m.val ? jcur_as_str(&m) : absent;
}

char *jcur_strdup_or(const struct jcur *c, const char *key, const char *absent)
{
    return mem_strdup(jcur_str_or(c, key, absent));
}

int64_t jcur_int(const struct jcur *c, const char *key, int64_t min, int64_t max)
{
    struct jcur m = jcur_get(c, key);

    return jcur_as_int(&m, min, max);
}

int64_t jcur_int_or(const struct jcur *c, const char *key, int64_t min, int64_t max, int64_t absent)
{
    struct jcur m = jcur_get(c, key);

    return m.val ? jcur_as_int(&m, min, max) : absent;
}

double jcur_num_or(const struct jcur *c, const char *key, double absent)
{
    struct jcur m = jcur_get(c, key);

    if (!m.val)
        return absent;
    if (!json_is_number(m.val)) {
        fail_type(&m, "number");
        return 0;
    }
    return json_number_value(m.val);
}

bool jcur_bool_or(const struct jcur *c, const char *key, bool absent)
{
    struct jcur m = jcur_get(c, key);

    if (!m.val)
        return absent;
    if (!json_is_boolean(m.val)) {
        fail_type(&m, "boolean");
        return false;
    }
    return json_is_true(m.val);
}

struct jcur jcur_obj(const struct jcur *c, const char *key)
{
    struct jcur m = jcur_get(c, key);

    if (m.val && !json_is_object(m.val)) {
        fail_type(&m, "object");
        m.val = NULL;
    }
    return m;
}

struct jcur jcur_arr(const struct jcur *c, const char *key)
{
    struct jcur m = jcur_get(c, key);

    if (m.val && !json_is_array(m.val)) {
        fail_type(&m, "array");
        m.val = NULL;
    }
    return m;
}

/* ---- writer ---- */

void jw_init(struct jw *w, struct buf *out)
{
    *w = (struct jw){ .out = out };
}

static void before_value(struct jw *w)
{
    if (w->comma)
        buf_putc(w->out, ',');
    w->comma = true;
}

static void open_level(struct jw *w, bool array)
{
    before_value(w);
    if (w->depth >= 63)
        abort();
    w->depth++;
    w->is_array = array ? w->is_array | 1ULL << w->depth : w->is_array & ~(1ULL << w->depth);
    buf_putc(w->out, array ? '[' : '{');
    w->comma = false;
}

void jw_object(struct jw *w)
{
    open_level(w, false);
}

void jw_array(struct jw *w)
{
    open_level(w, true);
}

void jw_end(struct jw *w)
{
    buf_putc(w->out, w->is_array & 1ULL << w->depth ? ']' : '}');
    w->depth--;
    w->comma = true;
}

void jw_key(struct jw *w, const char *key)
{
    before_value(w);
    json_quote(w->out, str_of(key));
    buf_putc(w->out, ':');
    w->comma = false;
}

void jw_strn(struct jw *w, struct str s)
{
    before_value(w);
    json_quote(w->out, s);
}

void jw_str(struct jw *w, const char *s)
{
    if (s)
        jw_strn(w, str_of(s));
    else
        jw_null(w);
}

void jw_int(struct jw *w, int64_t v)
{
    char text[20]; /* INT64_MIN has that many */
    size_t at = sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (v < 0)
        text[--at] = '-';
    jw_raw(w, (struct str){ text + at, sizeof text - at });
}

void jw_bool(struct jw *w, bool v)
{
    before_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
    before_value(w);
    buf_puts(w->out, "null");
}

void jw_millis(struct jw *w, int64_t ms)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));

    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    jw_raw(w, (struct str){ text, (size_t)n });
}

void jw_raw(struct jw *w, struct str json)
{
    before_value(w);
    buf_append(w->out, json.p, json.n);
}

void jw_value(struct jw *w, const struct json_t *v)
{
    before_value(w);
    json_dump(v, w->out);
}

void jw_kobject(struct jw *w, const char *key)
{
    jw_key(w, key);
    jw_object(w);
}

void jw_karray(struct jw *w, const char *key)
{
    jw_key(w, key);
    jw_array(w);
}

void jw_kstr(struct jw *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_kstr_if(struct jw *w, const char *key, const char *s)
{
    if (!str_empty(s))
        jw_kstr(w, key, s);
}

void jw_kint(struct jw *w, const char *key, int64_t v)
{
    jw_key(w, key);
    jw_int(w, v);
}

void jw_kbool(struct jw *w, const char *key, bool v)
{
    jw_key(w, key);
    jw_bool(w, v);
}

/* Bytes that stand for themselves, whatever is beside them. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void quote_escaped(struct buf *b, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

    if (c == '"' || c == '\\')
        text[1] = (char)c;
    else if (c == '\n')
        text[1] = 'n';
    else if (c == '\t')
        text[1] = 't';
    buf_append(b, text, text[1] == 'u' ? sizeof text : 2);
}

void json_quote(struct buf *b, struct str s)
{
    const unsigned char *u = (const unsigned char *)s.p;
    size_t i = 0, clean = 0;
    int len;

    buf_putc(b, '"');
    for (;;) {
        while (i < s.n && is_plain(u[i]))
            i++;
        if (i == s.n)
            break;
        len = str_utf8_len(s.p + i, s.n - i);
        if (len > 1) {
            i += (size_t)len;
            continue;
        }
        buf_append(b, u + clean, i - clean);
        if (len > 0)
            quote_escaped(b, u[i]);
        else
            buf_puts(b, "\xEF\xBF\xBD");
        clean = ++i;
    }
    buf_append(b, u + clean, i - clean);
    buf_putc(b, '"');
}
