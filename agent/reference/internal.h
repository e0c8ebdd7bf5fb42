#pragma once
/* internal: what the files of this folder share. */
#include "base/json.h"
#include "reference/reference.h"

/* The row of a container, by task id and name; false: there is none. It counts more than what the
 * task's own row says of it. */
typedef bool ref_find_fn(void *user, const char *task_id, const char *name, struct jcur *out);

/* ---- fate.c ---- */

/* One row of the bucket `tasks`. Of `args` the times and the seed count. ERR_INVALID: it is no
 * task. *out is the caller's (ref_task_fini), also on failure. */
MUST_CHECK enum err_code ref_translate(const struct jcur *row, const struct ref_args *args,
                                       ref_find_fn *find, void *user, struct ref_task *out,
                                       struct err *e);
void ref_task_fini(struct ref_task *t);

/* ---- translate.c ---- */

/* A container of the record: what was sent of it in the task's row, what became of it in its own
 * (if it has one). */
struct ref_part {
    struct jcur def, row, own; /* `own` is row's "Container" */
    const char *name, *type;   /* type: "NORMAL" or what the reference added it for */
    enum ctr_status known, sent;
    const char *docker_id, *docker_name; /* NULL */
};

struct ref_source {
    const struct jcur *task;
    const struct ref_args *args;
    struct jcur containers; /* of the task's row */
    struct ref_part *parts;
    size_t n;
    enum task_status desired, known, sent;
};

/* Reads what `s->task` and the containers' rows say; `s->parts` is to be freed in each case. The
 * error is the first one of all the documents that the parts are in. */
MUST_CHECK enum err_code ref_source_read(struct ref_source *s, ref_find_fn *find, void *user,
                                         struct err *e);
/* The task as the control plane would send it, to be so. */
MUST_CHECK enum err_code ref_source_decode(const struct ref_source *s, enum task_status desired,
                                           struct task **out, struct err *e);
/* A text that is not empty; NULL: there is none. */
const char *ref_text(const struct jcur *c, const char *key);
