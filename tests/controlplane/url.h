#pragma once
/* url: percent encoding and queries. Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends `in` with %XX decoded; '+' becomes a space when `plus`. A '%' that
 * two hexadecimal digits do not follow stays as it is. */
void url_decode(struct str in, bool plus, struct buf *out);

/* Appends `in` with everything but A-Z a-z 0-9 - _ . ~ (and '/' when
 * `keep_slash`) as upper-case %XX. */
void url_encode(struct str in, bool keep_slash, struct buf *out);

#define URL_PARAMS_MAX 64

struct url_param {
    char *name, *value; /* decoded */
};

struct url_params {
    struct url_param items[URL_PARAMS_MAX];
    size_t count;
};

/* Reads "a=b&c=d" (a query or a form); '+' is a space. False when there are
 * more than URL_PARAMS_MAX. */
bool url_params_parse(struct url_params *p, struct str text);
void url_params_fini(struct url_params *p);
const char *url_params_get(const struct url_params *p, const char *name); /* NULL: absent */
