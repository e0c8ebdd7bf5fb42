/* cleanup: the janitor. It removes images that nobody has used for long, images when
 * the disk is getting full, and, if it may, what no task brought.
 *
 * One operation at a time, beside everything else: pulls do not wait for it and it does
 * not wait for pulls. What it is about to remove is checked against the tasks right
 * before each removal, and a container that wants an image that is just going waits for
 * that one removal (images_leaving). The engine has the last word: nothing is forced, so
 * what any container uses stays. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/images.h"

#define LIST_MS  60000
#define AGAIN_MS 60000 /* the engine was away: the next try of a cycle */
#define SEEN_MAX 20000
#define LEAST_MS 1000 /* of any interval, whatever the configuration says */

static int64_t interval(int64_t ms)
{
    return ms > LEAST_MS ? ms : LEAST_MS;
}

/* ---- life ---- */

struct janitor *janitor_create(void)
{
    struct janitor *j = NEW(struct janitor);

    j->cycle_at = j->disk_at = j->full_said = -1;
    return j;
}

static void forget_victim(struct janitor *j)
{
    for (size_t i = 0; i < j->victim.n_names; i++)
        free(j->victim.names[i]);
    free(j->victim.names);
    free(j->victim.id);
    j->victim = (struct victim){ 0 };
}

static void forget_lists(struct janitor *j)
{
    seen_forget(j);
    others_forget(j);
}

void janitor_destroy(struct core *c)
{
    struct janitor *j = c->janitor;

    if (!j)
        return;
    if (j->op.id)
        side_finished(c, &j->op);
    forget_victim(j);
    forget_lists(j);
    free(j->last_name);
    free(j);
    c->janitor = NULL;
}

void janitor_started(struct core *c)
{
    struct janitor *j = c->janitor;

    j->cycle_at = c->cfg.image_cleanup ? c->now.mono_ms + interval(c->cfg.image_interval_ms) : -1;
    /* The disk may have become full while nobody looked. */
    j->disk_at = c->cfg.disk_cleanup ? c->now.mono_ms : -1;
}

static void end_job(struct core *c)
{
    struct janitor *j = c->janitor;

    forget_victim(j);
    forget_lists(j);
    j->job = JOB_NONE;
    j->cleaning = false;
}

/* The engine cannot answer now. */
void janitor_put_off(struct core *c)
{
    struct janitor *j = c->janitor;

    if (j->job == JOB_CYCLE && j->cycle_at > c->now.mono_ms + AGAIN_MS)
        j->cycle_at = c->now.mono_ms + AGAIN_MS;
    end_job(c);
}

struct core_action *janitor_ask(struct core *c, enum core_op op, const char *ref)
{
    struct core_action *a = side_issue(c, &c->janitor->op, NULL, op);

    a->ref = mem_strdup(ref);
    if (op == CORE_OP_LIST_IMAGES || op == CORE_OP_LIST_OTHERS)
        a->timeout_ms = LIST_MS;
    return a;
}

/* ---- which image ---- */

bool image_excluded(const struct core *c, const char *normal)
{
    bool found = streq(normal, TASK_PAUSE_IMAGE) || streq(normal, "amazon/amazon-ecs-agent:latest");

    for (size_t i = 0; i < c->cfg.n_excluded_images && !found; i++) {
        char *name = image_normal_name(c->cfg.excluded_images[i]);

        found = streq(name, normal);
        free(name);
    }
    return found;
}

/* In use, or not to be touched at all. Both the names that tasks gave it and those that
 * the engine knows count. */
static bool must_stay(const struct core *c, const struct in_use *u, const struct seen *row,
                      const struct image *img)
{
    if (in_use_id(u, row->id))
        return true;
    if (!row->n_names && !(img && img->n_names) && in_use_nameless(u))
        return true;
    for (size_t i = 0; i < row->n_names; i++)
        if (in_use_name(u, row->names[i]) || image_excluded(c, row->names[i]))
            return true;
    /* It may be what a pull by digest has just brought, which has no name yet. */
    if (!img)
        return !row->n_names && in_use_some_digest(u);
    LIST_FOREACH (node, next, &img->names) {
        const char *name = LIST_ENTRY(node, struct image_name, node)->text;

        if (in_use_name(u, name) || image_excluded(c, name))
            return true;
    }
    return false;
}

/* May this job remove it at all? If so, those with less of *key go first. */
static bool is_candidate(const struct core *c, const struct seen *row, const struct image *img,
                         int64_t *key)
{
    const struct janitor *j = c->janitor;

    if (j->job == JOB_DISK) {
        *key = img ? img->last_used : row->created;
        return img || c->cfg.untracked_cleanup;
    }
    if (j->part == PART_TRACKED) {
        *key = img ? img->last_used : 0;
        return img && c->now.wall_ms - img->pulled_at > c->cfg.image_min_age_ms;
    }
    *key = row->size;
    return !img && c->now.wall_ms - row->created > c->cfg.untracked_min_age_ms;
}

