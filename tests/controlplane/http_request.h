#pragma once
/* http_request: one HTTP request, shared by http.c (libmicrohttpd, faults, answers)
 * and http_serve.c (whose request it is, signatures). */
#include "dialect.h"
#include "server.h"

#define HTTP_SERVICES_MAX 16
#define HTTP_PATHS_MAX    32
#define HTTP_HEADERS_MAX  12

/* Exactly one of fn, form and rest is there. */
struct service {
    char *target_prefix, *name;
    enum dialect dialect;
    bool any_region;
    cp_service_fn *fn;
    cp_form_fn *form;
    cp_rest_fn *rest;
    cp_rest_name_fn *rest_name;
    void *user;
};

struct path {
    char *prefix;
    cp_path_fn *fn;
    void *user;
    cp_gate_fn *gate; /* NULL: none */
    cp_gate_done_fn *gate_done;
};

struct http {
    struct cp_server *server;
    struct service services[HTTP_SERVICES_MAX];
    size_t service_count;
    struct path paths[HTTP_PATHS_MAX];
    size_t path_count;
    struct list requests;
    bool closing; /* the parts that answer are gone */
};

struct cp_request {
    struct list node;
    struct http *http;
    struct MHD_Connection *con;
    char *raw_path, *raw_query, *path;
    char method[16];
    struct auth_header headers[AUTH_HEADERS_MAX]; /* borrowed from MHD */
    size_t header_count;
    bool too_many_headers;
    struct buf body;
    int64_t arrived_us, arrived_ms;

    bool dispatched, asleep, answered, drop, lose;
    struct cp_timer *delay; /* of an injected fault */
    struct fault fault;
    const struct path *gated; /* NULL: its path has no gate */
    int64_t gate_id;
    char target[160], signer[AUTH_KEY_SIZE], region[64];

    struct cp_call call; /* what a service sees */
    struct json_t *doc;
    struct err doc_err;
    const struct service *service;
    const char *operation; /* borrowed from target; NULL: none */
    enum dialect dialect;

    struct cp_ws *ws;
    char ws_accept[WS_ACCEPT_SIZE];

    int status;
    char content_type[96], error_type[96];
    struct http_extra {
        char name[48];
        char *value;
    } extra[HTTP_HEADERS_MAX];
    size_t extra_count;
    struct buf out;
};

/* ---- http.c ---- */

void http_answer(struct cp_request *r, int status, const char *content_type, struct str body);
/* In the dialect of the request. */
void http_answer_error(struct cp_request *r, const struct dialect_error *e);
void http_drop(struct cp_request *r);
const char *http_header(struct cp_request *r, const char *name); /* NULL: absent */

/* ---- http_serve.c ---- */

/* The request behind what a handler was given. */
struct cp_request *http_plain_request(struct cp_http *h);

/* Finds service, operation and dialect by what the request says of itself. */
void http_classify(struct cp_request *r);
const struct path *http_path_find(const struct http *h, const char *path);
/* Verifies and hands over; an answer may come later. */
void http_serve(struct cp_request *r);
