/* links: task */
/* A task definition as a person or a tool wrote it into a file. */
#include "fuzz/fuzz.h"
#include "task/task.h"

#define ARN "arn:berth:local:::task/fuzz/1"

static void check_bodies(const struct task *t)
{
    const char **names = mem_array(t->n_containers, sizeof *names);

    for (size_t i = 0; i < t->n_containers; i++)
        names[i] = "name";
    for (size_t i = 0; i < t->n_containers; i++) {
        struct task_create_args a = {
            .task = t, .container = i, .cluster = "c", .docker_names = names, .pause_id = "p"
        };
        AUTO(buf) struct buf body = BUF_INIT(16 << 20);
        AUTO(json) struct json_t *v = NULL;
        struct err e = { 0 };

        /* What was written here is never what the next one cannot read. */
        if (task_create_body(&a, &body, &e))
            fprintf(stderr, "%s\n%s\n", e.msg, t->json);
        LAW(!e.code);
        LAW(!json_parse(body.data, body.len, &v, &e));
    }
    free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) struct json_t *v = NULL;
    AUTO(task) struct task *t = NULL, *again = NULL;
    struct err e = { 0 };
    bool essential = false;

    if (json_parse((const char *)data, size, &v, &e))
        return 0;
    (void)task_definition_has_role(v);
    if (task_from_definition(v, ARN, "some file", &t, &e)) {
        LAW(!t && e.code && *e.msg);
        return 0;
    }
    LAW(streq(t->arn, ARN) && streq(t->id, "1") && streq(t->version, "0") && *t->family);
    LAW(t->desired == TASK_RUNNING && t->n_containers > 0);
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct task_container *c = &t->containers[i];

        essential |= c->essential && !c->internal;
        LAW(!c->n_secrets && !c->n_env_files && c->auth.kind != TASK_AUTH_ASM);
        LAW(c->docker_config || c->internal);
    }
    LAW(essential && !t->role_credentials_id && !t->execution_credentials_id);
    LAW(!task_decode_text(t->json, strlen(t->json), &again, &e));
    LAW(streq(again->json, t->json));
    check_bodies(t);
    return 0;
}
