#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/top.h"

#define NAME_MIN  8
#define NAME_MAX_ 48
#define CELL_SIZE 64

/* ---- text ---- */

/* One character of a text: how many bytes it takes; *odd when a terminal may not see it:
 * control characters, those of ISO 8859 (C1) among them, and what is no UTF-8. */
static size_t one_char(const char *s, bool *odd)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;

    *odd = c < 0x20 || c == 0x7F || !n || (c == 0xC2 && (unsigned char)s[1] < 0xA0);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80) {
            *odd = true;
            return i;
        }
    }
    return n ? n : 1;
}

static int width_of(const char *s)
{
    int n = 0;
    bool odd;

    for (; *s; s += one_char(s, &odd))
        n++;
    return n;
}

/* Exactly `width` columns, or at most, without `fill`. Taking every character for one. */
static void put(struct buf *out, const char *text, int width, bool right, bool fill)
{
    int has = width_of(text), n = 0;
    bool odd;

    for (; right && fill && n < width - has; n++)
        buf_putc(out, ' ');
    for (; *text && n < width; n++) {
        size_t bytes = one_char(text, &odd);

        if (n == width - 1 && text[bytes])
            buf_putc(out, '+'); /* cut */
        else if (odd)
            buf_putc(out, '?');
        else
            buf_append(out, text, bytes);
        text += bytes;
    }
    for (; fill && n < width; n++)
        buf_putc(out, ' ');
}

static void put_line(struct buf *out, const char *text, int width)
{
    put(out, text, width, false, false);
    buf_putc(out, '\n');
}

/* At most 6 columns: "512", "1.2K", "123.4M". */
static void bytes_text(double n, char out[CELL_SIZE])
{
    static const char units[] = "KMGTPE";
    size_t unit = 0;

    if (n < 0) {
        snprintf(out, CELL_SIZE, "-");
        return;
    }
    if (n < 1024) {
        snprintf(out, CELL_SIZE, "%.0f", n);
        return;
    }
    for (n /= 1024; n >= 1023.95 && unit + 2 < sizeof units; unit++)
        n /= 1024;
    snprintf(out, CELL_SIZE, "%.1f%c", n, units[unit]);
}

/* ---- columns ---- */

enum column {
    COL_TASK,
    COL_NAME,
    COL_CONTAINER,
    COL_STATE,
    COL_CPU,
    COL_MEMORY,
    COL_LIMIT,
    COL_RX,
    COL_TX,
    COL_READ,
    COL_WRITE,
    COL_PIDS,
    COL_RESTARTS,
    COL_LOG,
    COL_AGE,
    COL__COUNT
};

static const struct {
    const char *head;
    int width; /* 0: as wide as there is room */
    int leave; /* on a narrow screen those with the highest number go first; 0: never */
    bool right;
} columns[COL__COUNT] = {
    [COL_TASK] = { "TASK", 8, 0, false },
    [COL_NAME] = { "FAMILY:REV", 0, 0, false },
    [COL_CONTAINER] = { "CONTAINER", 0, 0, false },
    [COL_STATE] = { "STATE", 9, 0, false },
    [COL_CPU] = { "CPU%", 6, 0, true },
    [COL_MEMORY] = { "MEM", 7, 0, true },
    [COL_LIMIT] = { "LIMIT", 7, 1, true },
    [COL_RX] = { "RX/s", 7, 3, true },
    [COL_TX] = { "TX/s", 7, 3, true },
    [COL_READ] = { "READ/s", 7, 5, true },
    [COL_WRITE] = { "WRITE/s", 7, 5, true },
    [COL_PIDS] = { "PIDS", 5, 4, true },
    [COL_RESTARTS] = { "RST", 4, 6, true },
    [COL_LOG] = { "LOG", 7, 7, true },
    [COL_AGE] = { "AGE", 7, 2, true },
};

