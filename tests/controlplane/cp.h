#pragma once
/* cp: what the parts of berth-local know of each other.
 *
 * berth-local is one process with one thread: an epoll loop that serves HTTP
 * (libmicrohttpd with an external epoll descriptor) and websockets (upgraded
 * connections framed by wslay). It shares no code with agent/ but base/.
 *
 *   main.c      argv, wiring
 *   server.c    the loop, timers, the clock it tells (cp_server_*)
 *   http.c      requests and answers; http_serve.c: whose request it is
 *   ws.c        websockets                      (cp_ws_*)
 *   auth.c      verification of SigV4           (called by http_serve.c and ws.c)
 *   auth_keys.c the keys, their roles and their ends
 *   dialect.c   how each kind of service words its errors (pure)
 *   faults.c    injected faults, admin path     (called by http.c)
 *   admin.c     admin paths: a clock that lies, keys that expire
 *   logs*.c     CloudWatch Logs
 *   tcs.c       the telemetry websocket: checks frames, acknowledges
 *   standins.c  the other services' wiring, and the record of their calls
 *   standin_*.c ECR, SSM, Secrets Manager, S3, STS, EC2 DescribeTags
 *   cloud.c     what these know, and whose role may read it (pure)
 *   metadata.c  instance metadata, with --metadata
 *   model.c     clusters, instances, task definitions, tasks; --state file
 *   ecs_*.c     the ECS API, one file per kind of thing
 *   render.c    a task definition into an ACS task
 *   acs.c       the ACS websocket: payloads, acks, heartbeats, manifests
 *   place.c     placement: binpack, random, spread (pure)
 *   taskdef.c   what a task definition may say, what it needs (pure)
 *   shape.c     member names and types of requests (pure)
 *   local.c     admin paths of the ECS half: exact times, raw payloads, new credentials
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/str.h"

struct cp_server;
struct cp_call;
struct cp_ws;
struct cp_timer;
struct cp_model;

/* ---- JSON 1.1 services (server.c) ---- */

/* One verified call. Answer exactly once, now or later, with one of the two. */
struct cp_call {
    const char *operation;  /* "RunTask" */
    struct jcur body;       /* the request, an object; lives until the answer */
    const char *region;     /* of the signature's scope */
    const char *access_key; /* who signed */
    const char *user_agent; /* "" when absent */
    int64_t now_ms;         /* wall clock at arrival */
};

