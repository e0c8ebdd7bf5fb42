#pragma once
/* images: what the core knows of images, and what the janitor is doing. Private to
 * images.c and cleanup*.c; for the others state.h says what there is.
 *
 * Names are compared, and kept, in the short form that the engine itself prints:
 * "busybox:latest" for "busybox" and for "docker.io/library/busybox". */

#include "base/list.h"
#include "base/map.h"
#include "core/state.h"

#define IMAGES_MAX      10000 /* records; more only when all of them are in use */
#define IMAGE_NAMES_MAX 100   /* of one image; the oldest goes */

struct image_name {
    UT_hash_handle hh; /* in image_table.by_name */
    char *text;
    struct image *of;
    struct list node; /* in image.names, in the order given */
};

struct image {
    UT_hash_handle hh; /* in image_table.by_id */
    char *id;
    struct list names;
    size_t n_names;
    int64_t size;
    int64_t pulled_at, last_used; /* wall clock */
    bool pulled;                  /* a pull of it succeeded */
};

struct image_table {
    struct image *by_id;
    struct image_name *by_name;
};

/* free() it. A digest stays, and then the tag does not count. */
char *image_normal_name(const char *text);
/* "repo@" of a normal name: what a pull by digest may bring to any tag. free() it. */
char *image_repository(const char *normal);

struct image *image_find(const struct core *c, const char *id); /* NULL: no record */
/* The one that has this name, as far as tasks gave it; NULL: none. */
struct image *image_called(const struct core *c, const char *normal);
void image_put(struct core *c, const struct image *img);                           /* stores it */
void image_drop_name(struct core *c, const struct image *img, const char *normal); /* not stored */
void image_forget(struct core *c, struct image *img); /* deletes the row, frees */

/* What must not go now: ids that containers of tasks hold; names that accepted tasks
 * give or that an operation under way is about. Worked out anew from the tasks each
 * time, so that it cannot drift. */
struct in_use {
    UT_hash_handle hh;
    char text[];
};
struct in_use *images_in_use(const struct core *c);
void in_use_free(struct in_use *u);
/* Some container waits for an image by its digest: what comes has no name at first. */
bool in_use_some_digest(const struct in_use *u);
bool in_use_id(const struct in_use *u, const char *id);
bool in_use_name(const struct in_use *u, const char *normal);
bool in_use_nameless(const struct in_use *u); /* a digest is asked for */

/* ---- the janitor ---- */

/* An image as the engine listed it. */
struct seen {
    UT_hash_handle hh; /* in janitor.seen, by id */
    char *id;
    char **names; /* normal */
    size_t n_names;
    int64_t size, created;
    bool dropped; /* tried, or found to be in use: not again in this job */
};

struct stranger {
    char *id, *name;
};

/* The image that is being removed, name by name; by its id when it has none. */
struct victim {
    char *id;
    char **names;
    size_t n_names, at;
    bool tracked;
    int64_t size, used; /* when it was last used, or created if nobody knows */
};

/* CYCLE: by age, every image_interval_ms. DISK: until the disk has room. */
enum job { JOB_NONE, JOB_CYCLE, JOB_DISK };
enum part { PART_TRACKED, PART_OTHERS, PART_UNTRACKED }; /* of a cycle */

struct janitor {
    struct side_op op;
    enum job job;
    enum part part;
    bool cleaning; /* DISK: over the high mark, and not yet below the low one */
    bool asked;    /* a pull has used space: look at the disk soon */
    int64_t cycle_at, disk_at;
    int tries; /* images of this cycle */
    int gone;  /* images removed in this job */
    int others_gone;
    struct seen *seen;
    struct stranger *others;
    size_t n_others, other;       /* the one looked at */
    struct victim victim;         /* id NULL: none */
    bool blind;                   /* the last look at the disk failed, which was said */
    struct core_disk disk;        /* as last seen */
    int64_t disk_seen;            /* wall; 0: never */
    int64_t full_said;            /* mono; when it was last said that nothing may go; -1: not */
    int full_pct;                 /* and how full it was */
    char *last_name;              /* of the last image removed */
    int64_t last_size, last_gone; /* wall */
};

/* cleanup.c */
struct core_action *janitor_ask(struct core *c, enum core_op op, const char *ref);
void janitor_go_on(struct core *c);   /* the next operation of the job, or its end */
void janitor_put_off(struct core *c); /* ends the job early: the engine is away */
bool image_excluded(const struct core *c, const char *normal);

/* cleanup_seen.c */
void seen_forget(struct janitor *j);
void seen_take(struct core *c, const struct core_image *images, size_t n); /* the list */

/* cleanup_others.c */
void others_forget(struct janitor *j);
void others_listed(struct core *c, const struct core_event *ev);
void other_inspected(struct core *c, const struct core_event *ev);
void other_removed(struct core *c, const struct err *e);

/* cleanup_tell.c */
int disk_percent(const struct core_disk *d); /* of bytes or inodes; rounded down */
const char *janitor_victim_name(const struct victim *v);
void janitor_note_removed(struct core *c); /* of the victim */
void janitor_note_blind(struct core *c, const char *why);
void janitor_note_stuck(struct core *c); /* the disk is full and nothing may go */

/* cleanup_record.c */
void janitor_save(const struct core *c, struct jw *w); /* a value */
void janitor_load(struct core *c, const struct jcur *saved);
