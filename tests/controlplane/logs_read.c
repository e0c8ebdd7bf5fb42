#include "logs_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"

#define PAGE_BYTES (1024 * 1024)
/* A page looks at this many events; the rest waits behind a token. */
#define SCAN_MAX   200000
#define TOKEN_SIZE 64

/* ---- tokens: 20 digits of time, 36 of arrival ---- */

static void token_write(char out[TOKEN_SIZE], const char *prefix, struct log_pos pos)
{
    snprintf(out, TOKEN_SIZE, "%s%020" PRId64 "%036" PRIu64, prefix, pos.at_ms, pos.seq);
}

static bool token_read(const char *digits, struct log_pos *pos)
{
    char time[21];
    int64_t seq;

    if (strlen(digits) != 56)
        return false;
    memcpy(time, digits, 20);
    time[20] = '\0';
    if (str_to_int(time, 0, INT64_MAX, &pos->at_ms, NULL) ||
        str_to_int(digits + 20, 0, INT64_MAX, &seq, NULL))
        return false;
    pos->seq = (uint64_t)seq;
    return true;
}

static struct log_pos pos_of(const struct log_event *ev)
{
    return (struct log_pos){ ev->at_ms, ev->seq };
}

static struct log_pos pos_next(struct log_pos p)
{
    p.seq++;
    return p;
}

static void write_event(struct jw *w, const struct log_event *ev, const char *stream)
{
    char id[TOKEN_SIZE];

    jw_object(w);
    if (stream)
        jw_kstr(w, "logStreamName", stream);
    jw_kint(w, "timestamp", ev->at_ms);
    jw_key(w, "message");
    jw_strn(w, (struct str){ ev->text, ev->len });
    jw_kint(w, "ingestionTime", ev->ingested_ms);
    if (stream) {
        token_write(id, "", pos_of(ev));
        jw_kstr(w, "eventId", id);
    }
    jw_end(w);
}

/* ---- GetLogEvents ---- */

/* Narrows [*from, *to) to what one page may hold, from its head or its tail. */
static void page(const struct log_stream *st, size_t limit, bool forward, size_t *from, size_t *to)
{
    size_t bytes = 0, n = 0;

    while (n < limit && n < *to - *from) {
        const struct log_event *ev = log_stream_at(st, forward ? *from + n : *to - 1 - n);

        bytes += ev->len + LOGS_EVENT_EXTRA;
        if (n && bytes > PAGE_BYTES)
            break;
        n++;
    }
    if (forward)
        *to = *from + n;
    else
        *from = *to - n;
}

enum err_code log_read_stream(const struct log_stream *st, const struct log_range *r,
                              bool from_head, struct buf *out, struct err *e)
{
    struct log_pos at = { 0 }, before, after;
    bool forward = from_head;
    size_t from = log_stream_seek(st, (struct log_pos){ r->start_ms, 0 });
    size_t to = log_stream_seek(st, (struct log_pos){ r->end_ms, 0 });
    char text[TOKEN_SIZE];
    struct jw w;

    if (r->token) {
        size_t i;

        forward = str_starts(r->token, "f/");
        if ((!forward && !str_starts(r->token, "b/")) || !token_read(r->token + 2, &at))
            return err_set(e, ERR_INVALID, "The specified nextToken is invalid.");
        i = log_stream_seek(st, forward ? pos_next(at) : at);
        if (forward && i > from)
            from = i;
        if (!forward && i < to)
            to = i;
    }
    if (to < from)
        to = from;
    page(st, r->limit, forward, &from, &to);
    /* An empty page gives back the token it was asked with: the end. */
    before = after = at;
    if (from < to) {
        before = pos_of(log_stream_at(st, from));
        after = pos_of(log_stream_at(st, to - 1));
    } else if (r->token && forward) {
        before = pos_next(at);
    } else if (r->token && at.seq) {
        after.seq = at.seq - 1;
    }
    jw_init(&w, out);
    jw_object(&w);
    jw_karray(&w, "events");
    for (size_t i = from; i < to; i++)
        write_event(&w, log_stream_at(st, i), NULL);
    jw_end(&w);
    token_write(text, "f/", after);
    jw_kstr(&w, "nextForwardToken", text);
    token_write(text, "b/", before);
    jw_kstr(&w, "nextBackwardToken", text);
    jw_end(&w);
    return ERR_OK;
}

