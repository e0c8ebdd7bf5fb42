#pragma once
/* helper: a config from a file's text and a list of environment entries. */
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

static inline UNUSED struct built build_n(const char *file, size_t n, const char *const *env)
{
    struct built b = { .text = BUF_INIT(1 << 20) };

    b.c = config_build(file, n, env_lookup, (void *)(uintptr_t)env, &b.p);
    for (size_t i = 0; i < b.p.n; i++)
        buf_printf(&b.text, "%d%s: %s\n", b.p.items[i].line, b.p.items[i].fatal ? "!" : "",
                   b.p.items[i].text);
    return b;
}

static inline UNUSED struct built build(const char *file, const char *const *env)
{
    return build_n(file, file ? strlen(file) : 0, env);
}

static inline UNUSED void built_fini(struct built *b)
{
    config_destroy(b->c);
    config_problems_fini(&b->p);
    buf_fini(&b->text);
}
