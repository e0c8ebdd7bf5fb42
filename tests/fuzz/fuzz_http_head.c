/* links: io; dict: http */
/* Status and header lines of an HTTP answer. The first line is the name of the
 * header that is looked for. */
#include "fuzz/fuzz.h"
#include "io/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size);
    AUTO(str) char *name = fuzz_line_text(&left);
    AUTO(buf) struct buf head = BUF_INIT(4096);
    const char *value;

    while (left.n) {
        struct str line = fuzz_line(&left);
        int status = head_status(line);

        LAW(status == 0 || (status >= 100 && status <= 999));
        if (!head_add(&head, line))
            break;
    }
    value = head_find(&head, name);
    LAW(!value || (value > head.data && value + strlen(value) < head.data + head.len));
    if (value && url_header_ok(name, value))
        LAW(!strpbrk(value, "\r\n"));
    return 0;
}
