#pragma once
/* fixture: what the tests of the views share: texts to compare, and the specification's tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "endpoints/view.h"

#define OUT_MAX (1u << 20)

#define TASK_ARN     "arn:aws:ecs:eu-west-1:210987654321:task/shop/6f1e"
#define INSTANCE_ARN "arn:aws:ecs:eu-west-1:210987654321:container-instance/shop/90ab"

static inline UNUSED int64_t at(const char *iso)
{
    struct err e = { 0 };
    int64_t ms = 0;

    if (clock_parse_iso(iso, &ms, &e))
        fail_msg("%s", e.msg);
    return ms;
}

/* Each gives the text, or "" where nothing is written; free() it. */
static inline UNUSED char *task_text(const struct view_task *t, int version, bool tags)
{
    struct buf out = BUF_INIT(OUT_MAX);
    struct jw w;

    jw_init(&w, &out);
    if (!view_write_task(t, version, tags, &w))
        assert_int_equal(out.len, 0);
    return buf_take(&out);
}

static inline UNUSED char *container_text(const struct view_task *t, size_t i, int version)
{
    struct buf out = BUF_INIT(OUT_MAX);
    struct jw w;

    jw_init(&w, &out);
    if (!view_write_container(t, i, version, &w))
        assert_int_equal(out.len, 0);
    return buf_take(&out);
}

static inline UNUSED char *introspection_text(const struct view_task *t)
{
    struct buf out = BUF_INIT(OUT_MAX);
    struct jw w;

    jw_init(&w, &out);
    view_write_introspection(t, &w);
    return buf_take(&out);
}

static inline UNUSED char *file_text(const struct view_task *t, const struct view_host *h,
                                     bool ready)
{
    struct buf out = BUF_INIT(OUT_MAX);

    view_write_file(t, 0, h, ready, &out);
    return buf_take(&out);
}

/* Frees `got`. */
#define assert_text(got, want)             \
    do {                                   \
        AUTO(str) char *got_ = (got);      \
                                           \
        assert_string_equal(got_, (want)); \
    } while (0)
#define assert_has(got, part)                                \
    do {                                                     \
        AUTO(str) char *got_ = (got);                        \
                                                             \
        if (!strstr(got_, (part)))                           \
            fail_msg("'%s' is missing in %s", (part), got_); \
    } while (0)
#define assert_has_not(got, part)                               \
    do {                                                        \
        AUTO(str) char *got_ = (got);                           \
                                                                \
        assert_true(*got_);                                     \
        if (strstr(got_, (part)))                               \
            fail_msg("'%s' should not be in %s", (part), got_); \
    } while (0)

/* A container with nothing but what is always told. */
static inline UNUSED struct view_container plain(void)
{
    return (struct view_container){
        .docker_id = "3b9c",
        .docker_name = "ecs-orders-12-api-c2d4",
        .name = "api",
        .image = "orders:4.2",
        .image_id = "sha256:aa11",
        .desired = CTR_RUNNING,
        .known = CTR_RUNNING,
        .networks_known = true,
    };
}

static inline UNUSED struct view_task task_of(const struct view_container *containers, size_t n)
{
    return (struct view_task){
        .cluster = "shop",
        .arn = TASK_ARN,
        .family = "orders",
        .version = "12",
        .desired = TASK_RUNNING,
        .known = TASK_RUNNING,
        .containers = containers,
        .n_containers = n,
    };
}
