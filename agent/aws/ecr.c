/* ECR GetAuthorizationToken, and the cache of what it gave. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "aws/service.h"
#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"
#include "io/loop.h"

#define OPERATION     "GetAuthorizationToken"
#define REQUEST_MAX   4096
#define ANSWER_MAX    (256 * 1024)
#define CACHE_MAX     100
#define CACHE_MAX_MS  (12 * INT64_C(3600000))
#define EARLY_MS      (30 * INT64_C(60000))
#define EARLY_MORE_MS (30 * INT64_C(60000)) /* at random, so that not all ask at once */

/* ---- the answer ---- */

void ecr_token_fini(struct ecr_token *t)
{
    mem_wipe(t->name);
    mem_wipe(t->password);
    free(t->server);
    *t = (struct ecr_token){ 0 };
}

/* "name:password" of its base64. */
static bool take_apart(const char *base64, struct ecr_token *out)
{
    size_t n = strlen(base64);
    size_t room = n / 4 * 3 + 1;
    char *plain = secret_alloc(room), *colon;
    int length = n && n % 4 == 0 ? EVP_DecodeBlock((unsigned char *)plain,
                                                   (const unsigned char *)base64, (int)n)
                                 : -1;
    bool good = false;

    /* Zeros of the padding end the text, so it is as long as it seems. */
    if (length > 0 && (colon = strchr(plain, ':')) && colon != plain && colon[1]) {
        out->name = secret_strndup(plain, (size_t)(colon - plain));
        out->password = secret_strdup(colon + 1);
        good = true;
    }
    secret_free(plain);
    return good;
}

/* What is no date of this age counts as not told. */
static int64_t ms_of(double seconds)
{
    return seconds > 0 && seconds < 1e11 ? (int64_t)(seconds * 1000) : 0;
}

enum err_code ecr_answer_read(struct str body, struct ecr_token *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct ecr_token t = { 0 };
    struct err bad = { 0 };
    struct jcur root, list, data;
    const char *token, *server;

    if (json_parse(body.p, body.n, &doc, NULL))
        return err_set(e, ERR_INVALID, "the answer of the service is not JSON");
    root = jcur_root(doc, &bad);
    list = jcur_arr(&root, "authorizationData");
    if (jcur_len(&list) != 1)
        return err_set(e, ERR_INVALID, "the answer has %zu authorization data instead of one",
                       jcur_len(&list));
    data = jcur_at(&list, 0);
    token = jcur_str(&data, "authorizationToken");
    server = jcur_str(&data, "proxyEndpoint");
    t.expires_ms = ms_of(jcur_num_or(&data, "expiresAt", 0));
    if (!jcur_ok(&root))
        return err_set(e, ERR_INVALID, "the answer of the service: %s", bad.msg);
    if (strlen(token) > ANSWER_MAX || !take_apart(token, &t))
        return err_set(e, ERR_INVALID,
                       "the authorization token is not the base64 of "
                       "user:password");
    t.server = mem_strdup(server);
    *out = t;
    return ERR_OK;
}

char *ecr_endpoint_url(const char *host)
{
    return mem_printf("%s%s", strstr(host, "://") ? "" : "https://", host);
}

/* ---- cache and questions ---- */

/* In the order of use: the first is the one that goes. */
struct entry {
    char *key;
    struct ecr_token token;
    int64_t until_ms; /* by the services' clock */
    UT_hash_handle hh;
};

/* One call under way, and who waits for it. */
struct asked {
    struct ecr_cache *cache;
    char *key;
    struct aws_call *call; /* NULL: the answer is being told */
    struct list waiters;
    UT_hash_handle hh;
};

struct waiter {
    struct service_call base;
    struct list node;         /* of asked->waiters */
    struct asked *asked;      /* NULL: answered from the cache, by the timer */
    struct loop_timer *timer; /* of a cached answer */
    struct ecr_token cached;
    ecr_done_fn *done;
    void *user;
};

struct ecr_cache {
    struct aws *aws;
    struct rng rng;
    struct entry *entries;
    struct asked *asked;
};

struct ecr_cache *ecr_cache_create(struct aws *aws, uint64_t seed)
{
    struct ecr_cache *c = NEW(struct ecr_cache);

    c->aws = aws;
    rng_seed(&c->rng, seed);
    return c;
}

static void entry_drop(struct ecr_cache *c, struct entry *it)
{
    HASH_DEL(c->entries, it);
    ecr_token_fini(&it->token);
    free(it->key);
    free(it);
}

void ecr_cache_destroy(struct ecr_cache *c)
{
    struct entry *it, *next;

    if (!c)
        return;
    HASH_ITER (hh, c->entries, it, next)
        entry_drop(c, it);
    free(c);
}

static struct ecr_token token_copy(const struct ecr_token *t)
{
    return (struct ecr_token){ secret_strdup(t->name), secret_strdup(t->password),
                               mem_strdup(t->server), t->expires_ms };
}

