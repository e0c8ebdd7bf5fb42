#pragma once
/* batch: the events of one PutLogEvents call, kept as the body they become. Pure;
 * private to logs.
 *
 * The limits are the service's; one event that breaks a rule makes it refuse all,
 * so a batch that exists is valid. When the service still calls a batch invalid,
 * it is bisected: the batch knows which of its events go into the next request,
 * and an event that is refused alone is dropped. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "logs/cursor.h"
#include "logs/spares.h"

#define BATCH_MAX_EVENTS  10000
#define BATCH_MAX_BYTES   1048576
#define BATCH_EVENT_BYTES 26 /* counted for each event besides its text */
#define BATCH_MAX_SPAN_MS (24 * 3600 * 1000LL)
/* A time that goes back by more than this starts a new batch, because between
 * batches there is no order to keep. */
#define BATCH_MAX_CLAMP_MS 1000

struct batch {
    struct list node;
    struct buf json;       /* {"logGroupName":...,"logEvents":[{...},{...}, */
    size_t head;           /* where the events begin in it */
    struct spares *spares; /* where its memory comes from and goes, or NULL; the owner's to set */
    size_t backed;         /* what is memory of what came from there */
    struct {               /* what stands before the text of an event of that time */
        char text[48];
        size_t n; /* 0: there was none */
        int64_t ms;
    } start;
    uint32_t *at; /* where each event starts in it, and where the next would */
    size_t n, room;
    size_t bytes; /* as the service counts them */
    int64_t first_ms, last_ms;
    int64_t born_ms;   /* monotonic */
    struct cursor end; /* what is confirmed when the whole batch is; the owner's */
    size_t from, span; /* the events of the next request */
};

struct batch *batch_create(int64_t now_ms, const char *group, const char *stream);
void batch_destroy(struct batch *b); /* NULL is fine */

enum batch_fit {
    BATCH_ADDED,
    BATCH_CLAMPED, /* added, with the time of the event before it */
    BATCH_FULL,    /* not added: belongs into the next batch */
    BATCH_NEVER,   /* not added: empty, or longer than the service takes */
};

/* `text` is valid UTF-8. Not to be called once a request was made. */
enum batch_fit batch_add(struct batch *b, int64_t when_ms, struct str text);
/* The same with a text that is a JSON string without its quotes already, of `plain_n` bytes when
 * it is unescaped. */
enum batch_fit batch_add_escaped(struct batch *b, int64_t when_ms, struct str text, size_t plain_n);
/* Has its oldest event waited long enough? */
bool batch_due(const struct batch *b, int64_t now_ms, int64_t interval_ms);

/* The body of the next request: events [from, from + span). Of the whole batch it is the batch's
 * own memory; of a part it is written into `scratch`. Borrowed until the batch changes. */
struct str batch_body(struct batch *b, struct buf *scratch);
#define BATCH_MAX_BODY ((size_t)8 << 20)

/* An event as the service has it. */
struct batch_event {
    int64_t when_ms;
    struct str text; /* plain */
};
/* Takes out those that are `stored` already, each of which stands for one of its time and text, and
 * those that are through. What lies before the batch in the log has times up to `before_ms`, and
 * `before_n` events (0: unknown) of that one: of such a time, a stored event may be one of those.
 * So of that time only as many of ours go as are stored beyond before_n; and all that are stored,
 * when the first one that is later is too, for then their request was. Returns how many went that
 * are not through; the batch may be empty then. Not while a request is under way. */
size_t batch_trim(struct batch *b, const struct batch_event *stored, size_t n, int64_t before_ms,
                  int64_t before_n);

/* The request was accepted. True when the batch is through. */
bool batch_accepted(struct batch *b);
/* The request is invalid. Either halves it, or, when it was one event, drops that
 * (*dropped). True when the batch is through. */
bool batch_refused(struct batch *b, bool *dropped);
