#pragma once
/* twin: a core that is made of what another's record says. */
#include "unit/core/drive.h"

static inline UNUSED char *saved_text(const struct core *c)
{
    struct buf b = BUF_INIT(1 << 26);
    struct jw w;

    jw_init(&w, &b);
    core_save(c, &w);
    assert_false(b.overflowed);
    return buf_take(&b);
}

static inline UNUSED enum err_code load_text(const char *text, struct core **out, struct err *e)
{
    struct json_t *doc = NULL;
    struct err own = { 0 };
    struct jcur root;
    enum err_code code;

    assert_int_equal(json_parse(text, strlen(text), &doc, &own), ERR_OK);
    root = jcur_root(doc, &own);
    code = core_load(&root, out, e);
    json_free(doc);
    return code;
}

/* Goes on with the twin, whose record is the same. */
static inline UNUSED void swap_core(struct drive *d)
{
    char *before = saved_text(d->core), *after;
    struct core *twin = NULL;
    struct err e = { 0 };

    if (load_text(before, &twin, &e))
        fail_msg("%s", e.msg);
    core_destroy(d->core);
    d->core = twin;
    after = saved_text(twin);
    assert_string_equal(after, before);
    free(before);
    free(after);
}
