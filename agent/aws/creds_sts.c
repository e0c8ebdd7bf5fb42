#include <stdlib.h>
#include <string.h>

#include "aws/aws_call.h"
#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/loop.h"

#define STS_VERSION    "2011-06-15"
#define STS_TIMEOUT_MS 5000
#define STS_ATTEMPTS   3
#define TOKEN_MAX      (64 * 1024)

struct sts_fetch {
    struct cred_fetch base;
    const struct creds_context *x;
    const char *operation;
    struct buf form; /* holds the token: wiped */
    struct work *work;
    char *token_file;
    struct err file_err; /* written by the worker */
    struct buf token;    /* likewise */
    struct sigv4_keys keys;
    char *access_key, *secret_key, *session_token;
    struct aws_call *call;
    char *source;
    cred_done_fn *done;
    void *user;
};

static void sts_cancel(struct cred_fetch *base)
{
    struct sts_fetch *f = (struct sts_fetch *)base;

    work_cancel(f->work);
    aws_call_cancel(f->call);
    buf_wipe(&f->form);
    buf_wipe(&f->token);
    mem_wipe(f->access_key);
    mem_wipe(f->secret_key);
    mem_wipe(f->session_token);
    free(f->token_file);
    free(f->source);
    free(f);
}

static void finish(struct sts_fetch *f, struct cred_set *set, const struct err *e)
{
    cred_done_fn *done = f->done;
    void *user = f->user;

    f->call = NULL;
    f->work = NULL;
    if (set)
        set->source = mem_strdup(f->source);
    sts_cancel(&f->base);
    done(user, set, e);
}

/* ---- the answer ---- */

enum err_code creds_sts_read(struct str xml, struct cred_set *out, struct err *e)
{
    struct cred_set set = { 0 };
    struct err local = { 0 };
    AUTO(secret) char *expiration = NULL;

    if (!e)
        e = &local;
    set.access_key = aws_xml_text(xml, "AccessKeyId", NULL);
    set.secret_key = aws_xml_text(xml, "SecretAccessKey", NULL);
    set.session_token = aws_xml_text(xml, "SessionToken", NULL);
    expiration = aws_xml_text(xml, "Expiration", NULL);
    if (str_empty(set.access_key) || str_empty(set.secret_key) || str_empty(set.session_token))
        err_set(e, ERR_INVALID, "STS: the answer holds no credentials");
    else if (str_empty(expiration) || clock_parse_iso(expiration, &set.expires_ms, e))
        err_set(e, ERR_INVALID, "STS: the answer does not say when the credentials end");
    else
        e->code = ERR_OK;
    if (e->code) {
        cred_set_fini(&set);
        return e->code;
    }
    *out = set;
    return ERR_OK;
}

static void on_answer(void *user, const struct aws_result *result)
{
    struct sts_fetch *f = user;
    struct cred_set set = { 0 };
    struct err e = *result->e;

    f->call = NULL;
    if (!e.code)
        (void)!creds_sts_read(result->body, &set, &e);
    finish(f, e.code ? NULL : &set, &e);
    cred_set_fini(&set);
}

/* ---- the call ---- */

static void add(struct buf *form, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    buf_printf(form, "&%s=", name);
    sigv4_escape(form, str_of(value), false);
}

static void begin_form(struct sts_fetch *f, const struct cred_hop *role)
{
    AUTO(str) char *name = mem_printf("berth-%lld", (long long)(aws_now_ms(f->x->aws) / 1000));
    AUTO(str)
    char *duration = role->duration_s ? mem_printf("%lld", (long long)role->duration_s) : NULL;

    /* A byte of the token that needs an escape becomes three. */
    buf_init_secret(&f->form, 4 * TOKEN_MAX);
    buf_reserve(&f->form, TOKEN_MAX); /* growing would leave copies of the token behind */
    buf_printf(&f->form, "Action=%s&Version=" STS_VERSION, f->operation);
    add(&f->form, "RoleArn", role->role_arn);
    add(&f->form, "RoleSessionName", str_empty(role->session_name) ? name : role->session_name);
    add(&f->form, "ExternalId", role->external_id);
    add(&f->form, "DurationSeconds", duration);
}

static void send_form(struct sts_fetch *f)
{
    AUTO(str) char *endpoint = aws_endpoint(f->x->aws, AWS_STS, NULL);
    struct aws_service service = { .endpoint = endpoint,
                                   .region = aws_region(f->x->aws),
                                   .service = "sts" };
    struct aws_call_args args = { .service = &service,
                                  .protocol = AWS_QUERY,
                                  .operation = f->operation,
                                  .body = buf_str(&f->form),
                                  .timeout_ms = STS_TIMEOUT_MS,
                                  .attempts = STS_ATTEMPTS,
                                  .keys = f->access_key ? &f->keys : NULL,
                                  .anonymous = !f->access_key };

    f->call = aws_call(f->x->aws, NULL, &args, on_answer, f);
}

static struct sts_fetch *create(const struct creds_context *x, const char *operation,
                                cred_done_fn *done, void *user)
{
    struct sts_fetch *f = NEW(struct sts_fetch);

    f->base.cancel = sts_cancel;
    f->x = x;
    f->operation = operation;
    f->done = done;
    f->user = user;
    buf_init_secret(&f->token, CREDS_FILE_MAX);
    return f;
}

struct cred_fetch *creds_assume_fetch(const struct creds_context *x, const struct cred_hop *role,
                                      const struct cred_set *keys, cred_done_fn *done, void *user)
{
    struct sts_fetch *f = create(x, "AssumeRole", done, user);

    f->access_key = secret_strdup(keys->access_key);
    f->secret_key = secret_strdup(keys->secret_key);
    f->session_token = secret_strdup(keys->session_token);
    f->keys = (struct sigv4_keys){ f->access_key, f->secret_key, f->session_token };
    f->source = mem_printf("role %s", role->role_arn);
    begin_form(f, role);
    send_form(f);
    return &f->base;
}

/* ---- web identity ---- */

static void read_token(void *user)
{
    struct sts_fetch *f = user;

    (void)!creds_text_read(f->token_file, &f->token, &f->file_err);
}

static void on_token(void *user)
{
    struct sts_fetch *f = user;
    struct str token = str_trim(buf_str(&f->token));

    f->work = NULL;
    if (!f->file_err.code && (token.n == 0 || token.n > TOKEN_MAX))
        err_set(&f->file_err, ERR_INVALID, "%.200s: expected a token of 1 to %d bytes",
                f->token_file, TOKEN_MAX);
    if (f->file_err.code) {
        struct err e = f->file_err;

        /* A token that is named and not there is trouble, not the absence of a source. */
        if (e.code == ERR_NOT_FOUND)
            e.code = ERR_IO;
        finish(f, NULL, &e);
        return;
    }
    buf_puts(&f->form, "&WebIdentityToken=");
    sigv4_escape(&f->form, token, false);
    send_form(f);
}

struct cred_fetch *creds_web_fetch(const struct creds_context *x, const struct cred_hop *role,
                                   const char *token_file, cred_done_fn *done, void *user)
{
    struct sts_fetch *f = create(x, "AssumeRoleWithWebIdentity", done, user);

    f->token_file = mem_strdup(token_file);
    f->source = mem_printf("web identity %s", role->role_arn);
    begin_form(f, role);
    f->work = loop_work(http_client_loop(aws_http(x->aws)), read_token, on_token, f);
    return &f->base;
}
