/* The container metadata file. */
#include "unit/endpoints/fixture.h"

static const struct port_binding port = { "0.0.0.0", 8080, 32771, PORT_TCP };
static const struct view_network net = { "bridge", "172.17.0.4", NULL };

static struct view_container container(void)
{
    struct view_container c = plain();

    c.docker_id = "3b9c01d2";
    c.ports = &port;
    c.n_ports = 1;
    c.networks = &net;
    c.n_networks = 1;
    return c;
}

static void test_ready(void **state)
{
    const struct view_host h = { INSTANCE_ARN, "eu-west-1b", "10.1.2.7", NULL, NULL };
    struct view_container c = container();
    struct view_task t = task_of(&c, 1);

    (void)state;
    assert_text(file_text(&t, &h, true), "{\n"
                                         "\t\"Cluster\": \"shop\",\n"
                                         "\t\"ContainerInstanceARN\": \"" INSTANCE_ARN "\",\n"
                                         "\t\"TaskARN\": \"" TASK_ARN "\",\n"
                                         "\t\"TaskDefinitionFamily\": \"orders\",\n"
                                         "\t\"TaskDefinitionRevision\": \"12\",\n"
                                         "\t\"ContainerID\": \"3b9c01d2\",\n"
                                         "\t\"ContainerName\": \"api\",\n"
                                         "\t\"DockerContainerName\": \"/ecs-orders-12-api-c2d4\",\n"
                                         "\t\"ImageID\": \"sha256:aa11\",\n"
                                         "\t\"ImageName\": \"orders:4.2\",\n"
                                         "\t\"PortMappings\": [\n"
                                         "\t\t{\n"
                                         "\t\t\t\"ContainerPort\": 8080,\n"
                                         "\t\t\t\"ContainerPortRange\": \"\",\n"
                                         "\t\t\t\"HostPort\": 32771,\n"
                                         "\t\t\t\"BindIp\": \"0.0.0.0\",\n"
                                         "\t\t\t\"Protocol\": \"tcp\"\n"
                                         "\t\t}\n"
                                         "\t],\n"
                                         "\t\"Networks\": [\n"
                                         "\t\t{\n"
                                         "\t\t\t\"NetworkMode\": \"bridge\",\n"
                                         "\t\t\t\"IPv4Addresses\": [\n"
                                         "\t\t\t\t\"172.17.0.4\"\n"
                                         "\t\t\t]\n"
                                         "\t\t}\n"
                                         "\t],\n"
                                         "\t\"MetadataFileStatus\": \"READY\",\n"
                                         "\t\"AvailabilityZone\": \"eu-west-1b\",\n"
                                         "\t\"HostPrivateIPv4Address\": \"10.1.2.7\"\n"
                                         "}");
}

/* What comes from the engine is absent, whatever is known already. */
static void test_partial(void **state)
{
    const struct view_host h = { INSTANCE_ARN, "eu-west-1b", "10.1.2.7", "203.0.113.9", NULL };
    struct view_container c = container();
    struct view_task t = task_of(&c, 1);

    (void)state;
    assert_text(file_text(&t, &h, false), "{\n"
                                          "\t\"Cluster\": \"shop\",\n"
                                          "\t\"ContainerInstanceARN\": \"" INSTANCE_ARN "\",\n"
                                          "\t\"TaskARN\": \"" TASK_ARN "\",\n"
                                          "\t\"TaskDefinitionFamily\": \"orders\",\n"
                                          "\t\"TaskDefinitionRevision\": \"12\",\n"
                                          "\t\"ContainerName\": \"api\",\n"
                                          "\t\"AvailabilityZone\": \"eu-west-1b\",\n"
                                          "\t\"HostPrivateIPv4Address\": \"10.1.2.7\",\n"
                                          "\t\"HostPublicIPv4Address\": \"203.0.113.9\"\n"
                                          "}");
}

static void test_empty_fields(void **state)
{
    const struct view_host h = { .ipv6 = "2001:db8::7" };
    struct view_container c = plain();
    struct view_task t = { .containers = &c, .n_containers = 1 };

    (void)state;
    c.docker_id = c.docker_name = c.image_id = "";
    c.networks_known = false;
    assert_text(file_text(&t, &h, true), "{\n"
                                         "\t\"ContainerName\": \"api\",\n"
                                         "\t\"ImageName\": \"orders:4.2\",\n"
                                         "\t\"MetadataFileStatus\": \"READY\",\n"
                                         "\t\"HostIPv6Address\": \"2001:db8::7\"\n"
                                         "}");
}

/* Brackets, commas and quotes within texts are no structure. */
static void test_odd_texts(void **state)
{
    const struct view_host h = { 0 };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);

    (void)state;
    c.image = "a\\\"}],{:b\\";
    t.cluster = "\"";
    assert_has(file_text(&t, &h, true), "\t\"ImageName\": \"a\\\\\\\"}],{:b\\\\\",\n\t\"Meta");
    assert_has(file_text(&t, &h, false), "{\n\t\"Cluster\": \"\\\"\",\n\t\"TaskARN\"");
}

/* It is whole or told as too large, and comes after what is there already. */
static void test_room(void **state)
{
    const struct view_host h = { 0 };
    struct view_container c = plain();
    struct view_task t = task_of(&c, 1);
    AUTO(str) char *whole = file_text(&t, &h, true);
    size_t n = strlen(whole);

    (void)state;
    for (size_t max = 0; max < n + 2; max++) {
        struct buf out = BUF_INIT(max + 1);

        assert_true(buf_putc(&out, '#'));
        view_write_file(&t, 0, &h, true, &out);
        assert_int_equal(out.overflowed, max < n);
        if (max >= n)
            assert_string_equal(buf_text(&out) + 1, whole);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_empty_fields), cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
