/* metadata: with --metadata the instance metadata service under /latest/, well or
 * in one of its bad states: dead, slow, refusing, without tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server.h"

#define TOKENS_MAX   64
#define VALUES_MAX   128
#define LOG_MAX      2000
#define ROLE         "berth-local-instance-role"
#define LIFE_S       (6 * 3600)
#define EARLY_MS     (5 * 60 * 1000)
#define LATEST       "/latest/"
#define META         "meta-data/"
#define TOKEN_HEADER "x-aws-ec2-metadata-token"
#define MAC          "0a:11:22:33:44:55"

struct value {
    char *name, *text; /* below /latest/; text NULL: answer 404 */
};

struct token {
    char text[2 * RNG_UUID_SIZE];
    int64_t until_ms; /* monotonic */
};

enum mode { MODE_OK, MODE_DEAD, MODE_SLOW, MODE_STATUS };
enum token_mode { TOKEN_OPTIONAL, TOKEN_REQUIRED, TOKEN_NONE };

struct seen {
    int64_t n, mono_us;
    char method[16], path[160];
    int status; /* 0: not answered */
};

struct metadata {
    struct cp_server *server;
    char instance_id[32];
    char key_id[32], secret[2 * RNG_UUID_SIZE], session[2 * RNG_UUID_SIZE];
    int64_t expires_ms;              /* of the key */
    struct token tokens[TOKENS_MAX]; /* the oldest place is used anew */
    size_t token_next;
    struct value values[VALUES_MAX];
    size_t value_count;
    enum mode mode;
    enum token_mode token_mode;
    int status, tokens_status;
    int64_t delay_ms, life_s;
    struct seen log[LOG_MAX]; /* a ring; request n is at n % LOG_MAX */
    int64_t log_first, log_last;
};

static void text_reply(struct cp_http *h, int status, const char *text)
{
    cp_http_reply(h, status, "text/plain", str_of(text));
}

static void random_text(struct metadata *m, char out[2 * RNG_UUID_SIZE])
{
    rng_uuid(cp_server_rng(m->server), out);
    rng_uuid(cp_server_rng(m->server), out + RNG_UUID_SIZE - 1);
}

/* ---- tokens ---- */

static void new_token(struct metadata *m, struct cp_http *h)
{
    const char *ttl = h->header(h, TOKEN_HEADER "-ttl-seconds");
    struct token *t = &m->tokens[m->token_next % TOKENS_MAX];
    int64_t seconds;

    if (m->tokens_status || m->token_mode == TOKEN_NONE) {
        text_reply(h, m->tokens_status ? m->tokens_status : 404, "no tokens here\n");
        return;
    }
    if (!ttl || str_to_int(ttl, 1, 21600, &seconds, NULL)) {
        text_reply(h, 400, "the TTL must be 1 to 21600 seconds\n");
        return;
    }
    m->token_next++;
    random_text(m, t->text);
    t->until_ms = clock_mono_ms() + seconds * 1000;
    cp_http_set(h, TOKEN_HEADER "-ttl-seconds", ttl);
    text_reply(h, 200, t->text);
}

/* No token is version 1 of the protocol. */
static bool token_ok(const struct metadata *m, struct cp_http *h)
{
    const char *given = h->header(h, TOKEN_HEADER);

    if (m->token_mode == TOKEN_NONE)
        return true;
    if (!given)
        return m->token_mode != TOKEN_REQUIRED;
    for (size_t i = 0; i < TOKENS_MAX; i++) {
        if (m->tokens[i].text[0] && streq(m->tokens[i].text, given))
            return m->tokens[i].until_ms > clock_mono_ms();
    }
    return false;
}

/* ---- credentials ---- */

/* New keys are there five minutes before those before end, or in the second half of a
 * shorter life. These stay good until then. */
