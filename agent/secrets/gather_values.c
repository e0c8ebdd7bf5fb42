/* Secrets: parameters of SSM and secrets of Secrets Manager. */
#include <stdlib.h>

#include "base/secret.h"
#include "secrets/job.h"

/* ---- SSM ---- */

static void on_parameters(void *user, const char *const *values, const struct err *e)
{
    struct ask *a = user;

    for (size_t i = 0; i < a->n; i++) {
        struct slot *s = a->slots[i];

        s->err = *e;
        if (!e->code && !job_takes(a->job, strlen(values[i])))
            err_set(&s->err, ERR_LIMIT, "the task's secrets are longer than %d MiB",
                    SECRETS_BYTES_MAX >> 20);
        if (s->err.code)
            err_wrap(&s->err, "fetching secret data from SSM Parameter Store in %s", s->region);
        else
            s->text = secret_strdup(values[i]);
    }
    ask_over(a);
}

static void ask_parameters(struct ask *a)
{
    struct aws_caller who = secrets_caller(a->job, true);
    const char *names[SSM_BATCH];

    for (size_t i = 0; i < a->n; i++)
        names[i] = a->slots[i]->from;
    a->call = ssm_get(&who, a->slots[0]->region, names, a->n, on_parameters, a);
}

static struct ask *open_batch(struct job *j, const char *region)
{
    for (struct list *it = j->waiting.prev; it != &j->waiting; it = it->prev) {
        struct ask *a = LIST_ENTRY(it, struct ask, node);

        if (a->start == ask_parameters && streq(a->slots[0]->region, region))
            return a->n < SSM_BATCH ? a : NULL;
    }
    return NULL;
}

/* ---- Secrets Manager ---- */

static void describe(struct slot *s, const char *error_code, const struct err *e)
{
    const char *id = s->ref.id;

    if (streq(error_code, "ResourceNotFoundException"))
        err_set(&s->err, e->code,
                "ResourceNotFoundException: The task can't retrieve the secret with ARN '%s' from "
                "AWS Secrets Manager. Check whether the secret exists in the specified Region: %s",
                id, e->msg);
    else
        err_set(&s->err, e->code, "secret %s: %s: %s", id, e->msg, e->msg);
}

static void on_secret(void *user, const char *secret, const char *error_code, const struct err *e)
{
    struct ask *a = user;
    struct slot *s = a->slots[0];

    if (e->code)
        describe(s, error_code, e);
    else if (s->ref.json_key)
        (void)!secret_member(secret, s->ref.json_key, &s->text, &s->err);
    else
        s->text = secret_strdup(secret);
    if (s->text && !job_takes(a->job, strlen(s->text)))
        err_set(&s->err, ERR_LIMIT, "secret %s: the task's secrets are longer than %d MiB",
                s->ref.id, SECRETS_BYTES_MAX >> 20);
    ask_over(a);
}

static void ask_secret(struct ask *a)
{
    struct aws_caller who = secrets_caller(a->job, true);
    const struct slot *s = a->slots[0];

    a->call = secret_get(&who, s->region, &s->ref, on_secret, a);
}

/* ---- both ---- */

static struct slot *slot_of(struct job *j, const struct task_secret *secret, enum slot_kind kind)
{
    const char *region = str_empty(secret->region) ? aws_region(secrets_aws(j->s)) : secret->region;
    struct ask *batch;
    bool fresh;
    struct slot *s =
        job_slot(j, kind, mem_printf("%d\n%s\n%s", (int)kind, region, secret->value_from), &fresh);

    if (!fresh)
        return s;
    s->region = mem_strdup(region);
    s->from = mem_strdup(secret->value_from);
    if (kind == SLOT_SECRET) {
        if (!secret_ref_parse(s->from, &s->ref, &s->err))
            job_ask(j, ask_secret, s);
    } else if ((batch = open_batch(j, region))) {
        batch->slots[batch->n++] = s;
    } else {
        job_ask(j, ask_parameters, s);
    }
    return s;
}

static void want_secret(struct job *j, size_t container, const struct task_secret *secret)
{
    enum secrets_kind kind = secret->log_driver ? SECRETS_LOG_OPTION : SECRETS_ENV;
    const char *provider = secret->provider ? secret->provider : "";

    if (streq(provider, "ssm"))
        job_want(j, container, kind, secret->name, slot_of(j, secret, SLOT_PARAMETER));
    else if (streq(provider, "asm"))
        job_want(j, container, kind, secret->name, slot_of(j, secret, SLOT_SECRET));
    else if (!j->err.code)
        /* A container must not begin without what it is promised. */
        err_set(&j->err, ERR_INVALID, "secret %s: unknown provider '%s'", secret->name, provider);
}

static bool has_kind(const struct job *j, enum slot_kind kind)
{
    for (const struct slot *s = j->slots; s; s = s->hh.next)
        if (s->kind == kind)
            return true;
    return false;
}

void gather_values(struct job *j, const struct task *t)
{
    struct err e = { 0 };

    for (size_t i = 0; i < t->n_containers; i++)
        for (size_t k = 0; k < t->containers[i].n_secrets; k++)
            want_secret(j, i, &t->containers[i].secrets[k]);
    if (j->err.code || !j->n_wants || !secrets_take_keys(j, t, &e))
        return;
    j->err = e;
    if (e.code == ERR_NOT_FOUND)
        err_set(&j->err, ERR_DENIED, "%s: unable to find execution role credentials",
                has_kind(j, SLOT_PARAMETER) ? "ssm secret resource" : "ASM secret resource");
}

/* The first failure of SSM alone, or all of Secrets Manager. */
static void tell_failure(const struct job *j, struct err *out)
{
    for (const struct slot *s = j->slots; s; s = s->hh.next) {
        if (s->kind == SLOT_PARAMETER && s->err.code) {
            *out = s->err;
            return;
        }
    }
    job_failures(j, out);
}

void tell_values(struct job *j, struct outcome *o)
{
    tell_failure(j, &o->err);
    for (size_t i = 0; i < j->n_wants && !o->err.code; i++)
        outcome_add(o, &j->wants[i], j->wants[i].name, j->wants[i].slot->text);
}
