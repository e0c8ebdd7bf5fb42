#pragma once
/* docker: a client of the Docker Engine API.
 *
 * Below: base, io, task (the facts, the create body). Speaks over a unix socket
 * or TCP (DOCKER_HOST) with the newest API version both sides know, at least
 * 1.24 and at most 1.44, negotiated by one GET /version.
 *
 * Starting an operation cannot fail; `done` runs once, on a later turn, and
 * borrows its arguments; docker_cancel means silence (the daemon may still have
 * acted). Errors: ERR_NOT_FOUND (404), ERR_CONFLICT (409, or 304 where it
 * matters), ERR_DENIED (401, 403), ERR_INVALID (400), ERR_TIMEOUT, ERR_RETRY (no
 * connection, or a 5xx that is not the daemon's own: the engine is away), ERR_IO
 * (the daemon failed, or passes on that a registry did, whatever the status: 429,
 * 500, 503). A message of the daemon reads "Error response from daemon: <message>",
 * as the reference reports it.
 *
 * Of what an engine lists at most DOCKER_LIST_MAX rows are read; more is ERR_LIMIT.
 *
 * Each request is a connection. Of the inspects, removals and stops of containers, which come
 * together when many containers end together, so many are under way at once; the others wait in
 * the order in which they came, and their timeouts begin when they are sent. One that takes very
 * long (5 s; a stop 15 s) counts no more. Creates, starts and pulls are paced by who asks. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "docker/counts.h"
#include "io/http_client.h"
#include "task/task.h"

#define DOCKER_LIST_MAX 20000

#define DOCKER_LOOKS_AT_ONCE    16
#define DOCKER_REMOVALS_AT_ONCE 16
#define DOCKER_STOPS_AT_ONCE    128

struct docker;
struct docker_op;

/* `endpoint`: unix:///path or tcp://host:port or http://host:port. */
MUST_CHECK enum err_code docker_create(struct http_client *http, const char *endpoint,
                                       struct docker **out, struct err *e);
void docker_destroy(struct docker *d);    /* cancels everything; NULL is fine */
void docker_cancel(struct docker_op *op); /* NULL is fine */

/* Since it was made; borrowed. */
const struct docker_counts *docker_get_counts(const struct docker *d);
/* How long the engine let wait for its first answer, whatever that said, since it was first asked;
 * -1 before. One that refuses a connection, or ends it, is another one by the time it answers: the
 * wait for that begins anew. */
int64_t docker_first_answer_ms(const struct docker *d);

struct docker_version {
    char version[64];     /* of the engine: "20.10.24+dfsg1" */
    char api_version[16]; /* the one in use */
};

typedef void docker_version_fn(void *user, const struct docker_version *v, const struct err *e);
typedef void docker_done_fn(void *user, const struct err *e);
typedef void docker_created_fn(void *user, const char *id, const struct err *e);
typedef void docker_inspected_fn(void *user, const struct ctr_facts *f, const struct err *e);

/* What decisions do not need, but those who look at a container like to see. */
struct docker_label {
    char *key, *value;
};
struct docker_network {
    char *name, *ipv4, *ipv6; /* "" without an address */
};
struct docker_mount {
    char *name, *source, *destination; /* "" without a name: a bind */
};
struct docker_details {
    char *image_id;
    int pid; /* 0: it does not run */
    bool oom_killed, paused, tty;
    char *log_path;              /* of its json-file; NULL: it has none, or is not told */
    char *log_driver;            /* "json-file"; NULL: not told */
    struct docker_label *labels; /* sorted by key */
    size_t n_labels;
    bool network_mode_known;
    struct docker_network *networks; /* "host", "none" and so on too */
    size_t n_networks;
    struct docker_mount *mounts;
    size_t n_mounts;
    bool has_probe; /* of the health check; the last one: */
    int health_exit;
    int64_t health_end_ms;
    /* As much as the engine keeps, so that whoever cuts it can look for secrets in it before;
     * until its first NUL. NULL without a probe. */
    char *health_output;
};
void docker_details_fini(struct docker_details *d); /* zeroes */
/* The receiver may take what is in `d` (and zero it); NULL with an error. */
typedef void docker_looked_fn(void *user, const struct ctr_facts *f, struct docker_details *d,
                              const struct err *e);

