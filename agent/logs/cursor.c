#include "logs/cursor.h"

#include <string.h>

#include "base/json.h"

#define MARGIN_NS 2000000000LL

static void write_pair(struct jw *w, const char *key, int64_t a, int64_t b)
{
    jw_karray(w, key);
    jw_int(w, a);
    jw_int(w, b);
    jw_end(w);
}

static void write_file_marks(struct jw *w, const struct cursor *c)
{
    jw_karray(w, "file");
    for (size_t i = 0; i < 2; i++) {
        jw_array(w);
        jw_int(w, c->at[i].major);
        jw_int(w, c->at[i].minor);
        jw_int(w, c->ns[i]);
        jw_end(w);
    }
    jw_end(w);
}

void cursor_write(const struct cursor *c, struct buf *out)
{
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    if (c->kind == CURSOR_FILE) {
        write_file_marks(&w, c);
    } else {
        write_pair(&w, "ns", c->at[0].major, c->at[1].major);
        write_pair(&w, "same", c->at[0].minor, c->at[1].minor);
    }
    if (c->n_newest)
        jw_kint(&w, "newest", c->n_newest);
    if (c->clean)
        jw_kbool(&w, "clean", true);
    jw_end(&w);
}

static int64_t number(const struct jcur *list, size_t i)
{
    struct jcur item = jcur_at(list, i);

    if (!jcur_present(&item))
        jcur_fail(&item, "expected integer, but it is missing");
    return jcur_as_int(&item, 0, INT64_MAX);
}

static void parse_file_marks(const struct jcur *root, struct cursor *c)
{
    struct jcur both = jcur_arr(root, "file");

    c->kind = CURSOR_FILE;
    for (size_t i = 0; i < 2; i++) {
        struct jcur one = jcur_at(&both, i);

        if (!jcur_expect(&one, JSON_ARR))
            return;
        c->at[i] = (struct mark){ number(&one, 0), number(&one, 1) };
        c->ns[i] = number(&one, 2);
    }
}

static void parse_api_marks(const struct jcur *root, struct cursor *c)
{
    struct jcur ns = jcur_arr(root, "ns"), same = jcur_arr(root, "same");

    for (size_t i = 0; i < 2; i++)
        c->at[i] = (struct mark){ number(&ns, i), number(&same, i) };
}

enum err_code cursor_parse(const char *text, struct cursor *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct cursor c = { 0 };
    struct jcur root, file;

    if (json_parse(text, strlen(text), &doc, e))
        return err_wrap(e, "cursor");
    root = jcur_root(doc, &bad);
    if (jcur_expect(&root, JSON_OBJ)) {
        file = jcur_get(&root, "file");
        c.n_newest = jcur_int_or(&root, "newest", 0, INT64_MAX, 0);
        c.clean = jcur_bool_or(&root, "clean", false);
        if (jcur_present(&file))
            parse_file_marks(&root, &c);
        else
            parse_api_marks(&root, &c);
    }
    if (bad.code)
        return err_set(e, bad.code, "cursor: %s", bad.msg);
    *out = c;
    return ERR_OK;
}

struct cursor cursor_by_time(const struct cursor *c)
{
    struct cursor out = *c;

    if (c->kind == CURSOR_API)
        return out;
    out.kind = CURSOR_API;
    for (size_t i = 0; i < 2; i++)
        out.at[i] = (struct mark){ c->ns[i], c->ns[i] ? INT32_MAX : 0 };
    return out;
}

static int64_t newest_ns(const struct cursor *by_time)
{
    const struct mark *at = by_time->at;

    return at[0].major > at[1].major ? at[0].major : at[1].major;
}

int64_t cursor_newest_ms(const struct cursor *c)
{
    struct cursor by_time = cursor_by_time(c);

    return newest_ns(&by_time) / 1000000;
}

int64_t cursor_since_ns(const struct cursor *c)
{
    int64_t newest = newest_ns(c);

    return newest > MARGIN_NS ? newest - MARGIN_NS : 0;
}

void replay_init(struct replay *r, const struct cursor *from)
{
    *r = (struct replay){ .read = *from };
}

void replay_restart(struct replay *r)
{
    for (size_t i = 0; i < 2; i++) {
        r->again[i] = r->read.at[i].minor > 0;
        r->seen[i] = 0;
    }
}

bool replay_accept(struct replay *r, int stream, int64_t when_ns, struct mark *mark)
{
    size_t i = stream == 2;
    struct mark *at = &r->read.at[i];

    if (r->again[i]) {
        if (when_ns < at->major)
            return false;
        if (when_ns == at->major && ++r->seen[i] <= at->minor)
            return false;
        r->again[i] = false;
    }
    if (when_ns == at->major)
        at->minor++;
    else
        *at = (struct mark){ when_ns, 1 };
    *mark = *at;
    return true;
}
