#pragma once
/* config: one const struct from all that says how the agent is to be.
 *
 * Pure: takes texts, gives a struct and a list of problems; never reads the
 * environment or the disk itself (config_files_read does that, in load.c).
 * Merge order (config-registration 1.2): process environment, then the user's file, then
 * the instance's file, then the JSON file, then user data, then the instance's region, then
 * defaults; a lower one fills only what is still zero (a bool that the environment sets to
 * false is zero for the "plain" ones, as in the reference). Every variable is one row of the
 * table in vars.c: name, JSON name, type, default, bounds, effect, whether Berth acts on it,
 * whether it can change while the agent runs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum pull_behavior { PULL_DEFAULT, PULL_ALWAYS, PULL_ONCE, PULL_PREFER_CACHED };

/* Unset is neither: then what cannot be had is done without. */
enum tristate { TRI_UNSET, TRI_FALSE, TRI_TRUE };

struct port_list {
    uint16_t *ports;
    size_t n;
};

struct port_range {
    uint16_t first, last;
};

struct string_list {
    char **items;
    size_t n;
};

struct string_pair {
    char *key, *value;
};

enum network_rules { RULES_KEEP, RULES_REMOVE, RULES_NONE }; /* BERTH_NETWORK_RULES */
enum ip_compat { IP_AUTO, IP_V4, IP_V6 };                    /* ECS_INSTANCE_IP_COMPATIBILITY */
enum log_rollover { ROLLOVER_SIZE, ROLLOVER_HOURLY, ROLLOVER_NONE };

struct string_map {
    struct string_pair *items;
    size_t n;
};

struct rate_limit {
    int64_t steady, burst; /* of requests a second */
};

struct config {
    char *cluster; /* "default" when unset */
    /* Unset, or named so: then it may be created. (The reference creates it only when
     * it is unset, and ends with an error on ECS_CLUSTER=default.) */
    bool cluster_default;
    char *backend_host; /* NULL: by region; scheme added */
    char *region;
    char *docker_endpoint; /* unix:///var/run/docker.sock */
    char *data_dir;        /* /var/lib/ecs/data */
    struct port_list reserved_ports, reserved_ports_udp;
    int64_t reserved_memory_mib;
    struct string_list log_drivers; /* ECS_AVAILABLE_LOGGING_DRIVERS */
    struct string_map instance_attributes, instance_tags;
    int64_t task_cleanup_wait_ms; /* 3 h */
    int64_t task_cleanup_jitter_ms;
    int64_t stop_timeout_ms, start_timeout_ms, create_timeout_ms;
    int64_t shutdown_ms; /* BERTH_SHUTDOWN_TIMEOUT */
    int64_t manifest_pull_timeout_ms, pull_timeout_ms, pull_inactivity_ms;
    enum pull_behavior pull_behavior;
    bool pull_upfront; /* ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT */
    bool external;     /* ECS_EXTERNAL */
    bool task_iam_role, task_iam_role_network_host;
    bool privileged_disabled, selinux, apparmor, disable_health_check, disable_metrics;
    bool exclude_ipv6_binding;  /* true by default */
    char *log_file;             /* NULL: standard error */
    char *log_level;            /* "info" */
    bool log_json;              /* ECS_LOG_OUTPUT_FORMAT=json */
    char *detailed_os_family;   /* "LINUX" */
    char *admin_socket;         /* BERTH_SOCKET; /run/berth/berth.sock */
    int64_t start_parallel;     /* BERTH_START_PARALLEL; 0: by cores */
    int64_t pull_parallel;      /* BERTH_PULL_PARALLEL; 0: by cores */
    char *local_tasks_dir;      /* BERTH_LOCAL_TASKS; /etc/ecs/tasks.d */
    int64_t tasks_port;         /* BERTH_TASKS_PORT; 51679; 0: not served */
    int64_t introspection_port; /* BERTH_INTROSPECTION_PORT; 51678; 0: not served */
    bool metrics_endpoint;      /* BERTH_METRICS; true */
    enum network_rules network_rules;
    bool bind_credentials; /* BERTH_BIND_CREDENTIALS; true */
    bool stop_digest;      /* BERTH_STOP_DIGEST; true */

    /* Images, and what is left behind by others. */
    bool image_cleanup_disabled;
    bool untracked_cleanup; /* ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP */
    int64_t image_cleanup_interval_ms;
    int64_t image_min_age_ms, untracked_image_min_age_ms;
    int64_t images_per_cycle, untracked_containers_per_cycle; /* not 0; below it: none */
    struct string_list excluded_images;                       /* ECS_EXCLUDE_UNTRACKED_IMAGE */
    int64_t disk_high_pct, disk_low_pct;                      /* low is below high */
    int64_t disk_check_ms;

