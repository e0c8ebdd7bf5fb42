#include "task/internal.h"

/* Whether the value fits its field. What Go cannot decode fails the whole body. */
static bool fits(const struct jcur *v, enum merge_kind kind)
{
    switch (kind) {
    case MERGE_STR:
        return jcur_expect(v, JSON_STR);
    case MERGE_INT:
        return jcur_expect(v, JSON_INT);
    case MERGE_BOOL:
        return jcur_expect(v, JSON_BOOL);
    case MERGE_STRS:
        return jcur_type(v) == JSON_STR || jcur_expect(v, JSON_ARR);
    case MERGE_LIST:
        return jcur_expect(v, JSON_ARR);
    case MERGE_MAP:
    case MERGE_OBJ:
    default:
        return jcur_expect(v, JSON_OBJ);
    }
}

/* The names of a map are exact, unlike those of a struct. */
static void merge_map(struct jw *w, const struct jcur *base, const struct jcur *top)
{
    struct jcur m, over;

    jw_object(w);
    for (size_t i = 0; jcur_member(base, i, &m); i++) {
        over = jcur_exact(top, m.key);
        if (over.val)
            continue;
        jw_key(w, m.key);
        jw_value(w, m.val);
    }
    for (size_t i = 0; jcur_member(top, i, &over); i++) {
        if (i == TASK_MAX_PAIRS) {
            jcur_fail(top, "more than %d members", TASK_MAX_PAIRS);
            break;
        }
        jw_key(w, over.key);
        jw_value(w, over.val);
    }
    jw_end(w);
}

static bool clears(const struct jcur *top, const struct merge_field *f)
{
    return (f->kind == MERGE_LIST || f->kind == MERGE_STRS || f->kind == MERGE_MAP) &&
           jcur_null(top, f->name);
}

void task_merge(struct jw *w, const struct jcur *base, const struct jcur *top,
                const struct merge_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct merge_field *f = &fields[i];
        struct jcur below = jcur_get(base, f->name);
        struct jcur above = jcur_get(top, f->name);

        if (jcur_present(&above)) {
            if (!fits(&above, f->kind))
                return;
            jw_key(w, f->name);
            if (f->kind == MERGE_MAP)
                merge_map(w, &below, &above);
            else
                jw_value(w, above.val);
        } else if (jcur_present(&below) && !clears(top, f)) {
            jw_key(w, f->name);
            jw_value(w, below.val);
        }
    }
}
