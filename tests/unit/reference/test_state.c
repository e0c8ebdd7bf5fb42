/* state.c, translate.c: what a reference agent has left. */
#include "unit/reference/fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "reference/internal.h"

#define ARN  "arn:aws:ecs:us-west-2:123456789012:task/demo/"
#define SHOP ARN "5d9ab28dab61444fb26cad5e651bf983"
#define NOW  1767400000000

/* ---- a folder with a file in it ---- */

struct folder {
    char path[64];
};

static void folder_make(struct folder *f, struct str bytes)
{
    AUTO(str) char *name = NULL;
    int fd;

    snprintf(f->path, sizeof f->path, "/tmp/berth-unit.XXXXXX");
    assert_non_null(mkdtemp(f->path));
    name = mem_printf("%s/agent.db", f->path);
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
    close(fd);
}

static void folder_remove(struct folder *f)
{
    AUTO(str) char *name = mem_printf("%s/agent.db", f->path);

    unlink(name);
    assert_int_equal(rmdir(f->path), 0);
}

static enum err_code open_state(const struct folder *f, bool running, struct ref_state **out,
                                struct err *e)
{
    const struct ref_args args = {
        .dir = f->path, .running = running, .now_ms = NOW, .cleanup_delay_ms = 60000, .seed = 1
    };

    *e = (struct err){ 0 };
    return ref_open(&args, out, e);
}

static const struct ref_task *find(const struct ref_state *s, const char *arn)
{
    for (size_t i = 0; i < ref_task_count(s); i++)
        if (streq(ref_task_at(s, i)->arn, arn))
            return ref_task_at(s, i);
    fail_msg("%s is not there", arn);
    return NULL;
}

/* ---- the genuine file ---- */

struct whole {
    struct folder folder;
    struct ref_state *state;
};

static int set_up(void **state)
{
    struct whole *w = NEW(struct whole);
    struct str bytes = read_file("reference.db");
    struct err e;

    folder_make(&w->folder, bytes);
    free((char *)bytes.p);
    if (open_state(&w->folder, false, &w->state, &e))
        fail_msg("%s", e.msg);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct whole *w = *state;

    ref_close(w->state);
    folder_remove(&w->folder);
    free(w);
    return 0;
}

static void test_who_it_is(void **state)
{
    struct whole *w = *state;
    struct ref_others others;

    assert_string_equal(ref_meta(w->state, REF_VERSION), "1.105.1");
    assert_string_equal(ref_meta(w->state, REF_CLUSTER), "demo");
    assert_string_equal(ref_meta(w->state, REF_INSTANCE_ARN),
                        "arn:aws:ecs:us-west-2:123456789012:container-instance/demo/"
                        "0123456789abcdef0123456789abcdef");
    assert_string_equal(ref_meta(w->state, REF_INSTANCE_ID), "i-0123456789abcdef0");
    assert_string_equal(ref_meta(w->state, REF_ZONE), "us-west-2a");
    assert_string_equal(ref_meta(w->state, REF_MANIFEST_SEQ), "42");
    ref_get_others(w->state, &others);
    assert_int_equal(others.images, 1);
    assert_int_equal(others.network_interfaces, 0);
}

static void test_what_becomes_of_tasks(void **state)
{
    static const struct {
        const char *id;
        enum ref_fate fate;
        const char *why;
    } cases[] = {
        { "11111111111111111111111111111111", REF_OVER, NULL },
        { "22222222222222222222222222222222", REF_BEGINS, NULL },
        { "33333333333333333333333333333333", REF_CANNOT, "networkMode: awsvpc is not supported" },
        { "55555555555555555555555555555555", REF_STOPS, NULL },
        { "5d9ab28dab61444fb26cad5e651bf983", REF_GOES_ON, NULL },
    };
    struct whole *w = *state;

    assert_int_equal(ref_task_count(w->state), COUNT_OF(cases));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *arn = mem_printf(ARN "%s", cases[i].id);
        const struct ref_task *t = find(w->state, arn);

        assert_int_equal(t->fate, cases[i].fate);
        if (cases[i].why)
            assert_string_equal(t->why, cases[i].why);
        else
            assert_null(t->why);
        assert_true(!t->task == (t->fate == REF_CANNOT));
        assert_true(!t->state == (t->fate == REF_CANNOT));
    }
}

