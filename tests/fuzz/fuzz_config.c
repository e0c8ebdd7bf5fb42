/* links: config; dict: ini */
/* One text as each source that is a text, and as what names the operating system. */
#include "config/internal.h"
#include "fuzz/fuzz.h"

static const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

/* Whatever came of it can be said, and said again, whatever was kept before. */
static void keep_all(const struct config *from, struct config *to)
{
    size_t n;

    config_vars(&n);
    for (size_t i = 0; i < n; i++) {
        config_keep(from, to, i);
        LAW(config_same(from, to, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    AUTO(str) char *family = config_os_family(text);
    const struct config_text whole = { "FILE", size ? (const char *)data : "", size };
    const struct config_inputs all[] = {
        { .env = no_env, .user_file = whole, .instance_file = whole, .os_family = family },
        { .env = no_env, .json_file = whole },
        { .env = no_env, .user_data = whole },
    };
    const struct config_inputs nothing = { .env = no_env };
    struct config_problems none = { 0 };
    struct config *kept = config_build(&nothing, &none);

    for (size_t k = 0; k < COUNT_OF(all); k++) {
        struct config_problems problems = { 0 };
        struct config *c = config_build(&all[k], &problems);

        LAW(c && c->cluster && c->data_dir && c->docker_endpoint);
        for (size_t i = 0; i < problems.n; i++)
            LAW(problems.items[i].line >= 0 && *problems.items[i].text);
        keep_all(c, kept);
        config_problems_fini(&problems);
        config_destroy(c);
    }
    config_problems_fini(&none);
    config_destroy(kept);
    return 0;
}
