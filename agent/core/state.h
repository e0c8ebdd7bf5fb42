#pragma once
/* state: what the core knows, and how its parts call each other. Private to core.
 *
 *   core.c       the step: dispatch, settle, wake-up times, look-ups
 *   intake.c     tasks and messages from the control plane, restart
 *   rebuild.c    tasks that the store has lost
 *   taken.c      tasks that another agent has run until now
 *   admit.c      who may start: capacity, waiting, ageing
 *   container.c  one container: what next, what came of it
 *   outcome.c    what an operation's end means
 *   restart.c    restart policies
 *   failure.c    which ends are failures, and one line about each
 *   ports.c      host ports that the agent chooses
 *   resource.c   volumes, cgroups, fetched values of a task
 *   images.c     which images there are, who uses them, which may go
 *   cleanup.c    the janitor: images by age and by disk; cleanup_seen.c: the engine's
 *                images, cleanup_others.c: its containers that are not ours,
 *                cleanup_tell.c: what people are told, cleanup_record.c: state as JSON
 *   local.c      local tasks: kept running while they are wanted
 *   settings.c   what the core was configured with, and its changes
 *   deps.c       may it start, may it stop (pure questions)
 *   ops.c        operations: issue, pace, cancel
 *   task.c       one task: its status, its end, its clean-up
 *   report.c     what is unsent
 *   persist.c    state to JSON and back
 *   record.c     events and actions to JSON; record_read.c: events back
 *   see.c        what is known, for the local endpoints
 *   stages.c     where the time of a task goes
 *   totals.c     numbers of the whole, for those who watch
 *   durable.c    what may be done while the store cannot be written
 *   describe.c   answers for people */

#include "base/backoff.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "core/capacity.h"
#include "core/core.h"

/* The numbers that are read from a record or the store, as a pair of bounds. Times
 * are added to each other, so they stay far from the limits of the type. */
#define SANE_MAX ((int64_t)1 << 53)
#define SANE_INT -SANE_MAX, SANE_MAX
/* The times of an event: what the core adds to them can still be read back. */
#define SANE_TIME -SANE_MAX / 8, SANE_MAX / 8

enum image_step { IMAGE_BEGIN, IMAGE_ABSENT, IMAGE_PULLED };

/* What is under way besides the containers' own operations: of a resource, or the
 * janitor's. */
struct side_op {
    UT_hash_handle hh; /* in core.side_ops while in flight */
    uint64_t id;       /* 0: nothing in flight */
    enum core_op op;
    int64_t since;
    struct core_res *res; /* NULL: the janitor's */
};

enum res_kind { RES_CGROUP, RES_VOLUME, RES_SECRETS, RES_ENV_FILES, RES_AUTH };
enum res_status { RES_NONE, RES_CREATED, RES_REMOVED };

/* What the containers of a task need besides images; private to resource.c. */
struct core_res {
    struct core_task *task;
    enum res_kind kind;
    size_t volume;         /* index */
    enum res_status known; /* durable */
    bool failed;
    bool tried; /* a removal, whatever came of it */
    bool taken; /* removed, but it may still be made by what an earlier process asked for */
    struct side_op op;
    int tries; /* removals that failed */
    struct backoff backoff;
    int64_t retry_at;
    char *waits_for; /* why it is tried again; NULL */
};

/* What a task, or one of its containers, is in; one at a time. In the order of a life. */
enum core_stage {
    STAGE_NONE,         /* not known yet, or a container that has ended */
    STAGE_ROOM,         /* waits for room on this host */
    STAGE_PREPARE,      /* the task: its containers are on their way */
    STAGE_DEPENDENCIES, /* from here on of a container, but for RUN and STOP: of both */
    STAGE_RESOURCES,    /* cgroup, volumes, secrets */
    STAGE_PULL_TURN,    /* others pull */
    STAGE_PULL,         /* the manifest, the layers, the look at the image */
    STAGE_TURN,         /* others are created or started */
    STAGE_CREATE,
    STAGE_START,
    STAGE_HEALTH, /* runs, and its health check has not passed yet */
    STAGE_RUN,
    STAGE_RESTART, /* has ended and is started again later */
    STAGE_STOP,    /* is to stop */
    STAGE_REPORT,  /* the task: its end is not accepted yet */
    STAGE_KEPT,    /* the task: until its containers are removed */
    STAGE__COUNT
};