/* Negotiates; must have succeeded before anything else. May be called again,
 * after the engine was replaced. 5 s. */
struct docker_op *docker_negotiate(struct docker *d, docker_version_fn *done, void *user);
/* The minor version that was negotiated: 41; 0 before that. */
int docker_api_minor(const struct docker *d);
struct docker_op *docker_ping(struct docker *d, int64_t timeout_ms, docker_done_fn *done,
                              void *user);

/* `body` as task_create_body writes it. A name in use gives ERR_CONFLICT. */
struct docker_op *docker_create_container(struct docker *d, const char *name, struct str body,
                                          int64_t timeout_ms, docker_created_fn *done, void *user);
/* `ref`: id or name, here and below. Already running counts as success. */
struct docker_op *docker_start(struct docker *d, const char *ref, int64_t timeout_ms,
                               docker_done_fn *done, void *user);
/* SIGTERM (or the container's stop signal), then SIGKILL after stop_timeout_s.
 * Not running counts as success. */
struct docker_op *docker_stop(struct docker *d, const char *ref, int64_t stop_timeout_s,
                              int64_t timeout_ms, docker_done_fn *done, void *user);
/* As docker_inspect, below, with the details. */
struct docker_op *docker_look(struct docker *d, const char *ref, int64_t timeout_ms,
                              docker_looked_fn *done, void *user);
/* Freezes and thaws all of its processes. Already so counts as success. One that does not run
 * cannot be frozen (ERR_CONFLICT); to thaw it succeeds. */
struct docker_op *docker_pause(struct docker *d, const char *ref, bool pause, int64_t timeout_ms,
                               docker_done_fn *done, void *user);
struct docker_op *docker_kill(struct docker *d, const char *ref, const char *sig,
                              int64_t timeout_ms, docker_done_fn *done, void *user);
struct docker_op *docker_inspect(struct docker *d, const char *ref, int64_t timeout_ms,
                                 docker_inspected_fn *done, void *user);
/* With its anonymous volumes; never forced. Not there counts as success. */
struct docker_op *docker_remove(struct docker *d, const char *ref, int64_t timeout_ms,
                                docker_done_fn *done, void *user);

struct docker_image {
    const char *id;
    int64_t size, created_ms;        /* 0: not told */
    const char *const *tags;         /* RepoTags, NULL-terminated */
    const char *const *env;          /* NAME=value, NULL-terminated */
    const char *const *repo_digests; /* NULL-terminated */
};
typedef void docker_image_fn(void *user, const struct docker_image *image, const struct err *e);
struct docker_op *docker_inspect_image(struct docker *d, const char *image, int64_t timeout_ms,
                                       docker_image_fn *done, void *user);

/* Every image, with its tags (without "<none>:<none>"). env is NULL. */
typedef void docker_images_fn(void *user, const struct docker_image *images, size_t n,
                              const struct err *e);
struct docker_op *docker_list_images(struct docker *d, int64_t timeout_ms, docker_images_fn *done,
                                     void *user);
/* A name (then only the name may go) or an id; never forced. Not there counts as
 * success; ERR_CONFLICT: a container uses it. */
struct docker_op *docker_remove_image(struct docker *d, const char *ref, int64_t timeout_ms,
                                      docker_done_fn *done, void *user);
/* Gives `source` (an id, a name, repo@digest) the name `image`. */
struct docker_op *docker_tag_image(struct docker *d, const char *source, const char *image,
                                   int64_t timeout_ms, docker_done_fn *done, void *user);
/* Makes the image `name` of a tar archive with one file system, whose entry point is
 * `entry_point`. `tar` is borrowed until the end. */
struct docker_op *docker_import_image(struct docker *d, const char *name, const char *entry_point,
                                      struct str tar, int64_t timeout_ms, docker_done_fn *done,
                                      void *user);

