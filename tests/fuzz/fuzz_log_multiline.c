/* links: logs; dict: pattern */
/* The first line is a pattern, after a "d" that of awslogs-datetime-format, after any other letter
 * that of awslogs-multiline-pattern; each other line is a line of a log, after an "e" one of
 * stderr. */
#include "fuzz/fuzz.h"
#include "logs/multiline.h"

static struct {
    size_t in, out;
} bytes;

static void on_event(void *user, const struct line *event)
{
    (void)user;
    LAW(event->text.n > 0 && event->text.n <= LINES_MAX_EVENT);
    bytes.out += event->text.n;
}

static void feed(struct multiline *m, const struct pattern *p, struct str text, int64_t n)
{
    struct line line = { .stream = 1, .when_ns = n, .mark = { 1, n } };
    int64_t steps = 0, gave_up = 0;
    bool matches;
    char *copy;

    if (text.n) {
        line.stream = *text.p == 'e' ? 2 : 1;
        text.p++;
        text.n--;
    }
    copy = mem_array(text.n, 1);
    memcpy(copy, text.n ? text.p : "", text.n);
    line.text = (struct str){ copy, text.n };
    matches = pattern_matches_counted(p, line.text, &gave_up, &steps);
    LAW(gave_up <= 1 && !(matches && gave_up));
    LAW(steps <= pattern_steps_max(text.n) + 2 + (int64_t)text.n / 16);
    multiline_feed(m, &line, n);
    bytes.in += text.n + 1;
    free(copy);
    if (n % 8 == 0)
        LAW(multiline_flush(m, n, 4) <= n + 4);
}

static enum err_code compile(const char *text, struct pattern **out, struct err *e)
{
    AUTO(buf) struct buf pattern = BUF_INIT(PATTERN_TEXT_MAX);

    if (*text != 'd')
        return pattern_compile(*text ? text + 1 : text, out, e);
    datetime_pattern(text + 1, &pattern);
    return pattern_compile(buf_text(&pattern), out, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size);
    char *text = fuzz_line_text(&left);
    struct pattern *p = NULL;
    struct multiline *m;
    struct err e = { 0 };

    if (compile(text, &p, &e)) {
        LAW(e.code == ERR_INVALID && str_starts(e.msg, "error parsing regexp: ") && !p);
        free(text);
        return 0;
    }
    m = multiline_create(p, on_event, NULL);
    bytes.in = bytes.out = 0;
    for (int64_t n = 1; left.n; n++)
        feed(m, p, fuzz_line(&left), n);
    multiline_end(m);
    LAW(bytes.in == bytes.out);
    multiline_destroy(m);
    pattern_destroy(p);
    free(text);
    return 0;
}