struct core_stage_time {
    int64_t from_wall; /* when it was first entered; 0: never */
    int64_t ms;        /* how long, of all the times it was left */
};

struct core_stages {
    enum core_stage now;
    int64_t since, since_wall; /* `now` was entered: on mono, on the wall */
    struct core_stage_time each[STAGE__COUNT];
};

/* A container whose chosen ports were taken before it started is made once more. */
enum remake { REMAKE_NO, REMAKE_REMOVE, REMAKE_CREATE };

struct core_ctr {
    UT_hash_handle op_hh; /* in core.ops while an operation is in flight */
    struct core_task *task;
    const struct task_container *def;
    size_t index;
    /* Chosen at intake and stored before the create, so that a container made
     * just before a crash is found again by its name. */
    char *docker_name;
    char *docker_id; /* NULL: not known */
    char metadata_id[RNG_UUID_SIZE];
    UT_hash_handle meta_hh; /* in core.by_metadata_id while `indexed` */
    bool indexed;

    /* Durable. */
    enum ctr_status known;
    enum ctr_status sent;
    bool create_tried; /* something may exist under docker_name */
    bool stop_wanted;  /* besides the task's own wish */
    bool removed;
    bool has_exit_code;
    int exit_code;
    char *error_name, *error_text; /* the first error sticks */
    int64_t created_wall, started_wall, finished_wall;
    struct port_binding *bindings;
    size_t n_bindings;
    char *digest;
    bool tells_digest;    /* it was resolved, so the control plane is told of it */
    char *image_id;       /* once pulled; refers to core.images */
    uint16_t *host_ports; /* chosen ones, one for each port of def; NULL: none yet */
    int restarts;
    int64_t restarted_wall; /* the last one; 0: never */
    bool restart_due;       /* it has ended and is to be started again */
    int64_t restart_after;  /* that end, as the engine says; 0: it does not */
    enum remake again;
    struct core_stages stages; /* but for `since` */

    /* Volatile. */
    enum ctr_health health;
    bool suspect; /* look before doing anything else */
    bool unseen;  /* not looked at since the agent was started: nothing is told of its task */
    bool drained;
    bool event_exit; /* a die event gave event_exit_code */
    int event_exit_code;
    bool event_oom; /* the kernel killed a process of this run of it: out of memory */
    enum image_step image;
    bool manifest_done; /* asked for, whatever came of it */
    int manifests;      /* tries that failed */
    int pulls;          /* tries that failed */
    char *pull_error;   /* of the last one, with its name in front */
    bool pull_final;    /* it would fail again */
    uint64_t op_id;     /* 0: nothing in flight */
    enum core_op op;
    int64_t op_since;
    int64_t slot_until;      /* the operation counts against its lane until then; 0: it does not */
    enum ctr_status claimed; /* what the report in flight says */
    int tries;
    struct backoff backoff;
    int64_t retry_at;
    int64_t since; /* when `known` last changed, for "why" */
    int64_t started_mono;
    /* A start that nobody waits for any more may come (0: none): how long to wait for it from the
     * next look on that shows none, and until when, as soon as there was such a look. */
    int64_t late_ms, late_until;
    struct backoff restart_backoff;
    int64_t restart_at;
    bool holds_ports;    /* host_ports are taken from the capacity */
    int port_tries;      /* starts that failed for a port */
    enum core_op queued; /* in a lane's queue for this operation */
    struct list lane_node;
};

/* How a task came to its end, if not as it should. */
enum task_failure {
    FAILURE_NONE,      /* it was asked to stop, or its work is done */
    FAILURE_ENDED,     /* of itself, or it could not be started */
    FAILURE_UNHEALTHY, /* it was asked to stop while an essential container was unhealthy */
};

struct core_task {
    UT_hash_handle hh;
    char *arn;
    struct task *def; /* NULL: could not be decoded, only its end is to be reported */
    struct core_ctr *ctrs;
    size_t n_ctrs;
    struct core_res *res;
    size_t n_res;
    struct core_local *local; /* NULL: the control plane's */
    uint64_t seq;             /* order of arrival; orders every queue */
    struct need need;

