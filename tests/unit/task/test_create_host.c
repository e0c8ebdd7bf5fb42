/* HostConfig: every field that may arrive, and what the arguments decide. */
#include "unit/task/create.h"

/* A task whose container "a" has this hostConfig; `members` are the task's, with
 * their comma in front. */
static struct task *with_host(const char *host_config, const char *container, const char *members)
{
    AUTO(str) char *quoted = NULL, *text = NULL;
    struct buf b = BUF_INIT(4096);

    json_quote(&b, str_of(host_config));
    quoted = buf_take(&b);
    text = mem_printf("{\"arn\":\"x/1\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"%s,"
                      "\"dockerConfig\":{\"hostConfig\":%s}}]%s}",
                      container, quoted, members);
    return decode(text);
}

/* ---- what passes through ---- */

static const struct {
    const char *field, *value;
} passed[] = {
    { "Binds", "[\"/a:/b\"]" },
    { "BlkioDeviceReadBps", "[{\"Path\":\"/dev/sda\",\"Rate\":1}]" },
    { "BlkioDeviceReadIOps", "[{\"Path\":\"/dev/sda\",\"Rate\":1}]" },
    { "BlkioDeviceWriteBps", "[{\"Path\":\"/dev/sda\",\"Rate\":1}]" },
    { "BlkioDeviceWriteIOps", "[{\"Path\":\"/dev/sda\",\"Rate\":1}]" },
    { "BlkioWeight", "500" },
    { "CapAdd", "[\"SYS_PTRACE\"]" },
    { "CapDrop", "[\"ALL\"]" },
    { "CgroupParent", "\"/mine\"" },
    { "CgroupnsMode", "\"private\"" },
    { "CpuPeriod", "100000" },
    { "CpuQuota", "50000" },
    { "CpuShares", "7" },
    { "CpusetCpus", "\"0-1\"" },
    { "DeviceCgroupRules", "[\"c 1:3 r\"]" },
    { "DeviceRequests", "[{\"Capabilities\":[[\"gpu\"]],\"Count\":-1}]" },
    { "Devices", "[{\"CgroupPermissions\":\"rwm\",\"PathInContainer\":\"/dev/y\",\"PathOnHost\":\"/"
                 "dev/x\"}]" },
    { "Dns", "[\"10.0.0.2\"]" },
    { "DnsOptions", "[\"ndots:2\"]" },
    { "DnsSearch", "[\"corp.example\"]" },
    { "ExtraHosts", "[\"db:10.0.0.3\"]" },
    { "GroupAdd", "[\"audio\"]" },
    { "Init", "true" },
    { "IpcMode", "\"private\"" },
    { "KernelMemory", "8388608" },
    { "Links", "[\"other:alias\"]" },
    { "MaskedPaths", "[\"/proc/kcore\"]" },
    { "Memory", "33554432" },
    { "MemoryReservation", "16777216" },
    { "MemorySwap", "-1" },
    { "MemorySwappiness", "60" },
    { "Mounts", "[{\"Target\":\"/t\",\"Type\":\"tmpfs\"}]" },
    { "NanoCpus", "500000000" },
    { "NetworkMode", "\"host\"" },
    { "OomKillDisable", "true" },
    { "OomScoreAdj", "-5" },
    { "PidMode", "\"host\"" },
    { "PidsLimit", "64" },
    { "PortBindings", "{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"80\"}]}" },
    { "Privileged", "true" },
    { "PublishAllPorts", "true" },
    { "ReadonlyPaths", "[\"/proc/bus\"]" },
    { "ReadonlyRootfs", "true" },
    { "RestartPolicy", "{\"Name\":\"no\"}" },
    { "Runtime", "\"nvidia\"" },
    { "SecurityOpt", "[\"no-new-privileges\"]" },
    { "ShmSize", "67108864" },
    { "StorageOpt", "{\"size\":\"10G\"}" },
    { "Sysctls", "{\"net.core.somaxconn\":\"1024\"}" },
    { "Tmpfs", "{\"/run\":\"size=64m\"}" },
    { "UTSMode", "\"host\"" },
    { "Ulimits", "[{\"Hard\":20,\"Name\":\"nofile\",\"Soft\":10}]" },
    { "UsernsMode", "\"host\"" },
    { "VolumesFrom", "[\"other\"]" },
};