static struct seen *choose(const struct core *c)
{
    struct in_use *u = images_in_use(c);
    struct seen *row, *next, *best = NULL;
    int64_t key = 0, best_key = 0;

    HASH_ITER (hh, c->janitor->seen, row, next) {
        const struct image *img = image_find(c, row->id);

        if (row->dropped || !is_candidate(c, row, img, &key))
            continue;
        if (best && (key > best_key || (key == best_key && strcmp(row->id, best->id) > 0)))
            continue;
        if (must_stay(c, u, row, img))
            continue;
        best = row;
        best_key = key;
    }
    in_use_free(u);
    return best;
}

/* Whether somebody came meanwhile who wants it. */
static bool still_unwanted(const struct core *c)
{
    const struct victim *v = &c->janitor->victim;
    struct in_use *u = images_in_use(c);
    struct seen *row = NULL;
    bool wanted = in_use_id(u, v->id);

    HASH_FIND_STR(c->janitor->seen, v->id, row);
    if (row)
        wanted |= must_stay(c, u, row, image_find(c, v->id));
    for (size_t i = 0; i < v->n_names; i++)
        wanted |= in_use_name(u, v->names[i]);
    in_use_free(u);
    return !wanted;
}

/* ---- removing one image ---- */

/* What a pull has named since the list was made. */
static bool is_anothers(const struct core *c, const char *id, const char *name)
{
    const struct image *img = image_called(c, name);

    return img && !streq(img->id, id);
}

static void begin_removal(struct core *c, struct seen *row)
{
    struct janitor *j = c->janitor;
    struct image *img = image_find(c, row->id);
    struct victim *v = &j->victim;

    row->dropped = true; /* one try */
    v->id = mem_strdup(row->id);
    v->tracked = img;
    v->size = row->size;
    v->used = img ? img->last_used : row->created;
    v->n_names = img ? img->n_names : row->n_names;
    v->names = mem_array(v->n_names, sizeof *v->names);
    if (img) {
        size_t n = 0;

        LIST_FOREACH (node, next, &img->names)
            v->names[n++] = mem_strdup(LIST_ENTRY(node, struct image_name, node)->text);
    } else {
        v->n_names = 0;
        for (size_t i = 0; i < row->n_names; i++)
            if (!is_anothers(c, row->id, row->names[i]))
                v->names[v->n_names++] = mem_strdup(row->names[i]);
    }
    janitor_ask(c, CORE_OP_REMOVE_IMAGE, janitor_victim_name(v));
}

/* No name is left that tasks gave it. */
static void finish_removal(struct core *c)
{
    struct janitor *j = c->janitor;
    struct image *img = image_find(c, j->victim.id);

    janitor_note_removed(c);
    if (img && !img->n_names)
        image_forget(c, img);
    j->gone++;
    c->images_removed++;
    mem_replace(&j->last_name, janitor_victim_name(&j->victim));
    j->last_size = j->victim.size;
    j->last_gone = c->now.wall_ms;
    forget_victim(j);
}

static void name_gone(struct core *c)
{
    struct victim *v = &c->janitor->victim;
    struct image *img = image_find(c, v->id);

    if (img && v->n_names) {
        image_drop_name(c, img, v->names[v->at]);
        if (img->n_names)
            image_put(c, img);
    }
    v->at++;
    if (v->at < v->n_names && still_unwanted(c)) {
        janitor_ask(c, CORE_OP_REMOVE_IMAGE, v->names[v->at]);
        return;
    }
    if (v->at < v->n_names) {
        forget_victim(c->janitor);
        janitor_go_on(c);
        return;
    }
    finish_removal(c);
    if (c->janitor->job == JOB_DISK)
        janitor_ask(c, CORE_OP_LOOK_AT_DISK, NULL);
    else
        janitor_go_on(c);
}

static void removal_done(struct core *c, const struct err *e)
{
    struct janitor *j = c->janitor;

    if (!j->victim.id) /* only if a record says so */
        end_job(c);
    else if (e->code == ERR_OK || e->code == ERR_NOT_FOUND)
        name_gone(c);
    else if (e->code == ERR_RETRY)
        janitor_put_off(c);
    else {
        /* A conflict is a container's, which the engine knows better than we do. */
        if (e->code != ERR_CONFLICT)
            core_note(c, true, NULL, NULL, "image %.300s could not be removed, kept for now: %s",
                      janitor_victim_name(&j->victim), e->msg);
        forget_victim(j);
        janitor_go_on(c);
    }
}

/* ---- what the engine has; the disk ---- */

static void disk_noticed(struct core *c, const struct core_disk *d)
{
    if (d->bytes <= 0 || d->bytes_used < 0 || d->inodes < 0 || d->inodes_used < 0)
        return;
    c->janitor->disk = *d;
    c->janitor->disk_seen = c->now.wall_ms;
}

