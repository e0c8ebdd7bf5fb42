/* cleanup.c, cleanup_seen.c, cleanup_record.c: what the janitor removes by age, what it never
 * removes, and that it can be interrupted anywhere. */
#include "unit/core/shelf.h"

/* ---- when ---- */

static void test_off(void **state)
{
    struct drive d;

    (void)state;
    drive_empty(&d);
    d.cfg.untracked_cleanup = true; /* a part of the cleanup, which is off */
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1");
    drive_boot(&d);
    pass(&d, 9 * HOUR);
    assert_idle(&d);
    assert_int_equal(d.timer_at, -1);
    drive_end(&d);
}

static void test_interval(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    drive_boot(&d);
    assert_idle(&d);
    pass(&d, d.cfg.image_interval_ms - 1);
    assert_idle(&d);
    pass(&d, 1);
    assert_int_equal(side_op(&d, CORE_OP_LIST_IMAGES)->timeout_ms, 60000);
    LISTS(&d, { .id = ID("x") });
    assert_idle(&d);
    pass(&d, d.cfg.image_interval_ms - 1);
    assert_idle(&d);
    pass(&d, 1);
    assert_true(asks(&d, CORE_OP_LIST_IMAGES));
    pass(&d, 10 * d.cfg.image_interval_ms); /* one operation at a time */
    LISTS(&d, { .id = ID("x") });
    assert_true(asks(&d, CORE_OP_LIST_IMAGES)); /* and not all that were missed */
    LISTS(&d, { .id = ID("x") });
    assert_idle(&d);
    drive_end(&d);
}

static void test_engine_away(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1");
    drive_boot(&d);
    to_cycle(&d);
    side_fails(&d, CORE_OP_LIST_IMAGES, ERR_RETRY, "no answer");
    assert_idle(&d);
    pass(&d, 59999);
    assert_idle(&d);
    pass(&d, 1);
    LISTS(&d, { .id = ID("1") });
    refuses(&d, "a:1", ERR_RETRY);
    assert_idle(&d);
    pass(&d, 60000);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "a:1");
    drive_end(&d);
}

/* ---- by age ---- */

static void test_least_recently_used_first(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    d.cfg.images_per_cycle = 2;
    remember(&d, ID("1"), 9 * HOUR, 2 * HOUR, "a:1");
    remember(&d, ID("2"), 9 * HOUR, 4 * HOUR, "b:1");
    remember(&d, ID("3"), 9 * HOUR, 3 * HOUR, "c:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { ID("1"), 7000000, 0, { "a:1" } }, { ID("2"), 120000000, 0, { "b:1" } },
          { ID("3"), 20000000000, 0, { "c:1" } });
    removes(&d, "b:1");
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("2")));
    assert_string_equal(note(&d, "removed"),
                        "cleanup: removed image b:1 (120 MB, last used 4 h ago)");
    removes(&d, "c:1");
    note(&d, "removed image c:1 (20 GB, last used 3 h ago)");
    assert_idle(&d); /* two of a cycle */
    to_cycle(&d);
    LISTS(&d, { ID("1"), 7000000, 0, { "a:1" } });
    removes(&d, "a:1");
    assert_idle(&d);
    assert_null(d.core->images->by_id);
    drive_end(&d);
}

static void test_min_age(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    d.cfg.image_min_age_ms = 2 * HOUR;
    remember(&d, ID("1"), 90 * MIN, 90 * MIN, "a:1"); /* 2 h at the first cycle */
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    assert_idle(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    removes(&d, "a:1");
    drive_end(&d);
}

static void test_names_one_by_one(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1 c:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { ID("1"), 1, 0, { "a:1", "b:1", "c:1", "somebody:else" } });
    removes(&d, "a:1");
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "[\"b:1\",\"c:1\"]"));
    refuses(&d, "b:1", ERR_NOT_FOUND); /* as good as removed */
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "[\"c:1\"]"));
    removes(&d, "c:1");
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("1")));
    assert_idle(&d);
    assert_int_equal(notes(&d, "removed image"), 1);
    drive_end(&d);
}

