#include "standins.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_keys.h"
#include "base/mem.h"

#define CALLS_MAX 1000

struct kept_call {
    int64_t n, mono_us;
    char *service, *operation, *region, *signer, *role, *user_agent, *names, *error;
};

struct standins {
    struct cp_server *server;
    struct kept_call calls[CALLS_MAX]; /* a ring; call n is at n % CALLS_MAX */
    int64_t call_count;
};

struct cp_server *standins_server(const struct standins *st)
{
    return st->server;
}

struct cloud *standins_cloud(const struct standins *st)
{
    return cp_server_cloud(st->server);
}

/* ---- what is kept of a call ---- */

void standin_name(struct standin_call *c, const char *name)
{
    if (c->names.len)
        buf_putc(&c->names, ',');
    json_quote(&c->names, str_of(name));
}

static void kept_fini(struct kept_call *k)
{
    free(k->service);
    free(k->operation);
    free(k->region);
    free(k->signer);
    free(k->role);
    free(k->user_agent);
    free(k->names);
    free(k->error);
}

void standin_note(struct standins *st, struct standin_call *c, const char *error)
{
    struct kept_call *k = &st->calls[++st->call_count % CALLS_MAX];

    kept_fini(k);
    *k = (struct kept_call){
        .n = st->call_count,
        .mono_us = cp_server_mono_us(),
        .service = mem_strdup(c->service),
        .operation = mem_strdup(c->operation),
        .region = mem_strdup(c->region),
        .signer = mem_strdup(c->signer),
        .role = mem_strdup(standin_role(st, c->signer)),
        .user_agent = mem_strdup(c->user_agent),
        .names = c->names.overflowed ? mem_strdup("") : buf_take(&c->names),
        .error = mem_strdup(error),
    };
    buf_fini(&c->names);
}

/* ---- the JSON services ---- */

bool standin_begin(struct standins *st, const char *service, struct cp_call *c,
                   const struct shape *shape, struct standin_call *out)
{
    struct buf unknown = BUF_INIT(512);
    bool good = shape_check(&c->body, shape, &unknown);

    *out = (struct standin_call){ service,       c->operation,  c->region,
                                  c->access_key, c->user_agent, BUF_INIT(STANDIN_NAMES_MAX) };
    if (!good) {
        cp_violation(st->server, "%s: %s", c->operation, c->body.err->msg);
        standin_refuse(st, out, c, "SerializationException", "%s", c->body.err->msg);
    } else if (unknown.len) {
        cp_violation(st->server, "%s: unknown members: %s", c->operation, buf_text(&unknown));
    }
    buf_fini(&unknown);
    return good;
}

void standin_reply(struct standins *st, struct standin_call *sc, struct cp_call *c,
                   struct buf *answer)
{
    standin_note(st, sc, "");
    if (answer->overflowed)
        cp_reply_error(c, 500, "InternalServerError", "the answer is too large");
    else
        cp_reply(c, buf_str(answer));
    buf_fini(answer);
}

void standin_refuse(struct standins *st, struct standin_call *sc, struct cp_call *c,
                    const char *type, const char *fmt, ...)
{
    struct buf b = BUF_INIT(AUTH_MESSAGE_MAX);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    standin_note(st, sc, type);
    cp_reply_error(c, 400, type, "%s", buf_text(&b));
    buf_fini(&b);
}

/* ---- the others ---- */

struct standin_call standin_http_call(const char *service, const char *operation, struct cp_http *h,
                                      const struct cp_caller *who)
{
    const char *agent = h->header(h, "User-Agent");

    return (
        struct standin_call){ service,         operation,          who->region,
                              who->access_key, agent ? agent : "", BUF_INIT(STANDIN_NAMES_MAX) };
}

void standin_http_refuse(struct standins *st, struct standin_call *sc, struct cp_http *h,
                         int status, const char *type, const char *fmt, ...)
{
    struct buf b = BUF_INIT(AUTH_MESSAGE_MAX);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    standin_note(st, sc, type);
    cp_http_refuse(h, &(const struct dialect_error){ status, type, buf_text(&b) }, NULL);
    buf_fini(&b);
}

/* ---- roles ---- */

static const struct auth_key *key_of(const struct standins *st, const char *id)
{
    return auth_keys_find(cp_server_keys(st->server), id, strlen(id));
}

