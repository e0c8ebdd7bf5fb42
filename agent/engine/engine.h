#pragma once
/* engine: carries out what the core decides. The only owner of a struct core.
 *
 * Events that arrive in one turn of the loop are stepped together; their store
 * entries are committed as one transaction on a worker thread, then the other
 * actions are carried out; events that arrive meanwhile wait for that. Below:
 * base, io, task, config, core, store, docker, host. What lies beside (control, logs)
 * is reached through `struct engine_peers`, which main.c connects. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"
#include "core/core.h"
#include "docker/docker.h"
#include "io/loop.h"
#include "store/store.h"

struct engine;

/* What the engine asks of its neighbors; every outcome comes back by the calls
 * below, on a later turn. */
struct engine_peers {
    void (*ack)(void *user, const char *message_id);
    /* More messages of the control plane wait than ENGINE_BUSY_MESSAGES, or they hold more than
     * ENGINE_BUSY_TASKS: no more are to be brought until it says false. Not while the store
     * cannot be written, which may take long. May be called from inside engine_payload and its
     * like. */
    void (*busy)(void *user, bool busy);
    void (*stop_verify)(void *user, const char *message_id, const char *cluster_arn,
                        const char *const *arns, size_t n);
    void (*report)(void *user, uint64_t id, struct str body);
    /* A container runs (or ran, at start-up): its log may be followed. `secrets`: the values of its
     * log options that are secrets (target LOG_DRIVER), borrowed for the call; none at start-up,
     * when they are not here any more. */
    void (*follow)(void *user, const struct task *t, size_t container, const char *docker_id,
                   const struct task_kv *secrets, size_t n_secrets);
    /* An inspect saw it: what it said is in engine_detail (pid 0: it does not run). */
    void (*seen)(void *user, const struct task *t, size_t container, const struct ctr_facts *f);
    /* Can the log of the container be shipped as its options say? An error stops the task before
     * the create, with its text as the reason. NULL: always. */
    enum err_code (*log_check)(void *user, const struct task *t, size_t container,
                               const struct task_kv *secrets, size_t n_secrets, struct err *e);
    /* What is known of the task has changed, or of a container of it; durably. Asked of the core,
     * it is the new state. */
    void (*changed)(void *user, const struct task *t);
    /* A container is about to be created: make its metadata file; answer with engine_filed.
     * NULL: there are none. */
    void (*file)(void *user, uint64_t id, const struct task *t, size_t container);
    /* Ship the rest of its log; answer with engine_drained. */
    void (*drain)(void *user, uint64_t id, const char *docker_id, int64_t timeout_ms);
    /* Fetch the secrets, environment files or registry passwords of a task (the
     * CORE_OP_FETCH_* of `op`); answer with engine_fetched. NULL with fetch_cancel: a task
     * that needs them fails with a reason. */
    void (*fetch)(void *user, uint64_t id, enum core_op op, const struct task *t);
    void (*fetch_cancel)(void *user, uint64_t id);
    /* The task stopped with a failure (CORE_ACT_FAILED): `container` is the one that failed,
     * SIZE_MAX: none. Once for each life of the agent in which the task is known. */
    void (*failed)(void *user, const char *task_arn, size_t container, const char *line);
    /* The task is removed, durably: nothing of it needs to be kept. */
    void (*gone)(void *user, const char *task_arn);
    /* The store refuses what it is given (a full or failing disk is waited for
     * instead), with the cause; the agent must end (exit 1). */
    void (*fatal)(void *user, const struct err *e);
};

struct engine_args {
    struct loop *loop;
    struct store *store;
    struct docker *docker;
    const struct config *config;
    struct core_config core;
    struct docker_auths *auths;   /* borrowed; NULL: none */
    struct host_cgroups *cgroups; /* borrowed; NULL: tasks get none */
    const char *docker_root;      /* of docker_info: whose disk is watched; NULL: none */
    bool selinux;                 /* of docker_info */
    bool propagate_memory;        /* ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2, on version 2 */
    const char *record_dir;       /* flight record goes there; NULL: none */
    const char *version;          /* of the agent, for the record's header */
    const char *owner;            /* tells this agent's containers from those of others: its data
                                     directory. What has it, and is not stored, is rebuilt */
};

/* Loads what the store holds into the core, subscribes to the engine's events,
 * and begins when the containers are listed for the first time: until then all that
 * comes waits. No peer is called before the next turn. docker_negotiate must have
 * succeeded. ERR_INVALID: a stored task cannot be read (it is named; the others
 * are kept and the engine runs: *out is set). */
MUST_CHECK enum err_code engine_create(const struct engine_args *args,
                                       const struct engine_peers *peers, void *user,
                                       struct engine **out, struct err *e);
/* Waits for a commit under way, applies what waits and commits it, then silence.
 * Nothing else is carried out: the next start goes on from the store. The docker
 * client is to be destroyed before the loop runs again. NULL is fine. */
void engine_destroy(struct engine *en);

/* While the store cannot be written, the engine goes on in memory, tries again with backoff, and
 * does all that core_needs_store lets: tasks are stopped, looked at and reported, images go; no
 * container is created or removed, and no message acknowledged. When it can, all of it is
 * written as one transaction.
 *
 * Facts from the neighbors. Takes the tasks it is given. Messages that wait for a commit, or
 * for the first list of containers, and are over ENGINE_MAX_MESSAGES are dropped with a
 * warning (the first of them, and how many when there is room again): they are not acknowledged,
 * so the control plane sends them again. Otherwise the `busy` of the peers keeps them from
 * coming. */
