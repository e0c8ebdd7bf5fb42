#pragma once
/* What the files of the engine share. Private to agent/engine. */

#include "base/backoff.h"
#include "base/list.h"
#include "base/map.h"
#include "engine/engine.h"
#include "host/host.h"

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
struct queued *queued_settings(const struct core_config *config);
struct queued *queued_local(struct core_local_def *defs, size_t n); /* takes the tasks */
struct queued *queued_op(uint64_t id, const struct err *e);
/* What an operation answers besides. `name`: the reference that was asked for; NULL
 * when the digests are of no interest. */
void queued_set_images(struct queued *q, const struct docker_image *images, size_t n,
                       const char *name);
void queued_set_digest(struct queued *q, const char *digest); /* one image that has only that */
void queued_set_facts(struct queued *q, const struct ctr_facts *facts);
/* Adds the containers of which `ours` says no. */
typedef bool queued_ours_fn(const void *user, const struct docker_listed *row);
void queued_set_others(struct queued *q, const struct docker_listed *rows, size_t n,
                       queued_ours_fn *ours, const void *user);
struct queued *queued_listed(const struct docker_listed *rows, size_t n, const char *owner);
struct queued *queued_happening(const struct docker_event *from);

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
void images_forget(struct images *im, const char *image); /* the name may mean another now */
void images_fini(struct images *im);

/* ---- values.c: what was fetched for tasks; in memory only, wiped when dropped ---- */

#define VALUES_MAX       10000     /* of one task */
#define VALUES_BYTES_MAX (4 << 20) /* of one task, names included */

struct value_set;

struct values {
    struct value_set *sets; /* by task */
};

/* Replaces what the same operation fetched before; ERR_LIMIT: then there is nothing. */
MUST_CHECK enum err_code values_put(struct values *v, const char *task_arn, enum core_op op,
                                    const struct engine_value *values, size_t n, struct err *e);
/* Of one container and kind, in the order they were fetched. free() the array; what it
 * names is borrowed until the next put or drop. */
struct task_kv *values_pairs(const struct values *v, const char *task_arn, size_t container,
                             int kind, size_t *n);
/* The value of a kind that a container has one of, ENGINE_VALUE_AUTH or NO_AUTH; NULL when
 * there is none. Borrowed as above. */
const char *values_one(const struct values *v, const char *task_arn, size_t container, int kind);
/* Takes every value of the task out of a text. */
void values_redact(const struct values *v, const char *task_arn, struct buf *text);
/* Was anything fetched for the task with this operation, in this life of the agent? */
bool values_known(const struct values *v, const char *task_arn, enum core_op op);
void values_drop(struct values *v, const char *task_arn);
void values_fini(struct values *v);

/* ---- details.c: what the last inspect of a container said, for those who show it ---- */

struct detail;
struct place;

struct details {
    struct detail *all;   /* by task */
    struct place *places; /* by address; of containers that run */
};

/* Takes what is in `d`. */
void details_put(struct details *ds, const char *task_arn, size_t container,
                 const struct ctr_facts *facts, struct docker_details *d);
/* It is no more: it does not run, and has no address; the rest stays as it was. */
void details_lost(struct details *ds, const char *task_arn, size_t container);
const struct engine_detail *details_get(const struct details *ds, const char *task_arn,
                                        size_t container);
/* The task that was last seen to run with this address, of a container of its; NULL: none. */
const char *details_at(const struct details *ds, const char *address);
void details_drop(struct details *ds, const char *task_arn);
void details_fini(struct details *ds);

/* ---- holds.c: host ports that are chosen, and kept from others until they are bound ---- */

#define HOLDS_MAX      256 /* sockets; ports beyond are chosen but not kept */
#define HOLDS_STALE_MS (5 * 60 * 1000)

/* May not be chosen, whatever the host says. */
typedef bool holds_taken_fn(const void *user, enum port_proto proto, uint16_t port);

struct holds {
    uint16_t first, last; /* the range to choose from */
    uint16_t cursor;      /* where the next search begins; 0: at the first */
    struct list all;      /* oldest first */
    size_t n;
};

void holds_init(struct holds *h, uint16_t first, uint16_t last);
/* One port for each port of the container into `out`: 0 where none is to be chosen, for
 * a range the first of a block. ERR_LIMIT: there are not so many, and none is held. */
