/* links: logs */
/* The file source over everything that happens to log files. */
#include "support/check.h"

#include <errno.h>
#include <time.h>

#include "component/log_world.h"

/* ---- following ---- */

static void test_lines_and_the_end(void **state)
{
    (void)state;
    log_message(1, "one\\n");
    log_message(2, "two \\\"quoted\\\" \\u003c\\r\\n");
    log_message(1, "\\n");
    world_from_start();
    lw.stop_at = 3;
    world_run();
    log_message(1, "three\\n");
    lw.stop_at = 4;
    world_run();
    assert_int_equal(lw.ended, 0);
    world_to_end();
    assert_int_equal(lw.end, ERR_OK);
    assert_text(buf_str(&lw.events[0]), "one\nthree\n");
    assert_text(buf_str(&lw.events[1]), "two \"quoted\" <\n");
    assert_int_equal(lw.n_escaped, 4);
    assert_int_equal(lw.troubles, 0);
}

/* Nobody hurries: that the engine closes the file tells of the end. */
static void test_a_container_ends_by_itself(void **state)
{
    (void)state;
    log_message(1, "one\\n");
    world_from_start();
    world_turn(300);
    lw.stop_at = 2;
    log_message(1, "last\\n");
    world_run();
    log_close();
    pthread_mutex_lock(&lw.fake.lock);
    lw.fake.containers[0].state = FAKE_EXITED;
    pthread_mutex_unlock(&lw.fake.lock);
    world_run();
    assert_int_equal(lw.ended, 1);
    assert_text(buf_str(&lw.events[0]), "one\nlast\n");
}

/* What the watch cannot tell (here: two things at once) a silence does, later; and who knows says
 * so. */
static void test_restart(void **state)
{
    (void)state;
    for (int round = 1; round <= 3; round++) {
        if (lw.fd < 0)
            log_open();
        log_number(round);
        lw.fake.containers[0].state = FAKE_RUNNING;
        if (round == 1)
            world_from_start();
        lw.ended = 0;
        source_follow(lw.source);
        world_until_number(round);
        log_close();
        world_to_end();
        assert_int_equal(lw.end, ERR_OK);
    }
    assert_int_equal(lw.n_events, 3);
    assert_int_equal(lw.disorder, 0);
}

static void test_a_container_that_never_ran_again(void **state)
{
    (void)state;
    lw.fake.containers[0].state = FAKE_EXITED;
    log_number(1);
    world_from_start(); /* and nobody hurries */
    world_run();
    assert_int_equal(lw.ended, 1);
    assert_int_equal(lw.n_events, 1);
    /* It was started and has ended again while nobody looked. */
    lw.ended = 0;
    log_number(2);
    source_follow(lw.source);
    world_run();
    assert_int_equal(lw.ended, 1);
    assert_int_equal(lw.n_events, 2);
}

/* The engine has removed it with its files: what is open is read. */
static void test_removed(void **state)
{
    AUTO(str) char *one = NULL;

    (void)state;
    lw.max_files = 3;
    one = log_path(1);
    log_number(1);
    log_rotate();
    log_number(2);
    world_from_start();
    lw.stop_at = lw.pause_at = 1;
    world_run();
    assert_int_equal(unlink(lw.path), 0);
    assert_int_equal(unlink(one), 0);
    pthread_mutex_lock(&lw.fake.lock);
    lw.fake.n_containers = 0;
    pthread_mutex_unlock(&lw.fake.lock);
    world_turn(1500); /* paused all the time: it is kept */
    assert_int_equal(lw.ended, 0);
    source_pause(lw.source, false);
    world_run();
    assert_int_equal(lw.ended, 1);
    assert_int_equal(lw.end, ERR_NOT_FOUND);
    assert_int_equal(lw.n_events, 2);
    assert_int_equal(lw.disorder, 0);
    assert_int_equal(lw.lost_lines, 0);
}

/* ---- lines in parts ---- */

