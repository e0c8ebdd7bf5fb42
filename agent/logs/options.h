#pragma once
/* options: where the log of a container goes, of its awslogs options. Pure;
 * private to logs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/aws.h"
#include "base/buf.h"
#include "base/err.h"
#include "logs/multiline.h"
#include "task/task.h"

/* The driver's own is 5 s; lines are to be seen sooner, and a request costs little. */
#define LOG_FLUSH_MS 1000

/* What a tag template may name: "{{.Name}}/{{.ID}}" (Go's syntax, these fields only, as dockerd's
 * log tags): ID, FullID, Name, ImageID, ImageFullID, ImageName, Command, Hostname, DaemonName. The
 * ids are whole (that of the image with its "sha256:"), the name has no "/" in front, the command
 * is entry point and arguments, the host name this machine's, `daemon` "docker". All borrowed; NULL
 * is "". (An image's id has a colon, which no stream may have.) */
struct log_tag {
    const char *id, *name, *image, *image_id, *command, *hostname, *daemon;
};
/* ERR_INVALID names what it does not know. Appends. */
MUST_CHECK enum err_code log_tag_expand(const char *tag, const struct log_tag *of, struct buf *out,
                                        struct err *e);

struct log_options { /* owned */
    char *group, *stream, *region, *endpoint;
    bool create_group;
    int64_t flush_ms;
    bool create_stream;      /* awslogs-create-stream; default true */
    bool blocking;           /* mode; ECS resolves it, "blocking" when it is not given */
    char *format;            /* "json/emf", sent as a header; NULL */
    struct pattern *pattern; /* of multiline-pattern or datetime-format; NULL */
};

/* `c` is a container of `t` whose log driver is awslogs; `secrets` are those of its options that
 * are secrets (target LOG_DRIVER), which count more and are never quoted. ERR_INVALID names the
 * option; ERR_DENIED for plain http to another host; ERR_RETRY: a secret of the container is not
 * among `secrets`. Texts are dockerd's where it has one. Region and endpoint that are not given are
 * those of `aws`. `tag` is for the stream's name, in which `c` gives the image and the command (as
 * far as the definition says it) that are NULL there; NULL before the create: then that is only
 * checked, as far as it can be, and `docker_id` may be NULL. Each name that dockerd's driver knows
 * is accepted; cache-* and max-buffered-events have nothing to set here; max-buffer-size is
 * task_spool_of's. On success *out is the caller's. */
MUST_CHECK enum err_code log_options_read(const struct task *t, const struct task_container *c,
                                          const struct task_kv *secrets, size_t n_secrets,
                                          const char *docker_id, const struct log_tag *tag,
                                          const struct aws *aws, struct log_options *out,
                                          struct err *e);
void log_options_fini(struct log_options *o);
