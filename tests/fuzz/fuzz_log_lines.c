/* links: logs */
/* Frames of a container's log become events: valid UTF-8, never empty, never too
 * long. A frame begins with a byte whose bits say stream, time and length. */
#include "fuzz/fuzz.h"
#include "logs/lines.h"

static void on_line(void *user, const struct line *line)
{
    struct json_t *v = NULL;
    AUTO(buf) struct buf quoted = BUF_INIT(8 << 20);
    struct err e = { 0 };

    (void)user;
    LAW(line->stream == 1 || line->stream == 2);
    LAW(line->text.n >= 1 && line->text.n <= LINES_MAX_EVENT);
    /* A JSON string does not take what is not UTF-8. */
    buf_putc(&quoted, '[');
    json_quote(&quoted, line->text);
    buf_putc(&quoted, ']');
    LAW(!json_parse(quoted.data, quoted.len, &v, &e));
    json_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lines lines;
    struct mark mark = { 0 };

    lines_init(&lines, on_line, NULL);
    while (size) {
        size_t n = data[0] >> 3 < size - 1 ? (size_t)(data[0] >> 3) : size - 1;
        int stream = 1 + (data[0] & 1);
        char *text = mem_array(n, 1);

        mark.major += data[0] >> 1 & 1;
        mark.minor++;
        memcpy(text, data + 1, n);
        lines_feed(&lines, stream, mark.major, (struct str){ text, n }, &mark);
        free(text);
        data += n + 1;
        size -= n + 1;
    }
    lines_end(&lines);
    LAW(!lines_waiting(&lines));
    lines_fini(&lines);
    return 0;
}
