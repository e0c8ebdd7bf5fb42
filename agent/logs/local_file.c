#include "logs/local_file.h"

#include <string.h>

#include "logs/json_text.h"

#define LENGTH 4
/* The member 1 with six bytes: how every entry begins, for there is no other stream. */
static const char begin[] = "\n\6std";
#define BEGIN (sizeof begin - 1)
/* That, a time, and nothing else. */
#define ENTRY_LEAST  10
#define RECORD_LEAST (LENGTH + ENTRY_LEAST + LENGTH)

/* ---- protobuf ---- */

enum wire { WIRE_VARINT, WIRE_8_BYTES, WIRE_BYTES, WIRE_4_BYTES = 5 };
#define TAG(number, wire) ((number) << 3 | (wire))

struct members {
    const unsigned char *p, *end;
};

static bool take_varint(struct members *m, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; m->p < m->end && shift < 64; shift += 7) {
        unsigned char c = *m->p++;

        v |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool take_n(struct members *m, uint64_t n, struct str *out)
{
    if (n > (size_t)(m->end - m->p))
        return false;
    *out = (struct str){ (const char *)m->p, (size_t)n };
    m->p += n;
    return true;
}

static bool take_bytes(struct members *m, struct str *out)
{
    uint64_t n;

    return take_varint(m, &n) && take_n(m, n, out);
}

static bool skip_member(struct members *m, uint64_t tag)
{
    struct str bytes;
    uint64_t n;

    switch (tag & 7) {
    case WIRE_VARINT:
        return take_varint(m, &n);
    case WIRE_BYTES:
        return take_bytes(m, &bytes);
    case WIRE_8_BYTES:
        return take_n(m, 8, &bytes);
    case WIRE_4_BYTES:
        return take_n(m, 4, &bytes);
    default:
        return false;
    }
}

/* Is the part the last one of its line? */
static bool read_part(struct str of, uint64_t *last)
{
    struct members m = { (const unsigned char *)of.p, (const unsigned char *)of.p + of.n };
    uint64_t tag;

    while (m.p < m.end)
        if (!take_varint(&m, &tag) ||
            !(tag == TAG(1, WIRE_VARINT) ? take_varint(&m, last) : skip_member(&m, tag)))
            return false;
    return true;
}

/* ---- one entry ---- */

static bool set_stream(struct str name, struct record *out)
{
    out->stream = str_is(name, "stdout") ? 1 : str_is(name, "stderr") ? 2 : 0;
    return out->stream != 0;
}

static void set_text(struct str text, bool ends_line, struct record *out)
{
    bool cr = ends_line && text.n && text.p[text.n - 1] == '\r';

    out->text = text;
    out->ends_line = ends_line;
    out->cr_n = cr;
    out->plain_n = text.n + ends_line;
    out->escaped = !cr && json_text_is_plain(text);
}

/* *odd: it is more than a stream, a time and a text of a whole line. */
static bool read_entry(struct str entry, struct record *out, bool *odd)
{
    struct members m = { (const unsigned char *)entry.p, (const unsigned char *)entry.p + entry.n };
    uint64_t tag, ns = 0, part = 0, last = 0;
    struct str text = { entry.p, 0 }, bytes;
    bool good = true;

    *odd = false;
    out->stream = 0;
    while (good && m.p < m.end) {
        good = take_varint(&m, &tag);
        switch (good ? tag : 0) {
        case TAG(1, WIRE_BYTES):
            good = take_bytes(&m, &bytes) && set_stream(bytes, out);
            break;
        case TAG(2, WIRE_VARINT):
            good = take_varint(&m, &ns);
            break;
        case TAG(3, WIRE_BYTES):
            good = take_bytes(&m, &text);
            break;
        case TAG(4, WIRE_VARINT):
            *odd = true;
            good = take_varint(&m, &part);
            break;
        case TAG(5, WIRE_BYTES):
            *odd = true;
            good = take_bytes(&m, &bytes) && read_part(bytes, &last);
            break;
        default:
            *odd = true;
            good = good && skip_member(&m, tag);
        }
    }
    if (!good || !out->stream || ns == 0 || ns > INT64_MAX)
        return false;
    out->when_ns = (int64_t)ns;
    set_text(text, !part || last, out);
    return true;
}

/* ---- records ---- */

static size_t length_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
}

