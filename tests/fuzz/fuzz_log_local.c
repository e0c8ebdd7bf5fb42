/* links: logs */
/* A log file of the local driver with any bytes in it: each step goes on, in pieces the same
 * records come as at once, and what is torn takes no record that follows with it. */
#include "fuzz/fuzz.h"
#include "logs/json_text.h"
#include "logs/local_file.h"
#include "support/local_log.h"

struct seen {
    size_t n, hash;
    bool is_last; /* the newest one is the one that is appended */
};

static const char last_text[] = "the last one";

static void check(const struct record *m, struct str data, struct seen *seen)
{
    struct json_t *v = NULL;
    AUTO(buf) struct buf quoted = BUF_INIT(2 << 20);
    struct err e = { 0 };

    LAW(m->stream == 1 || m->stream == 2);
    LAW(m->when_ns > 0);
    LAW(m->text.p >= data.p && m->text.n <= data.n &&
        (size_t)(m->text.p - data.p) <= data.n - m->text.n);
    LAW(m->plain_n == m->text.n + m->ends_line);
    LAW(m->cr_n <= m->ends_line && m->cr_n <= m->text.n);
    LAW(!m->escaped || !m->cr_n);
    seen->n++;
    seen->is_last = str_is(m->text, last_text);
    for (size_t i = 0; i < m->text.n; i++)
        seen->hash = seen->hash * 31 + (unsigned char)m->text.p[i];
    buf_puts(&quoted, "[\"");
    if (m->escaped)
        buf_append(&quoted, m->text.p, m->text.n);
    else if (!json_text_escape(m->text, &quoted))
        return;
    buf_puts(&quoted, "\"]");
    /* A text of zeros is for a sink to take, though our own reader of JSON does not. */
    LAW(!json_parse(quoted.data, quoted.len, &v, &e) ||
        memmem(quoted.data, quoted.len, "\\u0000", 6));
    json_free(v);
}

/* Reads on in what is there; how much of it is done with. */
static size_t read_all(struct record_scan *s, struct str data, struct seen *seen)
{
    size_t at = 0;

    for (;;) {
        struct str left = { data.p + at, data.n - at };
        struct record m;
        size_t used;
        enum record_read read = local_file_next(s, left, &used, &m);

        LAW(used <= left.n);
        LAW(used || read == RECORD_MORE);
        if (!used)
            return at;
        if (read == RECORD_WHOLE)
            check(&m, left, seen);
        at += used;
    }
}

static void in_pieces(struct str data, size_t step, const struct seen *whole)
{
    struct record_scan s = { 0 };
    struct seen seen = { 0 };
    int64_t key = 0;
    size_t at = 0;

    for (size_t end = 0; end < data.n;) {
        /* Memory of its own, so that reading past it is seen. */
        size_t next = data.n - end < step ? data.n : end + step;
        char *copy = mem_array(next - at, 1);
        int64_t now = local_records.key((struct str){ data.p, next });

        LAW(now >= 0 && (!key || key == now));
        key = now;
        memcpy(copy, data.p + at, next - at);
        at += read_all(&s, (struct str){ copy, next - at }, &seen);
        free(copy);
        end = next;
    }
    LAW(seen.n == whole->n && seen.hash == whole->hash);
    LAW(!seen.n || key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct local_entry last = { 2, 1767596400000000000, str_of(last_text), 0, false };
    AUTO(buf) struct buf all = BUF_INIT(4 << 20);
    struct record_scan s = { 0 };
    struct seen seen = { 0 }, before;
    size_t n;

    buf_append(&all, data, size);
    n = all.len;
    LAW(read_all(&s, buf_str(&all), &seen) <= n);
    in_pieces(buf_str(&all), 1 + size / 16, &seen);
    before = seen;
    seen = (struct seen){ 0 };
    s = (struct record_scan){ 0 };
    local_append(&all, &last);
    LAW(read_all(&s, buf_str(&all), &seen) == all.len);
    LAW(seen.n > before.n && seen.is_last);
    return 0;
}