static void test_refusal_drops_it_for_this_cycle(void **state)
{
    static const struct {
        enum err_code code;
        size_t notes;
    } rows[] = { { ERR_CONFLICT, 0 }, { ERR_IO, 1 }, { ERR_TIMEOUT, 1 }, { ERR_DENIED, 1 } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct drive d;

        open_shop(&d);
        remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1");
        remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "c:1");
        drive_boot(&d);
        to_cycle(&d);
        LISTS(&d, { .id = ID("1") }, { .id = ID("2") });
        refuses(&d, "a:1", rows[i].code);
        assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "[\"a:1\",\"b:1\"]"));
        assert_int_equal(notes(&d, "image a:1 could not be removed, kept for now: it says no"),
                         rows[i].notes);
        removes(&d, "c:1");
        assert_idle(&d);
        to_cycle(&d);
        LISTS(&d, { .id = ID("1") });
        removes(&d, "a:1");
        removes(&d, "b:1");
        drive_end(&d);
    }
}

/* Its name went to a newer image: it is removed by its id. */
static void test_nameless(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "");
    remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") }, { ID("2"), 1, 0, { "somebody:named" } });
    /* The second is somebody else's now. */
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("2")));
    removes(&d, ID("1"));
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("1")));
    assert_idle(&d);
    drive_end(&d);
}

/* Somebody gave a tag to another image: that one is not ours to remove. */
static void test_lost_tags(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1 r@sha256:7");
    remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "c:1");
    remember(&d, ID("3"), 9 * HOUR, 7 * HOUR, "d:1");
    drive_boot(&d);
    runs_image(&d, "t1", "held:1", ID("4"));
    to_cycle(&d);
    LISTS(&d, { ID("1"), 1, 0, { "b:1" } }, { ID("2"), 1, 0, { "their:1" } },
          { ID("3"), 1, 0, { "" } }, { ID("4"), 1, 0, { "" } });
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "[\"b:1\",\"r@sha256:7\"]"));
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("2")));
    /* What is in use may have got its name after the list was made. */
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("4")), "[\"held:1\"]"));
    removes(&d, "b:1");
    removes(&d, "r@sha256:7");
    removes(&d, ID("3"));
    assert_idle(&d);
    drive_end(&d);
}

static void test_absent_is_forgotten(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 0, 0, "a:1");
    drive_boot(&d);
    runs_image(&d, "t1", "held", ID("held"));
    to_cycle(&d);
    lists(&d, NULL, 0);
    assert_null(stored(&d, CORE_KIND_IMAGE, ID("1")));
    assert_non_null(stored(&d, CORE_KIND_IMAGE, ID("held")));
    drive_end(&d);
}

/* ---- what stays, whoever asks ---- */

