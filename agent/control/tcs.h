#pragma once
/* tcs: the telemetry session (acs-tcs 5): metrics, health and instance status of this instance
 * to the control plane. Others need of it only `struct tcs_source` (control_args.telemetry) and
 * the writers of tcs_json.h; the rest is private to control.
 *
 * Gathers every 20 s, from its start on, also while there is no session: up to 15 gatherings of
 * each kind wait, more are dropped, the newest first. What waits goes out when the session is
 * open again, with the time of sending; nothing is sent twice and no answer is waited for.
 * Everything runs on the loop thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "control/control.h"

#define TCS_GATHER_MS   20000
#define TCS_WAITING_MAX 15
#define TCS_TASKS_PAGE  10
#define TCS_MESSAGE_MAX (1024 * 1024)

/* One task's part of a message, written as one JSON object (TaskMetric or a health task). */
typedef void tcs_task_fn(void *tcs, struct str task_json);

struct tcs_source {
    /* Calls `add` for each task that has something to tell now. Returns whether anything is
     * watched at all (false: the instance is idle). Not asked while metrics are disabled. */
    bool (*metrics)(void *user, tcs_task_fn *add, void *tcs);
    /* Likewise of tasks with health-checked containers. */
    void (*health)(void *user, tcs_task_fn *add, void *tcs);
    /* Asks the container engine for a sign of life (2 s); answer with control_runtime_checked,
     * on a later turn. Not asked again before the answer. */
    void (*check_runtime)(void *user);
};

/* ---- private to control ---- */

struct tcs;
struct control; /* private.h */

/* `source` NULL gives NULL, which every function here takes and then does nothing. */
struct tcs *tcs_create(struct control *c, const struct tcs_source *source, void *user);
void tcs_destroy(struct tcs *t);
/* Registered: the session may begin; the first gathering is at once. */
void tcs_start(struct tcs *t);
/* Something else succeeded: do not wait out a backoff, unless the peer itself refused. */
void tcs_wake(struct tcs *t);
/* The instance is inactive, says ACS: cuts the session, which then comes again as it may. */
void tcs_cut(struct tcs *t, const struct err *why);
/* An ACS heartbeat came: the instance status is to be checked and told anew. */
void tcs_heartbeat(struct tcs *t);
void tcs_runtime_checked(struct tcs *t, bool ok);
void tcs_get_totals(const struct tcs *t, struct control_totals *out);
/* {"connected":…,"since_ms":…,"since":…,"last_error":…,"waiting":…,"dropped":…,"sent":…}:
 * gatherings that wait and that were dropped, messages that were sent. Not for NULL. */
void tcs_write_status(const struct tcs *t, struct jw *w);
