#pragma once
/* control: the agent's conversation with the control plane: registration,
 * DiscoverPollEndpoint, the ACS and TCS websockets, SubmitTaskStateChange, and draining when
 * the instance's metadata announces its end.
 *
 * Below: base, io, task, config, aws, host. Knows neither the engine nor the
 * core: news goes up through `struct control_events`, which main.c connects.
 * Everything runs on the loop thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "aws/aws_call.h"
#include "aws/credentials.h"
#include "aws/imds.h"
#include "base/err.h"
#include "config/config.h"
#include "io/loop.h"
#include "task/task.h"

struct control;
struct tcs_source; /* tcs.h */

struct control_payload_task {
    struct task *task; /* the receiver may take it (set NULL) */
    char *arn;         /* of a task that could not be decoded; may be NULL */
    char *error;
};

struct control_manifest_entry {
    const char *arn;
    enum task_status desired;
};

struct control_events {
    /* Registered: the ARN is to be stored (control_args.instance_arn next time), and the
     * instance's id with it (NULL: unknown), which may have become known only now. */
    void (*registered)(void *user, const char *instance_arn, const char *instance_id);
    /* Registration failed for good: the process is to exit with this code (1, 5). */
    void (*failed)(void *user, int exit_code, const struct err *e);
    /* ACS opened (true) or closed (false). */
    void (*connected)(void *user, bool connected);
    /* `seq` -1 when absent. Acknowledge later with control_ack. The credentials
     * inside were put into `roles` already; their acks go out with the ack. */
    void (*payload)(void *user, const char *message_id, int64_t seq,
                    struct control_payload_task *tasks, size_t n_tasks);
    void (*manifest)(void *user, const char *message_id, const char *cluster_arn, int64_t seq,
                     const struct control_manifest_entry *entries, size_t n);
    void (*stop_ack)(void *user, const char *message_id, const char *const *arns, size_t n);
    /* A report's outcome; `id` as given. */
    void (*reported)(void *user, uint64_t id, bool accepted, bool refused, const char *error);
    /* Some call or connection to the control plane succeeded: what waits in
     * backoff may try again now. Comes at most once a turn. */
    void (*up)(void *user);
    /* Does this task exist? For credential refreshes (unknown: stored, no ack). */
    bool (*knows_task)(void *user, const char *arn);
};

/* As registered: less what is reserved and what local tasks need. */
struct control_resources {
    int64_t cpu_units, memory_mib;
    /* Host ports of local tasks, added to the reserved ones; NULL: none. Borrowed. */
    const struct port_list *local_tcp, *local_udp;
};

/* What registration says of the machine besides its resources. All copied. */
struct control_machine {
    const char *instance_id;           /* or that of the stored state; NULL: unknown */
    const char *const *docker_plugins; /* volume drivers, as attributes name them */
    size_t n_docker_plugins;
    const char *const *gpus; /* "GPU-…": platform devices */
    size_t n_gpus;
    const char *gpu_driver; /* version; NULL: unknown */
};

struct control_args {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials;
    struct imds *imds; /* NULL: turned off, or an external machine */
    struct roles *roles;
    /* Borrowed; control_reconfigure replaces it. */
    const struct config *config;
    struct control_machine machine;
    const char *instance_arn;   /* stored; NULL: register anew. Copied. */
    const char *docker_version; /* "20.10.24+dfsg1"; NULL: unknown. Copied. */
    const char *docker_api;     /* highest usable API version, e.g. "1.41". Copied. */
    const char *agent_version;  /* "1.105.1": the reference's release that Berth matches */
    const char *agent_hash;     /* Berth's own commit. Copied. */
    struct control_resources resources;
    bool task_limits; /* tasks get cgroups of their own */
    /* What telemetry tells; called with the `user` of control_create. NULL: there is no
     * telemetry session. Copied. */
    const struct tcs_source *telemetry;
    uint64_t seed;
};

struct control *control_create(const struct control_args *args, const struct control_events *ev,
                               void *user);
void control_destroy(struct control *c); /* closes; silence. NULL is fine */

