/* What is said about each variable: the JSON file, and user data, which has the same
 * members inside of {"ECSAgentConfiguration": ...}. A member becomes the text that its
 * variable would have. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "config/internal.h"

static const char wrapper[] = "ECSAgentConfiguration";

/* ---- places ---- */

/* Does a string that ends before `i` name a member? */
static bool is_name(const struct config_text *doc, size_t i)
{
    while (i < doc->len && strchr(" \t\r\n", doc->text[i]))
        i++;
    return i < doc->len && doc->text[i] == ':';
}

/* The name of a member and its line. */
struct place {
    struct str name;
    int line;
};

static int by_name(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): every member has a name */
    int c = memcmp(x->name.p, y->name.p, x->name.n < y->name.n ? x->name.n : y->name.n);

    return c                        ? c
           : x->name.n != y->name.n ? (x->name.n < y->name.n ? -1 : 1)
                                    : (x->line > y->line) - (x->line < y->line);
}

static size_t count_byte(const struct config_text *doc, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < doc->len; i++)
        n += doc->text[i] == c;
    return n;
}

/* Of all members at that depth of a valid document, sorted; free() them. One look at the
 * document for all, for it may have a hundred thousand. */
static struct place *find_places(const struct config_text *doc, int at_depth, size_t *out_n)
{
    struct place *places = mem_array(count_byte(doc, ':'), sizeof *places);
    int line = 1, depth = 0;
    size_t n = 0;

    for (size_t i = 0; i < doc->len; i++) {
        char c = doc->text[i];

        if (c == '\n') {
            line++;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == '"') {
            size_t from = ++i;

            while (i < doc->len && doc->text[i] != '"')
                i += doc->text[i] == '\\' ? 2 : 1;
            if (depth == at_depth && i < doc->len && is_name(doc, i + 1))
                places[n++] = (struct place){ { doc->text + from, i - from }, line };
        }
    }
    qsort(places, n, sizeof *places, by_name);
    *out_n = n;
    return places;
}

/* "not JSON: line 3 column 7: ..." */
static int line_in(const char *message)
{
    const char *at = strstr(message, "line ");

    return at ? (int)strtol(at + 5, NULL, 10) : 0;
}

/* ---- one member ---- */

static void words_of(const struct jcur *c, struct buf *out)
{
    for (size_t i = 0, n = jcur_len(c); i < n && jcur_ok(c); i++) {
        struct jcur item = jcur_at(c, i);
        const char *word = jcur_as_str(&item);

        if (jcur_ok(c) && strchr(word, ','))
            jcur_fail(&item, "expected a name without commas");
        buf_printf(out, "%s%s", i ? "," : "", jcur_ok(c) ? word : "");
    }
}

/* Two variables have words in lines, and numbers here. */
static bool number_as_word(const struct var *v, const struct jcur *c, struct buf *out)
{
    int64_t n;

    if (v->type != &type_choice && v->type != &type_switch)
        return false;
    n = jcur_as_int(c, INT8_MIN, INT8_MAX);
    for (int64_t i = 0; v->only[i]; i++) {
        if (i == n) {
            buf_puts(out, v->only[i]);
            return true;
        }
    }
    buf_printf(out, "%" PRId64, n); /* no word: the parser says so */
    return true;
}

static const char *type_name(const struct jcur *c)
{
    static const char *const names[] = {
        [JSON_NONE] = "null",    [JSON_OBJ] = "object",  [JSON_ARR] = "array",
        [JSON_STR] = "string",   [JSON_INT] = "integer", [JSON_NUM] = "number",
        [JSON_BOOL] = "boolean",
    };

    return names[jcur_type(c)];
}

