#pragma once
/* core: every decision of the agent, and nothing else.
 *
 * A deterministic state machine: no I/O, no clock, no threads, no randomness
 * but a generator seeded at creation. The same configuration and the same
 * events give the same actions, byte for byte. Below: base, task, config.
 *
 * The caller (the engine) turns the world into events and carries the actions
 * out in this order: the store entries of all events stepped together are
 * committed as one batch and durable, then the rest, in the order given. A
 * crash between the two is harmless: every action can be repeated.
 *
 * Bounds: CORE_MAX_TASKS tasks (a further one is refused and reported STOPPED);
 * per task TASK_MAX_CONTAINERS; one operation per container and one report per
 * task in flight. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"
#include "base/histogram.h"
#include "base/json.h"
#include "config/config.h"
#include "task/task.h"

#define CORE_MAX_TASKS   20000
#define CORE_MAX_REPORTS 10 /* in flight at once */

struct core;

struct core_config {
    uint64_t seed;
    int64_t cpu_units;  /* of the host; 1024 a core */
    int64_t memory_mib; /* less the reserved memory */
    const uint16_t *reserved_tcp;
    size_t n_reserved_tcp;
    const uint16_t *reserved_udp;
    size_t n_reserved_udp;
    enum pull_behavior pull_behavior;
    bool pull_upfront;       /* pull before dependencies are met */
    int64_t stop_timeout_ms; /* for containers without their own */
    int64_t create_timeout_ms, start_timeout_ms;
    int64_t manifest_timeout_ms, pull_timeout_ms, pull_inactivity_ms;
    int64_t cleanup_wait_ms, cleanup_jitter_ms;
    int64_t drain_ms;   /* how long removal waits for the container's logs */
    int64_t ageing_ms;  /* see core/capacity.h */
    int start_parallel; /* creates, and as many starts, under way at once; pacing */
    int pull_parallel;
    bool exclude_ipv6_binding, exclude_ipv4_binding; /* of all addresses; not reported */
    uint16_t port_first, port_last;                  /* host ports to choose from */
    bool task_cgroups;                               /* each task gets a cgroup of its own */
    /* The control plane is told how the container ended that took its task down, where there
     * is no reason to tell otherwise. */
    bool stop_digest;
    /* Images. Both kinds of cleanup leave alone what is in use, excluded or being
     * pulled. */
    bool image_cleanup;     /* the reference's, by age */
    bool disk_cleanup;      /* ours: by the watermarks of Docker's disk */
    bool untracked_cleanup; /* also images and containers that no task brought */
    int64_t image_interval_ms, image_min_age_ms, untracked_min_age_ms;
    int images_per_cycle, containers_per_cycle;
    const char *const *excluded_images; /* borrowed for core_create; copied */
    size_t n_excluded_images;
    int disk_high_pct, disk_low_pct; /* of bytes or inodes, whichever is fuller */
    int64_t disk_check_ms;
};

/* The two clocks of one event. Delays are measured on mono_ms; wall_ms is what
 * reports and the store carry. */
struct core_time {
    int64_t mono_ms;
    int64_t wall_ms;
};

struct core *core_create(const struct core_config *cfg); /* copies */
void core_destroy(struct core *c);                       /* NULL is fine */

/* ---- events: facts ---- */

enum core_event_type {
    CORE_EV_RESTORED,       /* one stored task; before STARTED */
    CORE_EV_RESTORED_IMAGE, /* one stored image; before STARTED */
    CORE_EV_LOCAL,          /* the local tasks there are to be, all of them */
    CORE_EV_SETTINGS,       /* the operator changed his mind */
    CORE_EV_STARTED,        /* everything stored was given; the engine answers */
    CORE_EV_PAYLOAD,        /* tasks from the control plane */
    CORE_EV_MANIFEST,       /* what the control plane believes runs here */
    CORE_EV_STOP_ACK,       /* its answer to our stop candidates */
    CORE_EV_OP_DONE,        /* an operation finished */
    CORE_EV_CONTAINER,      /* the engine said something happened to a container */
    CORE_EV_LISTED,         /* every container there is: before STARTED, so that what is not
                               stored is known before anything is decided; and after the event
                               stream was opened again */
    CORE_EV_REPORTED,       /* a report was accepted, refused, or failed */
    CORE_EV_CONTROL_UP,     /* something on a path to the control plane succeeded */
    CORE_EV_CLOSE,          /* the host goes down: everything is to stop; for good */
    CORE_EV_TIMER,          /* the time asked for has come */
};

