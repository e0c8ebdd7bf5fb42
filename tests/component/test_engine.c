/* links: engine */
/* The engine as a whole: what it stores, asks and reports. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "component/engine_world.h"

#define ARN_START "arn:aws:ecs:us-west-2:123456789012:task/demo/"

static void check(struct host *h)
{
    if (h->until && h->until(h))
        loop_stop(h->loop);
}

/* For what happens in the fake engine's threads. */
static void on_poll(void *user)
{
    struct host *h = user;

    check(h);
    loop_timer_arm(h->poll, 5);
}

static bool run_for(struct host *h, bool (*until)(struct host *h), int64_t ms)
{
    h->until = until;
    h->expired = false;
    loop_timer_arm(h->guard, ms);
    loop_timer_arm(h->poll, 0);
    loop_run(h->loop);
    loop_timer_disarm(h->guard);
    loop_timer_disarm(h->poll);
    h->until = NULL;
    return !h->expired;
}

static void run_until(struct host *h, bool (*until)(struct host *h))
{
    if (!run_for(h, until, GUARD_MS))
        fail_msg("what was waited for did not happen");
}

/* ---- commits, counted where SQLite writes them ---- */

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A frame of the write-ahead log that ends a transaction holds the size of the
 * database; the others hold 0. */
static long count_commits(const struct host *h)
{
    unsigned char head[32], frame[24];
    uint32_t page, salt;
    char path[128];
    long n = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/berth.db-wal", h->dir);
    f = fopen(path, "r");
    if (!f)
        return 0;
    if (fread(head, 1, sizeof head, f) != sizeof head) {
        fclose(f);
        return 0;
    }
    page = big_endian(head + 8);
    salt = big_endian(head + 16);
    while (fread(frame, 1, sizeof frame, f) == sizeof frame && big_endian(frame + 8) == salt) {
        n += big_endian(frame + 4) != 0;
        fseek(f, (long)page, SEEK_CUR);
    }
    fclose(f);
    return n;
}

/* ---- the peers ---- */

static void on_ack(void *user, const char *message_id)
{
    struct host *h = user;

    (void)message_id;
    h->acks++;
    h->commits_at_ack = count_commits(h);
    check(h);
}