static void test_parts_of_two_streams(void **state)
{
    (void)state;
    log_message_at(1, 1767596400000000001, "a1 ");
    log_message_at(2, 1767596400000000002, "b1 ");
    log_message_at(1, 1767596400000000001, "a2 ");
    log_message_at(2, 1767596400000000003, "c\\r\\n"); /* b has no end: a line of its own */
    log_message_at(1, 1767596400000000001, "\\u003ca3\\u003e\\n");
    log_message_at(1, 1767596400000000009, "d\\n");
    log_message_at(1, 1767596400000000010, "e, never ended");
    world_from_start();
    world_to_end();
    assert_text(buf_str(&lw.events[0]), "a1 a2 <a3>\nd\ne, never ended\n");
    assert_text(buf_str(&lw.events[1]), "b1 \nc\n");
}

static void test_a_line_comes_in_pieces(void **state)
{
    static const char line[] = "{\"log\":\"1 slowly\\n\",\"stream\":\"stdout\","
                               "\"time\":\"2026-01-05T07:00:00.1Z\"}\n";

    (void)state;
    world_from_start();
    for (size_t i = 0; i < sizeof line - 1; i += 13) {
        size_t n = sizeof line - 1 - i < 13 ? sizeof line - 1 - i : 13;

        assert_int_equal(lw.n_events, 0);
        log_raw(line + i, n);
        world_turn(20);
    }
    world_until_number(1);
    assert_int_equal(lw.n_events, 1);
    assert_int_equal(lw.damaged, 0);
}

/* ---- what is torn ---- */

static void test_torn(void **state)
{
    AUTO(str) char *long_line = mem_array(600000, 1);
    static const char zeros[5000];

    (void)state;
    log_number(1);
    log_raw("{\"log\":\"torn", 12); /* the engine was killed; what follows stands on that line */
    log_number(2);
    log_raw(zeros, sizeof zeros);
    log_number(3);
    log_raw("{}\n", 3);
    log_number(4);
    memset(long_line, 'x', 600000);
    log_raw(long_line, 600000);
    log_raw("\n", 1);
    log_number(5);
    lw.max_files = 2;
    log_raw("{\"log\":\"torn", 12);
    log_rotate(); /* its end was never written */
    log_number(6);
    world_from_start();
    world_to_end();
    assert_int_equal(lw.n_events, 6);
    assert_int_equal(lw.disorder, 0);
    assert_int_equal(lw.damaged, 5);
    assert_int_equal(lw.gaps_unknown, 0);
}

static void test_truncated(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++)
        log_number(i);
    world_from_start();
    world_until_number(5);
    assert_int_equal(ftruncate(lw.fd, 0), 0);
    log_number(6);
    world_until_number(6);
    assert_int_equal(lw.n_events, 6);
    assert_int_equal(lw.gaps_unknown, 1);
    assert_int_equal(lw.disorder, 0);
    world_to_end();
}

/* ---- rotation ---- */

static void test_rotation(void **state)
{
    int64_t n = 0;

    (void)state;
    lw.max_bytes = 10000;
    lw.max_files = 3;
    world_from_start();
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 120; k++)
            log_number(++n);
        world_until_number(n);
    }
    world_to_end();
    assert_int_equal(lw.n_events, n);
    assert_int_equal(lw.disorder, 0);
    assert_int_equal(lw.lost_lines + lw.gaps_unknown + lw.damaged, 0);
}

/* One file: the engine removes it, and writes to another. */
static void test_rotation_of_one(void **state)
{
    (void)state;
    lw.max_files = 1;
    world_from_start();
    for (int i = 1; i <= 50; i++) {
        log_number(i);
        world_until_number(i);
        log_rotate();
    }
    log_number(51);
    world_to_end();
    assert_int_equal(lw.n_events, 51);
    assert_int_equal(lw.disorder + lw.lost_lines + lw.gaps_unknown, 0);
}

/* What the engine has removed and is open here, however late the source is. */
#define REMOVED_MAX TASK_SPOOL_RESERVE

/* How many files of the log are open here that have no name any more? */
static int count_removed(void)
{
    int n = 0;

    for (int fd = 3; fd < 200; fd++) {
        char link[400], proc[40];
        ssize_t len;

        snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
        len = readlink(proc, link, sizeof link - 1);
        if (len <= 0)
            continue;
        link[len] = '\0';
        n += str_starts(link, lw.path) && strstr(link, "(deleted)");
    }
    return n;
}

/* Until the source has counted what the engine removed, but for the file that it may still read. */
static void world_settle(void)
{
    while (count_removed() > 1)
        world_turn(1);
}

/* Until none is open any more: a second after it was removed, or a little later on a busy machine.
 */
