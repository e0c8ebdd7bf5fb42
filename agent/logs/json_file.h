#pragma once
/* json_file: the messages in a log file of the engine's json-file driver. Pure; private to logs.
 *
 * One message is one line: {"log":"text\\n","stream":"stdout","time":"2026-01-05T07:00:00.12Z"},
 * with "attrs" perhaps. The text stays as it is in the file, for the sink wants JSON too: what is
 * read is scanned once and copied once. Any order of members and any spelling that is JSON is
 * understood, the engine's own at once. */
#include "base/buf.h"
#include "logs/record.h"

/* `data` is at the beginning of a line. A line over RECORD_MAX is damaged. A message comes with its
 * text as it stands in the file (escaped), without the "\\n" that ends a line. */
enum record_read json_file_next(struct str data, size_t *used, struct record *out);

/* Appends what a JSON string without its quotes stands for; lone surrogates become U+FFFD. */
void json_file_unescape(struct str text, struct buf *out);