/* Asks the registry, through the engine. digest: "sha256:..."; "" for the media types
 * of schema 1, which have none, and from an engine that cannot ask (API before 1.30);
 * NULL with an error. `auth` as for docker_pull. */
typedef void docker_digest_fn(void *user, const char *digest, const struct err *e);
struct docker_op *docker_distribution(struct docker *d, const char *image, const char *auth,
                                      int64_t timeout_ms, docker_digest_fn *done, void *user);

/* ---- volumes ---- */

struct docker_volume {
    const char *name, *driver;              /* driver NULL: the default */
    const struct task_kv *options, *labels; /* of a found volume: sorted by name */
    size_t n_options, n_labels;
};
/* There already with the same driver counts as success, as the engine sees it. */
struct docker_op *docker_create_volume(struct docker *d, const struct docker_volume *v,
                                       int64_t timeout_ms, docker_done_fn *done, void *user);
/* `found` is NULL with an error (ERR_NOT_FOUND). */
typedef void docker_volume_fn(void *user, const struct docker_volume *found, const struct err *e);
struct docker_op *docker_inspect_volume(struct docker *d, const char *name, int64_t timeout_ms,
                                        docker_volume_fn *done, void *user);
/* Not there counts as success. */
struct docker_op *docker_remove_volume(struct docker *d, const char *name, int64_t timeout_ms,
                                       docker_done_fn *done, void *user);

/* ---- the engine itself ---- */

struct docker_info {
    const char *root_dir;      /* its files */
    const char *cgroup_driver; /* "cgroupfs", "systemd" */
    int cgroup_version;        /* 1 or 2 */
    bool selinux;
    bool local_log; /* it offers the log driver `local` */
};
typedef void docker_info_fn(void *user, const struct docker_info *info, const struct err *e);
struct docker_op *docker_info(struct docker *d, int64_t timeout_ms, docker_info_fn *done,
                              void *user);
/* What docker_info told last: the folder of the engine's files (borrowed until the next one; NULL:
 * not told), and whether it offers the log driver `local`. */
const char *docker_root(const struct docker *d);
bool docker_offers_local_log(const struct docker *d);

/* The names ("vieux/sshfs:latest") of the engine's plugins that are enabled and are volume
 * drivers, as it lists them; NULL with an error. 1 min. None from an engine that knows no
 * plugins (API before 1.25). */
typedef void docker_plugins_fn(void *user, const char *const *names, size_t n, const struct err *e);
struct docker_op *docker_plugins(struct docker *d, docker_plugins_fn *done, void *user);

/* ---- registry credentials (auth.c; pure) ---- */

/* What ECS_ENGINE_AUTH_TYPE and ECS_ENGINE_AUTH_DATA say. */
struct docker_auths;
/* `type`: "docker", "dockercfg", or "" (none). ERR_INVALID names what is wrong, never a
 * value. *out is always set: what cannot be read is left out. */
MUST_CHECK enum err_code docker_auths_create(const char *type, const char *data,
                                             struct docker_auths **out, struct err *e);
void docker_auths_destroy(struct docker_auths *a); /* wipes; NULL is fine */
/* The X-Registry-Auth value for an image; NULL when there is none. free() it after
 * wiping it. The longest key with the image's host that prefixes it counts. */
char *docker_auths_header(const struct docker_auths *a, const char *image);
/* The header of a user and password for a registry (ASM, ECR). */
char *docker_auth_header(const char *user, const char *password, const char *server);

/* "docker.io/library/busybox" of "busybox:1": the repository without tag or digest, as
 * the engine compares them. free() it; NULL for what is no reference. */
char *docker_normal_repository(const char *image);
/* Of "repository@sha256:..." entries the digest of the image's own repository; NULL if
 * none matches. Borrowed. */
const char *docker_digest_of(const struct docker_image *image, const char *name);

