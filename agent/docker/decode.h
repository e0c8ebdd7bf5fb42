#pragma once
/* decode: what the Docker Engine says, as structs. Pure, private to agent/docker.
 *
 * Answers are read strictly where a wrong value would make us act wrongly
 * (inspect), leniently where news only tells us to look again (events). A JSON
 * answer that cannot be read is ERR_IO and names the place; outputs are
 * untouched then. */
#include "docker/docker.h"

#define DOCKER_API_NEWEST "1.44"
#define DOCKER_API_OLDEST "1.24"

#define LABEL_TASK_ARN       LABEL_PREFIX "task-arn"
#define LABEL_CONTAINER_NAME LABEL_PREFIX "container-name"

/* json_parse, but what cannot be read is the engine's fault: ERR_IO. */
MUST_CHECK enum err_code docker_decode_json(struct str json, const char *what, struct json_t **doc,
                                            struct err *e);

/* ---- answers ---- */

/* GET /version: what the engine is, and the API version to use with it (the
 * older of the engine's and ours). ERR_INVALID when none suits both. */
MUST_CHECK enum err_code docker_decode_version(struct str json, struct docker_version *out,
                                               struct err *e);

/* GET /containers/x/json. On success the caller runs ctr_facts_fini. */
MUST_CHECK enum err_code docker_decode_facts(struct str json, struct ctr_facts *out, struct err *e);
/* The same answer: does the container have a terminal? */
MUST_CHECK enum err_code docker_decode_tty(struct str json, bool *tty, struct err *e);

/* POST /containers/create; `out` has room for a full id. */
#define DOCKER_ID_SIZE 72
MUST_CHECK enum err_code docker_decode_created(struct str json, char out[DOCKER_ID_SIZE],
                                               struct err *e);

/* GET /containers/json. The rows borrow from `doc`. */
struct docker_rows {
    struct json_t *doc;
    struct docker_listed *rows;
    size_t n;
};
MUST_CHECK enum err_code docker_decode_list(struct str json, struct docker_rows *out,
                                            struct err *e);
void docker_rows_fini(struct docker_rows *r);

/* GET /images/x/json. `image` borrows from the rest. */
struct docker_image_doc {
    struct json_t *doc;
    const char **env, **repo_digests;
    struct docker_image image;
};
MUST_CHECK enum err_code docker_decode_image(struct str json, struct docker_image_doc *out,
                                             struct err *e);
void docker_image_doc_fini(struct docker_image_doc *d);

/* The error an HTTP status means. A JSON body's message becomes "Error response
 * from daemon: <message>"; of any other body the first bytes are quoted. */
enum err_code docker_decode_failure(int status, struct str body, struct err *e);

/* ---- lines of a stream ---- */

/* One event. *known is false for an event of no interest; else `out` borrows
 * from *doc, which the caller frees. ERR_IO only for what is not JSON. */
MUST_CHECK enum err_code docker_decode_event(struct str line, struct docker_event *out, bool *known,
                                             struct json_t **doc, struct err *e);

/* One line of a pull. An error line is ERR_IO with the daemon's text as it is;
 * else `human` gets a sentence ("" when there is nothing to say). */
#define DOCKER_PROGRESS_SIZE 256
MUST_CHECK enum err_code docker_decode_progress(struct str line, char human[DOCKER_PROGRESS_SIZE],
                                                struct err *e);

/* ---- names of images ---- */

/* "[host[:port]/]path[:tag][@digest]"; the parts borrow from the text. */
struct docker_ref {
    struct str name; /* with the host */
    struct str host; /* empty: the engine's default registry */
    struct str tag;  /* empty without */
    struct str digest;
};
MUST_CHECK enum err_code docker_ref_parse(const char *text, struct docker_ref *out, struct err *e);

/* May this stand for a container (an id or a name) in a path? */
MUST_CHECK enum err_code docker_container_ref_check(const char *ref, struct err *e);
