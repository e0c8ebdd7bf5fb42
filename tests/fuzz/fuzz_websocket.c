/* links: io base */
/* What the other end of a websocket sends once it is open: frames, in any pieces. The first byte
 * says how many bytes after it are the lengths of the pieces (fuzz.h), and whether the first of
 * them comes with the end of the handshake. */
#include "fuzz/server.h"
#include "io/websocket.h"
#include "io/ws_handshake.h"

#define MESSAGE_MAX ((size_t)64 * 1024)

struct world {
    struct fuzz_server server;
    struct loop *loop;
    struct http_client *http;
    char url[64];
    size_t opened, ends, messages;
};

static struct world w;

static void answer(struct fuzz_server *s, struct fuzz_talk *t, struct str part)
{
    char key[WS_KEY_SIZE] = "", accept[WS_ACCEPT_SIZE];
    const char *at = strstr(buf_text(&t->asked), "Sec-WebSocket-Key: ");
    struct str piece;

    (void)s;
    LAW(at && strlen(at) > 19 + sizeof key);
    memcpy(key, at + 19, sizeof key - 1);
    ws_accept(key, accept);
    buf_printf(&t->out,
               "HTTP/1.1 101 A\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    t->pieces = fuzz_pieces((const uint8_t *)part.p, part.n);
    if (part.n && (part.p[0] & 8) && fuzz_next_piece(&t->pieces, &piece)) {
        buf_append(&t->out, piece.p, piece.n);
        free((char *)piece.p);
    }
}

static void on_opened(void *user)
{
    (void)user;
    w.opened++;
}

static void on_message(void *user, struct str text)
{
    size_t sum = 0;

    (void)user;
    LAW(w.opened == 1 && !w.ends && text.n <= MESSAGE_MAX);
    for (size_t i = 0; i < text.n; i++)
        sum += (unsigned char)text.p[i];
    w.messages += sum;
}

static void on_closed(void *user, int code, const struct err *e, int status, struct str body)
{
    (void)user;
    LAW(w.opened == 1 && !status && !body.n);
    LAW(!code == !!e->code);
    w.ends++;
    loop_stop(w.loop);
}

static void set_up(void)
{
    w.loop = loop_create();
    fuzz_server_init(&w.server, w.loop, false, answer);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d/ws", w.server.port);
    w.http = http_client_create(w.loop, &(const struct http_client_config){ .ca_dir = "/" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ws_request rq = { .url = w.url, .max_message = MESSAGE_MAX };
    const struct ws_events ev = { on_opened, on_message, on_closed };
    struct ws *ws;

    if (!w.loop)
        set_up();
    w.opened = w.ends = 0;
    w.server.whole = true;
    fuzz_server_begin(&w.server, fuzz_str(data, size));
    ws = ws_connect(w.http, &rq, &ev, NULL);
    loop_run(w.loop);
    LAW(w.ends == 1);
    ws_destroy(ws);
    fuzz_server_end(&w.server);
    return 0;
}
