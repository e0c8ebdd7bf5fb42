#pragma once
/* sandbox_internal: what the files of the sandbox share. */
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/sandbox.h"

/* ---- sandbox_caps.c ---- */

/* Keeps these, as far as the process has them: effective, permitted and in the bounding set; those
 * of `inherit` can be given to a program. Nothing comes back by executing one. */
MUST_CHECK enum err_code sandbox_keep(uint64_t keep, uint64_t inherit, struct err *e);

/* ---- sandbox_calls.c ---- */

/* A call with what its arguments must be: all of the conditions. Rows of one call add up. */
#define SANDBOX_CONDITIONS 2

struct sandbox_call {
    const char *name;
    bool own; /* its first argument must be this process's id */
    unsigned n;
    struct scmp_arg_cmp args[SANDBOX_CONDITIONS];
};

struct sandbox_list {
    const char *const *names; /* whatever the arguments are; several in a text, with blanks */
    size_t n_names;
    const struct sandbox_call *calls;
    size_t n_calls;
};

extern const struct sandbox_list sandbox_allowed; /* to the agent */
extern const struct sandbox_list sandbox_refused; /* to programs of the helper */

/* Names that the agent gets ENOSYS for, as it does for all numbers from SANDBOX_NEWER on that the
 * list does not name. */
#define SANDBOX_NEWER     448
#define SANDBOX_NEWER_END 512
extern const char *const sandbox_unknown;

/* -1: neither this library nor this processor has it. */
int sandbox_number(const char *name);

/* ---- sandbox_trap.c ---- */

/* From now on a call that the filter does not allow writes its line and ends the process. Makes
 * the table of names: nothing is looked up in the handler. */
void sandbox_trap(void);
