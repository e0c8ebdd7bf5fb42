/* The process's environment. What the table says is secret is taken out of it: /proc/PID/environ
 * shows the block that the process was started with, and whoever is started inherits it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "config/internal.h"

/* Of this process, as the environment itself. */
static struct string_map taken;

static void take(const char *name)
{
    char *value = name ? getenv(name) : NULL;

    if (!value)
        return;
    taken.items = mem_resize(taken.items, taken.n + 1, sizeof *taken.items);
    taken.items[taken.n++] = (struct string_pair){ mem_strdup(name), secret_strdup(value) };
    explicit_bzero(value, strlen(value));
    unsetenv(name);
}

void config_environment_take_secrets(void)
{
    for (size_t i = 0, n = vars_count(); i < n; i++) {
        const struct var *v = vars_at(i);

        if (!v->secret)
            continue;
        take(v->name);
        take(v->alias);
    }
}

const char *config_environment(const char *name)
{
    for (size_t i = 0; i < taken.n; i++)
        if (strcmp(taken.items[i].key, name) == 0)
            return taken.items[i].value;
    return getenv(name);
}