static void world_close(void)
{
    for (int i = 0; i < 200 && count_removed(); i++)
        world_turn(20);
    assert_int_equal(count_removed(), 0);
}

/* The sink is away: the engine throws away what nobody reads; each line is counted. */
static void test_paused(void **state)
{
    int64_t n = 0, bytes, bound;

    (void)state;
    lw.max_bytes = 100000;
    lw.max_files = 4;
    lw.quiet = true;
    world_from_start();
    lw.pause_at = lw.stop_at = 500;
    while (n < 20000) {
        for (int k = 0; k < 500; k++)
            log_number(++n);
        world_turn(3);
        world_settle();
    }
    assert_int_equal(lw.n_messages, 500);
    world_turn(1500);
    world_close();
    source_backlog(lw.source, &bytes, &bound);
    assert_int_equal(bound, 400000);
    assert_in_range(bytes, 300000, 400000);
    lw.pause_at = lw.stop_at = 0;
    source_pause(lw.source, false);
    world_to_end();
    assert_true(lw.lost_lines > 10000);
    assert_int_equal(lw.gaps_unknown, 0);
    assert_int_equal(lw.n_events + lw.lost_lines, n);
    assert_int_equal(lw.disorder, 0);
    source_backlog(lw.source, &bytes, &bound);
    assert_int_equal(bytes, 0);
}

/* The source comes to nothing while the engine goes on: the disk is not taken for that, and what
 * nobody saw is a gap. */
static void test_stalled(void **state)
{
    int64_t n = 0;

    (void)state;
    lw.max_bytes = 100000;
    lw.max_files = 4;
    lw.quiet = true;
    world_from_start();
    lw.pause_at = lw.stop_at = 500;
    while (n < 10000)
        log_number(++n);
    world_run();
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 30000; k++)
            log_number(++n);
        assert_in_range(count_removed(), 1, REMOVED_MAX);
        world_turn(5);
        for (int k = 0; k < 200 && count_removed() >= REMOVED_MAX; k++) /* on a busy machine */
            world_turn(20);
    }
    lw.pause_at = lw.stop_at = 0;
    source_pause(lw.source, false);
    world_to_end();
    assert_true(lw.gaps_unknown > 0);
    assert_in_range(lw.disorder, 1, lw.gaps_unknown);
    assert_int_equal(lw.last, n);
    assert_int_equal(count_removed(), 0);
}

/* A short pause, and a file that was removed meanwhile: it is ours until it is read. */
static void test_paused_shortly(void **state)
{
    int64_t n = 0;

    (void)state;
    lw.max_bytes = 20000;
    lw.max_files = 2;
    for (int k = 0; k < 200; k++)
        log_number(++n);
    world_from_start();
    lw.pause_at = lw.stop_at = 50;
    world_run();
    while (n < 330)
        log_number(++n);
    world_turn(50);
    lw.pause_at = 0;
    source_pause(lw.source, false);
    world_to_end();
    assert_int_equal(lw.n_events, n);
    assert_int_equal(lw.lost_lines + lw.gaps_unknown + lw.disorder, 0);
}

/* The container will be held: what is removed until then is kept, but not without end. */
static void kept(int64_t keep_bytes, bool lost)
{
    int64_t n = 0, bytes, bound;

    lw.max_bytes = 100000;
    lw.max_files = 2;
    lw.keep_bytes = keep_bytes;
    lw.quiet = true;
    world_from_start();
    lw.pause_at = lw.stop_at = 500;
    while (n < 10000) {
        for (int k = 0; k < 500; k++)
            log_number(++n);
        world_turn(3);
    }
    world_turn(1500);
    source_backlog(lw.source, &bytes, &bound);
    for (int i = 0; i < 200 && bytes > bound + keep_bytes; i++) { /* on a busy machine */
        world_turn(20);
        source_backlog(lw.source, &bytes, &bound);
    }
    assert_true(bytes <= bound + keep_bytes);
    assert_true(lost || bytes > bound);
    lw.pause_at = lw.stop_at = 0;
    source_pause(lw.source, false);
    world_to_end();
    assert_int_equal(lw.lost_lines > 0, lost);
    assert_int_equal(lw.gaps_unknown, 0);
    assert_int_equal(lw.n_events + lw.lost_lines, n);
    assert_int_equal(lw.disorder, 0);
}

