/* links: aws io base */
/* Texts of times: Docker's and the services', and the Date header by which the clock is set. */
#include "aws/aws.h"
#include "base/clock.h"
#include "fuzz/fuzz.h"

#define YEAR_MS (366 * 86400000LL)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    char iso[CLOCK_ISO_SIZE], amz[CLOCK_ISO_SIZE], duration[CLOCK_ISO_SIZE];
    struct aws *aws = aws_create(&(const struct aws_args){ .region = "r" });
    int64_t ms = 0, again = 0, number = 0;
    struct err e = { 0 };

    if (!clock_parse_iso(text, &ms, &e)) {
        clock_iso(ms, iso);
        clock_amz(ms, amz);
        clock_go_duration(ms, duration);
        if (ms >= 0 && ms < 8000 * YEAR_MS)
            LAW(!clock_parse_iso(iso, &again, &e) && again == ms);
    } else {
        LAW(*e.msg);
    }
    if (aws_learn_time(aws, text)) {
        int64_t now = aws_now_ms(aws);

        LAW(now > 0 && now < 20000 * YEAR_MS);
        clock_amz(now, amz);
    }
    if (!str_to_int(text, -5, 1000, &number, &e))
        LAW(number >= -5 && number <= 1000);
    aws_destroy(aws);
    return 0;
}
