#pragma once
/* sim: the core against a simulated store, engine, registry, host and control plane.
 *
 * One seed is one history: tasks with random dependency graphs arrive, stop, are
 * sent again; containers end, fail, hang, vanish; replies are late, lost, doubled
 * and out of order; the registry lies; strangers take ports and fill the disk; the
 * engine and the control plane go away; the host goes down; the agent is killed between any
 * two actions. At the end everything is asked to stop, everything is repaired, and what
 * remains must be nothing. The laws checked on the way are those of the
 * architecture.
 *
 *   main.c       seeds, processes, the verbose replay of one
 *   world.c      time: what happens next
 *   agent.c      the agent process: inbox, group commit, crash and restart
 *   replay.c     a second core that is fed the record of the first
 *   engine.c     Docker: containers, how they live, its event stream
 *   calls.c      Docker: what it is asked
 *   images.c     Docker's images and disk, strangers, and the registry
 *   host.c       ports, volumes, cgroups, fetched values
 *   control.c    the control plane
 *   local.c      local tasks
 *   gen.c        random tasks
 *   laws.c       what must hold of tasks and containers
 *   laws_host.c  what must hold of capacity, ports, images and at the end */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/core.h"

#define MAX_TASKS   14
#define MAX_CTRS    31 /* the last one is a pause container */
#define MAX_RUNS    120
#define MAX_STORED  512
#define MAX_VOLUMES 3
#define MAX_PORTS   8
#define MAX_IMAGES  32
#define DISK_HIGH   85 /* per cent */
#define N_LOCALS    3
#define N_VERSIONS  5    /* of a local definition */
#define PORT_FIRST  8000 /* below are the ports that tasks ask for by number, too */
#define PORT_COUNT  14

struct sim;
struct call;
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
    int generation;            /* of its current run */
    int image;                 /* index */
    char *remains;             /* its label */
    bool late;                 /* what asked for it has been lost since */
    uint32_t ports[MAX_PORTS]; /* of the host; UDP: 65536 more */
    size_t n_ports;
};

struct sim_image { /* of the engine; also what a registry holds */
    char id[72], digest[72];
    char names[4][96];
    int n_names;
    bool by_digest, ours;         /* it was pulled so: an inspect by that reference finds it */
    int64_t size, created, named; /* named: the last time */
};

struct stranger { /* a container of somebody else */
    char id[40];
    bool here, running, never_ran;
    int image;
    int64_t finished;
};

struct sim_volume {
    enum task_volume_kind kind;
    char name[32];
    bool autoprovision;
    bool here;      /* TASK: the engine has it */
    bool gone_late; /* TASK: what removed it was asked for before the store was lost */
};

/* ---- tasks as the control plane sees them ---- */

struct sim_dep {
    size_t target;
    enum dep_condition cond;
};

struct sim_ctr {
    bool essential, has_health, internal;
    bool bad_image, fails_create, fails_start;
    int64_t life_ms; /* -1: until stopped */
    int exit_code;
    int64_t stop_ms;       /* how long it takes to obey SIGTERM */
    int64_t healthy_after; /* -1: never */
    int64_t start_timeout_s;
    char image[96];
    uint16_t port;     /* asked for by number; 0: none */
    int choose, range; /* ports for the agent to choose: single ones, width of a block */
    bool udp;
    bool secrets, env_files, auth;
    bool restart, ignores_code;
    int64_t restart_period_s;
    unsigned mounts; /* one bit for each volume */
    size_t n_deps;
    struct sim_dep deps[MAX_CTRS];
    /* history, for the laws; survives the removal of its box */
    bool ever_created, ever_ran, ever_healthy, ever_exited;
    int last_exit;
    char seen_image[72]; /* what the last inspect of its image was answered */
    int reported;        /* the highest status accepted */
};

struct sim_task {
    char arn[160];
    char *json;
    size_t n_ctrs;
    struct sim_ctr ctrs[MAX_CTRS];
    int64_t cpu, memory;
    bool sent, acked, broken;
    bool stop_sent;                     /* by a payload or a stop verification */
    enum task_status accepted;          /* highest report accepted */
    int stopped_reports, allowed_again; /* lost replies and crashes excuse repetitions */
    int known_stored;                   /* highest `known` committed */
    bool lost;                          /* the store has lost it, and nothing is stored again */
    bool untraced;                      /* when it was lost, it had no container */
    bool robbed;                        /* somebody else has removed a container of it */
    int64_t fits_since;                 /* waiting although it fits, since; -1 */
    struct sim_volume volumes[MAX_VOLUMES];
    size_t n_volumes;
    bool pause, no_values; /* the values cannot be had */
    bool cgroup;           /* there is one */
    bool cgroup_stuck;     /* it could not be removed when that was tried last */
    int credentials_life;  /* of the agent that was given its credentials */
    unsigned fetched;      /* values in the agent's memory: 1 secrets, 2 files, 4 passwords */
    struct sim_local *local;
    int version; /* of the local definition */
};

