/* links: logs */
/* A log file with any bytes in it: each step goes on, and what is called a message is text for a
 * JSON document. */
#include <ctype.h>

#include "fuzz/fuzz.h"
#include "logs/json_scan.h"

/* Each escape is one: a sink that cannot read one text takes none of its batch. */
static void check_escapes(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\\')
            continue;
        LAW(++i < text.n);
        LAW(memchr("\"\\/bfnrtu", text.p[i], 9));
        for (size_t k = 1; text.p[i] == 'u' && k <= 4; k++)
            LAW(i + k < text.n && isxdigit((unsigned char)text.p[i + k]));
    }
}

static void check(const struct record *m)
{
    struct json_t *v = NULL;
    AUTO(buf) struct buf plain = BUF_INIT(1 << 20), quoted = BUF_INIT(1 << 20);
    struct err e = { 0 };

    LAW(m->stream == 1 || m->stream == 2);
    LAW(m->when_ns >= 0);
    check_escapes(m->text);
    LAW(m->escaped);
    LAW(!m->cr_n || m->ends_line);
    json_file_unescape(m->text, &plain);
    LAW(plain.len + m->ends_line == m->plain_n);
    LAW(!m->cr_n || (plain.len && plain.data[plain.len - 1] == '\r'));
    buf_puts(&quoted, "[\"");
    buf_append(&quoted, m->text.p, m->text.n);
    buf_puts(&quoted, "\"]");
    /* Halves of characters in two escapes are for the sink to judge. */
    LAW(!json_parse(quoted.data, quoted.len, &v, &e) || memmem(m->text.p, m->text.n, "\\u", 2));
    json_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_scan s = { 0 };
    struct str left = fuzz_str(data, size);

    for (;;) {
        struct record m;
        size_t used;
        enum record_read read = json_scan_next(&s, left, &used, &m);

        LAW(used <= left.n);
        LAW(used || read == RECORD_MORE);
        if (!used)
            break;
        if (read == RECORD_WHOLE)
            check(&m);
        left.p += used;
        left.n -= used;
    }
    return 0;
}
