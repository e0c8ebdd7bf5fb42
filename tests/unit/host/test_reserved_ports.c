/* The kernel's list of reserved ports: what others put there stays. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/internal.h"

#define LIST "sys/net/ipv4/ip_local_reserved_ports"

static char proc[64];

static void set_list(const char *text)
{
    AUTO(str) char *path = mem_printf("%s/" LIST, proc);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_list(const char *want)
{
    AUTO(str) char *path = mem_printf("%s/" LIST, proc);
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct err e = { 0 };

    if (host_read_file(path, &text, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(buf_text(&text), want);
}

static int setup(void **state)
{
    AUTO(str) char *folders = NULL;

    (void)state;
    snprintf(proc, sizeof proc, "/tmp/berth-reserved-XXXXXX");
    if (!mkdtemp(proc))
        return -1;
    folders = mem_printf("mkdir -p '%s/sys/net/ipv4'", proc);
    return system(folders);
}

static int teardown(void **state)
{
    AUTO(str) char *command = mem_printf("rm -rf '%s'", proc);

    (void)state;
    return system(command);
}

static void test_merge(void **state)
{
    static const struct {
        const char *before, *reserved, *released;
    } cases[] = {
        { "\n", "51678-51679\n", "\n" },
        { "", "51678-51679\n", "\n" },
        { "8080,9000-9002\n", "8080,9000-9002,51678-51679\n", "8080,9000-9002\n" },
        { "51677,51680-65535\n", "51677-65535\n", "51677,51680-65535\n" },
        { "0,51679\n", "0,51678-51679\n", "0,51679\n" }, /* another's stays */
        { "51678-51679,60000\n", "51678-51679,60000\n", "51678-51679,60000\n" },
        { "51600-51700\n", "51600-51700\n", "51600-51700\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host_reserved r = { .ports = { 51679, 51678 } };
        struct err e = { 0 };

        set_list(cases[i].before);
        assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_OK);
        assert_list(cases[i].reserved);
        assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_OK);
        assert_list(cases[i].reserved);
        assert_int_equal(host_ports_release(proc, &r, &e), ERR_OK);
        assert_list(cases[i].released);
    }
}

/* What comes in between is kept too; what went away meanwhile is no mistake. */
static void test_others_in_between(void **state)
{
    struct host_reserved r = { .ports = { 51679, 0 } };
    struct err e = { 0 };

    (void)state;
    set_list("\n");
    assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_OK);
    assert_list("51679\n");
    set_list("7000,51679\n");
    assert_int_equal(host_ports_release(proc, &r, &e), ERR_OK);
    assert_list("7000\n");
    set_list("51679\n"); /* by another */
    assert_int_equal(host_ports_release(proc, &r, &e), ERR_OK);
    assert_list("51679\n");
}

static void test_what_is_not_understood(void **state)
{
    static const char *const lists[] = { "a\n", "1-\n", "9-3\n", "70000\n", "1;2\n", "-5\n" };
    AUTO(buf) struct buf many = BUF_INIT(1 << 16);
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct host_reserved r = { .ports = { 51679, 51678 } };

        set_list(lists[i]);
        assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_INVALID);
        assert_list(lists[i]);
        assert_false(r.added[0] || r.added[1]);
    }
    for (int port = 1001; port < 5000; port += 2)
        assert_true(buf_printf(&many, "%d,", port));
    set_list(buf_text(&many));
    struct host_reserved r = { .ports = { 51679, 51678 } };
    assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_LIMIT);
    assert_list(buf_text(&many));
}

static void test_no_list(void **state)
{
    struct host_reserved r = { .ports = { 51679, 51678 } };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(host_ports_reserve(proc, &r, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, LIST));
    assert_false(r.added[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_understood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_list, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
