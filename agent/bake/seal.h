#pragma once
/* seal: a machine that is to become an image carries nothing of who it was.
 *
 * Removes what the agent has written: its state with all copies of it, records and metadata files
 * of tasks, the flight record, its logs, its socket. Settings, images and whatever is not the
 * agent's stay. No link is followed, but for those on the way to a folder. Blocks.
 * Below: base, io, docker, store, endpoints. Never logs. */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum seal_said {
    SEAL_REMOVED, /* or would be */
    SEAL_FAILED,
    SEAL_LEFT, /* in the folder of the state, and not the agent's; or a log that is a link */
};
/* `e` with SEAL_FAILED, else NULL. */
typedef void seal_said_fn(void *user, enum seal_said what, const char *path, const struct err *e);

struct seal_args { /* all borrowed */
    const char *data_dir;
    const char *const *logs; /* files, which are rotated; NULL entries are fine */
    size_t n_logs;
    const char *socket;
    bool dry_run;
    seal_said_fn *said; /* in the order of names, folder by folder */
    void *user;
};

/* Goes on after a failure, and returns the first. ERR_CONFLICT: an agent runs there; nothing was
 * done, nor is it where that cannot be known. A second time there is nothing left to be removed. */
MUST_CHECK enum err_code seal(const struct seal_args *args, struct err *e);

/* How many containers of the agent of this directory the engine knows, running or not. 10 s at
 * most. */
MUST_CHECK enum err_code seal_count_containers(const char *docker_endpoint, const char *data_dir,
                                               size_t *n, struct err *e);

/* ---- names.c (pure) ---- */

/* Is that a name the agent gives, in the folder of its state? (Not its lock, which stays.) */
bool seal_is_state(const char *name);
/* Is `name` the log `base`, or what rotation has made of it? */
bool seal_is_log(const char *base, const char *name);