/* ---- FilterLogEvents ---- */

struct reader {
    const struct log_stream *stream;
    size_t at;
};

/* The reader that stands before the oldest event, NULL at the end. */
static struct reader *oldest(struct reader *readers, size_t count, int64_t end_ms)
{
    struct reader *best = NULL;

    for (size_t i = 0; i < count; i++) {
        struct reader *rd = &readers[i];

        if (rd->at >= rd->stream->count || log_stream_at(rd->stream, rd->at)->at_ms >= end_ms)
            continue;
        if (!best || log_pos_order(pos_of(log_stream_at(rd->stream, rd->at)),
                                   pos_of(log_stream_at(best->stream, best->at))) < 0)
            best = rd;
    }
    return best;
}

enum err_code log_read_filtered(struct log_stream *const *streams, size_t count,
                                const struct log_filter *filter, const struct log_range *r,
                                struct buf *out, struct err *e)
{
    struct log_pos from = { r->start_ms, 0 }, at = { 0 };
    struct reader *readers, *rd;
    size_t taken = 0, bytes = 0, scanned = 0;
    char text[TOKEN_SIZE];
    struct jw w;

    if (r->token) {
        if (!token_read(r->token, &at))
            return err_set(e, ERR_INVALID, "The specified nextToken is invalid.");
        if (log_pos_order(from, pos_next(at)) < 0)
            from = pos_next(at);
    }
    readers = mem_array(count, sizeof *readers);
    for (size_t i = 0; i < count; i++)
        readers[i] = (struct reader){ streams[i], log_stream_seek(streams[i], from) };
    jw_init(&w, out);
    jw_object(&w);
    jw_karray(&w, "events");
    while ((rd = oldest(readers, count, r->end_ms))) {
        const struct log_event *ev = log_stream_at(rd->stream, rd->at);
        bool wanted = log_filter_match(filter, (struct str){ ev->text, ev->len });

        if (scanned == SCAN_MAX || taken == r->limit ||
            (wanted && taken && bytes + ev->len + LOGS_EVENT_EXTRA > PAGE_BYTES))
            break;
        scanned++;
        rd->at++;
        at = pos_of(ev);
        if (!wanted)
            continue;
        taken++;
        bytes += ev->len + LOGS_EVENT_EXTRA;
        write_event(&w, ev, rd->stream->name);
    }
    jw_end(&w);
    jw_karray(&w, "searchedLogStreams");
    jw_end(&w);
    if (rd) {
        token_write(text, "", at);
        jw_kstr(&w, "nextToken", text);
    }
    jw_end(&w);
    free(readers);
    return ERR_OK;
}

/* ---- describing ---- */

