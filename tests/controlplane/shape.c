#include "shape.h"

static bool check_field(const struct jcur *v, const struct shape *f, struct buf *unknown);

static bool check_list(const struct jcur *list, enum shape_kind kind, const struct shape *sub,
                       struct buf *unknown)
{
    const struct shape element = { .name = "", .kind = kind, .sub = sub };

    if (jcur_type(list) != JSON_ARR) {
        jcur_fail(list, "expected a list");
        return false;
    }
    for (size_t i = 0; i < jcur_len(list); i++) {
        struct jcur item = jcur_at(list, i);

        if (!jcur_present(&item)) {
            jcur_fail(&item, "expected a value, got null");
            return false;
        }
        if (!check_field(&item, &element, unknown))
            return false;
    }
    return true;
}

static bool check_map(const struct jcur *map)
{
    struct jcur item;

    if (jcur_type(map) != JSON_OBJ) {
        jcur_fail(map, "expected an object");
        return false;
    }
    for (size_t i = 0; jcur_member(map, i, &item); i++)
        jcur_as_str(&item);
    return jcur_ok(map);
}

static bool check_field(const struct jcur *v, const struct shape *f, struct buf *unknown)
{
    enum json_type type = jcur_type(v);

    switch (f->kind) {
    case SHAPE_STR:
        jcur_as_str(v);
        break;
    case SHAPE_INT:
        jcur_as_int(v, INT32_MIN, INT32_MAX);
        break;
    case SHAPE_LONG:
        jcur_as_int(v, INT64_MIN, INT64_MAX);
        break;
    case SHAPE_NUM:
        if (type != JSON_INT && type != JSON_NUM)
            jcur_fail(v, "expected a number");
        break;
    case SHAPE_BOOL:
        if (type != JSON_BOOL)
            jcur_fail(v, "expected a boolean");
        break;
    case SHAPE_OBJ:
        if (type != JSON_OBJ)
            jcur_fail(v, "expected an object");
        else
            return shape_check(v, f->sub, unknown);
        break;
    case SHAPE_STRS:
        return check_list(v, SHAPE_STR, NULL, unknown);
    case SHAPE_INTS:
        return check_list(v, SHAPE_INT, NULL, unknown);
    case SHAPE_OBJS:
        return check_list(v, SHAPE_OBJ, f->sub, unknown);
    case SHAPE_MAP:
        return check_map(v);
    }
    return jcur_ok(v);
}

bool shape_check(const struct jcur *c, const struct shape *fields, struct buf *unknown)
{
    struct jcur member;

    for (size_t i = 0; jcur_member(c, i, &member); i++) {
        const struct shape *f = fields;

        if (!jcur_present(&member))
            continue;
        while (f->name && !streq(f->name, member.key))
            f++;
        if (!f->name) {
            if (unknown)
                buf_printf(unknown, "%s%s", unknown->len ? " " : "", member.key);
        } else if (!check_field(&member, f, unknown)) {
            return false;
        }
    }
    for (const struct shape *f = fields; f->name; f++) {
        struct jcur required = jcur_get(c, f->name);

        if (f->required && !jcur_present(&required)) {
            jcur_fail(&required, "is required");
            return false;
        }
    }
    return jcur_ok(c);
}