static void have_keys(struct metadata *m)
{
    int64_t now_ms = clock_wall_ms();
    int64_t early_ms = m->life_s * 1000 / 2 < EARLY_MS ? m->life_s * 1000 / 2 : EARLY_MS;
    AUTO(str) char *arn = NULL;

    if (cp_server_key_end(m->server, m->key_id) > now_ms + early_ms)
        return;
    snprintf(m->key_id, sizeof m->key_id, "ASIA%016llX",
             (unsigned long long)rng_next(cp_server_rng(m->server)));
    random_text(m, m->secret);
    random_text(m, m->session);
    m->expires_ms = now_ms / 1000 * 1000 + m->life_s * 1000;
    arn = cp_server_session_arn(m->server, ROLE, m->instance_id);
    cp_server_add_role_key(m->server, m->key_id, m->secret, m->session, NULL, arn, m->expires_ms);
}

static void reply_credentials(struct metadata *m, struct cp_http *h)
{
    struct buf b = BUF_INIT(4096);
    char now[CLOCK_ISO_SIZE], later[CLOCK_ISO_SIZE];
    struct jw w;

    have_keys(m);
    clock_iso(clock_wall_ms(), now);
    clock_iso(m->expires_ms, later);
    memcpy(strchr(later, '.'), "Z", 2);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "Code", "Success");
    jw_kstr(&w, "LastUpdated", now);
    jw_kstr(&w, "Type", "AWS-HMAC");
    jw_kstr(&w, "AccessKeyId", m->key_id);
    jw_kstr(&w, "SecretAccessKey", m->secret);
    jw_kstr(&w, "Token", m->session);
    jw_kstr(&w, "Expiration", later);
    jw_end(&w);
    cp_http_reply(h, 200, "text/plain", buf_str(&b));
    explicit_bzero(b.data, b.len);
    buf_fini(&b);
}

/* ---- values ---- */

static struct value *value_find(struct metadata *m, const char *name)
{
    for (size_t i = 0; i < m->value_count; i++) {
        if (streq(m->values[i].name, name))
            return &m->values[i];
    }
    return NULL;
}

/* A name that does not begin with another folder is below meta-data/. */
static bool value_set(struct metadata *m, const char *name, const char *text)
{
    bool whole = str_starts(name, "dynamic/") || streq(name, "user-data");
    AUTO(str) char *path = mem_printf("%s%s", whole ? "" : META, name);
    struct value *v = value_find(m, path);

    if (!v) {
        if (m->value_count == VALUES_MAX)
            return false;
        v = &m->values[m->value_count++];
        v->name = mem_strdup(path);
    }
    mem_replace(&v->text, text);
    return true;
}

static char *document(const struct metadata *m)
{
    struct buf b = BUF_INIT(4096);
    char *zone = mem_printf("%sa", cp_server_region(m->server));
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "accountId", cp_server_account(m->server));
    jw_kstr(&w, "architecture", "x86_64");
    jw_kstr(&w, "availabilityZone", zone);
    jw_kstr(&w, "imageId", "ami-0123456789abcdef0");
    jw_kstr(&w, "instanceId", m->instance_id);
    jw_kstr(&w, "instanceType", "m5.large");
    jw_kstr(&w, "pendingTime", "2026-01-02T03:04:05Z");
    jw_kstr(&w, "privateIp", "127.0.0.1");
    jw_kstr(&w, "region", cp_server_region(m->server));
    jw_kstr(&w, "version", "2017-09-30");
    jw_end(&w);
    free(zone);
    return buf_take(&b);
}

static void default_values(struct metadata *m)
{
    AUTO(str) char *zone = mem_printf("%sa", cp_server_region(m->server));
    AUTO(str) char *doc = document(m);

    value_set(m, "mac", MAC);
    value_set(m, "network/interfaces/macs/" MAC "/vpc-id", "vpc-0123456789abcdef0");
    value_set(m, "network/interfaces/macs/" MAC "/subnet-id", "subnet-0123456789abcdef0");
    value_set(m, "instance-id", m->instance_id);
    value_set(m, "instance-type", "m5.large");
    value_set(m, "placement/region", cp_server_region(m->server));
    value_set(m, "placement/availability-zone", zone);
    value_set(m, "placement/availability-zone-id", "usw2-az1");
    value_set(m, "local-ipv4", "127.0.0.1");
    value_set(m, "dynamic/instance-identity/document", doc);
    /* Base64 as the real one, but of nothing: there is no one to verify it. */
    value_set(m, "dynamic/instance-identity/signature",
              "YmVydGgtbG9jYWw6IG5vdCBhIHJlYWwgc2lnbmF0dXJl");
}

