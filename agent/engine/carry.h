#pragma once
/* carry: one operation under way, and what the files that carry operations out
 * share. Private to carry*.c. */
#include "engine/internal.h"

struct carried {
    uint64_t id;
    enum core_op op;
    struct engine *en;
    struct docker_op *docker; /* at most one of these; neither: somebody else works on it */
    struct work *work;        /* of a cgroup: NULL until its turn has come */
    char *task_arn;           /* NULL: of the agent */
    size_t container, volume;
    char *ref, *digest;
    char *auth;      /* the X-Registry-Auth value; NULL: none */
    char *pulling;   /* what the engine is asked to pull */
    char *file_dir;  /* of the metadata file; NULL: none */
    char *docker_id; /* as known when it began; NULL: unknown */
    int64_t timeout_ms, idle_timeout_ms, stop_timeout_s;
    bool unpaused;   /* of a stop: what somebody had paused */
    int64_t told_ms; /* when the progress of a pull was last logged; 0: never */

    /* For the worker, and what it says. */
    char *task_id, *path;
    struct host_cgroup_limits limits;
    struct host_disk disk;
    struct err work_err;
    struct queued *answer; /* gathered so far; NULL: nothing yet */

    UT_hash_handle hh;
};

/* Begins it. The end is given by carry_finish, at once or later. */
typedef void carry_fn(struct carried *c);

/* carry.c */
/* Takes the event; `c` is gone. */
void carry_finish(struct carried *c, struct queued *q);
void carry_done(void *user, const struct err *e);       /* a docker_done_fn: nothing more to say */
const struct task *carry_task(const struct carried *c); /* NULL: gone */
const struct task_container *carry_container(const struct carried *c); /* NULL: gone */
void carry_gone(struct carried *c);                                    /* ends it: no such task */

/* carry_image.c */
carry_fn carry_inspect_image, carry_list_images, carry_remove_image;
carry_fn carry_of_registry; /* a manifest, or the whole image */
/* One that asked the same and waits for the answer, when `c` has the question; NULL. */
struct carried *carry_heir(const struct carried *c);
carry_fn carry_inherit; /* the heir asks itself */

/* carry_container.c */
carry_fn carry_ports, carry_create, carry_start, carry_stop, carry_inspect, carry_drain,
    carry_remove;
carry_fn carry_list_others, carry_inspect_other, carry_remove_other;
/* Its container is not held back any more: stops it. */
void carry_thawed(struct carried *c);
void carry_forget_logs(struct engine *en);

/* carry_resource.c */
carry_fn carry_create_volume, carry_remove_volume, carry_create_cgroup, carry_remove_cgroup;
bool carry_is_fetch(enum core_op op); /* done by a neighbor */
carry_fn carry_fetch, carry_forget_secrets, carry_look_at_disk;
/* One at a time of those that wait; to be called when one has gone. */
void carry_next_cgroup(struct engine *en);
/* Looks at the disk on a worker, then finishes `c` with its `answer`. */
void carry_add_disk(struct carried *c);
