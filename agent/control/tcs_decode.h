#pragma once
/* tcs_decode: one message of the control plane on the telemetry session. Pure. */
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum tcs_kind {
    TCS_HEARTBEAT,
    TCS_ACK,
    TCS_NOTED,   /* the end is announced, or an exception: `text` is for the log */
    TCS_UNKNOWN, /* does not even count as a sign of life */
};

struct tcs_message {
    enum tcs_kind kind;
    char type[80];
    char text[512];
};

/* ERR_INVALID: what is no message, or lacks or mistypes a member; the text names the place. */
MUST_CHECK enum err_code tcs_decode(struct str text, struct tcs_message *out, struct err *e);

/* What a refused handshake says: as acs_refusal, with the types of this session. */
void tcs_refusal(int status, struct str body, struct err *out);
