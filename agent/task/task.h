#pragma once
/* task: a task as the control plane sent it, and the facts an engine can say of
 * its containers. Pure; below: base.
 *
 * Field names and rules: the Task shape of the ACS API and the task definition
 * parameters of Amazon ECS. A decoded task is immutable. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"
#include "base/json.h"

#define TASK_MAX_CONTAINERS 120 /* the service's own limit is 10 */
#define TASK_MAX_JSON       (1 << 20)

/* In order: a desired status never goes back. */
enum task_status { TASK_NONE, TASK_MANIFEST_PULLED, TASK_CREATED, TASK_RUNNING, TASK_STOPPED };

enum ctr_status {
    CTR_NONE,
    CTR_MANIFEST_PULLED, /* the image's digest is resolved, as far as it can be */
    CTR_PULLED,          /* the image is there */
    CTR_CREATED,
    CTR_RUNNING,
    CTR_STOPPED,
};

enum dep_condition { DEP_CREATE, DEP_START, DEP_COMPLETE, DEP_SUCCESS, DEP_HEALTHY };

struct task_dep {
    size_t target; /* index into task.containers */
    enum dep_condition condition;
};

enum port_proto { PORT_TCP, PORT_UDP };

struct task_port {
    uint16_t container_port;          /* 0 with a range */
    uint16_t host_port;               /* 0: the engine chooses */
    uint16_t range_first, range_last; /* container ports; 0 without a range */
    enum port_proto proto;
};

struct task_kv {
    char *name;
    char *value;
};

struct task_mount {
    char *source_volume;
    char *container_path;
    bool read_only;
};

struct task_from { /* volumesFrom */
    size_t source; /* index into task.containers */
    bool read_only;
};

struct task_link {
    size_t target;
    char *alias;
};

struct task_secret {
    char *name, *value_from, *region, *provider;
    bool log_driver; /* target LOG_DRIVER instead of CONTAINER */
};

struct task_restart { /* restartPolicy */
    bool enabled;
    int *ignored_codes;
    size_t n_ignored_codes;
    int64_t attempt_period_s; /* a container that ran for less is not restarted */
};

/* registryAuthentication: who vouches for the pull. */
enum task_auth_kind { TASK_AUTH_ENGINE, TASK_AUTH_ECR, TASK_AUTH_ASM };

struct task_auth {
    enum task_auth_kind kind; /* ENGINE: absent or of another type; ECS_ENGINE_AUTH_DATA counts */
    char *region;             /* ECR, ASM; "" when absent */
    char *registry_id, *endpoint_override; /* ECR; NULL when absent */
    bool use_execution_role;               /* ECR */
    char *secret_id;                       /* ASM: credentialsParameter */
};

struct task_container {
    char *name;
    char *image;
    char *arn; /* may be NULL */
    bool essential;
    /* The pause container whose namespaces the others share (pidMode or ipcMode
     * "task"): added by the decoder as the last one, never reported. */
    bool internal;
    int64_t cpu_shares;
    int64_t memory_mib;
    int64_t memory_reservation_mib; /* hostConfig.MemoryReservation, rounded down */
    char **command;                 /* overrides applied; NULL: the image's */
    size_t n_command;
    char **entry_point;
    size_t n_entry_point;
    struct task_kv *env; /* sorted by name, as every list of pairs */
    size_t n_env;
    struct task_port *ports;
    size_t n_ports;
    struct task_mount *mounts;
    size_t n_mounts;
    struct task_from *from;
    size_t n_from;
    struct task_link *links;
    size_t n_links;
    struct task_secret *secrets;
    size_t n_secrets;
    char **env_files; /* S3 ARNs, in order */
    size_t n_env_files;
    struct task_restart restart;
    struct task_auth auth;
    /* dependsOn, then what volumesFrom (CREATE), links (START) and the shared
     * namespaces of the pause container (START) imply. */
    struct task_dep *deps;
    size_t n_deps;
    int64_t start_timeout_s; /* 0: none; how long dependents wait for this container */
    int64_t stop_timeout_s;  /* -1: the agent's default */
    bool health_docker;      /* healthCheckType is "docker" */
    bool log_execution_role; /* logsAuthStrategy is "ExecutionRole" */
    char *docker_config;     /* dockerConfig.config, JSON text or NULL */
    char *docker_host_config;
    char *docker_version;
    char *log_driver; /* from hostConfig.LogConfig.Type; NULL: Docker's default */
    struct task_kv *log_options;
    size_t n_log_options;
};

