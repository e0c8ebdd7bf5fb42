/* carry_image: images, looked at, asked for, pulled, listed, removed. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/carry.h"
#include "engine/pause.h"

#define PROGRESS_EVERY_MS 5000
#define TAG_TIMEOUT_MS    (30 * 1000)
#define IMPORT_TIMEOUT_MS (2 * 60 * 1000)

/* ---- one question serves all who ask it meanwhile ----
 *
 * A burst of tasks of one image asks once. Who asked first has the docker operation;
 * the others wait, and one of them asks anew when the first is canceled. */

static bool same_text(const char *a, const char *b)
{
    return a && b ? streq(a, b) : a == b;
}

/* Does the work of this operation serve others of the same question? */
static bool is_shared(enum core_op op)
{
    return op == CORE_OP_INSPECT_IMAGE || op == CORE_OP_MANIFEST || op == CORE_OP_PULL;
}

/* Another one with the same question, which it has asked, or which waits. Who comes with
 * other credentials may be told something else. */
static struct carried *same_question(const struct carried *c, bool asked)
{
    struct carried *it, *next;

    HASH_ITER (hh, c->en->ops, it, next) {
        if (it != c && it->op == c->op && asked == (it->docker != NULL) && streq(it->ref, c->ref) &&
            same_text(it->digest, c->digest) && same_text(it->auth, c->auth))
            return it;
    }
    return NULL;
}

struct carried *carry_heir(const struct carried *c)
{
    return is_shared(c->op) && c->docker ? same_question(c, false) : NULL;
}

static carry_fn look_at_image, ask_registry, pull;

void carry_inherit(struct carried *c)
{
    if (c->op == CORE_OP_INSPECT_IMAGE)
        look_at_image(c);
    else if (c->op == CORE_OP_MANIFEST)
        ask_registry(c);
    else
        pull(c);
}

static void share(struct carried *c)
{
    if (!same_question(c, true))
        carry_inherit(c);
}

/* ---- inspect ---- */

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    struct carried *c = user;

    if (!e->code)
        images_put(&c->en->images, c->ref, image->env);
    while (c) {
        struct carried *next = same_question(c, false);
        struct queued *q = queued_op(c->id, e);

        if (!e->code)
            queued_set_images(q, image, 1, c->ref);
        carry_finish(c, q);
        c = next;
    }
}

static void look_at_image(struct carried *c)
{
    c->docker = docker_inspect_image(c->en->docker, c->ref, c->timeout_ms, on_image, c);
}

void carry_inspect_image(struct carried *c)
{
    share(c);
}

/* ---- the registry ---- */

static const char *value(const struct carried *c, int kind)
{
    return c->task_arn ? values_one(&c->en->values, c->task_arn, c->container, kind) : NULL;
}

/* What was fetched for the container counts before the agent's own settings. */
static char *auth_header(const struct carried *c)
{
    const char *fetched = value(c, ENGINE_VALUE_AUTH);

    if (fetched)
        return mem_strdup(fetched);
    return c->en->auths ? docker_auths_header(c->en->auths, c->ref) : NULL;
}

void carry_of_registry(struct carried *c)
{
    const char *no_token = value(c, ENGINE_VALUE_NO_AUTH);
    struct err e = { 0 };

    if (no_token) { /* the name is the reference's */
        err_set(&e, ERR_DENIED, "CannotPullECRContainerError: %s", no_token);
        carry_done(c, &e);
        return;
    }
    c->auth = auth_header(c);
    share(c);
}

static void on_digest(void *user, const char *digest, const struct err *e)
{
    struct carried *c = user;

    while (c) {
        struct carried *next = same_question(c, false);
        struct queued *q = queued_op(c->id, e);

        if (!e->code)
            queued_set_digest(q, digest);
        carry_finish(c, q);
        c = next;
    }
}

static void ask_registry(struct carried *c)
{
    c->docker = docker_distribution(c->en->docker, c->ref, c->auth, c->timeout_ms, on_digest, c);
}

/* ---- pull ---- */

static void on_progress(void *user, const char *line)
{
    struct carried *c = user;
    int64_t now = clock_mono_ms();

    if (c->told_ms && now - c->told_ms < PROGRESS_EVERY_MS)
        return;
    c->told_ms = now;
    log_info("pulling", kv_s("image", c->ref), kv_s("progress", line));
}

static void on_got(void *user, const struct err *e)
{
    struct carried *c = user;

    if (!e->code)
        images_forget(&c->en->images, c->ref);
    while (c) {
        struct carried *next = same_question(c, false);

        carry_finish(c, queued_op(c->id, e));
        c = next;
    }
}

static void on_pulled(void *user, const struct err *e)
{
    struct carried *c = user;

    if (e->code || streq(c->pulling, c->ref)) {
        on_got(c, e);
        return;
    }
    c->docker = docker_tag_image(c->en->docker, c->pulling, c->ref, TAG_TIMEOUT_MS, on_got, c);
}

/* What the manifest named, whatever the tag says by now. */
static char *what_to_pull(const struct carried *c)
{
    AUTO(str) char *repository = NULL;

    if (c->digest && !task_image_has_digest(c->ref))
        repository = docker_normal_repository(c->ref);
    return repository ? mem_printf("%s@%s", repository, c->digest) : mem_strdup(c->ref);
}

static void pull(struct carried *c)
{
    const struct task_container *k = carry_container(c);
    struct engine *en = c->en;

    if (k && k->internal) { /* it comes with the agent */
        c->docker = docker_import_image(en->docker, c->ref, PAUSE_ENTRY_POINT, pause_archive(),
                                        IMPORT_TIMEOUT_MS, on_got, c);
        return;
    }
    free(c->pulling);
    c->pulling = what_to_pull(c);
    c->docker = docker_pull(en->docker, c->pulling, c->auth, c->idle_timeout_ms, c->timeout_ms,
                            on_progress, on_pulled, c);
}

/* ---- all of them ---- */

static void on_images(void *user, const struct docker_image *images, size_t n, const struct err *e)
{
    struct carried *c = user;

    c->docker = NULL;
    if (e->code) {
        carry_done(c, e);
        return;
    }
    c->answer = queued_op(c->id, NULL);
    queued_set_images(c->answer, images, n, NULL);
    carry_add_disk(c);
}

void carry_list_images(struct carried *c)
{
    c->docker = docker_list_images(c->en->docker, c->timeout_ms, on_images, c);
}

void carry_remove_image(struct carried *c)
{
    images_forget(&c->en->images, c->ref);
    c->docker = docker_remove_image(c->en->docker, c->ref, c->timeout_ms, carry_done, c);
}
