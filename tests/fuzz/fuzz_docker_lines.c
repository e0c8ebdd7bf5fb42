/* links: docker */
/* The events and the pull progress of the Docker Engine: JSON lines that arrive in
 * any pieces. How they are cut must not matter. */
#include "docker/decode.h"
#include "docker/stream.h"
#include "fuzz/fuzz.h"

static bool on_line(void *user, struct str line)
{
    struct docker_event event;
    struct json_t *doc = NULL;
    struct err e = { 0 };
    char human[DOCKER_PROGRESS_SIZE];
    bool known = false;

    LAW(line.n && !memchr(line.p, '\n', line.n));
    if (!docker_decode_event(line, &event, &known, &doc, &e) && known)
        LAW(strlen(event.id) && event.action <= DOCKER_RESTART);
    json_free(doc);
    e = (struct err){ 0 };
    if (docker_decode_progress(line, human, &e))
        LAW(e.code == ERR_IO);
    buf_append(user, line.p, line.n);
    return buf_putc(user, '\n');
}

static void feed(struct fuzz_pieces pieces, struct buf *seen)
{
    struct docker_lines lines;
    struct err e = { 0 };
    struct str piece, rest;

    docker_lines_init(&lines);
    while (!e.code && fuzz_next_piece(&pieces, &piece)) {
        LAW(docker_lines_feed(&lines, piece, on_line, seen, &e) == e.code);
        free((char *)piece.p);
    }
    rest = docker_lines_rest(&lines);
    buf_append(seen, rest.p, rest.n);
    docker_lines_fini(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_pieces pieces = fuzz_pieces(data, size), whole = pieces;
    struct buf a = BUF_INIT(8 << 20), b = BUF_INIT(8 << 20);

    whole.n_lengths = 0;
    feed(pieces, &a);
    feed(whole, &b);
    LAW(a.len == b.len && streq(buf_text(&a), buf_text(&b)));
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