    /* Durable. */
    enum task_status desired, known, sent;
    bool admitted;
    char *reason;
    enum task_failure failure;
    size_t culprit;                  /* the container that failed; SIZE_MAX: the task itself */
    char *local_name, *local_digest; /* NULL: the control plane's */
    int64_t pull_started, pull_stopped, execution_stopped, stopped_wall, arrived_wall;
    struct core_stages stages; /* but for `since` */

    /* Volatile. */
    bool rebuilt; /* durable: from labels; what was told before it ran is not known */
    bool stray;   /* what belongs to no task; neither stored nor told of */
    bool holds;   /* its need is taken from the capacity */
    int64_t arrived, stopped_at, cleanup_delay;
    /* What an earlier process asked for may still be made until then, even when it has been made
     * again since, and a payload may be on its way: the task is not forgotten before. */
    int64_t not_before;
#define LATE_CREATE_MS 60000
    uint64_t report_id; /* 0: none in flight */
    enum task_status claimed;
    int64_t report_at; /* a container change alone is sent by then; 0: none */
    int64_t report_retry_at;
    /* Since when something is known that no report has claimed yet, and what the report that
     * was sent last claims; 0: nothing. For those who watch: decides nothing. */
    int64_t unsent_since, claimed_since;
    struct backoff report_backoff;
    char *report_error;
    bool dirty, changed;
    int64_t wake_at; /* -1: none */
    size_t heap_pos; /* 0: not in the heap */
    struct list dirty_node, changed_node, wait_node, report_node, backoff_node;
};

/* Operations that are paced: at most `limit` at once, earlier tasks first. */
struct lane {
    int limit, used;
    struct list queue; /* of core_ctr.lane_node */
};
enum { LANE_CREATE, LANE_START, LANE_PULL, LANE_MANIFEST, LANE__COUNT };

struct image_table;  /* images.c */
struct janitor;      /* cleanup.c */
struct core_local;   /* local.c */
struct core_missing; /* rebuild.c */

struct core {
    struct core_config cfg;
    struct core_time now;
    struct rng rng;
    struct core_actions *out;
    struct core_task *tasks; /* uthash by ARN, in order of arrival */
    uint64_t next_seq, next_id;
    struct capacity capacity;
    struct list dirty, changed, waiting, report_queue, in_backoff;
    bool capacity_changed;
    struct lane lanes[LANE__COUNT];
    struct core_ctr *ops;     /* uthash by op_id */
    struct side_op *side_ops; /* uthash by id */
    struct core_ctr *by_metadata_id;
    struct image_table *images;
    struct janitor *janitor;
    struct core_local *locals;                   /* uthash by name */
    bool lost;                                   /* the store has lost tasks; durable */
    struct core_missing *missing;                /* uthash by ARN: named by a manifest since */
    size_t n_strays;                             /* tasks that are what belongs to no task */
    char **excluded_images;                      /* what cfg.excluded_images points to */
    struct core_task *reports[CORE_MAX_REPORTS]; /* in flight; NULL: free */
    int64_t manifest_seq;
    char *manifest_id; /* of the last manifest; NULL: none or used */
    bool started;
    bool closed;             /* the host goes down */
    struct core_task **heap; /* by (wake_at, seq); [0] unused */
    size_t heap_len, heap_cap;
    int64_t timer_at; /* last one asked for; -1: none */
    /* For those who watch; not part of a record. */
    struct histogram report_lag;
    uint64_t images_removed, others_removed, restarts;
};

/* core.c */
struct core_action *core_act(struct core *c, enum core_action_type type);
void core_note(struct core *c, bool warning, const struct core_task *t, const struct core_ctr *k,
               const char *fmt, ...) PRINTF_LIKE(5, 6);
void task_touch(struct core *c, struct core_task *t);   /* it is looked at again this step */
void task_changed(struct core *c, struct core_task *t); /* and its state is stored */
void task_wake_at(struct core *c, struct core_task *t, int64_t at); /* -1: never */
void list_insert_by_seq(struct list *head, struct list *node, size_t node_offset, uint64_t seq);
struct core_task *find_task(const struct core *c, const char *arn);

