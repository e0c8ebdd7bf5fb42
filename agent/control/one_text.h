#pragma once
/* Private to control: errors as the services' gateways send them, without an envelope. */
#include <stdbool.h>

#include "base/json.h"

/* {"ServerException":"text"}: is it an object with one member, which is a string? Then *member is
 * that one, and its key the error's name. */
bool one_text_member(const struct jcur *root, struct jcur *member);
