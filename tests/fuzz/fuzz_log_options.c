/* links: logs; dict: pattern */
/* The options of the awslogs driver, one "name=value" a line, and a stored cursor:
 * the whole text. */
#include "fuzz/fuzz.h"
#include "logs/cursor.h"
#include "logs/options.h"

#define OPTIONS_MAX 16

static void read_options(struct str left)
{
    static char web[] = "web", id[] = "8f2c";
    struct task_kv options[OPTIONS_MAX];
    struct task_container c = { .name = web, .image = web, .log_options = options };
    struct task t = { .id = id, .containers = &c, .n_containers = 1 };
    struct aws *aws = aws_create(&(struct aws_args){ .region = "us-west-2" });
    const struct log_tag tag = { .id = "0123456789ab", .name = "n", .command = "c" };
    struct log_options o = { 0 };
    struct err e = { 0 };
    size_t n_secrets;

    while (left.n && c.n_log_options < OPTIONS_MAX) {
        char *name = fuzz_line_text(&left), *eq = strchr(name, '=');

        options[c.n_log_options].name = name;
        options[c.n_log_options++].value = mem_strdup(eq ? eq + 1 : "");
        if (eq)
            *eq = '\0';
    }
    n_secrets = c.n_log_options / 4; /* the last ones */
    c.n_log_options -= n_secrets;
    if (!log_options_read(&t, &c, options + c.n_log_options, n_secrets, "0123456789ab", &tag, aws,
                          &o, &e)) {
        LAW(*o.group && *o.stream && *o.region && *o.endpoint && o.flush_ms > 0);
        LAW(!strpbrk(o.region, "/.:@?#"));
        log_options_fini(&o);
    } else {
        LAW(e.code && *e.msg && !o.group && !o.stream && !o.pattern);
    }
    c.n_log_options += n_secrets;
    for (size_t i = 0; i < c.n_log_options; i++) {
        free(options[i].name);
        free(options[i].value);
    }
    aws_destroy(aws);
}

static void read_cursor(const char *text)
{
    struct cursor cursor = { 0 }, again = { 0 };
    struct err e = { 0 };
    AUTO(buf) struct buf out = BUF_INIT(4096);

    if (cursor_parse(text, &cursor, &e)) {
        LAW(*e.msg);
        return;
    }
    LAW(cursor_since_ns(&cursor) >= 0);
    cursor_write(&cursor, &out);
    LAW(!cursor_parse(buf_text(&out), &again, &e));
    LAW(memcmp(&cursor, &again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);

    read_options(fuzz_str(data, size));
    read_cursor(text);
    return 0;
}