static void on_report(void *user, uint64_t id, struct str body)
{
    struct host *h = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root;

    assert_int_equal(json_parse(body.p, body.n, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    h->running += streq(jcur_str(&root, "status"), "RUNNING");
    h->stopped += streq(jcur_str(&root, "status"), "STOPPED");
    engine_reported(h->engine, id, CORE_REPORT_ACCEPTED, NULL);
    check(h);
}

static void on_follow(void *user, const struct task *t, size_t container, const char *docker_id,
                      const struct task_kv *secrets, size_t n_secrets)
{
    struct host *h = user;

    (void)secrets;
    (void)n_secrets;
    assert_true(container < t->n_containers);
    assert_int_equal(strlen(docker_id), 64);
    h->follows++;
}

static void on_drain(void *user, uint64_t id, const char *docker_id, int64_t timeout_ms)
{
    struct host *h = user;

    assert_int_equal(strlen(docker_id), 64);
    assert_true(timeout_ms > 0);
    h->drains++;
    engine_drained(h->engine, id);
}

static void on_changed(void *user, const struct task *t)
{
    struct core_seen_container k;
    struct host *h = user;

    if (h->engine && core_see_container(engine_core(h->engine), t->arn, 0, &k))
        h->ends += k.known == CTR_STOPPED;
}

static void on_gone_task(void *user, const char *task_arn)
{
    struct host *h = user;

    assert_true(str_starts(task_arn, ARN_START) || str_starts(task_arn, "arn:berth:local:"));
    h->gone++;
    check(h);
}

static void start(struct host *h)
{
    static const struct engine_peers peers = {
        .ack = on_ack,
        .report = on_report,
        .follow = on_follow,
        .drain = on_drain,
        .changed = on_changed,
        .gone = on_gone_task,
        .fatal = on_fatal,
    };

    start_with(h, &peers);
}

static struct task *decode(int number, const char *desired, const char *members)
{
    AUTO(str)
    char *json = mem_printf("{\"arn\":\"" ARN_START "%032d\",\"family\":\"web\",\"version\":\"3\","
                            "\"desiredStatus\":\"%s\",%s}",
                            number, desired, members);
    struct task *t = NULL;
    struct err e = { 0 };

    if (task_decode_text(json, strlen(json), &t, &e))
        fail_msg("%s", e.msg);
    return t;
}

static void send_members(struct host *h, int number, const char *desired, const char *members)
{
    struct core_payload_task p = { .task = decode(number, desired, members) };
    AUTO(str) char *message = mem_printf("message-%d-%s", number, desired);

    engine_payload(h->engine, message, number, &p, 1);
    assert_null(p.task);
}

#define ONE_CONTAINER                                                                      \
    "\"containers\":[{\"name\":\"a\",\"image\":\"busybox\",\"essential\":true,\"cpu\":10," \
    "\"memory\":16,\"environment\":{\"KEY\":\"secret-value\"}}]"

static void send_task(struct host *h, int number, const char *desired)
{
    send_members(h, number, desired, ONE_CONTAINER);
}

static bool one_running(struct host *h)
{
    return h->running == 1;
}

static bool one_stopped(struct host *h)
{
    return h->stopped == 1;
}

static bool one_gone(struct host *h)
{
    return h->gone == 1;
}

static bool one_ack(struct host *h)
{
    return h->acks == 1;
}

static bool listed(struct host *h)
{
    return fake_docker_count(&h->fake, &h->fake.lists) > 0;
}

static bool never(struct host *h)
{
    (void)h;
    return false;
}

/* ---- the tests ---- */

static void count_line(void *user, const char *json_line)
{
    int *n = user;

    assert_int_equal(json_line[0], '{');
    ++*n;
}

static void runs_a_task_to_its_end(void **state)
{
    struct host *h = *state;
    int lines = 0;

    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_running);
    assert_int_equal(h->acks, 1);
    assert_int_equal(h->follows, 1);
    assert_int_equal(h->fake.creates, 1);
    assert_non_null(strstr(h->fake.containers[0].body, "KEY=secret-value"));
    assert_non_null(strstr(h->fake.containers[0].body, "com.amazonaws.ecs.cluster"));
    assert_true(str_starts(h->fake.containers[0].name, "ecs-web-3-a-"));
    assert_int_equal(h->ends, 0);
    fake_docker_exit(&h->fake, 0, 3);
    run_until(h, one_stopped);
    assert_true(h->ends > 0);
    run_until(h, one_gone);
    assert_int_equal(h->drains, 1);
    assert_int_equal(h->follows, 1);
    engine_each_event(h->engine, count_line, &lines);
    assert_true(lines > 0);
    stop(h);
}

static bool all_acks(struct host *h)
{
    return h->acks == 50;
}

static void commits_a_turn_at_once(void **state)
{
    struct host *h = *state;
    long before;

    start(h);
    run_until(h, listed);
    before = count_commits(h);
    for (int i = 1; i <= 50; i++)
        send_task(h, i, "RUNNING");
    run_until(h, all_acks);
    assert_int_equal(h->commits_at_ack, before + 1); /* at the last one */
    stop(h);
}

static bool most_acks(struct host *h)
{
    return h->acks >= ENGINE_MAX_MESSAGES;
}

static void drops_messages_over_the_maximum(void **state)
{
    struct host *h = *state;

    start(h);
    run_until(h, listed);
    for (int i = 1; i <= ENGINE_MAX_MESSAGES + 10; i++)
        send_task(h, i, "STOPPED");
    run_until(h, most_acks);
    assert_false(run_for(h, never, 300));
    assert_int_equal(h->acks, ENGINE_MAX_MESSAGES);
    stop(h);
}

/* The file size limit stands for a full disk: writes fail, the process lives. */
static void waits_for_a_store_that_cannot_be_written(void **state)
{
    struct host *h = *state;
    struct engine_totals t = { 0 };
    struct rlimit old, none;

    signal(SIGXFSZ, SIG_IGN);
    start(h);
    run_until(h, listed);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    send_task(h, 1, "RUNNING");
    for (int i = 0; i < 1200; i++) { /* the first try and repetitions; the reason is always there */
        assert_false(run_for(h, one_ack, 1));
        engine_get_totals(h->engine, &t);
        assert_true(!t.unsaved || *t.unsaved);
    }
    assert_non_null(t.unsaved);
    assert_int_equal(fake_docker_count(&h->fake, &h->fake.creates), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    run_until(h, one_ack);
    run_until(h, one_running);
    stop(h);
}

/* What ends is told, what is to stop is stopped; what was created stays until that is stored. */
static void goes_on_with_a_store_that_cannot_be_written(void **state)
{
    struct host *h = *state;
    struct engine_totals t;
    struct rlimit old, none;
    int acks;

    signal(SIGXFSZ, SIG_IGN);
    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_running);
    acks = h->acks;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    send_task(h, 1, "STOPPED");
    run_until(h, one_stopped);
    engine_get_totals(h->engine, &t);
    assert_non_null(t.unsaved);
    assert_int_equal(h->acks, acks);
    assert_int_equal(h->fake.n_containers, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    for (int i = 0; i < 400 && h->acks == acks; i++)
        run_for(h, never, 50);
    assert_int_equal(h->acks, acks + 1);
    engine_get_totals(h->engine, &t);
    assert_null(t.unsaved);
    stop(h);
}

static void adopts_a_running_task(void **state)
{
    struct host *h = *state;

    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_running);
    stop(h);

    h->follows = 0;
    start(h);
    assert_int_equal(core_task_count(engine_core(h->engine)), 1);
    run_until(h, listed);
    fake_docker_exit(&h->fake, 0, 0);
    run_until(h, one_stopped);
    assert_int_equal(h->fake.creates, 1);
    assert_int_equal(h->fake.starts, 1);
    assert_int_equal(h->running, 1);
    assert_int_equal(h->follows, 1);
    stop(h);
}

static bool one_create(struct host *h)
{
    return fake_docker_count(&h->fake, &h->fake.creates) == 1;
}

static void adopts_a_container_whose_create_was_not_answered(void **state)
{
    struct host *h = *state;

    h->fake.mute_creates = true;
    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_create);
    stop(h);

    h->fake.mute_creates = false;
    start(h);
    run_until(h, one_running);
    assert_int_equal(h->fake.n_containers, 1);
    assert_int_equal(h->fake.starts, 1);
    stop(h);
}

