/* Which files of the log are open: the oldest one that is not read, and the next; so what the
 * engine removes can be counted, and takes no more of the disk than is set aside for it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "logs/source_file.h"

#define LOOKS 8 /* at a log that is rotated while we look */

static const struct backoff_rule look_rule = { 5, 200, 1000, 0 };

struct listing {
    uint64_t *inodes; /* the newest first; 0: that name is free */
    int64_t *born;    /* ns; 0: the file system does not say */
    size_t n;
};

static char *path_of(const struct file_source *s, size_t i)
{
    return i ? mem_printf("%s.%zu", s->path, i) : mem_strdup(s->path);
}

static void list_files(const struct file_source *s, struct listing *l)
{
    while (rotation_more(l->inodes, l->n, s->max_files)) {
        AUTO(str) char *path = path_of(s, l->n);
        struct statx st;
        bool there = !statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
                            STATX_TYPE | STATX_INO | STATX_BTIME, &st) &&
                     S_ISREG(st.stx_mode);

        l->inodes = mem_resize(l->inodes, l->n + 1, sizeof *l->inodes);
        l->born = mem_resize(l->born, l->n + 1, sizeof *l->born);
        l->inodes[l->n] = there ? st.stx_ino : 0;
        l->born[l->n] = there && st.stx_mask & STATX_BTIME
                            ? st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec
                            : 0;
        l->n++;
    }
}

static void listing_fini(struct listing *l)
{
    free(l->inodes);
    free(l->born);
}

/* Of a container that will be held everything is open; and of one that has ended, whose log grows
 * no more, so that nothing is lost when it is removed. */
static bool is_limited(const struct file_source *s)
{
    return s->max_files > 0 && !s->keep_bytes && !s->hurry;
}

/* At the start there is, to find the place. */
static bool has_room(const struct file_source *s)
{
    return !s->begun || !is_limited(s) || s->n_files < FILE_OPEN_MAX;
}

static struct spool_file *newest(struct file_source *s)
{
    return s->n_files ? &s->files[s->n_files - 1] : NULL;
}

static bool is_open(const struct file_source *s, uint64_t inode)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (s->files[i].inode == inode)
            return true;
    return false;
}

/* False: it is not what was listed. */
static bool open_file(struct file_source *s, size_t i, uint64_t inode)
{
    AUTO(str) char *path = path_of(s, i);
    struct spool_file f;

    if (spool_file_open(path, s->format, &f, NULL))
        return false;
    if (f.inode != inode) {
        spool_file_close(&f);
        return false;
    }
    f.seq = ++s->last_seq;
    s->files = mem_resize(s->files, s->n_files + 1, sizeof *s->files);
    s->files[s->n_files++] = f;
    return true;
}

/* Inodes are used again, at once perhaps; together with the time it was made, a file is known. */
static void note_next(struct file_source *s, uint64_t inode, int64_t born)
{
    s->behind = true;
    s->next.inode = inode;
    s->next.born = born;
}

/* Is the oldest of the listing the one that comes after those that are open? */
static bool begins_with_next(const struct file_source *s, const struct listing *l)
{
    size_t i = l->n;

    while (i > 0 && !l->inodes[i - 1])
        i--;
    return i > 0 && l->inodes[i - 1] == s->next.inode && l->born[i - 1] == s->next.born;
}

/* Opens the first `n` of the listing, the oldest first, as far as there is room. False: names have
 * moved on. */
static bool open_listed(struct file_source *s, const struct listing *l, size_t n, bool gap)
{
    for (size_t i = n; i-- > 0;) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): where there is none, n is 0 */
        if (!l->inodes[i] || is_open(s, l->inodes[i]))
            continue;
        if (!has_room(s)) {
            note_next(s, l->inodes[i], l->born[i]);
            return true;
        }
        if (!open_file(s, i, l->inodes[i]))
            return false;
        s->next.inode = 0;
        newest(s)->gap_before = gap;
        gap = false;
    }
    return true;
}

/* Does the name of the file lead to the newest one that is open? */
static bool up_to_date(struct file_source *s)
{
    struct stat st;

    return newest(s) && lstat(s->path, &st) == 0 && st.st_ino == newest(s)->inode;
}

static bool open_news(struct file_source *s)
{
    struct listing l = { 0 };
    struct rotation_news news;
    bool opened, gap = false;

    list_files(s, &l);
    if (newest(s)) {
        news = rotation_news(l.inodes, l.n, newest(s)->inode);
        /* When the engine keeps one file, that it removed the last one is all there is to see. */
        gap = !news.known && newest(s)->gone && s->max_files != 1 && !begins_with_next(s, &l);
        if (gap && !has_room(s)) { /* it is told with the first one that is opened */
            note_next(s, 0, 0);
            news.n = 0;
        }
    } else {
        news = (struct rotation_news){ l.n, false };
    }
    opened = open_listed(s, &l, news.n, gap);
    listing_fini(&l);
    return opened;
}

static void see_removed(struct file_source *s)
{
    int64_t size;

    for (size_t i = 0; i < s->n_files; i++)
        if (spool_file_stat(&s->files[i], &size, NULL))
            s->files[i].gone = true;
}