/* A file in the folder of local tasks. */
struct sim_local {
    char name[32];
    bool wanted, once, good; /* good: it has no reason to end */
    bool unwanted_once;      /* since its newest version is there */
    int version;
    struct sim_task *defs[N_VERSIONS];
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
    struct core_local_def *defs;
    struct core_image *images;
    struct core_other *others;
    const char **arns;
    uint16_t ports[MAX_PORTS];
    struct core_config config;
    void **pool; /* what the rows, entries and so on point to */
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
    int64_t quiet_since;

    /* agent */
    struct core *core, *shadow;
    int life; /* counts restarts; callbacks of an earlier life are dropped */
    bool alive, committing;
    bool closed; /* the host goes down, and this agent knows */
    struct inbox_event **inbox;
    size_t n_inbox, cap_inbox;
    struct core_actions pending;
    struct stored store[MAX_STORED];
    size_t n_store;
    int64_t timer_at;
    int crashes;
    bool cgroups, disk_cleanup, untracked;
    bool loses;    /* the store is lost at times, in part or as a whole */
    bool lost_now; /* since the last start */
    int losses;

    /* engine and host */
    struct list boxes;
    uint64_t next_box;
    bool engine_up, stream_up;
    int64_t hangs_since, hangs_until;    /* it takes nothing up */
    int64_t asked_since;                 /* a new agent waits for its first answer; 0: none */
    int64_t engine_took;                 /* to answer it */
    struct call *calls;                  /* a list */
    struct sim_image images[MAX_IMAGES]; /* without an id: a free row */
    int versions[6];                     /* what the tags of the registry name now */
    struct stranger strangers[4];
    bool foreign[2 * PORT_COUNT]; /* ports that others have; UDP behind TCP */
    bool shared[MAX_VOLUMES];     /* volumes that belong to no task */
    int64_t disk_base;            /* what others store */

    /* control plane */
    struct sim_task tasks[MAX_TASKS];
    size_t n_tasks;
    bool control_up;
    uint64_t next_message;
    int64_t seq;
    int64_t cpu_total, memory_total, ageing_ms;