    /* Limits of whole tasks. */
    enum tristate task_limits; /* ECS_ENABLE_TASK_CPU_MEM_LIMIT; TRI_UNSET: if they can be had */
    char *cgroup_path;         /* /sys/fs/cgroup */
    int64_t cgroup_cpu_period_us;
    int64_t task_pids_limit; /* 0: none */
    bool propagate_memory;   /* ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2 */

    struct port_range dynamic_ports; /* 0 to 0: the kernel's, else 49153 to 65535 */
    bool shared_volume_match_full;   /* ECS_SHARED_VOLUME_MATCH_FULL_CONFIG */
    char *engine_auth_type;          /* NULL: none */
    char *engine_auth_data;          /* secret: never printed, wiped by config_destroy */

    /* Who this machine is, and what its metadata service is used for. */
    bool no_iid;                 /* JSON only: no identity document is sent */
    bool tags_from_ec2;          /* ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM */
    bool spot_draining;          /* ECS_ENABLE_SPOT_INSTANCE_DRAINING */
    bool warm_pools;             /* ECS_WARM_POOLS_CHECK */
    struct string_list drain_on; /* BERTH_DRAIN_ON: "rebalance", "terminate" */
    char *credential_profile;    /* ECS_ALTERNATE_CREDENTIAL_PROFILE; "default" */
    enum ip_compat ip_compat;
    bool awslogs_execution_role;    /* ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE */
    bool gpu_support;               /* ECS_ENABLE_GPU_SUPPORT, after its rule of the files */
    struct string_map pause_labels; /* ECS_PAUSE_LABELS */
    char *imds_endpoint;            /* NULL: the link-local address */
    bool imds_ipv6, imds_v1_disabled, imds_disabled;
    bool use_fips, use_dual_stack; /* AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT */
    int64_t max_attempts;          /* AWS_MAX_ATTEMPTS; 0: by the kind of call */
    bool host_fips;                /* /proc/sys/crypto/fips_enabled */

    /* The agent's own log, besides log_file, log_level and log_json: standard error has
     * log_level, the file has log_level_file. */
    char *log_level_file; /* ECS_LOGLEVEL_ON_INSTANCE, by its rule */
    enum log_rollover log_rollover;
    int64_t log_max_bytes; /* of a file, for ROLLOVER_SIZE */
    int64_t log_roll_count;
    struct string_map log_opts; /* ECS_LOG_OPTS */

    /* The logs of containers with the driver awslogs. */
    int64_t log_spool_mb; /* BERTH_LOG_SPOOL_MB, of 2^20 bytes; 384 */
    char *log_sink;       /* BERTH_LOG_SINK: "file:/path"; NULL: the service */
    bool log_ask_back;    /* BERTH_LOG_ASK_BACK; true */

    bool insecure_tls; /* -k */

    char *json_path;  /* ECS_AGENT_CONFIG_FILE_PATH; /etc/ecs/ecs.config.json */
    char *log_driver; /* ECS_LOG_DRIVER; NULL: none. Decides the default of log_level_file */

    char *healthcheck_host;     /* "localhost" */
    bool skip_localhost_filter; /* ECS_SKIP_LOCALHOST_TRAFFIC_FILTER */
    bool offhost_introspection; /* ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS */
    bool container_metadata;    /* ECS_ENABLE_CONTAINER_METADATA */
    char *audit_log;            /* /var/log/ecs/audit.log */
    bool audit_log_disabled, metadata_az_disabled;
    struct rate_limit metadata_rate; /* 40, 60 */

    /* Read and checked; their features are not there (CONFIG_LATER), or nothing here has them. */
    bool checkpoint; /* true */
    bool poll_metrics, prometheus;
    int64_t polling_wait_ms; /* 10 s; 5 to 20 s when polling */
    bool task_eni, trunking; /* ECS_ENABLE_TASK_ENI (not with `external`), _HIGH_DENSITY_ENI */
    bool block_imds;         /* ECS_AWSVPC_BLOCK_IMDS */
    char *cni_plugins_path;
    struct string_list local_routes; /* CIDR blocks */
    char *override_ipv4;             /* JSON only; NULL: none */
    int64_t eni_cleanup_delay_s;     /* JSON only */
    char *nvidia_runtime;            /* "nvidia" */
    bool inferentia;
    bool ebs; /* ECS_EBSTA_SUPPORTED */
    char *csi_socket;
    int64_t node_stage_ms, node_unstage_ms;
    struct string_list volume_capabilities; /* ECS_VOLUME_PLUGIN_CAPABILITIES */
    bool gmsa, domain_joined;
    char *credentials_fetcher, *credentials_fetcher_dir, *credentials_fetcher_secret;
    bool firelens_async; /* true */
    bool imds_iam_roles; /* JSON only */

