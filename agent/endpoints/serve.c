#include "endpoints/serve.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define PLAIN       "text/plain; charset=utf-8"
#define ERROR_MAX   ((size_t)8 * HTTP_SERVER_HEAD_MAX) /* errors repeat ids of the path */
#define HEADERS_MAX 5

static void count(const struct endpoint_listener *l, const struct http_call *c, int status)
{
    if (l->counts)
        endpoint_count(l->counts, str_of(http_call_head(c)->target), status);
}

static void reply(const struct endpoint_listener *l, struct http_call *c, int status,
                  const char *type, const struct http_reply_header *extra, struct str body)
{
    struct http_reply_header headers[HEADERS_MAX];
    char remote[HTTP_PEER_TEXT];
    const char *via = http_call_header(c, "X-Forwarded-For");
    size_t n = 0;

    count(l, c, status);
    if (extra)
        headers[n++] = *extra;
    if (l->limits) {
        http_peer_text(&http_call_head(c)->peer, remote);
        headers[n++] =
            (struct http_reply_header){ "X-Rate-Limit-Limit", limits_rate_text(l->limits) };
        headers[n++] = (struct http_reply_header){ "X-Rate-Limit-Duration", "1" };
        headers[n++] =
            (struct http_reply_header){ "X-Rate-Limit-Request-Forwarded-For", via ? via : "" };
        headers[n++] = (struct http_reply_header){ "X-Rate-Limit-Request-Remote-Addr", remote };
    }
    http_reply(c, status, type, headers, n, body);
}

void endpoint_reply(const struct endpoint_listener *l, struct http_call *c, int status,
                    const char *type, struct str body)
{
    reply(l, c, status, type, NULL, body);
}

void endpoint_reply_json(const struct endpoint_listener *l, struct http_call *c, int status,
                         struct str json)
{
    reply(l, c, status, "application/json", NULL, json);
}

void endpoint_reply_error(const struct endpoint_listener *l, struct http_call *c, int status,
                          const char *text)
{
    AUTO(buf) struct buf b = BUF_INIT(ERROR_MAX);

    json_quote(&b, str_of(text));
    reply(l, c, status, "application/json", NULL, buf_str(&b));
}

static void too_many(const struct endpoint_listener *l, struct http_call *c, struct str path,
                     int64_t wait_s)
{
    char wait[24];
    struct http_reply_header retry = { "Retry-After", wait };

    if (l->limited)
        l->limited(l->user, c, path);
    snprintf(wait, sizeof wait, "%" PRId64, wait_s);
    reply(l, c, 429, PLAIN, &retry, str_of("You have reached maximum request limit."));
}

static int64_t limit(const struct endpoint_listener *l, const struct http_call_head *head,
                     struct str path)
{
    const char *who = NULL;

    if (!l->limits)
        return 0;
    if (l->who)
        who = l->who(l->user, head);
    return limits_take(l->limits, str_of(who ? who : head->peer.address), path, clock_mono_ms());
}

static void dispatch(const struct endpoint_listener *l, struct http_call *c, const struct path *p)
{
    static const struct http_reply_header nosniff = { "X-Content-Type-Options", "nosniff" };
    const struct http_call_head *head = http_call_head(c);
    struct str path = buf_str(&p->text);
    struct route_match match;
    const struct route *route;
    int64_t wait_s = limit(l, head, path);

    if (wait_s) {
        too_many(l, c, path, wait_s);
        return;
    }
    switch (route_find(l->routes, l->n_routes, head->method, path, &route, &match)) {
    case ROUTE_FOUND:
        match.query = p->query;
        route->fn(route->user, c, &match);
        break;
    case ROUTE_NOT_FOUND:
        reply(l, c, 404, PLAIN, &nosniff, str_of("404 page not found\n"));
        break;
    case ROUTE_OTHER_METHOD:
        reply(l, c, 405, NULL, NULL, str_of(""));
        break;
    }
}

void endpoint_serve(const struct endpoint_listener *l, struct http_call *c)
{
    struct http_reply_header header = { "Connection", "close" };
    struct path p;

    path_init(&p);
    switch (path_read(&p, str_of(http_call_head(c)->target))) {
    case PATH_BAD:
        count(l, c, 400);
        http_reply(c, 400, PLAIN, &header, 1, str_of("400 Bad Request"));
        break;
    case PATH_MOVED:
        count(l, c, 301);
        header = (struct http_reply_header){ "Location", buf_text(&p.location) };
        http_reply(c, 301, NULL, &header, 1, str_of(""));
        break;
    case PATH_CLEAN:
        dispatch(l, c, &p);
        break;
    }
    path_fini(&p);
}
