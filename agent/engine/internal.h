#pragma once
/* What the files of the engine share. Private to agent/engine. */
#include <uthash.h>

#include "base/backoff.h"
#include "base/list.h"
#include "engine/engine.h"

#define ENGINE_MAX_HAPPENINGS 8192 /* docker events that wait */
#define ENGINE_MAX_STEPS      4096 /* events of one transaction */

/* ---- queue.c: events that own what they say ---- */

struct queued {
    struct list node;
    struct core_event ev;
};

struct queued *queued_create(enum core_event_type type);
void queued_destroy(struct queued *q); /* NULL is fine */
/* Takes the tasks. */
struct queued *queued_payload(const char *message_id, int64_t seq, struct core_payload_task *tasks,
                              size_t n);
struct queued *queued_manifest(const char *message_id, const char *cluster_arn, int64_t seq,
                               const struct core_manifest_entry *entries, size_t n);
struct queued *queued_stop_ack(const char *message_id, const char *const *arns, size_t n);
struct queued *queued_op(uint64_t id, const struct err *e);
struct queued *queued_listed(const struct docker_listed *rows, size_t n);
struct queued *queued_happening(enum core_happening what, const struct docker_event *from);

/* ---- images.c: the environment of images, for the containers made of them ---- */

#define IMAGES_KEPT     64
#define IMAGES_ENV_MAX  (16 * 1024) /* bytes of one image; the rest is dropped */
#define IMAGES_ENV_VARS 256

struct image_env {
    char *image; /* NULL: unused */
    char **env;  /* NULL-terminated */
    uint64_t used;
};

struct images {
    struct image_env items[IMAGES_KEPT];
    uint64_t clock;
};

void images_put(struct images *im, const char *image, const char *const *env);
/* NULL when unknown; borrowed until the next put. */
const char *const *images_get(struct images *im, const char *image);
void images_fini(struct images *im);

/* ---- notes.c: what happened, for humans ---- */

struct notes {
    char *lines[ENGINE_EVENTS_KEPT]; /* a ring */
    size_t first, n;
    engine_event_fn *observer;
    void *user;
};

void notes_add(struct notes *no, const struct core *core, const struct core_action *a,
               int64_t wall_ms);
void notes_each(const struct notes *no, engine_event_fn *fn, void *user);
void notes_fini(struct notes *no);

/* ---- recorder.c: the flight record ---- */

#define RECORD_FILE_MAX (4 << 20)
#define RECORD_TURN_MAX (1 << 20) /* events of one turn; more are left out by a rotation */
#define RECORD_SAVE_MAX (2 << 20) /* a larger state is not recorded */

struct recorder;

/* Keeps what an earlier process recorded as flight.1.jsonl and begins a file with
 * the state of `core`. Trouble disables recording, with one warning. */
struct recorder *recorder_create(const char *dir, const char *version, const struct core *core,
                                 struct core_time now);
void recorder_event(struct recorder *r, struct core_time now, const struct core_event *ev);
/* At the end of a turn, when `core` has seen all its events. */
void recorder_flush(struct recorder *r, const struct core *core, struct core_time now);
void recorder_destroy(struct recorder *r); /* NULL is fine */

/* ---- the engine ---- */

struct carried;

struct followed { /* a container whose log was offered to be followed */
    char *id;
    UT_hash_handle hh;
};

struct engine {
    struct loop *loop;
    struct store *store;
    struct docker *docker;
    const struct config *config;
    struct engine_peers peers;
    void *user;
    struct core *core;
    struct rng rng;

    /* engine.c: the turn */
    struct turn_end *turn;
    struct list queue;
    size_t messages, happenings; /* in the queue */
    bool relist;                 /* a happening was dropped: list when there is room */
    struct core_actions actions; /* of the events stepped and not yet durable */
    struct store_batch *batch;   /* grows */
    bool due;                    /* the batch holds more than cursors, or they have waited */
    struct store_batch *committing;
    struct work *commit;
    bool commit_ran; /* the worker has finished with `commit_err` */
    struct err commit_err;
    struct loop_timer *commit_retry;
    struct backoff commit_backoff;
    bool commit_failing;
    struct loop_timer *lazy; /* cursors without company */
    bool offer_restored;

    /* carry.c */
    struct carried *ops; /* by id */
    struct followed *followed;
    struct images images;
    struct loop_timer *alarm; /* the core's */

    /* facts.c */
    struct docker_op *listing, *negotiating;
    struct loop_timer *list_retry;
    struct backoff list_backoff;
    bool was_lost;

    struct notes notes;
    struct recorder *record;
};

/* Queues an event for the next turn; takes it. */
void engine_push(struct engine *en, struct queued *q);

/* Carries out one action that is not the store's. */
void carry_action(struct engine *en, const struct core_action *a);
/* Offers the logs of all containers that the core knows to run or to have run. */
void carry_offer_restored(struct engine *en);
void carry_fini(struct engine *en);

MUST_CHECK enum err_code facts_restore(struct engine *en, struct err *e);
void facts_subscribe(struct engine *en);
void facts_list(struct engine *en); /* unless a list is under way */
void facts_fini(struct engine *en);
