#pragma once
/* reference: what the reference agent has left on this host, for the agent that takes its place.
 *
 * Below: base, task, core (for the shape in which the store keeps a task). Above: cli. It reads
 * one file, agent.db, which the reference keeps in its data directory, and writes nothing. The
 * facts: release 1.105.1. That file is from outside: sizes and counts have bounds, and what cannot
 * be read is an error and no guess. Never logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "task/task.h"

#define REF_FILE     "agent.db"
#define REF_FILE_MAX ((size_t)256 << 20)

struct ref_state;

struct ref_args {
    const char *dir;
    bool running;             /* the reference may be using the file: see ref_open */
    int64_t now_ms;           /* wall */
    int64_t cleanup_delay_ms; /* how long the containers of a task that is over are kept */
    uint64_t seed;
};

/* ERR_NOT_FOUND: no reference agent has kept a state there. ERR_CONFLICT: one has the file open,
 * so it runs; until ref_close none can open it. With `running` that is no error: the file is read
 * as it was at one moment, and ERR_RETRY says that it changed too fast for that. ERR_INVALID: the
 * file is damaged, or not what it should be. ERR_LIMIT: it is larger than REF_FILE_MAX. */
MUST_CHECK enum err_code ref_open(const struct ref_args *args, struct ref_state **out,
                                  struct err *e);
void ref_close(struct ref_state *s); /* NULL is fine */

/* ---- who this instance is; NULL: it does not say. Borrowed until ref_close ---- */

enum ref_meta {
    REF_VERSION, /* of the reference */
    REF_CLUSTER,
    REF_INSTANCE_ARN,
    REF_INSTANCE_ID, /* of EC2 */
    REF_ZONE,
    REF_MANIFEST_SEQ, /* a whole number */
    REF_META__COUNT
};
const char *ref_meta(const struct ref_state *s, enum ref_meta what);

/* ---- tasks, in the order of the file; borrowed until ref_close ---- */

/* What becomes of a task when its state is taken over. */
enum ref_fate {
    REF_GOES_ON, /* it is looked after; what of it is not there yet is made */
    REF_BEGINS,  /* nothing of it was made: it is run from its beginning */
    REF_STOPS,   /* it was asked to, or cannot be completed: `why` */
    REF_OVER,    /* its end is reported, if that is still to be done, and it is cleaned up */
    REF_LEFT,    /* it is over, and nothing of it is to be done but to remove what is left: `why` */
    REF_CANNOT,  /* it runs, and cannot be taken over: `why` */
    REF_FATE__COUNT
};
const char *ref_fate_name(enum ref_fate f); /* "goes-on" */

struct ref_container {
    char *name, *docker_id, *docker_name; /* docker_*: NULL: not made, or not known */
    bool internal;                        /* the reference's own; no container of ours */
};

struct ref_task {
    char *arn, *family, *version;
    enum ref_fate fate;
    char *why;         /* STOPS (NULL: it was asked to), LEFT, CANNOT */
    struct task *task; /* NULL: LEFT, CANNOT */
    char *state;       /* of CORE_KIND_STATE; likewise */
    struct ref_container *containers;
    size_t n_containers;
    char **notes; /* sentences about what is lost or stays behind */
    size_t n_notes;
};
size_t ref_task_count(const struct ref_state *s);
const struct ref_task *ref_task_at(const struct ref_state *s, size_t i);

/* What else the file holds, of which nothing is taken over. */
struct ref_others {
    size_t images, network_interfaces, attachments;
};
void ref_get_others(const struct ref_state *s, struct ref_others *out);
