/* cleanup_seen: the images that the engine has, and what that says of the records. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/images.h"

#define SEEN_MAX 20000

void seen_forget(struct janitor *j)
{
    struct seen *row, *next;

    HASH_ITER (hh, j->seen, row, next) {
        HASH_DEL(j->seen, row);
        for (size_t i = 0; i < row->n_names; i++)
            free(row->names[i]);
        free(row->names);
        free(row->id);
        free(row);
    }
}

static void take_row(struct janitor *j, const struct core_image *from)
{
    struct seen *row = NULL;

    HASH_FIND_STR(j->seen, from->id, row);
    if (row)
        return;
    row = NEW(struct seen);
    row->id = mem_strdup(from->id);
    row->size = from->size < 0 ? 0 : from->size > SANE_MAX ? SANE_MAX : from->size;
    row->created = from->created_ms;
    row->n_names = from->n_names;
    row->names = mem_array(row->n_names, sizeof *row->names);
    for (size_t i = 0; i < row->n_names; i++)
        row->names[i] = image_normal_name(from->names[i]);
    HASH_ADD_KEYPTR(hh, j->seen, row->id, strlen(row->id), row);
}

static bool is_tag(const char *normal)
{
    return !strchr(normal, '@') && !str_starts(normal, "sha256:");
}

static bool row_has_name(const struct seen *row, const char *normal)
{
    for (size_t i = 0; i < row->n_names; i++)
        if (streq(row->names[i], normal))
            return true;
    return false;
}

/* Tags that others have given to another image since. */
static void drop_lost_tags(struct core *c, struct image *img, const struct seen *row)
{
    size_t before = img->n_names;

    LIST_FOREACH (node, next, &img->names) {
        const char *name = LIST_ENTRY(node, struct image_name, node)->text;

        if (is_tag(name) && !row_has_name(row, name))
            image_drop_name(c, img, name);
    }
    if (img->n_names != before)
        image_put(c, img);
}

/* Only what the engine says is removed: a record of an image that is no more is
 * forgotten, and so is one whose image others have named since tasks lost their names
 * for it. What is in use may be newer than the list. */
static void match_records(struct core *c)
{
    struct in_use *u = images_in_use(c);
    struct image *img, *next;

    HASH_ITER (hh, c->images->by_id, img, next) {
        struct seen *row = NULL;

        HASH_FIND_STR(c->janitor->seen, img->id, row);
        if (in_use_id(u, img->id))
            continue;
        if (row)
            drop_lost_tags(c, img, row);
        if (!row || (!img->n_names && row->n_names))
            image_forget(c, img);
    }
    in_use_free(u);
}

void seen_take(struct core *c, const struct core_image *images, size_t n)
{
    seen_forget(c->janitor);
    for (size_t i = 0; i < n && i < SEEN_MAX; i++)
        if (!str_empty(images[i].id))
            take_row(c->janitor, &images[i]);
    if (n <= SEEN_MAX)
        match_records(c);
}