    /* Variables that are used by name: proxies, certificates, those of the AWS SDKs. Held as
     * secrets: wiped, and shown only where the row says that it may be. */
    struct string_map env;
};

/* A variable of `env` (HTTP_PROXY, SSL_CERT_FILE, AWS_PROFILE, ...) or HOME; NULL when
 * unset. The proxies are found by either spelling, whichever was set. Borrowed. (`config` is a
 * const struct config *: fits aws_env_fn.) */
const char *config_env(void *config, const char *name);

/* ---- problems ---- */

struct config_problem {
    bool fatal;
    char *source; /* a path, "environment", "user data" or "" (missing everywhere) */
    int line;     /* 0: none */
    char *text;   /* "ECS_RESERVED_MEMORY: expected ..., got 'x'; using 0" */
};

struct config_problems {
    struct config_problem *items;
    size_t n;
    bool fatal; /* the agent must not start (exit code 1) */
};
void config_problems_fini(struct config_problems *p);

/* ---- building ---- */

/* Looks a variable up in the process environment; NULL when unset. */
typedef const char *config_env_fn(void *user, const char *name);

struct config_text {
    const char *name; /* of the source, for problems: a path, "user data" */
    const char *text; /* NULL: there is none */
    size_t len;
};

struct config_inputs {
    config_env_fn *env;
    void *env_user;
    struct config_text user_file;     /* /etc/ecs/ecs.config: NAME=VALUE lines */
    struct config_text instance_file; /* /var/lib/ecs/ecs.config: likewise */
    struct config_text json_file;     /* ECS_AGENT_CONFIG_FILE_PATH */
    struct config_text user_data;     /* {"ECSAgentConfiguration":{...}}, else without effect */
    const char *metadata_region;      /* NULL: not known */
    /* User data and region are still to come: their absence is no problem yet. */
    bool metadata_pending;
    /* What this machine is. */
    const char *os_family; /* NULL: "LINUX" */
    bool host_fips, has_nvidia;
};

/* Always gives a config, with defaults where a value was bad; problems are appended. */
struct config *config_build(const struct config_inputs *in, struct config_problems *out_problems);
void config_destroy(struct config *c); /* wipes what may be secret; NULL is fine */

/* The path of the JSON file that the environment and the files name: with ECS_AGENT_CONFIG_
 * FILE_PATH, else /etc/ecs/ecs.config.json. free() it. */
char *config_json_path(const struct config_inputs *in);

/* ---- the process's own (load.c; reads a few local files of at most 1 MiB) ---- */

/* Takes the variables that the table calls secret out of the environment: their values move to
 * base/secret's memory and are wiped where they stood, so that neither /proc/PID/environ nor a
 * child has them. From then on config_environment gives them, and getenv(3) does not. While the
 * process has one thread. (Proxies stay, with the password that one may have: programs that the
 * agent starts need them.) */
void config_environment_take_secrets(void);
/* A variable of the environment, NULL when unset; borrowed. */
const char *config_environment(const char *name);

/* Owned texts of all sources. */
struct config_files;
/* Reads `path` and the other files (each absent is fine; at most 1 MiB, else a fatal
 * problem) and the process environment. `in` borrows from *out. */
void config_files_read(const char *path, struct config_files **out, struct config_inputs *in,
                       struct config_problems *problems);
void config_files_destroy(struct config_files *f); /* wipes; NULL is fine */

/* ---- the table ---- */

enum config_support {
    CONFIG_NOW,   /* Berth acts on it */
    CONFIG_LATER, /* read and checked; its feature is not there yet: a warning says so */
    CONFIG_INERT, /* has no meaning here (Windows, the reference's own container); no warning */
};

/* One row a variable, for check-config, the manual and tests. */
struct config_var {
    const char *name;  /* NULL: JSON only */
    const char *json;  /* NULL: environment and files only */
    const char *type;  /* "duration", "bool", "ports", ... */
    const char *value; /* default as text */
    const char *help;
    enum config_support support;
    bool deprecated;
    bool reload;   /* takes effect on a reload */
    bool secret;   /* never shown */
    bool env_only; /* of the process's environment; a line of a file has no effect */
};
const struct config_var *config_vars(size_t *n);
/* The value in effect, as it could be written in the file; "(set)" for a secret, "" when
 * unset. free() it. */
char *config_show(const struct config *c, size_t var);
/* Have both the same value of this variable? */
bool config_same(const struct config *a, const struct config *b, size_t var);
/* Gives `to` the value that `from` has. */
void config_keep(const struct config *from, struct config *to, size_t var);