enum task_volume_kind {
    VOLUME_HOST,  /* a bind of host_path */
    VOLUME_TASK,  /* made for the task, removed with it: anonymous, or scope "task" */
    VOLUME_SHARED /* scope "shared": the Docker name is the volume's name; never removed */
};

/* EFS, FSx and attached volumes are refused by the decoder; those of a task that is
 * to be stopped are left out. */
struct task_volume {
    char *name;
    enum task_volume_kind kind;
    char *host_path;    /* HOST */
    bool autoprovision; /* SHARED: made when it is not there; else it must be there */
    char *driver;       /* NULL: Docker's default ("local") */
    struct task_kv *driver_opts;
    size_t n_driver_opts;
    struct task_kv *labels;
    size_t n_labels;
};

struct task {
    char *arn;
    char *id; /* the text after the last '/' of the ARN */
    char *family;
    char *version;
    char *group, *service_name, *launch_type;             /* NULL when absent */
    char *network_mode;                                   /* "bridge" when absent */
    char *pid_mode, *ipc_mode;                            /* NULL when absent */
    enum task_status desired;                             /* as sent */
    bool fault_injection;                                 /* it may ask for faults */
    double cpu_vcpus;                                     /* 0: no task limit */
    int64_t memory_mib;                                   /* 0: no task limit */
    char *role_credentials_id, *execution_credentials_id; /* NULL when absent */
    struct task_container *containers;
    size_t n_containers;
    struct task_volume *volumes;
    size_t n_volumes;
    /* The JSON it was decoded from, compact, without any credential: what the
     * store keeps. Decoding it again gives an equal task. */
    char *json;
};

/* Credentials of a role, as a payload or a refresh message carries them. Secret:
 * they live in the process's memory only. */
struct task_credentials {
    char *id, *role_arn, *access_key, *secret_key, *session_token, *expiration;
};
void task_credentials_fini(struct task_credentials *c); /* wipes, frees, zeroes */

/* Decodes one element of a payload's `tasks`. ERR_INVALID names the place:
 * "containers[2].memory: expected integer, got string". An unknown dependency or
 * a dependency cycle is ERR_INVALID too, naming the containers, and so is what cannot
 * be had here (awsvpc, FireLens, GPUs, ...) unless the task is to be stopped. Unknown
 * members are ignored. On success *out is the caller's. */
MUST_CHECK enum err_code task_decode(const struct json_t *v, struct task **out, struct err *e);
/* As task_decode, from text (the store's). */
MUST_CHECK enum err_code task_decode_text(const char *text, size_t n, struct task **out,
                                          struct err *e);
void task_destroy(struct task *t); /* NULL is fine */
/* A copy under another ARN (and so another id): a run of a local task. NULL: the ARN
 * names no task, or the copy would be larger than TASK_MAX_JSON. */
struct task *task_with_arn(const struct task *t, const char *arn);

/* A task definition as `aws ecs register-task-definition --cli-input-json` takes it
 * (or describe-task-definition gives it: then its "taskDefinition" member), turned
 * into a task with this ARN, as a control plane would: dockerConfig rendered from
 * linuxParameters, ulimits, user and so on. What needs the cloud (secrets,
 * environment files, awsvpc, EFS) is ERR_INVALID, naming the member; roles are left out.
 * Version is "0". `family` is used when the definition has none. */
MUST_CHECK enum err_code task_from_definition(const struct json_t *v, const char *arn,
                                              const char *family, struct task **out, struct err *e);
/* Does it name a task role? */
bool task_definition_has_role(const struct json_t *v);
AUTO_DEFINE(task, struct task *, task_destroy)

/* The credentials at `c`, which is a task's "roleCredentials" or
 * "executionRoleCredentials" or a refresh message's; *out is zeroed when `c` is
 * absent. An error is left in `c`'s document too. */
MUST_CHECK enum err_code task_decode_credentials(const struct jcur *c, struct task_credentials *out,
                                                 struct err *e);

/* The task's JSON with the values of environment, arguments, log options (but
 * awslogs-*), driver options and labels blanked, and of dockerConfig only what
 * decisions need: what a flight record may hold. It decodes to the same
 * containers, dependencies, ports and needs. free() it. */
