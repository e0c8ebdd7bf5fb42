#pragma once
/* What the files of the agent command share. Private to cli/agent*.c and admin.c. */
#include <uthash.h>

#include "aws/credentials.h"
#include "base/backoff.h"
#include "base/list.h"
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
#include "store/store.h"

struct admin;

struct cursor { /* what the store holds, or will, of one container's log */
    char *container_id;
    char *value;
    UT_hash_handle hh;
};

struct agent {
    struct config *config;
    struct host_capacity host;
    int64_t started_ms; /* wall clock */
    uint64_t seed;
    struct rng rng;
    int exit_code;

    struct loop *loop;
    struct http_client *http;
    struct store *store;
    struct docker *docker;
    struct docker_version docker_version; /* "" until it has answered */
    char *docker_root;                    /* of its files; NULL: unknown */
    int cgroup_version;
    bool cgroup_systemd;
    struct docker_auths *auths;
    struct host_cgroups *cgroups; /* NULL: tasks get none */
    struct docker_op *negotiating;
    struct loop_timer *negotiate_retry;
    struct backoff negotiate_backoff;
    struct credentials *credentials;
    struct roles *roles;
    struct logs *logs;
    struct control *control;
    struct engine *engine; /* NULL until the container engine has answered */
    struct admin *admin;
    struct local_dir *local_dir; /* NULL until the container engine has answered */
    struct loop_timer *trim;

    char *instance_arn; /* stored, or from this registration; NULL: none */
    struct cursor *cursors;
    struct list draining;
};

/* Ends the loop; the first call decides the exit code. */
void agent_stop(struct agent *a, int exit_code);

/* ---- agent_wiring.c: who tells whom ---- */

/* The container engine answers: builds logs, control and engine, and starts them. */
MUST_CHECK enum err_code wiring_start(struct agent *a, struct err *e);
/* Takes them down again, so that the last cursors are saved. */
void wiring_stop(struct agent *a);
MUST_CHECK enum err_code wiring_load_cursors(struct agent *a, struct err *e);

/* ---- agent_platform.c: what the machine and its container engine offer ---- */

struct docker_op *platform_ask(struct agent *a, docker_info_fn *done);
/* The engine answered. Fails when what was explicitly asked for cannot be had. */
MUST_CHECK enum err_code platform_set_up(struct agent *a, const struct docker_info *info,
                                         struct err *e);
void platform_fini(struct agent *a);
struct core_config platform_core_config(const struct agent *a); /* borrows from the agent */

/* ---- admin.c: the socket of the client commands ---- */

MUST_CHECK enum err_code admin_create(struct agent *a, const char *path, struct admin **out,
                                      struct err *e);
void admin_destroy(struct admin *ad); /* NULL is fine */
