#pragma once
/* config: one const struct from environment, file and defaults.
 *
 * Pure: takes texts, gives a struct and a list of problems; never reads the
 * environment or the disk itself (config_load_process does that, in file.c).
 * Merge order: process environment over the file over defaults. Every variable
 * is one row of the table in vars.c: name, type, default, bounds, help. */
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

struct string_map {
    struct string_pair *items;
    size_t n;
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
    int64_t manifest_pull_timeout_ms, pull_timeout_ms, pull_inactivity_ms;
    enum pull_behavior pull_behavior;
    bool pull_upfront; /* ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT */
    bool external;     /* ECS_EXTERNAL */
    bool task_iam_role, task_iam_role_network_host;
    bool privileged_disabled, selinux, apparmor, disable_health_check, disable_metrics;
    bool exclude_ipv6_binding; /* true by default */
    char *log_file;            /* NULL: standard error */
    char *log_level;           /* "info" */
    bool log_json;             /* ECS_LOG_OUTPUT_FORMAT=json */
    char *detailed_os_family;  /* "LINUX" */
    char *admin_socket;        /* BERTH_SOCKET; /run/berth/berth.sock */
    int64_t start_parallel;    /* BERTH_START_PARALLEL; 0: by cores */
    int64_t pull_parallel;     /* BERTH_PULL_PARALLEL; 0: by cores */
    char *local_tasks_dir;     /* BERTH_LOCAL_TASKS; /etc/ecs/tasks.d */

    /* Images, and what is left behind by others. */
    bool image_cleanup_disabled;
    bool untracked_cleanup; /* ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP */
    int64_t image_cleanup_interval_ms;
    int64_t image_min_age_ms, untracked_image_min_age_ms;
    int64_t images_per_cycle, untracked_containers_per_cycle; /* at least 1 */
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

    /* AWS endpoint overrides; NULL when unset. */
    char *endpoint_url, *endpoint_logs;
    char *imds_endpoint; /* NULL: the link-local address */
    bool imds_disabled;
    bool insecure_tls; /* -k */
};

struct config_problem {
    bool fatal;
    int line;   /* of the file; 0: from the environment or missing */
    char *text; /* "ECS_RESERVED_MEMORY: expected ..., got 'x'; using 0" */
};

struct config_problems {
    struct config_problem *items;
    size_t n;
    bool fatal; /* the agent must not start (exit code 1) */
};
void config_problems_fini(struct config_problems *p);

/* Looks a variable up in the process environment; NULL when unset. */
typedef const char *config_env_fn(void *user, const char *name);

/* `file` may be NULL (no file). Always gives a config, with defaults where a
 * value was bad; problems are appended to `out_problems`. */
struct config *config_build(const char *file, size_t file_len, config_env_fn *env, void *user,
                            struct config_problems *out_problems);
void config_destroy(struct config *c); /* NULL is fine */

/* Reads `path` (absent is fine; at most 1 MiB) and the process environment. */
MUST_CHECK enum err_code config_load_process(const char *path, struct config **out,
                                             struct config_problems *problems, struct err *e);

/* One row a variable, for check-config, the manual and tests. */
struct config_var {
    const char *name;
    const char *type;  /* "duration", "bool", "ports", ... */
    const char *value; /* default as text */
    const char *help;
};
const struct config_var *config_vars(size_t *n);