/* intake.c */
struct core_task *task_add(struct core *c, struct task *def, const char *arn);
void task_forget(struct core *c, struct core_task *t); /* removes and frees it */
/* A run of a local task; takes `def`. */
struct core_task *intake_accept_local(struct core *c, struct task *def, const char *name,
                                      const char *digest);
void intake_payload(struct core *c, struct core_event *ev);
void intake_manifest(struct core *c, const struct core_event *ev);
void intake_stop_ack(struct core *c, const struct core_event *ev);
void intake_restored(struct core *c, struct core_event *ev);
void intake_started(struct core *c, const struct core_event *ev);
/* A task that cannot be run is known only by its end, which is reported. False: there are too
 * many of these. */
bool intake_refuse(struct core *c, const char *arn, const char *reason);
void task_put_definition(struct core *c, const struct core_task *t);

/* rebuild.c */
#define LOCAL_ARN_BEGIN "arn:berth:local:::task/"
void rebuild_begin(struct core *c); /* something was lost */
void rebuild_listed(struct core *c, const struct core_event *ev);
/* Is a container of its still here that it does not count as its own? */
bool rebuild_has_stray(const struct core *c, const struct core_task *t);
void rebuild_stray_gone(struct core *c, const struct core_task *stray);
void rebuild_manifest(struct core *c, const struct core_event *ev);
void rebuild_advance(struct core *c);
int64_t rebuild_next_wake(const struct core *c);       /* mono; -1: none */
void rebuild_save(const struct core *c, struct jw *w); /* the members "lost", "missing" */
void rebuild_load(struct core *c, const struct jcur *saved);
void rebuild_fini(struct core *c);

/* close.c */
void close_all(struct core *c); /* CORE_EV_CLOSE */

/* admit.c */
void admit_enqueue(struct core *c, struct core_task *t);
void admit_leave(struct core *c, struct core_task *t); /* stops waiting, gives back what it holds */
void admit_hold(struct core *c, struct core_task *t);  /* takes its need without asking (restart) */
void admit_scan(struct core *c);

/* container.c */
void ctr_advance(struct core *c, struct core_ctr *k);
void ctr_happened(struct core *c, const struct core_event *ev);
void ctr_listed(struct core *c, const struct core_event *ev);
void ctr_set_known(struct core *c, struct core_ctr *k, enum ctr_status known);
void ctr_fail(struct core *c, struct core_ctr *k, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5); /* keeps the first error, wants it stopped */
void ctr_apply_facts(struct core *c, struct core_ctr *k, const struct ctr_facts *f);
void ctr_gone(struct core *c, struct core_ctr *k);
void ctr_remake(struct core *c, struct core_ctr *k); /* it was removed, to be made anew */
bool ctr_wants_stop(const struct core_ctr *k);
void ctr_retry(struct core *c, struct core_ctr *k);
void ctr_worked(struct core_ctr *k); /* the next retry is a first one again */
void ctr_fini(struct core_ctr *k);

/* late.c */
/* A start of it may still be carried out though nobody waits for that: it is looked at, and nothing
 * is decided about it for a while. `took_ms` is how long the engine let somebody wait. */
void late_expect(struct core_ctr *k, int64_t took_ms);
void late_forget(struct core_ctr *k);
/* It was looked at. True: what was seen may be over in a moment, and is not to be believed yet. */
bool late_seen(const struct core *c, struct core_ctr *k, const struct ctr_facts *f);
void late_advance(struct core *c, struct core_ctr *k); /* late_until is set */

/* restart.c */
/* The container has ended with these facts while it is to run: is it started again?
 * True: it is (known stays RUNNING), at k->retry_at. */
bool restart_wanted(struct core *c, struct core_ctr *k, const struct ctr_facts *f);
void restart_done(struct core *c, struct core_ctr *k); /* it runs; fine if none was due */
/* Stopped with these facts, has it run again already? Then that is the end that counts. */
void restart_missed(struct core *c, struct core_ctr *k, const struct ctr_facts *f);

/* ports.c */
bool ports_needed(const struct core_ctr *k); /* some are to be chosen and are not */
void ports_found(struct core *c, struct core_ctr *k, const uint16_t *ports, size_t n);
void ports_release(struct core *c, struct core_ctr *k); /* gives them back; fine without */
void ports_hold(struct core *c, struct core_ctr *k);    /* after a restart */

