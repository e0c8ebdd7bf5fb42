#pragma once
/* model: clusters, container instances, task definitions and tasks.
 *
 * Plain data with finders; the ecs_*.c and acs.c files decide. Everything is
 * owned by the model. Pointers between the things stay valid: a cluster, an
 * instance and a task definition are never freed before the model (they become
 * INACTIVE), tasks are freed an hour after they stopped. */
#include "base/err.h"
#include "base/json.h"
#include "base/list.h"
#include "base/rng.h"
#include "place.h"
#include "taskdef.h"

#define MODEL_TASKS_MAX    10000
#define MODEL_TASK_KEEP_MS (3600 * 1000LL)
#define MODEL_LIFE_MS      (6 * 3600 * 1000LL) /* of role credentials */

struct acs_conn;

struct tags {
    struct tag {
        char *key, *value;
    } * v;
    size_t n;
};

struct cluster {
    struct list node;
    char *name, *arn;
    bool active;
    struct tags tags;
};

enum instance_status { INSTANCE_ACTIVE, INSTANCE_DRAINING, INSTANCE_INACTIVE };

struct instance {
    struct list node;
    struct cluster *cluster;
    char *id, *arn, *ec2_id, *type, *client_token;
    char *agent_version, *agent_hash, *docker_version;
    enum instance_status status;
    struct place_attr *attrs;
    size_t attr_count;
    int64_t cpu, memory;
    uint16_t *tcp, *udp; /* reserved at registration */
    size_t tcp_count, udp_count;
    int64_t registered_ms, version;
    int64_t seq; /* of payloads and manifests; only grows */
    struct tags tags;
    struct acs_conn *conn; /* NULL: not connected; owned by acs.c */
};

struct taskdef {
    struct list node;
    char *family, *arn, *registered_by;
    int revision;
    bool active;
    int64_t registered_ms, deregistered_ms;
    struct json_t *doc; /* in normal form */
    struct err err;
    struct tags tags;
};

/* The order is the only way a status may change. */
enum task_status { TASK_NONE, TASK_PENDING, TASK_RUNNING, TASK_STOPPED };

struct container {
    char *name, *arn, *image, *runtime_id, *image_digest, *reason, *health;
    char *bindings;                          /* JSON array; NULL: none */
    char *cpu, *memory, *memory_reservation; /* text, as the API shows them; NULL: none */
    enum task_status status;
    bool essential, exited;
    int exit_code;
    int64_t started_us;
};

struct role {
    char *arn; /* NULL: the task has no such role */
    char id[RNG_UUID_SIZE];
    char access_key[24], secret[48], token[128];
    char old_key[24]; /* of the credentials before these, which may be in use still */
    int64_t expires_ms;
    bool sent; /* these very credentials were sent */
};

struct task {
    struct list node;
    struct cluster *cluster;
    struct instance *instance;
    struct taskdef *def;
    char *id, *arn, *group, *started_by, *client_token;
    struct json_t *overrides; /* NULL: none */
    struct err overrides_err;
    struct tags tags;
    struct container *containers;
    size_t container_count;
    struct taskdef_need need;
    enum task_status status, desired;
    char *stop_code, *stopped_reason;
    int64_t version;
    int64_t created_ms, pull_started_ms, pull_stopped_ms, started_ms, stopping_ms, stopped_ms,
        execution_stopped_ms;
    struct role task_role, execution_role;
    int64_t protected_until_ms; /* wall clock; 0: it is not */
    /* delivery to the agent */
    enum task_status acked, message_desired; /* which desired status it knows of, was sent */
    char message_id[RNG_UUID_SIZE];          /* "" : nothing is on its way */
    int64_t message_ms;
    /* exact times, monotonic; 0: not yet */
    int64_t created_us, payload_sent_us, acked_us, running_us, stopped_us;
};

/* The thing whose list link this is. */
#define MODEL_OF(link, type) LIST_ENTRY(link, struct type, node)

struct cp_model {
    struct list clusters, instances, taskdefs, tasks;
    size_t task_count;
    char *region, *account;
};

struct cp_model *model_create(const char *region, const char *account);
void model_destroy(struct cp_model *m);

/* By name or ARN; NULL text is "default". INACTIVE ones are found. */
struct cluster *model_cluster_find(struct cp_model *m, const char *name_or_arn);
struct cluster *model_cluster_add(struct cp_model *m, const char *name);

/* By id or ARN; NULL cluster: any. */
struct instance *model_instance_find(struct cp_model *m, const struct cluster *c,
                                     const char *id_or_arn);
struct instance *model_instance_add(struct cp_model *m, struct cluster *c, const char *id);
void model_instance_set_attribute(struct instance *i, const char *name, const char *value);
const char *model_instance_attribute(const struct instance *i, const char *name);

/* "family" (the latest ACTIVE one), "family:revision" or ARN. */
struct taskdef *model_taskdef_find(struct cp_model *m, const char *text);
struct taskdef *model_taskdef_add(struct cp_model *m, const char *family, int revision,
                                  struct json_t **doc);
int model_taskdef_next_revision(const struct cp_model *m, const char *family);
struct jcur model_taskdef_cursor(struct taskdef *td);

struct task *model_task_find(struct cp_model *m, const struct cluster *c, const char *id_or_arn);
/* Takes *overrides (NULL inside: none) and computes need and containers. */
struct task *model_task_add(struct cp_model *m, struct instance *i, struct taskdef *td,
                            const char *id, struct json_t **overrides, struct rng *rng);
void model_task_remove(struct cp_model *m, struct task *t);
struct jcur model_task_overrides(struct task *t);
struct container *model_container_find(struct task *t, const char *name);

/* New keys for a role that is in use, valid until now + MODEL_LIFE_MS. */
void model_role_renew(struct role *r, struct rng *rng, int64_t now_ms);

/* What is free on an instance. The port lists of `out` are allocated:
 * model_host_fini. */
void model_host(struct cp_model *m, struct instance *i, const char *group, struct place_host *out);
void model_host_fini(struct place_host *h);
size_t model_count_tasks(struct cp_model *m, const struct cluster *c, const struct instance *i,
                         enum task_status status);

void tags_set(struct tags *t, const char *key, const char *value);
void tags_unset(struct tags *t, const char *key);
void tags_read(struct tags *t, const struct jcur *list); /* [{key, value}] */
void tags_write(const struct tags *t, struct jw *w);     /* writes the array */
void tags_fini(struct tags *t);

const char *task_status_name(enum task_status s);
/* TASK_NONE for an unknown name. */
enum task_status task_status_parse(const char *name);
const char *instance_status_name(enum instance_status s);

/* ---- model_state.c ---- */

/* Replaces the file by the model as it is; durable when it returns. */
MUST_CHECK enum err_code model_save(const struct cp_model *m, const char *path, struct err *e);
/* Fills an empty model. A file that does not exist is an empty model. */
MUST_CHECK enum err_code model_load(struct cp_model *m, const char *path, struct rng *rng,
                                    struct err *e);
