#pragma once
/* aws_answer: what a JSON 1.1 answer means. Pure; private to aws. */
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct aws_answer {
    char code[128]; /* the service's name of the error; "" for success and strangers */
    struct err err;
};

/* `type_header` is the value of X-Amzn-ErrorType or NULL. */
void aws_answer_read(int status, const char *type_header, struct str body, struct aws_answer *out);

/* Are the keys to be fetched anew before the next try? */
bool aws_answer_expired(const struct aws_answer *a);
