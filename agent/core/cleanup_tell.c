/* cleanup_tell: what the janitor says of its work to people. */
#include <inttypes.h>

#include "base/mem.h"
#include "core/images.h"

#define SAY_AGAIN_MS (10 * 60 * 1000)

static int percent(int64_t used, int64_t total)
{
    if (total <= 0 || used <= 0)
        return 0;
    if (used >= total)
        return 100;
    while (used > INT64_MAX / 100) {
        used /= 2;
        total /= 2;
    }
    return (int)(used * 100 / total);
}

int disk_percent(const struct core_disk *d)
{
    int bytes = percent(d->bytes_used, d->bytes), inodes = percent(d->inodes_used, d->inodes);

    return bytes > inodes ? bytes : inodes;
}

static void put_size(struct buf *b, int64_t bytes)
{
    if (bytes >= 10000000000)
        buf_printf(b, "%" PRId64 " GB", bytes / 1000000000);
    else if (bytes >= 1000000)
        buf_printf(b, "%" PRId64 " MB", bytes / 1000000);
    else
        buf_printf(b, "%" PRId64 " kB", bytes / 1000);
}

static void put_ago(struct buf *b, int64_t ms)
{
    if (ms >= 2 * 86400000LL)
        buf_printf(b, "%" PRId64 " days ago", ms / 86400000);
    else if (ms >= 2 * 3600000LL)
        buf_printf(b, "%" PRId64 " h ago", ms / 3600000);
    else if (ms >= 2 * 60000LL)
        buf_printf(b, "%" PRId64 " min ago", ms / 60000);
    else
        buf_printf(b, "%" PRId64 " s ago", ms > 0 ? ms / 1000 : 0);
}

const char *janitor_victim_name(const struct victim *v)
{
    return v->n_names ? v->names[0] : v->id;
}

void janitor_note_removed(struct core *c)
{
    const struct victim *v = &c->janitor->victim;
    struct buf b = BUF_INIT(1024);

    if (c->janitor->job == JOB_DISK)
        buf_printf(&b, "disk %d %% full: ", disk_percent(&c->janitor->disk));
    else
        buf_puts(&b, "cleanup: ");
    buf_printf(&b, "removed image %.300s (", janitor_victim_name(v));
    put_size(&b, v->size);
    buf_puts(&b, v->tracked ? ", last used " : ", of no task, made ");
    put_ago(&b, c->now.wall_ms - v->used);
    buf_putc(&b, ')');
    core_note(c, false, NULL, NULL, "%s", buf_text(&b));
    buf_fini(&b);
}

void janitor_note_blind(struct core *c, const char *why)
{
    if (c->janitor->blind)
        return;
    c->janitor->blind = true;
    core_note(c, true, NULL, NULL,
              "the engine's disk cannot be looked at, so it is not kept from filling up: %s", why);
}

/* Again only after a while, or when it is fuller than it was. */
void janitor_note_stuck(struct core *c)
{
    struct janitor *j = c->janitor;
    int pct = disk_percent(&j->disk);

    if (j->full_said >= 0 && pct <= j->full_pct && c->now.mono_ms - j->full_said < SAY_AGAIN_MS)
        return;
    j->full_said = c->now.mono_ms;
    j->full_pct = pct;
    core_note(c, true, NULL, NULL,
              "disk %d %% full, and no image is left that may be removed; looking again later",
              pct);
}

/* ---- status ---- */

static void write_disk(const struct janitor *j, struct jw *w)
{
    jw_kobject(w, "disk");
    jw_kint(w, "bytes", j->disk.bytes);
    jw_kint(w, "bytes_used", j->disk.bytes_used);
    jw_kint(w, "inodes", j->disk.inodes);
    jw_kint(w, "inodes_used", j->disk.inodes_used);
    jw_kint(w, "percent", disk_percent(&j->disk));
    jw_kint(w, "looked_ms", j->disk_seen);
    jw_end(w);
}

static bool is_free(const struct core *c, const struct in_use *u, const struct image *img)
{
    if (in_use_id(u, img->id))
        return false;
    LIST_FOREACH (node, next, &img->names) {
        const char *name = LIST_ENTRY(node, struct image_name, node)->text;

        if (in_use_name(u, name) || image_excluded(c, name))
            return false;
    }
    return true;
}

static void add_size(int64_t *sum, int64_t size)
{
    *sum = *sum > SANE_MAX - size ? SANE_MAX : *sum + size;
}

void janitor_write_status(const struct core *c, struct jw *w)
{
    const struct janitor *j = c->janitor;
    struct in_use *u = images_in_use(c);
    int64_t bytes = 0, unused = 0, unused_bytes = 0;
    struct image *img, *next;

    HASH_ITER (hh, c->images->by_id, img, next) {
        bool unneeded = is_free(c, u, img);

        add_size(&bytes, img->size);
        unused += unneeded;
        add_size(&unused_bytes, unneeded ? img->size : 0);
    }
    in_use_free(u);
    if (j->disk_seen)
        write_disk(j, w);
    jw_kobject(w, "images");
    jw_kint(w, "count", HASH_COUNT(c->images->by_id));
    jw_kint(w, "bytes", bytes);
    jw_kint(w, "removable", unused);
    jw_kint(w, "removable_bytes", unused_bytes);
    if (j->last_name) {
        jw_kobject(w, "last_removed");
        jw_kstr(w, "image", j->last_name);
        jw_kint(w, "bytes", j->last_size);
        jw_kint(w, "at_ms", j->last_gone);
        jw_end(w);
    }
    jw_end(w);
}
