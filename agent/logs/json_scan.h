#pragma once
/* json_scan: the messages of a json-file log, and what is torn. Pure; private to logs.
 *
 * When the engine or the machine crashes, the file may end in half a line or in zeros, and what is
 * written next stands on the same line. That message is found. */
#include "logs/json_file.h"

/* As record_format.next. */
enum record_read json_scan_next(struct record_scan *s, struct str data, size_t *used,
                                struct record *out);