char *task_redacted_json(const struct task *t);

/* Index of the container of that name, or -1. */
int task_find_container(const struct task *t, const char *name);
/* What the task needs of its host (task-level limits first, else the sum of its
 * containers, the soft limit where there is one). */
int64_t task_need_cpu(const struct task *t); /* units, 1024 a core */
int64_t task_need_memory_mib(const struct task *t);

const char *task_status_name(enum task_status s); /* "RUNNING" */
const char *ctr_status_name(enum ctr_status s);
/* Wire names, including UNKNOWN (NONE) and DEAD (STOPPED). */
MUST_CHECK enum err_code task_status_parse(const char *text, enum task_status *out, struct err *e);

/* How many ports it maps: 1, or as many as its range has. */
size_t task_port_width(const struct task_port *p);
/* How many ports (ranges counted as blocks) the agent has to choose for a container:
 * those without a host port, in bridge mode. */
size_t task_ports_to_choose(const struct task *t, const struct task_container *c);

/* The Docker name of a volume: VOLUME_SHARED its own, VOLUME_TASK
 * ecs-<family>-<version>-<name>-<20 hex of the task's id>; NULL for VOLUME_HOST.
 * free() it. */
char *task_volume_docker_name(const struct task *t, const struct task_volume *v);

#define TASK_PAUSE_IMAGE "amazon/amazon-ecs-pause:0.1.0"
#define TASK_PAUSE_NAME  "~internal~ecs~pause~namespace"

/* The Docker name of a container: ecs-<family>-<version>-<name>-<20 hex>, where
 * `unique` gives the last part. free() it. */
char *task_docker_name(const struct task *t, const struct task_container *c, uint64_t unique);

#define LABEL_PREFIX "com.amazonaws.ecs."

/* Labels of Berth's own, by which a container finds its way back when the store is lost:
 * whose it is (the data directory, for there may be other agents), and what an agent must know
 * of its task to look after it: JSON in the shape of a payload, without anything secret. */
#define LABEL_OWNER   "berth.owner"
#define LABEL_REMAINS "berth.remains"

/* ---- the body of Docker's POST /containers/create ---- */

struct task_create_args {
    const struct task *task;
    size_t container;                /* index */
    const char *cluster;             /* configured name, for the label */
    const char *region;              /* AWS_REGION, unless the task or image sets one; NULL: none */
    const char *const *docker_names; /* of every container of the task, by index */
    const char *const *image_env;    /* NAME=value of the image, NULL-terminated; may be NULL */
    /* One for each of the container's ports: the host port chosen where the task
     * names none; for a range, the first of a contiguous block. NULL: Docker chooses. */
    const uint16_t *host_ports;
    const char *pause_id;      /* of the container with the shared namespaces; may be NULL */
    const char *cgroup_parent; /* NULL: Docker's default; else always overrides */
    /* ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2 on cgroup v2: a container without a
     * limit gets the task's. */
    bool propagate_memory;
    const struct task_kv *secret_env; /* secrets of target CONTAINER; they overwrite */
    size_t n_secret_env;
    const struct task_kv *file_env; /* of environment files; only names not yet set, first wins */
    size_t n_file_env;
    const struct task_kv *log_secrets; /* secrets of target LOG_DRIVER, as options */
    size_t n_log_secrets;
    const struct task_kv *pause_labels; /* ECS_PAUSE_LABELS, for the internal container */
    size_t n_pause_labels;
    int docker_api;          /* minor version in use; 0: any will do */
    const char *metadata_id; /* UUID for the metadata endpoints; NULL: no such variables */
    /* The folder of this host that has the container's metadata file (NULL: none), and the
     * UUID that names its place in the container (task_file_mount). */
    const char *file_dir, *file_mount;
    bool selinux;            /* that folder is to be labeled for the container alone */
    bool log_local;          /* the engine offers the log driver `local`, which costs it less */
    int64_t log_spool_bytes; /* of awslogs containers, unless max-buffer-size says it; 0: default */
    const char *owner;       /* LABEL_OWNER; NULL: neither that nor LABEL_REMAINS */
};

#define TASK_FILE_NAME "ecs-container-metadata.json"
#define TASK_FILE_BASE "/opt/ecs/metadata/"
#define TASK_UUID_SIZE 37
/* The place of the metadata file in a container: another one for each creation, and the same one
 * when a creation is repeated after a crash, for the Docker name is chosen for each creation and
 * is stored before it. */