MUST_CHECK enum err_code holds_choose(struct holds *h, const struct task *t, size_t container,
                                      uint64_t op_id, int64_t now_ms, holds_taken_fn *taken,
                                      const void *user, uint16_t *out, struct err *e);
void holds_release(struct holds *h, const char *task_arn, size_t container);
/* Gives back what the core had made a container's own and has taken from it since. */
typedef bool holds_owned_fn(const void *user, const char *task_arn, size_t container);
void holds_sweep(struct holds *h, holds_owned_fn *owned, const void *user);
void holds_release_task(struct holds *h, const char *task_arn);
void holds_release_op(struct holds *h, uint64_t op_id);
void holds_fini(struct holds *h);

/* ---- freeze.c: containers that are held back (engine_hold) ---- */

struct freeze;
struct carried;

/* What an earlier process held. */
MUST_CHECK enum err_code freeze_restore(struct engine *en, struct err *e);
/* A batch is durable. */
void freeze_committed(struct engine *en);
/* `c` is to stop its container, which is not held again. True: it is let go first, then
 * carry_thawed is called, on a later turn. */
bool freeze_before_stop(struct carried *c);
void freeze_leave_stop(struct carried *c);                   /* no call then */
void freeze_ended(struct engine *en, const char *docker_id); /* it does not run */
void freeze_drop(struct engine *en, const char *docker_id);  /* it is removed */
void freeze_drop_task(struct engine *en, const char *task_arn);
void freeze_fini(struct engine *en);

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
size_t recorder_size(const struct recorder *r); /* of the present file; 0: it is off */
void recorder_destroy(struct recorder *r);      /* NULL is fine */

/* ---- the engine ---- */

struct followed { /* a container whose log was offered to be followed */
    char *id;
    UT_hash_handle hh;
};

struct engine {
    struct loop *loop;
    struct store *store;
    struct docker *docker;
    const struct config *config;
    const struct docker_auths *auths;
    const struct host_cgroups *cgroups; /* NULL: tasks get none */
    char *docker_root;                  /* NULL: unknown */
    bool selinux, propagate_memory;
    char *owner;
    struct engine_peers peers;
    void *user;
    struct core *core;
    struct rng rng;

    /* engine.c: the turn */
    struct turn_end *turn;
    struct list queue;
    size_t messages, happenings; /* in the queue */
    size_t message_tasks;        /* tasks in those messages */
    uint64_t messages_dropped;   /* since there was room for one */
    bool busy;                   /* the peers know */
    size_t waiting;              /* in all */
    struct queued *started;      /* waits for the first list; NULL: it has come */
    bool relist;                 /* a happening was dropped: list when there is room */
    struct core_actions actions; /* of the events stepped and not yet durable */
    struct store_batch *batch;   /* grows */
    uint64_t batch_no;           /* of that one */
    bool due;                    /* the batch holds more than cursors, or they have waited */
    struct store_batch *committing;
    struct work *commit;
    bool commit_ran;        /* the worker has finished with `commit_said` */
    struct err commit_said; /* the worker's, until commit_done */
    struct err commit_err;  /* of the last try that is done */
    struct loop_timer *commit_retry;
    struct backoff commit_backoff;
    bool commit_failing;       /* the last try failed; `committing` grows until one does not */
    int64_t commit_failing_ms; /* since, on mono */
    char *unacked[ENGINE_MAX_MESSAGES]; /* messages whose tasks are not durable yet */
    size_t n_unacked;
    struct loop_timer *lazy; /* cursors without company */
    bool offer_restored;

    /* carry*.c */
    struct carried *ops; /* by id */
    struct followed *followed;
    struct images images;
    struct values values;
    struct details details;
    struct holds holds;
    struct loop_timer *alarm; /* the core's */

    struct freeze *freezes;          /* by docker id */
    struct loop_timer *freeze_grace; /* NULL: nothing was held at the start */

    /* facts.c */
    struct docker_op *listing, *negotiating;
    struct loop_timer *list_retry;
    struct backoff list_backoff;
    bool was_lost;

    struct notes notes;
    struct recorder *record;

    /* For those who watch. */
    uint64_t n_events, n_commits_failed;
    struct histogram commit_time;
    int64_t commit_us; /* how long the last one took: the worker's, read after it */
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
