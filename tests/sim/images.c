/* images: Docker's images and the disk that holds them, strangers' containers, and
 * the registry that images come from. A tag of the registry may name another image
 * from one moment to the next. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define N_NAMES   6 /* image:0 ... */
#define LAST      2 /* version */
#define DISK_SIZE ((int64_t)100)

static const char *const excluded[] = { "image:3", TASK_PAUSE_IMAGE };

const char *const *images_kept(size_t *n)
{
    *n = COUNT_OF(excluded);
    return excluded;
}

bool image_is_kept(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(excluded); i++)
        if (streq(name, excluded[i]))
            return true;
    return false;
}

/* ---- rows ---- */

int image_row(const struct sim *s, const char *ref)
{
    const char *digest = strchr(ref, '@');

    for (int i = 0; i < MAX_IMAGES; i++) {
        const struct sim_image *im = &s->images[i];

        if (!im->id[0])
            continue;
        if (streq(im->id, ref) || (digest && im->by_digest && streq(im->digest, digest + 1)))
            return i;
        for (int n = 0; n < im->n_names; n++)
            if (streq(im->names[n], ref))
                return i;
    }
    return -1;
}

/* The last two tags name one image. */
static void content(int name, int version, char id[72], char digest[72])
{
    unsigned v = (unsigned)version % 100;
    unsigned n = (unsigned)(name == N_NAMES - 1 ? N_NAMES - 2 : name) % 100;

    snprintf(id, 72, "sha256:1%059d%02u%02u", 0, v, n);
    snprintf(digest, 72, "sha256:%060d%02u%02u", 0, v, n);
}

static int row_for(struct sim *s, const char *id, const char *digest, int64_t size)
{
    int i = image_row(s, id);

    if (i >= 0)
        return i;
    for (i = 0; s->images[i].id[0]; i++)
        if (i + 1 == MAX_IMAGES)
            abort();
    s->images[i] = (struct sim_image){ .size = size,
                                       .created = wall(s) - pick(s, 0, 20000),
                                       .named = -1000000 };
    snprintf(s->images[i].id, sizeof s->images[i].id, "%s", id);
    snprintf(s->images[i].digest, sizeof s->images[i].digest, "%s", digest);
    return i;
}

static void untag(struct sim_image *im, const char *name)
{
    for (int n = 0; n < im->n_names; n++)
        if (streq(im->names[n], name))
            memcpy(im->names[n], im->names[--im->n_names], sizeof im->names[n]);
}

static void tag(struct sim *s, int row, const char *name)
{
    struct sim_image *im = &s->images[row];
    int old = image_row(s, name);

    if (old == row)
        return;
    if (old >= 0)
        untag(&s->images[old], name);
    if (im->n_names == COUNT_OF(im->names))
        abort();
    im->named = s->now ? s->now : -1000000; /* known from the beginning */
    snprintf(im->names[im->n_names++], sizeof im->names[0], "%s", name);
}

/* ---- the disk ---- */

int disk_pct(const struct sim *s)
{
    int64_t used = s->disk_base;

    for (int i = 0; i < MAX_IMAGES; i++)
        used += s->images[i].id[0] ? s->images[i].size : 0;
    return (int)(used * 100 / DISK_SIZE);
}

static void look_at_disk(struct sim *s, struct call *c)
{
    int64_t pct = disk_pct(s);

    c->answer->ev.u.op.disk =
        (struct core_disk){ DISK_SIZE << 30, (pct << 30) * DISK_SIZE / 100, 100000, pct * 500 };
}

static void disk_fills(struct sim *s, void *arg)
{
    (void)arg;
    if (s->finishing)
        return;
    s->disk_base = pick(s, 20, 80);
    trace(s, "** the disk is %d %% full", disk_pct(s));
    at(s, pick(s, 5000, 20000), disk_fills, NULL);
}

/* ---- the registry ---- */

static void tag_moves(struct sim *s, void *arg)
{
    int n = (int)pick(s, 0, N_NAMES - 1);

    (void)arg;
    if (s->finishing)
        return;
    if (s->versions[n] < LAST)
        s->versions[n]++;
    trace(s, "** image:%d is another one now", n);
    at(s, pick(s, 3000, 30000), tag_moves, NULL);
}

static int number_of(const char *ref)
{
    return ref[strlen(ref) - 1] - '0';
}

