#pragma once
/* http_internal: what http_client.c and websocket.c share. Private to agent/io.
 *
 * A `multi` is a CURLM driven by the loop. The http client has one. Each
 * websocket has its own: libcurl looks through all cached connections of a
 * CURLM now and then and drops idle ones, and to libcurl a CONNECT_ONLY
 * connection looks idle. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/http_client.h"
#include "io/loop.h"

/* ---- multi.c ---- */

struct multi;

struct multi_events {
    /* A transfer ended. Outside of libcurl: handles may be added and removed. */
    void (*done)(void *user, CURL *easy, CURLcode rc);
    /* libcurl returned: what had to wait because of multi_inside may be done
     * now. May be NULL. */
    void (*left)(void *user);
    /* The end that multi_close asked for; the CURLM still exists, so handles
     * can be removed. Nothing runs after this. May be NULL. */
    void (*closed)(void *user);
};

struct multi *multi_create(struct loop *l, const struct multi_events *ev, void *user);
/* From now on only `closed` runs: in here, or, when called from a callback of
 * this multi, as soon as that has returned. */
void multi_close(struct multi *m);
CURLM *multi_curl(struct multi *m);
/* Is libcurl on the stack, so that handles can neither be added nor removed? */
bool multi_inside(const struct multi *m);
void multi_enter(struct multi *m); /* around other calls that make libcurl call back */
void multi_leave(struct multi *m);
void multi_hold(struct multi *m); /* a close waits until the matching release */
void multi_release(struct multi *m);

/* ---- url.c (pure) ---- */

/* What of a URL decides where the bytes go. */
struct url_parts {
    bool tls;
    char *host; /* without brackets */
    int port;
    bool default_port;
    char *target; /* path and query, as written */
    char *curl;   /* the URL with http(s):// for ws(s):// */
};

MUST_CHECK enum err_code url_parse(const char *url, struct url_parts *out, struct err *e);
void url_fini(struct url_parts *u);
/* May this host be spoken to in the clear, and is it never behind a proxy? */
bool url_host_is_local(const char *host);
/* ERR_DENIED for plain http to a host that is not local. */
MUST_CHECK enum err_code url_may_speak(const struct url_parts *u, struct err *e);
/* Could this name or value be part of a header line? */
bool url_header_ok(const char *name, const char *value);

/* ---- proxy.c (pure) ---- */

struct proxy_rules {
    const char *http_proxy; /* NULL or "": unset */
    const char *https_proxy;
    const char *no_proxy;
};

/* The proxy to use in the form that libcurl takes, or NULL for none; free() it. */
char *proxy_pick(const struct proxy_rules *rules, const struct url_parts *u);
/* "host:port" of a proxy, without the name and password it may have; free() it. */
char *proxy_shown(const char *proxy);
bool proxy_excluded(const char *no_proxy, const char *host, int port);

/* ---- head.c (pure): the header lines of an answer ---- */

/* Adds "Name: value"; lines that are not of this form are left out. False when
 * `head` is full. */
bool head_add(struct buf *head, struct str line);
const char *head_find(const struct buf *head, const char *name); /* any case; NULL; borrowed */
/* The status of "HTTP/1.1 200 OK", or 0. */
int head_status(struct str line);

/* ---- http_policy.c ---- */

struct http_policy;
struct http_policy *http_policy_create(const struct http_client_config *cfg);
void http_policy_destroy(struct http_policy *p);
/* TLS, certificates, proxy and what else no request may choose by itself. */
void http_policy_apply(const struct http_policy *p, CURL *easy, const struct url_parts *u,
                       const char *unix_socket);
/* What went wrong, with a hint where one helps. `text` is libcurl's, or "". */
void http_policy_explain(const struct http_policy *p, CURL *easy, CURLcode rc, const char *text,
                         struct err *e);
/* What libcurl's code means to the program. */
enum err_code http_err_of_curl(CURLcode rc);

const struct http_policy *http_client_policy(const struct http_client *c);