    /* local tasks */
    struct sim_local locals[N_LOCALS];
    struct sim_task *runs[MAX_RUNS];
    size_t n_runs;
    bool locals_over;
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
void settings_begin(struct sim *s); /* changes of mind, in some of the runs */
void agent_crash(struct sim *s);
struct inbox_event *event_new(enum core_event_type type);
void event_free(struct inbox_event *e);
/* `p` is freed with the event. */
void *event_keep(struct inbox_event *e, void *p);
/* Delivers to the living agent (takes `e`), or drops it. */
void agent_deliver(struct sim *s, struct inbox_event *e);
void agent_fini(struct sim *s);
const char *agent_stored(struct sim *s, enum core_kind kind, const char *key);

/* replay.c */
void replay_start(struct sim *s);
/* Feeds it the recorded event; what it wishes must be what was wished from `from` on. */
void replay_compare(struct sim *s, size_t from, const struct buf *recorded);

/* engine.c */
void engine_outage(struct sim *s);
void engine_hang(struct sim *s);
int64_t engine_hangs_for(const struct sim *s); /* from now on; 0: it does not */
void engine_repair(struct sim *s);
void engine_meddle(struct sim *s);              /* somebody kills or removes a container */
void engine_agent_came(struct sim *s);          /* it subscribes */
struct inbox_event *engine_list(struct sim *s); /* all containers there are */
struct box *engine_find(struct sim *s, const struct sim_task *t, size_t index);
struct box *box_called(struct sim *s, const char *ref);
struct box *box_with_id(struct sim *s, const char *id);
struct box *box_new(struct sim *s, struct sim_task *t, size_t index, const char *name);
void box_start(struct sim *s, struct box *b);
void box_exit(struct sim *s, struct box *b, int code, bool oom);
void box_remove(struct sim *s, struct box *b);
void engine_fini(struct sim *s);

/* calls.c */
struct call {
    struct call *next;
    int life;   /* of the agent that asked */
    int losses; /* of the store, when it asked */
    bool lost;  /* the answer is replaced by a broken connection */
    bool done;  /* it has taken effect */
    bool canceled;
    bool unread; /* it came while the engine hung: it locks nothing yet */
    int64_t since;
    uint64_t issued;
    uint64_t id;
    enum core_op op;
    struct sim_task *task; /* NULL: of the agent */
    size_t index, volume;
    char *ref, *digest;
    char *remains; /* CREATE */
    int64_t timeout_ms, stop_timeout_ms;
    struct inbox_event *answer;
    int generation;
    char box_id[40];
    uint32_t ports[MAX_PORTS]; /* CREATE */
    size_t n_ports;
};
void engine_op(struct sim *s, const struct core_action *a);
void engine_cancel(struct sim *s, uint64_t id);
/* A call of the living agent for this reference that is not answered; NULL: none. */
const struct call *call_under_way(const struct sim *s, enum core_op op, const char *ref);
void call_fails(struct call *c, enum err_code code, const char *text);
void call_answer(struct sim *s, struct call *c, int64_t after); /* takes it */
void calls_fini(struct sim *s);

/* images.c */
void images_begin(struct sim *s);
/* What the reference names; -1: not here. */
int image_row(const struct sim *s, const char *ref);
bool image_is_kept(const char *name);
const char *const *images_kept(size_t *n);
void images_do(struct sim *s, struct call *c); /* all calls about images and strangers */
int disk_pct(const struct sim *s);

/* host.c */
void host_begin(struct sim *s);
void host_repair(struct sim *s);
void host_do(struct sim *s, struct call *c);
bool host_port_free(struct sim *s, uint32_t port); /* for a container that starts */
/* The host ports of a container, each once; 0: it has none or they are not chosen. */
size_t host_ports_of(struct sim *s, const char *arn, size_t container, uint32_t out[MAX_PORTS]);

/* control.c */
void control_begin(struct sim *s);
void control_report(struct sim *s, uint64_t id, const char *body);
void control_ack(struct sim *s, const char *message_id);
void control_stop_verify(struct sim *s, const char *message_id, char **arns, size_t n);
void control_agent_came(struct sim *s);
void control_finish(struct sim *s); /* wants everything stopped, answers from now on */
void control_fini(struct sim *s);

/* Every task there is or was: the control plane's, then the runs of local ones. */
struct sim_task *task_nth(struct sim *s, size_t i); /* NULL: no more */
struct sim_task *task_called(struct sim *s, const char *arn);

/* local.c */
void locals_begin(struct sim *s);
void locals_agent_came(struct sim *s);
void locals_stored(struct sim *s, const char *arn, const char *json); /* perhaps a new run */
void locals_finish(struct sim *s);
bool locals_over(const struct sim *s); /* none is wanted any more */
void locals_fini(struct sim *s);

/* gen.c */
void gen_task(struct sim *s, struct sim_task *t, size_t number);
void gen_local(struct sim *s, struct sim_local *l, int version);

/* laws.c */
void broken(struct sim *s, int law, const char *fmt, ...) PRINTF_LIKE(3, 4);
void law_action(struct sim *s, const struct core_action *a); /* before it is carried out */
void law_closed(struct sim *s, const struct core_action *a); /* when it is wished for */
void law_stored(struct sim *s, const struct core_action *put);
/* A row of an accepted report. */
void law_reported(struct sim *s, struct sim_task *t, const char *container, const char *status);

/* laws_host.c */
bool task_is_stopping(struct sim *s, const struct sim_task *t);
void law_image_asked(struct sim *s, const char *ref);
void law_image_leaves(struct sim *s, const char *ref);
void law_ports(struct sim *s, struct sim_task *t, size_t index);
void law_local_starts(struct sim *s, const struct sim_task *t);  /* not yet in s->runs */
void law_local_creates(struct sim *s, const struct sim_task *t); /* may be any task */
void law_local_kept_up(struct sim *s);
void laws_after_loss(struct sim *s);  /* what the store had said counts no more */
void laws_lost_listed(struct sim *s); /* the agent starts, and is told which containers are here */
void law_always(struct sim *s);       /* after each step */
void law_end(struct sim *s);

/* main.c */
bool sim_run(uint64_t seed, bool verbose, struct sim *s);
