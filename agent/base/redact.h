#pragma once
/* redact: secret values taken out of texts that are kept. */
#include "base/buf.h"

#define REDACT_SHORTEST 6 /* shorter values are in too many harmless texts */
#define REDACT_MARK     "[secret]"

/* Replaces every occurrence of `secret` in `text` with REDACT_MARK. A value of several lines
 * (a private key) is also looked for line by line, for that is how logs show it. A text that
 * becomes too long is emptied. The bytes that were replaced are wiped. */
void redact(struct buf *text, const char *secret);