/* resource.c */
void resources_init(struct core *c, struct core_task *t); /* from its definition */
/* Of a task that is only a name, and may have had a definition before the store was lost. */
void resources_init_lost(struct core *c, struct core_task *t);
/* Why they can never be had; NULL: they can. free() it. */
char *resources_refuse(const struct core *c, const struct task *def);
void resources_resume(struct core_task *t); /* after a restart: values have to be fetched anew */
void resources_fini(struct core *c, struct core_task *t);
void resources_write(const struct core_task *t, struct jw *w, bool full); /* "resources" */
void resources_read(struct core *c, struct core_task *t, const struct jcur *saved, bool full);
void resources_advance(struct core *c, struct core_task *t);
/* Does everything exist that the container needs to be pulled, or created? If not, *on
 * is what it waits for. */
bool resources_allow(const struct core_ctr *k, bool create, const struct core_res **on);
void resources_found(struct core_task *t); /* its containers are here, so its volumes are */
/* They are another task's, which is known or may come anew. */
void resources_disown(struct core_task *t);
/* Of a stopped task: what nothing needs any more goes, whenever it is looked at. */
void resources_take_back(struct core *c, struct core_task *t);
/* Is it still to be tried to take back what nobody could name without the task? */
bool resources_owed(const struct core_task *t);
bool resources_clean_up(struct core *c, struct core_task *t); /* all; true: nothing is left */
void resource_done(struct core *c, struct core_res *r, const struct core_event *ev);
void resource_describe(const struct core_res *r, struct buf *b);     /* "volume data" */
int64_t resources_next_wake(const struct core_task *t, int64_t now); /* -1: none */

/* images.c: what there is, by id, with the names the agent gave it, when it was
 * pulled and last used. Stored as CORE_KIND_IMAGE, one value for each id. More in
 * images.h. */
struct image_table *images_create(void);
void images_destroy(struct image_table *im);
/* The container uses this image from now on, which has `name`. Sets k->image_id. */
void images_used(struct core *c, struct core_ctr *k, const struct core_image *image, bool pulled);
void images_dropped(struct core *c, struct core_ctr *k); /* at its clean-up */
/* ONCE: an image of that name was pulled successfully and is still held. */
bool images_pulled_once(const struct core *c, const char *name);
/* It is being removed: what asks for it waits for that. */
bool images_leaving(const struct core *c, const char *name);
void images_restored(struct core *c, const char *value);
void images_save(const struct core *c, struct jw *w); /* the member "images" and "janitor" */
void images_load(struct core *c, const struct jcur *saved);

/* cleanup.c */
struct janitor *janitor_create(void);
void janitor_destroy(struct core *c); /* and its operation under way */
void janitor_started(struct core *c); /* or its settings changed */
void janitor_advance(struct core *c);
void janitor_done(struct core *c, const struct core_event *ev); /* its operation ended */
int64_t janitor_next_wake(const struct core *c);                /* mono; -1: none */
/* Members "disk" and "images" of the status. */
void janitor_write_status(const struct core *c, struct jw *w);

/* local.c */
void local_wanted(struct core *c, struct core_event *ev); /* CORE_EV_LOCAL */
void local_restored(struct core *c, struct core_task *t); /* t->local_name is set */
void local_started(struct core *c);
void local_advance(struct core *c);
void local_forgotten(struct core *c, struct core_task *t); /* it is freed next */
int64_t local_next_wake(const struct core *c);
void local_save(const struct core *c, struct jw *w); /* the member "locals" */
void local_load(struct core *c, const struct jcur *saved);
void local_fini(struct core *c);

/* outcome.c */
void outcome_apply(struct core *c, const struct core_event *ev);

/* deps.c */
enum dep_answer { DEP_MET, DEP_WAIT, DEP_NEVER };
/* May this container go on towards running? For DEP_WAIT `*on` is what it waits
 * for; for DEP_NEVER `why` is the text of the specification. */
enum dep_answer deps_check(const struct core_ctr *k, int64_t now, const struct task_dep **on,
                           struct buf *why);
