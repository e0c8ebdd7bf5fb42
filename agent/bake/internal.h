#pragma once
/* internal: what was seen of the machine, as its judges take it, and what the files that look
 * share. */
#include <stdint.h>
#include <sys/types.h>

#include "bake/preflight.h"
#include "base/err.h"
#include "config/config.h"
#include "host/host.h"
#include "io/loop.h"

/* ---- facts ---- */

enum asked {
    ASKED_PENDING,
    ASKED_ENDED,
    ASKED_OVER, /* its time was over */
    ASKED_SKIPPED,
};

struct preflight_path {
    const char *what; /* "the settings"; NULL: this row is not used */
    char *path;
    bool there, folder;
    mode_t mode;
    uid_t owner;
};

struct preflight_port {
    uint16_t number; /* 0: not served */
    struct err err;  /* of taking it */
};

enum { PATH_SETTINGS, PATH_INSTANCE_SETTINGS, PATH_JSON, PATH_DATA, PREFLIGHT_PATHS };

struct preflight_facts {
    struct {
        enum asked asked;
        struct err err; /* of ENDED: why not; of SKIPPED: the reason */
        int64_t limit_ms;
    } checks[PREFLIGHT__COUNT];

    size_t problems;
    bool fatal;
    char *first_problem; /* a fatal one before others; NULL: none */
    char *cluster, *region;

    struct preflight_path paths[PREFLIGHT_PATHS];
    bool holds_secrets; /* the settings do */
    uid_t self;

    struct host_disk disk, engine_disk;
    char *disk_path, *engine_root;
    int disk_high_pct;

    struct preflight_port ports[2];
    int64_t agent_pid; /* of the one that answers on its socket; 0: none does */

    char engine_version[64], engine_api[16];
    int engine_api_minor;
    bool cgroups_wanted; /* ECS_ENABLE_TASK_CPU_MEM_LIMIT says so, not only the default */
    int cgroup_version;
    bool cgroup_systemd;

    char *instance_id; /* NULL: the service does not say */
    char *key_source;
    char *endpoint, *logs_endpoint;
    int endpoint_status, logs_status;
    bool clock_known;
    int64_t clock_ahead_ms; /* of this machine, before the endpoint's time */

    char *image;
    bool image_named; /* by the caller */
    bool image_made;
    bool ran;
    char *left; /* a container that could not be removed; NULL: none */
};
void preflight_facts_fini(struct preflight_facts *f);

/* ---- judge.c, skip.c (pure) ---- */

/* Why a check is not made with these settings; NULL: it is. */
const char *preflight_skip(enum preflight_check c, const struct config *config, bool offline);
void preflight_judge(enum preflight_check c, const struct preflight_facts *f,
                     struct preflight_row *row);

/* ---- preflight.c ---- */

struct preflight;

struct preflight_limit {
    struct preflight *of;
    enum preflight_check check;
    struct loop_timer *timer;
};

struct preflight {
    const struct preflight_args *args;
    struct preflight_facts facts;
    struct loop *loop;
    struct http_client *http;
    struct config_files *files;
    struct config *config;
    const char *instance_file; /* borrowed from the files */
    char *user_data, *region;  /* of the metadata; NULL: none */
    int64_t until_ms;          /* of the loop: then it is over */
    struct preflight_limit limits[PREFLIGHT__COUNT];
    struct loop_timer *all;
    size_t pending;
    struct look_local *local;
    struct look_engine *engine;
    struct look_cloud *cloud;
};

bool preflight_is_pending(const struct preflight *p, enum preflight_check c);
/* It begins, and may take so long. */
void preflight_limit(struct preflight *p, enum preflight_check c, int64_t limit_ms);
/* It ends; one that is over by its limit stays so. */
void preflight_end(struct preflight *p, enum preflight_check c, const struct err *e);
/* It cannot be made. */
void preflight_cannot(struct preflight *p, enum preflight_check c, const char *reason);
/* Reads the settings, with what is known of the metadata; `last`: no more will be. */
void preflight_read_settings(struct preflight *p, bool last);

/* ---- look_local.c: files, disks, ports, control groups, packet filter ---- */

struct look_local *look_local_begin(struct preflight *p);
/* Once the engine has said what it has: its files, its control groups. */
void look_local_engine(struct look_local *l, const char *root);
void look_local_end(struct look_local *l); /* nothing may be under way; NULL is fine */

/* ---- look_engine.c, probe.c: the container engine, a container in it ---- */

struct look_engine *look_engine_begin(struct preflight *p);
void look_engine_end(struct look_engine *l); /* NULL is fine */

struct docker;
struct probe *probe_begin(struct preflight *p, struct docker *d);
void probe_end(struct probe *b); /* NULL is fine */

/* ---- look_cloud.c: metadata, credentials, endpoints, clock ---- */

/* First the metadata, which may hold settings; `then`, with `p`, runs on a later turn. */
struct look_cloud *look_cloud_begin(struct preflight *p, loop_fn *then);
/* With the settings as they are then. */
void look_cloud_rest(struct look_cloud *l);
void look_cloud_end(struct look_cloud *l); /* NULL is fine */