static void test_what_stays(void **state)
{
    static const char *const excluded[] = { "keep", "docker.io/library/tool:2" };

    (void)state;
    for (int full = 0; full < 2; full++) { /* by age, and because the disk is full */
        struct drive d;

        open_shop(&d);
        d.cfg.image_cleanup = !full;
        d.cfg.disk_cleanup = full;
        d.cfg.excluded_images = excluded;
        d.cfg.n_excluded_images = COUNT_OF(excluded);
        d.cfg.cleanup_wait_ms = 99 * HOUR;
        d.cfg.cpu_units = 1000;
        remember(&d, ID("keep"), 99 * HOUR, 99 * HOUR, "keep:latest");
        remember(&d, ID("tool"), 99 * HOUR, 99 * HOUR, "other:1 tool:2");
        remember(&d, ID("named"), 99 * HOUR, 99 * HOUR, "named:1");
        remember(&d, ID("pause"), 99 * HOUR, 99 * HOUR, "amazon/amazon-ecs-pause:0.1.0");
        remember(&d, ID("agent"), 99 * HOUR, 99 * HOUR, "amazon/amazon-ecs-agent:latest");
        remember(&d, ID("queued"), 99 * HOUR, 99 * HOUR, "queued:latest");
        remember(&d, ID("pulled"), 99 * HOUR, 99 * HOUR, "pulled:1");
        remember(&d, ID("tagged"), 99 * HOUR, 99 * HOUR, "tagged:1");
        remember(&d, ID("digest"), 99 * HOUR, 99 * HOUR, "digest:1");
        remember(&d, ID("goes"), 99 * HOUR, HOUR, "goes:1");
        drive_boot(&d);
        if (full)
            looks(&d, 10, 10);
        runs_image(&d, "run", "running", ID("running"));
        runs_image(&d, "old", "ended", ID("ended"));
        exits(&d, "old/a", 0); /* its container is still there */
        assert_int_equal(find_task(d.core, ARN("old"))->known, TASK_STOPPED);
        send_task(&d, TASK("p", "{'name':'a','image':'pulled:1','essential':true,'cpu':900}"));
        expect_op(&d, CORE_OP_PULL, "p/a");
        send_task(&d, TASK("q", "{'name':'a','image':'queued','essential':true,'cpu':900}"));
        assert_null(pending_op(&d, "q/a"));
        send_task(&d, TASK("x", "{'name':'a','image':'digest@sha256:d','essential':true}"));
        send_task(&d, TASK("y", "{'name':'a','image':'by-user:7','essential':true}"));
        for (int asked = full; asked >= 0; asked--) {
            if (full && !asks(&d, CORE_OP_LOOK_AT_DISK))
                pass(&d, 30000);
            if (full)
                looks(&d, asked ? 10 : 90, 10);
        }
        if (!full)
            to_cycle(&d);
        LISTS(&d, { .id = ID("keep") }, { .id = ID("tool") },
              { ID("named"), 1, 0, { "named:1", "keep:latest" } }, { .id = ID("pause") },
              { .id = ID("agent") }, { .id = ID("queued") }, { .id = ID("pulled") },
              { ID("tagged"), 1, 0, { "tagged:1", "by-user:7" } }, { .id = ID("digest") },
              { .id = ID("running") }, { .id = ID("ended") }, { .id = ID("goes") });
        removes(&d, "goes:1");
        if (full)
            looks(&d, 89, 10);
        assert_idle(&d);
        assert_int_equal(HASH_COUNT(d.core->images->by_id), 11);
        drive_end(&d);
    }
}

/* ---- somebody wants it in the middle ---- */

static void test_container_waits_for_a_removal(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "img:latest");
    remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "other:1");
    drive_boot(&d);
    to_cycle(&d);
    assert_false(images_leaving(d.core, "img"));
    LISTS(&d, { ID("1"), 1, 0, { "img:latest", "alias:3" } }, { .id = ID("2") });
    assert_removing(&d, "img:latest");
    assert_true(images_leaving(d.core, "img"));
    assert_true(images_leaving(d.core, "docker.io/library/img:latest"));
    assert_true(images_leaving(d.core, "img@sha256:77")); /* it may be this one */
    assert_true(images_leaving(d.core, "alias:3"));
    assert_true(images_leaving(d.core, ID("1")));
    assert_false(images_leaving(d.core, "img:2"));
    assert_false(images_leaving(d.core, "other:1"));
    send_task(&d, TASK("t1", C("a", "")));
    assert_null(pending_op(&d, "t1/a"));
    removes(&d, "img:latest");
    assert_false(images_leaving(d.core, "img"));
    assert_true(images_leaving(d.core, "other:1")); /* the next one */
    pass(&d, 1000);
    expect_op(&d, CORE_OP_PULL, "t1/a");
    bring(&d, "t1/a", CTR_RUNNING);
    drive_end(&d);
}

