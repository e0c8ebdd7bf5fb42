#pragma once
/* create: what the tests of a container's create body share. */
#include "unit/task/fixture.h"

#include <jansson.h>
#include <stdio.h>

static const char *const names[] UNUSED = { "ecs-one", "ecs-two", "ecs-three" };

static inline UNUSED struct task_create_args args_for(const struct task *t)
{
    return (struct task_create_args){ .task = t, .cluster = "demo", .docker_names = names };
}

static inline UNUSED json_t *body_of(const struct task_create_args *a)
{
    struct buf b = BUF_INIT(1 << 20);
    struct err e = { 0 };
    json_t *v;

    if (task_create_body(a, &b, &e))
        fail_msg("%s", e.msg);
    v = json_loadb(b.data, b.len, 0, NULL);
    assert_non_null(v);
    buf_fini(&b);
    return v;
}

/* Compares a member, or a member of it, with a JSON text; "" for nothing there. */
static inline UNUSED void assert_at(const json_t *body, const char *member, const char *sub,
                                    const char *want)
{
    const json_t *v = json_object_get(body, member);
    char *text;

    if (sub)
        v = json_object_get(v, sub);
    text = v ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : strdup("");
    assert_string_equal(text, want);
    mem_wipe(text); /* the document's memory is base/secret's */
}

static inline UNUSED void assert_body_fails(const struct task_create_args *a, const char *message)
{
    struct buf b = BUF_INIT(1 << 20);
    struct err e = { 0 };

    buf_puts(&b, "before");
    assert_int_equal(task_create_body(a, &b, &e), ERR_INVALID);
    if (!str_starts(e.msg, message))
        fail_msg("'%s' does not start with '%s'", e.msg, message);
    assert_string_equal(buf_text(&b), "before"); /* untouched */
    buf_fini(&b);
}
