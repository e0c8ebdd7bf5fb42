#pragma once
/* private: what the files of control share. The parts know each other only
 * through this: each is made once, begins when it is told, and ends in its
 * destroy. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/aws_call.h"
#include "base/backoff.h"
#include "base/rng.h"
#include "control/acs_decode.h"
#include "control/control.h"

/* Every delay, so that a test may shorten them. */
struct control_timing {
    int64_t silence_ms, silence_jitter_ms; /* nothing heard on the session: cut it */
    int64_t max_age_ms, age_jitter_ms;     /* of a session, then it is closed in peace */
    int64_t healthy_ms, healthy_jitter_ms; /* open for so long: the backoff starts anew */
    int64_t inactive_ms;                   /* after InactiveInstanceException */
    int64_t short_ms;                      /* a session that lasted less ... */
    int64_t floor_ms;                      /* ... is not followed by another before this */
    struct backoff_rule session;
    struct backoff_rule telemetry;    /* the session of that kind */
    int64_t gather_ms;                /* between two gatherings of telemetry */
    int64_t status_ms;                /* between two looks whether the instance status is told */
    struct backoff_rule registration; /* the service asks for patience */
    struct backoff_rule unreachable;  /* nobody or somebody else answers */
    int64_t registration_limit_ms;
    int64_t discover_keep_ms;
    int64_t warm_pool_ms;          /* between two looks at the target state of a warm pool */
    int64_t identity_ms;           /* for all that is asked of the instance before registration */
    int64_t spot_ms, lifecycle_ms; /* between two looks at the announcements */
    int64_t drain_ms;              /* between two tries to be drained */
};
extern const struct control_timing control_timing_default;

struct registration;
struct discover;
struct acs;
struct tcs;
struct reporter;
struct prepare;
struct drain;

/* Which instance this is, as its metadata service says; NULL: not known. */
struct identity {
    char *id, *zone_id, *mac, *vpc_id, *subnet_id, *outpost_arn;
    char *document, *signature;
    char *private_ipv4, *public_ipv4, *ipv6; /* for the metadata file alone */
    struct string_map tags;                  /* of the EC2 instance */
};

struct control {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials;
    struct imds *imds; /* NULL: there is none */
    struct roles *roles;
    const struct config *config;
    struct control_machine machine; /* owned */
    char *docker_version, *docker_api, *agent_version, *agent_hash;
    bool task_limits;
    struct control_resources resources;
    struct control_events ev;
    void *user;

    struct control_timing timing;
    struct rng rng;
    char *endpoint, *region;
    struct aws_service ecs;
    struct identity identity;
    char *instance_arn;          /* NULL until it is known */
    char *zone;                  /* as the control plane sees it; NULL: not known */
    bool registered;             /* in this process */
    struct err registration_err; /* why it is tried again */
    struct turn_end *up;

    struct registration *registration;
    struct drain *drain;
    struct discover *discover;
    struct acs *acs;
    struct tcs *tcs; /* tcs.h; NULL: no telemetry is wanted */
    struct reporter *reporter;
    struct control_totals totals; /* the counters in it */
    int64_t heartbeat_ms;         /* when the last one came, on the loop's clock; 0: none */
};

/* Before control_start. */
void control_set_timing(struct control *c, const struct control_timing *t);

/* Something succeeded: whoever waits in backoff may try again now. */
void control_progress(struct control *c);
/* Registered: the session may begin. */
void control_registered(struct control *c);
/* `base` plus a part of `jitter`. */
int64_t control_jitter(struct control *c, int64_t base, int64_t jitter);

/* ---- before registration (prepare.c) ---- */

/* Waits for a warm pool, reads the instance's identity and its tags, as far as each is wanted.
 * `exit_code` 0: c->identity holds what could be had; else the process is to end so. */
typedef void prepared_fn(void *user, int exit_code, const struct err *e);
struct prepare *prepare_create(struct control *c, prepared_fn *done, void *user);
void prepare_destroy(struct prepare *p);
void prepare_start(struct prepare *p); /* `done` comes on a later turn */
/* What is waited for: "warm pool", "identity", "tags"; NULL: nothing. */
const char *prepare_phase(const struct prepare *p);
void identity_fini(struct identity *id);

/* ---- registration ---- */

struct registration *registration_create(struct control *c);
void registration_destroy(struct registration *r);
void registration_start(struct registration *r);
void registration_wake(struct registration *r);
/* What is waited for before the first call; NULL: nothing. */
const char *registration_phase(const struct registration *r);

/* ---- draining (drain.c) ---- */

struct drain *drain_create(struct control *c);
void drain_destroy(struct drain *d);
void drain_registered(struct drain *d);
void drain_reconfigured(struct drain *d);
void drain_ask(struct drain *d, const char *why);
/* Members of the object "instance": what was announced. */
void drain_write_announced(const struct drain *d, struct jw *w);
/* Members of the status: whether, why, and with what success. */
void drain_write_status(const struct drain *d, struct jw *w);

/* ---- DiscoverPollEndpoint ---- */

enum discover_which { DISCOVER_ACS, DISCOVER_TCS, DISCOVER__COUNT };
struct discover_op;
/* `endpoint` is borrowed and NULL on error. */
typedef void discover_fn(void *user, const char *endpoint, const struct err *e);
struct discover *discover_create(struct control *c);
void discover_destroy(struct discover *d);
/* From the cache or by a call (one at a time, shared); on a later turn. */
struct discover_op *discover_get(struct discover *d, enum discover_which which, discover_fn *done,
                                 void *user);
void discover_cancel(struct discover_op *op); /* NULL is fine */

/* ---- the session ---- */

struct acs *acs_create(struct control *c);
void acs_destroy(struct acs *a);
void acs_start(struct acs *a);
void acs_wake(struct acs *a);
void acs_hold(struct acs *a, bool held);
/* False, and nothing sent, when the session is not open. */
bool acs_send(struct acs *a, const struct buf *message);
void acs_heard(struct acs *a); /* a message that counts as a sign of life */
void acs_write_status(const struct acs *a, struct jw *w);
void acs_get_totals(const struct acs *a, struct control_totals *out);

/* What the messages ask for (acs_messages.c). */
struct acs_messages;
struct acs_messages *acs_messages_create(struct control *c);
void acs_messages_destroy(struct acs_messages *m);
void acs_messages_take(struct acs_messages *m, struct acs *a, struct str text);
void acs_messages_new_session(struct acs_messages *m); /* the one before has ended */
/* Nothing is sent for a message of an earlier session. */
void acs_messages_ack(struct acs_messages *m, struct acs *a, const char *message_id);
struct acs_messages *acs_get_messages(struct acs *a);

/* ---- reports ---- */

struct reporter *reporter_create(struct control *c);
void reporter_destroy(struct reporter *r);
void reporter_send(struct reporter *r, uint64_t id, struct str body);
bool reporter_is_busy(const struct reporter *r);
