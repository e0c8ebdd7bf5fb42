#pragma once
/* local_file: the messages in a log file of the engine's local driver, and what is torn. Pure;
 * private to logs.
 *
 * A record is the length of an entry (4 bytes, the highest first), the entry, and its length again.
 * The entry is protobuf: 1 "stdout" or "stderr", 2 time in ns, 3 the text without its newline, 4
 * whether it is a part of a line, 5 of such a part: 1 whether it is the last one. More members may
 * come.
 *
 * An engine that is killed leaves the beginning of a record behind, a machine perhaps zeros, and
 * the next record follows at once. That one is found: an entry begins with a byte that is a newline
 * too, which no text of a line has in it. */
#include "logs/record.h"

/* As record_format.next; a text comes as the container wrote it, escaped when there is nothing to
 * escape. */
enum record_read local_file_next(struct record_scan *s, struct str data, size_t *used,
                                 struct record *out);
