/* The session on which the control plane gives work. */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/acs_url.h"
#include "control/session.h"
#include "control/tcs.h"

#define MESSAGE_MAX (64 * 1024 * 1024)

struct acs {
    struct control *c;
    struct acs_messages *messages;
    struct session *session;
    bool ever_open; /* in this process */
};

/* ---- what the session asks of us ---- */

static enum err_code on_url(void *user, const char *endpoint, struct buf *out, struct err *e)
{
    const struct acs *a = user;
    const struct control *c = a->c;
    struct acs_url_args args = { .endpoint = endpoint,
                                 .agent_hash = c->agent_hash,
                                 .agent_version = c->agent_version,
                                 .cluster = c->config->cluster,
                                 .instance_arn = c->instance_arn,
                                 .docker_version = c->docker_version,
                                 .send_credentials = !a->ever_open };

    return acs_url(&args, out, e);
}

static void on_opened(void *user)
{
    struct acs *a = user;

    a->ever_open = true;
    acs_messages_new_session(a->messages);
    control_progress(a->c);
    a->c->ev.connected(a->c->user, true);
}

static void on_message(void *user, struct str text)
{
    struct acs *a = user;

    acs_messages_take(a->messages, a, text);
}

static void on_closed(void *user)
{
    struct acs *a = user;

    a->c->ev.connected(a->c->user, false);
}

/* Telemetry of an instance that was deregistered is unwelcome too. */
static void on_inactive(void *user, const struct err *e)
{
    struct acs *a = user;

    tcs_cut(a->c->tcs, e);
}

static const struct session_kind acs_kind = {
    .endpoint = DISCOVER_ACS,
    .max_message = MESSAGE_MAX,
    .age_resets_backoff = true,
    .words = { .open = "session with the control plane is open",
               .ended = "session with the control plane ended; connecting again",
               .none = "no session with the control plane; trying again" },
    .refusal = acs_refusal,
    .url = on_url,
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
    .inactive = on_inactive,
};

/* ---- the whole ---- */

struct acs *acs_create(struct control *c)
{
    struct acs *a = NEW(struct acs);

    a->c = c;
    a->messages = acs_messages_create(c);
    a->session = session_create(c, &acs_kind, &c->timing.session, a);
    return a;
}

void acs_destroy(struct acs *a)
{
    if (!a)
        return;
    session_destroy(a->session);
    acs_messages_destroy(a->messages);
    free(a);
}

struct acs_messages *acs_get_messages(struct acs *a)
{
    return a->messages;
}

void acs_start(struct acs *a)
{
    session_start(a->session);
}

void acs_wake(struct acs *a)
{
    session_wake(a->session);
}

void acs_hold(struct acs *a, bool held)
{
    session_hold(a->session, held);
}

void acs_heard(struct acs *a)
{
    session_heard(a->session);
}

bool acs_send(struct acs *a, const struct buf *message)
{
    struct err e = { 0 };

    if (!session_is_open(a->session)) {
        log_debug("an answer was dropped: the session is not open");
        return false;
    }
    if (session_send(a->session, buf_str(message), &e)) {
        log_warn("an answer could not be sent; the control plane asks again", kv_err(&e));
        return false;
    }
    return true;
}

void acs_get_totals(const struct acs *a, struct control_totals *out)
{
    out->acs_connected = session_is_open(a->session);
    out->acs_opened = session_opened_count(a->session);
    out->acs_failed = session_failed_count(a->session);
}

void acs_write_status(const struct acs *a, struct jw *w)
{
    jw_object(w);
    session_write_status(a->session, w);
    jw_end(w);
}
