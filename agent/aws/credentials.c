#include "aws/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/loop.h"

#define UNTIMELY_KEEP_MS  60000
#define INSTANCE_KEEP_MS  3600000 /* role keys may be revoked: ask at least hourly */
#define REFRESH_EARLY_MS  300000
#define REFRESH_FLOOR_MS  10000 /* keys that are given out shortly before their end */
#define STILL_GOOD_MS     60000 /* valid for longer: handed out while new ones are fetched */
#define FILE_KEEP_MS      60000 /* whoever changes a file expects to be noticed */
#define FAILED_REFRESH_MS 30000

enum source { SRC_ENV, SRC_WEB, SRC_SHARED, SRC_CONTAINER, SRC_INSTANCE, SRC_ROTATING, SOURCES };

/* The first source that gives keys wins; one that cannot does not hide the others. */
static const enum source on_ec2[] = { SRC_ENV,       SRC_WEB,      SRC_SHARED,
                                      SRC_CONTAINER, SRC_INSTANCE, SRC_ROTATING };
static const enum source elsewhere[] = { SRC_ENV, SRC_ROTATING, SRC_SHARED, SRC_INSTANCE };

/* For the message that nothing was found, which has to hold them all. */
static const struct {
    const char *name;
    int reason_max;
} about[SOURCES] = {
    [SRC_ENV] = { "environment", 60 },         [SRC_WEB] = { "web identity", 120 },
    [SRC_SHARED] = { "shared files", 170 },    [SRC_CONTAINER] = { "container credentials", 90 },
    [SRC_INSTANCE] = { "instance role", 280 }, [SRC_ROTATING] = { "rotating file", 100 },
};

struct credentials {
    struct creds_context x;
    bool external;
    char *rotating_file, *rotating_profile;
    int64_t file_keep_ms;
    struct loop_timer *deliver; /* gives the outcome to the waiters, on a fresh stack */
    struct list waiters;

    bool have;
    struct cred_set set;
    enum source from;
    int64_t refresh_ms;  /* by aws_now_ms; 0: never */
    int64_t look_mono;   /* when the files are to be looked at; 0: never */
    int64_t pause_mono;  /* until then a refresh that failed is not repeated */
    struct err last_err; /* of the last fetch, when it left nothing usable */
    char *last_failure;  /* of the last fetch, for the status; NULL: it was well */

    bool fetching;
    bool urgent; /* what is cached is not good enough to be given out meanwhile */
    size_t at;   /* in the order of sources */
    struct cred_fetch *fetch;
    char *reasons[SOURCES];

    bool delivering; /* a callback may destroy us: then that waits for the end of the delivery */
    bool doomed;
};

struct credentials_op {
    struct list link;
    credentials_fn *done;
    void *user;
};

/* ---- what is cached ---- */

static bool usable_for(const struct credentials *c, int64_t ms)
{
    return c->have && (!c->set.expires_ms || aws_now_ms(c->x.aws) + ms < c->set.expires_ms);
}

static bool near_end(const struct credentials *c)
{
    return c->refresh_ms && aws_now_ms(c->x.aws) >= c->refresh_ms;
}

static bool fresh(const struct credentials *c)
{
    int64_t now = clock_mono_ms();

    if (!usable_for(c, 0))
        return false;
    if (now < c->pause_mono)
        return true;
    return !near_end(c) && (!c->look_mono || now < c->look_mono);
}

static void look_later(struct credentials *c)
{
    c->look_mono = c->set.of_file ? clock_mono_ms() + c->file_keep_ms : 0;
}

/* ---- the end of a fetch ---- */

static void end_fetch(struct credentials *c)
{
    c->fetching = false;
    c->pause_mono = 0;
    for (size_t i = 0; i < SOURCES; i++)
        mem_replace(&c->reasons[i], NULL);
    loop_timer_arm(c->deliver, 0);
}

