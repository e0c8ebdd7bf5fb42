/* datetime: the expressions of awslogs-datetime-format. English names, as the engine's driver has
 * them; unlike its own these take no stray comma, and know the days 010 to 090 of a year. */
#include "logs/multiline.h"

#include <string.h>

static const char *expression_of(char conversion)
{
    switch (conversion) {
    case 'a':
        return "(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)";
    case 'A':
        return "(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day";
    case 'w':
        return "[0-6]";
    case 'd':
        return "(?:0[1-9]|[12]\\d|3[01])";
    case 'b':
        return "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
    case 'B':
        return "(?:January|February|March|April|May|June|July|August|September|October|November|"
               "December)";
    case 'm':
        return "(?:0[1-9]|1[0-2])";
    case 'Y':
        return "\\d{4}";
    case 'y':
        return "\\d{2}";
    case 'H':
        return "(?:[01]\\d|2[0-3])";
    case 'I':
        return "(?:0\\d|1[0-2])";
    case 'p':
        return "[AP]M";
    case 'M':
    case 'S':
        return "[0-5]\\d";
    case 'f':
        return "\\d{6}";
    case 'z':
        return "[+-]\\d{4}";
    case 'Z':
        return "[A-Z]{1,4}T";
    case 'j':
        return "(?:00[1-9]|0[1-9]\\d|[12]\\d\\d|3[0-5]\\d|36[0-6])";
    case 'L':
        return "\\.\\d{3}";
    default:
        return "";
    }
}

void datetime_pattern(const char *format, struct buf *out)
{
    for (const char *p = format; *p;) {
        int n = str_utf8_len(p + 1, strlen(p + 1));

        if (*p != '%' || !p[1] || p[1] == '\n') {
            buf_putc(out, *p++);
            continue;
        }
        /* A character, which may be of several bytes, is what the percent sign takes along. */
        buf_puts(out, expression_of(p[1]));
        p += 1 + (n > 0 ? n : 1);
    }
}
