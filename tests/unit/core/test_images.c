/* images.c: which images there are, by which names, and which are needed. */
#include "unit/core/shelf.h"

/* ---- names ---- */

static void test_names(void **state)
{
    static const struct {
        const char *text, *want, *repository;
    } rows[] = {
        { "busybox", "busybox:latest", "busybox@" },
        { "busybox:1.36", "busybox:1.36", "busybox@" },
        { "docker.io/library/busybox", "busybox:latest", "busybox@" },
        { "index.docker.io/library/busybox:1", "busybox:1", "busybox@" },
        { "library/busybox", "busybox:latest", "busybox@" },
        { "library/a/b", "library/a/b:latest", "library/a/b@" },
        { "docker.io/me/app:2", "me/app:2", "me/app@" },
        { "localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app@" },
        { "localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app@" },
        { "r.example/library/a", "r.example/library/a:latest", "r.example/library/a@" },
        { "app@sha256:1234", "app@sha256:1234", "app@" },
        { "app:1@sha256:1234", "app@sha256:1234", "app@" },
        { "r:5000/app:1@sha256:1234", "r:5000/app@sha256:1234", "r:5000/app@" },
        { "r:5000/app@sha256:1234", "r:5000/app@sha256:1234", "r:5000/app@" },
        { "sha256:1234", "sha256:1234", "sha256@" },
        { "", ":latest", "@" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *normal = image_normal_name(rows[i].text);
        char *repository = image_repository(normal);

        assert_string_equal(normal, rows[i].want);
        assert_string_equal(repository, rows[i].repository);
        free(normal);
        free(repository);
    }
}

/* ---- records ---- */

static void test_use_is_stored(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "docker.io/library/img", ID("1"));
    assert_string_equal(ctr_at(&d, "t1/a")->image_id, ID("1"));
    assert_string_equal(stored(&d, CORE_KIND_IMAGE, ID("1")),
                        json("{'v':1,'id':'sha256:1','names':['img:latest'],'size':5000000,"
                             "'pulled_at':1700000000000,'last_used':1700000000000,"
                             "'pulled':true}"));
    pass(&d, 5000);
    runs_image(&d, "t2", "other:2", ID("1")); /* another name for the same */
    assert_string_equal(stored(&d, CORE_KIND_IMAGE, ID("1")),
                        json("{'v':1,'id':'sha256:1','names':['img:latest','other:2'],"
                             "'size':5000000,'pulled_at':1700000000000,"
                             "'last_used':1700000005000,'pulled':true}"));
    drive_end(&d);
}

static void test_a_name_moves(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("old"));
    runs_image(&d, "t2", "img:latest", ID("new"));
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("old")), "\"names\":[]"));
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("new")), "[\"img:latest\"]"));
    assert_int_equal(image_find(d.core, ID("old"))->n_names, 0);
    drive_end(&d);
}

static void test_unknown_id_is_no_record(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    expect_op(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_PULL, "t1/a");
    image_is(&d, "t1/a", "");
    assert_null(ctr_at(&d, "t1/a")->image_id);
    assert_null(d.core->images->by_id);
    drive_end(&d);
}

static void test_clean_up_drops_it(void **state)
{
    struct in_use *u;
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("1"));
    runs_image(&d, "t2", "img", ID("1"));
    ends_and_goes(&d, "t1");
    u = images_in_use(d.core);
    assert_true(in_use_id(u, ID("1"))); /* the other one's */
    in_use_free(u);
    ends_and_goes(&d, "t2");
    u = images_in_use(d.core);
    assert_null(u);
    assert_int_equal(image_find(d.core, ID("1"))->last_used, d.now.wall_ms);
    assert_int_equal(image_find(d.core, ID("1"))->pulled_at, BEGIN_WALL);
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "\"last_used\":1700007200000"));
    drive_end(&d);
}

static void test_restart(void **state)
{
    struct in_use *u;
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("1"));
    runs_image(&d, "t2", "gone", ID("2"));
    ends_and_goes(&d, "t2");
    drive_crash(&d);
    assert_int_equal(HASH_COUNT(d.core->images->by_id), 2);
    assert_true(image_find(d.core, ID("1"))->pulled);
    assert_int_equal(image_find(d.core, ID("1"))->size, 5000000);
    assert_int_equal(image_find(d.core, ID("2"))->last_used, d.now.wall_ms);
    u = images_in_use(d.core);
    assert_true(in_use_id(u, ID("1")));
    assert_false(in_use_id(u, ID("2")));
    assert_true(in_use_name(u, "img:latest"));
    assert_false(in_use_name(u, "gone:latest"));
    in_use_free(u);
    drive_end(&d);
}