static void test_task_is_what_was_sent(void **state)
{
    struct whole *w = *state;
    const struct task *t = find(w->state, SHOP)->task;
    const struct task_container *web = &t->containers[0], *side = &t->containers[1];

    assert_string_equal(t->arn, SHOP);
    assert_string_equal(t->family, "shop");
    assert_string_equal(t->version, "7");
    assert_string_equal(t->service_name, "shop-svc");
    assert_string_equal(t->network_mode, "bridge");
    assert_string_equal(t->role_credentials_id, "00ad93bd-10a3-4a9c-9c46-caa549145bc9");
    assert_string_equal(t->execution_credentials_id, "911d1ea5-1b29-468a-802e-0a4479051a07");
    assert_int_equal(t->memory_mib, 256);
    assert_true(t->cpu_vcpus > 0.49 && t->cpu_vcpus < 0.51);
    assert_int_equal(t->n_containers, 2);
    assert_string_equal(web->image, "shop/web:3");
    assert_int_equal(web->stop_timeout_s, 5);
    assert_true(web->health_docker);
    assert_string_equal(web->log_driver, "awslogs");
    assert_int_equal(web->n_ports, 2);
    assert_int_equal(web->ports[1].host_port, 5353);
    assert_int_equal(web->ports[1].proto, PORT_UDP);
    /* Not what the agent itself has put there. */
    assert_int_equal(web->n_env, 1);
    assert_string_equal(web->env[0].name, "PORT");
    assert_int_equal(web->n_mounts, 1);
    assert_string_equal(side->deps[0].target == 0 ? "web" : "", "web");
    assert_int_equal(side->restart.attempt_period_s, 60);
    assert_int_equal(t->volumes[0].kind, VOLUME_TASK);
    assert_null(strstr(t->json, "KnownStatus"));
    assert_null(strstr(t->json, "metadata"));
}

