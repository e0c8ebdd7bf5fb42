/* Secrets Manager GetSecretValue. */
#include <stdio.h>
#include <stdlib.h>

#include "aws/service.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

#define OPERATION   "GetSecretValue"
#define REQUEST_MAX (64 * 1024)
#define ANSWER_MAX  (1024 * 1024) /* the service has 64 KiB a secret; escaping makes it longer */
#define MEMBER_MAX  (1024 * 1024)

/* ---- valueFrom ---- */

#define PARTS_PLAIN 7  /* arn:partition:secretsmanager:region:account:secret:id */
#define PARTS_LONG  10 /* ...:jsonKey:stage:versionId */

/* NULL for an empty part. */
static char *part(const char *start, const char *end)
{
    return end > start ? mem_strndup(start, (size_t)(end - start)) : NULL;
}

enum err_code secret_ref_parse(const char *value_from, struct secret_ref *out, struct err *e)
{
    const char *start[PARTS_LONG + 1] = { value_from };
    size_t n = 1;

    for (const char *p = value_from; *p && n <= PARTS_LONG; p++) {
        if (*p == ':')
            start[n++] = p + 1;
    }
    if (!str_starts(value_from, "arn:") || (n != PARTS_PLAIN && n != PARTS_LONG) ||
        start[PARTS_PLAIN - 1][0] == '\0' || start[PARTS_PLAIN - 1][0] == ':')
        return err_set(e, ERR_INVALID,
                       "trying to retrieve secret with value %s resulted in error: an invalid "
                       "ARN format for the AWS Secrets Manager secret was specified. Specify a "
                       "valid ARN and try again.",
                       value_from);
    *out = (struct secret_ref){ 0 };
    if (n == PARTS_PLAIN) {
        out->id = mem_strdup(value_from);
        return ERR_OK;
    }
    out->id = part(value_from, start[7] - 1);
    out->json_key = part(start[7], start[8] - 1);
    out->stage = part(start[8], start[9] - 1);
    out->version_id = part(start[9], start[9] + strlen(start[9]));
    return ERR_OK;
}

void secret_ref_fini(struct secret_ref *r)
{
    free(r->id);
    free(r->json_key);
    free(r->stage);
    free(r->version_id);
    *r = (struct secret_ref){ 0 };
}

/* ---- members ---- */

void go_float(double v, char out[GO_FLOAT_SIZE])
{
    int digits = 0, exponent;

    /* As few digits as give the same number again. */
    do
        snprintf(out, GO_FLOAT_SIZE, "%.*e", digits, v);
    while (strtod(out, NULL) != v && ++digits < 17);
    exponent = (int)strtol(strchr(out, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 6)
        snprintf(out, GO_FLOAT_SIZE, "%.*f", digits > exponent ? digits - exponent : 0, v);
}

static enum err_code not_an_object(const char *key, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "retrieved secret from Secrets Manager is not a JSON object, so it has no json "
                   "key %s",
                   key);
}

enum err_code secret_member(const char *secret, const char *key, char **out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct buf text = BUF_SECRET(MEMBER_MAX);
    struct err bad = { 0 };
    struct jcur root, member;
    char number[GO_FLOAT_SIZE];

    /* A whole number that is too large for one is still a number. */
    if (json_parse(secret, strlen(secret), &doc, NULL) &&
        json_parse_doubles(secret, strlen(secret), &doc, NULL))
        return not_an_object(key, e);
    root = jcur_root(doc, &bad);
    if (jcur_type(&root) != JSON_OBJ)
        return not_an_object(key, e);
    member = jcur_exact(&root, key);
    if (!member.val)
        return err_set(e, ERR_NOT_FOUND,
                       "retrieved secret from Secrets Manager did not contain json key %s", key);
    switch (jcur_type(&member)) {
    case JSON_STR:
        if (memchr(jcur_as_bytes(&member).p, '\0', jcur_as_bytes(&member).n))
            return err_set(e, ERR_INVALID, "the secret's json key %s contains a NUL character",
                           key);
        *out = secret_strdup(jcur_as_str(&member));
        return ERR_OK;
    case JSON_INT:
    case JSON_NUM:
        go_float(jcur_num_or(&root, key, 0), number);
        *out = secret_strdup(number);
        explicit_bzero(number, sizeof number);
        return ERR_OK;
    case JSON_NONE: /* null */
    case JSON_OBJ:
    case JSON_ARR:
    case JSON_BOOL:
        break;
    }
    json_dump(member.val, &text);
    if (text.overflowed) {
        buf_fini(&text);
        return err_set(e, ERR_LIMIT, "the secret's json key %s is too long", key);
    }
    *out = buf_take(&text);
    return ERR_OK;
}

/* ---- the call ---- */

struct secret_call {
    struct service_call base;
    struct aws_call *call;
    secret_done_fn *done;
    void *user;
};

enum err_code secret_answer_read(struct str body, char **out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, text, binary;

    if (json_parse(body.p, body.n, &doc, NULL))
        return err_set(e, ERR_INVALID, "the answer of the service is not JSON");
    root = jcur_root(doc, &bad);
    text = jcur_get(&root, "SecretString");
    binary = jcur_get(&root, "SecretBinary");
    if (!jcur_present(&text))
        return err_set(e, ERR_INVALID, "%s",
                       jcur_present(&binary) ? "the secret is binary; only a text can be used"
                                             : "the secret has no text");
    if (*jcur_as_str(&text) == '\0' && !jcur_ok(&root))
        return err_set(e, ERR_INVALID, "the answer of the service: %s", bad.msg);
    *out = secret_strdup(jcur_as_str(&text));
    return ERR_OK;
}

static void cancel(struct service_call *base)
{
    struct secret_call *c = (struct secret_call *)base;

    aws_call_cancel(c->call);
    free(c);
}

static void on_answer(void *user, const struct aws_result *r)
{
    struct secret_call *c = user;
    secret_done_fn *done = c->done;
    void *done_user = c->user;
    char *secret = NULL;
    struct err e = { 0 };

    c->call = NULL;
    cancel(&c->base);
    if (r->e->code)
        service_error(r, OPERATION, &e);
    else
        (void)!secret_answer_read(r->body, &secret, &e);
    service_wipe(r->body);
    done(done_user, secret, r->error_code, &e);
    mem_wipe(secret);
}

struct service_call *secret_get(const struct aws_caller *who, const char *region,
                                const struct secret_ref *ref, secret_done_fn *done, void *user)
{
    struct secret_call *c = NEW(struct secret_call);
    AUTO(buf) struct buf body = BUF_INIT(REQUEST_MAX);
    struct service_question q = { .who = who,
                                  .place = AWS_SECRETS_MANAGER,
                                  .region = region,
                                  .service = "secretsmanager",
                                  .target_prefix = "secretsmanager" };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    jw_kstr(&w, "SecretId", ref->id);
    jw_kstr_if(&w, "VersionId", ref->version_id);
    jw_kstr_if(&w, "VersionStage", ref->stage);
    jw_end(&w);
    c->base.cancel = cancel;
    c->done = done;
    c->user = user;
    q.of = (struct aws_call_args){ .protocol = AWS_JSON,
                                   .operation = OPERATION,
                                   .body = buf_str(&body),
                                   .max_answer = ANSWER_MAX };
    c->call = service_send(&q, on_answer, c);
    return &c->base;
}
