#include "unit/core/twin.h"

/* ---- the world ---- */

static struct task *definition(const char *containers)
{
    char text[2000];

    snprintf(text, sizeof text,
             "{'arn':'arn:berth:local:::task/x/x','family':'f','version':'0',"
             "'desiredStatus':'RUNNING','containers':[%s]}",
             containers);
    return decode(text);
}

#define ONE_CONTAINER C("main", ",'memory':64")

/* Local tasks of one container each: "name=digest name=digest ...". */
static void want_once(struct drive *d, const char *names, bool once)
{
    struct core_local_def defs[8] = { 0 };
    struct core_event ev = { .type = CORE_EV_LOCAL };
    AUTO(str) char *text = mem_strdup(names);
    char *at = text, *space;

    while (*at) {
        space = at + strcspn(at, " ");
        defs[ev.u.local.n_defs].task = definition(ONE_CONTAINER);
        defs[ev.u.local.n_defs].once = once;
        defs[ev.u.local.n_defs].name = at;
        at = strchr(at, '=');
        *at++ = '\0';
        defs[ev.u.local.n_defs++].digest = at;
        at = *space ? space + 1 : space;
        *space = '\0';
    }
    ev.u.local.defs = defs;
    drive_step(d, &ev);
    for (size_t i = 0; i < ev.u.local.n_defs; i++)
        task_destroy(defs[i].task); /* those that were not taken */
}

static void want(struct drive *d, const char *names)
{
    want_once(d, names, false);
}

/* The engine carries out whatever it is asked, until nothing is. */
static void serve(struct drive *d)
{
    struct ctr_facts facts = { 0 };
    struct core_event ev;
    bool some;

    do {
        some = false;
        for (size_t i = 0; i < d->log.n; i++) {
            if (d->log.items[i].type != CORE_ACT_OP || d->over[i])
                continue;
            d->over[i] = true;
            engine_do(d, &d->log.items[i], &ev, &facts);
            drive_step(d, &ev);
            some = true;
        }
    } while (some);
}

/* The newest run of a local task; NULL: none is known. */
static struct core_task *run_of(struct drive *d, const char *name)
{
    struct core_task *t, *next, *found = NULL;

    HASH_ITER (hh, d->core->tasks, t, next)
        if (t->local_name && streq(t->local_name, name))
            found = t;
    return found;
}

static size_t runs_of(struct drive *d, const char *name)
{
    struct core_task *t, *next;
    size_t n = 0;

    HASH_ITER (hh, d->core->tasks, t, next)
        n += t->local_name && streq(t->local_name, name);
    return n;
}

/* Its container ends by itself, and the agent looks. */
static void ends(struct drive *d, const char *name, int exit_code)
{
    struct core_task *t = run_of(d, name);
    struct drive_box *b = box_called(d, t->ctrs[0].docker_name);
    struct core_event ev = { .type = CORE_EV_CONTAINER };

    box_end(d, b, exit_code);
    ev.u.container.what = CORE_HAP_DIED;
    ev.u.container.id = b->id;
    ev.u.container.name = b->name;
    ev.u.container.task_arn = t->arn;
    ev.u.container.has_exit_code = true;
    ev.u.container.exit_code = exit_code;
    drive_step(d, &ev);
    serve(d);
}

static void assert_running(struct drive *d, const char *name)
{
    struct core_task *t = run_of(d, name);

    if (!t || t->known != TASK_RUNNING) {
        fail_msg("%s does not run", name);
    }
}

/* Time goes by; what falls due meanwhile is carried out. */
static void wait_ms(struct drive *d, int64_t ms)
{
    pass(d, ms);
    serve(d);
}

/* ---- tests ---- */

static void test_is_a_task_of_its_own(void **state)
{
    struct drive d;
    struct core_task *t;

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    serve(&d);
    assert_running(&d, "probe");
    t = run_of(&d, "probe");
    assert_true(str_starts(t->arn, "arn:berth:local:::task/probe/"));
    assert_int_equal(strlen(t->def->id), 32);
    assert_string_equal(t->def->arn, t->arn);
    assert_true(core_is_local(d.core, t->arn));
    assert_int_equal(d.core->capacity.memory_used, 64);
    for (size_t i = 0; i < d.log.n; i++)
        assert_int_not_equal(d.log.items[i].type, CORE_ACT_REPORT);
    /* The same list again changes nothing. */
    want(&d, "probe=1");
    serve(&d);
    assert_ptr_equal(run_of(&d, "probe"), t);
    assert_int_equal(runs_of(&d, "probe"), 1);
    drive_end(&d);
}