static void saves_what_others_ask_for(void **state)
{
    struct host *h = *state;
    char *value = NULL;
    struct err e = { 0 };

    start(h);
    engine_save(h->engine, STORE_META, "key", "value");
    engine_save(h->engine, STORE_CURSOR, "container", "first");
    engine_save(h->engine, STORE_CURSOR, "container", "last");
    stop(h); /* not a turn of the loop has passed */
    assert_int_equal(store_open(h->dir, &h->store, &e), ERR_OK);
    assert_int_equal(store_get(h->store, STORE_META, "key", &value, &e), ERR_OK);
    assert_string_equal(value, "value");
    free(value);
    assert_int_equal(store_get(h->store, STORE_CURSOR, "container", &value, &e), ERR_OK);
    assert_string_equal(value, "last");
    free(value);
    store_close(h->store);
}

/* ---- ports, images, shared namespaces, local tasks ---- */

static int chosen_port(const struct host *h, size_t container)
{
    const char *at = strstr(h->fake.containers[container].body, "\"HostPort\":\"");
    int port = 0;

    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"HostPort\":\"%d\"", &port), 1);
    return port;
}

static void chooses_host_ports(void **state)
{
    static const char members[] =
        "\"networkMode\":\"bridge\",\"containers\":[{\"name\":\"a\",\"image\":\"busybox\","
        "\"essential\":true,\"portMappings\":[{\"containerPort\":80,\"protocol\":\"tcp\"}]},"
        "{\"name\":\"b\",\"image\":\"busybox\",\"essential\":true,\"portMappings\":["
        "{\"containerPort\":80,\"protocol\":\"tcp\"}]}]";
    struct host *h = *state;

    start(h);
    send_members(h, 1, "RUNNING", members);
    run_until(h, one_running);
    assert_int_equal(h->fake.creates, 2);
    assert_in_range(chosen_port(h, 0), 20500, 20599);
    assert_in_range(chosen_port(h, 1), 20500, 20599);
    assert_int_not_equal(chosen_port(h, 0), chosen_port(h, 1));
    stop(h);
}