/* May it be stopped: is everything that depends on it stopped? Gives one that is
 * not. */
bool deps_may_stop(const struct core_ctr *k, const struct core_ctr **on);
/* When an unmet dependency times out; -1: never. */
int64_t deps_deadline(const struct core_ctr *k);

/* ops.c */
/* Issues an operation of a resource or, with r NULL, of the janitor. The action is for
 * the caller to complete. */
struct core_action *side_issue(struct core *c, struct side_op *s, struct core_res *r,
                               enum core_op op);
void side_finished(struct core *c, struct side_op *s);
void op_issue(struct core *c, struct core_ctr *k, enum core_op op);   /* now */
void op_request(struct core *c, struct core_ctr *k, enum core_op op); /* when its lane has room */
void op_unqueue(struct core_ctr *k);
void op_finished(struct core *c, struct core_ctr *k); /* clears it, frees its place */
void op_cancel(struct core *c, struct core_ctr *k);
void op_age(struct core *c, struct core_ctr *k); /* a slow one stops counting */
void lanes_grant(struct core *c);
int op_lane(enum core_op op); /* -1: not paced */

/* task.c */
void task_advance(struct core *c, struct core_task *t);
void task_stop(struct core *c, struct core_task *t, const char *reason); /* NULL: no reason */
void task_forget_stored(struct core *c, const struct core_task *t);

/* failure.c */
bool failure_of(const struct core_ctr *k); /* it failed, or ended with another code than 0 */
/* As task_stop, because of this container, or with NULL of the task itself. */
void task_fail(struct core *c, struct core_task *t, const struct core_ctr *k, const char *reason);
void failure_asked(struct core_task *t); /* it is asked to stop now, and was not before */
/* At most 255 bytes. free() it. */
char *failure_digest(const struct core_task *t, const struct core_ctr *k);
/* CORE_ACT_FAILED, if it stopped with a failure. */
void failure_tell(struct core *c, const struct core_task *t);
/* Does the control plane get the line as the container's reason? */
bool failure_is_told(const struct core *c, const struct core_ctr *k);

/* report.c */
void report_consider(struct core *c, struct core_task *t);
void report_done(struct core *c, const struct core_event *ev);
void report_forget(struct core *c, const struct core_task *t);
void report_wake_all(struct core *c);
void reports_grant(struct core *c);
bool report_settled(const struct core_task *t); /* its end was accepted */
void report_watch(struct core *c);              /* before the first report */

/* stages.c */
void stages_update(const struct core *c, struct core_task *t); /* whenever it was looked at */
void stages_write(const struct core_stages *s, struct jw *w, bool full); /* member "stages" */
void stages_read(const struct core *c, struct core_stages *s, const struct jcur *j, bool full);
/* Of a container that was stored by a release without stages; 0: nothing is known. */
void stages_runs_since(const struct core *c, struct core_stages *s, int64_t wall_ms);

/* record.c: by their enums */
/* ---- see.c ---- */

void see_index(struct core *c, struct core_ctr *k); /* it has its metadata id */
void see_forget(struct core *c, struct core_ctr *k);

/* ---- settings.c ---- */

void settings_write(struct jw *w, const struct core_config *f); /* members; no reserved ports */
/* *excluded, which the result borrows, is to be freed; its texts are the document's. */
struct core_config settings_read(const struct jcur *j, const char ***excluded);
void settings_keep_images(struct core *c, const struct core_config *cfg);
void settings_drop_images(struct core *c);
void settings_change(struct core *c, const struct core_config *to);

extern const char *const record_event_names[], *const record_happening_names[],
                                                   *const record_result_names[];

/* persist.c: the members "bindings" and "disk" of the object that is being written or read */
void bindings_write(struct jw *w, const struct port_binding *all, size_t n);
void bindings_read(const struct jcur *c, struct port_binding **out, size_t *n); /* *n is 0 */
void disk_write(struct jw *w, const struct core_disk *d);
void disk_read(const struct jcur *c, struct core_disk *d); /* `c` is "disk" itself */
void task_write_state(const struct core_task *t, struct jw *w, bool full);
MUST_CHECK enum err_code task_read_state(struct core *c, struct core_task *t,
                                         const struct jcur *saved, bool full);
