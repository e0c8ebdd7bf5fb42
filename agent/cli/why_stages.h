#pragma once
/* why_stages: where the time of a task went, of the answer to "why". Private to cli. */
#include "base/json.h"

/* `stages` is what core_write_stages wrote; absent or empty: nothing is printed. */
void why_print_stages(const struct jcur *stages);
