#pragma once
/* json_file: the messages in a log file of the engine's json-file driver. Pure; private to logs.
 *
 * One message is one line: {"log":"text\\n","stream":"stdout","time":"2026-01-05T07:00:00.12Z"},
 * with "attrs" perhaps. The text stays as it is in the file, for the sink wants JSON too: what is
 * read is scanned once and copied once. Any order of members and any spelling that is JSON is
 * understood, the engine's own at once. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json_message {
    int stream; /* 1 stdout, 2 stderr */
    int64_t when_ns;
    struct str text; /* a JSON string without its quotes; valid UTF-8; borrowed */
    size_t plain_n;  /* bytes of the text when it is unescaped, its newline included */
    bool ends_line;  /* it ends in a newline; then `text` is without the "\\n" */
    bool ends_cr;    /* and there is a "\\r" before that, which `text` still has */
};

enum json_read {
    JSON_MESSAGE, /* *out is the next one; *used bytes are done with */
    JSON_MORE,    /* the rest of a line has not been written yet */
    JSON_DAMAGED, /* a line that is no message (torn by a crash of the engine); *used to skip it */
};
/* `data` is at the beginning of a line. A line over JSON_LINE_MAX is damaged. The engine cuts texts
 * at 16 KiB, which escaped may be six times as many. */
#define JSON_LINE_MAX ((size_t)256 * 1024)
enum json_read json_file_next(struct str data, size_t *used, struct json_message *out);

/* Appends what a JSON string without its quotes stands for; lone surrogates become U+FFFD. */
void json_file_unescape(struct str text, struct buf *out);

/* A number for the beginning of a file (at most JSON_HEAD_BYTES), by which a file that has an inode
 * of another is told from it: each message carries a time. Never 0. */
#define JSON_HEAD_BYTES 256
uint64_t json_file_head(struct str head);
