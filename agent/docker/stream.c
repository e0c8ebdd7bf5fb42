#include "docker/stream.h"

#include <time.h>

#define NS_PER_S 1000000000LL

/* ---- lines ---- */

void docker_lines_init(struct docker_lines *l)
{
    buf_init(&l->part, DOCKER_LINE_MAX);
}

void docker_lines_fini(struct docker_lines *l)
{
    buf_fini(&l->part);
}

static struct str without_return(struct str line)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

enum err_code docker_lines_feed(struct docker_lines *l, struct str piece, docker_line_fn *fn,
                                void *user, struct err *e)
{
    while (piece.n) {
        const char *end = memchr(piece.p, '\n', piece.n);
        struct str head = { piece.p, end ? (size_t)(end - piece.p) : piece.n };
        bool joined = l->part.len || !end;

        if (joined ? !buf_append(&l->part, head.p, head.n) : head.n > DOCKER_LINE_MAX)
            return err_set(e, ERR_LIMIT, "a line of the Docker Engine is longer than %d bytes",
                           DOCKER_LINE_MAX);
        if (!end)
            break;
        head = without_return(joined ? buf_str(&l->part) : head);
        if (head.n && !fn(user, head))
            return ERR_OK;
        buf_reset(&l->part);
        piece.n -= (size_t)(end + 1 - piece.p);
        piece.p = end + 1;
    }
    return ERR_OK;
}

struct str docker_lines_rest(const struct docker_lines *l)
{
    return str_trim(buf_str(&l->part));
}

/* ---- times ---- */

/* Exactly `n` digits at `p`, or -1. */
static int digits(const char *p, int n)
{
    int v = 0;

    for (; n; n--, p++) {
        if (*p < '0' || *p > '9')
            return -1;
        v = v * 10 + (*p - '0');
    }
    return v;
}

/* "YYYY-MM-DDTHH:MM:SS" */
static bool parse_second(const char *p, struct tm *tm)
{
    *tm = (struct tm){ .tm_year = digits(p, 4) - 1900,
                       .tm_mon = digits(p + 5, 2) - 1,
                       .tm_mday = digits(p + 8, 2),
                       .tm_hour = digits(p + 11, 2),
                       .tm_min = digits(p + 14, 2),
                       .tm_sec = digits(p + 17, 2) };
    return tm->tm_year >= -1900 && tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
           tm->tm_mday <= 31 && tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 &&
           tm->tm_min < 60 && tm->tm_sec >= 0 && tm->tm_sec <= 60 && p[4] == '-' && p[7] == '-' &&
           p[10] == 'T' && p[13] == ':' && p[16] == ':';
}

size_t docker_stamp_parse(struct str text, int64_t *when_ns)
{
    const char *blank = memchr(text.p, ' ', text.n < DOCKER_STAMP_MAX ? text.n : DOCKER_STAMP_MAX);
    int64_t frac = 0, scale = NS_PER_S, offset_s = 0;
    const char *p = text.p + 19;
    struct tm tm;
    int hours, minutes;

    if (!blank || blank - text.p < 20 || !parse_second(text.p, &tm))
        return 0;
    if (*p == '.') {
        if (p[1] < '0' || p[1] > '9')
            return 0;
        for (p++; *p >= '0' && *p <= '9'; p++)
            if (scale > 1) {
                scale /= 10;
                frac += (*p - '0') * scale;
            }
    }
    if (*p == '+' || *p == '-') {
        if (blank - p != 6 || p[3] != ':')
            return 0;
        hours = digits(p + 1, 2);
        minutes = digits(p + 4, 2);
        if (hours < 0 || minutes < 0)
            return 0;
        offset_s = (*p == '-' ? -1 : 1) * (hours * 3600LL + minutes * 60LL);
    } else if (*p != 'Z' || p + 1 != blank) {
        return 0;
    }
    /* Outside of what nanoseconds since the epoch can say: Go's zero time. */
    if (tm.tm_year < 70 || tm.tm_year > 300)
        *when_ns = 0;
    else
        *when_ns = ((int64_t)timegm(&tm) - offset_s) * NS_PER_S + frac;
    return (size_t)(blank + 1 - text.p);
}

/* ---- logs ---- */

enum next { GO_ON, STOP, FAILED };

void docker_stream_init(struct docker_stream *s, bool tty, docker_frame_fn *fn, void *user)
{
    *s = (struct docker_stream){ .tty = tty, .fn = fn, .user = user };
    buf_init(&s->part, DOCKER_FRAME_MAX + 2 * DOCKER_TTY_PART);
}

void docker_stream_fini(struct docker_stream *s)
{
    buf_fini(&s->part);
}

static enum next deliver(struct docker_stream *s, int stream, struct str text)
{
    if (!text.n)
        return GO_ON;
    return s->fn(s->user, stream, s->when_ns, text) ? GO_ON : STOP;
}

