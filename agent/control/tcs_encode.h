#pragma once
/* tcs_encode: the messages of the telemetry session and their signed frame, byte for byte. Pure:
 * times are in milliseconds since the epoch. Each message replaces what is in `out`; false when
 * it does not fit. */
#include <stdbool.h>
#include <stdint.h>

#include "aws/sigv4.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct tcs_head {        /* all borrowed */
    const char *cluster; /* as configured */
    const char *instance_arn;
    const char *id; /* a UUID: of the gathering, or of the instance status */
    int64_t now_ms;
};

/* The tasks are elements of an array, as tcs_gathering_page gives them; an idle message has
 * none. `fin`: the last of its gathering. */
bool tcs_put_metrics(struct buf *out, const struct tcs_head *h, bool idle, bool fin,
                     struct str tasks);
bool tcs_put_health(struct buf *out, const struct tcs_head *h, bool fin, struct str tasks);

/* What is known of the container engine. */
struct tcs_runtime {
    bool checked, ok;    /* not checked: INITIALIZING */
    int64_t checked_ms;  /* the newest check, or the beginning */
    int64_t previous_ms; /* the check before: this is what the reference tells */
    int64_t changed_ms;
};
void tcs_runtime_init(struct tcs_runtime *r, int64_t now_ms);
void tcs_runtime_note(struct tcs_runtime *r, bool ok, int64_t now_ms);
bool tcs_put_status(struct buf *out, const struct tcs_head *h, const struct tcs_runtime *r);

/* What goes over the wire: a block of headers, signed for the URL of the handshake and this
 * message, an empty line, the message. `out` then holds the session token: wipe it. */
MUST_CHECK enum err_code tcs_frame(struct buf *out, const char *url, const char *region,
                                   const struct sigv4_keys *keys, int64_t now_ms,
                                   struct str message, struct err *e);
