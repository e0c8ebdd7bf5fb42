/* links: docker */
/* The log stream of a container, with frames and without. How it is cut must not
 * matter. */
#include "docker/stream.h"
#include "fuzz/fuzz.h"

struct seen {
    struct buf text;
    int stream;
    int64_t when_ns;
};

static bool on_frame(void *user, int stream, int64_t when_ns, struct str text)
{
    struct seen *s = user;

    LAW((stream == 1 || stream == 2) && text.n && text.n <= DOCKER_FRAME_MAX);
    buf_printf(&s->text, "%d %lld ", stream, (long long)when_ns);
    return buf_append(&s->text, text.p, text.n);
}

static void feed(struct fuzz_pieces pieces, bool tty, struct buf *seen)
{
    struct seen s = { .text = BUF_INIT(16 << 20) };
    struct docker_stream stream;
    struct err e = { 0 };
    struct str piece;

    docker_stream_init(&stream, tty, on_frame, &s);
    while (!e.code && fuzz_next_piece(&pieces, &piece)) {
        LAW(docker_stream_feed(&stream, piece, &e) == e.code);
        free((char *)piece.p);
    }
    if (!e.code)
        LAW(docker_stream_end(&stream, &e) == e.code);
    docker_stream_fini(&stream);
    buf_printf(&s.text, "end %d %s", e.code, e.msg);
    *seen = s.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_pieces pieces = fuzz_pieces(data, size), whole = pieces;

    whole.n_lengths = 0;
    for (int tty = 0; tty < 2; tty++) {
        AUTO(buf) struct buf a = BUF_INIT(1), b = BUF_INIT(1);

        feed(pieces, tty, &a);
        feed(whole, tty, &b);
        LAW(a.len == b.len && memcmp(buf_text(&a), buf_text(&b), a.len) == 0);
    }
    return 0;
}
