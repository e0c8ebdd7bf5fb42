/* SSM GetParameters. */
#include <stdlib.h>

#include "aws/service.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

#define OPERATION   "GetParameters"
#define REQUEST_MAX (256 * 1024)
#define ANSWER_MAX  (1024 * 1024)

struct ssm_call {
    struct service_call base;
    struct aws_call *call;
    char *names[SSM_BATCH];
    size_t n;
    ssm_done_fn *done;
    void *user;
};

/* ---- the answer ---- */

struct found { /* borrowed from the answer */
    const char *name, *selector, *arn, *value;
};

static bool is_joined(const char *whole, const char *a, const char *b)
{
    size_t n = strlen(a);

    return n && strncmp(whole, a, n) == 0 && streq(whole + n, b);
}

/* How well a parameter answers to the name that was asked: 0 not at all.
 *
 * What was asked as "name:3" comes back as Name "name" and Selector ":3", and what was asked
 * by its ARN under its plain name, unless another account shares it. */
static int match(const struct found *f, const char *asked)
{
    const char *in_arn = str_starts(asked, "arn:") ? strstr(asked, ":parameter/") : NULL;

    if (is_joined(asked, f->name, f->selector) || is_joined(asked, f->arn, f->selector))
        return 3;
    if (in_arn) {
        const char *path = in_arn + strlen(":parameter"); /* "/name" is of "name" and "/name" */

        if (is_joined(path, f->name, f->selector) || is_joined(path + 1, f->name, f->selector))
            return 2;
    }
    return streq(asked, f->name) || streq(asked, f->arn);
}

static const char *value_of(const struct jcur *parameters, const char *asked)
{
    const char *best = NULL;
    int how = 0;

    JCUR_EACH (item, parameters) {
        struct found f = { .name = jcur_str(&item, "Name"),
                           .selector = jcur_str_or(&item, "Selector", ""),
                           .arn = jcur_str_or(&item, "ARN", ""),
                           .value = jcur_str(&item, "Value") };
        int this = match(&f, asked);

        if (this > how) {
            how = this;
            best = f.value;
        }
    }
    return best;
}

static enum err_code refuse_invalid(const struct jcur *invalid, struct err *e)
{
    AUTO(buf) struct buf list = BUF_INIT(sizeof e->msg);

    JCUR_EACH (name, invalid)
        buf_printf(&list, "%s%s", list.len ? "," : "", jcur_as_str(&name));
    return err_set(e, ERR_INVALID, "invalid parameters: %s", buf_text(&list));
}

enum err_code ssm_answer_read(struct str body, const char *const *names, size_t n, char **values,
                              struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct jcur root, invalid, parameters;
    const char *found[SSM_BATCH];
    struct err bad = { 0 };

    if (json_parse(body.p, body.n, &doc, NULL))
        return err_set(e, ERR_INVALID, "the answer of the service is not JSON");
    root = jcur_root(doc, &bad);
    invalid = jcur_arr(&root, "InvalidParameters");
    if (jcur_len(&invalid))
        return refuse_invalid(&invalid, e);
    parameters = jcur_arr(&root, "Parameters");
    for (size_t i = 0; i < n; i++) {
        found[i] = value_of(&parameters, names[i]);
        if (!jcur_ok(&root))
            return err_set(e, ERR_INVALID, "the answer of the service: %s", bad.msg);
        /* The reference goes on with an empty value here. */
        if (!found[i])
            return err_set(e, ERR_INVALID, "the answer of the service has no parameter %s",
                           names[i]);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = secret_strdup(found[i]);
    return ERR_OK;
}

/* ---- the call ---- */

static void cancel(struct service_call *base)
{
    struct ssm_call *c = (struct ssm_call *)base;

    aws_call_cancel(c->call);
    for (size_t i = 0; i < c->n; i++)
        free(c->names[i]);
    free(c);
}

static void on_answer(void *user, const struct aws_result *r)
{
    struct ssm_call *c = user;
    ssm_done_fn *done = c->done;
    void *done_user = c->user;
    char *values[SSM_BATCH] = { NULL };
    size_t n = c->n;
    struct err e = { 0 };

    c->call = NULL;
    if (r->e->code)
        service_error(r, OPERATION, &e);
    else
        (void)!ssm_answer_read(r->body, (const char *const *)c->names, n, values, &e);
    service_wipe(r->body);
    cancel(&c->base);
    done(done_user, e.code ? NULL : (const char *const *)values, &e);
    for (size_t i = 0; i < n; i++)
        mem_wipe(values[i]);
}

struct service_call *ssm_get(const struct aws_caller *who, const char *region,
                             const char *const *names, size_t n, ssm_done_fn *done, void *user)
{
    struct ssm_call *c = NEW(struct ssm_call);
    AUTO(buf) struct buf body = BUF_INIT(REQUEST_MAX);
    struct service_question q = { .who = who,
                                  .place = AWS_SSM,
                                  .region = region,
                                  .service = "ssm",
                                  .target_prefix = "AmazonSSM" };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    jw_karray(&w, "Names");
    for (size_t i = 0; i < n && i < SSM_BATCH; i++) {
        jw_str(&w, names[i]);
        c->names[c->n++] = mem_strdup(names[i]);
    }
    jw_end(&w);
    jw_kbool(&w, "WithDecryption", true);
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
