#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "render.h"
#include "render_docker.h"

#define TASK "arn:aws:ecs:us-west-2:1:task/demo/0123"

/* Single quotes stand for double ones. */
static struct json_t *parse(const char *text)
{
    struct buf b = BUF_INIT(65536);
    struct json_t *doc = NULL;
    struct err e = { 0 };

    buf_puts(&b, text);
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] == '\'')
            b.data[i] = '"';
    assert_int_equal(json_parse(buf_text(&b), b.len, &doc, &e), ERR_OK);
    buf_fini(&b);
    return doc;
}

static void assert_json(const struct buf *got, const char *want)
{
    struct buf text = BUF_INIT(65536);

    buf_append(&text, got->data, got->len);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '"')
            text.data[i] = '\'';
    assert_string_equal(buf_text(&text), want);
    buf_fini(&text);
}

static void test_docker_texts(void **state)
{
    static const struct {
        const char *container, *config, *host;
    } cases[] = {
        { "{'name':'c'}", "{}", "{'NetworkMode':'bridge'}" },
        { "{'name':'c','user':'1:1','workingDirectory':'/w','hostname':'h','interactive':true,"
          "'pseudoTerminal':true,'dockerLabels':{'a':'b'}}",
          "{'Labels':{'a':'b'},'User':'1:1','WorkingDir':'/w','Hostname':'h','OpenStdin':true,"
          "'Tty':true}",
          "{'NetworkMode':'bridge'}" },
        { "{'name':'c','healthCheck':{'command':['CMD','x'],'interval':10,'timeout':2,'retries':4,"
          "'startPeriod':6}}",
          "{'Healthcheck':{'Test':['CMD','x'],'Interval':10000000000,'Timeout':2000000000,"
          "'Retries':4,'StartPeriod':6000000000}}",
          "{'NetworkMode':'bridge'}" },
        { "{'name':'c','privileged':true,'readonlyRootFilesystem':true,'dnsServers':['1.1.1.1'],"
          "'memoryReservation':64}",
          "{}",
          "{'NetworkMode':'bridge','Privileged':true,'ReadonlyRootfs':true,'Dns':['1.1.1.1'],"
          "'MemoryReservation':67108864}" },
        { "{'name':'c','logConfiguration':{'logDriver':'awslogs','options':{'awslogs-group':'g',"
          "'awslogs-stream-prefix':'p'}}}",
          "{}",
          "{'NetworkMode':'bridge','LogConfig':{'Type':'awslogs','Config':{'awslogs-group':'g',"
          "'awslogs-region':'us-west-2','awslogs-stream':'p/c/0123'}}}" },
        { "{'name':'c','logConfiguration':{'logDriver':'awslogs','options':{'awslogs-group':'g',"
          "'awslogs-region':'eu-west-1'}}}",
          "{}",
          "{'NetworkMode':'bridge','LogConfig':{'Type':'awslogs','Config':{'awslogs-group':'g',"
          "'awslogs-region':'eu-west-1'}}}" },
        { "{'name':'c','ulimits':[{'name':'nofile','softLimit':1,'hardLimit':2}],'extraHosts':[{"
          "'hostname':'h','ipAddress':'10.0.0.1'}],'systemControls':[{'namespace':'net.x',"
          "'value':'1'}]}",
          "{}",
          "{'NetworkMode':'bridge','Ulimits':[{'Name':'nofile','Soft':1,'Hard':2}],"
          "'ExtraHosts':['h:10.0.0.1'],'Sysctls':{'net.x':'1'}}" },
        { "{'name':'c','memory':10,'linuxParameters':{'capabilities':{'add':['NET_ADMIN'],'drop':["
          "'ALL']},'initProcessEnabled':true,'sharedMemorySize':2,'maxSwap':5,'swappiness':7,"
          "'devices':[{'hostPath':'/dev/x','permissions':['read','mknod']},{'hostPath':'/dev/y',"
          "'containerPath':'/z'}],'tmpfs':[{'containerPath':'/t','size':3,'mountOptions':['ro']"
          "}]}}",
          "{}",
          "{'NetworkMode':'bridge','CapAdd':['NET_ADMIN'],'CapDrop':['ALL'],'Init':true,"
          "'MemorySwappiness':7,'ShmSize':2097152,'MemorySwap':15728640,'Devices':[{"
          "'PathOnHost':'/dev/x','PathInContainer':'/dev/x','CgroupPermissions':'rm'},{"
          "'PathOnHost':'/dev/y','PathInContainer':'/z','CgroupPermissions':'rwm'}],"
          "'Tmpfs':{'/t':'size=3m,ro'}}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(json) struct json_t *doc = parse(cases[i].container);
        struct buf config = BUF_INIT(65536), host = BUF_INIT(65536);
        struct err e = { 0 };
        struct jcur c = jcur_root(doc, &e), none = jcur_get(&c, "absent");

        render_docker_config(&config, &c);
        render_docker_host_config(&host, &c, &none, "bridge", "us-west-2", "0123");
        assert_json(&config, cases[i].config);
        assert_json(&host, cases[i].host);
        buf_fini(&config);
        buf_fini(&host);
    }
}

static bool a_registry(void *user, const char *host, struct render_registry *out)
{
    if (!streq(host, user))
        return false;
    *out = (struct render_registry){ "210987654321", "eu-north-1", "api.test" };
    return true;
}

/* Renders and parses again. */
static struct json_t *render(const char *definition, const char *overrides,
                             const struct render_role *execution)
{
    AUTO(json) struct json_t *def_doc = parse(definition);
    AUTO(json) struct json_t *over_doc = parse(overrides);
    static const char *const arns[] = { "arn:c0", "arn:c1" };
    static char host[] = "127.0.0.1:5000";
    struct err e = { 0 }, e2 = { 0 };
    struct jcur def = jcur_root(def_doc, &e), over = jcur_root(over_doc, &e2);
    struct buf out = BUF_INIT(1 << 20);
    struct json_t *doc = NULL;
    struct jw w;

    jw_init(&w, &out);
    render_task(&w, &(const struct render_task){ .arn = TASK,
                                                 .cluster_arn = "arn:cluster",
                                                 .region = "us-west-2",
                                                 .account = "1",
                                                 .desired = "RUNNING",
                                                 .family = "f",
                                                 .revision = 7,
                                                 .group = "family:f",
                                                 .definition = &def,
                                                 .overrides = &over,
                                                 .container_arns = arns,
                                                 .execution_role = execution,
                                                 .logs_by_execution_role = true,
                                                 .find_registry = a_registry,
                                                 .find_user = host });
    assert_int_equal(json_parse(buf_text(&out), out.len, &doc, &e), ERR_OK);
    buf_fini(&out);
    return doc;
}

/* The member `path` ("containers/0/name") as compact text with single quotes. */
static void assert_at(const struct json_t *doc, const char *path, const char *want)
{
    struct jcur steps[8];
    struct err e = { 0 };
    struct buf text = BUF_INIT(65536);
    char copy[128], *save = NULL;
    size_t n = 0;

    snprintf(copy, sizeof copy, "%s", path);
    steps[n] = jcur_root(doc, &e);
    for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save), n++)
        steps[n + 1] = p[0] >= '0' && p[0] <= '9' ? jcur_at(&steps[n], (size_t)(p[0] - '0'))
                                                  : jcur_get(&steps[n], p);
    if (jcur_present(&steps[n]))
        json_dump(steps[n].val, &text);
    assert_json(&text, want);
    buf_fini(&text);
}

