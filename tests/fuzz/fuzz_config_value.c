/* links: config; dict: ini */
/* One text as the value of every variable at once. */
#include "config/internal.h"
#include "fuzz/fuzz.h"

static const char *always(void *user, const char *name)
{
    (void)name;
    return user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    const struct config_inputs inputs = { .env = always, .env_user = text };
    struct config_problems problems = { 0 };
    struct config *c = config_build(&inputs, &problems);
    int64_t ns = 0;

    LAW(c && c->task_cleanup_wait_ms > 0 && c->reserved_memory_mib >= 0);
    config_problems_fini(&problems);
    config_destroy(c);
    if (value_duration(text, &ns, NULL))
        LAW(ns == 0);
    LAW(value_json_prefix(text) <= strlen(text));
    if (!vars_nearest(str_of(text), false))
        LAW(vars_find(str_of(text)) == vars_count());
    return 0;
}
