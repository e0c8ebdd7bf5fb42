/* Tasks as introspection tells them: three statuses, no internal containers. */
#include "unit/endpoints/fixture.h"

static void test_example(void **state)
{
    const struct port_binding port = { "0.0.0.0", 8080, 32771, PORT_TCP };
    const struct view_network net = { "bridge", "172.17.0.4", NULL };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.docker_id = "3b9c01d2e4f5a697";
    c.created_ms = at("2025-03-04T05:00:01Z");
    c.ports = &port;
    c.n_ports = 1;
    c.networks = &net; /* of awsvpc alone they are told */
    c.n_networks = 1;
    assert_text(introspection_text(&t),
                "{\"Arn\":\"" TASK_ARN "\",\"DesiredStatus\":\"RUNNING\",\"KnownStatus\":"
                "\"RUNNING\",\"Family\":\"orders\",\"Version\":\"12\",\"Containers\":["
                "{\"DockerId\":\"3b9c01d2e4f5a697\",\"DockerName\":\"ecs-orders-12-api-c2d4\","
                "\"Name\":\"api\",\"Image\":\"orders:4.2\",\"ImageID\":\"sha256:aa11\","
                "\"CreatedAt\":\"2025-03-04T05:00:01Z\",\"Ports\":[{\"ContainerPort\":8080,"
                "\"Protocol\":\"tcp\",\"HostPort\":32771}]}]}");
}

/* Every pair of statuses. */
static void test_statuses_collapse(void **state)
{
    static const char *const names[] = { "PENDING", "PENDING", "PENDING", "RUNNING", "STOPPED" };
    struct view_task t = task_of(NULL, 0);

    (void)state;
    for (enum task_status known = TASK_NONE; known <= TASK_STOPPED; known++) {
        for (enum task_status desired = TASK_NONE; desired <= TASK_STOPPED; desired++) {
            bool told = !(known == TASK_STOPPED && desired != TASK_STOPPED) &&
                        !(known == TASK_RUNNING && desired < TASK_RUNNING);
            AUTO(str) char *with = mem_printf("\"DesiredStatus\":\"%s\",", names[desired]);
            AUTO(str)
            char *want = mem_printf("{\"Arn\":\"" TASK_ARN
                                    "\",%s\"KnownStatus\":\"%s\",\"Family\":\"orders\","
                                    "\"Version\":\"12\",\"Containers\":[]}",
                                    told ? with : "", names[known]);

            t.known = known;
            t.desired = desired;
            assert_text(introspection_text(&t), want);
        }
    }
}

static void test_hidden(void **state)
{
    struct view_container c[4] = { plain(), plain(), plain(), plain() };
    struct view_task t = task_of(c, 4);

    (void)state;
    c[0].type = VIEW_NAMESPACE_PAUSE;
    c[1].type = VIEW_CNI_PAUSE;
    c[2].docker_id = c[2].docker_name = "";
    c[3].name = "last";
    assert_has(introspection_text(&t),
               "\"Containers\":[{\"DockerId\":\"3b9c\",\"DockerName\":"
               "\"ecs-orders-12-api-c2d4\",\"Name\":\"last\",\"Image\":\"orders:4.2\","
               "\"ImageID\":\"sha256:aa11\"}]}");
}

static void test_all_fields(void **state)
{
    const struct task_port defined[] = { { .container_port = 80, .host_port = 8080 },
                                         { .range_first = 9000, .range_last = 9002 },
                                         { .container_port = 53, .proto = PORT_UDP } };
    const struct view_network eni = { "awsvpc", "10.0.0.9", NULL };
    const struct view_volume volume = { "v", "/s", "/d" };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.created_ms = 1000;
    c.started_ms = 2000;
    c.finished_ms = 3000;
    c.defined_ports = defined;
    c.n_defined_ports = COUNT_OF(defined);
    c.networks = &eni;
    c.n_networks = 1;
    c.volumes = &volume;
    c.n_volumes = 1;
    c.has_restart_policy = true;
    assert_has(introspection_text(&t),
               "\"CreatedAt\":\"1970-01-01T00:00:01Z\",\"StartedAt\":\"1970-01-01T00:00:02Z\","
               "\"Ports\":[{\"ContainerPort\":80,\"Protocol\":\"tcp\",\"HostPort\":8080},"
               "{\"ContainerPort\":53,\"Protocol\":\"udp\"}],\"Networks\":[{\"NetworkMode\":"
               "\"awsvpc\",\"IPv4Addresses\":[\"10.0.0.9\"]}],\"Volumes\":[{\"DockerName\":"
               "\"v\",\"Source\":\"/s\",\"Destination\":\"/d\"}],\"RestartCount\":0}]}");
    c.defined_ports = &defined[1];
    c.n_defined_ports = 1;
    assert_has_not(introspection_text(&t), "Ports");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_statuses_collapse),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_all_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
