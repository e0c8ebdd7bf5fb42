/* faults: what tests ask for over the admin path /_local/: injected faults,
 * dropped websockets, the last requests and the violations seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server.h"

#define RING_SIZE 1000
#define RULES_MAX 100

struct rule {
    int64_t id, left; /* left < 0: for ever */
    char match[128];  /* an operation, a path, or "*" */
    struct fault fault;
};

struct seen_request {
    int64_t n, mono_us, took_us, wall_ms;
    char method[16], target[160], signer[AUTH_KEY_SIZE];
    int status;
};

struct seen_violation {
    int64_t n, wall_ms;
    char *text;
};

struct faults {
    struct cp_server *server;
    struct rule rules[RULES_MAX];
    size_t rule_count;
    int64_t last_rule;
    struct seen_request requests[RING_SIZE];
    struct seen_violation violations[RING_SIZE];
    int64_t request_count, violation_count;
};

/* ---- rules ---- */

struct fault faults_take(struct faults *f, const char *operation, const char *path)
{
    for (size_t i = 0; i < f->rule_count; i++) {
        struct rule *r = &f->rules[i];

        if (r->left == 0 || !(streq(r->match, "*") || streq(r->match, path) ||
                              (operation && streq(r->match, operation))))
            continue;
        if (r->left > 0)
            r->left--;
        return r->fault;
    }
    return (struct fault){ 0 };
}

static bool action_of(const char *name, enum fault_action *out)
{
    static const char *const names[] = {
        [FAULT_NONE] = "delay",    [FAULT_STATUS] = "status", [FAULT_THROTTLE] = "throttle",
        [FAULT_HTML] = "html",     [FAULT_DROP] = "drop",     [FAULT_LOSE] = "lose",
        [FAULT_REFUSE] = "refuse", [FAULT_HANG] = "hang",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i] && streq(names[i], name)) {
            *out = (enum fault_action)i;
            return true;
        }
    }
    return false;
}

static void rule_read(const struct jcur *c, struct rule *r)
{
    struct jcur match = jcur_obj(c, "match");
    const char *target = jcur_str_or(&match, "target", NULL);
    const char *path = jcur_str_or(&match, "path", NULL);
    const char *what = target ? target : path ? path : "";
    const char *action = jcur_str(c, "action");
    int64_t usual;

    if (!*what || strlen(what) >= sizeof r->match)
        jcur_fail(&match, "must have a target or a path");
    if (!action_of(action, &r->fault.action))
        jcur_fail(c, "action must be status, throttle, html, drop, lose, delay, refuse or hang");
    usual = r->fault.action == FAULT_HTML ? 502 : 500;
    snprintf(r->match, sizeof r->match, "%s", what);
    r->fault.status = (int)jcur_int_or(c, "status", 400, 599, usual);
    r->fault.delay_ms = jcur_int_or(c, "delay_ms", 0, 3600 * 1000, 0);
    r->left = jcur_int_or(c, "count", -1, 1000000, 1);
    snprintf(r->fault.type, sizeof r->fault.type, "%s", jcur_str_or(c, "type", ""));
    snprintf(r->fault.message, sizeof r->fault.message, "%s", jcur_str_or(c, "message", ""));
    if (r->fault.action == FAULT_NONE && r->fault.delay_ms == 0)
        jcur_fail(c, "a delay needs delay_ms");
}

/* ---- answers ---- */

static void post_fault(struct faults *f, struct cp_http *h)
{
    AUTO(json) struct json_t *doc = NULL;
    struct rule r = { 0 };
    struct err e = { 0 }, why = { 0 };
    struct jcur root;

    if (json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply_error(h, 400, e.msg);
        return;
    }
    root = jcur_root(doc, &why);
    rule_read(&root, &r);
    if (!jcur_ok(&root)) {
        cp_http_reply_error(h, 400, why.msg);
        return;
    }
    /* Used-up rules make room. */
    for (size_t i = 0; i < f->rule_count;) {
        if (f->rules[i].left == 0)
            memmove(&f->rules[i], &f->rules[i + 1], (--f->rule_count - i) * sizeof r);
        else
            i++;
    }
    if (f->rule_count == RULES_MAX) {
        cp_http_reply_error(h, 409, "there are 100 faults already");
        return;
    }
    r.id = ++f->last_rule;
    f->rules[f->rule_count++] = r;
    cp_http_reply_number(h, "id", r.id);
}

static void delete_fault(struct faults *f, struct cp_http *h, const char *rest)
{
    size_t before = f->rule_count;
    int64_t id;

    if (!*rest) {
        f->rule_count = 0;
    } else if (*rest != '/' || str_to_int(rest + 1, 1, INT64_MAX, &id, NULL)) {
        cp_http_reply_error(h, 404, "no such fault");
        return;
    } else {
        for (size_t i = 0; i < f->rule_count; i++) {
            if (f->rules[i].id == id) {
                memmove(&f->rules[i], &f->rules[i + 1], (--f->rule_count - i) * sizeof f->rules[0]);
                break;
            }
        }
        if (f->rule_count == before) {
            cp_http_reply_error(h, 404, "no such fault");
            return;
        }
    }
    cp_http_reply_number(h, "removed", (int64_t)(before - f->rule_count));
}