/* Where a record begins, at `from` or behind it; data.n: none does. */
static size_t find_record(struct str data, size_t from)
{
    const char *p = data.n > from + LENGTH
                        ? memmem(data.p + from + LENGTH, data.n - from - LENGTH, begin, BEGIN)
                        : NULL;

    return p ? (size_t)(p - data.p) - LENGTH : data.n;
}

/* `before`: of the record that ended here. Of one that was torn right before its second length, the
 * first length of the next one stands in for that when they are equal: then that one is left
 * without.
 */
static enum record_read read_record(struct str data, size_t before, size_t *used,
                                    struct record *out)
{
    size_t head = before && data.n && *data.p == *begin ? 0 : LENGTH, n, have;
    bool odd;

    if (data.n < head)
        return RECORD_MORE;
    n = head ? length_at(data.p) : before;
    have = data.n - head;
    if (n < ENTRY_LEAST || n > RECORD_MAX - 2 * LENGTH ||
        memcmp(data.p + head, begin, have < BEGIN ? have : BEGIN) != 0)
        return RECORD_DAMAGED;
    if (have < n + LENGTH) /* it may be torn: then another one stands where its rest should be */
        return find_record(data, 1) < data.n ? RECORD_DAMAGED : RECORD_MORE;
    if (length_at(data.p + head + n) != n ||
        !read_entry((struct str){ data.p + head, n }, out, &odd))
        return RECORD_DAMAGED;
    *used = head + n + LENGTH;
    if ((odd || !out->escaped) && find_record((struct str){ data.p, *used }, 1) < *used)
        return RECORD_DAMAGED;
    return RECORD_WHOLE;
}

/* What is no record up to the next one; the end of `data` may be the beginning of that. */
static size_t damage_of(struct str data, size_t from)
{
    size_t next = find_record(data, from), tail = LENGTH + BEGIN - 1;

    if (next < data.n)
        return next;
    return data.n > from + tail ? data.n - tail : from;
}

enum record_read local_file_next(struct record_scan *s, struct str data, size_t *used,
                                 struct record *out)
{
    enum record_read read;

    *used = 0;
    if (s->skipping) {
        *used = damage_of(data, 0);
        s->skipping = find_record(data, 0) == data.n;
        if (*used || s->skipping)
            return RECORD_MORE;
    }
    read = read_record(data, s->before, used, out);
    if (read == RECORD_WHOLE) {
        s->before = length_at(data.p + *used - LENGTH);
    } else if (read == RECORD_DAMAGED) {
        *used = damage_of(data, 1);
        s->skipping = find_record(data, 1) == data.n;
        s->before = 0;
    }
    return read;
}

/* The time is at the beginning, its fast bytes first; what tells parts of a line from each other,
 * at the end. */
static int64_t key_of(struct str beginning)
{
    char bytes[RECORD_KEY_BYTES];
    struct record_scan s = { 0 };
    struct record m;
    size_t used, tail = 0;
    enum record_read read = local_file_next(&s, beginning, &used, &m);

    if (read == RECORD_MORE || beginning.n < RECORD_LEAST)
        return 0;
    memcpy(bytes, beginning.p, RECORD_LEAST);
    if (read == RECORD_WHOLE) {
        tail = sizeof bytes - RECORD_LEAST;
        tail = used < tail ? used : tail;
        memcpy(bytes + RECORD_LEAST, beginning.p + used - tail, tail);
    }
    return record_key((struct str){ bytes, RECORD_LEAST + tail });
}

const struct record_format local_records = { local_file_next, key_of };