/* As sent, and with its name in another case, which Go accepts as well. */
static void test_passed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(passed) * 2; i++) {
        const char *field = passed[i / 2].field;
        AUTO(str) char *name = mem_strdup(field), *config = NULL;
        AUTO(task) struct task *t = NULL;
        struct task_create_args a;
        json_t *body;

        if (i % 2)
            name[0] = (char)(name[0] + 'a' - 'A');
        config = mem_printf("{\"%s\":%s}", name, passed[i / 2].value);
        t = with_host(config, "", "");
        a = args_for(t);
        body = body_of(&a);
        assert_at(body, "HostConfig", field, passed[i / 2].value);
        json_decref(body);
    }
}

/* ---- on top of what the task says ---- */

static const struct {
    const char *container, *host_config, *field, *want;
} merged[] = {
#define PORT80 ",\"portMappings\":[{\"containerPort\":80,\"hostPort\":1}]"
    { PORT80, "{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"2\"}]}}", "PortBindings",
      "{\"80/tcp\":[{\"HostPort\":\"2\"}]}" },
    { PORT80, "{\"PortBindings\":{\"90/tcp\":[]}}", "PortBindings",
      "{\"80/tcp\":[{\"HostPort\":\"1\"}],\"90/tcp\":[]}" },
    { PORT80, "{\"PortBindings\":{\"80/TCP\":[]}}", "PortBindings", /* names in maps are exact */
      "{\"80/TCP\":[],\"80/tcp\":[{\"HostPort\":\"1\"}]}" },
    { PORT80, "{\"PortBindings\":null}", "PortBindings", "" },
    { PORT80, "{\"portbindings\":null}", "PortBindings", "" },
    { PORT80, "{\"PortBindings\":{}}", "PortBindings", "{\"80/tcp\":[{\"HostPort\":\"1\"}]}" },
    { ",\"cpu\":10", "{\"CpuShares\":0}", "CpuShares", "0" },
    { ",\"cpu\":10", "{\"CpuShares\":null}", "CpuShares", "10" },
    { ",\"memory\":10", "{\"Memory\":null}", "Memory", "10485760" },
    { ",\"memory\":10", "{\"Memory\":0}", "Memory", "0" },
    { ",\"memory\":10", "{\"Memory\":1}", "Memory", "1" }, /* the floor is for the task's value */
    { "", "{\"Nonsense\":1}", "Nonsense", "" },
};

static void test_merged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(merged); i++) {
        AUTO(task) struct task *t = with_host(merged[i].host_config, merged[i].container, "");
        struct task_create_args a = args_for(t);
        json_t *body = body_of(&a);

        assert_at(body, "HostConfig", merged[i].field, merged[i].want);
        json_decref(body);
    }
}

static void test_wrong_types(void **state)
{
    static const struct {
        const char *host_config, *message;
    } rows[] = {
        { "{\"CgroupParent\":1}", "CgroupParent: expected string, got integer" },
        { "{\"PidMode\":[]}", "PidMode: expected string, got array" },
        { "{\"IpcMode\":{}}", "IpcMode: expected string, got object" },
        { "{\"Memory\":1.5}", "Memory: expected integer, got number" },
        { "{\"Ulimits\":{}}", "Ulimits: expected array, got object" },
        { "{\"Sysctls\":[]}", "Sysctls: expected object, got array" },
        { "{\"Init\":\"yes\"}", "Init: expected boolean, got string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task) struct task *t = with_host(rows[i].host_config, "", ",\"pidMode\":\"host\"");
        AUTO(str)
        char *want =
            mem_printf("HostConfigError: Unable to decode given host config: %s", rows[i].message);
        struct task_create_args a = args_for(t);

        a.cgroup_parent = "/ecs/1";
        assert_body_fails(&a, want);
    }
}

/* ---- ports ---- */