/* What the core asks the shell to do with the engine. */
enum core_op {
    CORE_OP_NONE,
    CORE_OP_INSPECT_IMAGE, /* answer: image, or ERR_NOT_FOUND */
    CORE_OP_MANIFEST,      /* asks the registry for the digest; answer: image.digest, "" when
                              the manifest is of an old kind that has none */
    CORE_OP_PULL,          /* by `digest` when it is given, then tagged with `ref` */
    CORE_OP_PORTS,         /* finds and holds free host ports; answer: ports */
    CORE_OP_CREATE,        /* answer: container_id */
    CORE_OP_START,
    CORE_OP_STOP,
    CORE_OP_INSPECT,    /* answer: facts */
    CORE_OP_DRAIN_LOGS, /* ship what is left of the container's log */
    CORE_OP_REMOVE,
    /* Of a resource of a task. */
    CORE_OP_CREATE_VOLUME, /* found, or made when it may be; ERR_NOT_FOUND */
    CORE_OP_REMOVE_VOLUME,
    CORE_OP_CREATE_CGROUP, /* with the task's limits; there already is success */
    CORE_OP_REMOVE_CGROUP,
    CORE_OP_FETCH_SECRETS,   /* of the whole task; the shell keeps the values */
    CORE_OP_FETCH_ENV_FILES, /* of the whole task */
    CORE_OP_FETCH_AUTH,      /* registry passwords of the whole task */
    CORE_OP_FORGET_SECRETS,  /* wipes all that was fetched for the task */
    /* Of the agent. */
    CORE_OP_LIST_IMAGES,   /* answer: images, disk */
    CORE_OP_LOOK_AT_DISK,  /* answer: disk */
    CORE_OP_REMOVE_IMAGE,  /* `ref`: a name or id; never forced */
    CORE_OP_LIST_OTHERS,   /* answer: others: containers without a label of this cluster's tasks */
    CORE_OP_INSPECT_OTHER, /* answer: facts */
    CORE_OP_REMOVE_OTHER,
    CORE_OP__COUNT
};

enum core_happening { /* the engine's event types that matter */
                      CORE_HAP_CREATED,
                      CORE_HAP_STARTED,
                      CORE_HAP_DIED,
                      CORE_HAP_OOM,
                      CORE_HAP_HEALTH,
                      CORE_HAP_DESTROYED,
};

enum core_report_result {
    CORE_REPORT_ACCEPTED,
    CORE_REPORT_REFUSED, /* InvalidParameterException: never send it again */
    CORE_REPORT_FAILED,  /* try again */
};

struct core_payload_task {
    struct task *task; /* taken by core_step (NULL afterwards); NULL: could not be decoded */
    const char *arn;   /* of an undecodable task; NULL when not even that was found */
    const char *error; /* why it could not be decoded */
};

/* An image as the engine has it. */
struct core_image {
    const char *id;
    const char *digest;       /* of the reference that was asked for; "" or NULL: none */
    const char *const *names; /* "repo:tag"; may be none */
    size_t n_names;
    int64_t size, created_ms;
};

/* The disk that holds the engine's files. */
struct core_disk {
    int64_t bytes, bytes_used, inodes, inodes_used; /* bytes is 0: unknown */
};

struct core_other {
    const char *id, *name, *state; /* "exited", "dead", "created", ... */
};

/* A local task: from a file of the host, without a control plane. */
struct core_local_def {
    const char *name;   /* of the file, without ".json" */
    const char *digest; /* of its content: another digest is another task */
    struct task *task;  /* taken by core_step; its ARN is replaced for each run */
    bool once;          /* `berth run`: not restarted when it ends */
};

struct core_manifest_entry {
    const char *arn;
    enum task_status desired;
};

struct core_listed {
    const char *id, *name;
    const char *task_arn;   /* label */
    enum ctr_status status; /* CREATED, RUNNING or STOPPED */
    const char *remains;    /* LABEL_REMAINS ("" when it is not there) if LABEL_OWNER says that
                               this agent made it; else NULL: it is left alone */
};

