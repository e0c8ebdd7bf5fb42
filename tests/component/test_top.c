/* links: io */
/* The table of "berth top": answers of the agent made rows, rates and lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* They belong to the program, not to a library. */
#include "cli/client.c"
#include "cli/top_read.c"
#include "cli/top_screen.c"

#define HEAD                                                                              \
    "{'now_ms':100000,'agent':{'version':'9.9','pid':7,'uptime_ms':3725000},"             \
    "'cluster':'demo','instance_arn':'arn:aws:ecs:r:1:container-instance/demo/i-77',"     \
    "'control':{'acs':{'connected':true}},'core':{'cpu_units':{'total':2048,'used':512}," \
    "'memory_mib':{'total':4096,'used':1024},'tasks':{'NONE':2,'CREATED':1,'RUNNING':3,"  \
    "'STOPPED':4},'tasks_waiting_for_room':1,'reports_unsent':1},'containers':["

/* Reads one answer; in its text ' stands for ". */
static void answer(struct top_view *v, const char *text)
{
    AUTO(json) struct json_t *doc = NULL;
    AUTO(str) char *real = mem_strdup(text);
    struct err e = { 0 };
    struct jcur root;

    for (char *p = real; *p; p++)
        if (*p == '\'')
            *p = '"';
    if (json_parse(real, strlen(real), &doc, &e))
        fail_msg("%s\n%s", e.msg, real);
    root = jcur_root(doc, &e);
    top_view_read(v, &root);
    assert_int_equal(e.code, ERR_OK);
}

static void assert_screen(const struct top_view *v, const struct top_look *look, const char *want)
{
    struct buf b = BUF_INIT(1 << 20);

    top_screen(v, look, &b);
    assert_string_equal(buf_text(&b), want);
    buf_fini(&b);
}

#define WEB(read_ns, cpu, rx)                                                             \
    "{'task':'aaaabbbbcccc','family':'shop','version':'3','container':'web','docker_id':" \
    "'d1','status':'RUNNING','desired':'RUNNING','health':'HEALTHY','started_ms':40000,"  \
    "'restarts':2,'read_ns':" read_ns ",'cpu_ns':" cpu ",'memory_bytes':10485760,"        \
    "'memory_limit':67108864,'pids':5,'rx_bytes':" rx ",'tx_bytes':0,'read_bytes':0,"     \
    "'write_bytes':1000000,'log_waiting_bytes':2048}"
#define YOUNG                                                                            \
    "{'task':'ddddeeeeffff','family':'batch','version':'12','container':'job','status':" \
    "'MANIFEST_PULLED','desired':'RUNNING','restarts':0}"

static void test_table(void **state)
{
    struct top_view v = { 0 };
    struct top_look look = { .width = 200 };

    (void)state;
    answer(&v, HEAD WEB("1000000000", "5000000", "100") "," YOUNG "]}");
    assert_false(top_view_rated(&v));
    answer(&v, HEAD WEB("3000000000", "1005000000", "4196") "," YOUNG "]}");
    assert_true(top_view_rated(&v));
    assert_screen(
        &v, &look,
        "berth 9.9 (process 7), up 1h02m, cluster demo, instance i-77\n"
        "Control plane connected, 1 report waiting\n"
        "CPU 512 of 2048 units, memory 1024 of 4096 MiB, tasks: 3 running, 2 pending, 1 waiting "
        "for room, 4 stopped\n"
        "\n"
        "TASK     FAMILY:REV CONTAINER STATE       CPU%     MEM   LIMIT    RX/s    TX/s  READ/s "
        "WRITE/s  PIDS  RST     LOG     AGE\n"
        "aaaabbbb shop:3     web       HEALTHY     50.0   10.0M   64.0M    2.0K       0       0 "
        "      0     5    2    2.0K   1m00s\n"
        "ddddeeee batch:12   job       PULLING        -       -       -       -       -       - "
        "      -     -    0       -       -\n");
    top_view_fini(&v);
}

