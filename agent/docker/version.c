#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "docker/decode.h"
#include "docker/op.h"

#define NEGOTIATE_MS 5000

static bool answer_version(struct docker_op *op, struct str body, const struct err *e)
{
    docker_version_fn *done = (docker_version_fn *)op->done;
    struct docker_version v;
    struct err out = *e;

    if (out.code || docker_decode_version(body, &v, &out)) {
        done(op->user, NULL, &out);
        return true;
    }
    snprintf(op->d->prefix, sizeof op->d->prefix, "/v%s", v.api_version);
    done(op->user, &v, &out);
    return true;
}

struct docker_op *docker_negotiate(struct docker *d, docker_version_fn *done, void *user)
{
    struct docker_op *op = NEW(struct docker_op);
    struct docker_call c;

    docker_call_init(&c, "GET", NEGOTIATE_MS);
    c.unversioned = true;
    docker_call_path(&c, "/version");
    docker_op_init(op, d, answer_version, (void (*)(void))done, user);
    docker_op_send(op, &c);
    return op;
}

int docker_api_minor(const struct docker *d)
{
    int64_t minor = 0;

    if (str_starts(d->prefix, "/v1.") && str_to_int(d->prefix + 4, 0, 999, &minor, NULL))
        minor = 0;
    return (int)minor;
}