static void fetched(struct credentials *c, enum source from, struct cred_set *set)
{
    int64_t now = aws_now_ms(c->x.aws);

    if (from == SRC_INSTANCE && (!set->expires_ms || set->expires_ms > now + INSTANCE_KEEP_MS))
        set->expires_ms = now + INSTANCE_KEEP_MS;
    cred_set_fini(&c->set);
    c->set = *set;
    *set = (struct cred_set){ 0 };
    c->have = true;
    c->from = from;
    c->refresh_ms = 0;
    if (c->set.expires_ms) {
        c->refresh_ms = c->set.expires_ms - REFRESH_EARLY_MS;
        if (c->refresh_ms < now + REFRESH_FLOOR_MS)
            c->refresh_ms = now + REFRESH_FLOOR_MS;
    }
    look_later(c);
    mem_replace(&c->last_failure, NULL);
    end_fetch(c);
}

static void describe(const struct credentials *c, struct err *e)
{
    struct buf text = BUF_INIT(sizeof e->msg - 1);

    buf_puts(&text, "no AWS credentials: ");
    for (size_t i = 0; i < SOURCES; i++) {
        const char *reason = c->reasons[i];

        if (!reason)
            continue;
        buf_printf(&text, "%s: %.*s; ", about[i].name,
                   (int)str_utf8_prefix(reason, strlen(reason), (size_t)about[i].reason_max),
                   reason);
    }
    buf_puts(&text, c->external ? "register this host again, or put keys into the rotating file"
                                : "give the instance a role, or put keys into the shared file");
    err_set(e, ERR_DENIED, "%s", buf_text(&text));
    buf_fini(&text);
}

static void not_fetched(struct credentials *c)
{
    struct err e = { 0 };

    describe(c, &e);
    mem_replace(&c->last_failure, e.msg);
    end_fetch(c);
    if (usable_for(c, 0))
        c->pause_mono = clock_mono_ms() + FAILED_REFRESH_MS;
    else
        c->last_err = e;
}

/* ---- the sources in their order ---- */

static void go_on(struct credentials *c);

static enum source current(const struct credentials *c)
{
    return c->external ? elsewhere[c->at] : on_ec2[c->at];
}

static void source_failed(struct credentials *c, const struct err *e)
{
    enum source s = current(c);

    mem_replace(&c->reasons[s], e->msg);
    c->at++;
    /* Its keys are good for a while yet: trouble with the source they came from must not make
     * this host somebody else. */
    if (usable_for(c, 0) && s == c->from && e->code != ERR_NOT_FOUND)
        c->at = SOURCES;
}

/* The metadata service gives no keys that are over: it is this clock that is ahead. The
 * first call that they sign brings the right time. */
static void trust_instance(const struct credentials *c, struct cred_set *set)
{
    int64_t now = aws_now_ms(c->x.aws);

    if (set->expires_ms && set->expires_ms <= now && !aws_clock_offset_ms(c->x.aws))
        set->expires_ms = now + UNTIMELY_KEEP_MS;
}

static void on_fetch(void *user, struct cred_set *set, const struct err *e)
{
    struct credentials *c = user;
    struct err over = { 0 };

    c->fetch = NULL;
    if (set && current(c) == SRC_INSTANCE)
        trust_instance(c, set);
    if (set && set->expires_ms && set->expires_ms <= aws_now_ms(c->x.aws)) {
        err_set(&over, ERR_RETRY, "it gave keys that have expired (or this clock is wrong)");
        source_failed(c, &over);
    } else if (set) {
        fetched(c, current(c), set);
        return;
    } else if (!e->code && c->have) { /* the files are as they were */
        look_later(c);
        mem_replace(&c->last_failure, NULL);
        end_fetch(c);
        return;
    } else if (e->code) {
        source_failed(c, e);
    } /* else what is as it was has been forgotten meanwhile: once more */
    go_on(c);
}