/* `progress` gets one human line ("layer a1b2: Downloading 3 of 10 MB") now and
 * then; may be NULL. `auth` is the X-Registry-Auth value or NULL. Fails with
 * ERR_TIMEOUT: DOCKER_PULL_SILENT when no byte comes for idle_timeout_ms (0: no such
 * limit), DOCKER_PULL_NOT_BEGUN when the first one does not come within 5 minutes or
 * idle_timeout_ms, whichever is longer, another message after timeout_ms in total. A
 * failure reported inside the stream is ERR_IO with the daemon's text as it is (no
 * prefix). An image without tag or digest gets ":latest"; a digest is pulled without
 * any tag. */
#define DOCKER_PULL_SILENT    "inactivity time exceeded timeout while pulling image"
#define DOCKER_PULL_NOT_BEGUN "the image pull did not begin in time"
typedef void docker_progress_fn(void *user, const char *line);
struct docker_op *docker_pull(struct docker *d, const char *image, const char *auth,
                              int64_t idle_timeout_ms, int64_t timeout_ms,
                              docker_progress_fn *progress, docker_done_fn *done, void *user);

/* One row of a list. */
struct docker_listed {
    const char *id;
    const char *name;                      /* without the slash */
    const char *state;                     /* "running", "exited", "created", ... */
    const char *task_arn, *container_name; /* from the labels; NULL without */
    const char *owner, *remains;           /* likewise */
};
typedef void docker_listed_fn(void *user, const struct docker_listed *rows, size_t n,
                              const struct err *e);
/* Every container, running or not, that has a task-arn label. */
struct docker_op *docker_list(struct docker *d, int64_t timeout_ms, docker_listed_fn *done,
                              void *user);
/* Every container, of anybody. */
struct docker_op *docker_list_all(struct docker *d, int64_t timeout_ms, docker_listed_fn *done,
                                  void *user);

/* ---- events ---- */

enum docker_action {
    DOCKER_CREATE,
    DOCKER_START,
    DOCKER_DIE,
    DOCKER_OOM,
    DOCKER_DESTROY,
    DOCKER_HEALTHY,
    DOCKER_UNHEALTHY,
    DOCKER_RESTART,
};

struct docker_event {
    enum docker_action action;
    const char *id;
    const char *name;
    const char *task_arn, *container_name; /* NULL without label */
    const char *owner;                     /* likewise */
    bool has_exit_code;
    int exit_code;
    int64_t time_ms;
};

struct docker_event_sink {
    /* The stream is open: list now, what happened before is not in it. */
    void (*opened)(void *user);
    void (*event)(void *user, const struct docker_event *ev);
    /* The stream is gone, or another attempt to open it failed; it is opened again
     * by itself (100 ms x2 max 5 s). */
    void (*lost)(void *user, const struct err *e);
};

/* One subscription a client; ends with docker_destroy. Only containers with a
 * task-arn label. `sink` is copied. */
void docker_subscribe(struct docker *d, const struct docker_event_sink *sink, void *user);

/* ---- log following ---- */

struct docker_log_sink {
    /* One frame: `stream` is 1 stdout, 2 stderr; `when_ns` since the epoch; the
     * text includes its newline unless it is part of a longer line. */
    void (*frame)(void *user, int stream, int64_t when_ns, struct str text);
};
/* Reads from `since_ns` (0: from the start), inclusive; with `follow` until the
 * container ends. `done` then has ERR_OK; ERR_RETRY when the stream broke off.
 * Asks first whether the container has a terminal: all is stream 1 then. Text
 * longer than 1 MiB comes in pieces of the same time. A stream that is followed
 * may end without the log's last text (seen with dockerd 20.10 and text without
 * a newline): read once more, from the last time seen. */
struct docker_op *docker_logs(struct docker *d, const char *ref, int64_t since_ns, bool follow,
                              const struct docker_log_sink *sink, docker_done_fn *done, void *user);
/* The same of its last `last` messages only, those since `since_ns`; < 0: all of them. */
struct docker_op *docker_logs_last(struct docker *d, const char *ref, int64_t since_ns,
                                   int64_t last, bool follow, const struct docker_log_sink *sink,
                                   docker_done_fn *done, void *user);
void docker_logs_pause(struct docker_op *op, bool paused);