const char *standin_role(const struct standins *st, const char *access_key)
{
    const struct auth_key *k = key_of(st, access_key);

    return k ? k->role : NULL;
}

char *standin_caller(const struct standins *st, const char *access_key)
{
    const struct auth_key *k = key_of(st, access_key);

    if (k && k->arn)
        return mem_strdup(k->arn);
    return mem_printf("arn:aws:iam::%s:user/%s", cp_server_account(st->server), access_key);
}

bool standin_may(const struct standins *st, const struct cloud_thing *t, const char *access_key)
{
    return cloud_may(t, standin_role(st, access_key));
}

char *standin_denial(const struct standins *st, const char *access_key, const char *action,
                     const char *resource)
{
    AUTO(str) char *caller = standin_caller(st, access_key);

    return mem_printf("User: %s is not authorized to perform: %s on resource: %s because no "
                      "identity-based policy allows the %s action",
                      caller, action, resource, action);
}

/* ---- admin paths ---- */

static void get_calls(struct standins *st, struct cp_http *h)
{
    struct buf b = BUF_INIT((size_t)CALLS_MAX * STANDIN_NAMES_MAX);
    const char *text = h->query(h, "since");
    int64_t since = 0, oldest = st->call_count - CALLS_MAX;
    struct jw w;

    if (text && str_to_int(text, 0, INT64_MAX - 1, &since, NULL))
        since = 0;
    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "last", st->call_count);
    jw_karray(&w, "calls");
    for (int64_t n = (since > oldest ? since : oldest) + 1; n <= st->call_count; n++) {
        const struct kept_call *k = &st->calls[n % CALLS_MAX];

        if (n < 1)
            continue;
        jw_object(&w);
        jw_kint(&w, "n", k->n);
        jw_kint(&w, "mono_us", k->mono_us);
        jw_kstr(&w, "service", k->service);
        jw_kstr(&w, "operation", k->operation);
        jw_kstr(&w, "region", k->region);
        jw_kstr(&w, "signer", k->signer);
        jw_kstr(&w, "signer_role", k->role ? k->role : "");
        jw_karray(&w, "names");
        if (*k->names)
            jw_raw(&w, str_of(k->names));
        jw_end(&w);
        jw_kstr(&w, "user_agent", k->user_agent);
        jw_kstr(&w, "error", k->error);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void on_admin(void *user, struct cp_http *h)
{
    struct standins *st = user;
    struct buf b = BUF_INIT(4 * 1024 * 1024);
    bool get = streq(h->method, "GET");
    struct err e = { 0 };

    if (get && streq(h->path, "/_local/cloud/calls")) {
        get_calls(st, h);
    } else if (streq(h->path, "/_local/cloud") && (get || streq(h->method, "POST"))) {
        if (get)
            cloud_write(standins_cloud(st), &b);
        else if (cloud_apply(standins_cloud(st), h->body, &b, &e))
            cp_http_reply_error(h, 400, e.msg);
        if (!e.code)
            cp_http_reply(h, 200, "application/json", buf_str(&b));
    } else {
        cp_http_reply_error(h, 404, "no such admin path or method");
    }
    buf_fini(&b);
}

/* ---- life ---- */

bool cp_registry_find(struct cp_server *s, const char *host, struct cp_registry *out)
{
    struct cloud_thing *t = cloud_find_registry_host(cp_server_cloud(s), host);
    struct jcur entry;

    if (!t)
        return false;
    entry = cloud_entry(t);
    *out =
        (struct cp_registry){ t->name, t->region, jcur_str_or(&entry, "endpointOverride", NULL) };
    return true;
}

static void on_exit_standins(void *user)
{
    struct standins *st = user;

    for (size_t i = 0; i < CALLS_MAX; i++)
        kept_fini(&st->calls[i]);
    free(st);
}

void cp_standins_add(struct cp_server *s)
{
    struct standins *st = NEW(struct standins);

    st->server = s;
    standin_ecr_add(st);
    standin_ssm_add(st);
    standin_secrets_add(st);
    standin_s3_add(st);
    standin_sts_add(st);
    standin_ec2_add(st);
    cp_server_add_path(s, "/_local/cloud", on_admin, st);
    cp_server_at_exit(s, on_exit_standins, st);
}
