#include <string.h>

#include "base/mem.h"
#include "engine/internal.h"

static void item_fini(struct image_env *it)
{
    for (char **v = it->env; v && *v; v++)
        free(*v);
    free(it->env);
    free(it->image);
    *it = (struct image_env){ 0 };
}

static struct image_env *find(struct images *im, const char *image)
{
    for (size_t i = 0; i < IMAGES_KEPT; i++) {
        if (im->items[i].image && streq(im->items[i].image, image))
            return &im->items[i];
    }
    return NULL;
}

static char **copy_env(const char *const *env)
{
    char **out = mem_array(IMAGES_ENV_VARS + 1, sizeof *out);
    size_t n = 0, bytes = 0;

    for (; env && *env && n < IMAGES_ENV_VARS; env++) {
        size_t len = strlen(*env) + 1;

        if (bytes + len > IMAGES_ENV_MAX)
            continue;
        bytes += len;
        out[n++] = mem_strdup(*env);
    }
    return mem_resize(out, n + 1, sizeof *out);
}

void images_put(struct images *im, const char *image, const char *const *env)
{
    struct image_env *it = find(im, image);

    if (!it) { /* an unused one has never been used: it is the oldest */
        it = &im->items[0];
        for (size_t i = 1; i < IMAGES_KEPT; i++) {
            if (im->items[i].used < it->used)
                it = &im->items[i];
        }
    }
    item_fini(it);
    it->image = mem_strdup(image);
    it->env = copy_env(env);
    it->used = ++im->clock;
}

const char *const *images_get(struct images *im, const char *image)
{
    struct image_env *it = find(im, image);

    if (!it)
        return NULL;
    it->used = ++im->clock;
    return (const char *const *)it->env;
}

void images_forget(struct images *im, const char *image)
{
    struct image_env *it = find(im, image);

    if (it)
        item_fini(it);
}

void images_fini(struct images *im)
{
    for (size_t i = 0; i < IMAGES_KEPT; i++)
        item_fini(&im->items[i]);
}
