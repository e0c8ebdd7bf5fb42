/* The records of the local driver, and what is torn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "logs/local_file.h"
#include "support/check.h"
#include "support/local_log.h"

#define NS INT64_C(1767596400123456789)

/* ---- records ---- */

static const struct {
    struct local_entry entry;
    struct record want;
} good[] = {
#define TEXT(s)         \
    {                   \
        s, sizeof s - 1 \
    }
    { { 1, NS, TEXT("hello"), 0, false }, { 1, NS, TEXT("hello"), true, true, 0, 6 } },
    { { 2, 1, TEXT(""), 0, false }, { 2, 1, TEXT(""), true, true, 0, 1 } },
    { { 1, NS, TEXT("hello\r"), 0, false }, { 1, NS, TEXT("hello\r"), false, true, 1, 7 } },
    { { 1, NS, TEXT("\r"), 0, false }, { 1, NS, TEXT("\r"), false, true, 1, 2 } },
    { { 1, NS, TEXT("say \"x\""), 0, false }, { 1, NS, TEXT("say \"x\""), false, true, 0, 8 } },
    { { 1, NS, TEXT("\xFF\0"), 0, false }, { 1, NS, TEXT("\xFF\0"), false, true, 0, 3 } },
    { { 2, NS, TEXT("part\r"), 1, false }, { 2, NS, TEXT("part\r"), true, false, 0, 5 } },
    { { 2, NS, TEXT("of a line"), 200, true }, { 2, NS, TEXT("of a line"), true, true, 0, 10 } },
    { { 1, NS, TEXT(""), 2, true }, { 1, NS, TEXT(""), true, true, 0, 1 } },
};

static void assert_record(const struct record *m, const struct record *want)
{
    assert_int_equal(m->stream, want->stream);
    assert_int_equal(m->when_ns, want->when_ns);
    assert_int_equal(m->text.n, want->text.n);
    assert_memory_equal(m->text.p, want->text.p, want->text.n);
    /* The "\r" of a part is a character like another. */
    assert_int_equal(m->escaped, want->escaped && !memchr(want->text.p, '\r', want->text.n));
    assert_int_equal(m->ends_line, want->ends_line);
    assert_int_equal(m->cr_n, want->cr_n);
    assert_int_equal(m->plain_n, want->plain_n);
}

/* Whatever of it is not there yet, it is waited for. */
static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        AUTO(buf) struct buf data = BUF_INIT(1000);
        struct record_scan s = { 0 };
        struct record m;
        size_t used;

        local_append(&data, &good[i].entry);
        for (size_t n = 0; n < data.len; n++) {
            assert_int_equal(local_file_next(&s, (struct str){ data.data, n }, &used, &m),
                             RECORD_MORE);
            assert_int_equal(used, 0);
        }
        assert_int_equal(local_file_next(&s, buf_str(&data), &used, &m), RECORD_WHOLE);
        assert_int_equal(used, data.len);
        assert_record(&m, &good[i].want);
    }
}

