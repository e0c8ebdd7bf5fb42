/* images: which images there are, by which names tasks call them, and which of them
 * are needed. */
#include "core/images.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define IMAGE_VERSION 1
#define IMAGE_JSON    (64 * 1024)
#define ANY_NAMELESS  "@" /* in what is in use */

/* ---- names ---- */

char *image_normal_name(const char *text)
{
    static const char *const hubs[] = { "index.docker.io/", "docker.io/" };
    const char *at, *end, *colon;

    if (str_starts(text, "sha256:") && !strchr(text, '/'))
        return mem_strdup(text); /* an id */
    for (size_t i = 0; i < COUNT_OF(hubs); i++)
        if (str_starts(text, hubs[i])) {
            text += strlen(hubs[i]);
            break;
        }
    if (str_starts(text, "library/") && !strchr(text + strlen("library/"), '/'))
        text += strlen("library/");
    at = strchr(text, '@');
    end = at ? at : text + strlen(text);
    for (colon = end; colon > text && colon[-1] != ':' && colon[-1] != '/'; colon--)
        ;
    if (colon > text && colon[-1] == ':' && at)
        return mem_printf("%.*s%s", (int)(colon - 1 - text), text, at);
    if (at || (colon > text && colon[-1] == ':'))
        return mem_strdup(text);
    return mem_printf("%s:latest", text);
}

char *image_repository(const char *normal)
{
    const char *at = strchr(normal, '@'), *colon = strrchr(normal, ':');
    const char *end = at ? at : colon ? colon : normal + strlen(normal);

    return mem_printf("%.*s@", (int)(end - normal), normal);
}

static void free_name(struct image_table *im, struct image_name *n)
{
    HASH_DEL(im->by_name, n);
    list_remove(&n->node);
    n->of->n_names--;
    free(n->text);
    free(n);
}

static struct image_name *find_name(const struct image_table *im, const char *normal)
{
    struct image_name *n = NULL;

    HASH_FIND_STR(im->by_name, normal, n);
    return n;
}

void image_drop_name(struct core *c, const struct image *img, const char *normal)
{
    struct image_name *n = find_name(c->images, normal);

    if (n && n->of == img)
        free_name(c->images, n);
}

/* A name belongs to one image. Gives the one that loses it, or NULL. */
static struct image *give_name(struct image_table *im, struct image *img, const char *normal)
{
    struct image_name *n = find_name(im, normal);
    struct image *loser = NULL;

    if (n && n->of == img)
        return NULL;
    if (n) {
        loser = n->of;
        free_name(im, n);
    }
    if (img->n_names >= IMAGE_NAMES_MAX)
        free_name(im, LIST_ENTRY(img->names.next, struct image_name, node));
    n = NEW(struct image_name);
    n->text = mem_strdup(normal);
    n->of = img;
    list_push_back(&img->names, &n->node);
    img->n_names++;
    HASH_ADD_KEYPTR(hh, im->by_name, n->text, strlen(n->text), n);
    return loser;
}

/* ---- the table ---- */

struct image_table *images_create(void)
{
    return NEW(struct image_table);
}

static void free_image(struct image_table *im, struct image *img)
{
    while (!list_empty(&img->names))
        free_name(im, LIST_ENTRY(img->names.next, struct image_name, node));
    HASH_DEL(im->by_id, img);
    free(img->id);
    free(img);
}

void images_destroy(struct image_table *im)
{
    struct image *img, *next;

    if (!im)
        return;
    HASH_ITER (hh, im->by_id, img, next)
        free_image(im, img);
    free(im);
}

struct image *image_called(const struct core *c, const char *normal)
{
    const struct image_name *n = find_name(c->images, normal);

    return n ? n->of : NULL;
}

struct image *image_find(const struct core *c, const char *id)
{
    struct image *img = NULL;

    HASH_FIND_STR(c->images->by_id, id, img);
    return img;
}

static struct image *add_image(struct image_table *im, const char *id)
{
    struct image *img = NEW(struct image);

    img->id = mem_strdup(id);
    list_init(&img->names);
    HASH_ADD_KEYPTR(hh, im->by_id, img->id, strlen(img->id), img);
    return img;
}

static void write_image(const struct image *img, struct jw *w)
{
    jw_object(w);
    jw_kint(w, "v", IMAGE_VERSION);
    jw_kstr(w, "id", img->id);
    jw_karray(w, "names");
    LIST_FOREACH (node, next, &img->names)
        jw_str(w, LIST_ENTRY(node, struct image_name, node)->text);
    jw_end(w);
    jw_kint(w, "size", img->size);
    jw_kint(w, "pulled_at", img->pulled_at);
    jw_kint(w, "last_used", img->last_used);
    jw_kbool(w, "pulled", img->pulled);
    jw_end(w);
}