static void cell(const struct top_row *r, enum column c, char out[CELL_SIZE])
{
    double bytes = 0;

    switch (c) {
    case COL_CPU:
        if (r->cpu_percent < 0)
            snprintf(out, CELL_SIZE, "-");
        else
            snprintf(out, CELL_SIZE, "%.1f", r->cpu_percent);
        return;
    case COL_PIDS:
    case COL_RESTARTS:
        if ((c == COL_PIDS ? r->pids : r->restarts) < 0)
            snprintf(out, CELL_SIZE, "-");
        else
            snprintf(out, CELL_SIZE, "%" PRId64, c == COL_PIDS ? r->pids : r->restarts);
        return;
    case COL_AGE:
        snprintf(out, CELL_SIZE, "-");
        if (r->age_ms >= 0)
            cli_age(r->age_ms, out);
        return;
    case COL_MEMORY:
        bytes = (double)r->memory;
        break;
    case COL_LIMIT:
        bytes = (double)r->memory_limit;
        break;
    case COL_RX:
        bytes = r->rx;
        break;
    case COL_TX:
        bytes = r->tx;
        break;
    case COL_READ:
        bytes = r->reads;
        break;
    case COL_WRITE:
        bytes = r->written;
        break;
    case COL_LOG:
        bytes = (double)r->log_waiting;
        break;
    case COL_TASK:
    case COL_NAME:
    case COL_CONTAINER:
    case COL_STATE:
    case COL__COUNT:
        break;
    }
    bytes_text(bytes, out);
}

static const char *text_of(const struct top_row *r, enum column c, char room[CELL_SIZE])
{
    if (c == COL_TASK)
        return cli_short_id(r->task, room);
    if (c == COL_NAME)
        return r->name;
    if (c == COL_CONTAINER)
        return r->container;
    if (c == COL_STATE)
        return r->state;
    cell(r, c, room);
    return room;
}

/* ---- layout ---- */

static int at_least(int n, int least)
{
    return n > least ? n : least;
}

static int total(const int widths[COL__COUNT])
{
    int n = -1;

    for (int c = 0; c < COL__COUNT; c++)
        n += widths[c] ? widths[c] + 1 : 0;
    return n;
}

/* How wide the columns are; 0: left out. The names get what is left, as far as they need it. */
static void lay_out(const struct top_view *v, int width, int widths[COL__COUNT])
{
    static const enum column names[] = { COL_CONTAINER, COL_NAME };
    int need[COL__COUNT] = { 0 }, spare;

    for (int c = 0; c < COL__COUNT; c++)
        widths[c] = columns[c].width ? columns[c].width : NAME_MIN;
    for (int leave = 7; leave > 0 && total(widths) > width; leave--)
        for (int c = 0; c < COL__COUNT; c++)
            if (columns[c].leave == leave)
                widths[c] = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        enum column c = names[i];

        need[c] = at_least(width_of(columns[c].head), NAME_MIN);
        for (size_t k = 0; k < v->n_rows; k++)
            need[c] =
                at_least(width_of(c == COL_NAME ? v->rows[k].name : v->rows[k].container), need[c]);
        need[c] = need[c] > NAME_MAX_ ? NAME_MAX_ : need[c];
    }
    /* One column after the other for each in turn. */
    for (spare = width - total(widths); spare > 0;) {
        int before = spare;

        for (size_t i = 0; i < COUNT_OF(names) && spare > 0; i++) {
            if (widths[names[i]] < need[names[i]]) {
                widths[names[i]]++;
                spare--;
            }
        }
        if (spare == before)
            break;
    }
}

/* ---- order ---- */

static double network_of(const struct top_row *r)
{
    return (r->rx > 0 ? r->rx : 0) + (r->tx > 0 ? r->tx : 0);
}

static double io_of(const struct top_row *r)
{
    return (r->reads > 0 ? r->reads : 0) + (r->written > 0 ? r->written : 0);
}

static double weight(const struct top_row *r, enum top_sort sort)
{
    switch (sort) {
    case TOP_BY_CPU:
        return r->cpu_percent;
    case TOP_BY_MEMORY:
        return (double)r->memory;
    case TOP_BY_NETWORK:
        return network_of(r);
    case TOP_BY_IO:
        return io_of(r);
    case TOP_BY_TASK:
        break;
    }
    return 0;
}

struct ranked {
    const struct top_row *row;
    double weight;
};

/* Heavier ones first; equal ones by their names, so that they stay where they are. */
static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order;

    if (x->weight < y->weight || x->weight > y->weight)
        return x->weight < y->weight ? 1 : -1;
    order = strcmp(x->row->task, y->row->task);
    return order ? order : strcmp(x->row->container, y->row->container);
}

/* ---- the parts ---- */

