/* cleanup_others.c, cleanup.c: containers and images that no task brought. */
#include "unit/core/shelf.h"

/* ---- what no task brought ---- */

static void open_for_strangers(struct drive *d)
{
    open_shop(d);
    d->cfg.untracked_cleanup = true;
}

static void lists_others(struct drive *d, const struct core_other *rows, size_t n)
{
    struct core_event ev = { 0 };

    ev.u.op.others = rows;
    ev.u.op.n_others = n;
    answer_op(d, CORE_OP_LIST_OTHERS, &ev);
}

/* Made and ended so long ago; ended_ago 0: it never ran. */
static void inspects(struct drive *d, const char *id, int64_t made_ago, int64_t ended_ago)
{
    struct ctr_facts f = { .status = ended_ago ? CTR_STOPPED : CTR_CREATED,
                           .created_ms = d->now.wall_ms - made_ago,
                           .finished_ms = ended_ago ? d->now.wall_ms - ended_ago : 0 };
    struct core_event ev = { 0 };

    assert_non_null(side_op(d, CORE_OP_INSPECT_OTHER));
    assert_string_equal(side_op(d, CORE_OP_INSPECT_OTHER)->ref, id);
    ev.u.op.facts = &f;
    answer_op(d, CORE_OP_INSPECT_OTHER, &ev);
}

static void removes_other(struct drive *d, const char *id, enum err_code code)
{
    struct core_event ev = { 0 };

    assert_non_null(side_op(d, CORE_OP_REMOVE_OTHER));
    assert_string_equal(side_op(d, CORE_OP_REMOVE_OTHER)->ref, id);
    if (code)
        err_set(&ev.u.op.err, code, "it says no");
    answer_op(d, CORE_OP_REMOVE_OTHER, &ev);
}

static void test_strangers(void **state)
{
    struct core_other rows[] = { { "i1", "old", "exited" },    { "i2", "young", "exited" },
                                 { "i3", "busy", "running" },  { "i4", "never", "created" },
                                 { "i5", "fresh", "created" }, { "i6", "corpse", "dead" },
                                 { "i7", "still", "paused" },  { NULL, "ours", "exited" },
                                 { "i9", NULL, "exited" } };
    char *id, *name;
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    d.cfg.cleanup_wait_ms = 3 * HOUR;
    drive_boot(&d);
    runs_image(&d, "t1", "img", ID("1"));
    id = mem_strdup(ctr_at(&d, "t1/a")->docker_id);
    rows[7].id = id;
    name = mem_strdup(ctr_at(&d, "t1/a")->docker_name);
    rows[8].name = name;
    to_cycle(&d);
    LISTS(&d, { .id = ID("1") });
    lists_others(&d, rows, COUNT_OF(rows));
    inspects(&d, "i1", 9 * HOUR, 3 * HOUR + 1);
    removes_other(&d, "i1", ERR_OK);
    note(&d, "cleanup: removed container old, which no task owns");
    inspects(&d, "i2", 9 * HOUR, 3 * HOUR);
    inspects(&d, "i4", 3 * HOUR + 1, 0);
    removes_other(&d, "i4", ERR_NOT_FOUND);
    inspects(&d, "i5", 3 * HOUR, 0); /* it may be started yet */
    inspects(&d, "i6", 9 * HOUR, 4 * HOUR);
    removes_other(&d, "i6", ERR_IO);
    note(&d, "container corpse could not be removed, kept for now: it says no");
    assert_true(asks(&d, CORE_OP_LIST_IMAGES));
    LISTS(&d, { .id = ID("1") });
    assert_idle(&d);
    drive_end(&d);
    free(id);
    free(name);
}

static void test_strangers_answers(void **state)
{
    static const struct core_other rows[] = { { "i1", "a", "exited" }, { "i2", "b", "exited" } };
    struct ctr_facts runs = { .status = CTR_RUNNING, .created_ms = 1, .finished_ms = 1 };
    struct core_event ev = { 0 };
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    drive_boot(&d);
    to_cycle(&d);
    lists(&d, NULL, 0);
    lists_others(&d, rows, 2);
    ev.u.op.facts = &runs; /* started again meanwhile */
    answer_op(&d, CORE_OP_INSPECT_OTHER, &ev);
    side_fails(&d, CORE_OP_INSPECT_OTHER, ERR_NOT_FOUND, "gone");
    lists(&d, NULL, 0);
    assert_idle(&d);
    to_cycle(&d);
    lists(&d, NULL, 0);
    lists_others(&d, rows, 2);
    side_fails(&d, CORE_OP_INSPECT_OTHER, ERR_RETRY, "away");
    assert_idle(&d);
    pass(&d, 60000);
    lists(&d, NULL, 0);
    side_fails(&d, CORE_OP_LIST_OTHERS, ERR_IO, "odd");
    assert_idle(&d);
    pass(&d, 60000);
    lists(&d, NULL, 0);
    lists_others(&d, rows, 2);
    inspects(&d, "i1", 9 * HOUR, 9 * HOUR);
    removes_other(&d, "i1", ERR_RETRY);
    assert_idle(&d);
    drive_end(&d);
}