static void member_text(const struct var *v, const struct jcur *c, struct buf *out)
{
    if (number_as_word(v, c, out))
        return;
    switch (v->type->form) {
    case FORM_STRING:
        buf_puts(out, jcur_as_str(c));
        return;
    case FORM_BOOL:
        if (jcur_expect(c, JSON_BOOL))
            json_dump(c->val, out);
        return;
    case FORM_INT:
        buf_printf(out, "%" PRId64, jcur_as_int(c, INT64_MIN, INT64_MAX));
        return;
    case FORM_NS:
        if (jcur_type(c) == JSON_INT)
            value_show_duration(jcur_as_int(c, INT64_MIN, INT64_MAX), out);
        else
            jcur_fail(c, "expected integer (nanoseconds), got %s", type_name(c));
        return;
    case FORM_LIST:
        if (!jcur_expect(c, JSON_ARR))
            return;
        if (v->type == &type_words)
            words_of(c, out);
        else
            json_dump(c->val, out);
        return;
    case FORM_MAP:
        if (jcur_expect(c, JSON_OBJ))
            json_dump(c->val, out);
        return;
    case FORM_ANY:
    default:
        json_dump(c->val, out);
        return;
    }
}

/* ---- a document ---- */

struct document {
    struct sources *s;
    const struct config_text *text;
    enum origin origin;
    enum layer layer;
    int depth;            /* of the members */
    bool broken;          /* the reference's decoder would refuse all of it */
    struct place *places; /* of the members */
    size_t n_places;
    struct buf value; /* of the member at hand; may be secret */
};