static void test_change_stops_then_starts(void **state)
{
    struct drive d;
    struct core_task *old;
    char arn[200];

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    serve(&d);
    old = run_of(&d, "probe");
    snprintf(arn, sizeof arn, "%s", old->arn);
    want(&d, "probe=2");
    assert_int_equal(old->desired, TASK_STOPPED);
    assert_string_equal(old->reason, "the local task definition changed");
    assert_int_equal(runs_of(&d, "probe"), 1); /* not before the old one has stopped */
    serve(&d);
    wait_ms(&d, 0); /* and then at once */
    assert_int_equal(find_task(d.core, arn)->known, TASK_STOPPED);
    assert_running(&d, "probe");
    assert_string_not_equal(run_of(&d, "probe")->arn, arn);
    assert_string_equal(run_of(&d, "probe")->local_digest, "2");
    drive_end(&d);
}

static void test_changes_while_stopping(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    serve(&d);
    want(&d, "probe=2");
    want(&d, "probe=3");
    serve(&d);
    wait_ms(&d, 0);
    assert_running(&d, "probe");
    assert_string_equal(run_of(&d, "probe")->local_digest, "3");
    assert_int_equal(runs_of(&d, "probe"), 2); /* 2 never ran */
    drive_end(&d);
}

static void test_removal_stops(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "a=1 b=1");
    serve(&d);
    want(&d, "b=1");
    assert_string_equal(run_of(&d, "a")->reason, "the local task definition was removed");
    serve(&d);
    wait_ms(&d, 600000);
    assert_int_equal(run_of(&d, "a")->known, TASK_STOPPED);
    assert_int_equal(runs_of(&d, "a"), 1);
    assert_running(&d, "b");
    wait_ms(&d, d.cfg.cleanup_wait_ms);
    wait_ms(&d, 0);
    assert_int_equal(runs_of(&d, "a"), 0);
    want(&d, "");
    serve(&d);
    wait_ms(&d, d.cfg.cleanup_wait_ms);
    wait_ms(&d, 0);
    assert_int_equal(core_task_count(d.core), 0);
    assert_null(d.core->locals); /* nothing is remembered of them */
    drive_end(&d);
}

static void test_comes_back_while_stopping(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "a=1");
    serve(&d);
    want(&d, "");
    want(&d, "a=1");
    serve(&d);
    wait_ms(&d, 1000);
    assert_running(&d, "a");
    assert_int_equal(runs_of(&d, "a"), 2);
    drive_end(&d);
}

static void test_restart_backs_off(void **state)
{
    static const int64_t delays[] = { 1000,  2000,   4000,   8000,   16000, 32000,
                                      64000, 128000, 256000, 300000, 300000 };
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    serve(&d);
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        assert_running(&d, "probe");
        ends(&d, "probe", 1);
        wait_ms(&d, delays[i] - 1);
        assert_int_equal(run_of(&d, "probe")->known, TASK_STOPPED);
        wait_ms(&d, 1);
        assert_true(noted(&d, "the local task 'probe' ended; it is started again in 1 s"));
    }
    /* Of all those runs the one that runs and the latest that ended are kept. */
    wait_ms(&d, 0);
    assert_int_equal(runs_of(&d, "probe"), 2);
    /* A long run was no failure. */
    wait_ms(&d, 600000);
    ends(&d, "probe", 0);
    wait_ms(&d, 1000);
    assert_running(&d, "probe");
    drive_end(&d);
}

static void test_change_does_not_wait_for_backoff(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    serve(&d);
    for (int i = 0; i < 6; i++) {
        ends(&d, "probe", 1);
        if (i < 5)
            wait_ms(&d, 32000);
    }
    want(&d, "probe=2");
    serve(&d);
    assert_running(&d, "probe");
    drive_end(&d);
}

static void test_once(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want_once(&d, "job=1", true);
    serve(&d);
    ends(&d, "job", 3);
    wait_ms(&d, 600000);
    assert_int_equal(runs_of(&d, "job"), 1);
    assert_int_equal(run_of(&d, "job")->ctrs[0].exit_code, 3);
    assert_false(noted(&d, "started again"));
    wait_ms(&d, d.cfg.cleanup_wait_ms);
    wait_ms(&d, 0);
    assert_int_equal(core_task_count(d.core), 0);
    want_once(&d, "job=1", true); /* once is once */
    wait_ms(&d, 1000);
    assert_int_equal(core_task_count(d.core), 0);
    drive_end(&d);
}