static void test_strangers_of_a_cycle(void **state)
{
    static const struct core_other rows[] = { { "i1", "a", "exited" },
                                              { "i2", "b", "exited" },
                                              { "i3", "c", "exited" } };
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    d.cfg.containers_per_cycle = 2;
    drive_boot(&d);
    to_cycle(&d);
    lists(&d, NULL, 0);
    lists_others(&d, rows, 3);
    inspects(&d, "i1", 9 * HOUR, 9 * HOUR);
    removes_other(&d, "i1", ERR_OK);
    inspects(&d, "i2", 9 * HOUR, 9 * HOUR);
    removes_other(&d, "i2", ERR_OK);
    lists(&d, NULL, 0);
    assert_idle(&d);
    drive_end(&d);
}

static void test_untracked_images(void **state)
{
    static const char *const excluded[] = { "mine" };
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    d.cfg.excluded_images = excluded;
    d.cfg.n_excluded_images = 1;
    d.cfg.images_per_cycle = 3;
    remember(&d, ID("t"), 9 * HOUR, 9 * HOUR, "t:1");
    drive_boot(&d);
    send_task(&d, TASK("t1", C("a", ""))); /* wants img */
    to_cycle(&d);
    LISTS(&d, { .id = ID("t") }, { ID("u"), 1, 9 * HOUR, { "u:1" } });
    removes(&d, "t:1"); /* counts as one of the three */
    lists_others(&d, NULL, 0);
    LISTS(&d, { ID("big"), 300, 9 * HOUR, { "big:1" } },
          { ID("small"), 100, 9 * HOUR, { "small:1", "small:2" } },
          { ID("mid"), 200, 9 * HOUR, { NULL } }, { ID("young"), 10, HOUR, { "young:1" } },
          { ID("mine"), 20, 9 * HOUR, { "other:1", "mine:latest" } },
          { ID("img"), 30, 9 * HOUR, { "img:latest" } });
    removes(&d, "small:1");
    removes(&d, "small:2");
    assert_string_equal(note(&d, "small:1"),
                        "cleanup: removed image small:1 (0 kB, of no task, made 9 h ago)");
    refuses(&d, ID("mid"), ERR_CONFLICT); /* nameless; a container uses it */
    assert_idle(&d);                      /* three tries */
    drive_end(&d);
}

/* A name that a pull has given to another image since the list was made is that one's, also when
 * what runs of it is to stop. */
static void test_a_name_has_moved(void **state)
{
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { ID("small"), 100, 9 * HOUR, { "small:1" } });
    lists_others(&d, NULL, 0);
    LISTS(&d, { ID("a"), 1, 9 * HOUR, { "a:1" } },
          { ID("b"), 2, 9 * HOUR, { "moves:1", "b:1", "b:2" } },
          { ID("c"), 3, 9 * HOUR, { "moves:3" } });
    assert_removing(&d, "a:1");
    runs_image(&d, "t1", "moves:1", ID("1"));
    want_stopped(&d, "t1");
    runs_image(&d, "t3", "moves:3", ID("3"));
    want_stopped(&d, "t3");
    removes(&d, "a:1");
    removes(&d, "b:1");
    removes(&d, "b:2");
    removes(&d, ID("c")); /* nameless now */
    assert_idle(&d);
    drive_end(&d);
}

static void test_tracked_ones_use_up_the_cycle(void **state)
{
    struct drive d;

    (void)state;
    open_for_strangers(&d);
    d.cfg.images_per_cycle = 1;
    remember(&d, ID("t"), 9 * HOUR, 9 * HOUR, "t:1");
    drive_boot(&d);
    to_cycle(&d);
    LISTS(&d, { .id = ID("t") });
    refuses(&d, "t:1", ERR_CONFLICT);
    lists_others(&d, NULL, 0);
    assert_idle(&d);
    drive_end(&d);
}

static void test_owns(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    runs_image(&d, "t1", "img", ID("1"));
    assert_true(core_owns(d.core, ctr_at(&d, "t1/a")->docker_id, "x"));
    assert_true(core_owns(d.core, "x", ctr_at(&d, "t1/a")->docker_name));
    assert_false(core_owns(d.core, "x", "y"));
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_strangers),
        BOTH(test_strangers_answers),
        BOTH(test_strangers_of_a_cycle),
        BOTH(test_untracked_images),
        BOTH(test_a_name_has_moved),
        BOTH(test_tracked_ones_use_up_the_cycle),
        PLAIN(test_owns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
