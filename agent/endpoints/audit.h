#pragma once
/* audit: one line for each request for credentials, in the reference's format
 * (local-endpoints 2). Never an id of credentials, never a secret. */
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "io/http_server.h"

struct audit_line {
    int status;
    const struct http_peer *peer;
    const char *path;       /* decoded, without the query */
    const char *user_agent; /* NULL: none */
    /* Whose credentials they are. NULL: nobody's, then the line ends there, as the
     * reference's does; "": not known, which is written as "-". */
    const char *task_arn;
    const char *event; /* "GetCredentials", "GetCredentialsExecutionRole" */
};

/* Pure. Appends the line with its newline. NULL and "" are written as "-". */
void audit_format(const struct audit_line *line, const char *cluster, const char *instance_arn,
                  int64_t wall_ms, struct buf *out);

struct audit;
/* Appends to the file, which is kept small by the rule, and begins it anew when someone
 * renames or removes it. `copy_fd`: lines go there too (standard output); -1: nowhere else. */
MUST_CHECK enum err_code audit_open(const char *path, const struct log_file_rule *rule, int copy_fd,
                                    struct audit **out, struct err *e);
void audit_close(struct audit *a); /* NULL is fine */
/* Copied; may change when the host registers anew. */
void audit_set_instance(struct audit *a, const char *cluster, const char *instance_arn);
/* NULL is fine: the audit log is turned off. A line that cannot be written is lost. */
void audit_write(struct audit *a, int64_t wall_ms, int64_t mono_ms, const struct audit_line *line);