static enum err_code start_web(struct credentials *c, struct err *e)
{
    const char *file = creds_env(&c->x, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = creds_env(&c->x, "AWS_ROLE_ARN");
    const char *session = creds_env(&c->x, "AWS_ROLE_SESSION_NAME");
    struct cred_hop hop;

    if (!file || !role)
        return err_set(e, ERR_NOT_FOUND, "%s is not set",
                       file ? "AWS_ROLE_ARN" : "AWS_WEB_IDENTITY_TOKEN_FILE");
    hop = (struct cred_hop){ .role_arn = mem_strdup(role), .session_name = mem_strdup(session) };
    c->fetch = creds_web_fetch(&c->x, &hop, file, on_fetch, c);
    cred_hop_fini(&hop);
    return ERR_OK;
}

static enum err_code start_container(struct credentials *c, struct err *e)
{
    AUTO(str) char *url = NULL;

    if (creds_container_url(creds_env(&c->x, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
                            creds_env(&c->x, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), &url, e))
        return e->code;
    c->fetch = creds_container_fetch(&c->x, url, on_fetch, c);
    return ERR_OK;
}

static enum err_code start_env(struct credentials *c, struct err *e)
{
    struct cred_set set = { 0 };

    if (creds_env_read(c->x.env, c->x.env_user, &set, e))
        return e->code;
    fetched(c, SRC_ENV, &set);
    return ERR_OK;
}

/* Starts one source, or says at once why not. */
static enum err_code start(struct credentials *c, enum source s, struct err *e)
{
    switch (s) {
    case SRC_ENV:
        return start_env(c, e);
    case SRC_WEB:
        return start_web(c, e);
    case SRC_CONTAINER:
        return start_container(c, e);
    case SRC_SHARED:
        c->fetch =
            creds_shared_fetch(&c->x, c->have && !near_end(c) ? c->set.digest : 0, on_fetch, c);
        return ERR_OK;
    case SRC_INSTANCE:
        if (!c->x.imds)
            return err_set(e, ERR_NOT_FOUND, "instance metadata is turned off");
        c->fetch = creds_imds_fetch(&c->x, on_fetch, c);
        return ERR_OK;
    case SRC_ROTATING:
        c->fetch = creds_rotating_fetch(&c->x, c->rotating_file, c->rotating_profile, on_fetch, c);
        return ERR_OK;
    case SOURCES:
        break;
    }
    return err_set(e, ERR_NOT_FOUND, "none");
}

static void go_on(struct credentials *c)
{
    size_t n = c->external ? COUNT_OF(elsewhere) : COUNT_OF(on_ec2);
    struct err e = { 0 };

    while (c->at < n) {
        if (!start(c, current(c), &e))
            return;
        source_failed(c, &e);
    }
    not_fetched(c);
}

static void begin(struct credentials *c)
{
    c->last_err = (struct err){ 0 };
    c->fetching = true;
    c->urgent = !usable_for(c, STILL_GOOD_MS) || !c->set.expires_ms;
    c->at = 0;
    go_on(c);
}

static void stop_fetch(struct credentials *c)
{
    cred_fetch_cancel(c->fetch);
    c->fetch = NULL;
    c->fetching = false;
}

/* ---- the waiters ---- */

/* False: there is nothing to tell yet, because a callback has invalidated what there was. */
static bool deliver_to(struct credentials *c, struct credentials_op *op)
{
    struct credentials_op copy = *op;
    struct err e = c->last_err;

    if (!usable_for(c, 0) && !e.code)
        return false;
    list_remove(&op->link);
    free(op);
    if (usable_for(c, 0)) {
        struct sigv4_keys keys = { c->set.access_key, c->set.secret_key, c->set.session_token };

        copy.done(copy.user, &keys, &(struct err){ 0 });
    } else {
        copy.done(copy.user, NULL, &e);
    }
    return true;
}

static void on_deliver(void *user)
{
    struct credentials *c = user;
    struct list ready;

    if (list_empty(&c->waiters))
        return;
    if (!usable_for(c, 0) && !c->fetching && !c->last_err.code)
        begin(c); /* what was fetched was declared invalid meanwhile */
    if (c->fetching && (c->urgent || !usable_for(c, 0)))
        return;
    /* Only those that wait now: a callback that asks again gets a later turn. */
    list_init(&ready);
    while (!list_empty(&c->waiters)) {
        struct list *first = c->waiters.next;

        list_remove(first);
        list_push_back(&ready, first);
    }
    c->delivering = true;
    while (!list_empty(&ready)) {
        struct credentials_op *op = LIST_ENTRY(ready.next, struct credentials_op, link);

        if (c->doomed) {
            list_remove(&op->link);
            free(op);
        } else if (!deliver_to(c, op)) {
            list_remove(&op->link);
            list_push_back(&c->waiters, &op->link);
            loop_timer_arm(c->deliver, 0);
        }
    }
    c->delivering = false;
    if (c->doomed)
        credentials_destroy(c);
}

/* ---- interface ---- */

struct credentials *credentials_create(const struct credentials_args *args)
{
    struct credentials *c = NEW(struct credentials);

