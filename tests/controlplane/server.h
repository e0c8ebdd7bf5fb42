#pragma once
/* server: what the files of the server half (main, server, http, ws, faults, admin,
 * metadata, standins) know of each other beyond cp.h.
 *
 * server.c owns the loop, http.c the requests, ws.c the upgraded connections;
 * each keeps its own part inside struct cp_server, created and destroyed by
 * server.c. */
#include <microhttpd.h>

#include "auth.h"
#include "base/list.h"
#include "cp.h"
#include "url.h"

struct cp_options {
    int port; /* 0: a free one */
    const char *region, *account;
    const char *public_url; /* NULL: http://127.0.0.1:port */
    bool metadata;          /* serve instance metadata under /latest/ */
};

/* Listens on 127.0.0.1; nothing is accepted before cp_server_run. */
MUST_CHECK enum err_code cp_server_create(const struct cp_options *o, struct cp_server **out,
                                          struct err *e);
int cp_server_port(const struct cp_server *s);
const struct cp_options *cp_server_options(const struct cp_server *s);
struct auth_keys *cp_server_keys(struct cp_server *s);
struct cloud;
struct cloud *cp_server_cloud(struct cp_server *s);
void cp_server_set_clock(struct cp_server *s, int64_t offset_ms);
int64_t cp_server_clock_offset(const struct cp_server *s);
void cp_server_run(struct cp_server *s); /* until SIGTERM, SIGINT or cp_server_stop */
void cp_server_stop(struct cp_server *s);
void cp_server_destroy(struct cp_server *s); /* NULL is fine */

/* ---- descriptors on the loop ---- */

struct cp_watch {
    void (*ready)(void *user, uint32_t events);
    void *user;
};
/* `w` must stay until it is removed. */
void cp_watch_add(struct cp_server *s, int fd, uint32_t events, struct cp_watch *w);
void cp_watch_change(struct cp_server *s, int fd, uint32_t events, struct cp_watch *w);
void cp_watch_remove(struct cp_server *s, int fd);

/* ---- http.c ---- */

struct cp_request;
struct http;

struct http *http_create(struct cp_server *s);
void http_destroy(struct http *h);
/* Resumes whatever still waits, unanswered: MHD cannot stop with guests asleep. */
void http_abandon_all(struct http *h);
struct http *cp_server_http(struct cp_server *s);

/* libmicrohttpd's callbacks; `cls` is struct http. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *con);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *con, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_size, void **slot);
void http_on_completed(void *cls, struct MHD_Connection *con, void **slot,
                       enum MHD_RequestTerminationCode how);

/* Who asks, and for which region of which service. */
struct cp_caller {
    const char *access_key; /* "" for a request that need not be signed */
    const char *region;     /* of the signature; the server's own without one */
};

/* A form (POST / without X-Amz-Target) of the query protocol. `action` "" when it
 * has none. What is not answered is an unknown action. */
typedef void cp_form_fn(void *user, struct cp_http *h, const struct url_params *form,
                        const char *action, const struct cp_caller *who);
void cp_server_add_form(struct cp_server *s, const char *service, cp_form_fn *fn, void *user);

/* A service of paths and methods (S3). The name of the operation, for faults; NULL:
 * an unsigned request that is not for this service. */
typedef const char *cp_rest_name_fn(void *user, struct cp_http *h, bool is_signed);
typedef void cp_rest_fn(void *user, struct cp_http *h, const char *operation,
                        const struct cp_caller *who);
void cp_server_add_rest(struct cp_server *s, const char *service, cp_rest_name_fn *name,
                        cp_rest_fn *fn, void *user);

struct dialect_error;
/* Answers with an error in the words of the service; `details` is more XML (NULL). */
void cp_http_refuse(struct cp_http *h, const struct dialect_error *e, const char *details);

/* A gate is asked first for every request of its path's prefix: what is to befall
 * it. `done` learns the status of the answer, 0 when there is none. */
struct fault;
typedef struct fault cp_gate_fn(void *user, const char *method, const char *path, int64_t *id);
typedef void cp_gate_done_fn(void *user, int64_t id, int status);
void cp_server_gate_path(struct cp_server *s, const char *prefix, cp_gate_fn *gate,
                         cp_gate_done_fn *done);
/* Ends the connections of all requests that FAULT_HANG keeps waiting. */
void cp_server_drop_hung(struct cp_server *s);

/* ---- ws.c ---- */

struct wss;

struct wss *wss_create(struct cp_server *s);
void wss_destroy(struct wss *w);
void wss_drop_all(struct wss *w); /* closes every connection; `closed` runs */
struct wss *cp_server_wss(struct cp_server *s);

/* True when a websocket lives at this path. */
bool wss_has_path(const struct wss *w, const char *path);
#define WS_ACCEPT_SIZE 29
/* Checks the handshake (its signature is verified already) and asks the part.
 * NULL: refused, and `refusal` holds the body of a 400. Otherwise `accept` is
 * the Sec-WebSocket-Accept to answer with. */
struct cp_ws *wss_accept(struct wss *w, const char *path, const struct auth_request *r,
                         char accept[WS_ACCEPT_SIZE], struct buf *refusal);
/* The answer is out: the socket belongs to `ws` now. */
void wss_upgraded(struct cp_ws *ws, int fd, struct MHD_UpgradeResponseHandle *urh,
                  struct str already_read);
/* The handshake's connection died before it was upgraded. */
void wss_abandon(struct cp_ws *ws);
/* Ends connections of `path` (NULL: all) now: code 0 without a word, else with
 * a close frame. Returns how many. */
int wss_drop(struct wss *w, const char *path, int code);

/* ---- faults.c ---- */

enum fault_action {
    FAULT_NONE,     /* only the delay */
    FAULT_STATUS,   /* the given status and error type */
    FAULT_THROTTLE, /* 400 ThrottlingException */
    FAULT_HTML,     /* a page of a broken proxy */
    FAULT_DROP,     /* the connection ends, the request is not looked at */
    FAULT_LOSE,     /* the request is carried out, its answer is lost */
    FAULT_REFUSE,   /* AccessDeniedException, or the given type, with status 400 */
    FAULT_HANG,     /* no answer, ever */
    FAULT_PLAIN,    /* the given status and a page that says so */
};

struct fault {
    enum fault_action action;
    int status;
    int64_t delay_ms;
    char type[96], message[256];
};

struct faults;

struct faults *faults_create(struct cp_server *s);
void faults_destroy(struct faults *f);
struct faults *cp_server_faults(struct cp_server *s);
/* What is to befall this operation ("RunTask") or path; a rule with a count is
 * used up by one. */
struct fault faults_take(struct faults *f, const char *operation, const char *path);

/* One line of GET /_local/requests. */
void faults_note_request(struct faults *f, int64_t mono_us, const char *method, const char *target,
                         int status, const char *signer);
void faults_note_violation(struct faults *f, const char *text);
