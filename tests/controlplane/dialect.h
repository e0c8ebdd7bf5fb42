#pragma once
/* dialect: how each kind of service says that something went wrong: the name of
 * the error, its status, and the form of the body. Pure. */
#include "auth.h"
#include "base/buf.h"

enum dialect {
    DIALECT_JSON, /* ECS, CloudWatch Logs, ECR, SSM, Secrets Manager */
    DIALECT_STS,
    DIALECT_EC2,
    DIALECT_S3,
};

struct dialect_error {
    int status;
    const char *type;    /* the name of the error */
    const char *message; /* borrowed from what was given */
};

/* A refused signature in the words of `d`; borrows from `why`. */
struct dialect_error dialect_refusal(enum dialect d, const struct auth_refusal *why);

enum dialect_trouble { TROUBLE_THROTTLE, TROUBLE_DENIED, TROUBLE_SERVER, TROUBLE_UNAVAILABLE };
/* The usual answer to an injected trouble. */
struct dialect_error dialect_trouble(enum dialect d, enum dialect_trouble what);

/* Writes the body and gives its content type. `details` is XML that S3 has inside
 * <Error> (NULL: none). */
const char *dialect_write(enum dialect d, const struct dialect_error *e, const char *request_id,
                          const char *details, struct buf *out);

/* Text inside an XML element. */
void xml_text(struct buf *out, const char *text);
void xml_element(struct buf *out, const char *name, const char *text);
