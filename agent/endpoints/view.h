#pragma once
/* view: what the local endpoints may tell of a task, as plain facts; and as JSON. Pure.
 *
 * Whoever knows the tasks (the engine) fills views; the writers of view_metadata.c,
 * view_introspection.c and view_file.c know the fields, their order and what is left out when
 * (local-endpoints 3, 5, 6). All texts are borrowed; times are milliseconds (0: unset). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "task/task.h"

struct view_pair {
    const char *key, *value;
};

struct view_network {
    const char *mode;
    const char *ipv4, *ipv6; /* "" of host and none; NULL: not known */
};

struct view_volume {
    const char *docker_name, *source, *destination; /* NULL: left out */
};

enum view_type { VIEW_NORMAL, VIEW_CNI_PAUSE, VIEW_NAMESPACE_PAUSE };

struct view_container {
    const char *docker_id, *docker_name; /* "" before the create */
    const char *name, *image, *image_id, *arn;
    enum view_type type;
    enum ctr_status desired, known;
    const struct port_binding *ports;
    size_t n_ports;
    const struct task_port *defined_ports; /* introspection's fallback */
    size_t n_defined_ports;
    const struct view_pair *labels; /* sorted */
    size_t n_labels;
    bool has_exit_code;
    int exit_code;
    int64_t cpu_units, memory_mib;
    int64_t created_ms, started_ms, finished_ms;
    bool networks_known;
    const struct view_network *networks;
    size_t n_networks;
    bool has_health_check;
    enum ctr_health health;
    int64_t health_since_ms;
    bool has_health_exit;
    int health_exit;
    const char *health_output; /* at most 1024 bytes are told */
    const struct view_volume *volumes;
    size_t n_volumes;
    const char *log_driver;              /* NULL: Docker's default */
    const struct view_pair *log_options; /* sorted */
    size_t n_log_options;
    bool has_restart_policy;
    int64_t restart_count;
};

struct view_error {                                        /* of a tag lookup, v4 */
    const char *field, *code, *message, *request_id, *arn; /* NULL or "": left out */
    int status;
};

struct view_task {
    const char *cluster, *arn, *family, *version, *launch_type, *service_name;
    const char *zone, *zone_id, *vpc_id; /* NULL: unknown */
    enum task_status desired, known;
    double cpu_vcpus; /* 0: none */
    int64_t memory_mib;
    int64_t pull_started_ms, pull_stopped_ms, execution_stopped_ms;
    bool fault_injection;
    const struct view_container *containers; /* pause containers too */
    size_t n_containers;
    const struct view_pair *task_tags, *instance_tags; /* NULL: not asked for or none; sorted */
    size_t n_task_tags, n_instance_tags;
    const struct view_error *errors;
    size_t n_errors;
};

/* Of the metadata endpoints; `version` is 2, 3 or 4. v3 (and v4's container) with networks that
 * are not known is false: then nothing is written (500 of the specification). */
bool view_write_task(const struct view_task *t, int version, bool tags, struct jw *w);
bool view_write_container(const struct view_task *t, size_t container, int version, struct jw *w);
/* Of introspection: one task. Internal containers are hidden. */
void view_write_introspection(const struct view_task *t, struct jw *w);
/* The metadata file, tab-indented; `ready` false: the partial one. Appends text. */
struct view_host {
    const char *instance_arn, *zone, *private_ipv4, *public_ipv4, *ipv6; /* NULL: left out */
};
void view_write_file(const struct view_task *t, size_t container, const struct view_host *h,
                     bool ready, struct buf *out);