/* The tag named another image when it was pulled again. */
static void test_another_image_after_a_restart(void **state)
{
    struct in_use *u;
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    expect_op(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_PULL, "t1/a");
    image_is(&d, "t1/a", ID("1"));
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    fails(&d, CORE_OP_CREATE, "t1/a", ERR_RETRY, "away");
    drive_crash(&d);
    fails(&d, CORE_OP_INSPECT, "t1/a", ERR_NOT_FOUND, "it was never made");
    pass(&d, 5000);
    expect_op(&d, CORE_OP_PULL, "t1/a");
    done(&d, CORE_OP_PULL, "t1/a");
    image_is(&d, "t1/a", ID("2"));
    u = images_in_use(d.core);
    assert_false(in_use_id(u, ID("1")));
    assert_true(in_use_id(u, ID("2")));
    in_use_free(u);
    assert_int_equal(image_find(d.core, ID("1"))->last_used, d.now.wall_ms);
    assert_int_equal(image_find(d.core, ID("1"))->n_names, 0);
    drive_end(&d);
}

static void test_damaged_rows(void **state)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{",
        "{'v':1}",
        "{'v':2,'id':'x','names':[],'size':1,'pulled_at':1,'last_used':1}",
        "{'v':1,'id':'','names':[],'size':1,'pulled_at':1,'last_used':1}",
        "{'v':1,'id':'x','names':[7],'size':1,'pulled_at':1,'last_used':1}",
        "{'v':1,'id':'x','names':[],'size':-1,'pulled_at':1,'last_used':1}",
        "{'v':1,'id':'x','names':[],'size':1,'pulled_at':9e300,'last_used':1}",
        "{'v':1,'id':'x','names':[],'size':1,'pulled_at':1}",
    };
    struct core_event ev = { .type = CORE_EV_RESTORED_IMAGE };
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.core = core_create(&d.cfg);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ev.u.restored_image.value = json(rows[i]);
        drive_step(&d, &ev);
        assert_int_equal(count_actions(&d, CORE_ACT_NOTE), 1);
        assert_null(d.core->images->by_id);
    }
    ev.u.restored_image.value = json("{'v':1,'id':'x','names':[],'size':1,'pulled_at':1,"
                                     "'last_used':1}");
    drive_step(&d, &ev);
    assert_int_equal(count_actions(&d, CORE_ACT_NOTE), 0);
    drive_step(&d, &ev); /* twice */
    assert_int_equal(count_actions(&d, CORE_ACT_NOTE), 1);
    assert_int_equal(HASH_COUNT(d.core->images->by_id), 1);
    drive_end(&d);
}

/* A clock that was ahead must not keep an image for ever. */
static void test_future_times(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    remember(&d, ID("1"), -99 * HOUR, -99 * HOUR, "img:latest");
    drive_boot(&d);
    assert_int_equal(image_find(d.core, ID("1"))->pulled_at, d.now.wall_ms);
    assert_int_equal(image_find(d.core, ID("1"))->last_used, d.now.wall_ms);
    drive_end(&d);
}

/* ---- once ---- */

static void test_pulled_once(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_behavior = PULL_ONCE;
    d.image_here = false;
    drive_boot(&d);
    assert_false(images_pulled_once(d.core, "img"));
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_RUNNING);
    assert_true(images_pulled_once(d.core, "img"));
    assert_true(images_pulled_once(d.core, "docker.io/library/img:latest"));
    assert_false(images_pulled_once(d.core, "img:2"));
    drive_crash(&d);
    assert_true(images_pulled_once(d.core, "img"));
    send_task(&d, TASK("t2", C("a", "")));
    expect_op(&d, CORE_OP_INSPECT_IMAGE, "t2/a");
    drive_end(&d);
}

static void test_found_is_not_pulled(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.pull_behavior = PULL_PREFER_CACHED;
    drive_boot(&d);
    runs_image(&d, "t1", "img", ID("1"));
    assert_false(images_pulled_once(d.core, "img"));
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "\"pulled\":false"));
    drive_end(&d);
}

/* ---- in use ---- */

static bool name_used(const struct drive *d, const char *normal)
{
    struct in_use *u = images_in_use(d->core);
    bool used = in_use_name(u, normal);

    in_use_free(u);
    return used;
}

static void test_a_wish_is_use(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.cpu_units = 100;
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", ",'cpu':100")));
    assert_true(name_used(&d, "img:latest"));
    bring(&d, "t1/a", CTR_RUNNING);
    assert_true(name_used(&d, "img:latest")); /* it could be asked for again */
    send_task(&d, TASK("t2", "{'name':'a','image':'next:1','essential':true,'cpu':50}"));
    assert_true(name_used(&d, "next:1")); /* it waits for room */
    want_stopped(&d, "t2");
    assert_false(name_used(&d, "next:1"));
    want_stopped(&d, "t1");
    assert_false(name_used(&d, "img:latest")); /* but the image is held, by its id */
    assert_non_null(ctr_at(&d, "t1/a")->image_id);
    drive_end(&d);
}

