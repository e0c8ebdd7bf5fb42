/* config/ecs.config, which another test compares with the table word by word, does what it
 * says. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "unit/config/helper.h"

static int open_sample(void)
{
    return open(TEST_FOLDER "/../../../config/ecs.config", O_RDONLY | O_CLOEXEC);
}

static void read_sample(struct buf *out)
{
    int fd = open_sample();
    ssize_t got = 1;

    assert_true(fd >= 0);
    for (char *p; got > 0 && (p = buf_reserve(out, 4096));)
        if ((got = read(fd, p, 4096)) > 0)
            buf_grew(out, (size_t)got);
    close(fd);
}

/* Every setting that a line can change, now or later, and that has a default is there. */
static void assert_lines(const char *text)
{
    size_t n;
    const struct config_var *rows = config_vars(&n);

    for (size_t i = 0; i < n; i++) {
        AUTO(str) char *line = NULL;

        if (!rows[i].name || rows[i].env_only || rows[i].support == CONFIG_INERT || !*rows[i].value)
            continue;
        line = mem_printf("%s=%s\n", rows[i].name, rows[i].value);
        if (!strstr(text, line))
            fail_msg("%s is not there with its default", rows[i].name);
    }
}

/* Uncommented as it stands, the file is valid and changes nothing. */
static void test_uncommented_it_gives_the_defaults(void **state)
{
    struct buf have = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
    struct built b, bare;
    char *line, *rest;
    size_t n;

    (void)state;
    read_sample(&have);
    for (rest = have.data; (line = strsep(&rest, "\n"));)
        if (line[0] == '#' && line[1] && line[1] != ' ' && line[strlen(line) - 1] != '=')
            buf_printf(&plain, "%s\n", line + 1);
    assert_lines(buf_text(&plain));
    b = build(buf_text(&plain), region_only);
    assert_string_equal(buf_text(&b.text), "");
    bare = build(NULL, region_only);
    (void)config_vars(&n);
    for (size_t i = 0; i < n; i++)
        if (!config_same(b.c, bare.c, i))
            fail_msg("the default of %s is not what is shown", config_vars(&n)[i].name);
    built_fini(&bare);
    built_fini(&b);
    buf_fini(&have);
    buf_fini(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uncommented_it_gives_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
