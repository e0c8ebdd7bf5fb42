#pragma once
/* agent_log_secrets: fetches again, after a restart of the agent, the log options of running
 * containers that are secrets: they are kept nowhere, and without them nobody knows where the
 * container's log goes. Until they are here, its log waits in its spool, and the container is not
 * removed. Private to cli/agent*.c. */
#include "cli/agent.h"

struct log_secrets;

struct log_secrets *log_secrets_create(struct agent *a);
void log_secrets_destroy(struct log_secrets *l); /* before `secrets`; NULL is fine */

/* As logs_follow; fetches first what is missing in `secrets`, for as long as it takes. */
void log_secrets_follow(struct log_secrets *l, const struct task *t, size_t container,
                        const char *docker_id, const struct task_kv *secrets, size_t n_secrets);
/* True: the container waits, and `drain` is called with `user` (once, later), when it does no more,
 * with what is left of the time. */
typedef void log_secrets_drain_fn(void *user, const char *docker_id, int64_t timeout_ms);
bool log_secrets_drain(struct log_secrets *l, const char *docker_id, int64_t timeout_ms,
                       log_secrets_drain_fn *drain, void *user);
/* Is it the outcome of such a fetch? Then it is dealt with. */
bool log_secrets_fetched(struct log_secrets *l, uint64_t id, const struct secrets_value *values,
                         size_t n, const struct err *e);