static void get_faults(struct faults *f, struct cp_http *h)
{
    struct buf b = BUF_INIT(256 * 1024);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_karray(&w, "faults");
    for (size_t i = 0; i < f->rule_count; i++) {
        jw_object(&w);
        jw_kint(&w, "id", f->rules[i].id);
        jw_kstr(&w, "match", f->rules[i].match);
        jw_kint(&w, "left", f->rules[i].left);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void drop_websockets(struct faults *f, struct cp_http *h)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 }, why = { 0 };
    struct jcur root = jcur_root(NULL, &why);
    const char *path;
    int64_t code;

    if (h->body.n && json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply_error(h, 400, e.msg);
        return;
    }
    root = jcur_root(doc, &why);
    path = jcur_str_or(&root, "path", NULL);
    code = jcur_int_or(&root, "code", 1000, 4999, 0);
    if (!jcur_ok(&root)) {
        cp_http_reply_error(h, 400, why.msg);
        return;
    }
    cp_http_reply_number(h, "dropped", wss_drop(cp_server_wss(f->server), path, (int)code));
}

/* The first number to show of a ring that has counted to `count`. */
static int64_t first_of(struct cp_http *h, int64_t count)
{
    const char *text = h->query(h, "since");
    int64_t since = 0;

    if (text && str_to_int(text, 0, INT64_MAX - 1, &since, NULL))
        since = 0;
    return since + 1 > count - RING_SIZE + 1 ? since + 1 : count - RING_SIZE + 1;
}

static void get_requests(struct faults *f, struct cp_http *h)
{
    struct buf b = BUF_INIT(4 * 1024 * 1024);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "last", f->request_count);
    jw_karray(&w, "requests");
    for (int64_t n = first_of(h, f->request_count); n <= f->request_count; n++) {
        const struct seen_request *r = &f->requests[n % RING_SIZE];

        jw_object(&w);
        jw_kint(&w, "n", r->n);
        jw_kint(&w, "time_ms", r->wall_ms);
        jw_kint(&w, "mono_us", r->mono_us);
        jw_kint(&w, "took_us", r->took_us);
        jw_kstr(&w, "method", r->method);
        jw_kstr(&w, "target", r->target);
        jw_kint(&w, "status", r->status);
        jw_kstr_if(&w, "signer", r->signer);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void get_violations(struct faults *f, struct cp_http *h)
{
    struct buf b = BUF_INIT(8 * 1024 * 1024);
    char iso[CLOCK_ISO_SIZE];
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "last", f->violation_count);
    jw_karray(&w, "violations");
    for (int64_t n = first_of(h, f->violation_count); n <= f->violation_count; n++) {
        const struct seen_violation *v = &f->violations[n % RING_SIZE];

        clock_iso(v->wall_ms, iso);
        jw_object(&w);
        jw_kint(&w, "n", v->n);
        jw_kstr(&w, "time", iso);
        jw_kstr(&w, "what", v->text);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void on_admin(void *user, struct cp_http *h)
{
    struct faults *f = user;
    bool get = streq(h->method, "GET"), post = streq(h->method, "POST");
    const char *what = h->path + strlen("/_local/");

    if (get && streq(what, "health"))
        cp_http_reply(h, 200, "application/json", str_of("{\"status\":\"ok\"}"));
    else if (get && streq(what, "requests"))
        get_requests(f, h);
    else if (get && streq(what, "violations"))
        get_violations(f, h);
    else if (get && streq(what, "faults"))
        get_faults(f, h);
    else if (post && streq(what, "faults"))
        post_fault(f, h);
    else if (streq(h->method, "DELETE") && str_starts(what, "faults"))
        delete_fault(f, h, what + strlen("faults"));
    else if (post && streq(what, "drop-websockets"))
        drop_websockets(f, h);
    else
        cp_http_reply_error(h, 404, "no such admin path or method");
}

/* ---- rings ---- */

void faults_note_request(struct faults *f, int64_t mono_us, const char *method, const char *target,
                         int status, const char *signer)
{
    struct seen_request *r = &f->requests[++f->request_count % RING_SIZE];

    *r = (struct seen_request){ .n = f->request_count,
                                .mono_us = mono_us,
                                .took_us = cp_server_mono_us() - mono_us,
                                .wall_ms = clock_wall_ms(),
                                .status = status };
    snprintf(r->method, sizeof r->method, "%s", method);
    snprintf(r->target, sizeof r->target, "%s", target);
    snprintf(r->signer, sizeof r->signer, "%s", signer);
}

void faults_note_violation(struct faults *f, const char *text)
{
    struct seen_violation *v = &f->violations[++f->violation_count % RING_SIZE];

    v->n = f->violation_count;
    v->wall_ms = clock_wall_ms();
    mem_replace(&v->text, text);
}

struct faults *faults_create(struct cp_server *s)
{
    struct faults *f = NEW(struct faults);

    f->server = s;
    cp_server_add_path(s, "/_local/", on_admin, f);
    return f;
}

void faults_destroy(struct faults *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < RING_SIZE; i++)
        free(f->violations[i].text);
    free(f);
}
