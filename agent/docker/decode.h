#pragma once
/* decode: what the Docker Engine says, as structs. Pure, private to agent/docker.
 *
 * Answers are read strictly where a wrong value would make us act wrongly
 * (inspect), leniently where news only tells us to look again (events). A JSON
 * answer that cannot be read is ERR_IO and names the place; outputs are
 * untouched then. */
#include "base/json.h"
#include "docker/docker.h"

#define DOCKER_API_NEWEST "1.44"
#define DOCKER_API_OLDEST "1.24"
/* The first that can ask a registry for a digest. */
#define DOCKER_API_DISTRIBUTION "1.30"

#define LABEL_TASK_ARN       LABEL_PREFIX "task-arn"
#define LABEL_CONTAINER_NAME LABEL_PREFIX "container-name"

/* An answer that we cannot read is the engine's fault, not the caller's: ERR_IO. */
enum err_code docker_unreadable(struct err *e, const char *what, const struct err *cause);
/* json_parse, but with ERR_IO. */
MUST_CHECK enum err_code docker_decode_json(struct str json, const char *what, struct json_t **doc,
                                            struct err *e);

/* An array of at most DOCKER_LIST_MAX elements; cursors report to `bad`. ERR_LIMIT
 * for more. Of *doc the caller disposes, whatever the result. */
MUST_CHECK enum err_code docker_decode_array(struct str json, const char *what, struct json_t **doc,
                                             struct jcur *root, struct err *bad, struct err *e);
/* A member with a time; 0 when it is absent or Go's zero. */
int64_t docker_decode_time(const struct jcur *c, const char *key);

/* Is this API ("1.41", "/v1.41") older than that one? False for "". */
bool docker_api_before(const char *api, const char *than);

/* ---- answers ---- */

/* GET /version: what the engine is, and the API version to use with it (the
 * older of the engine's and ours). ERR_INVALID when none suits both. */
MUST_CHECK enum err_code docker_decode_version(struct str json, struct docker_version *out,
                                               struct err *e);

/* GET /containers/x/json. On success the caller runs ctr_facts_fini. */
MUST_CHECK enum err_code docker_decode_facts(struct str json, struct ctr_facts *out,
                                             struct docker_details *details, struct err *e);
/* What is odd in it is left out: nothing is decided by it. */
void docker_details_read(const struct jcur *root, struct docker_details *out);
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

/* ---- answers about images, volumes and the engine (decode_image.c) ---- */

/* The most tags, digests, variables of one image; options, labels of one volume. */
#define DOCKER_STRINGS_MAX 4096

/* GET /images/x/json. `image` borrows from `doc` and owns its arrays. */
struct docker_image_doc {
    struct json_t *doc;
    struct docker_image image;
};
MUST_CHECK enum err_code docker_decode_image(struct str json, struct docker_image_doc *out,
                                             struct err *e);
void docker_image_doc_fini(struct docker_image_doc *d);

/* GET /images/json. */
struct docker_images_doc {
    struct json_t *doc;
    struct docker_image *images;
    size_t n;
};
MUST_CHECK enum err_code docker_decode_images(struct str json, struct docker_images_doc *out,
                                              struct err *e);
void docker_images_doc_fini(struct docker_images_doc *d);

/* GET /distribution/x/json; "" for the media types of schema 1. */
#define DOCKER_DIGEST_SIZE 160
MUST_CHECK enum err_code docker_decode_distribution(struct str json,
                                                    char digest[DOCKER_DIGEST_SIZE], struct err *e);

/* GET /volumes/x. `volume` borrows from the rest. */
struct docker_volume_doc {
    struct json_t *doc;
    struct task_kv *options, *labels;
    struct docker_volume volume;
};
MUST_CHECK enum err_code docker_decode_volume(struct str json, struct docker_volume_doc *out,
                                              struct err *e);
void docker_volume_doc_fini(struct docker_volume_doc *d);

/* GET /info. `info` borrows from `doc`, which the caller frees. */
struct docker_info_doc {
    struct json_t *doc;
    struct docker_info info;
};
MUST_CHECK enum err_code docker_decode_info(struct str json, struct docker_info_doc *out,
                                            struct err *e);

/* ---- failures ---- */

/* The error an HTTP status means. A JSON body's message is the daemon's and becomes
 * "Error response from daemon: <message>"; of any other body, which is somebody's in
 * front of a daemon that is away, the first bytes are quoted. */
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
bool docker_is_digest(struct str s); /* "sha256:..." */

/* May this stand for a container (an id or a name) in a path? */
MUST_CHECK enum err_code docker_container_ref_check(const char *ref, struct err *e);
/* The same for a volume. */
MUST_CHECK enum err_code docker_volume_name_check(const char *name, struct err *e);
