/* Our answers against those the reference gave for the same tasks, byte for byte but for the
 * times, which are whole milliseconds here. The views are made from one recorded answer and
 * have to give all of them. Needs the folder of recordings in BERTH_TEST_DATA. */
#include "unit/endpoints/fixture.h"

#include <jansson.h>

#include "base/secret.h"

#define PARTS_MAX 16
#define SECONDS   19 /* "2026-11-20T22:49:29" */

/* The facts of a container that a recorded answer tells, texts borrowed from it. */
struct facts {
    struct port_binding ports[PARTS_MAX];
    struct view_pair labels[PARTS_MAX];
    struct view_network networks[PARTS_MAX];
    struct view_volume volumes[PARTS_MAX];
};

struct shop {
    struct facts facts[PARTS_MAX];
    struct view_container containers[PARTS_MAX];
    struct view_task task;
};

static json_t *recorded;

static int load(void **state)
{
    const char *folder = getenv("BERTH_TEST_DATA");
    AUTO(str) char *path = mem_printf("%s/recorded/local-endpoints.json", folder ? folder : "");

    (void)state;
    recorded = folder ? json_load_file(path, 0, NULL) : NULL;
    return folder && !recorded ? -1 : 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(recorded);
    return 0;
}

static const json_t *body(const char *name)
{
    return json_object_get(json_object_get(recorded, name), "body");
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int64_t number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static int64_t time_of(const json_t *o, const char *key)
{
    return text(o, key) ? at(text(o, key)) : 0;
}

/* ---- what is wanted ---- */

/* The recorded value, with its times cut to milliseconds, as the text that was on the wire. */
static void cut_times(json_t *v)
{
    const char *key;
    json_t *item;
    void *next;
    size_t i;

    json_array_foreach(v, i, item) cut_times(item);
    json_object_foreach_safe(v, next, key, item)
    {
        const char *s = json_string_value(item);

        cut_times(item);
        if (s && (str_ends(key, "At") || streq(key, "statusSince"))) {
            size_t n = s[SECONDS] == '.' ? SECONDS + 4 : SECONDS;
            AUTO(str) char *shorter = NULL;

            while (n > SECONDS && (s[n - 1] == '0' || s[n - 1] == '.'))
                n--;
            shorter = mem_printf("%.*sZ", (int)n, s);
            json_string_set(item, shorter);
        }
    }
}

static char *wanted(const json_t *v)
{
    json_t *copy = json_deep_copy(v);
    char *out;

    cut_times(copy);
    out = json_dumps(copy, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(copy);
    assert_non_null(out);
    return out;
}

static void assert_recorded(char *got, const json_t *v)
{
    AUTO(secret) char *want = wanted(v);

    assert_text(got, want);
}

/* ---- views from a recorded task ---- */

static enum ctr_status status_of(const char *name)
{
    for (enum ctr_status s = CTR_NONE; s <= CTR_STOPPED; s++)
        if (name && streq(ctr_status_name(s), name))
            return s;
    fail_msg("status %s", name ? name : "is missing");
    return CTR_NONE;
}

static enum task_status task_status_of(const char *name)
{
    struct err e = { 0 };
    enum task_status s = TASK_NONE;

    assert_non_null(name);
    if (task_status_parse(name, &s, &e))
        fail_msg("%s", e.msg);
    return s;
}

static size_t read_ports(const json_t *list, struct port_binding *out)
{
    size_t i;
    json_t *p;

    assert_true(json_array_size(list) <= PARTS_MAX);
    json_array_foreach(list, i, p)
    {
        const char *ip = text(p, "HostIp");

        out[i] = (struct port_binding){
            .container_port = (uint16_t)number(p, "ContainerPort"),
            .host_port = (uint16_t)number(p, "HostPort"),
            .proto = streq(text(p, "Protocol"), "udp") ? PORT_UDP : PORT_TCP,
        };
        snprintf(out[i].ip, sizeof out[i].ip, "%s", ip ? ip : "");
    }
    return i;
}

static void read_lists(const json_t *v, struct facts *f, struct view_container *c)
{
    const char *key;
    json_t *item;
    size_t i;

    c->ports = f->ports;
    c->n_ports = read_ports(json_object_get(v, "Ports"), f->ports);
    c->labels = f->labels;
    json_object_foreach(json_object_get(v, "Labels"), key, item)
    {
        assert_true(c->n_labels < PARTS_MAX);
        f->labels[c->n_labels++] = (struct view_pair){ key, json_string_value(item) };
    }
    c->volumes = f->volumes;
    json_array_foreach(json_object_get(v, "Volumes"), i, item)
    {
        assert_true(i < PARTS_MAX);
        f->volumes[c->n_volumes++] =
            (struct view_volume){ text(item, "DockerName"), text(item, "Source"),
                                  text(item, "Destination") };
    }
    c->networks_known = true;
    c->networks = f->networks;
    json_array_foreach(json_object_get(v, "Networks"), i, item)
    {
        const json_t *v4 = json_object_get(item, "IPv4Addresses");

        assert_true(i < PARTS_MAX);
        f->networks[c->n_networks++] =
            (struct view_network){ text(item, "NetworkMode"),
                                   json_string_value(json_array_get(v4, 0)), NULL };
    }
}

static void read_container(const json_t *v, struct facts *f, struct view_container *c)
{
    const json_t *health = json_object_get(v, "Health");

    *c = (struct view_container){
        .docker_id = text(v, "DockerId"),
        .docker_name = text(v, "DockerName"),
        .name = text(v, "Name"),
        .image = text(v, "Image"),
        .image_id = text(v, "ImageID"),
        .arn = text(v, "ContainerARN"),
        .cpu_units = number(json_object_get(v, "Limits"), "CPU"),
        .memory_mib = number(json_object_get(v, "Limits"), "Memory"),
        .created_ms = time_of(v, "CreatedAt"),
        .started_ms = time_of(v, "StartedAt"),
        .has_health_check = health != NULL,
    };
    if (text(v, "KnownStatus")) { /* introspection does not have them */
        c->desired = status_of(text(v, "DesiredStatus"));
        c->known = status_of(text(v, "KnownStatus"));
    }
    if (health) {
        assert_string_equal(text(health, "status"), "HEALTHY");
        c->health = HEALTH_OK;
        c->health_since_ms = time_of(health, "statusSince");
        c->health_output = text(health, "output");
    }
    read_lists(v, f, c);
}

/* `arn` and `version`: the names of these members. */
static void read_task(const json_t *v, const char *arn, const char *version, struct shop *out)
{
    json_t *c;
    size_t i;

    *out = (struct shop){ .task = {
                              .cluster = text(v, "Cluster"),
                              .arn = text(v, arn),
                              .family = text(v, "Family"),
                              .version = text(v, version),
                              .launch_type = text(v, "LaunchType"),
                              .service_name = text(v, "ServiceName"),
                              .vpc_id = text(v, "VPCID"),
                              .zone_id = text(v, "AvailabilityZoneID"),
                              .desired = task_status_of(text(v, "DesiredStatus")),
                              .known = task_status_of(text(v, "KnownStatus")),
                          } };
    json_array_foreach(json_object_get(v, "Containers"), i, c)
    {
        assert_true(i < PARTS_MAX);
        read_container(c, &out->facts[i], &out->containers[i]);
        out->task.n_containers++;
    }
    out->task.containers = out->containers;
}

/* ---- tests ---- */

static size_t index_of(const struct shop *s, const char *name)
{
    for (size_t i = 0; i < s->task.n_containers; i++)
        if (streq(s->containers[i].name, name))
            return i;
    fail_msg("no container %s", name);
    return 0;
}

static void test_metadata(void **state)
{
    struct shop *s;

    (void)state;
    if (!recorded)
        skip();
    s = NEW(struct shop);
    read_task(body("v4_task"), "TaskARN", "Revision", s);
    assert_int_equal(s->task.n_containers, 2);
    assert_recorded(task_text(&s->task, 4, false), body("v4_task"));
    assert_recorded(task_text(&s->task, 3, false), body("v3_task"));
    assert_recorded(container_text(&s->task, index_of(s, "web"), 4), body("v4_container"));
    assert_recorded(container_text(&s->task, index_of(s, "web"), 3), body("v3_container"));
    assert_recorded(introspection_text(&s->task), body("introspection_by_id"));
    free(s);
}

static void test_introspection(void **state)
{
    struct shop *s;
    json_t *task;
    size_t i;

    (void)state;
    if (!recorded)
        skip();
    s = NEW(struct shop);
    json_array_foreach(json_object_get(body("introspection_tasks"), "Tasks"), i, task)
    {
        read_task(task, "Arn", "Version", s);
        assert_recorded(introspection_text(&s->task), task);
    }
    assert_int_equal(i, 4);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_introspection),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