static void shares_the_namespaces_of_a_pause_container(void **state)
{
    struct host *h = *state;
    char want[128];

    h->fake.strict = true;
    fake_add_name(h->fake.images, &h->fake.n_images, "busybox");
    start(h);
    send_members(h, 1, "RUNNING", "\"pidMode\":\"task\"," ONE_CONTAINER);
    run_until(h, one_running);
    assert_int_equal(h->fake.imports, 1);
    assert_int_equal(h->fake.creates, 2);
    assert_non_null(strstr(h->fake.containers[0].name, "pause"));
    snprintf(want, sizeof want, "container:%s", h->fake.containers[0].id);
    assert_non_null(strstr(h->fake.containers[1].body, want));
    assert_int_equal(h->follows, 1); /* a pause container says nothing */
    stop(h);
}

static int64_t images_known(const struct host *h)
{
    struct buf b = BUF_INIT(1 << 16);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root, images;
    struct jw w;
    int64_t n;

    jw_init(&w, &b);
    core_write_status(engine_core(h->engine), &w);
    assert_int_equal(json_parse(buf_text(&b), b.len, &doc, &e), ERR_OK);
    root = jcur_root(doc, &e);
    images = jcur_obj(&root, "images");
    n = jcur_int_or(&images, "count", 0, INT64_MAX, -1);
    buf_fini(&b);
    return n;
}

static void remembers_images(void **state)
{
    struct host *h = *state;

    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_running);
    assert_int_equal(h->fake.pulls, 1);
    assert_non_null(strstr(h->fake.pulled, FAKE_HEX "3")); /* what the registry named */
    assert_int_equal(images_known(h), 1);
    stop(h);

    start(h);
    assert_int_equal(images_known(h), 1);
    stop(h);
}

static void runs_local_tasks(void **state)
{
    struct host *h = *state;
    struct core_local_def old = { .name = "web", .digest = "d0" };
    struct core_local_def def = { .name = "web", .digest = "d1" };
    const char *arn;

    start(h);
    run_until(h, listed);
    old.task = decode(1, "RUNNING", ONE_CONTAINER);
    engine_local(h->engine, &old, 1);
    def.task = decode(1, "RUNNING", ONE_CONTAINER);
    engine_local(h->engine, &def, 1); /* in the same turn: only the last counts */
    assert_null(old.task);
    assert_null(def.task);
    run_until(h, one_create);
    assert_int_equal(core_task_count(engine_core(h->engine)), 1);
    arn = h->fake.containers[0].arn;
    assert_true(core_is_local(engine_core(h->engine), arn));
    assert_false(run_for(h, one_running, 200)); /* no control plane hears of it */
    stop(h);
}

/* Interrupted in the turn in which it was asked for: its end is told all the same. */
static void ends_what_was_to_run_once(void **state)
{
    struct host *h = *state;
    struct core_local_def def = { .name = "web", .digest = "d1", .once = true };

    start(h);
    run_until(h, listed);
    def.task = decode(1, "RUNNING", ONE_CONTAINER);
    engine_local(h->engine, &def, 1);
    engine_local(h->engine, NULL, 0);
    run_until(h, one_gone);
    assert_int_equal(core_task_count(engine_core(h->engine)), 0);
    stop(h);
}