static void test_lost_lines(void **state)
{
    static const char one[] =
        "{'logs':{'dropped':{'too_new':0,'spool':1},'gaps':0},'containers':[]}";
    static const char many[] =
        "{'logs':{'dropped':{'too_old':2,'spool':10},'gaps':1},'containers':[{'task':'t',"
        "'container':'web','status':'RUNNING','desired':'RUNNING','health':'HEALTHY',"
        "'held':true}]}";
    struct top_view v = { 0 };
    struct top_look look = { .width = 200 };
    struct buf b = BUF_INIT(1 << 20);

    (void)state;
    answer(&v, one);
    top_screen(&v, &look, &b);
    assert_non_null(strstr(buf_text(&b), " waiting, 1 log line lost (spool 1)\n"));
    answer(&v, many);
    buf_reset(&b);
    top_screen(&v, &look, &b);
    assert_non_null(
        strstr(buf_text(&b), " waiting, 12 log lines lost (too_old 2, spool 10), 1 gap in logs\n"));
    assert_string_equal(v.rows[0].state, "HELD");
    top_view_fini(&v);
    buf_fini(&b);
}

/* A reading that is the same as before keeps its rates; a counter that went back has none. */
static void test_rates(void **state)
{
    struct top_view v = { 0 };

    (void)state;
    answer(&v, HEAD WEB("1000000000", "0", "100") "]}");
    answer(&v, HEAD WEB("2000000000", "250000000", "300") "]}");
    assert_float_equal(v.rows[0].cpu_percent, 25, 0.001);
    assert_float_equal(v.rows[0].rx, 200, 0.001);
    answer(&v, HEAD YOUNG "," WEB("2000000000", "250000000", "300") "]}");
    assert_float_equal(v.rows[1].cpu_percent, 25, 0.001);
    answer(&v, HEAD WEB("3000000000", "1000", "310") "," YOUNG "]}");
    assert_true(v.rows[0].cpu_percent < 0);
    assert_float_equal(v.rows[0].rx, 10, 0.001);
    answer(&v, HEAD WEB("2500000000", "5000", "320") "]}"); /* the clock was set back */
    assert_true(v.rows[0].rx < 0);
    answer(&v, HEAD "]}");
    assert_int_equal(v.n_rows, 0);
    top_view_fini(&v);
}

static void assert_order(struct top_view *v, enum top_sort sort, const char *want)
{
    struct top_look look = { .width = 300, .sort = sort };
    struct buf b = BUF_INIT(1 << 20);
    char seen[16] = "";
    const char *line;

    top_screen(v, &look, &b);
    line = buf_text(&b);
    for (int i = 0; (line = strchr(line, '\n')); i++) {
        line++;
        if (i >= TOP_HEADING && *line)
            seen[strlen(seen)] = *line;
    }
    assert_string_equal(seen, want);
    buf_fini(&b);
}

static void test_order(void **state)
{
    static const double n[3][4] = { { 1, 200, 5, 0 }, { 2, 100, 0, 9 }, { 1, 300, 7, 0 } };
    struct top_view v = { 0 };

    (void)state;
    answer(&v, HEAD WEB("1", "0", "0") "," WEB("1", "0", "0") "," WEB("1", "0", "0") "]}");
    for (size_t i = 0; i < 3; i++) {
        const char name[] = { (char)('z' - (int)i), '\0' };

        mem_replace(&v.rows[i].task, name);
        v.rows[i].cpu_percent = n[i][0];
        v.rows[i].memory = (int64_t)n[i][1];
        v.rows[i].rx = n[i][2];
        v.rows[i].written = n[i][3];
    }
    assert_order(&v, TOP_BY_CPU, "yxz"); /* equal ones by their task */
    assert_order(&v, TOP_BY_MEMORY, "xzy");
    assert_order(&v, TOP_BY_NETWORK, "xzy");
    assert_order(&v, TOP_BY_IO, "yxz");
    assert_order(&v, TOP_BY_TASK, "xyz");
    top_view_fini(&v);
}