void file_keep(struct file_source *s)
{
    if (s->paused && s->n_files > 1 && s->files[0].gone && !loop_timer_armed(s->look))
        loop_timer_arm(s->look, FILE_KEEP_MS);
}

void file_look(struct file_source *s)
{
    bool sure;

    see_removed(s);
    if (!s->watch)
        file_watch_live(s, false);
    else if (file_watch_polls(s->watch)) /* there was no file: the engine was between two */
        file_watch_live(s, s->watches_writes);
    for (int i = 0; i < LOOKS && !up_to_date(s) && access(s->path, F_OK) == 0; i++) {
        (void)open_news(s); /* names may move on meanwhile: once more */
        file_watch_live(s, s->watches_writes);
        if (!has_room(s))
            break;
    }
    if (up_to_date(s)) {
        s->behind = false;
        s->next.inode = 0;
    }
    loop_timer_disarm(s->look);
    sure = up_to_date(s) || !has_room(s);
    if (!sure)
        (void)open_news(s);
    if (!sure || file_watch_polls(s->watch))
        loop_timer_arm(s->look, backoff_next(&s->look_backoff, &look_rule, &s->rng));
    else
        backoff_reset(&s->look_backoff);
    see_removed(s);
    file_keep(s);
}

void file_shift(struct file_source *s)
{
    spool_file_close(&s->files[0]);
    s->n_files--;
    memmove(s->files, s->files + 1, s->n_files * sizeof *s->files);
}

int64_t file_unopened(const struct file_source *s)
{
    int64_t bytes = 0;

    for (size_t i = 0; s->behind && i < (size_t)s->max_files; i++) {
        AUTO(str) char *path = path_of(s, i);
        struct stat st;

        if (lstat(path, &st))
            continue;
        if (is_open(s, st.st_ino))
            break;
        bytes += st.st_size;
    }
    return bytes;
}

/* ---- the start ---- */

static bool has_mark(const struct cursor *c, int64_t key)
{
    return key && (c->at[0].major == key || c->at[1].major == key);
}

/* Only what is asked for: the files' beginnings may have to come from the disk. */
static struct rotation_file *describe_all(struct file_source *s)
{
    struct rotation_file *all = mem_array(s->n_files, sizeof *all);
    bool same = s->from.at[0].major == s->from.at[1].major;
    int marks = !s->from.at[0].major && !s->from.at[1].major ? 0 : same ? 1 : 2;

    for (size_t i = s->n_files; i-- > 0 && marks;) {
        if (spool_file_stat(&s->files[i], &all[i].size, NULL))
            continue;
        if (s->from.kind == CURSOR_API)
            all[i].first_ns = spool_file_first_ns(&s->files[i]);
        else
            all[i].key = spool_file_key(&s->files[i]);
        marks -= has_mark(&s->from, all[i].key);
    }
    return all;
}

static void go_to(struct file_source *s, const struct rotation_start *start)
{
    s->old.by_time = start->by_time;
    if (start->by_time) {
        replay_init(&s->old.replay, &s->from);
        replay_restart(&s->old.replay);
    }
    for (size_t i = 0; i < 2; i++) {
        if (!start->old[i].offset)
            continue;
        s->old.seq[i] = s->files[start->old[i].file].seq;
        s->old.offset[i] = start->old[i].offset;
    }
    s->files[start->file].offset = start->offset;
    for (size_t i = 0; i < start->file; i++)
        file_shift(s);
}

/* What was opened to find the place in it. Of a file with an old mark the number has to stay. */
static void close_newer(struct file_source *s)
{
    size_t n = s->n_files;

    while (is_limited(s) && n > FILE_OPEN_MAX && newest(s)->seq > s->old.seq[0] &&
           newest(s)->seq > s->old.seq[1]) {
        spool_file_close(newest(s));
        s->n_files = --n;
        s->behind = true;
    }
    if (s->behind)
        file_look(s);
}

/* Somebody else's setting: the engine has compressed what is older. */
static bool has_compressed(const struct file_source *s)
{
    AUTO(str) char *one = mem_printf("%s.1.gz", s->path);
    AUTO(str) char *two = mem_printf("%s.2.gz", s->path);

    return access(one, F_OK) == 0 || access(two, F_OK) == 0;
}

/* That there is no file may be for a moment; what else is wrong is told. */
static void tell_why(struct file_source *s)
{
    struct spool_file f;
    struct err e = { 0 };

    if (spool_file_open(s->path, s->format, &f, &e) == ERR_OK)
        spool_file_close(&f);
    else if (e.code != ERR_NOT_FOUND)
        file_trouble(s, &e);
}

void file_begin(struct file_source *s)
{
    struct rotation_file *files;
    struct rotation_start start;
    struct err e;

    file_look(s);
    if (!s->n_files) {
        tell_why(s);
        return;
    }
    s->begun = true;
    files = describe_all(s);
    start = rotation_start(files, s->n_files, &s->from);
    free(files);
    if (start.file == 0 && start.offset == 0 && has_compressed(s)) {
        start.lost = true;
        err_set(&e, ERR_INVALID, "older files of the log are compressed, they are not read");
        file_trouble(s, &e);
        if (s->dead)
            return;
    }
    go_to(s, &start);
    s->files[0].gap_before = start.lost;
    close_newer(s);
}
