/* Passwords of registries: tokens of ECR, and logins kept in Secrets Manager. */
#include <stdlib.h>

#include "base/json.h"
#include "base/secret.h"
#include "docker/docker.h"
#include "secrets/job.h"

#define HUB_NAME "docker.io"
#define HUB_KEY  "index.docker.io/v1/"

/* ---- ECR ---- */

static void on_token(void *user, const char *name, const char *password, const char *server,
                     const struct err *e)
{
    struct ask *a = user;
    struct slot *s = a->slots[0];

    s->err = *e;
    s->text = secret_strdup(name);
    s->password = secret_strdup(password);
    s->server = mem_strdup(server);
    ask_over(a);
}

static void ask_token(struct ask *a)
{
    struct slot *s = a->slots[0];
    struct ecr_question q = { .caller = secrets_caller(a->job, s->execution_role),
                              .region = s->region,
                              .registry_id = s->registry,
                              .endpoint = s->endpoint };

    a->call = ecr_token(secrets_ecr(a->job->s), &q, on_token, a);
}

static struct slot *token_slot(struct job *j, const struct task_auth *auth, const char *region)
{
    char *key = mem_printf(
        "%d\n%s\n%s\n%s\n%d", (int)SLOT_TOKEN, region, auth->registry_id ? auth->registry_id : "",
        auth->endpoint_override ? auth->endpoint_override : "", auth->use_execution_role);
    bool fresh;
    struct slot *s = job_slot(j, SLOT_TOKEN, key, &fresh);

    if (!fresh)
        return s;
    s->region = mem_strdup(region);
    s->registry = mem_strdup(auth->registry_id);
    s->endpoint = mem_strdup(auth->endpoint_override);
    s->execution_role = auth->use_execution_role;
    if (s->execution_role && !j->has_keys)
        err_set(&s->err, ERR_DENIED, "engine ecr credentials: not found");
    else
        job_ask(j, ask_token, s);
    return s;
}

/* ---- Secrets Manager ---- */

/* {"username": ..., "password": ...} */
static void read_login(struct slot *s, const char *secret)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    const char *user, *password;
    struct jcur root;

    if (json_parse(secret, strlen(secret), &doc, NULL)) {
        err_set(&s->err, ERR_INVALID, "asm fetching authorization data: the secret is not JSON");
        return;
    }
    root = jcur_root(doc, &bad);
    user = jcur_str(&root, "username");
    password = jcur_str(&root, "password");
    if (!jcur_ok(&root)) {
        err_set(&s->err, ERR_INVALID, "asm fetching authorization data: the secret's %s", bad.msg);
    } else if (!*user || !*password) {
        err_set(&s->err, ERR_INVALID, "asm fetching authorization data: the secret's %s is empty",
                *user ? "password" : "username");
    } else {
        s->text = secret_strdup(user);
        s->password = secret_strdup(password);
    }
}

static void on_login(void *user, const char *secret, const char *error_code, const struct err *e)
{
    struct ask *a = user;
    struct slot *s = a->slots[0];

    (void)error_code;
    if (e->code)
        err_set(&s->err, e->code, "asm fetching secret from the service for %s: %s", s->from,
                e->msg);
    else
        read_login(s, secret);
    ask_over(a);
}

static void ask_login(struct ask *a)
{
    struct aws_caller who = secrets_caller(a->job, true);
    struct slot *s = a->slots[0];
    struct secret_ref ref = { .id = s->from };

    a->call = secret_get(&who, s->region, &ref, on_login, a);
}

static struct slot *login_slot(struct job *j, const struct task_auth *auth, const char *region)
{
    const char *id = auth->secret_id ? auth->secret_id : "";
    bool fresh;
    struct slot *s =
        job_slot(j, SLOT_LOGIN, mem_printf("%d\n%s\n%s", (int)SLOT_LOGIN, region, id), &fresh);

    if (!fresh)
        return s;
    s->region = mem_strdup(region);
    s->from = mem_strdup(id);
    if (*id)
        job_ask(j, ask_login, s);
    else
        err_set(&s->err, ERR_INVALID, "asm fetching authorization data: the task names no secret");
    return s;
}

/* ---- both ---- */

static void want_auth(struct job *j, const struct task *t, size_t i)
{
    const struct task_auth *auth = &t->containers[i].auth;
    const char *region = str_empty(auth->region) ? aws_region(secrets_aws(j->s)) : auth->region;
    struct want *w;

    if (auth->kind == TASK_AUTH_ECR) {
        job_want(j, i, SECRETS_HEADER, "", token_slot(j, auth, region));
    } else if (auth->kind == TASK_AUTH_ASM) {
        w = job_want(j, i, SECRETS_HEADER, "", login_slot(j, auth, region));
        w->image = mem_strdup(t->containers[i].image);
    }
}

void gather_auth(struct job *j, const struct task *t)
{
    bool role_needed = false, logins = false;
    struct err e = { 0 };

    for (size_t i = 0; i < t->n_containers; i++) {
        const struct task_auth *auth = &t->containers[i].auth;

        logins |= auth->kind == TASK_AUTH_ASM;
        role_needed |= auth->kind == TASK_AUTH_ECR && auth->use_execution_role;
    }
    if (logins || role_needed)
        (void)!secrets_take_keys(j, t, &e);
    if (e.code == ERR_RETRY)
        j->err = e;
    else if (e.code && logins)
        err_set(&j->err, ERR_DENIED, "asm resource: unable to find execution role credentials");
    for (size_t i = 0; i < t->n_containers && !j->err.code; i++)
        want_auth(j, t, i);
}

/* As configured credentials name it: a host, or Docker Hub's key. free() it. */
static char *server_of(const char *image)
{
    char *repository = docker_normal_repository(image);

    if (!repository)
        return NULL;
    repository[strcspn(repository, "/")] = '\0';
    if (streq(repository, HUB_NAME)) {
        free(repository);
        repository = mem_strdup(HUB_KEY);
    }
    return repository;
}

void tell_auth(struct job *j, struct outcome *o)
{
    for (size_t i = 0; i < j->n_wants && !o->err.code; i++) {
        struct want *w = &j->wants[i];
        const struct slot *s = w->slot;
        AUTO(str) char *server = w->image ? server_of(w->image) : mem_strdup(s->server);

        if (!s->err.code) {
            w->header = docker_auth_header(s->text, s->password, server);
            outcome_add(o, w, "", w->header);
        } else if (s->kind == SLOT_TOKEN) {
            w->kind = SECRETS_NO_HEADER;
            outcome_add(o, w, "", s->err.msg);
        } else {
            o->err = s->err;
        }
    }
}
