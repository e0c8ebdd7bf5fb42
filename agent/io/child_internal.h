#pragma once
/* child_internal: what child.c and child_helper.c share. */
#include <stdint.h>
#include <sys/types.h>

#include "io/child.h"

/* A request is one message: this, then `n` texts with their NULs (the rule's name, argv), and the
 * descriptors of enum child_fd. */
#define CHILD_MESSAGE_MAX (64 * 1024)

enum { CHILD_ENVIRONMENT = 1, CHILD_ERRORS = 2 };

struct child_request {
    uint32_t flags, n;
};

enum child_fd {
    CHILD_CHANNEL, /* a socket for the answer; a byte from the asker leaves the group alone */
    CHILD_IN,
    CHILD_OUT,
    CHILD_FD__COUNT
};

/* The answer on the channel: one message when it has ended, or could not be started. */
struct child_answer {
    int32_t failed; /* errno; 0: it has run */
    int32_t ended;  /* as waitpid(2) says */
    char why[200];  /* of a failure; "": errno says it */
};

/* In a process group of its own, with `in` and `out`, and no signal blocked or ignored. 0 or errno.
 */
int child_spawn(const char *const *argv, unsigned flags, int in, int out, pid_t *pid);

/* Whether it has ended, and how; it stays a zombie, so that its number and group are its own. */
bool child_has_ended(pid_t pid, int *ended);
/* Kills what is left of its group when `kill_group` says so, and takes the zombie away. */
void child_bury(pid_t pid, bool kill_group);

/* One request to the helper with its descriptors, from any thread. 0, or -1 with errno. */
int child_helper_send(struct str message, const int *fds);
