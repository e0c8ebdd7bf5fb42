/* links: logs */
/* A stored cursor: what can be read is written and read again as the same. */
#include "fuzz/fuzz.h"
#include "logs/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    AUTO(buf) struct buf again = BUF_INIT(1000);
    struct cursor c, back, by_time;
    struct err e = { 0 };

    if (cursor_parse(text, &c, &e))
        return 0;
    cursor_write(&c, &again);
    LAW(!cursor_parse(buf_text(&again), &back, &e));
    LAW(back.kind == c.kind && back.clean == c.clean && back.n_newest == c.n_newest);
    for (size_t i = 0; i < 2; i++) {
        LAW(back.at[i].major == c.at[i].major && back.at[i].minor == c.at[i].minor);
        LAW(back.ns[i] == c.ns[i]);
    }
    by_time = cursor_by_time(&c);
    LAW(by_time.kind == CURSOR_API);
    LAW(cursor_since_ns(&by_time) >= 0);
    return 0;
}