static int group_order(const void *a, const void *b)
{
    const struct log_group *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int stream_order(const void *a, const void *b)
{
    const struct log_stream *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int64_t last_event_ms(const struct log_stream *st)
{
    return st->count ? log_stream_at(st, st->count - 1)->at_ms : -1;
}

static int stream_time_order(const void *a, const void *b)
{
    const struct log_stream *const *x = a, *const *y = b;
    int64_t tx = last_event_ms(*x), ty = last_event_ms(*y);

    return tx == ty ? strcmp((*x)->name, (*y)->name) : tx < ty ? -1 : 1;
}

static void write_group(struct jw *w, const struct log_group *g, const struct log_describe *d)
{
    char *arn = mem_printf("arn:aws:logs:%s:%s:log-group:%s", d->region, d->account, g->name);
    char *all = mem_printf("%s:*", arn);

    jw_object(w);
    jw_kstr(w, "logGroupName", g->name);
    jw_kint(w, "creationTime", g->created_ms);
    if (g->retention_days)
        jw_kint(w, "retentionInDays", g->retention_days);
    jw_kint(w, "metricFilterCount", 0);
    jw_kstr(w, "arn", all);
    jw_kstr(w, "logGroupArn", arn);
    jw_kint(w, "storedBytes", (int64_t)log_group_bytes(g));
    jw_kstr(w, "logGroupClass", g->class_name);
    jw_end(w);
    free(arn);
    free(all);
}

void log_describe_groups(const struct log_store *s, const struct log_describe *d, struct buf *out)
{
    struct log_group **sorted = mem_array(HASH_COUNT(s->groups), sizeof(struct log_group *));
    struct log_group *g, *next;
    size_t count = 0, shown = 0, i = 0;
    struct jw w;

    HASH_ITER (hh, s->groups, g, next) {
        if ((d->prefix && !str_starts(g->name, d->prefix)) ||
            (d->pattern && !strcasestr(g->name, d->pattern)) ||
            (d->token && strcmp(g->name, d->token) <= 0))
            continue;
        sorted[count++] = g;
    }
    qsort(sorted, count, sizeof(struct log_group *), group_order);
    jw_init(&w, out);
    jw_object(&w);
    jw_karray(&w, "logGroups");
    for (; i < count && shown < d->limit; i++, shown++)
        write_group(&w, sorted[i], d);
    jw_end(&w);
    if (i < count)
        jw_kstr(&w, "nextToken", sorted[i - 1]->name);
    jw_end(&w);
    free(sorted);
}

static void write_stream(struct jw *w, const struct log_group *g, const struct log_stream *st,
                         const struct log_describe *d)
{
    char *arn = mem_printf("arn:aws:logs:%s:%s:log-group:%s:log-stream:%s", d->region, d->account,
                           g->name, st->name);

    jw_object(w);
    jw_kstr(w, "logStreamName", st->name);
    jw_kint(w, "creationTime", st->created_ms);
    if (st->count) {
        jw_kint(w, "firstEventTimestamp", log_stream_at(st, 0)->at_ms);
        jw_kint(w, "lastEventTimestamp", last_event_ms(st));
    }
    if (st->last_ingested_ms)
        jw_kint(w, "lastIngestionTime", st->last_ingested_ms);
    jw_kstr(w, "arn", arn);
    jw_kint(w, "storedBytes", 0);
    jw_end(w);
    free(arn);
}

enum err_code log_describe_streams(const struct log_group *g, const struct log_describe *d,
                                   struct buf *out, struct err *e)
{
    struct log_stream **sorted = mem_array(HASH_COUNT(g->streams), sizeof(struct log_stream *));
    struct log_stream *st, *next;
    size_t count = 0, first = 0, end;
    struct jw w;

    HASH_ITER (hh, g->streams, st, next) {
        if (!d->prefix || str_starts(st->name, d->prefix))
            sorted[count++] = st;
    }
    qsort(sorted, count, sizeof(struct log_stream *),
          d->by_time ? stream_time_order : stream_order);
    for (size_t i = 0; d->descending && i < count / 2; i++) {
        st = sorted[i];
        sorted[i] = sorted[count - 1 - i];
        sorted[count - 1 - i] = st;
    }
    if (d->token) {
        while (first < count && !streq(sorted[first]->name, d->token))
            first++;
        if (first == count) {
            free(sorted);
            return err_set(e, ERR_INVALID, "The specified nextToken is invalid.");
        }
        first++;
    }
    end = count - first > d->limit ? first + d->limit : count;
    jw_init(&w, out);
    jw_object(&w);
    jw_karray(&w, "logStreams");
    for (size_t i = first; i < end; i++)
        write_stream(&w, g, sorted[i], d);
    jw_end(&w);
    if (end < count)
        jw_kstr(&w, "nextToken", sorted[end - 1]->name);
    jw_end(&w);
    free(sorted);
    return ERR_OK;
}