#define ENGINE_MAX_MESSAGES  64
#define ENGINE_BUSY_MESSAGES 16
#define ENGINE_BUSY_TASKS    100
void engine_payload(struct engine *en, const char *message_id, int64_t seq,
                    struct core_payload_task *tasks, size_t n);
void engine_manifest(struct engine *en, const char *message_id, const char *cluster_arn,
                     int64_t seq, const struct core_manifest_entry *entries, size_t n);
void engine_stop_ack(struct engine *en, const char *message_id, const char *const *arns, size_t n);
void engine_reported(struct engine *en, uint64_t id, enum core_report_result result,
                     const char *error);
void engine_control_up(struct engine *en);
/* The local tasks there are to be now. Takes the tasks. */
void engine_local(struct engine *en, struct core_local_def *defs, size_t n);
void engine_drained(struct engine *en, uint64_t id);
/* `dir`: the folder that has it, for the container to see; NULL: it gets none. */
void engine_filed(struct engine *en, uint64_t id, const char *dir);
/* ERR_RETRY: the task's credentials are not here yet. Other errors carry the task's
 * reason. The values are copied, kept in memory only, and wiped with the task. */
struct engine_value {
    size_t container;
    enum {
        ENGINE_VALUE_ENV,
        ENGINE_VALUE_LOG_OPTION,
        ENGINE_VALUE_FILE,
        ENGINE_VALUE_AUTH,   /* the X-Registry-Auth value */
        ENGINE_VALUE_NO_AUTH /* why there is none: the container's image cannot be pulled */
    } kind;
    const char *name, *value; /* AUTH, NO_AUTH: without a name */
};
void engine_fetched(struct engine *en, uint64_t id, const struct engine_value *values, size_t n,
                    const struct err *e);

/* Joins the next transaction: values of other modules (cursors, metadata). A
 * cursor alone waits up to a second for company. Keys and values are copied. */
void engine_save(struct engine *en, enum store_kind kind, const char *key, const char *value);
void engine_forget(struct engine *en, enum store_kind kind, const char *key);

/* The operator changed his mind: `config`, which must stay, `auths` (NULL: none) and `core`
 * (whose texts are copied) count from now on; see CORE_EV_SETTINGS for what stays. */
void engine_reconfigure(struct engine *en, const struct config *config,
                        const struct docker_auths *auths, const struct core_config *core);

/* The host goes down: all tasks are stopped in their order (CORE_EV_CLOSE), and those that come
 * are left unanswered, until the agent ends. */
void engine_close(struct engine *en);

/* What the last inspect of a container said beyond what the core needs; NULL when there was
 * none. Borrowed until the loop runs on. */
struct engine_detail {
    struct docker_details docker;
    enum ctr_health health;
    int64_t health_since_ms; /* when it became so; wall; 0: never */
    bool has_health_exit;    /* of the probe that made it unhealthy; stays */
    int health_exit;
    char *health_output; /* of the probe that changed it; NULL: none */
};
const struct engine_detail *engine_detail(const struct engine *en, const char *task_arn,
                                          size_t container);

/* Takes the values that were fetched for the task out of a text (base/redact.h). False, and the
 * text is as it was: the task has such values, and they are not known any more (the agent was
 * restarted, or the task is gone), so that the text may not be shown. */
bool engine_redact(const struct engine *en, const char *task_arn, struct buf *text);

/* The task of the container that has this address ("172.17.0.4"); NULL: none of ours. Borrowed
 * likewise. */
const char *engine_task_at(const struct engine *en, const char *address);

/* Holds a container back (its processes are frozen) or lets it go on: what a log in blocking mode
 * asks for when its spool is full. Tried until it is so or the container has ended; the last call
 * counts. A container that is to be stopped is let go first, and is not held again; one that was
 * held by an earlier process of the agent is found held at the start, and is let go when nobody
 * asks for it again within ENGINE_HOLD_GRACE_MS (while there is no agent, it stays held). One that
 * a person has paused is left so, and held when he lets it go; one that he lets go though it is
 * held stays so until the next wish. */
#define ENGINE_HOLD_GRACE_MS 30000
void engine_hold(struct engine *en, const char *docker_id, bool held);
/* Has it containers that may have an address already, which no inspect has told yet? Those that
 * are only created count too. */
bool engine_unseen(const struct engine *en);

/* What the container engine tells, in the core's words; pure. `out` is of type CORE_EV_CONTAINER,
 * its texts borrowed from `from`. */
void engine_happening(const struct docker_event *from, struct core_event *out);
enum ctr_status engine_listed_status(const char *state); /* of a docker_listed; NULL: it has none */

const struct core *engine_core(const struct engine *en); /* for questions only */

struct engine_totals {
    uint64_t events;                     /* stepped since the start */
    size_t events_waiting;               /* for a turn, or for the store */
    uint64_t commits_failed;             /* each try counts */
    const char *unsaved;                 /* why the store cannot be written; NULL: it can */
    int64_t unsaved_ms;                  /* for how long */
    const struct histogram *commit_time; /* of all tries, in microseconds; borrowed */
    uint64_t record_bytes;               /* of the flight record's present file; 0: off */
};
void engine_get_totals(const struct engine *en, struct engine_totals *out);

/* One line of what happened (a note of the core) as JSON, as it happens, and the
 * last ENGINE_EVENTS_KEPT of them. */
#define ENGINE_EVENTS_KEPT 1000
typedef void engine_event_fn(void *user, const char *json_line);
void engine_each_event(const struct engine *en, engine_event_fn *fn, void *user);
/* One observer; NULL takes it away. */
void engine_observe(struct engine *en, engine_event_fn *fn, void *user);
