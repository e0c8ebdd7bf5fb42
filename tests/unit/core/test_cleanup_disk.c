/* cleanup.c, cleanup_tell.c: the disk and its watermarks; what status says. */
#include "unit/core/shelf.h"

static void open_for_disk(struct drive *d)
{
    drive_empty(d);
    d->cfg.disk_cleanup = true;
    d->cfg.disk_high_pct = 90;
    d->cfg.disk_low_pct = 80;
    d->cfg.disk_check_ms = 30000;
}

static void test_watermarks(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    remember(&d, ID("1"), 1, 20 * MIN, "a:1"); /* young ones too */
    remember(&d, ID("2"), 1, 40 * MIN, "b:1 b:2");
    remember(&d, ID("3"), 1, 30 * MIN, "c:1");
    remember(&d, ID("4"), 1, 10 * MIN, "d:1");
    drive_boot(&d);
    looks(&d, 89, 0);
    assert_idle(&d);
    pass(&d, 29999);
    assert_idle(&d);
    pass(&d, 1);
    looks(&d, 90, 0);
    LISTS(&d, { ID("1"), 1000000, 0, { "a:1" } }, { ID("2"), 120000000, 0, { "b:1", "b:2" } },
          { ID("3"), 3000000, 0, { "c:1" } }, { ID("4"), 4000000, 0, { "d:1" } },
          { ID("u"), 1, 99 * HOUR, { "u:1" } });
    removes(&d, "b:1");
    removes(&d, "b:2");
    assert_string_equal(note(&d, "removed"),
                        "disk 90 % full: removed image b:1 (120 MB, last used 40 min ago)");
    looks(&d, 86, 0);
    refuses(&d, "c:1", ERR_CONFLICT); /* no need to look again */
    removes(&d, "a:1");
    note(&d, "disk 86 % full: removed image a:1 (1 MB, last used 20 min ago)");
    looks(&d, 80, 0); /* that is enough */
    assert_idle(&d);
    note(&d, "disk 80 % full after 2 images were removed: enough");
    assert_non_null(stored(&d, CORE_KIND_IMAGE, ID("4")));
    pass(&d, 30000);
    looks(&d, 85, 0); /* between the marks nothing begins */
    assert_idle(&d);
    drive_end(&d);
}

static void test_inodes_count(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    remember(&d, ID("1"), 1, 1, "a:1");
    drive_boot(&d);
    looks(&d, 10, 95);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "a:1");
    note(&d, "disk 95 % full: removed image a:1");
    looks(&d, 10, 20);
    assert_idle(&d);
    drive_end(&d);
}

