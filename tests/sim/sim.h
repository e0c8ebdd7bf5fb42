#pragma once
/* sim: the core against a simulated store, engine and control plane.
 *
 * One seed is one history: tasks with random dependency graphs arrive, stop, are
 * sent again; containers end, fail, hang, vanish; replies are late, lost, doubled
 * and out of order; the engine and the control plane go away; the agent is killed
 * between any two actions. At the end everything is asked to stop, everything is
 * repaired, and what remains must be nothing. The laws checked on the way are
 * those of the architecture (numbers 1 to 8).
 *
 *   main.c     seeds, processes, the verbose replay of one
 *   world.c    time: what happens next
 *   agent.c    the agent process: inbox, group commit, crash and restart
 *   engine.c   Docker
 *   control.c  the control plane
 *   gen.c      random tasks
 *   laws.c     what must hold */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/core.h"

#define MAX_TASKS  14
#define MAX_CTRS   6
#define MAX_STORED 128

struct sim;
typedef void item_fn(struct sim *s, void *arg);

/* ---- the simulated engine ---- */

enum box_state { BOX_CREATED, BOX_RUNNING, BOX_EXITED };

struct box { /* a container of the engine */
    struct list node;
    char id[40];
    char *name;
    struct sim_task *task;
    size_t index;
    enum box_state state;
    int exit_code;
    bool oom, has_exit;
    bool healthy_now, healthy_once, ran_once;
    int64_t created, started, finished;
    int generation; /* of its current run */
};

/* ---- tasks as the control plane sees them ---- */

struct sim_dep {
    size_t target;
    enum dep_condition cond;
};

struct sim_ctr {
    bool essential, has_health;
    bool bad_image, fails_create, fails_start;
    int64_t life_ms; /* -1: until stopped */
    int exit_code;
    int64_t stop_ms;       /* how long it takes to obey SIGTERM */
    int64_t healthy_after; /* -1: never */
    uint16_t port;
    size_t n_deps;
    struct sim_dep deps[MAX_CTRS];
    /* history, for the laws; survives the removal of its box */
    bool ever_created, ever_ran, ever_healthy, ever_exited;
    int last_exit;
};

struct sim_task {
    char arn[96];
    char *json;
    size_t n_ctrs;
    struct sim_ctr ctrs[MAX_CTRS];
    int64_t cpu, memory;
    bool sent, acked, broken;
    bool stop_sent;                     /* by a payload or a stop verification */
    enum task_status accepted;          /* highest report accepted */
    int stopped_reports, allowed_again; /* lost replies and crashes excuse repetitions */
    int known_stored;                   /* highest `known` committed */
    int64_t fits_since;                 /* waiting although it fits, since; -1 */
};

/* ---- the agent ---- */

struct stored {
    enum core_kind kind;
    char *key, *value;
};

struct inbox_event {
    struct core_event ev;
    /* owned by the entry */
    char *strings[6];
    struct core_payload_task *tasks;
    struct core_listed *rows;
    struct core_manifest_entry *entries;
    const char **arns;
    size_t n_owned; /* strings inside rows, entries or arns belong to `pool` */
    char **pool;
    size_t n_pool;
    struct ctr_facts facts;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    bool verbose;
    int64_t now;
    int64_t wall_offset;
    struct item *heap;
    size_t heap_len, heap_cap;
    uint64_t ordinal;
    char broken_law[512]; /* "" while all hold */
    uint64_t steps;
    bool finishing; /* no more trouble is made */
    bool over;      /* only what is left in the heap is let run out */

    /* agent */
    struct core *core, *shadow;
    int life; /* counts restarts; callbacks of an earlier life are dropped */
    bool alive, committing;
    struct inbox_event **inbox;
    size_t n_inbox, cap_inbox;
    struct core_actions pending;
    struct stored store[MAX_STORED];
    size_t n_store;
    int64_t timer_at;
    int crashes;

    /* engine */
    struct list boxes;
    uint64_t next_box;
    bool engine_up, stream_up;
    bool image_here[4];

    /* control plane */
    struct sim_task tasks[MAX_TASKS];
    size_t n_tasks;
    bool control_up;
    uint64_t next_message;
    int64_t seq;
    int64_t cpu_total, memory_total, ageing_ms;
};

/* world.c */
void at(struct sim *s, int64_t delay, item_fn *fn, void *arg);
bool world_step(struct sim *s); /* false: nothing is left to happen */
void world_fini(struct sim *s);
int64_t pick(struct sim *s, int64_t lo, int64_t hi); /* inclusive */
bool chance(struct sim *s, int percent);
void trace(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
int64_t wall(const struct sim *s);

/* agent.c */
void agent_start(struct sim *s);
void agent_crash(struct sim *s);
struct inbox_event *event_new(enum core_event_type type);
void event_free(struct inbox_event *e);
/* Delivers to the living agent (takes `e`), or drops it. */
void agent_deliver(struct sim *s, struct inbox_event *e);
void agent_fini(struct sim *s);
const char *agent_stored(struct sim *s, enum core_kind kind, const char *key);

/* engine.c */
void engine_op(struct sim *s, const struct core_action *a);
void engine_cancel(struct sim *s, uint64_t id);
void engine_outage(struct sim *s);
void engine_repair(struct sim *s);
void engine_meddle(struct sim *s);     /* somebody kills or removes a container */
void engine_agent_came(struct sim *s); /* it subscribes */
struct box *engine_find(struct sim *s, const struct sim_task *t, size_t index);
void engine_fini(struct sim *s);

/* control.c */
void control_begin(struct sim *s);
void control_report(struct sim *s, uint64_t id, const char *body);
void control_ack(struct sim *s, const char *message_id);
void control_stop_verify(struct sim *s, const char *message_id, char **arns, size_t n);
void control_agent_came(struct sim *s);
void control_finish(struct sim *s); /* wants everything stopped, answers from now on */
struct sim_task *control_task(struct sim *s, const char *arn);
void control_fini(struct sim *s);

/* gen.c */
void gen_task(struct sim *s, struct sim_task *t, size_t number);

/* laws.c */
void broken(struct sim *s, int law, const char *fmt, ...) PRINTF_LIKE(3, 4);
void law_action(struct sim *s, const struct core_action *a); /* before it is carried out */
void law_stored(struct sim *s, const struct core_action *put);
void law_always(struct sim *s); /* after each step */
void law_end(struct sim *s);

/* main.c */
bool sim_run(uint64_t seed, bool verbose, struct sim *s);