/* Members that nobody knows yet, and another order of those that are known. */
static const struct {
    const char *entry;
    size_t n;
    bool good;
} odd[] = {
#define ODD(bytes, good)              \
    {                                 \
        bytes, sizeof bytes - 1, good \
    }
    ODD("\n\6stdout\x10\x05\x1A\2hi", true),
    ODD("\n\6stdout\x1A\2hi\x10\x05", true),
    ODD("\n\6stdout\x10\x05\x1A\2hi\x32\3abc", true),
    ODD("\n\6stdout\x10\x05\x38\x85\x01\x1A\2hi", true),
    ODD("\n\6stdout\x10\x05\x41"
        "12345678\x4D"
        "1234\x1A\2hi",
        true),
    ODD("\n\6stdout\x10\x05\x1A\2hi\x20\x00", true),
    ODD("\n\6stdout\x10\x05\x1A\2hi\x20\x01\x2A\4\x08\x01\x30\x07", true),
    ODD("\n\6stdout\x10\x05\x1A\3hi", false),               /* longer than the entry */
    ODD("\n\6stdout\x10\x05\x1A\2hi\x20", false),           /* cut */
    ODD("\n\6stdout\x10\x05\x1A\2hi\x33", false),           /* a group */
    ODD("\n\6stdout\x10\x05\x1A\2hi\x2A\2\x08\x80", false), /* a part cut inside */
    ODD("\n\6stdout\x10\x05\x1A\2hi\x2A\2\x0B\x80", false), /* a group there */
    ODD("\n\6stdout\x1A\2hi", false),                       /* no time */
    ODD("\n\6stdout\x10\x00\x1A\2hi", false),               /* likewise */
    ODD("\n\6stdlog\x10\x05\x1A\2hi", false),               /* no such stream */
    ODD("\n\6stdout\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x1A\2hi", false), /* < 0 */
    ODD("\n\6stdout\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x1A\2hi", false),
    ODD("\n\6stdout\x10\x05\x1A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01hi", false),
};

static void test_odd(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        AUTO(buf) struct buf data = BUF_INIT(1000);
        struct record_scan s = { 0 };
        struct record m;
        size_t used;

        print_message("%zu\n", i);
        local_length(&data, odd[i].n);
        buf_append(&data, odd[i].entry, odd[i].n);
        local_length(&data, odd[i].n);
        assert_int_equal(local_file_next(&s, buf_str(&data), &used, &m),
                         odd[i].good ? RECORD_WHOLE : RECORD_DAMAGED);
        if (odd[i].good)
            assert_string_equal(str_is(m.text, "hi") ? "hi" : "?", "hi");
    }
}

/* ---- what is torn ---- */

static void append(struct buf *out, char name)
{
    const struct local_entry e = { 1, NS, { &name, 1 }, 0, false };

    local_append(out, &e);
}

/* a, b: records; x: damage; the number of bytes that are left. */
static void scan(struct str data, char *out, size_t room)
{
    struct record_scan s = { 0 };
    size_t at = 0, used, n = 0;
    struct record m;

    for (;;) {
        enum record_read read =
            local_file_next(&s, (struct str){ data.p + at, data.n - at }, &used, &m);

        at += used;
        assert_true(at <= data.n);
        assert_true(n + 2 < room);
        if (read == RECORD_WHOLE)
            out[n++] = m.text.n ? m.text.p[0] : '-';
        else if (read == RECORD_DAMAGED)
            out[n++] = 'x';
        else if (!used)
            break;
        assert_true(used > 0);
    }
    snprintf(out + n, room - n, "%zu", data.n - at);
}

/* The engine was killed at any byte of a record; then another engine wrote two. */
static void test_torn_anywhere(void **state)
{
    AUTO(buf) struct buf one = BUF_INIT(1000);
    char out[100];

    (void)state;
    append(&one, 't');
    for (size_t cut = 1; cut < one.len; cut++) {
        AUTO(buf) struct buf data = BUF_INIT(1000);
        struct record_scan s = { 0 };
        struct record m;
        size_t used;

        append(&data, 'a');
        buf_append(&data, one.data, cut);
        append(&data, 'b');
        append(&data, 'c');
        scan(buf_str(&data), out, sizeof out);
        /* Only its second length is missing: the next one's first, which is the same, ends it. */
        assert_string_equal(out, cut == one.len - 4 ? "atbc0" : "axbc0");
        /* The damage may be seen early, and never takes what is not there yet. */
        for (size_t n = one.len; n < data.len; n++) {
            char part[100];

            scan((struct str){ data.data, n }, part, sizeof part);
            if (strncmp(part, "a", 1) != 0 || strchr(part, 'c'))
                fail_msg("cut at %zu, %zu bytes: %s", cut, n, part);
        }
        /* Where nothing follows it is waited for. */
        assert_int_equal(local_file_next(&s, (struct str){ one.data, cut }, &used, &m),
                         RECORD_MORE);
    }
}