static void test_task(void **state)
{
    static const struct render_role role = { "id", "arn:role", "ASIA",
                                             "s",  "t",        "2026-01-02T03:04:05Z" };
    AUTO(json)
    struct json_t *doc = render(
        "{'family':'f','cpu':'512','memory':'1 GB','pidMode':'host','containerDefinitions':[{"
        "'name':'web','image':'123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1','cpu':5,"
        "'memory':64,'command':['a'],'environment':[{'name':'A','value':'1'},{'name':'B','value':"
        "'2'}],'portMappings':[{'containerPort':80,'hostPort':8080,'protocol':'tcp'},{"
        "'containerPortRange':'90-92','protocol':'udp'}],'mountPoints':[{'sourceVolume':'v',"
        "'containerPath':'/v'}],'secrets':[{'name':'S','valueFrom':"
        "'arn:aws-us-gov:secretsmanager:eu-central-1:1:secret:x'},{'name':'T','valueFrom':'/p'}],"
        "'logConfiguration':{'logDriver':'awslogs','options':{'awslogs-group':'g'},"
        "'secretOptions':[{'name':'o','valueFrom':'/q'}]},'healthCheck':{'command':['CMD','x']},"
        "'stopTimeout':5,'dependsOn':[{'containerName':'side','condition':'START'}]},"
        "{'name':'side','image':'i','memory':8,'essential':false,'logConfiguration':{"
        "'logDriver':'json-file'}}],"
        "'volumes':[{'name':'v','host':{}},{'name':'d','dockerVolumeConfiguration':{'scope':"
        "'task'}}]}",
        "{'containerOverrides':[{'name':'web','command':['b','c'],'memory':32,'environment':[{"
        "'name':'B','value':'3'},{'name':'C','value':'4'}]}]}",
        &role);
    static const char *const want[][2] = {
        { "arn", "'" TASK "'" },
        { "version", "'7'" },
        { "cpu", "0.5" },
        { "memory", "1024" },
        { "networkMode", "'bridge'" },
        { "pidMode", "'host'" },
        { "group", "'family:f'" },
        { "roleCredentials", "" },
        { "executionRoleCredentials/credentialsId", "'id'" },
        { "containers/0/containerArn", "'arn:c0'" },
        { "containers/0/essential", "true" },
        { "containers/0/memory", "32" },
        { "containers/0/command", "['a']" },
        { "containers/0/overrides", "'{\\'command\\':[\\'b\\',\\'c\\']}'" },
        { "containers/0/environment", "{'A':'1','B':'3','C':'4'}" },
        { "containers/0/portMappings",
          "[{'containerPort':80,'hostPort':8080,'protocol':'tcp'},{'containerPort':0,"
          "'containerPortRange':'90-92','hostPort':0,'protocol':'udp'}]" },
        { "containers/0/mountPoints",
          "[{'containerPath':'/v','readOnly':false,'sourceVolume':'v'}]" },
        { "containers/0/secrets/0/provider", "'asm'" },
        { "containers/0/secrets/0/region", "'eu-central-1'" },
        { "containers/0/secrets/1/provider", "'ssm'" },
        { "containers/0/secrets/1/region", "'us-west-2'" },
        { "containers/0/secrets/2/target", "'LOG_DRIVER'" },
        { "containers/0/registryAuthentication",
          "{'ecrAuthData':{'region':'eu-west-1','registryId':'123456789012',"
          "'useExecutionRole':true},'type':'ecr'}" },
        { "containers/0/healthCheckType", "'docker'" },
        { "containers/0/logsAuthStrategy", "'ExecutionRole'" },
        { "containers/0/stopTimeout", "5" },
        { "containers/0/dependsOn", "[{'condition':'START','containerName':'side'}]" },
        { "containers/1/essential", "false" },
        { "containers/1/overrides", "'{}'" },
        { "containers/1/environment", "{}" },
        { "containers/1/links", "[]" },
        { "containers/1/registryAuthentication", "" },
        { "containers/1/healthCheckType", "" },
        { "containers/1/logsAuthStrategy", "" },
        { "volumes/0", "{'host':{'sourcePath':''},'name':'v','type':'host'}" },
        { "volumes/1",
          "{'dockerVolumeConfiguration':{'scope':'task'},'name':'d','type':'docker'}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_at(doc, want[i][0], want[i][1]);
}

static void test_without_limits_and_roles(void **state)
{
    AUTO(json)
    struct json_t *doc =
        render("{'networkMode':'host','containerDefinitions':[{'name':'a','image':'i','memory':8,"
               "'logConfiguration':{'logDriver':'json-file'},"
               "'repositoryCredentials':{'credentialsParameter':'arn:aws:secretsmanager:eu-x:1:s'}"
               "}]}",
               "{}", NULL);
    static const char *const want[][2] = {
        { "cpu", "" },
        { "memory", "" },
        { "executionRoleCredentials", "" },
        { "networkMode", "'host'" },
        { "containers/0/logsAuthStrategy", "" },
        { "containers/0/registryAuthentication",
          "{'asmAuthData':{'credentialsParameter':'arn:aws:secretsmanager:eu-x:1:s','region':"
          "'eu-x'},'type':'asm'}" },
        { "volumes", "[]" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_at(doc, want[i][0], want[i][1]);
}

static void test_registries(void **state)
{
    AUTO(json)
    struct json_t *doc = render("{'containerDefinitions':[{'name':'a','image':'127.0.0.1:5000/x'},"
                                "{'name':'b','image':'127.0.0.1:5000'}]}",
                                "{}", NULL);

    (void)state;
    assert_at(doc, "containers/0/registryAuthentication",
              "{'ecrAuthData':{'endpointOverride':'api.test','region':'eu-north-1','registryId':"
              "'210987654321','useExecutionRole':false},'type':'ecr'}");
    assert_at(doc, "containers/1/registryAuthentication", "");
}

static void test_ecr_images(void **state)
{
    static const struct {
        const char *image, *id, *region; /* id NULL: not of ECR */
    } rows[] = {
        { "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1", "123456789012", "eu-west-1" },
        { "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/x", "123456789012", "cn-north-1" },
        { "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/a/b@sha256:0", "123456789012",
          "us-gov-west-1" },
        { "12345678901.dkr.ecr.eu-west-1.amazonaws.com/x", NULL, NULL },
        { "1234567890123.dkr.ecr.eu-west-1.amazonaws.com/x", NULL, NULL },
        { "123456789012.dkr.ecr.eu-west-1/x", NULL, NULL },
        { "123456789012.dkr.ecr.eu-west-1.amazonaws.com", NULL, NULL },
        { "public.ecr.aws/x/y", NULL, NULL },
        { "123456789012", NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct render_registry got;
        bool found = render_ecr_image(rows[i].image, &got);

        assert_int_equal(found, rows[i].id != NULL);
        if (found) {
            assert_string_equal(got.id, rows[i].id);
            assert_string_equal(got.region, rows[i].region);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docker_texts),
        cmocka_unit_test(test_task),
        cmocka_unit_test(test_without_limits_and_roles),
        cmocka_unit_test(test_registries),
        cmocka_unit_test(test_ecr_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