static void test_a_wish_ends_a_removal(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 img:latest");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    assert_removing(&d, "a:1");
    send_task(&d, TASK("t1", C("a", "")));
    removes(&d, "a:1");
    assert_idle(&d); /* the other name stays */
    assert_non_null(strstr(stored(&d, CORE_KIND_IMAGE, ID("1")), "[\"img:latest\"]"));
    pass(&d, 1000);
    bring(&d, "t1/a", CTR_RUNNING);
    assert_int_equal(notes(&d, "removed image"), 0);
    drive_end(&d);
}

/* An image that lost its name may be the one that a digest means. */
static void test_digest_and_nameless(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "");
    remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "");
    d.cfg.images_per_cycle = 1;
    drive_boot(&d);
    send_task(&d, TASK("t1", "{'name':'a','image':'app@sha256:1','essential':true}"));
    expect_op(&d, CORE_OP_PULL, "t1/a");
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") }, { .id = ID("2") });
    assert_idle(&d);
    bring(&d, "t1/a", CTR_RUNNING);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") }, { .id = ID("2") }, { .id = ID("of-app@sha256:1") });
    assert_removing(&d, ID("1"));
    assert_true(images_leaving(d.core, "app@sha256:2"));
    assert_false(images_leaving(d.core, "app:2"));
    removes(&d, ID("1"));
    assert_false(images_leaving(d.core, "app@sha256:2"));
    /* A tag whose digest is known is the same. */
    d.manifests_by_hand = true;
    d.registry_digest = "sha256:3";
    send_task(&d, TASK("t2", C("a", "")));
    done(&d, CORE_OP_MANIFEST, "t2/a");
    expect_op(&d, CORE_OP_PULL, "t2/a");
    to_cycle(&d);
    LISTS(&d, { .id = ID("2") });
    assert_idle(&d);
    assert_non_null(image_find(d.core, ID("2")));
    drive_end(&d);
}

/* A container that could not be pulled has ended, while its task goes on. */
static void test_ended_beside_others(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "side:2");
    remember(&d, ID("2"), 9 * HOUR, 8 * HOUR, "");
    drive_boot(&d);
    d.manifests_by_hand = true;
    d.registry_digest = "sha256:3";
    send_task(&d, TASK("t1", C("a", "") ",{'name':'b','image':'side:1'}"));
    done(&d, CORE_OP_MANIFEST, "t1/b");
    fails(&d, CORE_OP_PULL, "t1/b", ERR_DENIED, "denied");
    fails(&d, CORE_OP_INSPECT_IMAGE, "t1/b", ERR_NOT_FOUND, "no such image");
    bring(&d, "t1/a", CTR_RUNNING);
    assert_int_equal(ctr_at(&d, "t1/b")->known, CTR_STOPPED);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") }, { .id = ID("2"), .names = { "" } });
    removes(&d, "side:2");
    removes(&d, ID("2"));
    drive_end(&d);
}

/* A container that is pulling waits for nobody, and the janitor goes on beside it. */
static void test_pulls_go_on(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    assert_removing(&d, "a:1");
    send_task(&d, TASK("t1", C("a", "")));
    expect_op(&d, CORE_OP_PULL, "t1/a");
    removes(&d, "a:1");
    expect_op(&d, CORE_OP_PULL, "t1/a");
    drive_end(&d);
}

/* ---- restart, records ---- */

static void test_restart(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1");
    drive_boot(&d);
    runs_image(&d, "t1", "img", ID("2"));
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") }, { .id = ID("2") });
    removes(&d, "a:1");
    assert_removing(&d, "b:1");
    drive_crash(&d);
    assert_idle(&d);
    pass(&d, d.cfg.image_interval_ms - 1);
    done(&d, CORE_OP_INSPECT, "t1/a");
    assert_idle(&d);
    pass(&d, 1);
    LISTS(&d, { .id = ID("1") }, { .id = ID("2") });
    removes(&d, "b:1"); /* from where it was; and the other is in use */
    assert_idle(&d);
    drive_end(&d);
}