static void test_chosen_ports(void **state)
{
    static const uint16_t chosen[] = { 32768, 40000, 0, 0, 65535 };
    AUTO(task)
    struct task *t = decode(ONE(",\"portMappings\":[{\"containerPort\":80},"
                                "{\"containerPortRange\":\"7-9\",\"protocol\":\"udp\"},"
                                "{\"containerPort\":443,\"hostPort\":8443},"
                                "{\"containerPort\":22},{\"containerPortRange\":\"50-52\"}]"));
    struct task_create_args a = args_for(t);
    json_t *body;

    (void)state;
    assert_int_equal(task_ports_to_choose(t, &t->containers[0]), 4);
    a.host_ports = chosen;
    body = body_of(&a);
    /* past the last port nothing is made up */
    assert_at(body, "HostConfig", "PortBindings",
              "{\"22/tcp\":[{\"HostPort\":\"\"}],\"443/tcp\":[{\"HostPort\":\"8443\"}],"
              "\"50/tcp\":[{\"HostPort\":\"65535\"}],\"51/tcp\":[{\"HostPort\":\"\"}],"
              "\"52/tcp\":[{\"HostPort\":\"\"}],"
              "\"7/udp\":[{\"HostPort\":\"40000\"}],\"8/udp\":[{\"HostPort\":\"40001\"}],"
              "\"80/tcp\":[{\"HostPort\":\"32768\"}],\"9/udp\":[{\"HostPort\":\"40002\"}]}");
    json_decref(body);
}

static void test_ports_by_network(void **state)
{
    static const struct {
        const char *mode, *bindings;
        size_t to_choose;
    } rows[] = {
        { "bridge", "{\"80/tcp\":[{\"HostPort\":\"\"}],\"90/tcp\":[{\"HostPort\":\"91\"}]}", 1 },
        { "pigeon", "{\"80/tcp\":[{\"HostPort\":\"\"}],\"90/tcp\":[{\"HostPort\":\"91\"}]}", 1 },
        { "host", "{\"90/tcp\":[{\"HostPort\":\"91\"}]}", 0 },
        { "none", "{\"90/tcp\":[{\"HostPort\":\"91\"}]}", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str) char *member = mem_printf(",\"networkMode\":\"%s\"", rows[i].mode);
        AUTO(task)
        struct task *t = with_host("{}",
                                   ",\"portMappings\":[{\"containerPort\":80},"
                                   "{\"containerPort\":90,\"hostPort\":91}]",
                                   member);
        struct task_create_args a = args_for(t);
        json_t *body = body_of(&a);

        assert_int_equal(task_ports_to_choose(t, &t->containers[0]), rows[i].to_choose);
        assert_at(body, "HostConfig", "PortBindings", rows[i].bindings);
        assert_at(body, "ExposedPorts", NULL, "{\"80/tcp\":{},\"90/tcp\":{}}");
        json_decref(body);
    }
}

/* ---- namespaces ---- */