/* ---- the flight record ---- */

static void save_of(const struct core *c, struct buf *b)
{
    struct jw w;

    jw_init(&w, b);
    core_save(c, &w);
    assert_false(b->overflowed);
}

static struct core *replay(const char *path, size_t *events)
{
    struct core *core = NULL;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    while ((n = getline(&line, &cap, f)) > 0) {
        AUTO(json) struct json_t *doc = NULL;
        struct core_event_arena *arena = NULL;
        struct core_actions actions = { 0 };
        struct core_time now;
        struct core_event ev;
        struct err e = { 0 };
        struct jcur root, save;

        assert_null(strstr(line, "secret-value"));
        assert_int_equal(json_parse(line, (size_t)n, &doc, &e), ERR_OK);
        root = jcur_root(doc, &e);
        if (!core) {
            save = jcur_obj(&root, "save");
            if (core_load(&save, &core, &e))
                fail_msg("%s", e.msg);
            continue;
        }
        if (core_event_read(&root, &now, &ev, &arena, &e))
            fail_msg("%s", e.msg);
        core_step(core, now, &ev, &actions);
        if (ev.type == CORE_EV_RESTORED)
            task_destroy(ev.u.restored.task);
        core_actions_fini(&actions);
        core_event_arena_destroy(arena);
        ++*events;
    }
    free(line);
    fclose(f);
    return core;
}

static void send_large_manifest(struct host *h, int number)
{
    enum { ENTRIES = 2000 };
    struct core_manifest_entry *entries = mem_array(ENTRIES, sizeof *entries);
    AUTO(str) char *message = mem_printf("manifest-%d", number);

    for (int i = 0; i < ENTRIES; i++) {
        entries[i].arn = mem_printf(ARN_START "%032d", 1000 + i);
        entries[i].desired = TASK_STOPPED;
    }
    engine_manifest(h->engine, message, "arn:aws:ecs:us-west-2:123456789012:cluster/demo", number,
                    entries, ENTRIES);
    for (int i = 0; i < ENTRIES; i++)
        free((void *)entries[i].arn);
    free(entries);
}

static void assert_recorded(const struct host *h, const char *name)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", h->dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_size > 0 && st.st_size <= 4 << 20);
}

static void records_what_a_replay_repeats(void **state)
{
    struct host *h = *state;
    struct buf live = BUF_INIT(4 << 20), again = BUF_INIT(4 << 20);
    struct core *core;
    size_t events = 0;
    char path[128];

    h->record = true;
    start(h);
    send_task(h, 1, "RUNNING");
    run_until(h, one_running);
    for (int i = 0; i < 40; i++) { /* about 8 MiB: rotates */
        send_large_manifest(h, i + 2);
        h->acks = 0;
        run_until(h, one_ack);
    }
    save_of(engine_core(h->engine), &live);
    assert_recorded(h, "flight.jsonl");
    assert_recorded(h, "flight.1.jsonl");
    snprintf(path, sizeof path, "%s/flight.jsonl", h->dir);
    core = replay(path, &events);
    assert_true(events > 0);
    save_of(core, &again);
    assert_string_equal(buf_text(&again), buf_text(&live));
    core_destroy(core);
    buf_fini(&live);
    buf_fini(&again);
    stop(h);

    start(h); /* the last record is kept as the older one */
    events = 0;
    snprintf(path, sizeof path, "%s/flight.1.jsonl", h->dir);
    core = replay(path, &events);
    assert_true(events > 0);
    core_destroy(core);
    stop(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_a_task_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commits_a_turn_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drops_messages_over_the_maximum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(goes_on_with_a_store_that_cannot_be_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(waits_for_a_store_that_cannot_be_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(adopts_a_running_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adopts_a_container_whose_create_was_not_answered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(saves_what_others_ask_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(chooses_host_ports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shares_the_namespaces_of_a_pause_container, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(remembers_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_local_tasks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_what_was_to_run_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_what_a_replay_repeats, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
