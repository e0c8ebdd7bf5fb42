#pragma once
/* session: a websocket with the control plane that is kept: discover, sign, connect, keep, end,
 * and again (acs-tcs 1 and 4). What is said on it is its owner's affair.
 *
 * Private to control. Nothing of it is touched after a callback, but for `inactive`. */
#include "control/private.h"

struct session;

struct session_kind {
    enum discover_which endpoint;
    size_t max_message; /* incoming */
    size_t max_queue;   /* outgoing bytes that wait; 0: the websocket's own limit */
    /* After too long a silence: say goodbye and wait for the peer's, instead of leaving. */
    bool silence_is_peaceful;
    bool age_resets_backoff; /* once it was open for a while; else only a peaceful end does */
    struct session_words {   /* for the log */
        const char *open, *ended, *none;
    } words;

    void (*refusal)(int status, struct str body, struct err *out); /* what the peer says by it */
    enum err_code (*url)(void *user, const char *endpoint, struct buf *out, struct err *e);
    void (*opened)(void *user);
    void (*message)(void *user, struct str text); /* borrowed */
    void (*closed)(void *user);                   /* it had been open */
    /* The instance is said to be inactive, and the session asks rarely. NULL: nothing special. */
    void (*inactive)(void *user, const struct err *e);
};

/* `kind` and `rule` must stay. */
struct session *session_create(struct control *c, const struct session_kind *kind,
                               const struct backoff_rule *rule, void *user);
void session_destroy(struct session *s); /* cuts; silence. NULL is fine */
void session_start(struct session *s);   /* the first call counts */
/* News from elsewhere: a backoff need not be waited out. */
void session_wake(struct session *s);
/* Cuts a connection that is there or on its way; the next try comes after a backoff. */
void session_cut(struct session *s, const struct err *why);
/* Reads nothing from now on, or goes on; also of the connections to come. */
void session_hold(struct session *s, bool held);
void session_heard(struct session *s); /* a message that counts as a sign of life */
bool session_is_open(const struct session *s);
/* Sessions that were open, tries that came to nothing. */
uint64_t session_opened_count(const struct session *s);
uint64_t session_failed_count(const struct session *s);
/* The last handshake was answered, with a refusal. */
bool session_was_refused(const struct session *s);
/* The URL of the handshake; borrowed until the next one, NULL before the first. */
const char *session_url(const struct session *s);
/* ERR_RETRY when it is not open; nothing is kept for later. */
MUST_CHECK enum err_code session_send(struct session *s, struct str text, struct err *e);
/* Members "connected", "since_ms", "since", "last_error". */
void session_write_status(const struct session *s, struct jw *w);
