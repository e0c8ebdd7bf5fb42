/* The settings of images, disks, task limits, host ports and registries. */
#include "unit/config/helper.h"

static void test_numbers_and_clamps(void **state)
{
    static const struct {
        const char *line;
        size_t field;
        int64_t want;
        const char *problem;
    } cases[] = {
#define INTERVAL "ECS_IMAGE_CLEANUP_INTERVAL"
        { INTERVAL "=10m", FIELD(image_cleanup_interval_ms), 600000, "" },
        { INTERVAL "=9m59s", FIELD(image_cleanup_interval_ms), 1800000,
          "1: " INTERVAL ": '9m59s' is below 10m0s; using 30m0s\n" },
        { INTERVAL "=0", FIELD(image_cleanup_interval_ms), 1800000, "" },
        { "ECS_IMAGE_MINIMUM_CLEANUP_AGE=1ms", FIELD(image_min_age_ms), 1, "" },
        { "ECS_IMAGE_MINIMUM_CLEANUP_AGE=-1s", FIELD(image_min_age_ms), 3600000,
          "1: ECS_IMAGE_MINIMUM_CLEANUP_AGE: '-1s' is below 0s; using 1h0m0s\n" },
        { "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE=2h", FIELD(untracked_image_min_age_ms), 7200000, "" },
        { "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE=soon", FIELD(untracked_image_min_age_ms), 3600000,
          "1: NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE: expected a duration such as 30s or 1h30m, got "
          "'soon'; using 1h\n" },
#define IMAGES "ECS_NUM_IMAGES_DELETE_PER_CYCLE"
        { IMAGES "=1", FIELD(images_per_cycle), 1, "" },
        { IMAGES "=0", FIELD(images_per_cycle), 5,
          "1: " IMAGES ": 0 is not in 1..2147483647; using 5\n" },
        { IMAGES "=-3", FIELD(images_per_cycle), 5,
          "1: " IMAGES ": -3 is not in 1..2147483647; using 5\n" },
#define OTHERS "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE"
        { OTHERS "=7", FIELD(untracked_containers_per_cycle), 7, "" },
        { OTHERS "=0", FIELD(untracked_containers_per_cycle), 5, "" },
        { OTHERS "=-2", FIELD(untracked_containers_per_cycle), -2, "" },
        { OTHERS "=few", FIELD(untracked_containers_per_cycle), 5,
          "1: " OTHERS ": expected a whole number, got 'few'; using 5\n" },
        { OTHERS "=", FIELD(untracked_containers_per_cycle), 5, "" },
#define PERIOD "ECS_CGROUP_CPU_PERIOD"
        { PERIOD "=8ms", FIELD(cgroup_cpu_period_us), 8000, "" },
        { PERIOD "=12500us", FIELD(cgroup_cpu_period_us), 12500, "" },
        { PERIOD "=100ms", FIELD(cgroup_cpu_period_us), 100000, "" },
        { PERIOD "=7999us", FIELD(cgroup_cpu_period_us), 100000,
          "1: " PERIOD ": '7999us' is below 8ms; using 100ms\n" },
        { PERIOD "=101ms", FIELD(cgroup_cpu_period_us), 100000,
          "1: " PERIOD ": '101ms' is above 100ms; using 100ms\n" },
        { PERIOD "=-1ms", FIELD(cgroup_cpu_period_us), 100000,
          "1: " PERIOD ": '-1ms' is below 8ms; using 100ms\n" },
#define PIDS "ECS_TASK_PIDS_LIMIT"
        { PIDS "=1", FIELD(task_pids_limit), 1, "" },
        { PIDS "=4194304", FIELD(task_pids_limit), 4194304, "" },
        { PIDS "=4194305", FIELD(task_pids_limit), 0,
          "1: " PIDS ": 4194305 is not in 1..4194304; ignored\n" },
        { PIDS "=0", FIELD(task_pids_limit), 0, "1: " PIDS ": 0 is not in 1..4194304; ignored\n" },
        { PIDS "=many", FIELD(task_pids_limit), 0,
          "1: " PIDS ": expected a whole number, got 'many'; ignored\n" },
        { "BERTH_PULL_PARALLEL=3", FIELD(pull_parallel), 3, "" },
        { "BERTH_PULL_PARALLEL=-1", FIELD(pull_parallel), 0,
          "1: BERTH_PULL_PARALLEL: -1 is not in 0..1000; using 0\n" },
        { "BERTH_LOG_SPOOL_MB=1", FIELD(log_spool_mb), 1, "" },
        { "BERTH_LOG_SPOOL_MB=0", FIELD(log_spool_mb), 384,
          "1: BERTH_LOG_SPOOL_MB: 0 is not in 1..1048576; using 384\n" },
        { "BERTH_DISK_CHECK_INTERVAL=1s", FIELD(disk_check_ms), 1000, "" },
        { "BERTH_DISK_CHECK_INTERVAL=10ms", FIELD(disk_check_ms), 1000,
          "1: BERTH_DISK_CHECK_INTERVAL: '10ms' is below 1s; using 1s\n" },
        { "BERTH_DISK_HIGH_WATERMARK=81", FIELD(disk_high_pct), 81, "" },
        { "BERTH_DISK_HIGH_WATERMARK=101", FIELD(disk_high_pct), 85,
          "1: BERTH_DISK_HIGH_WATERMARK: 101 is not in 1..100; using 85\n" },
        { "BERTH_DISK_LOW_WATERMARK=84", FIELD(disk_low_pct), 84, "" },
        { "BERTH_DISK_LOW_WATERMARK=-1", FIELD(disk_low_pct), 80,
          "1: BERTH_DISK_LOW_WATERMARK: -1 is not in 0..99; using 80\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        int64_t got = number_at(b.c, cases[i].field);

        if (got != cases[i].want)
            fail_msg("%s gave %lld", cases[i].line, (long long)got);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        built_fini(&b);
    }
}

static void test_watermarks_are_a_pair(void **state)
{
    static const struct {
        const char *file;
        int64_t high, low;
        const char *problem;
    } cases[] = {
        { "BERTH_DISK_HIGH_WATERMARK=50\nBERTH_DISK_LOW_WATERMARK=49\n", 50, 49, "" },
        { "BERTH_DISK_HIGH_WATERMARK=50\nBERTH_DISK_LOW_WATERMARK=50\n", 85, 80,
          "2: BERTH_DISK_LOW_WATERMARK: 50 is not below BERTH_DISK_HIGH_WATERMARK, 50; using 80 "
          "and 85\n" },
        { "BERTH_DISK_HIGH_WATERMARK=70\n", 85, 80,
          "1: BERTH_DISK_LOW_WATERMARK: 80 is not below BERTH_DISK_HIGH_WATERMARK, 70; using 80 "
          "and 85\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].file, region_only);

        assert_int_equal(b.c->disk_high_pct, cases[i].high);
        assert_int_equal(b.c->disk_low_pct, cases[i].low);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        assert_false(b.p.fatal);
        built_fini(&b);
    }
}

static void test_log_sink(void **state)
{
    static const struct {
        const char *line, *want, *problem;
    } cases[] = {
        { "", NULL, "" },
        { "BERTH_LOG_SINK=", NULL, "" },
        { "BERTH_LOG_SINK=file:/var/log/tasks", "file:/var/log/tasks", "" },
        { "BERTH_LOG_SINK=file:/data/", "file:/data", "" }, /* no path of a container */
        { "BERTH_LOG_SINK=file:/", "file:/", "" },
        { "BERTH_LOG_SINK=file:here", NULL,
          "1: BERTH_LOG_SINK: expected file:/path, got 'file:here'; ignored\n" },
        { "BERTH_LOG_SINK=/var/log", NULL,
          "1: BERTH_LOG_SINK: expected file:/path, got '/var/log'; ignored\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);

        if (cases[i].want)
            assert_string_equal(b.c->log_sink, cases[i].want);
        else
            assert_null(b.c->log_sink);
        assert_string_equal(buf_text(&b.text), cases[i].problem);
        built_fini(&b);
    }
}

static void test_log_opts(void **state)
{
    struct built b = build("ECS_LOG_DRIVER=awslogs\nECS_LOG_OPTS={\"awslogs-group\":\"agents\","
                           "\"awslogs-region\":\"eu-west-1\"}\n",
                           region_only);

    (void)state;
    assert_string_equal(buf_text(&b.text), "");
    assert_int_equal(b.c->log_opts.n, 2);
    assert_string_equal(b.c->log_opts.items[0].key, "awslogs-group");
    assert_string_equal(b.c->log_opts.items[1].value, "eu-west-1");
    built_fini(&b);
    b = build("ECS_LOG_OPTS=awslogs-group=x\n", region_only);
    assert_int_equal(b.c->log_opts.n, 0);
    assert_non_null(strstr(buf_text(&b.text), "ECS_LOG_OPTS: expected a JSON object of strings"));
    assert_false(b.p.fatal);
    built_fini(&b);
}

static void test_switches(void **state)
{
    static const struct {
        const char *line;
        size_t field;
        bool want;
        size_t problems;
    } cases[] = {
        { "ECS_DISABLE_IMAGE_CLEANUP=true", FIELD(image_cleanup_disabled), true, 0 },
        { "ECS_DISABLE_IMAGE_CLEANUP=yes", FIELD(image_cleanup_disabled), false, 1 },
        { "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP=1", FIELD(untracked_cleanup), true, 0 },
        { "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP=on", FIELD(untracked_cleanup), false, 1 },
        { "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2=t", FIELD(propagate_memory), true, 0 },
        { "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2=2", FIELD(propagate_memory), false, 1 },
        { "BERTH_LOG_ASK_BACK=false", FIELD(log_ask_back), false, 0 },
        { "BERTH_LOG_ASK_BACK=maybe", FIELD(log_ask_back), true, 1 },
        { "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG=True", FIELD(shared_volume_match_full), true, 0 },
        { "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG=x", FIELD(shared_volume_match_full), false, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);
        bool got = flag_at(b.c, cases[i].field);

        if (got != cases[i].want || b.p.n != cases[i].problems)
            fail_msg("%s gave %d: %s", cases[i].line, got, buf_text(&b.text));
        built_fini(&b);
    }
}

/* Unset differs from false and from true. */
static void test_task_limits(void **state)
{
    static const struct {
        const char *line;
        enum tristate want;
        size_t problems;
    } cases[] = {
        { "ECS_ENABLE_TASK_CPU_MEM_LIMIT=true", TRI_TRUE, 0 },
        { "ECS_ENABLE_TASK_CPU_MEM_LIMIT=0", TRI_FALSE, 0 },
        { "ECS_ENABLE_TASK_CPU_MEM_LIMIT=", TRI_UNSET, 0 },
        { "ECS_ENABLE_TASK_CPU_MEM_LIMIT=maybe", TRI_UNSET, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].line, region_only);

        assert_int_equal(b.c->task_limits, cases[i].want);
        assert_int_equal(b.p.n, cases[i].problems);
        built_fini(&b);
    }
}

static void test_port_range(void **state)
{
    static const struct {
        const char *value;
        int first, last;
    } cases[] = {
        { "49153-65535", 49153, 65535 },
        { "1-1", 1, 1 },
        { "0-10", 0, 0 },
        { "10-65536", 0, 0 },
        { "20-10", 0, 0 },
        { "20", 0, 0 },
        { "20-", 0, 0 },
        { "-20", 0, 0 },
        { "20-30-40", 0, 0 },
        { "a-b", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *line = mem_printf("ECS_DYNAMIC_HOST_PORT_RANGE=%s", cases[i].value);
        AUTO(str)
        char *problem =
            mem_printf("1: ECS_DYNAMIC_HOST_PORT_RANGE: expected a range of ports such as "
                       "49153-65535, got '%s'; ignored\n",
                       cases[i].value);
        struct built b = build(line, region_only);

        assert_int_equal(b.c->dynamic_ports.first, cases[i].first);
        assert_int_equal(b.c->dynamic_ports.last, cases[i].last);
        assert_string_equal(buf_text(&b.text), cases[i].first ? "" : problem);
        built_fini(&b);
    }
}

static void test_excluded_images(void **state)
{
    struct built b = build("ECS_EXCLUDE_UNTRACKED_IMAGE=a:1, b:2,,c\n", region_only);
    struct buf many = BUF_INIT(1 << 20);

    (void)state;
    assert_int_equal(b.c->excluded_images.n, 3);
    assert_string_equal(b.c->excluded_images.items[0], "a:1");
    assert_string_equal(b.c->excluded_images.items[1], " b:2"); /* as it stands */
    assert_string_equal(b.c->excluded_images.items[2], "c");
    built_fini(&b);
    buf_puts(&many, "ECS_EXCLUDE_UNTRACKED_IMAGE=");
    for (int i = 0; i < 1001; i++)
        buf_puts(&many, "x,");
    b = build(buf_text(&many), region_only);
    assert_int_equal(b.c->excluded_images.n, 0);
    assert_string_equal(buf_text(&b.text),
                        "1: ECS_EXCLUDE_UNTRACKED_IMAGE: more than 1000 names; ignored\n");
    built_fini(&b);
    buf_fini(&many);
}

static void test_paths(void **state)
{
    struct built b = build("ECS_CGROUP_PATH=/cg/\nBERTH_LOCAL_TASKS=tasks\n", region_only);

    (void)state;
    assert_string_equal(b.c->cgroup_path, "/cg");
    assert_string_equal(b.c->local_tasks_dir, "/etc/ecs/tasks.d");
    assert_string_equal(buf_text(&b.text), "2: BERTH_LOCAL_TASKS: expected an absolute path, got "
                                           "'tasks'; using /etc/ecs/tasks.d\n");
    built_fini(&b);
}

static void test_registries(void **state)
{
    static const struct {
        const char *file, *problem;
    } cases[] = {
        { "ECS_ENGINE_AUTH_TYPE=docker\nECS_ENGINE_AUTH_DATA={}", "" },
        { "ECS_ENGINE_AUTH_TYPE=dockercfg\nECS_ENGINE_AUTH_DATA={}", "" },
        { "ECS_ENGINE_AUTH_DATA=hunter2", "" }, /* no type, no use */
        { "ECS_ENGINE_AUTH_TYPE=docker", "" },
        { "\nECS_ENGINE_AUTH_TYPE=Docker",
          "2: ECS_ENGINE_AUTH_TYPE: expected docker or dockercfg; ignored\n" },
        { "ECS_ENGINE_AUTH_TYPE=docker\nECS_ENGINE_AUTH_DATA={\"r\":\"hunter2\"",
          "2: ECS_ENGINE_AUTH_DATA: expected a JSON object: not JSON: line 1 column 14: '}' "
          "expected; ignored\n" },
        { "ECS_ENGINE_AUTH_TYPE=docker\nECS_ENGINE_AUTH_DATA=\"hunter2\"",
          "2: ECS_ENGINE_AUTH_DATA: the quotes around the value are ignored\n2: "
          "ECS_ENGINE_AUTH_DATA: expected a JSON object: not JSON: line 1 column 6: invalid token; "
          "ignored\n" },
        { "ECS_ENGINE_AUTH_TYPE=docker\nECS_ENGINE_AUTH_DATA=[1]",
          "2: ECS_ENGINE_AUTH_DATA: expected a JSON object: expected object, got array; "
          "ignored\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].file, region_only);

        assert_string_equal(buf_text(&b.text), cases[i].problem);
        assert_false(b.p.fatal);
        built_fini(&b);
    }
}

/* Set twice, set in both places: no problem repeats what it is. */
static void test_secret_is_never_told(void **state)
{
    static const char *const env[] = { "AWS_DEFAULT_REGION=eu-west-1",
                                       "ECS_ENGINE_AUTH_DATA={hunter3}", NULL };
    struct built b = build("ECS_ENGINE_AUTH_TYPE= docker \nECS_ENGINE_AUTH_DATA={\"hunter1\"\n"
                           "ECS_ENGINE_AUTH_DATA=\"hunter2\"\n",
                           env);

    (void)state;
    assert_string_equal(b.c->engine_auth_type, "docker");
    assert_string_equal(b.c->engine_auth_data, "{hunter3}");
    assert_int_equal(b.p.n, 4); /* spaces or quotes, "set again", and no JSON */
    assert_null(strstr(buf_text(&b.text), "hunter"));
    built_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_clamps),
        cmocka_unit_test(test_watermarks_are_a_pair),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_log_sink),
        cmocka_unit_test(test_log_opts),
        cmocka_unit_test(test_task_limits),
        cmocka_unit_test(test_port_range),
        cmocka_unit_test(test_excluded_images),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_registries),
        cmocka_unit_test(test_secret_is_never_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
