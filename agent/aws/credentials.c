#include "aws/credentials.h"

#include <stdlib.h>

#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/loop.h"

#define KEEP_MAX_MS       3600000 /* role keys may be revoked: ask at least hourly */
#define REFRESH_EARLY_MS  300000
#define REFRESH_FLOOR_MS  10000 /* keys that are given out shortly before their end */
#define FILE_KEEP_MS      60000 /* whoever rotates the file expects to be noticed */
#define FAILED_REFRESH_MS 30000

enum fetch_step { FETCH_NONE, FETCH_FILE, FETCH_IMDS };

struct credentials {
    struct http_client *http;
    credentials_env_fn *env;
    void *env_user;
    char *imds_base;
    struct loop_timer *deliver; /* gives the outcome to the waiters, on a fresh stack */
    struct list waiters;

    bool have;
    struct cred_set set;
    int64_t refresh_ms;  /* wall clock; 0: never */
    struct err last_err; /* of the last fetch, when it left nothing usable */

    enum fetch_step step;
    char *file_path, *file_profile;
    struct work *file_work;
    struct cred_set file_set; /* written by the worker */
    struct err file_err, env_err;
    struct creds_imds *imds;
    bool delivering; /* a callback may destroy us: then that waits for the end of the delivery */
    bool doomed;
};

struct credentials_op {
    struct list link;
    credentials_fn *done;
    void *user;
};

/* ---- outcome ---- */

static bool usable(const struct credentials *c)
{
    return c->have && (!c->set.expires_ms || clock_wall_ms() < c->set.expires_ms);
}

static bool fresh(const struct credentials *c)
{
    return usable(c) && (!c->refresh_ms || clock_wall_ms() < c->refresh_ms);
}

static void fetched(struct credentials *c, struct cred_set *set, int64_t refresh_ms)
{
    cred_set_fini(&c->set);
    c->set = *set;
    *set = (struct cred_set){ 0 };
    c->have = true;
    c->refresh_ms = refresh_ms;
    c->step = FETCH_NONE;
    loop_timer_arm(c->deliver, 0);
}

static void not_fetched(struct credentials *c, const struct err *imds_err)
{
    c->step = FETCH_NONE;
    if (usable(c))
        c->refresh_ms = clock_wall_ms() + FAILED_REFRESH_MS;
    else
        err_set(&c->last_err, ERR_DENIED,
                "no AWS credentials: environment: %.100s; file: %.300s; instance metadata: %.400s",
                c->env_err.msg, c->file_err.msg, imds_err->msg);
    loop_timer_arm(c->deliver, 0);
}

/* ---- the sources in their order ---- */

static void on_imds(void *user, struct cred_set *set, const struct err *e)
{
    struct credentials *c = user;
    int64_t now = clock_wall_ms(), refresh;
    struct err over = { 0 };

    c->imds = NULL;
    if (!set) {
        not_fetched(c, e);
        return;
    }
    if (set->expires_ms && set->expires_ms <= now) {
        err_set(&over, ERR_RETRY, "it gave keys that have expired (or this clock is wrong)");
        not_fetched(c, &over);
        return;
    }
    if (!set->expires_ms || set->expires_ms > now + KEEP_MAX_MS)
        set->expires_ms = now + KEEP_MAX_MS;
    refresh = set->expires_ms - REFRESH_EARLY_MS;
    if (refresh < now + REFRESH_FLOOR_MS)
        refresh = now + REFRESH_FLOOR_MS;
    fetched(c, set, refresh);
}

static void read_file(void *user)
{
    struct credentials *c = user;

    c->file_err = (struct err){ 0 };
    (void)!creds_file_read(c->file_path, c->file_profile, &c->file_set, &c->file_err);
}

static void on_file(void *user)
{
    struct credentials *c = user;
    struct err off = { 0 };

    c->file_work = NULL;
    if (!c->file_err.code) {
        fetched(c, &c->file_set, clock_wall_ms() + FILE_KEEP_MS);
        return;
    }
    if (!c->imds_base) {
        err_set(&off, ERR_NOT_FOUND, "turned off");
        not_fetched(c, &off);
        return;
    }
    c->step = FETCH_IMDS;
    c->imds = creds_imds_fetch(c->http, c->imds_base, on_imds, c);
}

static void begin(struct credentials *c)
{
    const char *path = c->env(c->env_user, "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = c->env(c->env_user, "HOME");
    const char *profile = c->env(c->env_user, "AWS_PROFILE");
    struct cred_set set = { 0 };

    c->last_err = (struct err){ 0 };
    c->env_err = (struct err){ 0 };
    if (!creds_env_read(c->env, c->env_user, &set, &c->env_err)) {
        fetched(c, &set, 0);
        return;
    }
    free(c->file_path);
    /* A system service often has no HOME; the file is root's then. */
    c->file_path = str_empty(path)
                       ? mem_printf("%s/.aws/credentials", str_empty(home) ? "/root" : home)
                       : mem_strdup(path);
    mem_replace(&c->file_profile, str_empty(profile) ? "default" : profile);
    c->step = FETCH_FILE;
    c->file_work = loop_work(http_client_loop(c->http), read_file, on_file, c);
}

static void on_deliver(void *user)
{
    struct credentials *c = user;
    struct list ready;

    if (c->step != FETCH_NONE || list_empty(&c->waiters))
        return;
    if (!usable(c) && !c->last_err.code) {
        begin(c); /* what was fetched was declared invalid meanwhile */
        return;
    }
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
        struct credentials_op copy = *op;

        list_remove(&op->link);
        free(op);
        if (!c->doomed && usable(c)) {
            struct sigv4_keys keys = { c->set.access_key, c->set.secret_key, c->set.session_token };

            copy.done(copy.user, &keys, &(struct err){ 0 });
        } else if (!c->doomed) {
            struct err e = c->last_err;

            if (!e.code)
                err_set(&e, ERR_RETRY, "AWS credentials were just found to be invalid");
            copy.done(copy.user, NULL, &e);
        }
    }
    c->delivering = false;
    if (c->doomed)
        credentials_destroy(c);
}

/* ---- interface ---- */

struct credentials *credentials_create(struct http_client *http, credentials_env_fn *env,
                                       void *env_user, const char *imds_base)
{
    struct credentials *c = NEW(struct credentials);

    c->http = http;
    c->env = env;
    c->env_user = env_user;
    c->imds_base = mem_strdup(imds_base);
    c->deliver = loop_timer_create(http_client_loop(http), on_deliver, c);
    list_init(&c->waiters);
    return c;
}

void credentials_destroy(struct credentials *c)
{
    if (!c)
        return;
    if (c->delivering) {
        c->doomed = true;
        return;
    }
    work_cancel(c->file_work);
    creds_imds_cancel(c->imds);
    loop_timer_destroy(c->deliver);
    LIST_FOREACH (it, following, &c->waiters)
        free(LIST_ENTRY(it, struct credentials_op, link));
    cred_set_fini(&c->set);
    cred_set_fini(&c->file_set);
    free(c->file_path);
    free(c->file_profile);
    free(c->imds_base);
    free(c);
}

struct credentials_op *credentials_get(struct credentials *c, credentials_fn *done, void *user)
{
    struct credentials_op *op = NEW(struct credentials_op);

    op->done = done;
    op->user = user;
    list_push_back(&c->waiters, &op->link);
    if (c->step == FETCH_NONE) {
        if (fresh(c))
            loop_timer_arm(c->deliver, 0);
        else if (!loop_timer_armed(c->deliver))
            begin(c);
    }
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
    c->refresh_ms = 0;
    cred_set_fini(&c->set);
}