    c->x = (struct creds_context){ args->aws, args->imds, args->env, args->env_user };
    c->external = args->external;
    c->rotating_file =
        mem_strdup(str_empty(args->rotating_file) ? "/root/.aws/credentials" : args->rotating_file);
    c->rotating_profile =
        mem_strdup(str_empty(args->rotating_profile) ? "default" : args->rotating_profile);
    c->file_keep_ms = FILE_KEEP_MS;
    c->deliver = loop_timer_create(http_client_loop(aws_http(args->aws)), on_deliver, c);
    list_init(&c->waiters);
    return c;
}

void credentials_set_file_keep_ms(struct credentials *c, int64_t ms)
{
    c->file_keep_ms = ms;
}

void credentials_destroy(struct credentials *c)
{
    if (!c)
        return;
    /* At once: what it uses may be destroyed before the delivery is over. */
    stop_fetch(c);
    if (c->delivering) {
        c->doomed = true;
        return;
    }
    loop_timer_destroy(c->deliver);
    LIST_FOREACH (it, following, &c->waiters)
        free(LIST_ENTRY(it, struct credentials_op, link));
    cred_set_fini(&c->set);
    for (size_t i = 0; i < SOURCES; i++)
        free(c->reasons[i]);
    free(c->last_failure);
    free(c->rotating_file);
    free(c->rotating_profile);
    free(c);
}

struct credentials_op *credentials_get(struct credentials *c, credentials_fn *done, void *user)
{
    struct credentials_op *op = NEW(struct credentials_op);

    op->done = done;
    op->user = user;
    list_push_back(&c->waiters, &op->link);
    if (!c->fetching && !fresh(c) && !loop_timer_armed(c->deliver))
        begin(c);
    if (!c->fetching || (!c->urgent && usable_for(c, 0)))
        loop_timer_arm(c->deliver, 0);
    return op;
}

void credentials_cancel(struct credentials_op *op)
{
    if (!op)
        return;
    list_remove(&op->link);
    free(op);
}

void credentials_invalidate(struct credentials *c)
{
    c->have = false;
    c->refresh_ms = c->look_mono = c->pause_mono = 0;
    cred_set_fini(&c->set);
}

void credentials_refused(struct credentials *c, const char *access_key)
{
    if (c->have && streq(c->set.access_key, access_key))
        credentials_invalidate(c);
}

void credentials_reload(struct credentials *c)
{
    credentials_invalidate(c);
    c->last_err = (struct err){ 0 };
    stop_fetch(c); /* it may be asking what is no longer meant */
    loop_timer_arm(c->deliver, 0);
}

void credentials_write_status(const struct credentials *c, struct jw *w)
{
    jw_object(w);
    jw_key(w, "source");
    jw_str(w, c->have ? c->set.source : NULL);
    if (c->have && c->set.expires_ms)
        jw_kint(w, "expires_ms", c->set.expires_ms);
    jw_kstr_if(w, "last_error", c->last_failure);
    jw_end(w);
}
