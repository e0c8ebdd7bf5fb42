/* links: config */
/* The config file, and the text that names the operating system. */
#include "config/internal.h"
#include "fuzz/fuzz.h"

static const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    AUTO(str) char *family = config_os_family(text);
    struct config_problems problems = { 0 };
    struct config *c = config_build_as((const char *)data, size, no_env, NULL, family, &problems);

    LAW(c && c->cluster && c->data_dir && c->docker_endpoint);
    for (size_t i = 0; i < problems.n; i++)
        LAW(problems.items[i].line >= 0 && *problems.items[i].text);
    config_problems_fini(&problems);
    config_destroy(c);
    return 0;
}
