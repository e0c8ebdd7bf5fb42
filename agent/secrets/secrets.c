#include "secrets/secrets.h"

#include <stdlib.h>

#include "base/secret.h"
#include "secrets/job.h"

struct secrets {
    struct secrets_args args;
    char *user_agent;
    struct ecr_cache *ecr;
    struct list jobs;
};

struct secrets *secrets_create(const struct secrets_args *args)
{
    struct secrets *s = NEW(struct secrets);

    s->args = *args;
    s->user_agent = mem_strdup(args->user_agent);
    s->args.user_agent = s->user_agent;
    s->ecr = ecr_cache_create(args->aws, args->seed);
    list_init(&s->jobs);
    return s;
}

void secrets_destroy(struct secrets *s)
{
    if (!s)
        return;
    LIST_FOREACH (it, following, &s->jobs)
        job_destroy(LIST_ENTRY(it, struct job, node));
    ecr_cache_destroy(s->ecr);
    free(s->user_agent);
    free(s);
}

struct aws *secrets_aws(const struct secrets *s)
{
    return s->args.aws;
}

struct ecr_cache *secrets_ecr(const struct secrets *s)
{
    return s->ecr;
}

struct loop *secrets_loop(const struct secrets *s)
{
    return s->args.loop;
}

struct aws_caller secrets_caller(const struct job *j, bool execution_role)
{
    const struct secrets_args *args = &j->s->args;

    return (struct aws_caller){ .aws = args->aws,
                                .credentials = args->credentials,
                                .keys = execution_role ? &j->keys : NULL,
                                .cache_id = execution_role ? j->cache_id : NULL,
                                .user_agent = args->user_agent };
}

enum err_code secrets_take_keys(struct job *j, const struct task *t, struct err *e)
{
    struct role_credentials c;

    if (str_empty(t->execution_credentials_id))
        return err_set(e, ERR_NOT_FOUND, "the task has no execution role");
    if (!roles_get(j->s->args.roles, t->execution_credentials_id, &c) || str_empty(c.access_key) ||
        str_empty(c.secret_key))
        return err_set(e, ERR_RETRY,
                       "the credentials of the task's execution role are not here "
                       "yet");
    j->credentials_id = mem_strdup(c.id);
    j->access_key = secret_strdup(c.access_key);
    j->secret_key = secret_strdup(c.secret_key);
    j->session_token = secret_strdup(c.session_token);
    j->cache_id = mem_printf("%s %s", c.id, c.role_arn ? c.role_arn : "");
    j->keys = (struct sigv4_keys){ j->access_key, j->secret_key, j->session_token };
    j->has_keys = true;
    return ERR_OK;
}

/* What was refused with keys that have been replaced meanwhile says nothing. */
static bool keys_are_old(const struct job *j)
{
    struct role_credentials c;

    return j->has_keys && roles_get(j->s->args.roles, j->credentials_id, &c) &&
           !streq(c.access_key ? c.access_key : "", j->access_key);
}

void secrets_over(struct job *j, const struct outcome *o)
{
    const struct secrets_args *args = &j->s->args;
    struct err e = o->err;

    if (!e.code)
        job_failures(j, &e); /* a token that could not be had is no failure of the whole */
    if (e.code && keys_are_old(j))
        err_set(&e, ERR_RETRY, "the credentials of the task's execution role have changed");
    else
        e = o->err;
    args->done(args->user, j->id, e.code ? NULL : o->values, e.code ? 0 : o->n, &e);
}

void secrets_fetch(struct secrets *s, uint64_t id, enum secrets_what what, const struct task *t)
{
    static void (*const gather[])(struct job * j, const struct task *t) = {
        [SECRETS_VALUES] = gather_values,
        [SECRETS_ENV_FILES] = gather_files,
        [SECRETS_AUTH] = gather_auth,
    };
    struct job *j = job_create(s, id, what);

    list_push_back(&s->jobs, &j->node);
    gather[what](j, t);
    job_begin(j);
}

void secrets_cancel(struct secrets *s, uint64_t id)
{
    LIST_FOREACH (it, following, &s->jobs) {
        struct job *j = LIST_ENTRY(it, struct job, node);

        if (j->id == id)
            job_destroy(j);
    }
}
