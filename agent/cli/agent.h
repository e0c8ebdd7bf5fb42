#pragma once
/* What the files of the agent command share. Private to cli/agent*.c and admin.c. */

#include "aws/aws.h"
#include "aws/credentials.h"
#include "aws/imds.h"
#include "aws/instance.h"
#include "base/backoff.h"
#include "base/list.h"
#include "base/map.h"
#include "cli/cli.h"
#include "cli/local_dir.h"
#include "config/config.h"
#include "control/control.h"
#include "docker/docker.h"
#include "engine/engine.h"
#include "host/host.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "logs/logs.h"
#include "metrics/metrics.h"
#include "secrets/secrets.h"
#include "store/store.h"

struct admin;
struct casebook;
struct closing;
struct child_watch;
struct kept;
struct own_log;
struct service_manager;

struct cursor { /* what the store holds, or will, of one container's log */
    char *container_id;
    char *value;
    UT_hash_handle hh;
};

struct agent_options {
    const char *config, *log_level, *file_level;
    bool insecure, no_metadata, no_sandbox, attributes;
};

struct agent {
    struct agent_options options;
    struct config *config;
    /* What it was made from; user data and region are kept for the next time. */
    struct config_files *files;
    struct config_inputs inputs;
    char *user_data, *region; /* user data may hold secrets */
    bool reload_later;        /* wished for before the engine was there */
    struct host_capacity host;
    int64_t started_ms; /* wall clock */
    uint64_t seed;
    struct rng rng;
    int exit_code;

    struct service_manager *manager; /* of the service that the agent is */
    struct kept *kept;               /* NULL until there is a loop */
    bool stopping;
    struct closing *closing; /* NULL: the host does not go down */

    struct loop *loop;
    struct child_watch *helper_watch; /* NULL until there is a loop */
    struct loop_timer *watchdog;      /* NULL: nobody waits for it */
    struct http_client *http;
    struct imds *imds; /* NULL: turned off */
    struct instance_read *reading;
    char *instance_id; /* of this machine, or stored; NULL: unknown */
    struct aws *aws;
    struct store *store;
    char *owner;       /* the data directory, by its one true name */
    bool others_state; /* it is another instance's; its tasks' ARNs: */
    struct host_names others_tasks;
    struct leftovers *leftovers; /* while their containers are removed */
    struct docker *docker;
    struct docker_version docker_version; /* "" until it has answered */
    char *docker_root;                    /* of its files; NULL: unknown */
    int cgroup_version;
    bool cgroup_systemd, selinux;
    struct docker_auths *auths;
    struct host_cgroups *cgroups; /* NULL: tasks get none */
    struct host_names plugins;
    struct host_gpus gpus;
    struct host_ip ip;
    struct docker_op *negotiating;
    struct loop_timer *negotiate_retry;
    struct backoff negotiate_backoff;
    struct credentials *credentials;
    struct roles *roles;
    struct secrets *secrets;
    struct log_secrets *log_secrets;
    struct logs *logs;
    struct own_log *own_log; /* NULL: it is not shipped */
    bool own_log_told;       /* that it cannot be */
    struct control *control;
    struct metrics *metrics; /* NULL: turned off */
    struct docker_op *ping;  /* for telemetry */
    struct endpoints *endpoints;
    struct metadata_files *files_of_tasks; /* NULL: not wished */
    struct engine *engine;                 /* NULL until the container engine has answered */
    struct casebook *casebook;             /* of tasks that failed; there when the engine is */
    struct admin *admin;
    struct local_dir *local_dir; /* NULL until the container engine has answered */
    struct loop_timer *trim;
    struct loop_timer *last_reports; /* when it is to end */
    int64_t end_by_ms;
    struct loop_timer *proceed; /* with the start, after those who wait already */

    char *instance_arn; /* stored, or from this registration; NULL: none */
    struct cursor *cursors;
    struct list draining;
};

/* So long after the start, and after a task is gone, free memory is given back to the system. */
#define AGENT_TRIM_MS 3000

/* Ends the loop; the first call decides the exit code. */
void agent_stop(struct agent *a, int exit_code);

/* From now on signals are told on the loop. */
void agent_listen(struct agent *a);

/* Makes the folders that lead to a file (0755). */
MUST_CHECK enum err_code agent_make_parent(const char *path, struct err *e);

/* ---- agent_settings.c: where the settings come from, and their changes ---- */