void cp_reply(struct cp_call *call, struct str json);
/* status 400 for client faults, 500 for server's; {"__type":type,"message":...}. */
void cp_reply_error(struct cp_call *call, int status, const char *type, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Calls whose X-Amz-Target begins with `target_prefix` + "." and whose signature
 * names `service` (checked) go to `fn`. */
typedef void cp_service_fn(void *user, struct cp_call *call);
void cp_server_add_service(struct cp_server *s, const char *target_prefix, const char *service,
                           cp_service_fn *fn, void *user);

/* Likewise, for a service of many regions: any region may be signed for. */
void cp_server_add_regional(struct cp_server *s, const char *target_prefix, const char *service,
                            cp_service_fn *fn, void *user);

/* The base of this server's own addresses, "http://127.0.0.1:51999", and of those
 * that it announces (--public-url; without it the same). */
const char *cp_server_url(const struct cp_server *s);
const char *cp_server_public_url(const struct cp_server *s);
const char *cp_server_region(const struct cp_server *s);
const char *cp_server_account(const struct cp_server *s);
struct rng *cp_server_rng(struct cp_server *s);
/* The monotonic clock in microseconds, for exact timings. */
int64_t cp_server_mono_us(void);
/* The time that this server claims it is, for Date headers and signatures: a test
 * may have moved it. */
int64_t cp_server_told_ms(const struct cp_server *s);

/* Records that a client broke the protocol: one sentence, kept (the last 1000)
 * for GET /_local/violations and logged. */
void cp_violation(struct cp_server *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Accepts requests signed by this key from now on, with exactly this session
 * token (NULL: none): for credentials that are handed out. Wiped when removed. */
void cp_server_add_key(struct cp_server *s, const char *id, const char *secret, const char *token);
/* Likewise, keys of the role `role_arn` (NULL: of the instance) that end by
 * themselves; `caller_arn` is who signs with them, "arn:aws:sts::...". */
void cp_server_add_role_key(struct cp_server *s, const char *id, const char *secret,
                            const char *token, const char *role_arn, const char *caller_arn,
                            int64_t expires_ms);
void cp_server_remove_key(struct cp_server *s, const char *id);
/* Requests signed by it are refused as expired from `at_ms` (wall clock) on. */
void cp_server_expire_key(struct cp_server *s, const char *id, int64_t at_ms);
/* Until when it is good; 0: it is unknown. */
int64_t cp_server_key_end(const struct cp_server *s, const char *id);
/* "arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION" of a role's ARN. free() it. */
char *cp_server_session_arn(const struct cp_server *s, const char *role_arn, const char *session);

/* Runs `fn` when the loop has ended, last added first: the place to save and
 * to free. Every websocket is closed by then (`closed` has run); timers are
 * still valid; unanswered calls must not be touched by others afterwards. */
typedef void cp_exit_fn(void *user);
void cp_server_at_exit(struct cp_server *s, cp_exit_fn *fn, void *user);

/* ---- plain paths: admin, metadata ---- */

struct cp_http {
    const char *method, *path;        /* path without the query, decoded */
    const char *raw_path, *raw_query; /* as they came, still encoded */
    struct str body;
    const char *(*query)(struct cp_http *h, const char *name);  /* NULL: absent */
    const char *(*header)(struct cp_http *h, const char *name); /* NULL: absent */
};
/* Answer before the handler returns; a path that is not answered is a 404. */
void cp_http_reply(struct cp_http *h, int status, const char *content_type, struct str body);
/* A header of the answer, before cp_http_reply; at most 8. */
void cp_http_set(struct cp_http *h, const char *name, const char *value);
typedef void cp_path_fn(void *user, struct cp_http *h);
/* Unsigned requests whose path begins with `prefix`; the longest one wins. */
void cp_server_add_path(struct cp_server *s, const char *prefix, cp_path_fn *fn, void *user);

/* JSON answers of admin paths: {"error":message}; {"key":value}. */
void cp_http_reply_error(struct cp_http *h, int status, const char *message);
void cp_http_reply_number(struct cp_http *h, const char *key, int64_t value);

/* ---- websockets (ws.c) ---- */

struct cp_ws_events {
    /* The verified handshake. Return false (and fill `refusal`, at most 1024
     * bytes, sent with status 400) to refuse. Sending is allowed already. */
    bool (*open)(void *user, struct cp_ws *ws, struct buf *refusal);
    void (*message)(void *user, struct cp_ws *ws, struct str text);
    /* Exactly once for every open that returned true, whoever closed and never
     * inside cp_ws_close or cp_ws_send: code is the peer's, 1006 for a lost
     * connection or one that the server dropped. `ws` is gone afterwards. */
    void (*closed)(void *user, struct cp_ws *ws, int code);
};
/* GET <path> with a valid signature of service "ecs". */
void cp_server_add_websocket(struct cp_server *s, const char *path, const struct cp_ws_events *ev,
                             void *user);
const char *cp_ws_query(struct cp_ws *ws, const char *name); /* decoded; NULL: absent */
void cp_ws_send(struct cp_ws *ws, struct str text);
void cp_ws_close(struct cp_ws *ws, int code, const char *reason);
void cp_ws_set_user(struct cp_ws *ws, void *data);
void *cp_ws_user(struct cp_ws *ws);
/* Verifies one signed TCS frame against its connection's handshake URL; on
 * success *envelope is the JSON part. */
MUST_CHECK enum err_code cp_ws_verify_frame(struct cp_ws *ws, struct str frame,
                                            struct str *envelope, struct err *e);

/* ---- timers (server.c): run once per arm, never inside cp_timer_arm ---- */

typedef void cp_timer_fn(void *user);
struct cp_timer *cp_timer_create(struct cp_server *s, cp_timer_fn *fn, void *user);
void cp_timer_arm(struct cp_timer *t, int64_t delay_ms);
void cp_timer_disarm(struct cp_timer *t);
void cp_timer_destroy(struct cp_timer *t);

/* ---- the parts ---- */

void cp_logs_add(struct cp_server *s);
void cp_tcs_add(struct cp_server *s);
/* ECR, SSM, Secrets Manager, S3, STS and EC2. */
void cp_standins_add(struct cp_server *s);
/* Instance metadata. */
void cp_metadata_add(struct cp_server *s);
void cp_admin_add(struct cp_server *s);

/* Is there a stand-in of an ECR registry at this host ("127.0.0.1:5000")? */
struct cp_registry {
    const char *id, *region, *endpoint_override; /* borrowed; the last may be NULL */
};
bool cp_registry_find(struct cp_server *s, const char *host, struct cp_registry *out);
/* The ECS service, ACS and the model; `state_file` NULL: memory only. */
MUST_CHECK enum err_code cp_ecs_add(struct cp_server *s, const char *state_file, struct err *e);
/* A verified PublishHealthRequest envelope: DescribeTasks shows what it says. */
void cp_ecs_note_health(struct cp_server *s, struct str envelope);