/* Whatever the size: no line is wider, there are no more of them than fit, and only what can
 * be left out is. */
static void test_sizes(void **state)
{
    struct top_view v = { 0 };

    (void)state;
    answer(&v, HEAD WEB("1", "0", "0") "," YOUNG "," YOUNG "]}");
    for (int width = 1; width < 220; width++) {
        for (int height = 1; height < 12; height++) {
            struct top_look look = { .width = width, .height = height, .keys = true };
            AUTO(buf) struct buf b = BUF_INIT(1 << 20);
            const char *line, *end;
            int lines = 0;

            top_screen(&v, &look, &b);
            for (line = buf_text(&b); (end = strchr(line, '\n')); line = end + 1, lines++)
                assert_true(end - line <= width);
            assert_int_equal(lines, height < 8 ? height : 8);
            assert_int_equal(*line, '\0');
            if (height < 6)
                continue;
            assert_true((strstr(buf_text(&b), "AGE") != NULL) == (width >= 67));
            assert_true((strstr(buf_text(&b), " LOG ") != NULL) == (width >= 118));
        }
    }
    top_view_fini(&v);
}

/* What a name may hold: nothing of it moves the cursor. */
static void test_names(void **state)
{
    static const struct {
        const char *name, *want;
    } rows[] = {
        { "a\033[2Jb", "a?[2Jb" },
        { "tab\tline\n", "tab?line?" },
        { "\xC2\x9B"
          "31m",
          "?31m" },                           /* CSI in one character */
        { "b\xC3\xBCrste", "b\xC3\xBCrste" }, /* one column for two bytes */
        { "\xE2\x82", "?" },
        { "\xFFz", "?z" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct top_view v = { 0 };
        struct top_look look = { .width = 120 };
        AUTO(buf) struct buf b = BUF_INIT(1 << 20);

        answer(&v, HEAD YOUNG "]}");
        mem_replace(&v.rows[0].container, rows[i].name);
        mem_replace(&v.cluster, rows[i].name);
        top_screen(&v, &look, &b);
        assert_non_null(strstr(buf_text(&b), rows[i].want));
        assert_null(strchr(buf_text(&b), '\033'));
        assert_null(strchr(buf_text(&b), '\t'));
        top_view_fini(&v);
    }
}

static void test_units(void **state)
{
    static const struct {
        double n;
        const char *want;
    } rows[] = {
        { -1, "-" },           { 0, "0" },          { 1023, "1023" },
        { 1024, "1.0K" },      { 1048550, "1.0M" }, { 1048576, "1.0M" },
        { 127.5e6, "121.6M" }, { 5e12, "4.5T" },    { 1e30, "867361737988.4E" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[CELL_SIZE];

        bytes_text(rows[i].n, text);
        assert_string_equal(text, rows[i].want);
    }
}

/* What does not hold the members is no reason to fall over. */
static void test_odd_answers(void **state)
{
    static const char *const texts[] = { "{}", "{'containers':[{},{}]}",
                                         "{'containers':[{'docker_id':'a'}],'core':{}}" };
    struct top_view v = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct top_look look = { .width = 100 };
        AUTO(buf) struct buf b = BUF_INIT(1 << 20);
        struct jw w;

        answer(&v, texts[i]);
        top_screen(&v, &look, &b);
        assert_non_null(strstr(buf_text(&b), "not registered yet"));
        jw_init(&w, &b);
        top_view_write(&v, &w);
    }
    top_view_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_lost_lines),
        cmocka_unit_test(test_rates), cmocka_unit_test(test_order),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_names),
        cmocka_unit_test(test_units), cmocka_unit_test(test_odd_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