void image_put(struct core *c, const struct image *img)
{
    struct core_action *a = core_act(c, CORE_ACT_PUT);
    struct buf b = BUF_INIT(IMAGE_JSON);
    struct jw w;

    jw_init(&w, &b);
    write_image(img, &w);
    a->kind = CORE_KIND_IMAGE;
    a->key = mem_strdup(img->id);
    a->value = buf_take(&b);
}

void image_forget(struct core *c, struct image *img)
{
    struct core_action *a = core_act(c, CORE_ACT_DELETE);

    a->kind = CORE_KIND_IMAGE;
    a->key = mem_strdup(img->id);
    free_image(c->images, img);
}

static bool used_before(const struct image *a, const struct image *b)
{
    return a->last_used != b->last_used ? a->last_used < b->last_used : strcmp(a->id, b->id) < 0;
}

/* The image itself stays; it is a stranger's from then on. */
static void keep_bound(struct core *c)
{
    while (HASH_COUNT(c->images->by_id) > IMAGES_MAX) {
        struct in_use *u = images_in_use(c);
        struct image *img, *next, *oldest = NULL;

        HASH_ITER (hh, c->images->by_id, img, next)
            if (!in_use_id(u, img->id) && (!oldest || used_before(img, oldest)))
                oldest = img;
        in_use_free(u);
        if (!oldest)
            return;
        image_forget(c, oldest);
    }
}

/* ---- use ---- */

void images_used(struct core *c, struct core_ctr *k, const struct core_image *image, bool pulled)
{
    struct image *img, *loser;
    char *name;

    if (str_empty(image->id))
        return;
    if (k->image_id && !streq(k->image_id, image->id))
        images_dropped(c, k);
    name = image_normal_name(k->def->image);
    img = image_find(c, image->id);
    if (!img) {
        img = add_image(c->images, image->id);
        img->pulled_at = c->now.wall_ms;
    }
    img->size = image->size < 0 ? 0 : image->size > SANE_MAX ? SANE_MAX : image->size;
    img->last_used = c->now.wall_ms;
    img->pulled |= pulled;
    loser = give_name(c->images, img, name);
    if (loser)
        image_put(c, loser); /* without a name it is removed by its id, in time */
    image_put(c, img);
    mem_replace(&k->image_id, image->id);
    task_changed(c, k->task);
    keep_bound(c);
    c->janitor->asked |= pulled;
    free(name);
}

void images_dropped(struct core *c, struct core_ctr *k)
{
    struct image *img = k->image_id ? image_find(c, k->image_id) : NULL;

    if (!c->out) /* everything ends: nothing happened to the image */
        return;
    mem_replace(&k->image_id, NULL);
    if (!img)
        return;
    img->last_used = c->now.wall_ms;
    image_put(c, img);
}

bool images_pulled_once(const struct core *c, const char *name)
{
    char *normal = image_normal_name(name);
    const struct image_name *n = find_name(c->images, normal);

    free(normal);
    return n && n->of->pulled;
}

/* ---- what is in use ---- */

static bool in_use_has(const struct in_use *u, const char *text)
{
    const struct in_use *found = NULL;

    HASH_FIND_STR(u, text, found);
    return found;
}

static void in_use_add(struct in_use **u, const char *text)
{
    size_t n = strlen(text);
    struct in_use *it;

    if (in_use_has(*u, text))
        return;
    it = mem_alloc(sizeof *it + n + 1);
    memcpy(it->text, text, n + 1);
    HASH_ADD_KEYPTR(hh, *u, it->text, n, it);
}

void in_use_free(struct in_use *u)
{
    struct in_use *it, *next;

    HASH_ITER (hh, u, it, next) {
        HASH_DEL(u, it);
        free(it);
    }
}

bool in_use_id(const struct in_use *u, const char *id)
{
    return in_use_has(u, id);
}

bool in_use_name(const struct in_use *u, const char *normal)
{
    char *repository = image_repository(normal);
    bool found = in_use_has(u, normal) || in_use_has(u, repository);

    free(repository);
    return found;
}

bool in_use_nameless(const struct in_use *u)
{
    return in_use_has(u, ANY_NAMELESS);
}

/* Which image has a digest is not known: it may be any of the repository, and one that
 * has lost its name. */
static void add_by_digest(struct in_use **u, const char *normal)
{
    char *repository = image_repository(normal);

    in_use_add(u, repository);
    in_use_add(u, ANY_NAMELESS);
    free(repository);
}

static bool asks_for_image(const struct core_ctr *k)
{
    enum core_op op = k->op ? k->op : k->queued;

    return op == CORE_OP_INSPECT_IMAGE || op == CORE_OP_MANIFEST || op == CORE_OP_PULL ||
           op == CORE_OP_CREATE;
}

