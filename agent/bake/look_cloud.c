/* look_cloud: the metadata service, the credentials, the endpoints and the time they tell. */
#include <stdlib.h>
#include <string.h>

#include "aws/aws.h"
#include "aws/credentials.h"
#include "aws/instance.h"
#include "bake/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/http_client.h"

#define METADATA_MS 3500
#define ENDPOINT_MS 5000
#define KEYS_MS     6000
/* The answer's body is not looked at. */
#define BODY_MAX ((size_t)8 << 20)

struct endpoint {
    struct look_cloud *of;
    enum preflight_check check;
    char **url; /* in the facts */
    int *status;
    struct http_op *op;
};

struct look_cloud {
    struct preflight *p;
    loop_fn *then;
    struct loop_timer *later;
    struct imds *imds;
    struct instance_read *reading;
    struct aws *aws;
    struct credentials *credentials;
    struct credentials_op *keys;
    struct endpoint control_plane, logs;
};

static const char *env(void *user, const char *name)
{
    struct look_cloud *l = user;

    return config_env(l->p->config, name);
}

/* ---- metadata ---- */

static void on_later(void *user)
{
    struct look_cloud *l = user;

    preflight_read_settings(l->p, !l->p->args->offline);
    l->then(l->p);
}

static char *take(char **from)
{
    char *text = *from;

    *from = NULL;
    return text;
}

static void on_facts(void *user, struct instance_facts *f)
{
    struct look_cloud *l = user;
    struct preflight *p = l->p;

    l->reading = NULL;
    p->facts.instance_id = take(&f->text[INSTANCE_ID]);
    p->region = take(&f->text[INSTANCE_REGION]);
    p->user_data = take(&f->text[INSTANCE_USER_DATA]);
    preflight_end(p, PREFLIGHT_METADATA, &f->error[INSTANCE_ID]);
    on_later(l);
}

static void create_http(struct look_cloud *l)
{
    struct preflight *p = l->p;
    const char *bundle = env(l, "AWS_CA_BUNDLE");
    const struct http_client_config http = {
        .user_agent = p->args->user_agent,
        .http_proxy = env(l, "HTTP_PROXY"),
        .https_proxy = env(l, "HTTPS_PROXY"),
        .no_proxy = env(l, "NO_PROXY"),
        .ca_file = str_empty(bundle) ? env(l, "SSL_CERT_FILE") : bundle,
        .ca_dir = env(l, "SSL_CERT_DIR"),
    };

    p->http = http_client_create(p->loop, &http);
}

struct look_cloud *look_cloud_begin(struct preflight *p, loop_fn *then)
{
    struct look_cloud *l = NEW(struct look_cloud);
    const struct config *c = p->config;
    const unsigned wanted = INSTANCE_WANT(INSTANCE_ID) | INSTANCE_WANT(INSTANCE_REGION) |
                            INSTANCE_WANT(INSTANCE_USER_DATA);

    l->p = p;
    l->then = then;
    create_http(l);
    if (preflight_skip(PREFLIGHT_METADATA, c, p->args->offline)) {
        l->later = loop_timer_create(p->loop, on_later, l);
        loop_timer_arm(l->later, 0);
        return l;
    }
    l->imds = imds_create(&(struct imds_args){ .http = p->http,
                                               .base = c->imds_endpoint,
                                               .ipv6 = c->imds_ipv6,
                                               .v1_disabled = c->imds_v1_disabled,
                                               .seed = rng_entropy() });
    l->reading = instance_read(l->imds, p->loop, wanted, METADATA_MS, on_facts, l);
    return l;
}

/* ---- credentials ---- */

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct look_cloud *l = user;
    AUTO(buf) struct buf text = BUF_INIT(64 * 1024);
    AUTO(json) struct json_t *doc = NULL;
    struct err ignored = { 0 };
    struct jcur root;
    struct jw w;

    (void)keys; /* that there are some is all that is told */
    l->keys = NULL;
    jw_init(&w, &text);
    credentials_write_status(l->credentials, &w);
    if (!e->code && !json_parse(buf_text(&text), text.len, &doc, &ignored)) {
        root = jcur_root(doc, &ignored);
        l->p->facts.key_source = jcur_strdup_or(&root, "source", NULL);
    }
    preflight_end(l->p, PREFLIGHT_CREDENTIALS, e);
}

