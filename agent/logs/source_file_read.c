/* From bytes of the files to messages. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/json_file.h"
#include "logs/json_text.h"
#include "logs/source_file.h"

#define PLAIN_KEEP 4096
/* Enough for hundreds of lines, and little enough that it is no waste when the source is paused
 * after some; a record that is longer is read in a second step. */
#define READ_FIRST ((size_t)64 * 1024)

/* A reading that waits for the disk, on a worker. */
struct file_wait {
    struct file_source *source;
    struct work *work;
    struct spool_file file;
    char *data;
    size_t n;
    struct err e;
};

bool file_old_has(struct file_old *old, uint64_t seq, int64_t end, const struct record *m)
{
    size_t i = m->stream == 2;
    struct mark mark;

    if (seq < old->seq[i] || (seq == old->seq[i] && end <= old->offset[i]))
        return true;
    if (!old->by_time)
        return false;
    if (!replay_accept(&old->replay, m->stream, m->when_ns, &mark))
        return true;
    old->by_time = old->replay.again[0] || old->replay.again[1];
    return false;
}

/* ---- one message ---- */

static void remember(struct file_source *s, const struct spool_file *f)
{
    size_t last = (s->n_history + FILE_HISTORY - 1) % FILE_HISTORY;

    if (s->n_history && s->history[last].seq == f->seq)
        return;
    s->history[s->n_history++ % FILE_HISTORY].key = f->key;
    s->history[(s->n_history - 1) % FILE_HISTORY].seq = f->seq;
}

/* Lines come ready for the sink, mostly as they stand in the file; parts of lines, and what ends
 * them, as text, for they are to be joined; so does what is not UTF-8 and has to become so. */
static void set_text(struct file_source *s, const struct record *m, struct source_message *out)
{
    struct str text = { m->text.p, m->text.n - m->cr_n };
    bool *open = &s->open[m->stream == 2];

    buf_reset(&s->plain);
    if (m->ends_line && !*open && (m->escaped || json_text_escape(text, &s->plain))) {
        out->text = m->escaped ? text : buf_str(&s->plain);
        out->plain_n = m->plain_n - 1 - (m->cr_n > 0);
        out->escaped = true;
        return;
    }
    *open = !m->ends_line;
    buf_reset(&s->plain);
    if (m->escaped)
        json_file_unescape(m->text, &s->plain);
    else
        buf_append(&s->plain, m->text.p, m->text.n);
    if (m->ends_line)
        buf_putc(&s->plain, '\n');
    out->text = buf_str(&s->plain);
}

static void give(struct file_source *s, struct spool_file *f, size_t used, const struct record *m)
{
    size_t i = m->stream == 2;
    int64_t end = f->offset + (int64_t)used;
    struct source_message out = { .stream = m->stream, .when_ns = m->when_ns };

    if (!s->before[i].major)
        s->before[i] = (struct mark){ f->key, f->offset };
    out.mark = (struct mark){ f->key, end };
    set_text(s, m, &out);
    /* Of an empty line no event is made, so nobody confirms it. */
    if (!out.escaped || out.plain_n)
        s->given[i] = out.mark;
    f->offset = end;
    s->base.events.message(s->base.user, &out);
}

/* Gives out what is whole; how much of `data` is done with. */
static size_t give_all(struct file_source *s, struct spool_file *f, struct str data)
{
    size_t at = 0, used = 0;
    struct record m;

    if (!f->key)
        f->key = f->offset ? spool_file_key(f) : f->format->key(data);
    if (f->key)
        remember(s, f);
    while (at < data.n && !s->dead && !s->paused) {
        struct str rest = { data.p + at, data.n - at };

        switch (f->format->next(&f->scan, rest, &used, &m)) {
        case RECORD_MORE:
            if (!used)
                return at;
            f->offset += (int64_t)used;
            break;
        case RECORD_DAMAGED:
            f->offset += (int64_t)used;
            if (s->base.events.damaged)
                s->base.events.damaged(s->base.user, 1);
            break;
        case RECORD_WHOLE:
            if (file_old_has(&s->old, f->seq, f->offset + (int64_t)used, &m))
                f->offset += (int64_t)used;
            else
                give(s, f, used, &m);
            break;
        }
        at += used;
    }
    return at;
}

/* ---- one reading ---- */