/* It makes no container from now on: what it has made holds the image by its id. */
static bool is_over(const struct core_ctr *k)
{
    return (k->task->desired == TASK_STOPPED || k->known == CTR_STOPPED) && !asks_for_image(k);
}

/* Stands in the set for "some image is asked for by its digest"; no name and no id. */
#define SOME_DIGEST "@"

bool in_use_some_digest(const struct in_use *u)
{
    return in_use_name(u, SOME_DIGEST);
}

struct in_use *images_in_use(const struct core *c)
{
    struct core_task *t, *next;
    struct in_use *u = NULL;

    HASH_ITER (hh, c->tasks, t, next) {
        for (size_t i = 0; i < t->n_ctrs; i++) {
            const struct core_ctr *k = &t->ctrs[i];
            char *text;

            if (k->image_id)
                in_use_add(&u, k->image_id);
            /* From its arrival on, so that nothing goes between the pull and the create. */
            if (is_over(k) && (k->image_id || !t->rebuilt))
                continue;
            text = image_normal_name(k->def->image);
            in_use_add(&u, text);
            if ((strchr(text, '@') || k->digest) && !k->image_id) {
                add_by_digest(&u, text);
                in_use_add(&u, SOME_DIGEST);
            }
            free(text);
        }
    }
    return u;
}

bool images_leaving(const struct core *c, const char *name)
{
    const struct victim *v = &c->janitor->victim;
    const struct seen *row = NULL;
    struct in_use *u = NULL;
    bool leaving;
    char *text;

    if (!v->id)
        return false;
    /* The same question as whether a container that wants it makes it stay. */
    text = image_normal_name(name);
    in_use_add(&u, text);
    if (strchr(text, '@'))
        add_by_digest(&u, text);
    leaving = in_use_id(u, v->id);
    for (size_t i = 0; i < v->n_names; i++)
        leaving |= in_use_name(u, v->names[i]);
    HASH_FIND_STR(c->janitor->seen, v->id, row);
    for (size_t i = 0; row && i < row->n_names; i++)
        leaving |= in_use_name(u, row->names[i]);
    leaving |= !v->n_names && !(row && row->n_names) && in_use_nameless(u);
    in_use_free(u);
    free(text);
    return leaving;
}

/* ---- store and record ---- */

static struct image *read_image(struct core *c, const struct jcur *j)
{
    struct jcur names = jcur_arr(j, "names");
    const char *id = jcur_str(j, "id");
    struct image *img;

    jcur_int(j, "v", 1, IMAGE_VERSION);
    if (jcur_ok(j) && (!*id || image_find(c, id)))
        jcur_fail(j, "expected the id of an image, once");
    if (!jcur_ok(j))
        return NULL;
    img = add_image(c->images, id);
    img->size = jcur_int(j, "size", 0, SANE_MAX);
    img->pulled_at = jcur_int(j, "pulled_at", SANE_TIME);
    img->last_used = jcur_int(j, "last_used", SANE_TIME);
    img->pulled = jcur_bool_or(j, "pulled", false);
    JCUR_EACH (name, &names)
        give_name(c->images, img, jcur_as_str(&name));
    if (jcur_ok(j))
        return img;
    free_image(c->images, img);
    return NULL;
}

void images_restored(struct core *c, const char *value)
{
    struct json_t *doc = NULL;
    struct image *img = NULL;
    struct err e = { 0 };

    if (!json_parse(value, strlen(value), &doc, &e)) {
        struct jcur root = jcur_root(doc, &e);

        img = read_image(c, &root);
    }
    json_free(doc);
    if (!img) {
        core_note(c, true, NULL, NULL, "a stored image is unreadable and was ignored: %s", e.msg);
        return;
    }
    /* A clock that was ahead once must not keep it for ever. */
    if (img->pulled_at > c->now.wall_ms)
        img->pulled_at = c->now.wall_ms;
    if (img->last_used > c->now.wall_ms)
        img->last_used = c->now.wall_ms;
}

void images_save(const struct core *c, struct jw *w)
{
    struct image *img, *next;

    jw_karray(w, "images");
    HASH_ITER (hh, c->images->by_id, img, next)
        write_image(img, w);
    jw_end(w);
    jw_key(w, "janitor");
    janitor_save(c, w);
}

void images_load(struct core *c, const struct jcur *saved)
{
    struct jcur all = jcur_arr(saved, "images"), janitor = jcur_obj(saved, "janitor");

    JCUR_EACH (item, &all) {
        if (!read_image(c, &item))
            return; /* the shared error says what is wrong */
    }
    if (jcur_present(&janitor))
        janitor_load(c, &janitor);
}
