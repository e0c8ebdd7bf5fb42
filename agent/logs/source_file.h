#pragma once
/* source_file: what the parts of the file source share. source_file.c is its life, _files.c which
 * files are open, _read.c what is in them, _lost.c what is counted only. Private to these. */
#include "base/backoff.h"
#include "base/buf.h"
#include "base/rng.h"
#include "logs/rotation.h"
#include "logs/source.h"
#include "logs/spool_file.h"
#include "task/task.h"

#define FILE_HISTORY 64
/* What the engine removes takes of the disk while it is open: so many files may be, and the spool
 * has so many files less (task_spool_of). */
#define FILE_OPEN_MAX TASK_SPOOL_RESERVE

/* Which messages were given out in an earlier life. */
struct file_old {
    uint64_t seq[2]; /* up to here, for each stream; 0: nothing */
    int64_t offset[2];
    bool by_time; /* and what `replay` knows */
    struct replay replay;
};
bool file_old_has(struct file_old *old, uint64_t seq, int64_t end, const struct record *m);

struct file_lost; /* files that are being counted */
struct file_wait; /* a reading that waits for the disk */

struct file_source {
    struct source base;
    struct loop *loop;
    struct docker *docker;
    struct file_watches *watches;
    char *id, *path;
    const struct record_format *format;
    int64_t max_bytes, max_files, keep_bytes;
    struct cursor from;
    struct rng rng;

    struct spool_file *files; /* oldest first; the last one is being written, unless `behind` */
    size_t n_files;
    bool behind; /* there are more, which are opened as these are done with; the first of them: */
    struct {
        uint64_t inode; /* 0: unknown, some are lost before it */
        int64_t born;
    } next;
    uint64_t last_seq;
    struct file_old old;
    struct {
        int64_t key;
        uint64_t seq;
    } history[FILE_HISTORY]; /* of files that messages were given of; a ring */
    size_t n_history;

    /* For each stream: the last mark that somebody may have to confirm, the place before the first
     * one that was given, and whether its last message was a part of a line. */
    struct mark given[2], before[2];
    bool open[2];
    struct buf plain;

    struct file_watch *watch;
    bool watches_writes;
    struct loop_timer *turn; /* the next reading */
    struct loop_timer *look; /* the file is not there: look again; or files wait to be dropped */
    struct loop_timer *ask;
    struct backoff look_backoff, ask_backoff, trouble_backoff, silence;
    struct file_lost *lost;
    struct file_wait *wait;
    struct docker_op *op;
    int64_t paused_ms; /* since when */
    size_t came;       /* bytes, since everything had been given out */

    bool begun, following, paused;
    bool woken;   /* the watch has told of something; a file that was closed, if nothing comes */
    bool hurry;   /* the container has ended, it is said */
    int hints;    /* so many times to ask whether it has */
    bool stopped; /* it has, and the log is read for the last time */
    enum err_code end;
    bool in_turn, dead;
};

/* ---- source_file.c ---- */

/* Around everything that calls back: the source may be destroyed there (dead). */
void file_enter(struct file_source *s);
void file_leave(struct file_source *s);
void file_again(struct file_source *s, int64_t ms);
/* Tells, and goes on later. */
void file_trouble(struct file_source *s, const struct err *e);
void file_tell_gap(struct file_source *s, int64_t lines, int64_t bytes);

/* ---- source_file_files.c ---- */

/* Opens what is there, and finds the place to go on. */
void file_begin(struct file_source *s);
/* Opens what is new, and sees what was removed. */
void file_look(struct file_source *s);
void file_watch_live(struct file_source *s, bool writes);
/* Bytes of the files that are there and not open. */
int64_t file_unopened(const struct file_source *s);
/* When a file that was removed is kept for a paused source: looks again before long. */
void file_keep(struct file_source *s);
/* Is done with the oldest one; then there may be room for others (file_look). */
void file_shift(struct file_source *s);

/* ---- source_file_read.c ---- */

/* Gives out what one reading brings. Of a turn's end only FILE_LATER is arranged already. */
enum file_read {
    FILE_AGAIN, /* there is more */
    FILE_LATER, /* something else goes on first, or it is paused */
    FILE_END,   /* of everything there is; messages came */
    FILE_NONE,  /* nothing new at all */
};
enum file_read file_read(struct file_source *s);
void file_wait_cancel(struct file_source *s);

/* ---- source_file_lost.c ---- */

/* A pause may be short; for so long a file that was removed is kept. */
#define FILE_KEEP_MS 1000
/* So many of the oldest files are to be given back unread. */
size_t file_to_drop(const struct file_source *s);
/* Counts on a worker what is unread in them, tells, and closes them. */
void file_drop(struct file_source *s, size_t n);
void file_lost_cancel(struct file_source *s);