static void put_head(const struct top_view *v, const struct top_look *look, struct buf *out)
{
    AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
    char age[CLI_AGE_SIZE];

    cli_age(v->uptime_ms, age);
    buf_printf(&b, "berth %s, up %s, cluster %s, instance %s", v->agent, age, v->cluster,
               v->instance_arn ? str_after_last(v->instance_arn, '/') : "not registered yet");
    put_line(out, buf_text(&b), look->width);
    buf_reset(&b);
    buf_printf(&b, "Control plane %s%s%s, %" PRId64 " report%s waiting",
               v->connected ? "connected" : "not connected", v->trouble ? ": " : "",
               v->trouble ? v->trouble : "", v->unsent, v->unsent == 1 ? "" : "s");
    if (v->log_lost)
        buf_printf(&b, ", %" PRId64 " log line%s lost (%s)", v->log_lost,
                   v->log_lost == 1 ? "" : "s", v->log_causes);
    if (v->log_gaps)
        buf_printf(&b, ", %" PRId64 " gap%s in logs", v->log_gaps, v->log_gaps == 1 ? "" : "s");
    put_line(out, buf_text(&b), look->width);
    buf_reset(&b);
    buf_printf(&b,
               "CPU %" PRId64 " of %" PRId64 " units, memory %" PRId64 " of %" PRId64
               " MiB, tasks: %" PRId64 " running, %" PRId64 " pending, %" PRId64
               " waiting for room, %" PRId64 " stopped",
               v->cpu_used, v->cpu_total, v->memory_used, v->memory_total, v->running, v->pending,
               v->waiting, v->stopped);
    put_line(out, buf_text(&b), look->width);
}

static void put_keys(const struct top_look *look, struct buf *out)
{
    static const char *const by[] = {
        [TOP_BY_CPU] = "CPU",          [TOP_BY_MEMORY] = "memory", [TOP_BY_NETWORK] = "network",
        [TOP_BY_IO] = "block devices", [TOP_BY_TASK] = "task",
    };
    char text[160];

    if (look->problem)
        put_line(out, look->problem, look->width);
    else if (look->keys) {
        snprintf(text, sizeof text,
                 "By %s. Sort: c CPU, m memory, n network, i I/O, t task; q quits", by[look->sort]);
        put_line(out, text, look->width);
    } else {
        put_line(out, "", look->width);
    }
}

static void put_row(const struct top_row *r, const int widths[COL__COUNT], struct buf *out)
{
    char room[CELL_SIZE];
    size_t from = out->len;

    for (int c = 0; c < COL__COUNT; c++) {
        if (!widths[c])
            continue;
        if (out->len > from)
            buf_putc(out, ' ');
        put(out, r ? text_of(r, (enum column)c, room) : columns[c].head, widths[c],
            columns[c].right, true);
    }
}

/* The screen may be narrower than what is never left out. */
static void put_cut_row(const struct top_row *r, const int widths[COL__COUNT], int width,
                        struct buf *out)
{
    AUTO(buf) struct buf b = BUF_INIT(4096);

    put_row(r, widths, &b);
    put_line(out, buf_text(&b), width);
}

void top_screen(const struct top_view *v, const struct top_look *look, struct buf *out)
{
    struct ranked *order = mem_array(v->n_rows, sizeof *order);
    int widths[COL__COUNT], lines = TOP_HEADING + 1;
    AUTO(buf) struct buf all = BUF_INIT(64 << 20);
    const char *end, *line;

    for (size_t i = 0; i < v->n_rows; i++)
        order[i] = (struct ranked){ &v->rows[i], weight(&v->rows[i], look->sort) };
    if (v->n_rows)
        qsort(order, v->n_rows, sizeof *order, compare);
    put_head(v, look, &all);
    put_keys(look, &all);
    lay_out(v, look->width, widths);
    put_cut_row(NULL, widths, look->width, &all);
    for (size_t i = 0; i < v->n_rows && (!look->height || lines < look->height); i++, lines++)
        put_cut_row(order[i].row, widths, look->width, &all);
    free(order);
    /* A screen of fewer lines than the head. */
    end = buf_text(&all);
    for (int i = 0; (!look->height || i < look->height) && (line = strchr(end, '\n')); i++)
        end = line + 1;
    buf_append(out, buf_text(&all), (size_t)(end - buf_text(&all)));
}
