#pragma once
/* tags: the tags of a task and of its container instance, as ECS tells them (local-endpoints
 * 3.8).
 *
 * One ListTagsForResource for each of the two, side by side, with the instance's credentials.
 * Equal questions at the same time are one call, with the User-Agent of who asked first, and an
 * answer is kept for TAGS_KEEP_MS: a client that looks at its metadata all the time does not use
 * up what an account may ask for. (The reference asks anew each time.) A failure is not kept.
 *
 * A call is tried again as the SDKs do, and given up after TAGS_LIMIT_MS, because the endpoint's
 * clients are not served for longer than HTTP_SERVER_TIMEOUT_MS. Nobody waits longer than that;
 * when nobody waits any more, the call is canceled. Runs on the loop thread. */
#include "aws/aws_call.h"
#include "endpoints/view.h"
#include "io/loop.h"

#define TAGS_KEEP_MS  10000
#define TAGS_LIMIT_MS 4000
#define TAGS_KEPT_MAX 128 /* answers; what is more than that is told and forgotten */

/* ---- pure ---- */

struct tag_list { /* owned; sorted by key */
    struct view_pair *pairs;
    size_t n;
};
/* An answer of ListTagsForResource. Of equal keys the last counts. ERR_RETRY: it is none. */
MUST_CHECK enum err_code tag_list_read(struct str body, struct tag_list *out, struct err *e);
void tag_list_fini(struct tag_list *l);

/* ---- asking ---- */

struct tags_args {
    struct loop *loop;
    struct aws *aws;
    struct credentials *credentials;
    const struct aws_service *ecs; /* borrowed */
    int64_t keep_ms, limit_ms;     /* 0: the above */
};
struct tags;
struct tags *tags_create(const struct tags_args *args);
void tags_destroy(struct tags *t); /* every question is answered or canceled; NULL is fine */

enum tags_of { TAGS_OF_INSTANCE, TAGS_OF_TASK, TAGS_OF__COUNT };
struct tags_answer { /* all borrowed */
    const char *arn; /* NULL: it was not asked for */
    const struct view_pair *pairs;
    size_t n;
    const char *error; /* "GetResourceTags failed for ARN after N attempts: ..."; NULL: none */
};
typedef void tags_fn(void *user, const struct tags_answer answers[TAGS_OF__COUNT]);
struct tags_op;
/* `arns`: NULL is not asked for. `user_agent` NULL: the client's. Both are copied. `done` comes
 * once, on a later turn, when both are had or not to be had. */
struct tags_op *tags_get(struct tags *t, const char *const arns[TAGS_OF__COUNT],
                         const char *user_agent, tags_fn *done, void *user);
void tags_cancel(struct tags_op *op); /* NULL is fine */
