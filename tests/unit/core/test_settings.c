/* settings.c: what changes while the core runs, what stays, and its record. */
#include "unit/core/drive.h"

static void tell(struct drive *d, const struct core_config *config)
{
    struct core_event ev = { .type = CORE_EV_SETTINGS, .u.settings.config = config };

    drive_step(d, &ev);
}

static void test_timeouts_count_from_now(void **state)
{
    struct core_config to;
    struct drive d;

    (void)state;
    drive_running(&d);
    to = d.cfg;
    to.stop_timeout_ms = 7000;
    tell(&d, &to);
    want_stopped(&d, "t1");
    assert_int_equal(expect_op(&d, CORE_OP_STOP, "t1/a")->stop_timeout_s, 7);
    drive_end(&d);
}

static void test_the_host_stays(void **state)
{
    static const uint16_t ports[] = { 8080 };
    struct core_config to;
    struct drive d;

    (void)state;
    drive_begin(&d);
    to = d.cfg;
    to.cpu_units = 1;
    to.memory_mib = 1;
    to.reserved_tcp = ports;
    to.n_reserved_tcp = 1;
    to.task_cgroups = !d.cfg.task_cgroups;
    tell(&d, &to);
    assert_int_equal(d.core->cfg.cpu_units, d.cfg.cpu_units);
    assert_int_equal(d.core->capacity.cpu_total, d.cfg.cpu_units);
    assert_int_equal(d.core->cfg.memory_mib, d.cfg.memory_mib);
    assert_int_equal(d.core->cfg.task_cgroups, d.cfg.task_cgroups);
    assert_false(core_port_taken(d.core, PORT_TCP, 8080));
    drive_end(&d);
}

/* Turned off and on again: nothing is left that would ring for ever. */
static void test_clean_up_is_turned(void **state)
{
    struct core_config to;
    struct drive d;

    (void)state;
    drive_begin(&d);
    to = d.cfg;
    to.image_cleanup = to.disk_cleanup = true;
    to.image_interval_ms = 600000;
    to.disk_check_ms = 30000;
    tell(&d, &to);
    to.image_cleanup = to.disk_cleanup = false;
    tell(&d, &to);
    assert_int_equal(janitor_next_wake(d.core), -1);
    drive_end(&d);
}

static void test_excluded_images_are_copied(void **state)
{
    char name[] = "kept:1";
    const char *const images[] = { name };
    struct core_config to;
    struct drive d;

    (void)state;
    drive_begin(&d);
    to = d.cfg;
    to.excluded_images = images;
    to.n_excluded_images = 1;
    tell(&d, &to);
    name[0] = 'x';
    assert_int_equal(d.core->cfg.n_excluded_images, 1);
    assert_string_equal(d.core->cfg.excluded_images[0], "kept:1");
    drive_end(&d);
}

static void test_record(void **state)
{
    const char *const images[] = { "kept:1", "kept:2" };
    struct core_config to = { .stop_timeout_ms = 9000,
                              .ageing_ms = 1,
                              .start_parallel = 3,
                              .pull_parallel = 2,
                              .image_interval_ms = 1,
                              .disk_check_ms = 1,
                              .pull_behavior = PULL_ONCE,
                              .excluded_images = images,
                              .n_excluded_images = 2 };
    struct core_event ev = { .type = CORE_EV_SETTINGS, .u.settings.config = &to }, back;
    struct core_time when = { 5, 6 }, then;
    AUTO(buf) struct buf b = BUF_INIT(65536);
    AUTO(json) struct json_t *doc = NULL;
    struct core_event_arena *arena = NULL;
    struct err e = { 0 };
    struct jcur root;
    struct jw w;

    (void)state;
    jw_init(&w, &b);
    core_event_write(&w, when, &ev);
    assert_int_equal(json_parse(buf_text(&b), b.len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    assert_int_equal(core_event_read(&root, &then, &back, &arena, &e), ERR_OK);
    assert_int_equal(back.type, CORE_EV_SETTINGS);
    assert_int_equal(back.u.settings.config->stop_timeout_ms, 9000);
    assert_int_equal(back.u.settings.config->pull_behavior, PULL_ONCE);
    assert_int_equal(back.u.settings.config->n_excluded_images, 2);
    assert_string_equal(back.u.settings.config->excluded_images[1], "kept:2");
    core_event_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts_count_from_now),
        cmocka_unit_test(test_the_host_stays),
        cmocka_unit_test(test_clean_up_is_turned),
        cmocka_unit_test(test_excluded_images_are_copied),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