/* An operation under way when everything ends leaks nothing. */
static void test_end_in_the_middle(void **state)
{
    struct drive d;

    (void)state;
    open_shop(&d);
    d.cfg.untracked_cleanup = true;
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { ID("1"), 1, 1, { "a:1" } });
    swap_core(&d);
    assert_removing(&d, "a:1");
    drive_end(&d);
}

static void test_late_answer(void **state)
{
    struct core_event ev = { .type = CORE_EV_OP_DONE };
    struct drive d;

    (void)state;
    open_shop(&d);
    drive_boot(&d);
    to_cycle(&d);
    ev.u.op.id = side_op(&d, CORE_OP_LIST_IMAGES)->id;
    lists(&d, NULL, 0);
    drive_step(&d, &ev); /* a second one */
    assert_idle(&d);
    drive_end(&d);
}

static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_damaged_records(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "\"job\":1", "\"job\":0" },
        { "\"job\":1", "\"job\":7" },
        { "\"at\":0", "\"at\":2" },
        { "\"at\":0", "\"at\":-1" },
        { "\"victim\":", "\"nobody\":" },
        { "\"part\":0", "\"part\":3" },
        { "\"others\":[],\"other\":0", "\"others\":[],\"other\":1" },
        { "\"names\":[\"a:1\",\"b:1\"],\"at\"", "\"names\":[1,2],\"at\"" },
        { "\"seen\":[", "\"seen\":[{\"id\":\"sha256:1\",\"names\":[],\"size\":1,\"created\":1}," },
        { "\"full_pct\":0", "\"full_pct\":101" },
        { "\"images\":[", "\"images\":[7," },
    };
    char *good, id[40];
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 9 * HOUR, 9 * HOUR, "a:1 b:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    good = saved_text(d.core);
    snprintf(id, sizeof id, "\"op_id\":%" PRIu64,
             d.core->janitor->op.id); /* first in the record: there are no tasks */
    for (size_t i = 0; i <= COUNT_OF(rows); i++) {
        char *bad = i < COUNT_OF(rows) ? edited(good, rows[i].from, rows[i].to)
                                       : edited(good, id, "\"op_id\":0");
        struct core *twin = NULL;
        struct err e = { 0 };

        if (!load_text(bad, &twin, &e))
            fail_msg("row %zu was taken", i);
        assert_null(twin);
        free(bad);
    }
    free(good);
    drive_end(&d);
}

static void test_many_images(void **state)
{
    enum { N = 20010 };
    struct core_image *images = mem_array(N, sizeof *images);
    char(*ids)[24] = mem_array(N, sizeof *ids);
    struct core_event ev = { 0 };
    struct drive d;

    (void)state;
    open_shop(&d);
    remember(&d, ID("1"), 0, 0, "a:1"); /* may be among those that are not looked at */
    drive_boot(&d);
    to_cycle(&d);
    for (size_t i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "sha256:%zu-", i);
        images[i].id = ids[i];
    }
    ev.u.op.images = images;
    ev.u.op.n_images = N;
    side_answer(&d, CORE_OP_LIST_IMAGES, &ev);
    assert_idle(&d);
    assert_non_null(stored(&d, CORE_KIND_IMAGE, ID("1")));
    free(images);
    free(ids);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(test_off),
        BOTH(test_interval),
        BOTH(test_engine_away),
        BOTH(test_least_recently_used_first),
        BOTH(test_min_age),
        BOTH(test_names_one_by_one),
        BOTH(test_refusal_drops_it_for_this_cycle),
        BOTH(test_nameless),
        BOTH(test_lost_tags),
        BOTH(test_absent_is_forgotten),
        BOTH(test_what_stays),
        BOTH(test_container_waits_for_a_removal),
        BOTH(test_a_wish_ends_a_removal),
        BOTH(test_digest_and_nameless),
        BOTH(test_ended_beside_others),
        BOTH(test_pulls_go_on),
        BOTH(test_restart),
        PLAIN(test_end_in_the_middle),
        PLAIN(test_late_answer),
        PLAIN(test_damaged_records),
        PLAIN(test_many_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
