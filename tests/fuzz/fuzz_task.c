/* links: task */
/* A task as the control plane sends it and the store keeps it, and the bodies of
 * Docker's create call that follow from it. */
#include "fuzz/fuzz.h"
#include "task/task.h"

static void check_json(struct str text)
{
    struct json_t *v = NULL;
    struct err e = { 0 };

    if (json_parse(text.p, text.n, &v, &e))
        fprintf(stderr, "%s: %.*s\n", e.msg, (int)text.n, text.p);
    LAW(!e.code);
    json_free(v);
}

/* Under another name it is the same task. */
static void check_renamed(const struct task *t)
{
    AUTO(task) struct task *r = task_with_arn(t, "arn:other/1");

    if (!r) { /* too large now */
        LAW(strlen(t->json) > TASK_MAX_JSON / 2);
        return;
    }
    LAW(streq(r->arn, "arn:other/1") && streq(r->id, "1"));
    LAW(r->n_containers == t->n_containers && r->n_volumes == t->n_volumes);
}

static void create_all(const struct task *t)
{
    static const char *const image_env[] = { "PATH=/bin", "AWS_REGION=eu-west-1", "=", NULL };
    static char name[] = "AWS_REGION", value[] = "a\"b", option[] = "mode";
    static const struct task_kv env[] = { { name, value }, { option, value } };
    const char **names = mem_array(t->n_containers, sizeof *names);
    struct buf body = BUF_INIT(8 << 20);

    for (size_t i = 0; i < t->n_containers; i++)
        names[i] = task_docker_name(t, &t->containers[i], i);
    for (size_t i = 0; i < t->n_containers; i++) {
        uint16_t *ports = mem_array(t->containers[i].n_ports, sizeof *ports);
        struct task_create_args a = { .task = t,
                                      .container = i,
                                      .cluster = "default",
                                      .region = i % 2 ? NULL : "us-west-2",
                                      .docker_names = names,
                                      .image_env = i % 2 ? NULL : image_env,
                                      .host_ports = i % 2 ? NULL : ports,
                                      .pause_id = i % 3 ? "0123456789ab" : NULL,
                                      .cgroup_parent = i % 2 ? NULL : "/ecs/1",
                                      .propagate_memory = i % 2 == 0,
                                      .secret_env = env,
                                      .n_secret_env = i % 2 ? 0 : 2,
                                      .file_env = env,
                                      .n_file_env = i % 3 ? 0 : 2,
                                      .log_secrets = env,
                                      .n_log_secrets = i % 2 ? 0 : 2,
                                      .metadata_id = "3b0c9f6e-0000-4000-8000-000000000000",
                                      .log_spool_bytes = 30 << 20 };
        struct err e = { 0 };

        for (size_t p = 0; p < t->containers[i].n_ports; p++)
            ports[p] = (uint16_t)(65000 + p * 7);
        LAW(task_ports_to_choose(t, &t->containers[i]) <= t->containers[i].n_ports);
        buf_reset(&body);
        if (!task_create_body(&a, &body, &e))
            check_json(buf_str(&body));
        else
            LAW(*e.msg);
        free(ports);
    }
    for (size_t i = 0; i < t->n_containers; i++)
        free((char *)names[i]);
    free(names);
    buf_fini(&body);
}

/* The redacted task is the same in all that decisions need. */
static void check_redacted(const struct task *t)
{
    AUTO(str) char *text = task_redacted_json(t);
    AUTO(str) char *again = NULL;
    AUTO(task) struct task *r = NULL;
    struct err e = { 0 };

    if (task_decode_text(text, strlen(text), &r, &e))
        fprintf(stderr, "%s: %s\n", e.msg, text);
    LAW(r);
    LAW(streq(r->arn, t->arn) && r->n_containers == t->n_containers && r->desired == t->desired);
    LAW(task_need_cpu(r) == task_need_cpu(t) && task_need_memory_mib(r) == task_need_memory_mib(t));
    for (size_t i = 0; i < t->n_containers; i++) {
        const struct task_container *a = &t->containers[i], *b = &r->containers[i];

        LAW(streq(a->name, b->name) && a->essential == b->essential);
        LAW(a->internal == b->internal && a->auth.kind == b->auth.kind);
        LAW(a->restart.enabled == b->restart.enabled && a->n_env_files == b->n_env_files);
        LAW(task_ports_to_choose(t, a) == task_ports_to_choose(r, b));
        LAW(a->n_deps == b->n_deps && a->n_ports == b->n_ports && a->n_env == b->n_env);
    }
    LAW(t->n_volumes == r->n_volumes);
    for (size_t i = 0; i < t->n_volumes; i++)
        LAW(t->volumes[i].kind == r->volumes[i].kind);
    again = task_redacted_json(r);
    LAW(streq(again, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(task) struct task *t = NULL, *kept = NULL;
    struct err e = { 0 };

    if (task_decode_text((const char *)data, size, &t, &e)) {
        LAW(!t && *e.msg);
        return 0;
    }
    if (task_decode_text(t->json, strlen(t->json), &kept, &e))
        fprintf(stderr, "%s: %s\n", e.msg, t->json);
    LAW(kept && streq(kept->json, t->json));
    check_redacted(t);
    check_renamed(t);
    create_all(t);
    return 0;
}