static void test_kept(void **state)
{
    (void)state;
    kept(1000000, false);
}

static void test_kept_for_too_long(void **state)
{
    (void)state;
    kept(100000, true);
}

/* Nobody looked while the engine rotated more often than it keeps files. */
static void test_rotated_unseen(void **state)
{
    int64_t n = 0;

    (void)state;
    lw.max_bytes = 5000;
    lw.max_files = 2;
    world_from_start();
    log_number(++n);
    world_until_number(1);
    while (n < 500)
        log_number(++n);
    world_to_end();
    assert_int_equal(lw.gaps_unknown, 1);
    assert_true(lw.n_events < n && lw.n_events > 40);
    assert_int_equal(lw.last, n);
}

/* ---- going on ---- */

/* What stands in the file, and the events that are to come of it. */
static const struct {
    int stream;
    int64_t at; /* 0: a new time */
    const char *text;
} story[] = {
    { 1, 0, "a1\\n" },    { 2, 0, "b1\\n" }, { 1, 7, "long " },   { 2, 8, "other " },
    { 1, 7, "line\\n" },  { 1, 0, "a3\\n" }, { 2, 8, "line\\n" }, { 1, 0, "\\n" },
    { 1, 9, "part " },    { 1, 9, "by " },   { 2, 0, "b3\\n" },   { 1, 9, "part\\n" },
    { 2, 0, "b4\\r\\n" }, { 1, 0, "a5\\n" }, { 2, 10, "no end" }, { 1, 0, "a6\\n" },
    { 2, 0, "b6\\n" },    { 1, 0, "a7\\n" }, { 1, 11, "x" },      { 1, 11, "y" },
    { 1, 11, "z\\n" },    { 1, 0, "a9\\n" }, { 2, 0, "\\r\\n" },  { 1, 0, "a10\\n" },
};
static const char story_1[] = "a1\nlong line\na3\npart by part\na5\na6\na7\nxyz\na9\na10\n";
static const char story_2[] = "b1\nother line\nb3\nb4\nno end\nb6\n";

static void tell_story(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (story[i].at)
            log_message_at(story[i].stream, 1767596500000000000 + story[i].at, story[i].text);
        else
            log_message_at(story[i].stream, 1767596500000000100 + (int64_t)i, story[i].text);
}

/* The agent is killed after each message, with the log cut into files of `max` bytes; in the next
 * life it goes on from what was confirmed then. */
static void cut_at(int64_t kill, int64_t max, size_t written)
{
    struct cursor c;
    AUTO(buf) struct buf text = BUF_INIT(1000);
    struct err e = { 0 };

    lw.max_bytes = max;
    lw.max_files = 100;
    lw.fake.containers[0].state = FAKE_RUNNING;
    log_open();
    tell_story(0, written);
    world_from_start();
    lw.n_messages = 0;
    lw.stop_at = kill;
    lw.destroy = false;
    lw.pause_at = kill;
    world_run();
    source_place(lw.source, &lw.seen);
    cursor_write(&lw.seen, &text);
    assert_int_equal(cursor_parse(buf_text(&text), &c, &e), ERR_OK);
    tell_story(written, COUNT_OF(story));
    lw.stop_at = lw.pause_at = 0;
    world_source(&c);
    world_to_end();
    log_close();
    if (!str_is(buf_str(&lw.events[0]), story_1) || !str_is(buf_str(&lw.events[1]), story_2))
        fail_msg("killed at %" PRId64 ", files of %" PRId64 ", %s:\n%.*s\n%.*s", kill, max,
                 buf_text(&text), (int)lw.events[0].len, buf_text(&lw.events[0]),
                 (int)lw.events[1].len, buf_text(&lw.events[1]));
    assert_int_equal(lw.gaps_unknown + lw.lost_lines + lw.damaged, 0);
    buf_reset(&lw.events[0]);
    buf_reset(&lw.events[1]);
    source_destroy(lw.source);
    lw.source = NULL;
    for (size_t i = 0; i <= COUNT_OF(story); i++) {
        AUTO(str) char *path = log_path(i);

        unlink(path);
    }
}