/* Everything is borrowed for the call, except tasks in a payload and in RESTORED. */
struct core_event {
    enum core_event_type type;
    union {
        struct {
            struct task *task; /* taken */
            const char *state; /* the value of CORE_KIND_STATE, or NULL if it is lost */
        } restored;
        struct {
            const char *value; /* of CORE_KIND_IMAGE */
        } restored_image;
        struct {
            struct core_local_def *defs;
            size_t n_defs;
        } local;
        struct {
            /* Counts from now on, but for capacity, reserved and chosen ports, and cgroups. */
            const struct core_config *config;
        } settings;
        struct {
            int64_t manifest_seq;   /* stored; -1 when none */
            bool lost;              /* the store has lost tasks: now, or CORE_META_LOST says so */
            int64_t engine_took_ms; /* to answer when it was first asked */
        } started;
        struct {
            const char *message_id;
            int64_t seq; /* seqNum; -1 when absent */
            struct core_payload_task *tasks;
            size_t n_tasks;
        } payload;
        struct {
            const char *message_id, *cluster_arn;
            int64_t seq; /* "timeline" on the wire */
            const struct core_manifest_entry *entries;
            size_t n_entries;
        } manifest;
        struct {
            const char *message_id;
            const char *const *arns;
            size_t n_arns;
        } stop_ack;
        struct {
            uint64_t id;
            struct err err;                  /* code ERR_OK: success */
            const char *container_id;        /* CREATE */
            const struct core_image *images; /* INSPECT_IMAGE, MANIFEST: one; LIST_IMAGES */
            size_t n_images;
            struct core_disk disk; /* LIST_IMAGES, LOOK_AT_DISK */
            const uint16_t *ports; /* PORTS: one for each port of the container, 0 where
                                                it names its own; a range's first */
            size_t n_ports;
            const struct core_other *others; /* LIST_OTHERS */
            size_t n_others;
            const struct ctr_facts *facts; /* INSPECT, INSPECT_OTHER */
        } op;
        struct {
            enum core_happening what;
            const char *id, *name, *task_arn;
            bool has_exit_code;
            int exit_code;
            enum ctr_health health;
        } container;
        struct {
            const struct core_listed *rows;
            size_t n_rows;
        } listed;
        struct {
            uint64_t id;
            enum core_report_result result;
            const char *error; /* of a failed or refused one */
        } reported;
    } u;
};

/* ---- actions: wishes ---- */

enum core_kind { CORE_KIND_META, CORE_KIND_TASK, CORE_KIND_STATE, CORE_KIND_IMAGE };

#define CORE_META_MANIFEST_SEQ "task-manifest-seq-num"
/* Until all that was lost is found or given up; the store's own name for it. */
#define CORE_META_LOST "state-lost"

enum core_action_type {
    CORE_ACT_PUT,
    CORE_ACT_DELETE,
    CORE_ACT_ACK,         /* the message is accepted and durable */
    CORE_ACT_STOP_VERIFY, /* ask whether these tasks may be stopped */
    CORE_ACT_OP,
    CORE_ACT_CANCEL, /* of an operation; no OP_DONE is expected */
    CORE_ACT_REPORT,
    CORE_ACT_TIMER, /* give CORE_EV_TIMER at this time; replaces the earlier one */
    CORE_ACT_NOTE,  /* for a human */
    /* The task is STOPPED, and that was not asked for, or only because it was unhealthy. Said
     * again after a restart, as long as the task is known. */
    CORE_ACT_FAILED,
};

struct core_action {
    enum core_action_type type;
    enum core_kind kind; /* PUT, DELETE */
    char *key;           /* PUT, DELETE: key; ACK, STOP_VERIFY: message id */
    char *value;         /* PUT: value; STOP_VERIFY: cluster ARN; REPORT: body; NOTE: text;
                            FAILED: one line, at most 255 bytes */
    char **arns;         /* STOP_VERIFY: candidates */
    size_t n_arns;
    uint64_t id;             /* OP, CANCEL, REPORT: never 0 */
    enum core_op op;         /* OP */
    char *task_arn;          /* OP, REPORT, FAILED, NOTE (NULL: of the agent) */
    size_t container;        /* OP: index; NOTE, FAILED: index or SIZE_MAX */
    size_t volume;           /* OP CREATE_VOLUME, REMOVE_VOLUME: index */
    char *digest;            /* OP PULL: NULL: by name */
    char *ref;               /* OP: id or name of the container; image for image operations;
                                for CREATE the name to give; Docker name of a volume; id of a
                                container that is not ours */
    int64_t timeout_ms;      /* OP */
    int64_t idle_timeout_ms; /* OP PULL */
    int64_t stop_timeout_s;  /* OP STOP */
    int64_t at_ms;           /* TIMER, on mono_ms; -1: none */
    bool warning;            /* NOTE */
};

