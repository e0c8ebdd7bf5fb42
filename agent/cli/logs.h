#pragma once
/* What the files of the logs command share. Private to cli/logs*.c. */
#include "cli/cli.h"
#include "cli/log_lines.h"
#include "docker/docker.h"
#include "io/loop.h"

struct logs_wish {
    const char *container; /* only that; NULL: all */
    bool follow, json;
    int64_t since_ns; /* 0: from the start */
    int64_t last;     /* lines of each container; < 0: all */
    struct log_printer printer;
};

/* ---- logs_read.c: reading them ---- */

struct logs_reader;
/* A log has come to its end for now, or (`broken`) nobody reads standard output. */
typedef void logs_end_fn(void *user, bool broken);

/* `wish` is borrowed. Without `follow`, lines of several containers are printed in the order of
 * their times. */
struct logs_reader *logs_reader_create(struct docker *d, const struct logs_wish *wish,
                                       logs_end_fn *end, void *user);
void logs_reader_destroy(struct logs_reader *r); /* NULL is fine */
/* What the agent tells of the containers of the task (an array); with `follow`, also later and
 * again. `over`: the task has stopped, there will be no others. */
void logs_reader_look(struct logs_reader *r, const struct jcur *containers, bool over);
/* Nobody knows the task any more: what is there is the rest. */
void logs_reader_last(struct logs_reader *r);
bool logs_reader_over(const struct logs_reader *r);   /* there is nothing more to read */
bool logs_reader_failed(const struct logs_reader *r); /* some log could not be; it was said */

/* ---- logs_since.c ---- */

/* "10m", "1h30m", "2d" before now; a time (RFC 3339); seconds since the epoch. ERR_INVALID. */
MUST_CHECK enum err_code logs_parse_since(const char *text, int64_t now_ns, int64_t *out,
                                          struct err *e);
