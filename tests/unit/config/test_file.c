#include "unit/config/helper.h"

static void test_lines(void **state)
{
    static const struct {
        const char *text, *cluster, *problems;
    } cases[] = {
        { "ECS_CLUSTER=web", "web", "" },
        { "\n\r\n  ECS_CLUSTER=web \r\n", "web", "" },
        { "# a comment without the sign\n#ECS_CLUSTER=no\nECS_CLUSTER=web\n", "web", "" },
        { "ECS_CLUSTER=a=b", "a=b", "" },
        { "ECS_CLUSTER=\"web\"", "web",
          "1: ECS_CLUSTER: the quotes around the value are ignored\n" },
        { "\nECS_CLUSTER='web'", "web",
          "2: ECS_CLUSTER: the quotes around the value are ignored\n" },
        { "ECS_CLUSTER=\"web'", "\"web'", "" },
        { "ECS_CLUSTER=\"", "\"", "" },
        { "export ECS_CLUSTER=web", "web", "1: ECS_CLUSTER: 'export' is not needed; ignored\n" },
        { "exported=1\nECS_CLUSTER=web", "web", "" },
        { "ECS_CLUSTER = web", "web", "1: ECS_CLUSTER: spaces around '=' are ignored\n" },
        { "ECS_CLUSTER=one\nECS_CLUSTER=two", "two",
          "2: ECS_CLUSTER: set again; line 1 has no effect\n" },
        { "ECS_CLUSTER\n=web\n", "default",
          "1: expected NAME=VALUE; line ignored\n2: no name before '='; line ignored\n" },
        { "ECS_CLUSER=web", "default", "1: ECS_CLUSER: unknown, did you mean ECS_CLUSTER?\n" },
        { "BERTH_SOKET=/x", "default", "1: BERTH_SOKET: unknown, did you mean BERTH_SOCKET?\n" },
        { "ECS_ENABLE_GPU_SUPORT=true", "default",
          "1: ECS_ENABLE_GPU_SUPORT: unknown, did you mean ECS_ENABLE_GPU_SUPPORT?\n" },
        { "ECS_ZZ=1", "default", "1: ECS_ZZ: unknown, ignored\n" },
        { "\xEF\xBB\xBF"
          "ECS_CLUSTER=web",
          "web", "1: the file begins with a byte order mark; ignored\n" },
        { "ecs_cluster=web", "default", "1: ecs_cluster: unknown, did you mean ECS_CLUSTER?\n" },
        { "ECS_CLUSTER=web # ours", "web # ours",
          "1: ECS_CLUSTER: a comment has a line of its own; here # is part of the value\n" },
        { "ECS_CLUSTER=web#1", "web#1", "" },
        { "AWS_REGION=eu-west-1", "default", "1: AWS_REGION: not read; set AWS_DEFAULT_REGION\n" },
        { "AWS_DEFALT_REGION=x\nAWS_PAGER=less", "default",
          "1: AWS_DEFALT_REGION: unknown, did you mean AWS_DEFAULT_REGION?\n" },
        { "BERTH_INSTANCE_CONFIG=/x", "default",
          "1: BERTH_INSTANCE_CONFIG: read from the environment only; line ignored\n" },
        { "HTTPS_PROXY=http://proxy\nAWS_ACCESS_KEY_ID=x\nFOO=bar\n", "default", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built b = build(cases[i].text, region_only);

        assert_string_equal(b.c->cluster, cases[i].cluster);
        assert_string_equal(buf_text(&b.text), cases[i].problems);
        assert_false(b.p.fatal);
        built_fini(&b);
    }
}

static void test_secrets_stay_out_of_problems(void **state)
{
    struct built b = build("ECS_ENGINE_AUTH_DATA={\"r\":{\"password\":\"hunter2\"}}\n"
                           "ECS_ENGINE_AUTHDATA=hunter2\nhunter2\n",
                           region_only);

    (void)state;
    assert_int_equal(b.p.n, 2);
    assert_null(strstr(buf_text(&b.text), "hunter2"));
    built_fini(&b);

    /* One that was broken into lines. */
    b = build("ECS_ENGINE_AUTH_DATA={\"r\":\n{\"password\":\"hunter2 = x\"}}\n", region_only);
    assert_string_equal(buf_text(&b.text), "2: expected NAME=VALUE; line ignored\n");
    built_fini(&b);
}

static void test_not_a_text_file(void **state)
{
    static const char text[] = "ECS_CLUSTER=web\nECS\0_CLUSTER=web\n";
    struct built b = build_n(text, sizeof text - 1, region_only);
    char *big = mem_alloc(CONFIG_FILE_MAX + 2);

    (void)state;
    assert_string_equal(buf_text(&b.text), "2!: a NUL byte; expected a text file of settings\n");
    built_fini(&b);
    memset(big, '\n', CONFIG_FILE_MAX + 1);
    b = build_n(big, CONFIG_FILE_MAX, region_only);
    assert_int_equal(b.p.n, 0);
    built_fini(&b);
    b = build_n(big, CONFIG_FILE_MAX + 1, region_only);
    assert_string_equal(buf_text(&b.text),
                        "0!: the file is over 1 MiB; expected a file of settings\n");
    built_fini(&b);
    free(big);
}

static void test_problems_are_bounded(void **state)
{
    struct buf file = BUF_INIT(1 << 20);
    struct built b;

    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_puts(&file, "nonsense\n");
    buf_puts(&file, "ECS_INSTANCE_ATTRIBUTES=[]\n");
    b = build(buf_text(&file), region_only);
    assert_in_range(b.p.n, 100, 202);
    assert_true(b.p.fatal); /* what matters is not lost in the crowd */
    assert_string_equal(b.p.items[b.p.n - 2].text, "there are more problems than these");
    assert_string_equal(b.p.items[b.p.n - 1].text, "ECS_INSTANCE_ATTRIBUTES: expected a JSON "
                                                   "object of strings, got '[]'");
    built_fini(&b);
    buf_fini(&file);
}

static void test_os_family(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "ID=debian\nVERSION_ID=\"12\"\n", "debian_12" },
        { "NAME=\"Amazon Linux\"\nVERSION_ID=\"2023\"\nID=\"amzn\"", "amzn_2023" },
        { "ID=arch\n", "linux" },
        { "VERSION_ID=1\nID_LIKE=debian\n", "linux" },
        { "", "linux" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *got = config_os_family(cases[i].text);

        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),           cmocka_unit_test(test_secrets_stay_out_of_problems),
        cmocka_unit_test(test_not_a_text_file), cmocka_unit_test(test_problems_are_bounded),
        cmocka_unit_test(test_os_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