static void test_killed_at_every_message(void **state)
{
    static const int64_t sizes[] = { 0, 1, 100, 300, 1000 };

    (void)state;
    log_close();
    unlink(lw.path);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t kill = 1; kill <= COUNT_OF(story); kill++) {
            cut_at((int64_t)kill, sizes[i], kill);
            cut_at((int64_t)kill, sizes[i], COUNT_OF(story));
        }
    }
}

/* The file of the marks is gone, and another one has its inode. */
static void test_gone_with_its_file(void **state)
{
    AUTO(str) char *one = NULL;
    struct stat before, after;
    struct cursor c;
    int64_t n = 0;

    (void)state;
    lw.max_files = 2;
    one = log_path(1);
    while (n < 10)
        log_number(++n);
    world_from_start();
    world_until_number(5); /* all of them come, as the loop is left between messages only */
    world_to_end();
    c = lw.seen;
    source_place(lw.source, &c);
    source_destroy(lw.source);
    lw.source = NULL;
    log_close();
    assert_int_equal(stat(lw.path, &before), 0);
    assert_int_equal(truncate(lw.path, 0), 0); /* the same inode for certain */
    log_open();
    assert_int_equal(stat(lw.path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    while (n < 40)
        log_number(++n);
    world_source(&c);
    world_to_end();
    assert_int_equal(lw.n_events, 40);
    assert_int_equal(lw.disorder, 0);
    assert_int_equal(lw.gaps_unknown, 1);
}

/* One stream says nothing for long: its mark moves on with the other's, so that its file may go. */
static void test_a_silent_stream(void **state)
{
    struct cursor c;
    int64_t n = 0;

    (void)state;
    lw.max_bytes = 3000;
    lw.max_files = 2;
    lw.disorder = -1; /* the first line of stderr has no number */
    log_message(2, "banner\\n");
    log_message(2, "\\n"); /* no event */
    world_from_start();
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 20; k++)
            log_number(++n);
        world_until_number(n);
    }
    c = lw.seen;
    source_place(lw.source, &c);
    assert_int_equal(c.kind, CURSOR_FILE);
    assert_int_equal(c.at[1].major, c.at[0].major);
    assert_int_equal(c.at[1].minor, c.at[0].minor);
    log_number(++n);
    world_source(&c);
    log_message(2, "bye\\n");
    world_to_end();
    assert_int_equal(lw.gaps_unknown, 0);
    assert_int_equal(lw.n_events, n + 2);
    assert_text(buf_str(&lw.events[1]), "banner\nbye\n");
}

/* What was read by the API goes on in the files, and the other way round the times are there. */
static void test_from_a_cursor_of_the_api(void **state)
{
    struct cursor c = { .at = { { 1767596403000000000, 1 }, { 1767596402000000000, 2 } } };

    (void)state;
    lw.max_files = 5;
    log_message_at(1, 1767596401000000000, "old\\n");
    log_rotate();
    log_message_at(2, 1767596402000000000, "old \\n");
    log_message_at(1, 1767596403000000000, "old\\n");
    log_message_at(2, 1767596402000000000, "old\\n");
    log_message_at(1, 1767596403000000000, "new 1\\n");
    log_rotate();
    log_message_at(1, 1767596404000000000, "new 2\\n");
    world_source(&c);
    lw.stop_at = 1;
    world_run();
    c = lw.seen;
    source_place(lw.source, &c);
    assert_int_equal(c.kind, CURSOR_FILE);
    assert_int_equal(c.ns[0], 1767596403000000000);
    log_message_at(2, 1767596405000000000, "new 3\\n");
    world_source(&c);
    world_to_end();
    assert_text(buf_str(&lw.events[0]), "new 1\nnew 2\n");
    assert_text(buf_str(&lw.events[1]), "new 3\n");
    assert_int_equal(lw.gaps_unknown, 0);
}

/* Nothing was confirmed in the files yet: the cursor stays what it was. */
static void test_nothing_confirmed(void **state)
{
    struct cursor c = { .at = { { 1767596403000000000, 1 }, { 0, 0 } } }, before = c;

    (void)state;
    log_number(1);
    world_source(&c);
    source_place(lw.source, &c);
    world_to_end();
    source_place(lw.source, &c);
    assert_int_equal(c.kind, CURSOR_API);
    assert_memory_equal(&c.at, &before.at, sizeof c.at);
}