void ecr_cache_put(struct ecr_cache *c, const char *key, const struct ecr_token *t)
{
    int64_t now = aws_now_ms(c->aws);
    int64_t until = t->expires_ms - EARLY_MS - (int64_t)rng_below(&c->rng, EARLY_MORE_MS);
    struct entry *it;

    HASH_FIND_STR(c->entries, key, it);
    if (it)
        entry_drop(c, it);
    if (until > now + CACHE_MAX_MS)
        until = now + CACHE_MAX_MS;
    if (until <= now)
        return;
    if (HASH_COUNT(c->entries) >= CACHE_MAX)
        entry_drop(c, c->entries);
    it = NEW(struct entry);
    it->key = mem_strdup(key);
    it->token = token_copy(t);
    it->until_ms = until;
    HASH_ADD_KEYPTR(hh, c->entries, it->key, strlen(it->key), it);
}

const struct ecr_token *ecr_cache_find(struct ecr_cache *c, const char *key)
{
    struct entry *it;

    HASH_FIND_STR(c->entries, key, it);
    if (it && it->until_ms <= aws_now_ms(c->aws)) {
        entry_drop(c, it);
        it = NULL;
    }
    if (!it)
        return NULL;
    HASH_DEL(c->entries, it);
    HASH_ADD_KEYPTR(hh, c->entries, it->key, strlen(it->key), it);
    return &it->token;
}

static void asked_drop(struct asked *a)
{
    HASH_DEL(a->cache->asked, a);
    aws_call_cancel(a->call);
    free(a->key);
    free(a);
}

static void waiter_free(struct waiter *w)
{
    list_remove(&w->node);
    loop_timer_destroy(w->timer);
    ecr_token_fini(&w->cached);
    free(w);
}

static void waiter_cancel(struct service_call *base)
{
    struct waiter *w = (struct waiter *)base;
    struct asked *a = w->asked;

    waiter_free(w);
    if (a && a->call && list_empty(&a->waiters))
        asked_drop(a);
}

static void tell(struct waiter *w, const struct ecr_token *t, const struct err *e)
{
    ecr_done_fn *done = w->done;
    void *user = w->user;

    waiter_free(w);
    done(user, t->name, t->password, t->server, e);
}

static void on_cached(void *user)
{
    struct waiter *w = user;
    struct ecr_token t = w->cached;
    struct err e = { 0 };

    w->cached = (struct ecr_token){ 0 };
    tell(w, &t, &e);
    ecr_token_fini(&t);
}

static void on_answer(void *user, const struct aws_result *r)
{
    struct asked *a = user;
    struct ecr_token t = { 0 };
    struct err e = { 0 };

    a->call = NULL;
    if (r->e->code)
        service_error(r, OPERATION, &e);
    else if (!ecr_answer_read(r->body, &t, &e))
        ecr_cache_put(a->cache, a->key, &t);
    service_wipe(r->body);
    /* Who asks from within a callback begins anew, and who is canceled there is not told. */
    HASH_DEL(a->cache->asked, a);
    while (!list_empty(&a->waiters))
        tell(LIST_ENTRY(a->waiters.next, struct waiter, node), &t, &e);
    ecr_token_fini(&t);
    free(a->key);
    free(a);
}

static struct aws_call *ask(const struct ecr_question *q, struct asked *a)
{
    AUTO(buf) struct buf body = BUF_INIT(REQUEST_MAX);
    AUTO(str) char *endpoint = str_empty(q->endpoint) ? NULL : ecr_endpoint_url(q->endpoint);
    struct service_question call = { .who = &q->caller,
                                     .place = AWS_ECR,
                                     .region = q->region,
                                     .endpoint = endpoint,
                                     .service = "ecr",
                                     .target_prefix = "AmazonEC2ContainerRegistry_V20150921" };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    if (!str_empty(q->registry_id)) {
        jw_karray(&w, "registryIds");
        jw_str(&w, q->registry_id);
        jw_end(&w);
    }
    jw_end(&w);
    call.of = (struct aws_call_args){ .protocol = AWS_JSON,
                                      .operation = OPERATION,
                                      .body = buf_str(&body),
                                      .max_answer = ANSWER_MAX };
    return service_send(&call, on_answer, a);
}

struct service_call *ecr_token(struct ecr_cache *c, const struct ecr_question *q, ecr_done_fn *done,
                               void *user)
{
    const char *region = str_empty(q->region) ? aws_region(c->aws) : q->region;
    AUTO(str)
    char *key = mem_printf("%s\n%s\n%s\n%s", str_or_empty(q->caller.cache_id), region,
                           str_or_empty(q->registry_id), str_or_empty(q->endpoint));
    struct waiter *w = NEW(struct waiter);
    const struct ecr_token *known = ecr_cache_find(c, key);
    struct asked *a = NULL;

    w->base.cancel = waiter_cancel;
    w->done = done;
    w->user = user;
    list_init(&w->node);
    if (known) {
        w->cached = token_copy(known);
        w->timer = loop_timer_create(http_client_loop(aws_http(c->aws)), on_cached, w);
        loop_timer_arm(w->timer, 0);
        return &w->base;
    }
    HASH_FIND_STR(c->asked, key, a);
    if (!a) {
        a = NEW(struct asked);
        a->cache = c;
        a->key = mem_strdup(key);
        list_init(&a->waiters);
        HASH_ADD_KEYPTR(hh, c->asked, a->key, strlen(a->key), a);
        a->call = ask(q, a);
    }
    w->asked = a;
    list_push_back(&a->waiters, &w->node);
    return &w->base;
}