static void read_waiting(void *user)
{
    struct file_wait *w = user;

    if (spool_file_read(&w->file, true, w->data, SPOOL_FILE_READ, &w->n, &w->e))
        w->n = 0;
}

static void wait_free(struct file_wait *w)
{
    free(w->data);
    free(w);
}

static void on_read(void *user)
{
    struct file_wait *w = user;
    struct file_source *s = w->source;
    size_t done;

    s->wait = NULL;
    file_enter(s);
    if (w->e.code) {
        file_trouble(s, &w->e);
    } else {
        /* When it was paused meanwhile, nothing is given, and the data are in memory now. */
        done = give_all(s, &s->files[0], (struct str){ w->data, w->n });
        if (!done && !s->dead && !s->paused)
            s->files[0].seen = s->files[0].offset + (int64_t)w->n;
        file_again(s, 0);
    }
    wait_free(w);
    file_leave(s);
}

static void read_on_worker(struct file_source *s)
{
    struct file_wait *w = NEW(struct file_wait);

    w->source = s;
    w->file = s->files[0];
    w->data = mem_alloc(SPOOL_FILE_READ);
    s->wait = w;
    w->work = loop_work(s->loop, read_waiting, on_read, w);
}

void file_wait_cancel(struct file_source *s)
{
    if (!s->wait)
        return;
    work_cancel(s->wait->work);
    wait_free(s->wait);
    s->wait = NULL;
}

/* Somebody cut the file: nobody can tell what was in it. */
static void begin_anew(struct file_source *s, struct spool_file *f)
{
    f->offset = f->seen = f->key = 0;
    f->scan = (struct record_scan){ 0 };
    /* For marks it is another file. */
    f->seq = ++s->last_seq;
    s->open[0] = s->open[1] = false;
    file_tell_gap(s, -1, -1);
}

/* Of a file that is not written any more, what is left is half a line. */
static void finish_file(struct file_source *s, bool torn)
{
    torn = torn && !s->files[0].scan.skipping; /* else it was told of */
    file_shift(s);
    if (s->behind)
        file_look(s);
    if (torn && s->base.events.damaged)
        s->base.events.damaged(s->base.user, 1);
}

static enum file_read read_file(struct file_source *s, struct spool_file *f, int64_t size)
{
    static char data[SPOOL_FILE_READ]; /* of all sources: nothing stays in it */
    bool last = s->n_files == 1;
    struct err e = { 0 };
    int64_t from = f->offset;
    size_t n = 0;

    if (size == f->offset || size == f->seen) {
        if (last)
            return FILE_NONE;
        finish_file(s, size != f->offset);
        return FILE_AGAIN;
    }
    for (size_t room = READ_FIRST;; room = sizeof data) {
        if (spool_file_read(f, false, data, room, &n, &e)) {
            if (e.code)
                file_trouble(s, &e);
            else
                read_on_worker(s);
            return FILE_LATER;
        }
        give_all(s, f, (struct str){ data, n });
        if (s->dead || f->offset != from || n < room || room == sizeof data)
            break;
    }
    if (!s->dead)
        s->came += n;
    if (s->dead || s->paused)
        return FILE_LATER;
    if (f->offset == from && from + (int64_t)n < size) {
        read_on_worker(s); /* only the beginning of a line is in memory */
        return FILE_LATER;
    }
    /* The beginning of a line: it is looked at again when there is more. */
    if (f->offset == from)
        f->seen = size;
    return last && from + (int64_t)n >= size ? FILE_END : FILE_AGAIN;
}

enum file_read file_read(struct file_source *s)
{
    enum file_read did;
    struct spool_file *f;
    struct err e = { 0 };
    int64_t size;

    if (s->paused || s->lost || s->wait)
        return FILE_LATER;
    f = &s->files[0];
    if (f->gap_before) {
        f->gap_before = false;
        file_tell_gap(s, -1, -1);
        if (s->dead)
            return FILE_LATER;
    }
    if (spool_file_stat(f, &size, &e)) {
        file_trouble(s, &e);
        return FILE_LATER;
    }
    if (size < f->offset) {
        begin_anew(s, f);
        return s->dead ? FILE_LATER : FILE_AGAIN;
    }
    did = read_file(s, f, size);
    if (!s->dead && s->plain.cap > PLAIN_KEEP)
        buf_fini(&s->plain);
    return did;
}