static void test_destroyed_in_a_call(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++)
        log_number(i);
    world_from_start();
    lw.destroy = true;
    lw.stop_at = 3;
    world_run();
    assert_null(lw.source);
    world_turn(100);
    assert_int_equal(lw.n_messages, 3);
    /* And before anything has happened, and while it asks. */
    lw.stop_at = 0;
    world_from_start();
    world_from_start();
    source_hurry(lw.source);
    world_turn(1);
}

/* What is not in memory is read by a worker; and a source may go while that is at it. */
static void test_from_the_disk(void **state)
{
    int64_t n = 0;

    (void)state;
    lw.quiet = true;
    while (n < 30000)
        log_number(++n);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(fsync(lw.fd), 0);
        assert_int_equal(posix_fadvise(lw.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        lw.last = lw.n_events = 0;
        world_from_start();
        if (i < 3)
            world_turn(i);
    }
    world_to_end();
    assert_int_equal(lw.n_events, n);
    assert_int_equal(lw.last, n);
}

static void test_compressed(void **state)
{
    AUTO(str) char *gz = mem_printf("%s.1.gz", lw.path);
    int fd = open(gz, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    log_number(1);
    world_from_start();
    world_to_end();
    assert_int_equal(lw.gaps_unknown, 1);
    assert_int_equal(lw.troubles, 1);
    assert_int_equal(lw.n_events, 1);
}

static int64_t disk_of_log(void)
{
    int64_t sum = 0;

    for (size_t i = 0; i <= (size_t)lw.max_files; i++) {
        AUTO(str) char *path = log_path(i);
        struct stat st;

        if (stat(path, &st) == 0)
            sum += st.st_size;
    }
    return sum;
}

/* 200 MB through 2 MB of files, by a reader that pauses at random: each line has come or is
 * counted, in order; what is removed meanwhile is kept no longer than it takes to count. */
static void test_a_flood(void **state)
{
    uint32_t random = 1;
    int64_t n = 0;

    (void)state;
    lw.quiet = true;
    lw.max_bytes = 500000;
    lw.max_files = 4;
    world_from_start();
    while (n < 1600000) {
        random = random * 1103515245 + 12345;
        if (random >> 16 & 1)
            source_pause(lw.source, (random >> 17 & 3) != 0);
        for (uint32_t k = 0; k < (random >> 20) % 2000; k++)
            log_number(++n);
        loop_timer_arm(lw.later, random >> 19 & 1);
        loop_run(lw.loop);
        assert_true(disk_of_log() < 2100000);
        assert_in_range(count_removed(), 0, REMOVED_MAX);
        world_settle();
    }
    source_pause(lw.source, false);
    world_to_end();
    print_message("%" PRId64 " lines, %" PRId64 " came, %" PRId64 " lost\n", n, lw.n_events,
                  lw.lost_lines);
    assert_int_equal(lw.gaps_unknown, 0);
    assert_true(lw.lost_lines > 1000 && lw.n_events > 1000);
    assert_int_equal(lw.n_events + lw.lost_lines, n);
    assert_int_equal(lw.disorder, 0);
}

#define JSON(name)  cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
#define LOCAL(name) cmocka_unit_test_setup_teardown(name, world_set_up_local, world_tear_down)
#define BOTH(name)  JSON(name), LOCAL(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_lines_and_the_end),
        LOCAL(test_a_container_ends_by_itself),
        LOCAL(test_restart),
        LOCAL(test_a_container_that_never_ran_again),
        BOTH(test_removed),
        BOTH(test_parts_of_two_streams),
        JSON(test_a_line_comes_in_pieces),
        JSON(test_torn),
        BOTH(test_truncated),
        BOTH(test_rotation),
        LOCAL(test_rotation_of_one),
        BOTH(test_paused),
        LOCAL(test_stalled),
        LOCAL(test_paused_shortly),
        LOCAL(test_kept),
        LOCAL(test_kept_for_too_long),
        LOCAL(test_rotated_unseen),
        BOTH(test_killed_at_every_message),
        BOTH(test_gone_with_its_file),
        LOCAL(test_a_silent_stream),
        BOTH(test_from_a_cursor_of_the_api),
        LOCAL(test_nothing_confirmed),
        LOCAL(test_destroyed_in_a_call),
        BOTH(test_from_the_disk),
        LOCAL(test_compressed),
        LOCAL(test_a_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
