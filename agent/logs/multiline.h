#pragma once
/* multiline: joins lines to events by a pattern that begins an event (logs, section 2). Pure;
 * private to logs.
 *
 * As the engine's own driver: a line that the pattern matches somewhere begins an event, and every
 * line of it keeps a newline. An event goes out with the next match, when it would pass
 * LINES_MAX_EVENT, at the end, and when it is older than the flush interval. Its time is that of
 * its first line (the driver keeps an old time after such a flush; here what comes then has its
 * own). Each of the two streams of a container is joined for itself. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "logs/lines.h"

/* A pattern in the syntax of Go's regexp (logs/pattern_syntax.h). Matching a line never takes more
 * than pattern_steps_max of its length; where it would, the line counts as no match. ERR_INVALID
 * quotes the place in the pattern, in Go's words: "error parsing regexp: ...". */
struct pattern;
MUST_CHECK enum err_code pattern_compile(const char *text, struct pattern **out, struct err *e);
/* Appends the pattern of an awslogs-datetime-format (datetime.c): strftime's conversions that the
 * engine's driver knows; others vanish, other text is part of the regular expression, as there. One
 * that is too long overflows `out`. */
#define PATTERN_TEXT_MAX 8192
void datetime_pattern(const char *format, struct buf *out);
void pattern_destroy(struct pattern *p); /* NULL is fine */
/* `gave_up` counts the lines on which the match was given up; NULL is fine. At most the first
 * PATTERN_LINE_MAX bytes of a line are looked at. */
#define PATTERN_LINE_MAX 65536
bool pattern_matches(const struct pattern *p, struct str line, int64_t *gave_up);
/* A step is an item of the pattern that was tried, or 16 bytes that one ran over: some 5 ns. */
int64_t pattern_steps_max(size_t line_bytes);
/* As pattern_matches; *steps is what it took, which may pass the maximum by what one item of the
 * pattern runs over. */
bool pattern_matches_counted(const struct pattern *p, struct str line, int64_t *gave_up,
                             int64_t *steps);

struct multiline;
/* `p` is borrowed. Events are told as `struct line`s: the mark and `whole` of the last line in it.
 */
struct multiline *multiline_create(const struct pattern *p, lines_fn *fn, void *user);
void multiline_destroy(struct multiline *m); /* NULL is fine; what waits is not told */
/* A line without its newline. `now_ms` is monotonic. */
void multiline_feed(struct multiline *m, const struct line *line, int64_t now_ms);
/* Tells events whose first line came `patience_ms` ago. Returns when (monotonic) the next one is
 * due; -1: nothing waits. */
int64_t multiline_flush(struct multiline *m, int64_t now_ms, int64_t patience_ms);
void multiline_end(struct multiline *m);
int64_t multiline_gave_up(const struct multiline *m);