static struct str strip_stamp(struct docker_stream *s, struct str text)
{
    size_t n = s->stamped ? 0 : docker_stamp_parse(text, &s->when_ns);

    s->stamped = true;
    return (struct str){ text.p + n, text.n - n };
}

static enum next deliver_frame(struct docker_stream *s, struct str text, struct err *e)
{
    int stream = s->header[0];

    if (stream == 3) {
        text = str_trim(strip_stamp(s, text));
        err_set(e, ERR_IO, "the Docker Engine cannot read the log: %.*s",
                (int)(text.n < 500 ? text.n : 500), text.p);
        return FAILED;
    }
    return deliver(s, stream == 2 ? 2 : 1, strip_stamp(s, text));
}

static enum err_code begin_frame(struct docker_stream *s, struct err *e)
{
    const unsigned char *h = s->header;

    if (h[0] > 3 || h[1] || h[2] || h[3])
        return err_set(e, ERR_INVALID, "not a log frame: it starts with %02x%02x%02x%02x", h[0],
                       h[1], h[2], h[3]);
    s->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    s->stamped = false;
    if (!s->left)
        s->n_header = 0;
    return ERR_OK;
}

/* Takes some bytes of a frame off `piece`, and delivers what is complete. */
static enum next take_payload(struct docker_stream *s, struct str *piece, struct err *e)
{
    size_t room = DOCKER_FRAME_MAX - s->part.len;
    size_t n = piece->n < s->left ? piece->n : s->left;
    struct str text;
    bool direct;
    enum next next;

    n = n < room ? n : room;
    direct = !s->part.len && n == s->left;
    text = (struct str){ piece->p, n };
    if (!direct) {
        buf_append(&s->part, piece->p, n);
        text = buf_str(&s->part);
    }
    piece->p += n;
    piece->n -= n;
    s->left -= (uint32_t)n;
    if (!s->left)
        s->n_header = 0;
    else if (s->part.len < DOCKER_FRAME_MAX)
        return GO_ON;
    next = deliver_frame(s, text, e);
    if (next == GO_ON)
        buf_reset(&s->part);
    return next;
}

static enum next feed_frames(struct docker_stream *s, struct str piece, struct err *e)
{
    enum next next;

    while (piece.n) {
        if (s->n_header < sizeof s->header) {
            s->header[s->n_header++] = (unsigned char)*piece.p++;
            piece.n--;
            if (s->n_header == sizeof s->header && begin_frame(s, e))
                return FAILED;
            continue;
        }
        next = take_payload(s, &piece, e);
        if (next != GO_ON)
            return next;
    }
    return GO_ON;
}

/* Is it clear whether `text` starts with a time? */
static bool stamp_decidable(struct str text)
{
    return text.n >= DOCKER_STAMP_MAX || memchr(text.p, ' ', text.n) ||
           memchr(text.p, '\n', text.n);
}

/* Delivers the messages that are complete in `part`. The engine gives no length,
 * so a message ends after its newline, or where the engine cuts long lines. */
static enum next deliver_tty(struct docker_stream *s, bool at_end)
{
    struct str text = buf_str(&s->part);

    while (text.n) {
        const char *end;
        struct str message;

        if (!s->stamped) {
            if (!at_end && !stamp_decidable(text))
                break;
            text = strip_stamp(s, text);
        }
        message = text;
        if (message.n > DOCKER_TTY_PART)
            message.n = DOCKER_TTY_PART;
        end = memchr(message.p, '\n', message.n);
        if (end)
            message.n = (size_t)(end + 1 - message.p);
        else if (message.n < DOCKER_TTY_PART && !at_end)
            break;
        s->stamped = false;
        text.p += message.n;
        text.n -= message.n;
        if (deliver(s, 1, message) == STOP)
            return STOP;
    }
    buf_consume(&s->part, s->part.len - text.n);
    return GO_ON;
}

static enum next feed_tty(struct docker_stream *s, struct str piece)
{
    while (piece.n) {
        size_t n = piece.n < DOCKER_FRAME_MAX ? piece.n : DOCKER_FRAME_MAX;

        buf_append(&s->part, piece.p, n);
        piece.p += n;
        piece.n -= n;
        if (deliver_tty(s, false) == STOP)
            return STOP;
    }
    return GO_ON;
}

enum err_code docker_stream_feed(struct docker_stream *s, struct str piece, struct err *e)
{
    if (s->tty) {
        feed_tty(s, piece);
        return ERR_OK;
    }
    return feed_frames(s, piece, e) == FAILED ? e->code : ERR_OK;
}

enum err_code docker_stream_end(struct docker_stream *s, struct err *e)
{
    if (s->tty) {
        deliver_tty(s, true);
        return ERR_OK;
    }
    if (s->n_header)
        return err_set(e, ERR_RETRY, "the log stream ended inside a frame");
    return ERR_OK;
}