static void images_listed(struct core *c, const struct core_event *ev)
{
    seen_take(c, ev->u.op.images, ev->u.op.n_images);
    disk_noticed(c, &ev->u.op.disk);
    janitor_go_on(c);
}

static void disk_looked(struct core *c, const struct core_disk *d)
{
    struct janitor *j = c->janitor;
    int pct;

    disk_noticed(c, d);
    pct = disk_percent(d);
    if (d->bytes <= 0) {
        janitor_note_blind(c, "its size is unknown");
        end_job(c); /* nothing is removed on a guess */
        return;
    }
    j->blind = false;
    if (j->cleaning && pct > c->cfg.disk_low_pct) {
        janitor_go_on(c);
    } else if (j->cleaning) {
        core_note(c, false, NULL, NULL, "disk %d %% full after %d images were removed: enough", pct,
                  j->gone);
        j->full_said = -1;
        end_job(c);
    } else if (pct >= c->cfg.disk_high_pct) {
        j->cleaning = true;
        janitor_ask(c, CORE_OP_LIST_IMAGES, NULL);
    } else {
        j->full_said = -1;
        end_job(c);
    }
}

/* ---- what next ---- */

static void cycle_goes_on(struct core *c)
{
    struct janitor *j = c->janitor;
    struct seen *row = NULL;

    if (j->part != PART_OTHERS && j->tries < c->cfg.images_per_cycle && (row = choose(c))) {
        j->tries++;
        begin_removal(c, row);
    } else if (j->part == PART_TRACKED && c->cfg.untracked_cleanup) {
        j->part = PART_OTHERS;
        janitor_ask(c, CORE_OP_LIST_OTHERS, NULL);
    } else if (j->part == PART_OTHERS && j->other < j->n_others &&
               j->others_gone < c->cfg.containers_per_cycle) {
        janitor_ask(c, CORE_OP_INSPECT_OTHER, j->others[j->other].id);
    } else if (j->part == PART_OTHERS && j->tries < c->cfg.images_per_cycle) {
        j->part = PART_UNTRACKED;
        janitor_ask(c, CORE_OP_LIST_IMAGES, NULL); /* anew: containers have gone */
    } else {
        end_job(c);
    }
}

void janitor_go_on(struct core *c)
{
    struct janitor *j = c->janitor;
    struct seen *row;

    if (j->job == JOB_CYCLE) {
        cycle_goes_on(c);
    } else if (j->job == JOB_DISK && (row = choose(c))) {
        begin_removal(c, row);
    } else {
        if (j->job == JOB_DISK)
            janitor_note_stuck(c);
        end_job(c);
    }
}

void janitor_done(struct core *c, const struct core_event *ev)
{
    struct janitor *j = c->janitor;
    enum core_op op = j->op.op;
    const struct err *e = &ev->u.op.err;

    side_finished(c, &j->op);
    if (op == CORE_OP_REMOVE_IMAGE)
        removal_done(c, e);
    else if (op == CORE_OP_INSPECT_OTHER)
        other_inspected(c, ev);
    else if (op == CORE_OP_REMOVE_OTHER)
        other_removed(c, e);
    else if (e->code) {
        if (op == CORE_OP_LOOK_AT_DISK && e->code != ERR_RETRY)
            janitor_note_blind(c, e->msg);
        janitor_put_off(c);
    } else if (op == CORE_OP_LIST_IMAGES)
        images_listed(c, ev);
    else if (op == CORE_OP_LOOK_AT_DISK)
        disk_looked(c, &ev->u.op.disk);
    else
        others_listed(c, ev);
}

static bool due(const struct core *c, int64_t at)
{
    return at >= 0 && c->now.mono_ms >= at;
}

void janitor_advance(struct core *c)
{
    struct janitor *j = c->janitor;

    if (j->op.id)
        return;
    j->gone = j->tries = j->others_gone = 0;
    if (c->cfg.disk_cleanup && (due(c, j->disk_at) || j->asked)) {
        j->asked = false;
        j->disk_at = c->now.mono_ms + interval(c->cfg.disk_check_ms);
        j->job = JOB_DISK;
        janitor_ask(c, CORE_OP_LOOK_AT_DISK, NULL);
    } else if (c->cfg.image_cleanup && due(c, j->cycle_at)) {
        j->cycle_at = c->now.mono_ms + interval(c->cfg.image_interval_ms);
        j->job = JOB_CYCLE;
        j->part = PART_TRACKED;
        janitor_ask(c, CORE_OP_LIST_IMAGES, NULL);
    }
}

int64_t janitor_next_wake(const struct core *c)
{
    const struct janitor *j = c->janitor;

    if (j->op.id || !c->started)
        return -1; /* its end is an event */
    if (j->cycle_at < 0 || (j->disk_at >= 0 && j->disk_at < j->cycle_at))
        return j->disk_at;
    return j->cycle_at;
}