static void do_manifest(struct sim *s, struct call *c)
{
    struct core_image *im = c->answer->images = NEW(struct core_image);
    char id[72], digest[72];
    int n = number_of(c->ref);

    content(n, s->versions[n], id, digest);
    c->answer->ev.u.op.images = im;
    c->answer->ev.u.op.n_images = 1;
    if (c->ref[0] == 'n')
        call_fails(c, ERR_IO, "pull access denied, repository does not exist");
    else if (!s->finishing && chance(s, 10))
        call_fails(c, ERR_IO, "net/http: TLS handshake timeout");
    else if (!s->finishing && chance(s, 2))
        call_fails(c, ERR_TIMEOUT, "no answer in time");
    else if (!s->finishing && chance(s, 2)) /* it lies */
        im->digest = "sha256:beef";
    else if (chance(s, 5)) /* of an old kind */
        im->digest = "";
    else
        im->digest = event_keep(c->answer, mem_strdup(digest));
}

static void do_pull(struct sim *s, struct call *c)
{
    const char *at_sign = strchr(c->ref, '@'), *wanted = at_sign ? at_sign + 1 : c->digest;
    char id[72], digest[72];
    int n = number_of(c->ref), row;

    if (c->ref[0] == 'n') {
        call_fails(c, ERR_IO, "pull access denied, repository does not exist");
        return;
    }
    if (!s->finishing && chance(s, 15)) {
        call_fails(c, ERR_IO, "net/http: TLS handshake timeout");
        return;
    }
    if (!s->finishing && chance(s, 2)) {
        call_fails(c, ERR_TIMEOUT, "no byte for 60 s");
        return;
    }
    content(n, s->versions[n], id, digest);
    for (int v = 0; wanted && v <= LAST && !streq(digest, wanted); v++)
        content(n, v, id, digest);
    if (wanted && !streq(digest, wanted)) {
        call_fails(c, ERR_IO, "manifest unknown");
        return;
    }
    row = row_for(s, id, digest, 3 + 2 * n);
    s->images[row].ours = true;
    if (wanted)
        s->images[row].by_digest = true;
    if (!at_sign)
        tag(s, row, c->ref);
    trace(s, "** %s is pulled, the disk is %d %% full", c->ref, disk_pct(s));
}

/* ---- what Docker says of them ---- */

static void tell(struct inbox_event *e, struct core_image *to, const struct sim_image *im)
{
    const char **names = event_keep(e, mem_array((size_t)im->n_names + 1, sizeof *names));

    for (int i = 0; i < im->n_names; i++)
        names[i] = event_keep(e, mem_strdup(im->names[i]));
    *to = (struct core_image){ .id = event_keep(e, mem_strdup(im->id)),
                               .names = names,
                               .n_names = (size_t)im->n_names,
                               .size = im->size << 30,
                               .created_ms = im->created };
}

static void do_inspect_image(struct sim *s, struct call *c)
{
    int row = image_row(s, c->ref);

    if (row < 0) {
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such image");
        return;
    }
    c->answer->images = NEW(struct core_image);
    tell(c->answer, c->answer->images, &s->images[row]);
    c->answer->images->digest = event_keep(c->answer, mem_strdup(s->images[row].digest));
    c->answer->ev.u.op.images = c->answer->images;
    c->answer->ev.u.op.n_images = 1;
}

static void do_list_images(struct sim *s, struct call *c)
{
    size_t n = 0;

    c->answer->images = mem_array(MAX_IMAGES, sizeof *c->answer->images);
    for (int i = 0; i < MAX_IMAGES; i++)
        if (s->images[i].id[0])
            tell(c->answer, &c->answer->images[n++], &s->images[i]);
    c->answer->ev.u.op.images = c->answer->images;
    c->answer->ev.u.op.n_images = n;
    look_at_disk(s, c);
}

/* A container, running or not, keeps Docker from removing its image. */
static bool used(struct sim *s, int row)
{
    LIST_FOREACH (node, next, &s->boxes)
        if (LIST_ENTRY(node, struct box, node)->image == row)
            return true;
    for (size_t i = 0; i < COUNT_OF(s->strangers); i++)
        if (s->strangers[i].here && s->strangers[i].image == row)
            return true;
    return false;
}

static void do_remove_image(struct sim *s, struct call *c)
{
    int row = image_row(s, c->ref);
    struct sim_image *im = row < 0 ? NULL : &s->images[row];

    if (!im)
        return; /* counts as success */
    if (!s->finishing && chance(s, 5)) {
        call_fails(c, ERR_IO, "Error response from daemon: device or resource busy");
    } else if (im->n_names > 1 && !streq(im->id, c->ref)) {
        untag(im, c->ref);
    } else if (im->n_names > 1) {
        call_fails(c, ERR_CONFLICT,
                   "Error response from daemon: image is referenced in multiple repositories");
    } else if (used(s, row)) {
        call_fails(c, ERR_CONFLICT,
                   "Error response from daemon: a container is using its referenced image");
    } else {
        trace(s, "** image %s is removed", c->ref);
        im->id[0] = '\0';
    }
}

/* ---- strangers ---- */

