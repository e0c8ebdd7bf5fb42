#pragma once
/* op: one operation of the client, from its request to its answer. Private to
 * agent/docker.
 *
 * An operation is a struct that begins with a struct docker_op. op.c sends its
 * request, turns every failure into an err, calls the `answer` hook and frees
 * it. The user may cancel or destroy everything in any callback: while `busy`,
 * an operation that is over is only marked `dead`, and freed on the way out. */
#include "base/buf.h"
#include "base/list.h"
#include "docker/docker.h"
#include "io/loop.h"

struct docker_events;

/* Of the requests of one kind (pace.c). */
struct docker_lane {
    struct list waiting, under_way; /* docker_op.lane, in the order in which they came */
    size_t n;                       /* under way */
};
struct docker_pace {
    struct docker_lane lanes[DOCKER_CALL__COUNT];
    struct loop_timer *look;
    bool ended; /* nobody is let in any more */
};

struct docker {
    struct http_client *http;
    struct loop *loop;
    char *base;            /* "http://docker", "http://10.0.0.1:2375" */
    char *unix_path;       /* NULL: TCP */
    char prefix[24];       /* "/v1.41"; before negotiation "", the engine's own version */
    int64_t pull_begin_ms; /* how long the first byte of a pull may take */
    struct list ops;
    struct docker_events *events; /* NULL: no subscription */
    struct docker_counts counts;
    struct docker_pace *pace;
    char *root_dir; /* of the last docker_info; these two */
    bool local_log;
    int64_t asked_ns;        /* since when an answer is waited for, until there is one; 0: not */
    int64_t first_answer_ms; /* -1: there is none yet */
};

/* A request in the making. Errors found meanwhile reach the answer hook. */
struct docker_call {
    const char *method;
    struct buf path; /* after the version */
    bool unversioned;
    int also_ok; /* a status that counts as success besides 2xx */
    struct str body;
    struct http_header headers[2];
    size_t n_headers;
    int64_t timeout_ms, idle_timeout_ms;
    http_head_fn *on_head; /* these two get the operation as their user */
    http_data_fn *on_data;
    struct err bad;
};

/* `body` is empty when `e` has an error. Returns whether the operation is over;
 * if not, the hook has sent another request. */
typedef bool docker_answer_fn(struct docker_op *op, struct str body, const struct err *e);

struct docker_op {
    struct docker *d;
    struct list node;
    struct http_op *http;
    struct loop_timer *timer; /* only to fail later */
    struct err bad;
    docker_answer_fn *answer;
    void (*fini)(struct docker_op *op); /* of the surrounding struct; may be NULL */
    void (*done)(void);                 /* the user's callback, of the kind's own type */
    void *user;
    int also_ok;
    enum docker_call_kind kind; /* these two: of `http` */
    int64_t began_ns;
    struct docker_held *held; /* the request that waits for a place, or NULL */
    struct list lane;
    int64_t place_until_ms; /* 0: it has none */
    bool busy, dead;
};

/* `op` is zeroed memory; it belongs to `d` from now on. */
void docker_op_init(struct docker_op *op, struct docker *d, docker_answer_fn *answer,
                    void (*done)(void), void *user);

void docker_call_init(struct docker_call *c, const char *method, int64_t timeout_ms);
/* "/containers/<ref><rest>" after a check of `ref`. */
void docker_call_container(struct docker_call *c, const char *ref, const char *rest);
/* "/images/<image><rest>" after a check of `image`. */
void docker_call_image(struct docker_call *c, const char *image, const char *rest);
void docker_call_path(struct docker_call *c, const char *text);
/* "?name=value" or "&name=value", the value percent-encoded. */
void docker_call_param(struct docker_call *c, const char *name, const char *value);

/* "?<param>=<repository>&tag=<digest, tag or latest>" of an image's name. */
void docker_call_name(struct docker_call *c, const char *param, const char *image);
void docker_call_header(struct docker_call *c, const char *name, const char *value);

/* Sends; frees what `c` holds. */
void docker_op_send(struct docker_op *op, struct docker_call *c);

/* A whole operation that is nothing but its call. */
struct docker_op *docker_send(struct docker *d, struct docker_call *c, docker_answer_fn *answer,
                              void (*done)(void), void *user);
/* For an answer with nothing to read; `done` is a docker_done_fn. */
bool docker_answer_done(struct docker_op *op, struct str body, const struct err *e);

/* For on_head and on_data: enter before touching the operation, leave after. leave returns
 * false when the operation is gone. */
void docker_op_enter(struct docker_op *op);
bool docker_op_leave(struct docker_op *op);
/* Between enter and leave: drops the request and gives `e` to the answer hook. */
void docker_op_fail(struct docker_op *op, const struct err *e);

/* The held request goes out: a place is there. */
void docker_op_go(struct docker_op *op);

struct docker_pace *docker_pace_create(struct docker *d);
void docker_pace_destroy(struct docker_pace *p); /* all operations are gone */
/* True: the request of `op->kind` may go out. Else docker_op_go is called when it may. */
bool docker_pace_enter(struct docker_op *op);
/* It is over, or waits no more; the next one is let in. Harmless for one that has no place. */
void docker_pace_leave(struct docker_op *op);

void docker_events_destroy(struct docker_events *ev); /* NULL is fine */