struct core_actions {
    struct core_action *items; /* owned */
    size_t n, cap;
};
void core_actions_fini(struct core_actions *a); /* frees; usable again */

/* Applies one event and appends what is to be done. A REPORT's body is the
 * SubmitTaskStateChange request without its "cluster" member. */
void core_step(struct core *c, struct core_time now, struct core_event *ev,
               struct core_actions *out);

/* Does this action have to wait until the entries of its step are durable? The others may be
 * carried out while the store cannot be written; these are answered instead, as tried in vain
 * (OP: ERR_RETRY; REPORT: CORE_REPORT_FAILED), and an ACK waits or is left out: who sent the
 * message will send it again. To be asked when they are about to be carried out. */
bool core_needs_store(const struct core *c, const struct core_action *a);

/* ---- questions; all borrowed until the next step ---- */

const struct task *core_task(const struct core *c, const char *arn); /* NULL: unknown */
const char *core_docker_name(const struct core *c, const char *arn, size_t container);
const char *core_docker_id(const struct core *c, const char *arn, size_t container); /* or NULL */
const char *core_metadata_id(const struct core *c, const char *arn, size_t container);
/* The host ports chosen for it, one for each of its ports (0: none chosen); NULL: none. */
const uint16_t *core_host_ports(const struct core *c, const char *arn, size_t container);
/* Whether they still are the container's: not once it has ended. */
bool core_holds_ports(const struct core *c, const char *arn, size_t container);
/* Whether a task holds this host port, or it is reserved. */
bool core_port_taken(const struct core *c, enum port_proto proto, uint16_t port);
/* Whether the task is a local one (CORE_EV_LOCAL). */
bool core_is_local(const struct core *c, const char *arn);
/* The run of a local task that is not stopped, and the digest of what it was made from;
 * NULL: there is none. Borrowed until the next step. */
const struct task *core_local_run(const struct core *c, const char *name, const char **digest);
/* The task whose ARN or id is `text`, or the only one whose id starts so; NULL if
 * there is none or more than one. */
const char *core_find_arn(const struct core *c, const char *text);
size_t core_task_count(const struct core *c);
/* Whether a task knows this container: by its name from before it is made. One of our own that no
 * task knows was asked for before the store was lost, and is looked after once it is LISTED. */
bool core_owns(const struct core *c, const char *id, const char *name);
/* The containers that run or have run and are not removed: for what follows
 * their logs after a start of the agent. */
typedef void core_container_fn(void *user, const struct task *t, size_t container,
                               const char *docker_id, enum ctr_status known);
void core_each_container(const struct core *c, core_container_fn *fn, void *user);

/* What is known of a task and of one of its containers, for those who show it to others. All
 * borrowed; false: unknown. */
struct core_seen_task {
    const struct task *def;
    enum task_status desired, known;
    int64_t pull_started_ms, pull_stopped_ms, execution_stopped_ms; /* wall; 0: not yet */
    int64_t arrived_ms, stopped_ms;                                 /* likewise */
    const char *reason;                                             /* NULL: none */
    bool local;
};
struct core_seen_container {
    const char *docker_name;          /* NULL: not created yet */
    const char *docker_id, *image_id; /* NULL: not known */
    enum ctr_status desired, known;
    bool has_exit_code;
    int exit_code;
    int64_t created_ms, started_ms, finished_ms; /* wall; 0: not yet */
    enum ctr_health health;
    int restarts;
    const char *error_name, *error_text; /* NULL: none */
    const struct port_binding *bindings; /* of both families, whatever the reports leave out */
    size_t n_bindings;
};
bool core_see_task(const struct core *c, const char *arn, struct core_seen_task *out);
bool core_see_container(const struct core *c, const char *arn, size_t container,
                        struct core_seen_container *out);
/* The container with this id (core_metadata_id). */
bool core_find_metadata(const struct core *c, const char *metadata_id, const char **arn,
                        size_t *container);
typedef void core_task_fn(void *user, const struct task *t);
void core_each_task(const struct core *c, core_task_fn *fn, void *user);

