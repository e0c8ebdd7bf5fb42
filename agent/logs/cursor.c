#include "logs/cursor.h"

#include <string.h>

#include "base/json.h"

#define MARGIN_NS 2000000000LL

void cursor_write(const struct cursor *c, struct buf *out)
{
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "ns");
    jw_array(&w);
    jw_int(&w, c->at[0].major);
    jw_int(&w, c->at[1].major);
    jw_end(&w);
    jw_key(&w, "same");
    jw_array(&w);
    jw_int(&w, c->at[0].minor);
    jw_int(&w, c->at[1].minor);
    jw_end(&w);
    jw_end(&w);
}

static int64_t number(const struct jcur *list, size_t i)
{
    struct jcur item = jcur_at(list, i);

    if (!jcur_present(&item))
        jcur_fail(&item, "expected integer, but it is missing");
    return jcur_as_int(&item, 0, INT64_MAX);
}

enum err_code cursor_parse(const char *text, struct cursor *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct cursor c;
    struct jcur root, ns, same;

    if (json_parse(text, strlen(text), &doc, e))
        return err_wrap(e, "cursor");
    root = jcur_root(doc, &bad);
    if (jcur_expect(&root, JSON_OBJ)) {
        ns = jcur_arr(&root, "ns");
        same = jcur_arr(&root, "same");
        for (size_t i = 0; i < 2; i++)
            c.at[i] = (struct mark){ number(&ns, i), number(&same, i) };
    }
    if (bad.code)
        return err_set(e, bad.code, "cursor: %s", bad.msg);
    *out = c;
    return ERR_OK;
}

int64_t cursor_since_ns(const struct cursor *c)
{
    int64_t newest = c->at[0].major > c->at[1].major ? c->at[0].major : c->at[1].major;

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