/* A torn record is longer than all that was written since: that is not waited for. */
static void test_torn_and_little_after_it(void **state)
{
    AUTO(buf) struct buf data = BUF_INIT(100000);
    AUTO(str) char *text = mem_array(16384, 1);
    struct local_entry e = { 1, NS, { text, 16384 }, 1, false };
    char out[100];

    (void)state;
    memset(text, 'y', 16384);
    local_append(&data, &e);
    data.len = 4096; /* a page of it */
    append(&data, 'a');
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "xa0");
}

static void test_damage(void **state)
{
    AUTO(buf) struct buf data = BUF_INIT(1 << 20);
    AUTO(str) char *zeros = mem_array(100000, 1);
    char out[100];

    (void)state;
    append(&data, 'a');
    buf_append(&data, zeros, 100000); /* the machine lost its power */
    append(&data, 'b');
    buf_append(&data, "{\"log\":\"x\"}\n", 12);
    append(&data, 'c');
    data.data[data.len - 1]++; /* the lengths are not the same */
    append(&data, 'd');
    buf_append(&data, "\0\0\0\x20\n\6std", 9); /* it may go on */
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "axbxxd9");
    buf_reset(&data);
    buf_append(&data, zeros, 100000);
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "x8");
    buf_reset(&data);
    buf_append(&data, "\xFF\xFF\xFF\xFF\n\6stdout", 12); /* no such length */
    append(&data, 'a');
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "xa0");
}

/* What a container writes cannot look like a record, for it gets no newline in. */
static void test_a_record_in_a_line(void **state)
{
    AUTO(buf) struct buf inner = BUF_INIT(1000), data = BUF_INIT(1000);
    struct local_entry e = { 1, NS, { 0 }, 0, false };
    char out[100];

    (void)state;
    buf_putc(&inner, 'q');
    append(&inner, 'i');
    inner.data[5] = ' ';
    e.text = buf_str(&inner);
    local_append(&data, &e);
    append(&data, 'a');
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "qa0");
    buf_reset(&data);
    local_append(&data, &e);
    data.len--; /* and it is torn */
    append(&data, 'a');
    scan(buf_str(&data), out, sizeof out);
    assert_string_equal(out, "xa0");
}

/* ---- keys ---- */

static int64_t key(const struct local_entry *e, size_t less)
{
    AUTO(buf) struct buf data = BUF_INIT(100000);

    local_append(&data, e);
    return local_records.key((struct str){ data.data, data.len - less });
}

static void test_keys(void **state)
{
    AUTO(buf) struct buf data = BUF_INIT(100000);
    AUTO(str) char *text = mem_array(16384, 1);
    struct local_entry a = { 1, NS, { text, 16384 }, 1, false }, b = a;

    (void)state;
    memset(text, 'y', 16384);
    assert_int_equal(key(&a, 1), 0);
    assert_true(key(&a, 0) > 0);
    b.ns++;
    assert_int_not_equal(key(&a, 0), key(&b, 0));
    b = a;
    b.part = 2; /* the next part of the same line, of the same time */
    assert_int_not_equal(key(&a, 0), key(&b, 0));
    /* It stays the same while the file grows, also when it begins with damage. */
    local_append(&data, &a);
    append(&data, 'x');
    assert_int_equal(local_records.key(buf_str(&data)), key(&a, 0));
    data.len = 1000;
    append(&data, 'x');
    assert_true(local_records.key(buf_str(&data)) > 0);
    append(&data, 'y');
    assert_int_equal(local_records.key((struct str){ data.data, data.len - 40 }),
                     local_records.key(buf_str(&data)));
    assert_int_equal(local_records.key((struct str){ "\0\0\0\0\0\0", 6 }), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_odd),
        cmocka_unit_test(test_torn_anywhere), cmocka_unit_test(test_torn_and_little_after_it),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_a_record_in_a_line),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
