#pragma once
/* pattern_syntax: a regular expression of Go's (RE2's syntax), written as PCRE2 reads it. Pure;
 * private to logs.
 *
 * Task definitions are written for a matcher that is Go's. What only PCRE2 takes (references back,
 * looking around, possessive repeats, verbs) is refused with Go's words, and what the two read
 * differently is spelled out. Groups become such that capture nothing. */
#include "base/buf.h"
#include "base/err.h"
#include "logs/multiline.h"

/* A buffer with this maximum does not overflow. */
#define PATTERN_SPELLED_MAX ((size_t)16 * PATTERN_TEXT_MAX)

/* Appends. ERR_INVALID: "error parsing regexp: ...", which quotes the place. */
MUST_CHECK enum err_code pattern_spell(const char *text, struct buf *out, struct err *e);