/* Begins with registration (after the wait of a warm pool, the instance's identity and its
 * tags); all the rest follows by itself. */
void control_start(struct control *c);
/* Another configuration counts from now on; `config` must stay. What was registered stays. */
void control_reconfigure(struct control *c, const struct config *config);

/* What would be registered: calls `fn` for each attribute, in order; `value` may be NULL. */
typedef void control_attribute_fn(void *user, const char *name, const char *value);
void control_each_attribute(const struct control_args *args, control_attribute_fn *fn, void *user);

/* Does nothing when the session that brought the message has ended. */
void control_ack(struct control *c, const char *message_id);
/* More messages are there than are dealt with: none is read, and the control plane has to wait,
 * until false is said. For moments: while it lasts, the session's end is not noticed either. */
void control_hold(struct control *c, bool held);
void control_stop_verify(struct control *c, const char *message_id, const char *cluster_arn,
                         const char *const *arns, size_t n);
/* The answer to tcs_source.check_runtime: whether the container engine lives. */
void control_runtime_checked(struct control *c, bool ok);
/* SubmitTaskStateChange: `body` lacks only "cluster". The outcome comes as
 * `reported`, on a later turn. */
void control_report(struct control *c, uint64_t id, struct str body);
/* Are there reports whose outcome is not known? */
bool control_is_reporting(const struct control *c);

/* Where this instance is and by which addresses it is reached; NULL: not known, or not asked
 * for (the addresses are, with ECS_ENABLE_CONTAINER_METADATA). Complete once it is registered.
 * Borrowed: a later registration replaces them. */
struct control_place {
    const char *zone, *zone_id, *vpc_id;
    const char *private_ipv4, *public_ipv4, *ipv6;
};
struct control_place control_place(const struct control *c);
/* How ECS is called. Borrowed until control_destroy. */
const struct aws_service *control_ecs(const struct control *c);
/* Numbers for those who watch; counters since the start but for `connected`, `heartbeat_ms`
 * and `waiting`. */
enum control_message { /* of ACS, received */
                       CONTROL_MSG_HEARTBEAT,
                       CONTROL_MSG_PAYLOAD,
                       CONTROL_MSG_CREDENTIALS,
                       CONTROL_MSG_MANIFEST,
                       CONTROL_MSG_STOP_ACK,
                       CONTROL_MSG_UPDATE,
                       CONTROL_MSG_OTHER,   /* known, without effect here; or of an unknown type */
                       CONTROL_MSG_INVALID, /* could not be read */
                       CONTROL_MSG__COUNT
};
const char *control_message_name(enum control_message m); /* "payload" */

struct control_totals {
    bool registered, acs_connected, tcs_connected;
    uint64_t acs_opened, tcs_opened; /* sessions; all but the first are reconnects */
    uint64_t acs_failed, tcs_failed; /* tries that came to nothing */
    uint64_t messages[CONTROL_MSG__COUNT];
    uint64_t acks;        /* of any kind, handed to the session */
    int64_t heartbeat_ms; /* since the last one; -1: none yet */
    uint64_t reports_accepted, reports_refused, reports_failed;
};
void control_get_totals(const struct control *c, struct control_totals *out);

/* What `berth status` shows: {"registered":…,"instance_arn":…,"waiting_for":…,"acs":{
 * "connected":…,"since_ms":…,"last_error":…},"tcs":{…} (tcs.h),
 * "instance":{"id":…,"zone":…,"zone_id":…,"vpc_id":…,
 * "spot":…,"rebalance":…,"lifecycle":…},"draining":false,"draining_why":…,
 * "draining_error":…,"clock_offset_ms":…}. "draining" is true once the control plane has taken
 * it; texts that are not known are left out. Writes one object. */
void control_write_status(const struct control *c, struct jw *w);

/* The User-Agent header of every call, for http_client_config; free() it. `os_family` NULL:
 * of the calls for tasks, where the reference leaves it out. */
char *control_user_agent(const char *version, const char *hash, const char *os_family);
