/* links: io; dict: http */
/* The answer to a websocket's handshake, as it grows. A verdict once given stays
 * when more bytes come. */
#include "fuzz/fuzz.h"
#include "io/ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void check_open(struct str bytes, const struct ws_answer *a)
{
    LAW(a->status == 101 && a->head_len <= bytes.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_pieces pieces = fuzz_pieces(data, size);
    struct buf bytes = BUF_INIT(4 << 20);
    enum ws_verdict verdict = WS_MORE;
    struct ws_answer *a = NEW(struct ws_answer), *late = NEW(struct ws_answer);
    struct err e = { 0 };
    struct str piece;

    while (fuzz_next_piece(&pieces, &piece)) {
        buf_append(&bytes, piece.p, piece.n);
        free((char *)piece.p);
        if (verdict == WS_MORE)
            verdict = ws_handshake_read(buf_str(&bytes), false, KEY, a, &e);
        LAW(a->body_len <= sizeof a->body);
        if (verdict == WS_OPEN)
            check_open(buf_str(&bytes), a);
    }
    if (verdict == WS_OPEN) {
        LAW(ws_handshake_read(buf_str(&bytes), false, KEY, late, &e) == WS_OPEN);
        LAW(late->head_len == a->head_len);
    }
    LAW(ws_handshake_read(buf_str(&bytes), true, KEY, late, &e) != WS_MORE);
    buf_fini(&bytes);
    free(a);
    free(late);
    return 0;
}
