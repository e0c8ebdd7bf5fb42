/* links: aws */
/* An answer of an AWS service. The first line is its X-Amzn-ErrorType, the byte
 * before it stands for the status. */
#include "aws/aws_answer.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 204, 400, 401, 403, 404, 413, 429, 500, 503, 301, 0 };
    struct str left = fuzz_str(size ? data + 1 : data, size ? size - 1 : 0);
    AUTO(str) char *type = fuzz_line_text(&left);
    int status = size ? statuses[data[0] % COUNT_OF(statuses)] : 200;
    struct aws_answer *a = NEW(struct aws_answer);

    aws_answer_read(status, *type ? type : NULL, left, a);
    LAW(memchr(a->code, 0, sizeof a->code) && memchr(a->err.msg, 0, sizeof a->err.msg));
    LAW(!a->err.code == !*a->err.msg);
    LAW(status / 100 == 2 || a->err.code);
    if (aws_answer_expired(a))
        LAW(*a->code);
    free(a);
    return 0;
}