/* Until it is known which image has the digest, all of its repository's may be it. */
static void test_wish_by_digest(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", "{'name':'a','image':'app@sha256:1','essential':true}"));
    assert_true(name_used(&d, "app:1"));
    assert_true(name_used(&d, "app@sha256:1"));
    assert_false(name_used(&d, "apps:1"));
    bring(&d, "t1/a", CTR_RUNNING);
    assert_false(name_used(&d, "app:1"));
    assert_true(name_used(&d, "app@sha256:1"));
    drive_end(&d);
}

/* A create that is under way goes on although the task is to stop. */
static void test_create_of_a_stopping_task(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    send_task(&d, TASK("t1", C("a", "")));
    bring(&d, "t1/a", CTR_PULLED);
    expect_op(&d, CORE_OP_CREATE, "t1/a");
    want_stopped(&d, "t1");
    assert_true(name_used(&d, "img:latest"));
    done(&d, CORE_OP_CREATE, "t1/a");
    assert_false(name_used(&d, "img:latest"));
    drive_end(&d);
}

/* ---- bounds ---- */

static void restore_many(struct drive *d, size_t n)
{
    struct core_event ev = { .type = CORE_EV_RESTORED_IMAGE };
    char text[200];

    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text,
                 "{\"v\":1,\"id\":\"sha256:m%zu\",\"names\":[\"m:%zu\"],\"size\":1,"
                 "\"pulled_at\":1,\"last_used\":%zu}",
                 i, i, 1000 + i);
        ev.u.restored_image.value = text;
        drive_step(d, &ev);
    }
}

static void test_bound_of_records(void **state)
{
    const struct core_action *gone;
    struct drive d;

    (void)state;
    drive_begin(&d);
    d.no_store = true;
    restore_many(&d, IMAGES_MAX - 1);
    runs_image(&d, "t1", "held", "sha256:held");
    image_find(d.core, "sha256:held")->last_used = 1; /* the oldest, but in use */
    assert_int_equal(HASH_COUNT(d.core->images->by_id), IMAGES_MAX);
    send_task(&d, TASK("t2", C("a", "")));
    expect_op(&d, CORE_OP_PULL, "t2/a");
    done(&d, CORE_OP_PULL, "t2/a");
    image_is(&d, "t2/a", "sha256:one-more");
    assert_int_equal(HASH_COUNT(d.core->images->by_id), IMAGES_MAX);
    gone = acted(&d, CORE_ACT_DELETE);
    assert_int_equal(gone->kind, CORE_KIND_IMAGE);
    assert_string_equal(gone->key, "sha256:m0");
    assert_non_null(image_find(d.core, "sha256:held"));
    assert_non_null(image_find(d.core, "sha256:one-more"));
    drive_end(&d);
}

static void test_bound_of_names(void **state)
{
    struct core_ctr *k;
    struct drive d;
    char name[32];

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("1"));
    k = ctr_at(&d, "t1/a");
    for (int i = 0; i < IMAGE_NAMES_MAX; i++) {
        const struct core_image image = { .id = ID("1"), .size = 1 };
        struct task_container def = *k->def;
        const struct task_container *own = k->def;

        snprintf(name, sizeof name, "img:%d", i);
        def.image = name;
        k->def = &def;
        d.core->out = &d.log; /* as in a step */
        images_used(d.core, k, &image, false);
        d.core->out = NULL;
        k->def = own;
    }
    d.over = mem_resize(d.over, d.log.n + 1, sizeof *d.over);
    assert_int_equal(image_find(d.core, ID("1"))->n_names, IMAGE_NAMES_MAX);
    assert_false(images_pulled_once(d.core, "img")); /* the oldest name */
    assert_true(images_pulled_once(d.core, "img:0"));
    assert_true(images_pulled_once(d.core, "img:99"));
    drive_end(&d);
}

/* ---- flight records ---- */

static void test_record(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("1"));
    runs_image(&d, "t2", "img", ID("2"));
    runs_image(&d, "t3", "img@sha256:55", ID("2"));
    swap_core(&d); /* compares */
    assert_int_equal(HASH_COUNT(d.core->images->by_id), 2);
    assert_true(images_pulled_once(d.core, "img@sha256:55"));
    ends_and_goes(&d, "t1");
    assert_int_equal(image_find(d.core, ID("1"))->last_used, d.now.wall_ms);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_use_is_stored),
        cmocka_unit_test(test_a_name_moves),
        cmocka_unit_test(test_unknown_id_is_no_record),
        cmocka_unit_test(test_clean_up_drops_it),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_another_image_after_a_restart),
        cmocka_unit_test(test_damaged_rows),
        cmocka_unit_test(test_future_times),
        cmocka_unit_test(test_pulled_once),
        cmocka_unit_test(test_found_is_not_pulled),
        cmocka_unit_test(test_a_wish_is_use),
        cmocka_unit_test(test_wish_by_digest),
        cmocka_unit_test(test_create_of_a_stopping_task),
        cmocka_unit_test(test_bound_of_records),
        cmocka_unit_test(test_bound_of_names),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