/* Numbers of the whole, for those who watch. */
struct core_totals {
    size_t tasks[TASK_STOPPED + 1];     /* by known status */
    size_t containers[CTR_STOPPED + 1]; /* likewise */
    size_t tasks_waiting_for_room;
    int64_t cpu_total, cpu_used, memory_mib_total, memory_mib_used;
    size_t reports_unsent;                   /* tasks of which something is not accepted yet */
    int64_t oldest_unsent_ms;                /* for how long it is known; 0: there is none */
    const struct histogram *report_lag;      /* from known to accepted, in ms; borrowed */
    size_t images;                           /* that tasks brought */
    struct core_disk disk;                   /* as last seen */
    uint64_t images_removed, others_removed; /* containers of no task */
    uint64_t restarts;                       /* of containers, by their policy */
    bool closed;                             /* CORE_EV_CLOSE was stepped */
};
void core_get_totals(const struct core *c, struct core_time now, struct core_totals *out);

/* One object for one task: status, containers, ports, reasons, what is unsent. */
void core_write_task(const struct core *c, const char *arn, struct jw *w);
/* An array of them, in order of arrival. */
void core_write_tasks(const struct core *c, struct jw *w);
/* An object: host capacity (total, used, free), tasks by status, reports waiting. */
void core_write_status(const struct core *c, struct jw *w);
/* An array of sentences about what the task waits for: [{"container": name or
 * absent, "waits_for": text, "for_ms": n}]; empty when it waits for nothing. */
void core_write_why(const struct core *c, const char *arn, struct core_time now, struct jw *w);
/* An array of the stages of the task, then of each container: [{"stage": name, "container":
 * name or absent for the task's own, "from": when it was first entered, "for_ms": how long in
 * all, "done": false while it is in it}]. A container is in one stage at a time from its
 * task's arrival to its end, so its stages add up. The names are those of enum core_stage in
 * core/state.h. Lengths never go back, whatever the wall clock does. */
void core_write_stages(const struct core *c, const char *arn, struct core_time now, struct jw *w);

/* ---- tasks of another agent ---- */

/* One container of a task that another agent has run until now. */
struct core_taken_container {
    const char *docker_id, *docker_name; /* NULL: it was not made */
    const char *metadata_id;             /* NULL: it has none */
    enum ctr_status known, sent;
    bool has_exit_code;
    int exit_code;
    const char *error_name, *error_text; /* NULL: none */
    int64_t started_ms;                  /* wall; 0: not yet */
    const uint16_t *host_ports;          /* as core_host_ports gives them */
    int restarts;
    int64_t restarted_ms; /* the last one; 0: never */
};

struct core_taken {
    enum task_status desired, known, sent;
    const char *reason; /* why it is to be stopped; NULL: it is not, or was asked to */
    int64_t arrived_ms, pull_started_ms, pull_stopped_ms, execution_stopped_ms,
        stopped_ms;                                /* wall */
    int64_t cleanup_delay_ms;                      /* after stopped_ms */
    const struct core_taken_container *containers; /* one for each of the task's */
};

/* The value of CORE_KIND_STATE with which the task goes on: what is there is looked at before
 * anything is decided, what is not yet there is made. Pure; free() it. */
char *core_taken_state(const struct task *def, const struct core_taken *from, uint64_t seed);

/* ---- flight records ---- */

/* The whole state, so that a core made from it by core_load gives the same
 * actions to the same further events. Without secrets: environment and option
 * values are blank. One JSON object. */
void core_save(const struct core *c, struct jw *w);
MUST_CHECK enum err_code core_load(const struct jcur *saved, struct core **out, struct err *e);

/* An event with its time as one JSON object, and back. Environment and option
 * values are blanked. The read event borrows the document and `arena` (free it
 * with core_event_arena_destroy after the step); the task of a RESTORED event is
 * the step's to take. */
struct core_event_arena;
void core_event_write(struct jw *w, struct core_time now, const struct core_event *ev);
MUST_CHECK enum err_code core_event_read(const struct jcur *c, struct core_time *now,
                                         struct core_event *ev, struct core_event_arena **arena,
                                         struct err *e);
void core_event_arena_destroy(struct core_event_arena *a); /* NULL is fine */

/* An action as one JSON object; PUT values only by their length. */
void core_action_write(struct jw *w, const struct core_action *a);

const char *core_op_name(enum core_op op); /* "create" */
/* "SIGSEGV" for 139, as shells and Docker count; NULL when it says no known signal. */
const char *core_signal_name(int exit_code);
