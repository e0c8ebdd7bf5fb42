/* record.c: whatever the facts and the lines are, the record is one JSON object within its
 * bound, and no secret is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/redact.h"
#include "postmortem/internal.h"

#define CANARY "canary-of-a-secret"

static bool knows = true;

static bool clean(void *user, const char *task_arn, struct buf *text)
{
    (void)user;
    assert_string_equal(task_arn, "arn:t");
    if (knows)
        redact(text, CANARY);
    return knows;
}

/* The finished record, parsed; json_free() it. */
static struct json_t *record_of(const struct postmortem_facts *f, const struct record_log *logs,
                                size_t n, struct buf *text)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };

    record_write_head(text, f, clean, NULL);
    assert_in_range(text->len, 1, RECORD_HEAD_MAX);
    record_write_logs(text, logs, n);
    assert_false(text->overflowed);
    if (json_parse(text->data, text->len, &doc, &e))
        fail_msg("%s: %.200s", e.msg, text->data);
    return doc;
}

static void test_small(void **state)
{
    static const struct postmortem_container k = {
        .name = "a",
        .image = "img",
        .status = "STOPPED",
        .failed = true,
        .has_exit_code = true,
        .exit_code = 139,
        .signal = "SIGSEGV",
        .error = "told " CANARY,
        .started_ms = 1700000000000,
        .finished_ms = 1700000009000,
        .use = { .read_ms = 1700000007000, .memory_max_bytes = 4096, .memory_limit = 8192 },
    };
    static const struct postmortem_note note = { "2026", "saw " CANARY, NULL, true };
    static const struct postmortem_facts f = {
        .id = "t",
        .task_arn = "arn:t",
        .family = "f",
        .revision = "1",
        .line = "it " CANARY,
        .reason = CANARY,
        .containers = &k,
        .n_containers = 1,
        .notes = &note,
        .n_notes = 1,
    };
    static char hello[] = "hello";
    static const struct record_line line = { 1700000000000000000, 2, hello, 5 };
    static const struct record_log log = { "a", &line, 1, NULL };
    static const char want[] =
        "{\"v\":1,\"id\":\"t\",\"task_arn\":\"arn:t\",\"family\":\"f\",\"revision\":\"1\","
        "\"what\":\"it [secret]\",\"reason\":\"[secret]\",\"containers\":[{\"name\":\"a\","
        "\"image\":\"img\",\"essential\":false,\"failed\":true,\"status\":\"STOPPED\","
        "\"exit_code\":139,\"signal\":\"SIGSEGV\",\"out_of_memory\":false,"
        "\"error\":\"told [secret]\",\"started\":\"2023-11-14T22:13:20.000Z\","
        "\"finished\":\"2023-11-14T22:13:29.000Z\",\"restarts\":0,\"use\":{\"age_ms\":2000,"
        "\"memory_bytes\":0,\"memory_max_bytes\":4096,\"memory_limit_bytes\":8192,"
        "\"oom_kills\":0,\"cpu_periods\":0,\"cpu_throttled_periods\":0,\"cpu_throttled_ms\":0,"
        "\"pids\":0}}],\"events\":[{\"time\":\"2026\",\"event\":\"saw [secret]\","
        "\"warning\":true}],\"logs\":[{\"container\":\"a\",\"lines\":[{\"time\":"
        "\"2023-11-14T22:13:20.000Z\",\"stream\":\"stderr\",\"text\":\"hello\"}]}]}";
    struct buf b = BUF_INIT(POSTMORTEM_MAX);

    (void)state;
    json_free(record_of(&f, &log, 1, &b));
    assert_string_equal(buf_text(&b), want);
    buf_fini(&b);
}

/* What a program wrote is withheld when its secrets are not known. */
static void test_unknown_secrets(void **state)
{
    struct postmortem_container k = { .name = "a", .status = "STOPPED", .output = CANARY };
    struct postmortem_facts f = {
        .id = "t", .task_arn = "arn:t", .containers = &k, .n_containers = 1
    };
    struct buf b = BUF_INIT(POSTMORTEM_MAX);

    (void)state;
    knows = false;
    json_free(record_of(&f, NULL, 0, &b));
    knows = true;
    assert_null(strstr(buf_text(&b), CANARY));
    assert_non_null(strstr(buf_text(&b), "withheld"));
    buf_fini(&b);
}