static void test_percent(void **state)
{
    static const struct {
        struct core_disk disk;
        int want;
    } rows[] = {
        { { 0, 0, 0, 0 }, 0 },
        { { 1000, 899, 0, 0 }, 89 },
        { { 1000, 900, 0, 0 }, 90 },
        { { 1000, 2000, 0, 0 }, 100 },
        { { 1000, 0, 200, 100 }, 50 },
        { { INT64_MAX, INT64_MAX - 1, 0, 0 }, 99 },
        { { INT64_MAX, INT64_MAX / 2, 0, 0 }, 49 },
        { { 1000, -5, -1, -1 }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_in_range(disk_percent(&rows[i].disk), rows[i].want, rows[i].want + (i > 4));
}

static void test_disk_unknown(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    remember(&d, ID("1"), 1, 1, "a:1");
    drive_boot(&d);
    side_done_ok(&d, CORE_OP_LOOK_AT_DISK); /* all zero */
    assert_idle(&d);
    note(&d, "it is not kept from filling up: its size is unknown");
    pass(&d, 30000);
    looks(&d, 10, 10);
    pass(&d, 30000);
    side_fails(&d, CORE_OP_LOOK_AT_DISK, ERR_RETRY, "away");
    assert_int_equal(notes(&d, "filling up"), 1);
    for (int i = 0; i < 3; i++) {
        pass(&d, 30000);
        swap_core(&d);
        side_fails(&d, CORE_OP_LOOK_AT_DISK, ERR_IO, "no such disk");
        assert_idle(&d);
    }
    note(&d, "it is not kept from filling up: no such disk");
    assert_int_equal(notes(&d, "filling up"), 2); /* once for each time it begins */
    pass(&d, 30000);
    looks(&d, 90, 0);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "a:1");
    side_fails(&d, CORE_OP_LOOK_AT_DISK, ERR_IO, "in the middle");
    assert_idle(&d);
    drive_end(&d);
}

static void be_stuck(struct drive *d, int pct)
{
    pass(d, 30000);
    looks(d, pct, 0);
    LISTS(d, { ID("x"), 1, 99 * HOUR, { "x:1" } });
    assert_idle(d);
}

static void test_nothing_left(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    drive_boot(&d);
    looks(&d, 91, 0);
    LISTS(&d, { ID("x"), 1, 99 * HOUR, { "x:1" } });
    assert_idle(&d);
    assert_true(acted(&d, CORE_ACT_NOTE)->warning);
    assert_string_equal(acted(&d, CORE_ACT_NOTE)->value,
                        "disk 91 % full, and no image is left that may be removed; looking again "
                        "later");
    be_stuck(&d, 91); /* said already */
    be_stuck(&d, 91);
    assert_int_equal(notes(&d, "no image is left"), 1);
    be_stuck(&d, 92); /* that is news */
    assert_int_equal(notes(&d, "no image is left"), 2);
    for (int i = 0; i < 19; i++)
        be_stuck(&d, 92);
    assert_int_equal(notes(&d, "no image is left"), 2);
    be_stuck(&d, 92); /* ten minutes later */
    assert_int_equal(notes(&d, "no image is left"), 3);
    pass(&d, 30000);
    looks(&d, 50, 0);
    be_stuck(&d, 91); /* again */
    assert_int_equal(notes(&d, "no image is left"), 4);
    drive_end(&d);
}

static void test_full_and_untracked(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    d.cfg.untracked_cleanup = true;
    remember(&d, ID("1"), 9 * HOUR, 2 * HOUR, "a:1");
    drive_boot(&d);
    looks(&d, 99, 0);
    LISTS(&d, { ID("1"), 1, 9 * HOUR, { "a:1" } }, { ID("u"), 1, HOUR, { "u:1" } },
          { ID("v"), 1, 3 * HOUR, { NULL } });
    removes(&d, ID("v"));
    looks(&d, 98, 0);
    removes(&d, "a:1");
    looks(&d, 97, 0);
    removes(&d, "u:1");
    looks(&d, 96, 0);
    assert_idle(&d);
    note(&d, "disk 96 % full, and no image is left");
    drive_end(&d);
}

static void test_look_after_a_pull(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    drive_boot(&d);
    looks(&d, 10, 0);
    runs_image(&d, "t1", "img", ID("1"));
    looks(&d, 95, 0); /* at once */
    LISTS(&d, { .id = ID("1") });
    assert_idle(&d); /* it is in use */
    pass(&d, 29999);
    assert_idle(&d);
    pass(&d, 1);
    assert_true(asks(&d, CORE_OP_LOOK_AT_DISK));
    drive_end(&d);
}

/* What a container let go of meanwhile is found the next time. */
static void test_freed_by_a_task(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    d.cfg.disk_check_ms = 9 * HOUR;
    drive_boot(&d);
    looks(&d, 10, 0);
    runs_image(&d, "t1", "img", ID("1"));
    looks(&d, 10, 0);
    ends_and_goes(&d, "t1");
    pass(&d, 9 * HOUR);
    looks(&d, 95, 0);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "img:latest");
    looks(&d, 10, 0);
    assert_idle(&d);
    drive_end(&d);
}

static void test_both_kinds(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    d.cfg.image_cleanup = true;
    d.cfg.disk_check_ms = d.cfg.image_interval_ms; /* due at the same time */
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1");
    drive_boot(&d);
    looks(&d, 10, 0);
    pass(&d, d.cfg.image_interval_ms);
    assert_false(asks(&d, CORE_OP_LIST_IMAGES));
    looks(&d, 10, 0);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "a:1");
    assert_idle(&d);
    drive_end(&d);
}

/* ---- status ---- */

static void assert_status(const struct drive *d, const char *want)
{
    struct buf b = BUF_INIT(4096);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    janitor_write_status(d->core, &w);
    jw_end(&w);
    assert_string_equal(buf_text(&b), json(want));
    buf_fini(&b);
}

static void test_status(void **state)
{
    struct drive d;

    (void)state;
    open_for_disk(&d);
    remember(&d, ID("1"), HOUR, HOUR, "a:1");
    remember(&d, ID("2"), HOUR, HOUR / 2, "b:1");
    drive_boot(&d);
    runs_image(&d, "t1", "img", ID("3"));
    assert_status(&d, "{'images':{'count':3,'bytes':245000000,'removable':2,"
                      "'removable_bytes':240000000}}");
    looks(&d, 91, 50);
    LISTS(&d, { ID("1"), 120000000, 0, { "a:1" } }, { .id = ID("2") }, { .id = ID("3") });
    removes(&d, "a:1");
    looks(&d, 70, 40);
    assert_status(&d, "{'disk':{'bytes':100000,'bytes_used':70000,'inodes':5000,"
                      "'inodes_used':2000,'percent':70,'looked_ms':1700000000000},"
                      "'images':{'count':2,'bytes':125000000,'removable':1,"
                      "'removable_bytes':120000000,'last_removed':{'image':'a:1',"
                      "'bytes':120000000,'at_ms':1700000000000}}}");
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_watermarks),        BOTH(test_inodes_count),
        PLAIN(test_percent),          PLAIN(test_disk_unknown),
        BOTH(test_nothing_left),      BOTH(test_full_and_untracked),
        BOTH(test_look_after_a_pull), BOTH(test_freed_by_a_task),
        BOTH(test_both_kinds),        BOTH(test_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
