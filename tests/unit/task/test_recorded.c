/* Our body against the one the reference sent for the same task. Both are taken
 * without what is empty in Go's structs and without what is chosen at random.
 * Needs the folder of recordings in BERTH_TEST_DATA. */
#include "unit/task/fixture.h"

#include <jansson.h>
#include <stdio.h>

static json_t *load(const char *name)
{
    const char *folder = getenv("BERTH_TEST_DATA");
    AUTO(str) char *path = mem_printf("%s/recorded/%s", folder ? folder : "", name);

    return folder ? json_load_file(path, 0, NULL) : NULL;
}

/* The recorded call that created the container of the task family "shop". */
static const json_t *find_call(const json_t *calls, const char *container, char **docker_name)
{
    AUTO(str) char *part = mem_printf("/containers/create?name=ecs-shop-7-%s-", container);
    const char *path;
    json_t *call;
    size_t i;

    json_array_foreach(calls, i, call)
    {
        path = json_string_value(json_object_get(call, "path"));
        if (path && strstr(path, part)) {
            *docker_name = mem_strdup(str_after_last(path, '='));
            return json_object_get(call, "body");
        }
    }
    fail_msg("no create call for %s", container);
    return NULL;
}

static bool is_zero(const json_t *v)
{
    json_t *item;
    size_t i;

    if (json_is_array(v)) {
        json_array_foreach(v, i, item) if (!is_zero(item)) return false;
        return true;
    }
    return json_is_null(v) || json_is_false(v) || (json_is_object(v) && !json_object_size(v)) ||
           (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && !json_string_length(v));
}

static void prune(json_t *v)
{
    const char *key;
    json_t *item;
    void *next;
    size_t i;

    json_array_foreach(v, i, item) prune(item);
    if (json_is_object(v)) {
        json_object_foreach_safe(v, next, key, item)
        {
            prune(item);
            if (is_zero(item))
                json_object_del(v, key);
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Environment is a set; the secret's value is fetched elsewhere. */
static void sort_env(json_t *body)
{
    const json_t *env = json_object_get(body, "Env");
    const char *items[64];
    json_t *sorted = json_array(), *item;
    size_t i, n = 0;

    json_array_foreach(env, i, item)
    {
        if (str_starts(json_string_value(item), "DB_PASSWORD="))
            continue;
        assert_true(n < COUNT_OF(items));
        items[n++] = json_string_value(item);
    }
    qsort(items, n, sizeof *items, by_text);
    for (i = 0; i < n; i++)
        json_array_append_new(sorted, json_string(items[i]));
    json_object_set_new(body, "Env", sorted);
}

/* "ecs-shop-7-data-<unique>:/data" loses its unique part. */
static void cut_binds(json_t *body)
{
    json_t *binds = json_object_get(json_object_get(body, "HostConfig"), "Binds"), *item;
    size_t i;

    json_array_foreach(binds, i, item)
    {
        const char *text = json_string_value(item), *colon = strchr(text, ':');
        const char *dash = memrchr(text, '-', (size_t)(colon - text));

        if (str_starts(text, "ecs-"))
            json_array_set_new(binds, i, json_sprintf("%.*s%s", (int)(dash - text), text, colon));
    }
}

/* The ports that are mapped, without where the host put them. */
static void cut_ports(json_t *body)
{
    json_t *ports = json_object_get(json_object_get(body, "HostConfig"), "PortBindings");
    json_t *exposed = json_object_get(body, "ExposedPorts"), *item;
    const char *key;

    json_object_foreach(ports, key, item)
        json_object_set_new(ports, key, json_integer((json_int_t)json_array_size(item)));
    json_object_foreach(exposed, key, item) json_object_set_new(exposed, key, json_true());
}

static char *comparable(json_t *body)
{
    sort_env(body);
    cut_binds(body);
    cut_ports(body);
    prune(body);
    return json_dumps(body, JSON_INDENT(1) | JSON_SORT_KEYS);
}

/* The id that the reference chose for the metadata endpoints. */
static const char *metadata_id(const json_t *body)
{
    json_t *item;
    size_t i;

    json_array_foreach(
        json_object_get(body, "Env"), i,
        item) if (str_starts(json_string_value(item),
                             "ECS_AGENT_URI=")) return str_after_last(json_string_value(item), '/');
    return NULL;
}

static void test_recorded_bodies(void **state)
{
    json_t *payload = load("task-payload.json"), *calls = load("docker-calls.json");
    const char *names[2] = { NULL, NULL };
    const json_t *recorded[2];
    char *owned[2] = { NULL, NULL };
    struct task *t = NULL;
    struct err e = { 0 };

    (void)state;
    if (!payload || !calls) {
        json_decref(payload);
        json_decref(calls);
        print_message("skipped: BERTH_TEST_DATA names no folder of recordings\n");
        skip();
    }
    if (task_decode(payload, &t, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(t->n_containers, 2);
    for (size_t i = 0; i < 2; i++) {
        recorded[i] = find_call(calls, t->containers[i].name, &owned[i]);
        names[i] = owned[i];
    }
    for (size_t i = 0; i < 2; i++) {
        struct task_create_args a = { .task = t,
                                      .container = i,
                                      .cluster = "demo",
                                      .region = "us-west-2",
                                      .docker_names = names,
                                      .metadata_id = metadata_id(recorded[i]) };
        struct buf b = BUF_INIT(1 << 20);
        json_t *ours, *theirs = json_deep_copy(recorded[i]);
        char *have, *want;

        if (task_create_body(&a, &b, &e))
            fail_msg("%s", e.msg);
        ours = json_loadb(b.data, b.len, 0, NULL);
        have = comparable(ours);
        want = comparable(theirs);
        assert_string_equal(have, want);
        assert_non_null(strstr(want, "CpuShares")); /* something is left to compare */
        mem_wipe(have);
        mem_wipe(want);
        json_decref(ours);
        json_decref(theirs);
        buf_fini(&b);
    }
    for (size_t i = 0; i < 2; i++)
        free(owned[i]);
    task_destroy(t);
    json_decref(payload);
    json_decref(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_recorded_bodies) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
