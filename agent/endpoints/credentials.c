#include "endpoints/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define BODY_MAX ((size_t)256 * 1024)

struct answer {
    int status;
    struct buf body; /* JSON */
    /* Of the audit line, as in struct audit_line; borrowed from the roles. */
    const char *task_arn, *event;
};

static void write_error(struct answer *a, int status, const char *code, int version,
                        const char *text)
{
    AUTO(str)
    char *message =
        version ? mem_printf("CredentialsV%dRequest: %s", version, text) : mem_strdup(text);
    struct jw w;

    buf_reset(&a->body);
    jw_init(&w, &a->body);
    jw_object(&w);
    jw_kstr(&w, "code", code);
    jw_kstr(&w, "message", message);
    jw_kint(&w, "HTTPErrorCode", status);
    jw_end(&w);
    a->status = status;
}

/* The room for all of it at once, escapes aside: it is asked for often. */
static void reserve(struct buf *b, const struct role_credentials *c)
{
    const char *const all[] = { c->role_arn, c->access_key, c->secret_key, c->session_token,
                                c->expiration };
    size_t n = 128; /* the names */

    for (size_t i = 0; i < COUNT_OF(all); i++)
        n += strlen(str_or_empty(all[i]));
    buf_reserve(b, n);
}

static void write_keys(struct answer *a, const struct role_credentials *c)
{
    struct jw w;

    reserve(&a->body, c);
    jw_init(&w, &a->body);
    jw_object(&w);
    jw_kstr(&w, "RoleArn", str_or_empty(c->role_arn));
    jw_kstr(&w, "AccessKeyId", str_or_empty(c->access_key));
    jw_kstr(&w, "SecretAccessKey", str_or_empty(c->secret_key));
    jw_kstr(&w, "Token", str_or_empty(c->session_token));
    jw_kstr(&w, "Expiration", str_or_empty(c->expiration));
    jw_end(&w);
    a->status = 200;
    if (a->body.overflowed)
        write_error(a, 500, "InternalServerError", 0, "Internal server error");
}

static void name_role(struct answer *a, const struct role_credentials *c,
                      enum credentials_kind kind)
{
    a->task_arn = str_or_empty(c->task_arn);
    a->event = kind == CREDENTIALS_EXECUTION ? "GetCredentialsExecutionRole" : "GetCredentials";
}

static void make_answer(struct answer *a, const struct credentials_endpoint *e, int version,
                        const char *id, const struct http_call_head *head)
{
    struct role_credentials keys = { 0 };
    enum credentials_kind kind;
    bool have;

    *a = (struct answer){ .body = BUF_SECRET(BODY_MAX) };
    if (str_empty(id)) {
        write_error(a, 400, "NoIdInRequest", version, "No Credential ID in the request");
        return;
    }
    have = roles_get(e->roles, id, &keys);
    kind = e->known(e->user, id);
    if (kind == CREDENTIALS_ENDED || (!have && kind == CREDENTIALS_UNKNOWN)) {
        write_error(a, 400, "InvalidIdInRequest", version, "Credentials not found");
        return;
    }
    if (e->may && e->may(e->user, head, id) == CREDENTIALS_REFUSE) {
        write_error(a, 403, "AccessDenied", version, "Credentials belong to another task");
        name_role(a, &keys, kind); /* who reads the audit log wants to know whose they are */
        return;
    }
    if (!have) {
        write_error(a, 503, "CredentialsUninitialized", version,
                    "Credentials uninitialized for ID");
        return;
    }
    write_keys(a, &keys);
    if (a->status == 200)
        name_role(a, &keys, kind);
}

static void audit(const struct credentials_endpoint *e, const struct http_call *c, struct str path,
                  int status, const char *task_arn, const char *event)
{
    AUTO(str) char *text = mem_strndup(path.p, path.n);
    struct audit_line line = { .status = status,
                               .peer = &http_call_head(c)->peer,
                               .path = text,
                               .user_agent = http_call_header(c, "User-Agent"),
                               .task_arn = task_arn,
                               .event = event };

    audit_write(e->audit, clock_wall_ms(), clock_mono_ms(), &line);
}

static void serve(const struct credentials_endpoint *e, struct http_call *c, int version,
                  const char *id, struct str path)
{
    struct answer a;

    make_answer(&a, e, version, id, http_call_head(c));
    audit(e, c, path, a.status, a.task_arn, a.event);
    endpoint_reply_json(e->listener, c, a.status, buf_str(&a.body));
    buf_wipe(&a.body);
}

void credentials_serve_v1(const struct credentials_endpoint *e, struct http_call *c,
                          const struct route_match *m)
{
    AUTO(buf) struct buf id = BUF_INIT(HTTP_SERVER_HEAD_MAX);
    bool given = query_get(m->query, "id", &id);

    serve(e, c, 1, given ? buf_text(&id) : NULL, m->path);
}

void credentials_serve_v2(const struct credentials_endpoint *e, struct http_call *c,
                          const struct route_match *m)
{
    AUTO(str) char *id = mem_strndup(m->parts[0].p, m->parts[0].n);

    serve(e, c, 2, id, m->path);
}

void credentials_audit_limited(const struct credentials_endpoint *e, struct http_call *c,
                               struct str path)
{
    audit(e, c, path, 429, NULL, NULL);
}