static void ask_for_keys(struct look_cloud *l)
{
    const struct config *c = l->p->config;

    if (!preflight_is_pending(l->p, PREFLIGHT_CREDENTIALS))
        return;
    preflight_limit(l->p, PREFLIGHT_CREDENTIALS, KEYS_MS);
    l->credentials =
        credentials_create(&(struct credentials_args){ .aws = l->aws,
                                                       .imds = c->imds_disabled ? NULL : l->imds,
                                                       .env = env,
                                                       .env_user = l,
                                                       .external = c->external,
                                                       .rotating_profile = c->credential_profile });
    l->keys = credentials_get(l->credentials, on_keys, l);
}

/* ---- endpoints ---- */

static void take_time(struct preflight_facts *f, const char *date)
{
    int64_t there;

    if (f->clock_known || !date || !aws_parse_date(date, &there))
        return;
    f->clock_known = true;
    f->clock_ahead_ms = clock_wall_ms() - there;
}

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct endpoint *at = user;
    struct preflight *p = at->of->p;
    struct err none = { 0 };

    at->op = NULL;
    if (r) {
        *at->status = r->status;
        take_time(&p->facts, http_header(r, "Date"));
    }
    preflight_end(p, at->check, r ? &none : e);
}

static void ask(struct look_cloud *l, struct endpoint *at, enum preflight_check c, char *url)
{
    struct preflight *p = l->p;
    struct err e = { 0 };

    at->of = l;
    at->check = c;
    at->url = c == PREFLIGHT_LOGS ? &p->facts.logs_endpoint : &p->facts.endpoint;
    at->status = c == PREFLIGHT_LOGS ? &p->facts.logs_status : &p->facts.endpoint_status;
    *at->url = url;
    if (!preflight_is_pending(p, c))
        return;
    if (!url) {
        err_set(&e, ERR_INVALID, "no region is known, and so no endpoint");
        preflight_end(p, c, &e);
        return;
    }
    preflight_limit(p, c, ENDPOINT_MS);
    at->op = http_send(
        p->http,
        &(struct http_request){
            .method = "GET", .url = url, .timeout_ms = PREFLIGHT_LIMIT_MS, .max_body = BODY_MAX },
        on_answer, at);
}

static char *endpoint_of(const struct look_cloud *l, enum aws_place place)
{
    const struct config *c = l->p->config;

    if (place == AWS_ECS && !str_empty(c->backend_host))
        return mem_strdup(c->backend_host);
    if (str_empty(c->region) && !aws_endpoint_is_set(l->aws, place))
        return NULL;
    return aws_endpoint(l->aws, place, NULL);
}

static bool speaks_ipv6_only(const struct config *c)
{
    struct host_ip ip;

    if (c->ip_compat != IP_AUTO)
        return c->ip_compat == IP_V6;
    ip = host_ip_compat();
    return ip.v6 && !ip.v4;
}

void look_cloud_rest(struct look_cloud *l)
{
    const struct config *c = l->p->config;

    if (l->p->args->offline)
        return;
    l->aws = aws_create(&(struct aws_args){ .http = l->p->http,
                                            .region = c->region,
                                            .env = env,
                                            .env_user = l,
                                            .fips = c->use_fips,
                                            .dual_stack = c->use_dual_stack || speaks_ipv6_only(c),
                                            .host_fips = c->host_fips,
                                            .seed = rng_entropy() });
    ask_for_keys(l);
    ask(l, &l->control_plane, PREFLIGHT_CONTROL_PLANE, endpoint_of(l, AWS_ECS));
    ask(l, &l->logs, PREFLIGHT_LOGS, endpoint_of(l, AWS_LOGS));
}

void look_cloud_end(struct look_cloud *l)
{
    if (!l)
        return;
    http_cancel(l->control_plane.op);
    http_cancel(l->logs.op);
    credentials_cancel(l->keys);
    credentials_destroy(l->credentials);
    instance_read_cancel(l->reading);
    imds_destroy(l->imds);
    aws_destroy(l->aws);
    loop_timer_destroy(l->later);
    free(l);
}