static void on_metadata(void *user, struct cp_http *h)
{
    struct metadata *m = user;
    const char *path = h->path + strlen(LATEST);
    const struct value *v = value_find(m, path);

    if (streq(path, "api/token")) {
        if (streq(h->method, "PUT"))
            new_token(m, h);
        else
            text_reply(h, 405, "only PUT\n");
    } else if (!streq(h->method, "GET")) {
        text_reply(h, 405, "only GET\n");
    } else if (!token_ok(m, h)) {
        text_reply(h, 401, "the token is missing or not valid\n");
    } else if (v) {
        text_reply(h, v->text ? 200 : 404, v->text ? v->text : "not found\n");
    } else if (streq(path, META "iam/security-credentials") ||
               streq(path, META "iam/security-credentials/")) {
        text_reply(h, 200, ROLE);
    } else if (streq(path, META "iam/security-credentials/" ROLE)) {
        reply_credentials(m, h);
    } else {
        text_reply(h, 404, "not found\n");
    }
}

/* ---- bad states ---- */

static struct fault on_gate(void *user, const char *method, const char *path, int64_t *id)
{
    static const struct fault what[] = {
        [MODE_OK] = { .action = FAULT_NONE },
        [MODE_DEAD] = { .action = FAULT_HANG },
        [MODE_SLOW] = { .action = FAULT_NONE },
        [MODE_STATUS] = { .action = FAULT_PLAIN },
    };
    struct metadata *m = user;
    struct seen *s = &m->log[++m->log_last % LOG_MAX];
    struct fault f = what[m->mode];

    *s = (struct seen){ .n = m->log_last, .mono_us = cp_server_mono_us() };
    snprintf(s->method, sizeof s->method, "%s", method);
    snprintf(s->path, sizeof s->path, "%s", path);
    *id = s->n;
    f.status = m->status;
    snprintf(f.message, sizeof f.message, "%d", m->status);
    if (m->mode == MODE_SLOW)
        f.delay_ms = m->delay_ms;
    return f;
}

static void on_gate_done(void *user, int64_t id, int status)
{
    struct metadata *m = user;

    if (m->log[id % LOG_MAX].n == id)
        m->log[id % LOG_MAX].status = status;
}

/* The index of `name`, or an error at `c`. */
static int choice(const struct jcur *c, const char *key, const char *const *names, int usual)
{
    const char *text = jcur_str_or(c, key, names[usual]);

    for (int i = 0; names[i]; i++) {
        if (streq(names[i], text))
            return i;
    }
    jcur_fail(c, "%s cannot be '%s'", key, text);
    return usual;
}

static void set_mode(struct metadata *m, struct cp_http *h, const struct jcur *root)
{
    static const char *const modes[] = { "ok", "dead", "slow", "status", NULL };
    static const char *const token_modes[] = { "optional", "required", "none", NULL };
    struct metadata next = { 0 };

    next.mode = (enum mode)choice(root, "mode", modes, MODE_OK);
    next.token_mode = (enum token_mode)choice(root, "token", token_modes, TOKEN_OPTIONAL);
    next.delay_ms = jcur_int_or(root, "delay_ms", 0, 3600 * 1000, 3000);
    next.status = (int)jcur_int_or(root, "status", 200, 599, 500);
    next.tokens_status = (int)jcur_int_or(root, "tokens_status", 200, 599, 0);
    next.life_s = jcur_int_or(root, "credential_life_s", 1, LIFE_S, LIFE_S);
    if (!jcur_ok(root)) {
        cp_http_reply_error(h, 400, root->err->msg);
        return;
    }
    if (next.life_s != m->life_s)
        m->key_id[0] = '\0'; /* the next keys live so long; those before stay good */
    m->mode = next.mode;
    m->token_mode = next.token_mode;
    m->delay_ms = next.delay_ms;
    m->status = next.status;
    m->tokens_status = next.tokens_status;
    m->life_s = next.life_s;
    cp_server_drop_hung(m->server);
    cp_http_reply(h, 200, "application/json", str_of("{}"));
}

