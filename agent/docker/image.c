/* Images, other than how they get here (pull.c). */
#include <stdlib.h>

#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"

static bool answer_image(struct docker_op *op, struct str body, const struct err *e)
{
    docker_image_fn *done = (docker_image_fn *)op->done;
    struct docker_image_doc doc;
    struct err out = *e;

    if (out.code || docker_decode_image(body, &doc, &out)) {
        done(op->user, NULL, &out);
        return true;
    }
    done(op->user, &doc.image, &out);
    docker_image_doc_fini(&doc);
    return true;
}

struct docker_op *docker_inspect_image(struct docker *d, const char *image, int64_t timeout_ms,
                                       docker_image_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_image(&c, image, "/json");
    return docker_send(d, &c, answer_image, (void (*)(void))done, user);
}

static bool answer_images(struct docker_op *op, struct str body, const struct err *e)
{
    docker_images_fn *done = (docker_images_fn *)op->done;
    struct docker_images_doc doc;
    struct err out = *e;

    if (out.code || docker_decode_images(body, &doc, &out)) {
        done(op->user, NULL, 0, &out);
        return true;
    }
    done(op->user, doc.images, doc.n, &out);
    docker_images_doc_fini(&doc);
    return true;
}

struct docker_op *docker_list_images(struct docker *d, int64_t timeout_ms, docker_images_fn *done,
                                     void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_path(&c, "/images/json");
    return docker_send(d, &c, answer_images, (void (*)(void))done, user);
}

struct docker_op *docker_remove_image(struct docker *d, const char *ref, int64_t timeout_ms,
                                      docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "DELETE", timeout_ms);
    c.also_ok = 404;
    docker_call_image(&c, ref, "");
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

struct docker_op *docker_tag_image(struct docker *d, const char *source, const char *image,
                                   int64_t timeout_ms, docker_done_fn *done, void *user)
{
    struct docker_call c;
    struct docker_ref ref;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_image(&c, source, "/tag");
    if (!c.bad.code && docker_ref_parse(image, &ref, &c.bad) == ERR_OK) {
        /* The engine would take the digest's text for a tag. */
        if (ref.digest.n)
            err_set(&c.bad, ERR_INVALID, "a digest cannot be given to an image: '%.300s'", image);
        docker_call_name(&c, "repo", image);
    }
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

static bool answer_distribution(struct docker_op *op, struct str body, const struct err *e)
{
    docker_digest_fn *done = (docker_digest_fn *)op->done;
    char digest[DOCKER_DIGEST_SIZE] = "";
    struct err out = *e;

    /* An engine without this call knows no such page. */
    if (out.code == ERR_NOT_FOUND && docker_api_before(op->d->prefix, DOCKER_API_DISTRIBUTION))
        out = (struct err){ 0 };
    else if (!out.code)
        out.code = docker_decode_distribution(body, digest, &out);
    done(op->user, out.code ? NULL : digest, &out);
    return true;
}

struct docker_op *docker_distribution(struct docker *d, const char *image, const char *auth,
                                      int64_t timeout_ms, docker_digest_fn *done, void *user)
{
    struct docker_call c;
    struct docker_ref ref;

    docker_call_init(&c, "GET", timeout_ms);
    if (docker_ref_parse(image, &ref, &c.bad) == ERR_OK) {
        docker_call_path(&c, "/distribution/");
        docker_call_path(&c, image);
        docker_call_path(&c, "/json");
    }
    docker_call_header(&c, "X-Registry-Auth", auth);
    return docker_send(d, &c, answer_distribution, (void (*)(void))done, user);
}
