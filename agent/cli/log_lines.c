#include "cli/log_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define WIDTH_MAX 40 /* a longer name does not move the others */

/* ---- lines ---- */

void log_lines_init(struct log_lines *l, log_line_fn *fn, void *user)
{
    *l = (struct log_lines){ .fn = fn, .user = user };
    buf_init(&l->parts[0], LOG_LINE_MAX);
    buf_init(&l->parts[1], LOG_LINE_MAX);
}

void log_lines_fini(struct log_lines *l)
{
    buf_fini(&l->parts[0]);
    buf_fini(&l->parts[1]);
}

static void give(struct log_lines *l, int stream)
{
    struct buf *part = &l->parts[stream == 2];
    struct str line = buf_str(part);

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    l->fn(l->user, stream, l->when_ns[stream == 2], line);
    buf_reset(part);
}

void log_lines_add(struct log_lines *l, int stream, int64_t when_ns, struct str text)
{
    struct buf *part = &l->parts[stream == 2];

    while (text.n) {
        const char *newline = memchr(text.p, '\n', text.n);
        size_t n = newline ? (size_t)(newline - text.p) : text.n;
        size_t room = LOG_LINE_MAX - part->len;
        bool whole = newline && n <= room;

        if (!part->len)
            l->when_ns[stream == 2] = when_ns;
        if (n > room)
            n = room;
        buf_append(part, text.p, n);
        text.p += n + whole;
        text.n -= n + whole;
        if (whole || part->len == LOG_LINE_MAX)
            give(l, stream);
    }
}

void log_lines_end(struct log_lines *l)
{
    for (int stream = 1; stream <= 2; stream++)
        if (l->parts[stream == 2].len)
            give(l, stream);
}

/* ---- printing ---- */

static bool wants_color(int fd)
{
    return isatty(fd) && str_empty(getenv("NO_COLOR"));
}

void log_printer_init(struct log_printer *p)
{
    *p = (struct log_printer){ { wants_color(STDOUT_FILENO), wants_color(STDERR_FILENO) },
                               0,
                               false };
}

void log_printer_name(struct log_printer *p, const char *name)
{
    int n = (int)strlen(name);

    if (n > p->width && n <= WIDTH_MAX)
        p->width = n;
}

void log_time(int64_t when_ns, char out[LOG_TIME_SIZE])
{
    char iso[CLOCK_ISO_SIZE];

    clock_iso(when_ns / 1000000, iso);
    snprintf(out, LOG_TIME_SIZE, "%.19s.%09dZ", iso, (int)(when_ns % 1000000000));
}

bool log_print(const struct log_printer *p, const char *name, size_t color, int stream,
               int64_t when_ns, struct str line)
{
    static const int colors[] = { 36, 33, 32, 35, 34, 31 };
    FILE *to = stream == 2 ? stderr : stdout;
    char time[LOG_TIME_SIZE];

    if (p->width && p->colored[stream == 2])
        fprintf(to, "\033[%dm%-*s |\033[0m ", colors[color % COUNT_OF(colors)], p->width, name);
    else if (p->width)
        fprintf(to, "%-*s | ", p->width, name);
    if (p->times) {
        log_time(when_ns, time);
        fprintf(to, "%s ", time);
    }
    fwrite(line.p, 1, line.n, to);
    putc('\n', to);
    return fflush(to) == 0 || to == stderr;
}