static void test_modes(void **state)
{
    static const struct {
        const char *members, *pid, *ipc;
    } rows[] = {
        { "", "\"container:x\"", "\"private\"" }, /* of hostConfig */
        { ",\"pidMode\":\"\",\"ipcMode\":\"\"", "\"container:x\"", "\"private\"" },
        { ",\"pidMode\":\"odd\",\"ipcMode\":\"odd\"", "\"container:x\"", "\"private\"" },
        { ",\"pidMode\":\"none\"", "\"container:x\"", "\"private\"" },
        { ",\"pidMode\":\"host\",\"ipcMode\":\"host\"", "\"host\"", "\"host\"" },
        { ",\"ipcMode\":\"none\"", "\"container:x\"", "\"none\"" },
        { ",\"pidMode\":\"task\"", "\"container:p1\"", "\"private\"" },
        { ",\"ipcMode\":\"task\"", "\"container:x\"", "\"container:p1\"" },
        { ",\"pidMode\":\"task\",\"ipcMode\":\"task\"", "\"container:p1\"", "\"container:p1\"" },
        { ",\"pidMode\":\"task\",\"ipcMode\":\"host\"", "\"container:p1\"", "\"host\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task)
        struct task *t =
            with_host("{\"PidMode\":\"container:x\",\"IpcMode\":\"private\"}", "", rows[i].members);
        struct task_create_args a = args_for(t);
        json_t *body;

        a.pause_id = "p1";
        body = body_of(&a);
        assert_at(body, "HostConfig", "PidMode", rows[i].pid);
        assert_at(body, "HostConfig", "IpcMode", rows[i].ipc);
        json_decref(body);
    }
}

static void test_no_pause_yet(void **state)
{
    AUTO(task) struct task *pid = decode(TASK(",\"pidMode\":\"task\""));
    AUTO(task) struct task *ipc = decode(TASK(",\"ipcMode\":\"task\""));
    struct task_create_args a = args_for(pid), b = args_for(ipc);

    (void)state;
    assert_body_fails(&a, "HostConfigError: the container of the shared namespaces is not there");
    assert_body_fails(&b, "HostConfigError: the container of the shared namespaces is not there");
}

static void test_pause(void **state)
{
    static const struct {
        const char *members, *host_config;
    } rows[] = {
        { ",\"pidMode\":\"task\"", "{\"CpuShares\":2,\"NetworkMode\":\"none\"}" },
        { ",\"pidMode\":\"task\",\"ipcMode\":\"host\"",
          "{\"CpuShares\":2,\"NetworkMode\":\"none\"}" },
        { ",\"ipcMode\":\"task\",\"pidMode\":\"host\",\"memory\":64",
          "{\"CpuShares\":2,\"IpcMode\":\"shareable\",\"NetworkMode\":\"none\"}" },
    };
    static char name[] = "S", value[] = "hush";
    static const struct task_kv secret[] = { { name, value } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(str)
        char *text =
            mem_printf("{\"arn\":\"x/1\",\"family\":\"f\",\"version\":\"1\",\"containers\":"
                       "[{\"name\":\"a\",\"image\":\"i\"}],"
                       "\"roleCredentials\":{\"credentialsId\":\"r\"}%s}",
                       rows[i].members);
        AUTO(task) struct task *t = decode(text);
        struct task_create_args a = args_for(t);
        json_t *body;

        a.container = 1;
        a.region = "eu-west-1";
        a.metadata_id = "u";
        a.propagate_memory = true;
        a.secret_env = a.file_env = secret;
        a.n_secret_env = a.n_file_env = 1;
        body = body_of(&a);
        assert_at(body, "Image", NULL, "\"" TASK_PAUSE_IMAGE "\"");
        assert_at(body, "Env", NULL, "[]");
        assert_at(body, "Cmd", NULL, "");
        assert_at(body, "HostConfig", NULL, rows[i].host_config);
        assert_at(body, "Labels", "com.amazonaws.ecs.container-name", "\"" TASK_PAUSE_NAME "\"");
        json_decref(body);
    }
}

/* ---- cgroup, memory ---- */

static void test_cgroup_parent(void **state)
{
    AUTO(task) struct task *t = with_host("{\"CgroupParent\":\"/mine\"}", "", "");
    AUTO(task) struct task *plain = decode(TASK(""));
    struct task_create_args a = args_for(t), b = args_for(plain);
    json_t *body;

    (void)state;
    a.cgroup_parent = b.cgroup_parent = "/ecs/1";
    body = body_of(&a);
    assert_at(body, "HostConfig", "CgroupParent", "\"/ecs/1\"");
    json_decref(body);
    body = body_of(&b);
    assert_at(body, "HostConfig", "CgroupParent", "\"/ecs/1\"");
    json_decref(body);
}

static void test_propagated_memory(void **state)
{
    static const struct {
        const char *container, *host_config, *task;
        bool propagate;
        const char *want;
    } rows[] = {
        { "", "{}", ",\"memory\":64", true, "67108864" },
        { "", "{}", ",\"memory\":64", false, "" },
        { "", "{}", "", true, "" },
        { ",\"memory\":32", "{}", ",\"memory\":64", true, "33554432" },
        { "", "{\"Memory\":0}", ",\"memory\":64", true, "67108864" },
        { "", "{\"Memory\":8388608}", ",\"memory\":64", true, "8388608" },
        { "", "{}", ",\"memory\":2", true, "6291456" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(task)
        struct task *t = with_host(rows[i].host_config, rows[i].container, rows[i].task);
        struct task_create_args a = args_for(t);
        json_t *body;

        a.propagate_memory = rows[i].propagate;
        body = body_of(&a);
        assert_at(body, "HostConfig", "Memory", rows[i].want);
        json_decref(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed),           cmocka_unit_test(test_merged),
        cmocka_unit_test(test_wrong_types),      cmocka_unit_test(test_chosen_ports),
        cmocka_unit_test(test_ports_by_network), cmocka_unit_test(test_modes),
        cmocka_unit_test(test_no_pause_yet),     cmocka_unit_test(test_pause),
        cmocka_unit_test(test_cgroup_parent),    cmocka_unit_test(test_propagated_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
