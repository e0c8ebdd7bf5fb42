#pragma once
/* helper: a config from texts and a list of environment entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/internal.h"

#define FIELD(name) offsetof(struct config, name)

static const char *const region_only[] = { "AWS_DEFAULT_REGION=eu-west-1", NULL };

/* `user`: "NAME=value" texts up to a NULL. */
static inline UNUSED const char *env_lookup(void *user, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *p = user; p && *p; p++)
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return *p + n + 1;
    return NULL;
}

struct built {
    struct config *c;
    struct config_problems p;
    struct buf text; /* "1!: text" for a fatal problem of line 1, then a newline */
};

/* What a config is made of; NULL: not there. */
struct texts {
    const char *const *env;
    const char *user, *instance, *json, *user_data, *region;
    bool pending, nvidia;
};

static inline UNUSED struct config_text text_named(const char *name, const char *text)
{
    return (struct config_text){ name, text, text ? strlen(text) : 0 };
}

/* `sources`: "json:1!: text" in the list of problems. */
static inline UNUSED struct built build_inputs(const struct config_inputs *in, bool sources)
{
    struct built b = { .text = BUF_INIT(1 << 20) };

    b.c = config_build(in, &b.p);
    for (size_t i = 0; i < b.p.n; i++)
        buf_printf(&b.text, "%s%s%d%s: %s\n", sources ? b.p.items[i].source : "",
                   sources ? ":" : "", b.p.items[i].line, b.p.items[i].fatal ? "!" : "",
                   b.p.items[i].text);
    return b;
}

static inline UNUSED struct built build_from(const struct texts *t)
{
    struct config_inputs in = {
        .env = env_lookup,
        .env_user = (void *)(uintptr_t)t->env,
        .user_file = text_named("user", t->user),
        .instance_file = text_named("instance", t->instance),
        .json_file = text_named("json", t->json),
        .user_data = text_named("data", t->user_data),
        .metadata_region = t->region,
        .metadata_pending = t->pending,
        .has_nvidia = t->nvidia,
    };

    return build_inputs(&in, true);
}

static inline UNUSED struct built build_n(const char *file, size_t n, const char *const *env)
{
    struct config_inputs in = {
        .env = env_lookup,
        .env_user = (void *)(uintptr_t)env,
        .user_file = { "user", file, n },
    };

    return build_inputs(&in, false);
}

static inline UNUSED struct built build(const char *file, const char *const *env)
{
    return build_n(file, file ? strlen(file) : 0, env);
}

static inline UNUSED struct built build_json(const char *json)
{
    return build_from(&(struct texts){ .env = region_only, .json = json });
}

static inline UNUSED void built_fini(struct built *b)
{
    config_destroy(b->c);
    config_problems_fini(&b->p);
    buf_fini(&b->text);
}

static inline UNUSED int64_t number_at(const struct config *c, size_t field)
{
    return *(const int64_t *)(const void *)((const char *)c + field);
}

static inline UNUSED bool flag_at(const struct config *c, size_t field)
{
    return *(const bool *)((const char *)c + field);
}
