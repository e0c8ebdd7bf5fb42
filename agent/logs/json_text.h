#pragma once
/* json_text: texts as they stand between the quotes of a JSON string. Pure; private to logs. */
#include "base/buf.h"
#include "base/str.h"

/* Does it stand there as it is? False for some that do: what is not ASCII is not looked at. */
bool json_text_is_plain(struct str text);
/* Appends it escaped. False: it is no UTF-8, or too much for the buffer; what `out` has is then
 * nothing to use. */
bool json_text_escape(struct str text, struct buf *out);
