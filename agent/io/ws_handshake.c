#include "io/ws_handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

void ws_key(const unsigned char random[16], char out[WS_KEY_SIZE])
{
    EVP_EncodeBlock((unsigned char *)out, random, 16);
}

void ws_accept(const char *key, char out[WS_ACCEPT_SIZE])
{
    AUTO(str) char *text = mem_printf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL))
        abort();
    EVP_EncodeBlock((unsigned char *)out, digest, (int)n);
}

enum err_code ws_handshake_write(const struct url_parts *u, const struct http_header *headers,
                                 size_t n_headers, const char *key, struct buf *out, struct err *e)
{
    bool v6 = strchr(u->host, ':') != NULL;

    buf_printf(out, "GET %s HTTP/1.1\r\nHost: %s%s%s", u->target, v6 ? "[" : "", u->host,
               v6 ? "]" : "");
    if (!u->default_port)
        buf_printf(out, ":%d", u->port);
    buf_printf(out,
               "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
               key);
    for (size_t i = 0; i < n_headers; i++) {
        if (!url_header_ok(headers[i].name, headers[i].value))
            return err_set(e, ERR_INVALID, "bad HTTP header %zu", i);
        if (strcasecmp(headers[i].name, "host") != 0)
            buf_printf(out, "%s: %s\r\n", headers[i].name, headers[i].value);
    }
    buf_puts(out, "\r\n");
    return out->overflowed ? err_set(e, ERR_LIMIT, "the handshake's header is too long") : ERR_OK;
}

/* ---- reading the answer ---- */

static bool next_line(struct str *rest, struct str *line)
{
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

    if (!end)
        return false;
    line->p = rest->p;
    line->n = (size_t)(end - rest->p);
    rest->p += line->n + 1;
    rest->n -= line->n + 1;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* Is there an empty line behind the line that ends in front of `rest`? */
static bool head_ends(struct str rest)
{
    return memmem(rest.p - 1, rest.n + 1, "\n\n", 2) || memmem(rest.p - 1, rest.n + 1, "\n\r\n", 3);
}

/* Status line and headers; false while the empty line has not come. Until then no header is
 * read: a head may come in many pieces, and each has all bytes looked at again. */
static bool read_head(struct str *rest, int *status, struct buf *head)
{
    struct str line;

    if (!next_line(rest, &line))
        return false;
    *status = head_status(line);
    if (!head_ends(*rest))
        return false;
    while (next_line(rest, &line)) {
        if (line.n == 0)
            return true;
        if (!head_add(head, line))
            *status = 0;
    }
    return false;
}

static void keep(struct ws_answer *out, struct str bytes)
{
    size_t room = WS_REFUSAL_BYTES - out->body_len;
    size_t n = bytes.n < room ? bytes.n : room;

    if (n > 0)
        memcpy(out->body + out->body_len, bytes.p, n);
    out->body_len += n;
}

/* True when the last chunk was seen or the text makes no sense. */
static bool keep_chunks(struct ws_answer *out, struct str rest)
{
    struct str line;

    while (next_line(&rest, &line)) {
        AUTO(str) char *digits = mem_strndup(line.p, line.n);
        char *end = digits;
        unsigned long n = strtoul(digits, &end, 16);

        if (end == digits || n == 0)
            return true;
        keep(out, (struct str){ rest.p, n < rest.n ? n : rest.n });
        if (n >= rest.n)
            return false;
        rest.p += n;
        rest.n -= n;
        if (!next_line(&rest, &line)) /* the line end after the chunk */
            return false;
    }
    return false;
}

static enum ws_verdict read_refusal(struct str rest, const struct buf *head, bool ended,
                                    struct ws_answer *out)
{
    const char *coding = head_find(head, "Transfer-Encoding");
    const char *length = head_find(head, "Content-Length");
    int64_t n = 0;
    bool whole = ended;

    if (coding && strcasecmp(coding, "chunked") == 0) {
        whole = keep_chunks(out, rest) || whole;
    } else if (length && !str_to_int(length, 0, INT64_MAX, &n, NULL)) {
        keep(out, (struct str){ rest.p, rest.n < (size_t)n ? rest.n : (size_t)n });
        whole = rest.n >= (size_t)n || whole;
    } else {
        keep(out, rest);
    }
    return whole || out->body_len == WS_REFUSAL_BYTES ? WS_REFUSED : WS_MORE;
}

static bool has_token(const char *list, const char *token)
{
    size_t want = strlen(token);

    for (const char *p = list ? list : ""; *p;) {
        size_t n = strcspn(p, ",");
        struct str item = str_trim((struct str){ p, n });

        if (item.n == want && strncasecmp(item.p, token, want) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static enum ws_verdict check_upgrade(const struct buf *head, const char *key, struct err *e)
{
    const char *accept = head_find(head, "Sec-WebSocket-Accept");
    const char *missing = NULL;
    char want[WS_ACCEPT_SIZE];

    ws_accept(key, want);
    if (!has_token(head_find(head, "Upgrade"), "websocket"))
        missing = "Upgrade";
    else if (!has_token(head_find(head, "Connection"), "upgrade"))
        missing = "Connection";
    else if (!accept || !streq(accept, want))
        missing = "Sec-WebSocket-Accept";
    else if (head_find(head, "Sec-WebSocket-Extensions"))
        missing = "Sec-WebSocket-Extensions";
    if (!missing)
        return WS_OPEN;
    err_set(e, ERR_RETRY, "the websocket handshake has a wrong %s", missing);
    return WS_BROKEN;
}

enum ws_verdict ws_handshake_read(struct str bytes, bool ended, const char *key,
                                  struct ws_answer *out, struct err *e)
{
    AUTO(buf) struct buf head = BUF_INIT(2 * WS_HEAD_MAX);
    struct str rest = bytes;
    const char *date;

    *out = (struct ws_answer){ 0 };
    for (;;) {
        buf_reset(&head);
        if (!read_head(&rest, &out->status, &head)) {
            if (bytes.n > WS_HEAD_MAX)
                err_set(e, ERR_LIMIT, "the head of the websocket handshake is too long");
            else if (ended)
                err_set(e, ERR_RETRY, "the connection ended in the websocket handshake");
            else
                return WS_MORE;
            return WS_BROKEN;
        }
        if (out->status == 101 || out->status == 0 || out->status >= 200)
            break; /* anything else only announces the answer */
    }
    out->head_len = bytes.n - rest.n;
    date = head_find(&head, "Date");
    snprintf(out->date, sizeof out->date, "%s", date && strlen(date) < WS_DATE_SIZE ? date : "");
    if (out->status == 0) {
        err_set(e, ERR_RETRY, "the websocket handshake got no HTTP answer");
        return WS_BROKEN;
    }
    return out->status == 101 ? check_upgrade(&head, key, e)
                              : read_refusal(rest, &head, ended, out);
}
