#pragma once
/* why_record: what `berth why` prints of a post-mortem record. */
#include "base/json.h"

/* `answer` may have none: then nothing is printed. */
void why_print_record(const struct jcur *answer);
