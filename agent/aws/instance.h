#pragma once
/* instance: what the metadata service says of this machine, and what it announces.
 *
 * Everything asked for at once is asked for side by side, so a service that is slow or
 * away costs one wait, never one for each. Paths: config-registration, section 8. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/imds.h"
#include "base/err.h"

enum instance_item {
    INSTANCE_ID,
    INSTANCE_REGION, /* placement/region, else the identity document's */
    INSTANCE_USER_DATA,
    INSTANCE_ZONE_ID,
    INSTANCE_MAC,
    INSTANCE_VPC_ID,    /* of the network interface with that MAC */
    INSTANCE_SUBNET_ID, /* likewise */
    INSTANCE_OUTPOST_ARN,
    INSTANCE_DOCUMENT,
    INSTANCE_SIGNATURE,
    INSTANCE_LOCAL_IPV4,
    INSTANCE_PUBLIC_IPV4,
    INSTANCE_IPV6,
    INSTANCE_ITEMS, /* their number */
};
#define INSTANCE_WANT(item) (1u << (item))

struct instance_facts {
    char *text[INSTANCE_ITEMS];       /* NULL: not asked for, or not had */
    struct err error[INSTANCE_ITEMS]; /* why not; ERR_NOT_FOUND: there is none */
};
void instance_facts_fini(struct instance_facts *f);      /* user data may hold secrets: wipes */
const char *instance_item_name(enum instance_item item); /* "instance-id" */

/* `f` is borrowed and the receiver may take texts (set NULL). */
typedef void instance_done_fn(void *user, struct instance_facts *f);
struct instance_read;
/* Reads the items of `wanted` (bits); done within `limit_ms`, on a later turn: what is
 * not there by then has ERR_TIMEOUT. */
struct instance_read *instance_read(struct imds *m, struct loop *loop, unsigned wanted,
                                    int64_t limit_ms, instance_done_fn *done, void *user);
void instance_read_cancel(struct instance_read *r); /* NULL is fine */

/* ---- announcements ---- */

struct instance_events {
    /* A spot interruption: `action` is "hibernate", "terminate" or "stop", `time` as sent.
     * Told once for each notice. */
    void (*spot)(void *user, const char *action, const char *time);
    /* The instance is at a higher risk of interruption; `time` as sent. Told once. */
    void (*rebalance)(void *user, const char *time);
    /* autoscaling/target-lifecycle-state changed: "InService", "Warmed:Stopped",
     * "Terminated", ... Told once for each value. */
    void (*lifecycle)(void *user, const char *state);
};

struct instance_watch_args {
    struct imds *imds; /* borrowed */
    struct loop *loop;
    int64_t spot_ms;      /* 1 s; 0: not watched (rebalance neither) */
    int64_t lifecycle_ms; /* 1 min; 0: not watched */
};
struct instance_watch;
/* Polls until it is destroyed, one request at a time each; a 404 is the normal answer.
 * While the service is not there the interval grows to a minute. */
struct instance_watch *instance_watch_create(const struct instance_watch_args *args,
                                             const struct instance_events *ev, void *user);
void instance_watch_destroy(struct instance_watch *w); /* NULL is fine */

/* ---- warm pools ---- */

/* Waits until the target lifecycle state is "InService": up to 120 polls while there is
 * none (404), then without end, one each `poll_ms` (1 min), tolerating 429 and 5xx and a
 * service that does not answer. ERR_NOT_FOUND: there never was a state; ERR_DENIED: another
 * answer (exit code 5). */
typedef void instance_ready_fn(void *user, const struct err *e);
struct instance_wait;
struct instance_wait *instance_wait_in_service(struct imds *m, struct loop *loop, int64_t poll_ms,
                                               instance_ready_fn *done, void *user);
void instance_wait_cancel(struct instance_wait *w); /* NULL is fine */
