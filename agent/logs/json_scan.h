#pragma once
/* json_scan: the messages of a log file, and what is torn. Pure; private to logs.
 *
 * When the engine or the machine crashes, the file may end in half a line or in zeros, and what is
 * written next stands on the same line. That message is found. */
#include "logs/json_file.h"

struct json_scan {
    bool skipping; /* in a line that is too long to be one, and was told of */
};

/* As json_file_next, but JSON_DAMAGED comes once for a line, however long that is, and *used leads
 * to a message on the same line if there is one. With JSON_MORE, *used may be bytes that are done
 * with: then call again. */
enum json_read json_scan_next(struct json_scan *s, struct str data, size_t *used,
                              struct json_message *out);
