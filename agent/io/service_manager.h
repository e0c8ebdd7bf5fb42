#pragma once
/* service_manager: what the agent tells the service manager that started it, and the file
 * descriptors that the manager keeps for it while no agent runs.
 *
 * The protocol is one datagram a message and three variables of the environment, and is
 * documented for use without a library (sd_notify(3), sd_listen_fds(3)). libsystemd would link
 * compression and cryptography into a small agent for it.
 *
 * Without a manager (no NOTIFY_SOCKET) everything here succeeds and does nothing. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* More than any start passes on. What is over it is closed. */
#define SERVICE_MANAGER_FDS 64

struct service_manager;

/* Takes NOTIFY_SOCKET, WATCHDOG_* and LISTEN_* out of the environment, so that no child believes to
 * be meant, and makes the descriptors close when another program is executed. Before there are
 * threads. */
struct service_manager *service_manager_create(void);
/* Closes the descriptors that nobody took; the manager still has its own. NULL is fine. */
void service_manager_destroy(struct service_manager *m);
/* There is one, and it listens. */
bool service_manager_there(const struct service_manager *m);

/* Within this time after the last "WATCHDOG=1" it wants the next, or it ends the process (SIGABRT).
 * 0: it does not. */
int64_t service_manager_watchdog_ms(const struct service_manager *m);

/* "READY=1", "STOPPING=1", "STATUS=..."; several are lines of one text. It may block for as
 * long as the manager does not read, half a second at most. */
MUST_CHECK enum err_code service_manager_tell(struct service_manager *m, const char *text,
                                              struct err *e);
/* "RELOADING=1" with the time that the manager wants beside it; "READY=1" ends it. */
MUST_CHECK enum err_code service_manager_tell_reloading(struct service_manager *m, struct err *e);

/* The manager keeps a duplicate of `fd` under the name (no ":", no control characters) until it
 * is told to forget it, and passes it to the next process. A name may be kept more than once. */
MUST_CHECK enum err_code service_manager_keep(struct service_manager *m, const char *name, int fd,
                                              struct err *e);
MUST_CHECK enum err_code service_manager_forget(struct service_manager *m, const char *name,
                                                struct err *e);
/* How many are kept, as far as it is known here. */
size_t service_manager_kept(const struct service_manager *m);

/* The descriptors of this start that nobody took yet: the name of the i-th, NULL after the last.
 * Borrowed until the next take. */
const char *service_manager_name(const struct service_manager *m, size_t i);
int service_manager_fd(const struct service_manager *m, size_t i); /* borrowed */
/* Hands the i-th over; those after it move up. The manager goes on keeping it. */
int service_manager_take(struct service_manager *m, size_t i);

/* ---- pure ---- */

/* What WATCHDOG_USEC and WATCHDOG_PID (both may be NULL; without the second it is meant for any)
 * say to the process; 0: nothing. */
int64_t service_manager_watchdog(const char *usec, const char *watchdog_pid, long pid);
/* How many descriptors LISTEN_PID and LISTEN_FDS (both may be NULL) pass to the process. */
size_t service_manager_passed(const char *listen_pid, const char *listen_fds, long pid);
/* The i-th name of LISTEN_FDNAMES (NULL: none); "unknown", as the protocol has it, where there
 * is no such name. */
struct str service_manager_nth(const char *names, size_t i);