void task_file_mount(const char *docker_name, char out[TASK_UUID_SIZE]);
/* Below the folder of all metadata files: "CLUSTER/TASKID" of the ARN; with `container`, its
 * folder there. free() it; NULL: a name cannot be one of a folder, or of a bind. */
char *task_file_path(const char *task_arn, const char *container);

/* The value of LABEL_REMAINS; task_create_body writes it. */
void task_remains_write(const struct task_create_args *args, struct buf *out);

/* One container of a task whose definition is lost. */
struct task_remains {
    const char *label;                /* LABEL_REMAINS; may be NULL */
    char *name;                       /* out: of the container; NULL: the label cannot be read */
    char metadata_id[TASK_UUID_SIZE]; /* out; "": unknown */
    uint16_t *host_ports;             /* out: as in task_create_args; NULL: none were chosen */
    size_t n_host_ports;
};
void task_remains_fini(struct task_remains *rows, size_t n);
/* A task made from what its containers' labels say, in their first order. *whole: they are all
 * of its containers; else some are gone or were never made, and the task cannot be what it
 * was. ERR_INVALID: no label can be read. What nobody needs
 * any more, once the containers are there, is not in it: environment, arguments, mounts,
 * secrets. In each case the rows are to be given to task_remains_fini. */
MUST_CHECK enum err_code task_from_remains(const char *arn, struct task_remains *rows, size_t n,
                                           bool *whole, struct task **out, struct err *e);

/* The rotation of the log file that Berth ships from: `files` of `bytes` each. With files that the
 * engine has removed and that Berth still has open, TASK_SPOOL_RESERVE of the same size, they are
 * the most that the log may take of the disk: the option max-buffer-size (Docker's spelling: "25m")
 * when it is there, at least TASK_SPOOL_LEAST; else `wished` (0: TASK_SPOOL_BYTES). Never fewer
 * than two files. Pure. ERR_INVALID: max-buffer-size is no size, or given without mode
 * non-blocking, as dockerd says it. */
#define TASK_SPOOL_BYTES   ((int64_t)384 << 20)
#define TASK_SPOOL_FILES   4
#define TASK_SPOOL_RESERVE 2
#define TASK_SPOOL_LEAST   ((int64_t)1 << 20)
struct task_spool {
    int64_t bytes;
    int files;
};
/* The options of a container's log driver with its `secrets` (target LOG_DRIVER) in: each name
 * once, an empty secret sets nothing. free() the array; the texts are borrowed from both. */
struct task_kv *task_log_options(const struct task_container *c, const struct task_kv *secrets,
                                 size_t n_secrets, size_t *n);
MUST_CHECK enum err_code task_spool_of(const struct task_container *c, int64_t wished,
                                       struct task_spool *out, struct err *e);

/* Writes the body. awslogs becomes local, or else json-file: Berth ships the lines itself.
 * ERR_INVALID carries the reference's error name in front, e.g.
 * "DockerClientConfigError: Unable decode given docker config: ...". */
MUST_CHECK enum err_code task_create_body(const struct task_create_args *args, struct buf *out,
                                          struct err *e);

/* ---- facts about a container, from inspect or an event ---- */

struct port_binding {
    char ip[46];
    uint16_t container_port, host_port;
    enum port_proto proto;
};

enum ctr_health { HEALTH_UNKNOWN, HEALTH_STARTING, HEALTH_OK, HEALTH_BAD };

struct ctr_facts {
    char id[72];
    enum ctr_status status; /* CREATED, RUNNING or STOPPED */
    bool has_exit_code;     /* not running and FinishedAt set */
    int exit_code;
    bool oom_killed;
    char error[512];                             /* State.Error; "" when none */
    int64_t created_ms, started_ms, finished_ms; /* 0: unset */
    enum ctr_health health;
    struct port_binding *bindings; /* sorted by protocol, container port, ip */
    size_t n_bindings;
};
void ctr_facts_fini(struct ctr_facts *f);
/* True when `image` names a digest: "repo@sha256:...". The digest is what follows '@'. */
bool task_image_has_digest(const char *image);
/* `to` is zeroed or holds facts, which are replaced. */
void ctr_facts_copy(struct ctr_facts *to, const struct ctr_facts *from);