static void do_list_others(struct sim *s, struct call *c)
{
    size_t n = 0;

    c->answer->others = mem_array(COUNT_OF(s->strangers), sizeof *c->answer->others);
    for (size_t i = 0; i < COUNT_OF(s->strangers); i++) {
        const struct stranger *o = &s->strangers[i];

        if (o->here)
            c->answer->others[n++] = (struct core_other){
                event_keep(c->answer, mem_strdup(o->id)),
                "somebody's",
                o->running     ? "running"
                : o->never_ran ? "created"
                               : "exited",
            };
    }
    c->answer->ev.u.op.others = c->answer->others;
    c->answer->ev.u.op.n_others = n;
}

static struct stranger *stranger_called(struct sim *s, const char *id)
{
    for (size_t i = 0; i < COUNT_OF(s->strangers); i++)
        if (s->strangers[i].here && streq(s->strangers[i].id, id))
            return &s->strangers[i];
    return NULL;
}

static void do_inspect_other(struct sim *s, struct call *c)
{
    const struct stranger *o = stranger_called(s, c->ref);
    struct ctr_facts *f = &c->answer->facts;

    if (!o) {
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
        return;
    }
    snprintf(f->id, sizeof f->id, "%s", o->id);
    f->status = o->running ? CTR_RUNNING : o->never_ran ? CTR_CREATED : CTR_STOPPED;
    f->has_exit_code = f->status == CTR_STOPPED;
    f->created_ms = wall(s) - s->now - 100000;
    f->started_ms = o->never_ran ? 0 : f->created_ms + 1;
    f->finished_ms = o->running || o->never_ran ? 0 : o->finished;
    c->answer->ev.u.op.facts = f;
}

static void do_remove_other(struct sim *s, struct call *c)
{
    struct stranger *o = stranger_called(s, c->ref);

    if (!o)
        call_fails(c, ERR_NOT_FOUND, "Error response from daemon: No such container");
    else if (o->running)
        call_fails(c, ERR_CONFLICT,
                   "Error response from daemon: You cannot remove a running container");
    else
        o->here = false;
    trace(s, "** a stranger is removed: %s", c->ref);
}

static void stranger_changes(struct sim *s, void *arg)
{
    struct stranger *o = &s->strangers[pick(s, 0, (int64_t)COUNT_OF(s->strangers) - 1)];

    (void)arg;
    if (s->finishing)
        return;
    o->running = !o->running;
    o->never_ran = false;
    o->finished = wall(s);
    at(s, pick(s, 3000, 30000), stranger_changes, NULL);
}

/* ---- together ---- */

void images_do(struct sim *s, struct call *c)
{
    switch ((int)c->op) {
    case CORE_OP_INSPECT_IMAGE:
        do_inspect_image(s, c);
        break;
    case CORE_OP_MANIFEST:
        do_manifest(s, c);
        break;
    case CORE_OP_PULL:
        do_pull(s, c);
        break;
    case CORE_OP_LIST_IMAGES:
        do_list_images(s, c);
        break;
    case CORE_OP_LOOK_AT_DISK:
        look_at_disk(s, c);
        break;
    case CORE_OP_REMOVE_IMAGE:
        do_remove_image(s, c);
        break;
    case CORE_OP_LIST_OTHERS:
        do_list_others(s, c);
        break;
    case CORE_OP_INSPECT_OTHER:
        do_inspect_other(s, c);
        break;
    case CORE_OP_REMOVE_OTHER:
        do_remove_other(s, c);
        break;
    default:
        break;
    }
}

void images_begin(struct sim *s)
{
    char id[72], digest[72], name[96];

    tag(s, row_for(s, "sha256:pause", "", 1), TASK_PAUSE_IMAGE);
    for (int i = 0; i < N_NAMES; i++) {
        content(i, 0, id, digest);
        snprintf(name, sizeof name, "image:%d", i);
        if (chance(s, 50))
            tag(s, row_for(s, id, digest, 3 + 2 * i), name);
    }
    for (size_t i = 0; i < COUNT_OF(s->strangers); i++) {
        struct stranger *o = &s->strangers[i];
        int row;

        snprintf(id, sizeof id, "sha256:other%zu", i);
        snprintf(name, sizeof name, "other:%zu", i);
        row = row_for(s, id, "", 4);
        if (i)
            tag(s, row, name);
        *o = (struct stranger){ .here = chance(s, 50), .running = chance(s, 40), .image = row };
        o->never_ran = !o->running && chance(s, 40);
        o->finished = wall(s) - pick(s, 0, 20000);
        snprintf(o->id, sizeof o->id, "stranger%zu", i);
    }
    s->disk_base = pick(s, 20, 60);
    at(s, pick(s, 1000, 20000), disk_fills, NULL);
    at(s, pick(s, 1000, 20000), tag_moves, NULL);
    at(s, pick(s, 1000, 20000), stranger_changes, NULL);
}