/* Names, texts and lines of the worst kinds, many of them. */
static void test_hostile(void **state)
{
    static const char *const fills[] = { "\x01",     "\xFF",     "\"",
                                         "\\",       "\xC3\xA4", "\xF0\x9F\x92\xA9",
                                         "\xE2\x82", "x" };
    enum { LONG = 70000, MANY = 120, LINES = 50 };
    char *text = mem_alloc(LONG + 8);
    struct postmortem_container *all = mem_array(MANY, sizeof *all);
    struct postmortem_note *notes = mem_array(1000, sizeof *notes);
    struct record_line *lines = mem_array(LINES, sizeof *lines);
    struct record_log *logs = mem_array(MANY, sizeof *logs);

    (void)state;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        size_t n = strlen(fills[i]);

        for (size_t at = 0; at + n < LONG; at += n)
            memcpy(text + at, fills[i], n + 1);
        for (size_t k = 0; k < MANY; k++) {
            all[k] = (struct postmortem_container){ .name = text,
                                                    .image = text,
                                                    .image_id = text,
                                                    .docker_id = text,
                                                    .status = "STOPPED",
                                                    .failed = k == 77,
                                                    .error = text,
                                                    .output = text };
            logs[k] = (struct record_log){ text, lines, LINES, text };
        }
        for (size_t k = 0; k < 1000; k++)
            notes[k] = (struct postmortem_note){ text, text, text, true };
        for (size_t k = 0; k < LINES; k++)
            lines[k] = (struct record_line){ 1, 1, text, strlen(text) };
        for (size_t few = 1; few <= MANY; few *= 5) {
            struct postmortem_facts f = { .id = "t",
                                          .task_arn = "arn:t",
                                          .family = text,
                                          .revision = text,
                                          .line = text,
                                          .reason = text,
                                          .agent_version = text,
                                          .docker_version = text,
                                          .containers = all + (few == 1 ? 77 : 0),
                                          .n_containers = few == 1 ? 1 : MANY,
                                          .notes = notes,
                                          .n_notes = 1000 };
            struct buf b = BUF_INIT(POSTMORTEM_MAX);
            struct json_t *doc = record_of(&f, logs, few, &b);
            struct err e = { 0 };
            struct jcur root = jcur_root(doc, &e), told = jcur_arr(&root, "containers");
            struct jcur first = jcur_at(&told, 0), told_logs = jcur_arr(&root, "logs");
            struct jcur log = jcur_at(&told_logs, 0), said = jcur_arr(&log, "lines");

            assert_true(jcur_bool_or(&first, "failed", false));
            assert_true(few > 1 || jcur_len(&said) > 0);
            json_free(doc);
            buf_fini(&b);
        }
    }
    free(logs);
    free(lines);
    free(notes);
    free(all);
    free(text);
}

/* The oldest lines go, the newest stay, and how many went is said. */
static void test_oldest_lines_go(void **state)
{
    struct record_line lines[50];
    struct record_log log = { "a", lines, 50, NULL };
    struct postmortem_facts f = { .id = "t", .task_arn = "arn:t" };
    char room[50][2000];
    struct buf b = BUF_INIT(POSTMORTEM_MAX);
    struct err e = { 0 };
    struct json_t *doc;
    struct jcur root, logs, first, all, last;

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        memset(room[i], 'x', sizeof room[i]);
        snprintf(room[i], 20, "line %zu", i);
        room[i][strlen(room[i])] = ' ';
        lines[i] = (struct record_line){ 1, 1, room[i], sizeof room[i] };
    }
    doc = record_of(&f, &log, 1, &b);
    root = jcur_root(doc, &e);
    logs = jcur_arr(&root, "logs");
    first = jcur_at(&logs, 0);
    all = jcur_arr(&first, "lines");
    last = jcur_at(&all, jcur_len(&all) - 1);
    assert_in_range(jcur_len(&all), 20, 40);
    assert_int_equal(jcur_int(&first, "left_out", 0, 50), 50 - jcur_len(&all));
    assert_true(str_starts(jcur_str(&last, "text"), "line 49 "));
    json_free(doc);
    buf_fini(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_unknown_secrets),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_oldest_lines_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
