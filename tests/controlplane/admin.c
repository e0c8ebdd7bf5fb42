/* admin: a clock that lies and keys that end before their time. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server.h"

/* ---- /_local/clock {"offset_s":900} ---- */

static void on_clock(void *user, struct cp_http *h)
{
    struct cp_server *s = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 }, why = { 0 };
    struct jcur root;
    int64_t offset;

    if (streq(h->method, "POST")) {
        if (json_parse(h->body.p, h->body.n, &doc, &e)) {
            cp_http_reply_error(h, 400, e.msg);
            return;
        }
        root = jcur_root(doc, &why);
        offset = jcur_int(&root, "offset_s", -10 * 365 * 86400LL, 10 * 365 * 86400LL);
        if (!jcur_ok(&root)) {
            cp_http_reply_error(h, 400, why.msg);
            return;
        }
        cp_server_set_clock(s, offset * 1000);
    }
    cp_http_reply_number(h, "offset_s", cp_server_clock_offset(s) / 1000);
}

/* ---- /_local/expire-keys ---- */

/* {"accessKeyId":...}, {"role":ARN}, {"task":ARN or id}, {"instance":true}: the keys
 * that are no task's, handed out by the metadata service. */
static void on_expire(void *user, struct cp_http *h)
{
    struct cp_server *s = user;
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 }, why = { 0 };
    struct auth_selection which;
    const char *task;
    struct jcur root;

    if (!streq(h->method, "POST") || json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply_error(h, 400, "POST a JSON object");
        return;
    }
    root = jcur_root(doc, &why);
    task = jcur_str_or(&root, "task", NULL);
    which = (struct auth_selection){
        .id = jcur_str_or(&root, "accessKeyId", NULL),
        .role = jcur_str_or(&root, "role", NULL),
        .session = task ? str_after_last(task, '/') : NULL,
        .instance = jcur_bool_or(&root, "instance", false),
    };
    if (!jcur_ok(&root))
        cp_http_reply_error(h, 400, why.msg);
    else if (!which.id && !which.role && !which.session && !which.instance)
        cp_http_reply_error(h, 400, "name accessKeyId, role, task or instance");
    else
        cp_http_reply_number(
            h, "expired",
            (int64_t)auth_keys_expire(cp_server_keys(s), &which, clock_wall_ms() - 1000));
}

void cp_admin_add(struct cp_server *s)
{
    cp_server_add_path(s, "/_local/clock", on_clock, s);
    cp_server_add_path(s, "/_local/expire-keys", on_expire, s);
}
