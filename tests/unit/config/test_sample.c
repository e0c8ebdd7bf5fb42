/* config/ecs.config says what the table says. After a change of the table,
 * `unit_config_test_sample --write` brings it up to date. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "unit/config/helper.h"

#define WIDTH 78

static const char head[] =
    "# Settings of Berth, one NAME=VALUE a line; read once, when the agent starts.\n"
    "# Copy this file to /etc/ecs/ecs.config and uncomment what should differ: the\n"
    "# values shown are the defaults. Values take no quotes, and a line that starts\n"
    "# with # is a comment. `berth check-config` shows what the agent would use.\n"
    "# A variable of the process environment wins over a line of this file.\n";

/* Comment lines, filled with whole words. */
static void wrap(struct buf *out, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t n = strcspn(text, " ");

        if (column && column + 1 + n > WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        if (!column) {
            buf_putc(out, '#');
            column = 1;
        }
        buf_printf(out, " %.*s", (int)n, text);
        column += n + 1;
        text += n + (text[n] == ' ');
    }
    buf_putc(out, '\n');
}

static void sample(struct buf *out)
{
    size_t n;
    const struct config_var *rows = config_vars(&n);

    buf_puts(out, head);
    for (size_t i = 0; i < n; i++) {
        buf_putc(out, '\n');
        wrap(out, rows[i].help);
        buf_printf(out, "#%s=%s\n", rows[i].name, rows[i].value);
    }
}

static int open_sample(int flags)
{
    const char *tests = strstr(__FILE__, "tests/unit/");
    char path[4096];

    snprintf(path, sizeof path, "%.*sconfig/ecs.config", (int)(tests - __FILE__), __FILE__);
    return open(path, flags | O_CLOEXEC, 0644);
}

static void read_sample(struct buf *out)
{
    int fd = open_sample(O_RDONLY);
    ssize_t got = 1;

    assert_true(fd >= 0);
    for (char *p; got > 0 && (p = buf_reserve(out, 4096));)
        if ((got = read(fd, p, 4096)) > 0)
            buf_grew(out, (size_t)got);
    close(fd);
}

static void test_file_is_up_to_date(void **state)
{
    struct buf want = BUF_INIT(1 << 20), have = BUF_INIT(1 << 20);

    (void)state;
    sample(&want);
    read_sample(&have);
    if (!streq(buf_text(&want), buf_text(&have)))
        fail_msg("config/ecs.config differs from the table; run this program with --write");
    buf_fini(&want);
    buf_fini(&have);
}

/* Uncommented as it stands, the file is valid and changes nothing. */
static void test_uncommented_it_gives_the_defaults(void **state)
{
    static const char *const env[] = { "AWS_DEFAULT_REGION=eu-west-1", NULL };
    struct buf have = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    struct built b;
    char *line, *rest;

    (void)state;
    read_sample(&have);
    for (rest = have.data; (line = strsep(&rest, "\n"));)
        if (line[0] == '#' && line[1] != ' ' && line[strlen(line) - 1] != '=')
            buf_printf(&plain, "%s\n", line + 1);
    b = build(buf_text(&plain), env);
    assert_string_equal(buf_text(&b.text), "");
    assert_int_equal(b.c->log_drivers.n, 5);
    assert_true(b.c->task_iam_role);
    assert_int_equal(b.c->task_cleanup_wait_ms, 3 * 3600 * 1000);
    assert_string_equal(b.c->data_dir, "/var/lib/ecs/data");
    built_fini(&b);
    buf_fini(&have);
    buf_fini(&plain);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_is_up_to_date),
        cmocka_unit_test(test_uncommented_it_gives_the_defaults),
    };

    if (argc == 2 && streq(argv[1], "--write")) {
        struct buf text = BUF_INIT(1 << 20);
        int fd = open_sample(O_WRONLY | O_CREAT | O_TRUNC);
        bool ok;

        sample(&text);
        ok = fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len && close(fd) == 0;
        buf_fini(&text);
        return ok ? 0 : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
