#include "endpoints/audit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log_file.h"
#include "base/mem.h"
#include "base/str.h"

#define LINE_MAX_BYTES ((size_t)16 * 1024)
#define FIELD_MAX      512 /* of what the client chose */
#define SECRET_PATH    "/v2/credentials"

struct audit {
    struct log_file *file;
    struct log_out copy;
    char *cluster, *instance_arn;
};

/* A client must not be able to write a line of its own, or to end the quotes. */
static void put_quoted(struct buf *out, const char *s)
{
    size_t n = str_utf8_prefix(s, strlen(s), FIELD_MAX);

    buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, s[i]);
    }
    buf_putc(out, '"');
}

static const char *or_dash(const char *s)
{
    return str_empty(s) ? "-" : s;
}

void audit_format(const struct audit_line *line, const char *cluster, const char *instance_arn,
                  int64_t wall_ms, struct buf *out)
{
    char time[CLOCK_ISO_SIZE], peer[HTTP_PEER_TEXT];

    clock_iso(wall_ms, time);
    http_peer_text(line->peer, peer);
    buf_printf(out, "%.19sZ %d %s ", time, line->status, peer);
    put_quoted(out, str_starts(line->path, SECRET_PATH "/") ? SECRET_PATH : line->path);
    buf_putc(out, ' ');
    put_quoted(out, line->user_agent ? line->user_agent : "");
    if (line->task_arn)
        buf_printf(out, " %s %s 2 %s %s\n", or_dash(line->task_arn), or_dash(line->event),
                   or_dash(cluster), or_dash(instance_arn));
    else
        buf_puts(out, " - \n");
}

enum err_code audit_open(const char *path, const struct log_file_rule *rule, int copy_fd,
                         struct audit **out, struct err *e)
{
    struct log_file *file = NULL;
    struct err mine = { 0 };

    e = e ? e : &mine;
    if (log_file_open(path, rule, &file, e))
        return err_wrap(e, "audit log");
    *out = NEW(struct audit);
    (*out)->file = file;
    (*out)->copy.fd = copy_fd;
    return ERR_OK;
}

void audit_close(struct audit *a)
{
    if (!a)
        return;
    log_file_close(a->file);
    free(a->cluster);
    free(a->instance_arn);
    free(a);
}

void audit_set_instance(struct audit *a, const char *cluster, const char *instance_arn)
{
    mem_replace(&a->cluster, cluster);
    mem_replace(&a->instance_arn, instance_arn);
}

void audit_write(struct audit *a, int64_t wall_ms, int64_t mono_ms, const struct audit_line *line)
{
    AUTO(buf) struct buf text = BUF_INIT(LINE_MAX_BYTES);

    if (!a)
        return;
    audit_format(line, a->cluster, a->instance_arn, wall_ms, &text);
    if (text.overflowed)
        return;
    log_file_write(a->file, wall_ms, mono_ms, text.data, text.len);
    if (a->copy.fd >= 0)
        log_out_write(&a->copy, text.data, text.len);
}