static void test_state_is_what_is_known(void **state)
{
    struct whole *w = *state;
    const char *text = find(w->state, SHOP)->state;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, all, web, side, ports;

    assert_int_equal(json_parse(text, strlen(text), &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    all = jcur_arr(&root, "containers");
    web = jcur_at(&all, 0);
    side = jcur_at(&all, 1);
    ports = jcur_arr(&web, "host_ports");
    assert_int_equal(jcur_int(&root, "known", 0, 9), TASK_RUNNING);
    assert_int_equal(jcur_int(&root, "sent", 0, 9), TASK_RUNNING);
    assert_int_equal(jcur_int(&root, "desired", 0, 9), TASK_RUNNING);
    assert_int_equal(jcur_int(&root, "pull_started", 0, INT64_MAX), 1767323041000);
    assert_string_equal(jcur_str(&web, "docker_id"),
                        "e50c0157fce461fccbe774571c80848f87ff5ca786c577b8aaedebbad541d7e3");
    assert_string_equal(jcur_str(&web, "docker_name"), "ecs-shop-7-web-ccb2c49a89ada7e13d00");
    assert_string_equal(jcur_str(&web, "metadata_id"), "a303aff5-3e90-452b-bd09-4630d6b73f3e");
    assert_int_equal(jcur_int(&web, "known", 0, 9), CTR_RUNNING);
    assert_int_equal(jcur_int(&web, "sent", 0, 9), CTR_RUNNING);
    assert_int_equal(jcur_int(&web, "started", 0, INT64_MAX), 1767323045678);
    assert_int_equal(jcur_len(&ports), 2);
    for (size_t i = 0; i < 2; i++) {
        struct jcur port = jcur_at(&ports, i);

        assert_int_equal(jcur_as_int(&port, 0, UINT16_MAX), i ? 0 : 32768);
    }
    assert_int_equal(jcur_int(&side, "restarts", 0, 9), 3);
    assert_int_equal(jcur_int(&side, "restarted", 0, INT64_MAX), 1767330000000);
    assert_int_equal(e.code, ERR_OK);
}

static void test_end_is_kept(void **state)
{
    struct whole *w = *state;
    const char *text = find(w->state, ARN "11111111111111111111111111111111")->state;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, all, c;

    assert_int_equal(json_parse(text, strlen(text), &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    all = jcur_arr(&root, "containers");
    c = jcur_at(&all, 0);
    assert_int_equal(jcur_int(&root, "sent", 0, 9), TASK_STOPPED);
    assert_int_equal(jcur_int(&root, "stopped", 0, INT64_MAX), 1767323046000);
    assert_int_equal(jcur_int(&root, "cleanup_delay", 0, INT64_MAX), 60000);
    assert_int_equal(jcur_int(&c, "exit_code", 0, 9), 7);
    assert_false(jcur_bool_or(&c, "removed", true));
    assert_int_equal(e.code, ERR_OK);
}

static void test_what_stays_is_said(void **state)
{
    struct whole *w = *state;
    const struct ref_task *t = find(w->state, SHOP);

    assert_int_equal(t->n_notes, 1);
    assert_string_equal(t->notes[0], "volume ecs-shop-7-data-e89982adb0db9fee2e00 stays behind "
                                     "when the task is over");
    assert_int_equal(t->n_containers, 2);
    assert_string_equal(t->containers[1].docker_name, "ecs-shop-7-sidecar-a0ceb2b9d2b6c9ce8b01");
}

/* ---- the file is in use, or no such file ---- */

static void test_while_the_reference_runs(void **state)
{
    struct str bytes = read_file("reference.db");
    struct ref_state *s = NULL;
    struct folder f;
    struct err e;
    int fd;

    (void)state;
    folder_make(&f, bytes);
    {
        AUTO(str) char *name = mem_printf("%s/agent.db", f.path);

        fd = open(name, O_RDWR | O_CLOEXEC);
    }
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(open_state(&f, false, &s, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.msg, "is in use: the reference agent runs"));
    assert_null(s);
    assert_int_equal(open_state(&f, true, &s, &e), ERR_OK);
    assert_int_equal(ref_task_count(s), 5);
    ref_close(s);
    flock(fd, LOCK_UN);
    /* And the reference cannot start while its state is being taken over. */
    assert_int_equal(open_state(&f, false, &s, &e), ERR_OK);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    ref_close(s);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    folder_remove(&f);
    free((char *)bytes.p);
}

static void test_no_state(void **state)
{
    struct str bytes = read_file("trees.db");
    struct ref_state *s = NULL;
    struct folder f;
    struct err e;

    (void)state;
    folder_make(&f, bytes);
    assert_int_equal(open_state(&f, false, &s, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "it has no bucket 'metadata'"));
    folder_remove(&f);
    assert_int_equal(open_state(&f, false, &s, &e), ERR_NOT_FOUND);
    folder_make(&f, str_of("no database"));
    assert_int_equal(open_state(&f, false, &s, &e), ERR_INVALID);
    folder_remove(&f);
    free((char *)bytes.p);
}

/* ---- single tasks ---- */

static bool no_row(void *user, const char *task_id, const char *name, struct jcur *out)
{
    (void)user;
    (void)task_id;
    (void)name;
    (void)out;
    return false;
}

#define BOX(members) "{'Name':'c','Image':'i','Essential':true" members "}"
#define MADE         ",'RuntimeID':'12ab'"
#define RUNS         MADE ",'KnownStatus':'RUNNING'"

/* `text` has ' for ". */
static struct json_t *parse(const char *text)
{
    AUTO(str) char *json = mem_strdup(text);
    struct json_t *doc = NULL;
    struct err e = { 0 };

    for (char *p = json; *p; p++)
        if (*p == '\'')
            *p = '"';
    if (json_parse(json, strlen(json), &doc, &e))
        fail_msg("%s: %s", e.msg, json);
    return doc;
}

static enum err_code translate_with(const char *text, ref_find_fn *find_row, void *user,
                                    struct ref_task *out, struct err *e)
{
    const struct ref_args args = { .now_ms = NOW, .cleanup_delay_ms = 1, .seed = 2 };
    AUTO(json) struct json_t *doc = parse(text);
    struct err own = { 0 };
    struct jcur root = jcur_root(doc, &own);

    *e = (struct err){ 0 };
    return ref_translate(&root, &args, find_row, user, out, e);
}

static enum err_code translate(const char *text, struct ref_task *out, struct err *e)
{
    return translate_with(text, no_row, NULL, out, e);
}

#define ONE(members, containers)                                                     \
    "{'Arn':'" SHOP "','Family':'f','Version':'1','DesiredStatus':'RUNNING'" members \
    ",'Containers':[" containers "]}"

static void test_fates(void **state)
{
    static const struct {
        const char *task;
        enum ref_fate fate;
        const char *why;
    } cases[] = {
        { ONE("", BOX(RUNS)), REF_GOES_ON, NULL },
        { ONE("", BOX("")), REF_BEGINS, NULL },
        { ONE("", BOX(RUNS) ",{'Name':'d','Image':'i'}"), REF_GOES_ON, NULL },
        { ONE(",'volumes':[{'name':'v','type':'host','host':{'hostPath':'x'}}]",
              BOX(RUNS) ",{'Name':'d','Image':'i'}"),
          REF_STOPS, "the agent was replaced while the task was starting" },
        { ONE(",'volumes':[{'name':'v','type':'host','host':{'sourcePath':'/x'}}]",
              BOX(RUNS) ",{'Name':'d','Image':'i'}"),
          REF_GOES_ON, NULL },
        { ONE(",'ENI':[{'ec2Id':'e'}]", BOX(RUNS)), REF_CANNOT, "awsvpc is not supported" },
        { ONE(",'ENI':{'ec2Id':'e'}", BOX(RUNS)), REF_CANNOT, "awsvpc is not supported" },
        { ONE(",'ENI':[]", BOX(RUNS)), REF_GOES_ON, NULL },
        { ONE(",'ENI':[{'ec2Id':'e'}],'KnownStatus':'STOPPED'", BOX(MADE ",'KnownStatus':"
                                                                         "'STOPPED'")),
          REF_OVER, NULL },
        { ONE(",'ServiceConnectConfig':{}", BOX(RUNS)), REF_CANNOT, "serviceconnectdetail" },
        { ONE(",'associations':[{'type':'gpu'}]", BOX(RUNS)), REF_CANNOT, "gpu" },
        { ONE(",'volumes':[{'name':'v','type':'efs'}]", BOX(RUNS)), REF_CANNOT, "efs" },
        { ONE(",'volumes':[{'name':'v','type':'amazonebs'}],'KnownStatus':'STOPPED',"
              "'SentStatus':'STOPPED'",
              BOX(MADE ",'KnownStatus':'STOPPED'")),
          REF_LEFT, "unrecognized volume type" },
        { ONE("", BOX(RUNS ",'firelensConfiguration':{'type':'fluentd'}")), REF_CANNOT,
          "FireLens" },
        { ONE("", BOX(RUNS) ",{'Name':'~internal~ecs~pause','Image':'p','IsInternal':'CNI_PAUSE'"
                            ",'KnownStatus':'RESOURCES_PROVISIONED'}"),
          REF_CANNOT, "is the reference agent's own" },
        { ONE(",'PidMode':'task'", BOX(RUNS) ",{'Name':'~internal~ecs~pause~namespace','Image':'p'"
                                             ",'IsInternal':'NAMESPACE_PAUSE'" RUNS "}"),
          REF_GOES_ON, NULL },
        { ONE(",'IsInternal':true", BOX(RUNS)), REF_CANNOT, "the reference agent's own" },
        { ONE("", BOX(RUNS ",'portMappings':[{'ContainerPort':80,'Protocol':'sctp'}]")), REF_CANNOT,
          "unknown protocol" },
        { ONE(",'volumes':[{'name':'v','type':'host','host':{'hostPath':'x'}}]",
              BOX(RUNS ",'restartTracker':3") ",{'Name':'d','Image':'i'}"),
          REF_CANNOT, "restartTracker: expected object" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ref_task t;
        struct err e;

        if (translate(cases[i].task, &t, &e))
            fail_msg("case %zu: %s", i, e.msg);
        if (t.fate != cases[i].fate)
            fail_msg("case %zu: %s (%s), not %s", i, ref_fate_name(t.fate), t.why ? t.why : "",
                     ref_fate_name(cases[i].fate));
        if (cases[i].why)
            assert_non_null(strstr(t.why, cases[i].why));
        assert_true((t.task != NULL) == (t.fate != REF_CANNOT && t.fate != REF_LEFT));
        assert_true((t.state != NULL) == (t.task != NULL));
        if (t.fate == REF_STOPS)
            assert_int_equal(t.task->desired, TASK_STOPPED);
        ref_task_fini(&t);
    }
}

static void test_what_is_no_task(void **state)
{
    static const struct {
        const char *task, *says;
    } cases[] = {
        { "[]", "Arn" },
        { "{}", "Arn" },
        { "{'Arn':'" SHOP "','Containers':{}}", "Containers: expected array" },
        { ONE(",'KnownStatus':'HALF'", ""), "KnownStatus: unknown status 'HALF'" },
        { ONE(",'KnownStatus':3", ""), "KnownStatus: expected string" },
        { ONE("", "{'Name':'c','KnownStatus':'HALF'}"),
          "Containers[0].KnownStatus: unknown status 'HALF'" },
        { ONE("", "{}"), "Containers[0].Name: expected string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ref_task t;
        struct err e;

        assert_int_equal(translate(cases[i].task, &t, &e), ERR_INVALID);
        if (!strstr(e.msg, cases[i].says))
            fail_msg("case %zu: '%s', not '%s'", i, e.msg, cases[i].says);
        ref_task_fini(&t);
    }
}

/* Every container has this row. */
static bool one_row(void *user, const char *task_id, const char *name, struct jcur *out)
{
    const struct jcur *row = user;

    (void)task_id;
    (void)name;
    *out = *row;
    return true;
}

/* What cannot be read is no reason to go on without it, wherever it stands. */
static void test_what_cannot_be_read(void **state)
{
    static const char well[] = "{'DockerId':'12ab','Container':{'KnownStatus':'RUNNING'}}";
    static const struct {
        const char *task, *row;
        enum err_code code;
        const char *says;
    } cases[] = {
        { ONE("", BOX("")), well, ERR_OK, NULL },
        { ONE(",'credentialsID':3", BOX("")), well, ERR_OK, "credentialsID: expected string" },
        { ONE(",'IsInternal':'no'", BOX("")), well, ERR_OK, "IsInternal: expected bool" },
        { ONE(",'PullStartedAt':3", BOX("")), well, ERR_OK, "PullStartedAt: expected string" },
        { ONE("", BOX(",'dependsOn':{}")), well, ERR_OK, "dependsOn: expected array" },
        { ONE("", BOX("")), "{'DockerId':3}", ERR_INVALID, "DockerId: expected string" },
        { ONE("", BOX("")), "{'DockerId':'12ab','Container':{'KnownStatus':3}}", ERR_INVALID,
          "KnownStatus: expected string" },
        { ONE("", BOX("")), "{'DockerId':'12ab','Container':{'startedAt':3}}", ERR_OK,
          "startedAt: expected string" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(json) struct json_t *doc = parse(cases[i].row);
        struct err row_err = { 0 }, e;
        struct jcur row = jcur_root(doc, &row_err);
        struct ref_task t;
        const char *said;

        assert_int_equal(translate_with(cases[i].task, one_row, &row, &t, &e), cases[i].code);
        said = e.code ? e.msg : t.why;
        if (!said != !cases[i].says || (said && !strstr(said, cases[i].says)))
            fail_msg("case %zu: '%s'", i, said ? said : "");
        ref_task_fini(&t);
    }
}

/* The reference writes the values of secrets, and what is in environment files, among a container's
 * variables when it makes it, and keeps them so. */
static void test_secrets_stay_where_they_are(void **state)
{
#define SECRETS                                                                                  \
    ",'secrets':[{'name':'TOKEN','valueFrom':'v','type':'ENVIRONMENT_VARIABLE','provider':'ssm'" \
    "},{'name':'PLAIN','valueFrom':'v','type':'BOOTSTRAP','target':'LOG_DRIVER'}]"
#define FILES     ",'environmentFiles':[{'value':'arn:aws:s3:::b/k.env','type':'s3'}]"
#define VARIABLES ",'environment':{'TOKEN':'hush','PLAIN':'1'}"
    static const struct {
        const char *container;
        size_t n;
    } cases[] = {
        { BOX(RUNS SECRETS VARIABLES), 1 },
        { BOX(RUNS FILES VARIABLES), 0 },
        { BOX(",'KnownStatus':'STOPPED'" FILES VARIABLES), 0 },
        { BOX(FILES VARIABLES), 2 }, /* not made: they are what was sent */
        { BOX(RUNS VARIABLES), 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *text = mem_printf(ONE("", "%s"), cases[i].container);
        struct ref_task t;
        struct err e;

        assert_int_equal(translate(text, &t, &e), ERR_OK);
        if (!t.task)
            fail_msg("case %zu: %s", i, t.why);
        assert_int_equal(t.task->containers[0].n_env, cases[i].n);
        if (cases[i].n == 1)
            assert_string_equal(t.task->containers[0].env[0].name, "PLAIN");
        assert_true((strstr(t.task->json, "hush") != NULL) == (cases[i].n == 2));
        ref_task_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_becomes_of_tasks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_task_is_what_was_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_is_what_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_stays_is_said, set_up, tear_down),
        cmocka_unit_test(test_while_the_reference_runs),
        cmocka_unit_test(test_no_state),
        cmocka_unit_test(test_fates),
        cmocka_unit_test(test_what_is_no_task),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_secrets_stay_where_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
