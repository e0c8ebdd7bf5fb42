#pragma once
/* aws_answer: what an answer of a service means. Pure; private to aws. */
#include <stdbool.h>

#include "aws/aws_call.h"
#include "base/err.h"
#include "base/str.h"

struct aws_answer {
    char code[128]; /* the service's name of the error; "" for success and strangers */
    struct err err;
};

/* `type_header` is the value of X-Amzn-ErrorType or NULL. */
void aws_answer_read(enum aws_protocol protocol, int status, const char *type_header,
                     struct str body, struct aws_answer *out);

/* Is the same call worth another try, as the SDKs' standard mode sees it? */
bool aws_answer_retryable(int status, const char *code);
/* The wait that a Retry-After header wishes for, 20 s at most; 0 for NULL and nonsense. */
int64_t aws_answer_retry_after_ms(const char *header);
/* May the service have refused the call because its time was wrong? */
bool aws_answer_untimely(const char *code);
