/* What the engine removed while it could not be read: counted, and given back to the disk. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "logs/source_file.h"

struct file_lost {
    struct file_source *source;
    struct work *work;
    struct spool_file *files; /* copies: the source may be looked at meanwhile */
    size_t n_files;
    struct file_old old;
    int64_t lines, bytes, damaged;
    bool unknown; /* there is more, that nobody can count */
};

/* Of the file that is being read nothing is dropped as long as reading keeps up: it is ours until
 * it is closed. Where the last file is removed too, the container is: then all is read. */
size_t file_to_drop(const struct file_source *s)
{
    bool all = s->paused && loop_now_ms(s->loop) - s->paused_ms >= FILE_KEEP_MS;
    int64_t unread, bound;
    size_t n = 0;

    if (!s->n_files || !s->files[0].gone)
        return 0;
    if (s->files[s->n_files - 1].gone && (!s->behind || access(s->path, F_OK)))
        return 0;
    if (s->keep_bytes) {
        source_backlog(&s->base, &unread, &bound);
        if (unread <= bound + s->keep_bytes)
            return 0;
    }
    while (n + 1 < s->n_files && s->files[n].gone && (all || s->files[n + 1].gone))
        n++;
    return n;
}

static bool count_one(struct file_lost *l, struct spool_file *f, struct str data, size_t *used)
{
    struct record m;

    switch (f->format->next(&f->scan, data, used, &m)) {
    case RECORD_MORE:
        return *used > 0;
    case RECORD_DAMAGED:
        l->damaged++;
        return true;
    case RECORD_WHOLE:
        if (file_old_has(&l->old, f->seq, f->offset + (int64_t)*used, &m))
            return true;
        l->lines += m.ends_line;
        l->bytes += (int64_t)m.plain_n - m.ends_line - (m.cr_n > 0);
        return true;
    }
    return false;
}

static void count_file(struct file_lost *l, struct spool_file *f, char *data)
{
    int64_t before = -1;
    size_t n = 0;

    while (f->offset != before) {
        size_t at = 0, used = 0;

        before = f->offset;
        if (spool_file_read(f, true, data, SPOOL_FILE_READ, &n, NULL)) {
            l->unknown = true;
            return;
        }
        while (at < n && count_one(l, f, (struct str){ data + at, n - at }, &used)) {
            at += used;
            f->offset += (int64_t)used;
        }
    }
    l->damaged += n > 0 && !f->scan.skipping; /* the beginning of a record */
}

static void count(void *user)
{
    struct file_lost *l = user;
    AUTO(str) char *data = mem_alloc(SPOOL_FILE_READ);

    for (size_t i = 0; i < l->n_files; i++) {
        l->unknown = l->unknown || l->files[i].gap_before;
        count_file(l, &l->files[i], data);
    }
}

static void lost_free(struct file_lost *l)
{
    free(l->files);
    free(l);
}

static void on_counted(void *user)
{
    struct file_lost *l = user;
    struct file_source *s = l->source;

    s->lost = NULL;
    s->old = l->old;
    for (size_t i = 0; i < l->n_files; i++)
        file_shift(s);
    if (s->behind)
        file_look(s);
    s->open[0] = s->open[1] = false;
    file_enter(s);
    if (l->unknown)
        file_tell_gap(s, -1, -1);
    if ((l->lines || l->bytes) && !s->dead)
        file_tell_gap(s, l->lines, l->bytes);
    if (l->damaged && s->base.events.damaged && !s->dead)
        s->base.events.damaged(s->base.user, l->damaged);
    file_again(s, 0);
    lost_free(l);
    file_leave(s);
}

void file_drop(struct file_source *s, size_t n)
{
    struct file_lost *l;

    if (s->lost || s->wait)
        return;
    l = NEW(struct file_lost);
    l->source = s;
    l->files = mem_array(n, sizeof *l->files);
    l->n_files = n;
    memcpy(l->files, s->files, n * sizeof *l->files);
    l->old = s->old;
    s->lost = l;
    l->work = loop_work(s->loop, count, on_counted, l);
}

void file_lost_cancel(struct file_source *s)
{
    if (!s->lost)
        return;
    work_cancel(s->lost->work);
    lost_free(s->lost);
    s->lost = NULL;
}
