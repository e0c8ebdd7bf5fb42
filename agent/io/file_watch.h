#pragma once
/* file_watch: tells once that something happened to a file: it was written, cut, closed by its
 * writer, renamed or removed. For many files that are written often: who is told reads on by his
 * own clock and watches again when there is nothing left, so a busy file costs nothing here. One
 * inotify descriptor for all. Where the kernel gives no watch (none is left, no such file), `fn` is
 * called after FILE_WATCH_POLL_MS instead. */
#include "io/loop.h"

#define FILE_WATCH_POLL_MS 1000

struct file_watches; /* all of one loop */
struct file_watch;

enum file_watch_for {
    FILE_WATCH_ANY,   /* all of the above */
    FILE_WATCH_NAMES, /* not that it was written or cut */
};

struct file_watches *file_watches_create(struct loop *l);
/* Every watch must be gone; not out of a watch's `fn`. NULL is fine. */
void file_watches_destroy(struct file_watches *ws);

/* What happens after this returns is not missed. `fn` is called once, on a later turn; then the
 * watch is gone. Other watches of the same file may have it called for what it does not look for.
 */
struct file_watch *file_watch_begin(struct file_watches *ws, const char *path,
                                    enum file_watch_for what, loop_fn *fn, void *user);
/* From now on it tells of everything (FILE_WATCH_ANY), if it has not told yet. What happened before
 * is not forgotten, as it would be with a new one. */
void file_watch_widen(struct file_watch *w, const char *path);
/* Does the kernel watch nothing? A file of that name that has come to be is not seen, nor what
 * happens to it, until the time is over; a new watch sees it. NULL is fine. */
bool file_watch_polls(const struct file_watch *w);
/* Not after `fn` was called. NULL is fine. */
void file_watch_cancel(struct file_watch *w);
