/* links: aws */
/* An answer of an AWS service. The first line is its X-Amzn-ErrorType, the byte
 * before it stands for protocol and status. */
#include "aws/aws_answer.h"
#include "base/secret.h"
#include "fuzz/fuzz.h"

static void read_all_of(struct str xml, const char *name)
{
    size_t at = 0, before = 0;

    for (;;) {
        AUTO(secret) char *text = aws_xml_text(xml, name, &at);

        if (!text)
            return;
        /* Replacing entities makes nothing longer. */
        LAW(at > before && at <= xml.n && strlen(text) <= at - before);
        before = at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 204, 400, 401, 403, 404, 413, 429, 500, 503, 301, 0 };
    struct str left = fuzz_str(size ? data + 1 : data, size ? size - 1 : 0);
    AUTO(str) char *type = fuzz_line_text(&left);
    int status = size ? statuses[data[0] % COUNT_OF(statuses)] : 200;
    enum aws_protocol protocol = (enum aws_protocol)(size ? data[0] / COUNT_OF(statuses) % 3 : 0);
    struct aws_answer *a = NEW(struct aws_answer);

    aws_answer_read(protocol, status, *type ? type : NULL, left, a);
    LAW(memchr(a->code, 0, sizeof a->code) && memchr(a->err.msg, 0, sizeof a->err.msg));
    LAW(!a->err.code == !*a->err.msg);
    LAW(status / 100 == 2 || a->err.code);
    if (aws_code_expired(a->code) || aws_answer_untimely(a->code))
        LAW(*a->code);
    read_all_of(left, "Code");
    read_all_of(left, "a");
    free(a);
    return 0;
}
