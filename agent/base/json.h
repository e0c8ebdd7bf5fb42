#pragma once
/* json: a cursor for reading, a writer for writing.
 *
 * Documents lie in base/secret's memory, for nearly every one may carry a secret, and are wiped
 * when they are freed.
 *
 * Reading. A cursor knows its way back to the root; the first error sticks and
 * later getters return zero, so a decoder reads like a list of fields and
 * checks once. Errors name the place: "containers[2].memory: expected integer,
 * got string". Member names match exactly first, then case-insensitively (the
 * wire protocols' rule); null counts as absent.
 *
 * Writing. A streaming writer over a `buf`; members come out in call order, so
 * equal calls give equal bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"
#include "base/str.h"

struct json_t; /* jansson's value; only json.c looks inside */

/* What a document may be, whoever it is from; most readers bound its text more tightly. Of the
 * largest honest ones, lists of the Docker Engine, a row has about 60 values in a dozen objects
 * and arrays. The worst that fits takes about 200 MB while it is read. */
#define JSON_DEPTH_MAX  64
#define JSON_TEXT_MAX   ((size_t)64 << 20)
#define JSON_VALUES_MAX ((size_t)1000000) /* an empty object or array counts twice */
#define JSON_NESTS_MAX  ((size_t)250000)  /* of these, objects and arrays */

/* Parses a whole document; json_free() the result. Duplicate keys: the last wins. More than the
 * above is ERR_INVALID before anything is built; what is not JSON, trailing text too, is
 * ERR_INVALID with line and column. NULL is as "". */
MUST_CHECK enum err_code json_parse(const char *text, size_t n, struct json_t **out, struct err *e);
/* The same with every number as a double, so that no whole number is too large. */
MUST_CHECK enum err_code json_parse_doubles(const char *text, size_t n, struct json_t **out,
                                            struct err *e);
void json_free(struct json_t *v);
AUTO_DEFINE(json, struct json_t *, json_free)

/* Compact text of a value (sorted keys), appended to `b`. */
bool json_dump(const struct json_t *v, struct buf *b);

enum json_type { JSON_NONE, JSON_OBJ, JSON_ARR, JSON_STR, JSON_INT, JSON_NUM, JSON_BOOL };

struct jcur {
    const struct json_t *val; /* NULL: absent */
    const struct jcur *up;
    const char *key; /* member name, or NULL for an array element */
    size_t idx;
    struct err *err; /* shared by all cursors of one document */
};

/* `e` must be { 0 } and outlive the cursors. */
struct jcur jcur_root(const struct json_t *v, struct err *e);

/* Child cursors borrow `c`: keep it alive. Absent members give an absent
 * cursor, on which every getter returns its default. */
struct jcur jcur_get(const struct jcur *c, const char *key);
struct jcur jcur_at(const struct jcur *c, size_t i);
/* The member of exactly that name; one that is null keeps its `val`. */
struct jcur jcur_exact(const struct jcur *c, const char *key);
size_t jcur_len(const struct jcur *c); /* elements of an array; absent is 0 */
bool jcur_present(const struct jcur *c);
enum json_type jcur_type(const struct jcur *c);
/* Whether the member is there and is null, which elsewhere counts as absent. */
bool jcur_null(const struct jcur *c, const char *key);
/* True when the value has that type; else reports "expected object, got string". */
bool jcur_expect(const struct jcur *c, enum json_type type);

/* Reports "<path>: <text>" once. */
void jcur_fail(const struct jcur *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline UNUSED bool jcur_ok(const struct jcur *c)
{
    return c->err->code == ERR_OK;
}

/* A member of `c`. The plain form requires it; _or gives a default when it is
 * absent. Strings are borrowed from the document. */
const char *jcur_str(const struct jcur *c, const char *key);
const char *jcur_str_or(const struct jcur *c, const char *key, const char *absent);
char *jcur_strdup_or(const struct jcur *c, const char *key, const char *absent);
int64_t jcur_int(const struct jcur *c, const char *key, int64_t min, int64_t max);
int64_t jcur_int_or(const struct jcur *c, const char *key, int64_t min, int64_t max,
                    int64_t absent);
double jcur_num_or(const struct jcur *c, const char *key, double absent);
bool jcur_bool_or(const struct jcur *c, const char *key, bool absent);
struct jcur jcur_obj(const struct jcur *c, const char *key); /* must be an object if present */
struct jcur jcur_arr(const struct jcur *c, const char *key); /* must be an array if present */

/* The value of the cursor itself. */
const char *jcur_as_str(const struct jcur *c);
struct str jcur_as_bytes(const struct jcur *c); /* a string that may contain NUL */
int64_t jcur_as_int(const struct jcur *c, int64_t min, int64_t max);

/* The members of an object in document order: call with 0, 1, 2 ... and the same
 * `out`, which holds the member before, until false. */
bool jcur_member(const struct jcur *c, size_t i, struct jcur *out);

/* for (size_t i = 0; ...) with `item` as the cursor of element i. The inner loop
 * runs once and only declares the cursor; `once` carries a break outwards. */
#define JCUR_EACH(item, array)                                                               \
    for (size_t item##_i = 0, item##_n = jcur_len(array), item##_once = 1;                   \
         item##_once && item##_i < item##_n; item##_i++)                                     \
        for (struct jcur item = (item##_once = 0, jcur_at((array), item##_i)); !item##_once; \
             item##_once = 1)

/* ---- writer ---- */

struct jw {
    struct buf *out;
    uint64_t is_array; /* bit per level */
    int depth;
    bool comma;
};

void jw_init(struct jw *w, struct buf *out);
void jw_object(struct jw *w);
void jw_array(struct jw *w);
void jw_end(struct jw *w); /* closes the innermost */
void jw_key(struct jw *w, const char *key);
void jw_str(struct jw *w, const char *s); /* NULL writes null */
void jw_strn(struct jw *w, struct str s);
void jw_int(struct jw *w, int64_t v);
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_millis(struct jw *w, int64_t ms);   /* as seconds: 1767323045.123, 1767323045 */
void jw_raw(struct jw *w, struct str json); /* a value that is JSON already */
void jw_value(struct jw *w, const struct json_t *v);

/* The same as a member of an object. */
void jw_kobject(struct jw *w, const char *key);
void jw_karray(struct jw *w, const char *key);
void jw_kstr(struct jw *w, const char *key, const char *s);
void jw_kstr_if(struct jw *w, const char *key, const char *s); /* nothing for NULL or "" */
void jw_kint(struct jw *w, const char *key, int64_t v);
void jw_kbool(struct jw *w, const char *key, bool v);

/* A JSON string literal with its quotes; invalid UTF-8 becomes U+FFFD. */
void json_quote(struct buf *b, struct str s);
