#pragma once
/* sink_internal: the calls that sink_cloudwatch.c (puts) and sink_read.c share. */
#include "aws/aws_call.h"
#include "logs/sink.h"

struct sink_ask {
    const char *operation;
    const struct log_options *to;
    const char *role_id;
    struct str body; /* lent */
    bool format;     /* send the header of the events' format */
    size_t max_answer;
};

/* NULL and `e` set when the keys of the role are not known (ERR_DENIED). */
struct aws_call *sink_call(const struct sink *sink, const struct sink_ask *ask, aws_done_fn *done,
                           void *user, struct err *e);
/* {"logGroupName":...,"logStreamName":... without its end; `stream` says whether that is there. */
void sink_write_names(struct jw *w, const struct log_options *to, bool stream);

/* What an answer says about the service as a whole. */
bool sink_throttled(const struct aws_result *a);
bool sink_away(const struct aws_result *a);
