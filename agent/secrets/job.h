#pragma once
/* job: one fetch under way. Private to secrets.
 *
 * What the containers want is a list of wants; each points to a slot, which is one distinct
 * thing to be had, wanted by one or more. An ask is one call to a service and fills one or
 * more slots. The gather_*.c files make slots and asks of a task, and values of filled slots;
 * job.c runs the asks. */

#include "aws/services.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "secrets/secrets.h"

#define JOB_IN_FLIGHT 10

enum slot_kind {
    SLOT_PARAMETER, /* of SSM */
    SLOT_SECRET,    /* of Secrets Manager */
    SLOT_BUCKET,    /* its region; nobody wants it for itself */
    SLOT_FILE,      /* an S3 object */
    SLOT_TOKEN,     /* of ECR */
    SLOT_LOGIN,     /* a secret with a user's name and password */
};

struct pair { /* points into the file's text */
    const char *name, *value;
    UT_hash_handle hh;
};

struct slot {
    char *key; /* what makes it distinct */
    enum slot_kind kind;
    char *region; /* BUCKET: NULL until known; FILE: NULL */
    char *from;   /* parameter's name, valueFrom, bucket, object's ARN, secret's id */

    struct secret_ref ref;     /* SECRET */
    struct s3_object object;   /* FILE */
    struct slot *bucket;       /* FILE */
    char *registry, *endpoint; /* TOKEN; NULL: none */
    bool execution_role;       /* TOKEN */

    /* What came of it: */
    struct err err;        /* the text is the reason as it is told */
    char *text, *password; /* secret; the value; the file; the user's name */
    size_t text_n;         /* FILE */
    char *server;          /* TOKEN */
    struct pair *pairs;    /* FILE: what counts of it */
    size_t n_pairs;
    UT_hash_handle hh;
};

struct want {
    size_t container;
    enum secrets_kind kind;
    char *name;   /* "" where the slot has names */
    char *image;  /* of a container whose registry's password it is; NULL */
    char *header; /* made at the end; secret */
    struct slot *slot;
};

struct job {
    struct list node;
    struct secrets *s;
    uint64_t id;
    enum secrets_what what;
    struct loop_timer *timer; /* ends a job that has no asks, on a fresh stack */
    struct err err;           /* why it could not begin */

    bool has_keys;
    char *credentials_id, *access_key, *secret_key, *session_token, *cache_id;
    struct sigv4_keys keys;

    struct slot *slots; /* in the order in which they were wanted */
    struct want *wants;
    size_t n_wants, room;
    struct list waiting, running; /* asks */
    size_t n_running;
    size_t bytes; /* fetched so far */
};

struct ask {
    struct list node;
    struct job *job;
    struct service_call *call; /* while it is running */
    void (*start)(struct ask *a);
    struct slot *slots[SSM_BATCH];
    size_t n;
};

/* What is told at the end. */
struct outcome {
    struct err err;
    struct secrets_value *values;
    size_t n, room;
};
/* False when there are too many: then `err` is set. */
bool outcome_add(struct outcome *o, const struct want *w, const char *name, const char *value);

/* ---- secrets.c ---- */

struct aws *secrets_aws(const struct secrets *s);
struct ecr_cache *secrets_ecr(const struct secrets *s);
struct loop *secrets_loop(const struct secrets *s);
/* With the execution role's keys, or the instance's. Borrows from the job. */
struct aws_caller secrets_caller(const struct job *j, bool execution_role);
/* Copies the keys of the task's execution role; ERR_NOT_FOUND: the task has none; ERR_RETRY:
 * they are not here yet. */
MUST_CHECK enum err_code secrets_take_keys(struct job *j, const struct task *t, struct err *e);
/* The end: tells the outcome. `j` is in no list and still has to be destroyed. */
void secrets_over(struct job *j, const struct outcome *o);

/* ---- job.c ---- */

struct job *job_create(struct secrets *s, uint64_t id, enum secrets_what what);
void job_destroy(struct job *j); /* cancels, wipes */
/* Everything is asked for: runs the asks. */
void job_begin(struct job *j);

/* The slot of that key, which is taken over; *fresh says that it is new. */
struct slot *job_slot(struct job *j, enum slot_kind kind, char *key, bool *fresh);
struct want *job_want(struct job *j, size_t container, enum secrets_kind kind, const char *name,
                      struct slot *slot);
struct ask *job_ask(struct job *j, void (*start)(struct ask *a), struct slot *slot);
/* The call of an ask is over; `a` is gone, and the job too when it was the last one. */
void ask_over(struct ask *a);
/* All that went wrong, joined by ";"; leaves `out` alone when nothing did. */
void job_failures(const struct job *j, struct err *out);
/* Counts what was fetched; false when it is too much. */
bool job_takes(struct job *j, size_t bytes);

/* ---- gather_*.c ---- */

void gather_values(struct job *j, const struct task *t);
void gather_files(struct job *j, const struct task *t);
void gather_auth(struct job *j, const struct task *t);
void tell_values(struct job *j, struct outcome *o);
void tell_files(struct job *j, struct outcome *o);
void tell_auth(struct job *j, struct outcome *o);