/* Reads all sources. Returns -1 to go on, else the exit code. */
int settings_load(struct agent *a);
/* What the instance's metadata adds (NULL: nothing is asked there). As above. */
int settings_finish(struct agent *a, struct instance_facts *facts);
/* Reads the files again and applies what can change while the agent runs; while it still
 * starts, later. */
void settings_reload(struct agent *a);
/* The agent runs now: does what had to wait. */
void settings_started(struct agent *a);
void settings_fini(struct agent *a);
/* An aws_env_fn whose user is the agent: always of the settings in effect. */
const char *settings_env(void *agent, const char *name);

/* ---- agent_start.c: from nothing to a running engine, one wait after the other ---- */

/* Returns -1 to go on, else the exit code. */
int start_begin(struct agent *a);

/* ---- agent_state.c: what an earlier process left ---- */

int state_open(struct agent *a); /* as above */
void state_close(struct agent *a);

/* ---- agent_name.c: the name of this instance, kept beside the database ---- */

struct agent_name {
    char *cluster, *arn, *instance_id; /* the last may be NULL */
};
/* Of the data directory; all NULL when there is none, or none that can be read. */
void agent_name_read(const char *dir, struct agent_name *out);
void agent_name_fini(struct agent_name *i);
/* Trouble is logged: the store has it too. */
void agent_name_write(const char *dir, const struct agent_name *i);
void agent_name_remove(const char *dir);

/* ---- agent_leftovers.c: another instance's containers ---- */

/* Removes the containers of `others_tasks`, then what is stored of them, so that a crash
 * begins anew. `done` on a later turn; what cannot be removed is logged and left. When they
 * cannot even be listed, the agent ends, for what is stored is all that is known of them. */
void leftovers_remove(struct agent *a, void (*done)(struct agent *a));
void leftovers_cancel(struct leftovers *l); /* NULL is fine */

/* ---- agent_wiring.c: who tells whom ---- */

/* The container engine answers: builds logs, control and engine, and starts them. */
MUST_CHECK enum err_code wiring_start(struct agent *a, struct err *e);
/* Takes them down again, so that the last cursors are saved. */
void wiring_stop(struct agent *a);
MUST_CHECK enum err_code wiring_load_cursors(struct agent *a, struct err *e);
struct control_args wiring_control_args(struct agent *a); /* borrows from the agent */

/* ---- agent_own_log.c: the agent's own log, where ECS_LOG_DRIVER says so ---- */

void own_log_watch(struct agent *a); /* the settings are there: keeps what is logged from now on */
void own_log_begin(struct agent *a); /* the shipper is there: gives it that, and what comes */
void own_log_end(struct agent *a);   /* before the shipper goes */

/* ---- agent_platform.c: what the machine and its container engine offer ---- */

struct docker_op *platform_ask(struct agent *a, docker_info_fn *done);
/* The engine answered. Fails when what was explicitly asked for cannot be had. */
MUST_CHECK enum err_code platform_set_up(struct agent *a, const struct docker_info *info,
                                         struct err *e);
/* Reads what registration says of the machine. Fails when the GPUs that were asked for
 * cannot be known. */
MUST_CHECK enum err_code platform_read_host(struct agent *a, struct err *e);
void platform_add_plugins(struct agent *a, const char *const *names, size_t n);
bool platform_ipv6_only(const struct agent *a);
void platform_fini(struct agent *a);
struct core_config platform_core_config(const struct agent *a); /* borrows from the agent */
struct control_machine platform_machine(const struct agent *a); /* likewise */
/* Reads the registry passwords of the configuration anew. */
void platform_set_auths(struct agent *a);

/* ---- agent_closing.c: the host goes down ---- */

/* Stops all tasks for good, and ships their last logs; asked again, changes nothing. The engine
 * must be there. */
void closing_begin(struct agent *a);
/* The task has changed: what of it has ended is shipped without delay. */
void closing_changed(struct agent *a, const struct task *t);
/* Writes what came of it, once there is nothing left to do or time is up; else writes nothing and
 * returns false. */
bool closing_write(struct agent *a, struct buf *b);
void closing_end(struct agent *a);

/* ---- admin.c: the socket of the client commands ---- */

MUST_CHECK enum err_code admin_create(struct agent *a, const char *path, struct admin **out,
                                      struct err *e);
void admin_destroy(struct admin *ad); /* NULL is fine */