static void test_cannot_be_started(void **state)
{
    struct drive d;
    struct ctr_facts facts = { 0 };
    struct core_event ev;

    (void)state;
    drive_begin(&d);
    want(&d, "probe=1");
    for (size_t i = 0; i < d.log.n; i++) {
        if (d.log.items[i].type != CORE_ACT_OP || d.over[i])
            continue;
        d.over[i] = true;
        engine_do(&d, &d.log.items[i], &ev, &facts);
        if (d.log.items[i].op == CORE_OP_CREATE)
            err_set(&ev.u.op.err, ERR_INVALID, "no such device");
        drive_step(&d, &ev);
    }
    assert_int_equal(run_of(&d, "probe")->known, TASK_STOPPED);
    wait_ms(&d, 1000);
    assert_running(&d, "probe");
    drive_end(&d);
}

static void test_goes_on_after_a_crash(void **state)
{
    struct drive d;
    char arn[200];

    (void)state;
    drive_begin(&d);
    want(&d, "a=1 b=1 c=1");
    serve(&d);
    snprintf(arn, sizeof arn, "%s", run_of(&d, "a")->arn);
    drive_crash(&d);
    serve(&d);
    wait_ms(&d, 60000);
    /* Nothing is stopped before the files were read. */
    assert_running(&d, "a");
    assert_running(&d, "b");
    assert_running(&d, "c");
    want(&d, "a=1 b=2");
    serve(&d);
    wait_ms(&d, 0);
    assert_string_equal(run_of(&d, "a")->arn, arn);
    assert_running(&d, "a");
    assert_int_equal(runs_of(&d, "a"), 1);
    assert_running(&d, "b");
    assert_string_equal(run_of(&d, "b")->local_digest, "2");
    assert_int_equal(run_of(&d, "c")->known, TASK_STOPPED);
    drive_end(&d);
}

static void test_crash_between_two_runs(void **state)
{
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "a=1");
    serve(&d);
    ends(&d, "a", 1);
    drive_crash(&d);
    want(&d, "a=1");
    serve(&d);
    assert_running(&d, "a");
    assert_int_equal(runs_of(&d, "a"), 2);
    drive_end(&d);
}

static void test_manifest_does_not_concern_it(void **state)
{
    struct core_event ev = { .type = CORE_EV_MANIFEST };
    struct drive d;

    (void)state;
    drive_begin(&d);
    want(&d, "a=1");
    serve(&d);
    ev.u.manifest.message_id = "m";
    ev.u.manifest.cluster_arn = "c";
    ev.u.manifest.seq = 5;
    drive_step(&d, &ev);
    assert_null(acted(&d, CORE_ACT_STOP_VERIFY));
    assert_running(&d, "a");
    drive_end(&d);
}

static void test_number_is_bounded(void **state)
{
    struct core_local_def defs[102] = { 0 };
    char names[102][16];
    struct core_event ev = { .type = CORE_EV_LOCAL };
    struct drive d;

    (void)state;
    drive_begin(&d);
    d.no_store = true;
    for (size_t i = 0; i < COUNT_OF(defs); i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        defs[i] = (struct core_local_def){ names[i], "1", definition(SIDE("x", "")), false };
    }
    ev.u.local.defs = defs;
    ev.u.local.n_defs = COUNT_OF(defs);
    drive_step(&d, &ev);
    assert_int_equal(core_task_count(d.core), 100);
    assert_true(noted(&d, "the local task 'n100' is ignored: there are more than 100"));
    for (size_t i = 0; i < COUNT_OF(defs); i++)
        task_destroy(defs[i].task);
    drive_end(&d);
}

/* What a flight record begins with says all, and a damaged one is refused. */
static void test_saved_and_loaded(void **state)
{
    struct drive d;
    struct core *copy = NULL;
    struct err e = { 0 };
    char *text, *at;

    (void)state;
    drive_begin(&d);
    want(&d, "a=1 b=1 c=1");
    serve(&d);
    ends(&d, "a", 1);
    want_once(&d, "a=1 b=2 c=1 d=1", true);
    swap_core(&d);

    text = saved_text(d.core);
    at = strstr(text, "\"run\":\"arn:berth");
    at[7] = 'x';
    assert_int_equal(load_text(text, &copy, &e), ERR_INVALID);
    assert_true(strstr(e.msg, "expected the arn of a run of this local task"));
    free(text);
    drive_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_a_task_of_its_own),
        cmocka_unit_test(test_change_stops_then_starts),
        cmocka_unit_test(test_changes_while_stopping),
        cmocka_unit_test(test_removal_stops),
        cmocka_unit_test(test_comes_back_while_stopping),
        cmocka_unit_test(test_restart_backs_off),
        cmocka_unit_test(test_change_does_not_wait_for_backoff),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_cannot_be_started),
        cmocka_unit_test(test_goes_on_after_a_crash),
        cmocka_unit_test(test_crash_between_two_runs),
        cmocka_unit_test(test_manifest_does_not_concern_it),
        cmocka_unit_test(test_number_is_bounded),
        cmocka_unit_test(test_saved_and_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