/* The last such line, since the last member of a name counts. */
static int line_of(const struct document *d, const char *key)
{
    const struct place want = { str_of(key), INT_MAX };
    size_t from = 0, to = d->n_places;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (by_name(&d->places[middle], &want) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from && str_is(d->places[from - 1].name, key) ? d->places[from - 1].line : 0;
}

static void unknown_member(const struct document *d, const char *key)
{
    struct config_problems *p = d->s->problems;
    const char *near = config_problems_full(p) ? NULL : vars_nearest(str_of(key), true);
    const char *source = sources_name(d->s, d->origin);
    int line = line_of(d, key);

    if (near)
        config_problem_add(p, false, source, line, "%.80s: unknown, did you mean %s?", key, near);
    else
        config_problem_add(p, false, source, line, "%.80s: unknown, ignored", key);
}

/* To the reference agent a wrong type spoils the whole document. */
static void report_member(struct document *d, const struct jcur *c)
{
    bool fatal = d->origin == ORIGIN_JSON_FILE;

    config_problem_add(d->s->problems, fatal, sources_name(d->s, d->origin), line_of(d, c->key),
                       "%s%s", c->err->msg, fatal ? "" : "; user data is ignored");
    d->broken = true;
    *c->err = (struct err){ 0 };
}

static void read_member(struct document *d, const struct jcur *c)
{
    size_t i = vars_find_json(str_of(c->key));

    if (i == vars_count()) {
        unknown_member(d, c->key);
        return;
    }
    if (!jcur_present(c))
        return;
    member_text(vars_at(i), c, &d->value);
    if (jcur_ok(c))
        said_set(&d->s->of[d->layer][i], buf_text(&d->value), d->origin, line_of(d, c->key));
    else
        report_member(d, c);
    if (d->value.data)
        explicit_bzero(d->value.data, d->value.len);
    buf_reset(&d->value);
}

/* Members that have no variable of their own. */
static void fold(struct document *d)
{
    static const char *const names[] = { "Cluster", "ClusterArn", "TaskMetadataSteadyStateRate",
                                         "TaskMetadataBurstRate" };
    struct said *of[COUNT_OF(names)];

    for (size_t i = 0; i < COUNT_OF(names); i++)
        of[i] = &d->s->of[d->layer][vars_find_json(str_of(names[i]))];
    if (of[1]->text) {
        config_problem_add(d->s->problems, false, sources_name(d->s, d->origin), of[1]->line,
                           "ClusterArn: deprecated, use Cluster");
        if (str_empty(of[0]->text))
            said_set(of[0], of[1]->text, d->origin, of[1]->line);
        said_set(of[1], NULL, d->origin, 0);
    }
    if (of[2]->text || of[3]->text) {
        AUTO(str)
        char *both =
            mem_printf("%s,%s", of[2]->text ? of[2]->text : "0", of[3]->text ? of[3]->text : "0");

        said_set(of[2], both, d->origin, of[2]->text ? of[2]->line : of[3]->line);
        said_set(of[3], NULL, d->origin, 0);
    }
}

static void read_members(struct document *d, const struct jcur *object)
{
    struct jcur item;

    d->places = find_places(d->text, d->depth, &d->n_places);
    buf_init_secret(&d->value, CONFIG_FILE_MAX);
    for (size_t i = 0; jcur_member(object, i, &item); i++)
        read_member(d, &item);
    buf_fini(&d->value);
    free(d->places);
    if (d->broken && d->origin == ORIGIN_USER_DATA)
        for (size_t i = 0, n = vars_count(); i < n; i++)
            said_set(&d->s->of[d->layer][i], NULL, d->origin, 0);
    fold(d);
}

static bool is_blank(const struct config_text *doc)
{
    return !doc->text || !str_trim((struct str){ doc->text, doc->len }).n;
}

static void read_json_file(struct sources *s)
{
    const struct config_text *doc = &s->in->json_file;
    struct document d = { s, doc, ORIGIN_JSON_FILE, LAYER_JSON, 1, .broken = false };
    AUTO(json) struct json_t *json = NULL;
    struct err e = { 0 }, own = { 0 };
    struct jcur root;

    if (is_blank(doc) || !config_text_check(doc, s->problems))
        return;
    if (json_parse(doc->text, doc->len, &json, &e)) {
        config_problem_add(s->problems, true, doc->name, line_in(e.msg), "%s", e.msg);
        return;
    }
    root = jcur_root(json, &own);
    if (jcur_type(&root) != JSON_OBJ) {
        config_problem_add(s->problems, true, doc->name, 0,
                           "expected a JSON object with members such as \"Cluster\"");
        return;
    }
    read_members(&d, &root);
}

/* Does it begin with {"ECSAgentConfiguration"? Whoever wrote that meant us. */
static bool is_meant(const struct config_text *doc)
{
    struct str s = str_trim((struct str){ doc->text, doc->len });

    if (!s.n || *s.p != '{')
        return false;
    s = str_trim((struct str){ s.p + 1, s.n - 1 });
    return s.n > sizeof wrapper && *s.p == '"' &&
           strncasecmp(s.p + 1, wrapper, sizeof wrapper - 1) == 0;
}

static void read_user_data(struct sources *s)
{
    const struct config_text *doc = &s->in->user_data;
    struct document d = { s, doc, ORIGIN_USER_DATA, LAYER_USER_DATA, 2, .broken = false };
    AUTO(json) struct json_t *json = NULL;
    struct err e = { 0 }, own = { 0 };
    struct jcur root, members;

    if (is_blank(doc) || doc->len > CONFIG_FILE_MAX)
        return;
    if (json_parse(doc->text, doc->len, &json, &e)) {
        if (is_meant(doc))
            config_problem_add(s->problems, false, sources_name(s, ORIGIN_USER_DATA),
                               line_in(e.msg), "%s; user data is ignored", e.msg);
        return;
    }
    root = jcur_root(json, &own);
    if (jcur_type(&root) != JSON_OBJ)
        return;
    members = jcur_get(&root, wrapper);
    if (!jcur_present(&members))
        return;
    if (!jcur_expect(&members, JSON_OBJ)) {
        config_problem_add(s->problems, false, sources_name(s, ORIGIN_USER_DATA), 0,
                           "%s; user data is ignored", own.msg);
        return;
    }
    read_members(&d, &members);
}

void sources_read_documents(struct sources *s)
{
    read_json_file(s);
    read_user_data(s);
}