/* ---- admin paths ---- */

static void set_values(struct metadata *m, struct cp_http *h, const struct jcur *root)
{
    struct jcur item;

    for (size_t i = 0; jcur_member(root, i, &item); i++) {
        const char *text = jcur_present(&item) ? jcur_as_str(&item) : NULL;

        if (!jcur_ok(root) || !value_set(m, item.key, text)) {
            cp_http_reply_error(h, 400, jcur_ok(root) ? "too many values" : root->err->msg);
            return;
        }
    }
    cp_http_reply(h, 200, "application/json", str_of("{}"));
}

static void get_state(struct metadata *m, struct cp_http *h)
{
    struct buf b = BUF_INIT(4096);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "instance_id", m->instance_id);
    jw_kstr(&w, "role", ROLE);
    jw_kstr(&w, "access_key", m->key_id);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void get_log(struct metadata *m, struct cp_http *h)
{
    struct buf b = BUF_INIT(4 * 1024 * 1024);
    const char *text = h->query(h, "since");
    int64_t since = 0, first = m->log_first;
    struct jw w;

    if (text && str_to_int(text, 0, INT64_MAX - 1, &since, NULL))
        since = 0;
    if (first < m->log_last - LOG_MAX)
        first = m->log_last - LOG_MAX;
    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "last", m->log_last);
    jw_karray(&w, "requests");
    for (int64_t n = (since > first ? since : first) + 1; n <= m->log_last; n++) {
        const struct seen *s = &m->log[n % LOG_MAX];

        jw_object(&w);
        jw_kint(&w, "n", s->n);
        jw_kint(&w, "mono_us", s->mono_us);
        jw_kstr(&w, "method", s->method);
        jw_kstr(&w, "path", s->path);
        jw_kint(&w, "status", s->status);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void on_post(struct metadata *m, struct cp_http *h, const char *what)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 }, why = { 0 };
    struct jcur root;

    if (json_parse(h->body.p, h->body.n, &doc, &e)) {
        cp_http_reply_error(h, 400, e.msg);
        return;
    }
    root = jcur_root(doc, &why);
    if (!jcur_expect(&root, JSON_OBJ))
        cp_http_reply_error(h, 400, why.msg);
    else if (streq(what, ""))
        set_values(m, h, &root);
    else if (streq(what, "-mode"))
        set_mode(m, h, &root);
}

static void on_admin(void *user, struct cp_http *h)
{
    struct metadata *m = user;
    const char *what = h->path + strlen("/_local/metadata");
    bool get = streq(h->method, "GET");

    if (get && streq(what, "-log")) {
        get_log(m, h);
    } else if (get && streq(what, "")) {
        get_state(m, h);
    } else if (streq(h->method, "DELETE") && streq(what, "-log")) {
        m->log_first = m->log_last;
        cp_http_reply(h, 200, "application/json", str_of("{}"));
    } else if (streq(h->method, "POST")) {
        on_post(m, h, what);
    }
}

/* ---- life ---- */

static void on_exit_metadata(void *user)
{
    struct metadata *m = user;

    for (size_t i = 0; i < m->value_count; i++) {
        free(m->values[i].name);
        free(m->values[i].text);
    }
    explicit_bzero(m, sizeof *m);
    free(m);
}

void cp_metadata_add(struct cp_server *s)
{
    struct metadata *m;

    if (!cp_server_options(s)->metadata)
        return;
    m = NEW(struct metadata);
    m->server = s;
    m->life_s = LIFE_S;
    m->delay_ms = 3000;
    m->status = 500;
    snprintf(m->instance_id, sizeof m->instance_id, "i-0%016llx",
             (unsigned long long)rng_next(cp_server_rng(s)));
    default_values(m);
    cp_server_add_path(s, LATEST, on_metadata, m);
    cp_server_gate_path(s, LATEST, on_gate, on_gate_done);
    cp_server_add_path(s, "/_local/metadata", on_admin, m);
    cp_server_at_exit(s, on_exit_metadata, m);
}
