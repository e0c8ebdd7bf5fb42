#include "endpoints/tags.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define TAGS_MAX   1000 /* the service allows 50 */
#define OPERATION  "ListTagsForResource"
#define ATTEMPTS   3
#define ATTEMPT_MS 3000
#define RETRY_MS   500 /* a pause of the SDKs' length may be all the time there is */
#define BODY_MAX   (64 * 1024)
#define ANSWER_MAX ((size_t)256 * 1024) /* 50 tags of 384 characters are far less */

/* ---- an answer ---- */

void tag_list_fini(struct tag_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free((char *)l->pairs[i].key);
        free((char *)l->pairs[i].value);
    }
    free(l->pairs);
    *l = (struct tag_list){ 0 };
}

static size_t place_of(const struct tag_list *l, const char *key)
{
    size_t at = 0;

    while (at < l->n && strcmp(l->pairs[at].key, key) < 0)
        at++;
    return at;
}

static void put(struct tag_list *l, const char *key, const char *value)
{
    size_t at = place_of(l, key);

    if (at < l->n && streq(l->pairs[at].key, key)) {
        free((char *)l->pairs[at].value);
        l->pairs[at].value = mem_strdup(value);
        return;
    }
    memmove(&l->pairs[at + 1], &l->pairs[at], (l->n - at) * sizeof *l->pairs);
    l->pairs[at] = (struct view_pair){ mem_strdup(key), mem_strdup(value) };
    l->n++;
}

enum err_code tag_list_read(struct str body, struct tag_list *out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct tag_list l = { 0 };
    struct err je = { 0 };
    struct jcur root, tags;

    if (json_parse(body.p, body.n, &v, &je))
        return err_set(e, ERR_RETRY, "the answer: %s", je.msg);
    root = jcur_root(v, &je);
    jcur_expect(&root, JSON_OBJ);
    tags = jcur_arr(&root, "tags");
    if (jcur_len(&tags) > TAGS_MAX)
        jcur_fail(&tags, "more than %d", TAGS_MAX);
    l.pairs = mem_array(jcur_len(&tags) + 1, sizeof *l.pairs);
    JCUR_EACH (tag, &tags) {
        const char *key = jcur_str(&tag, "key");
        const char *value = jcur_str_or(&tag, "value", "");

        if (je.code)
            break;
        put(&l, key, value);
    }
    if (je.code) {
        tag_list_fini(&l);
        return err_set(e, ERR_RETRY, "the answer: %s", je.msg);
    }
    *out = l;
    return ERR_OK;
}

/* ---- who asks, what for ---- */

struct result { /* shared by all who asked, and by the resource while it is kept */
    int users;
    struct tag_list list;
    char *error; /* NULL: none */
};

/* One thing with tags: asked for just now, or kept. */
struct resource {
    UT_hash_handle hh;
    struct tags *t;
    char *arn; /* key */
    struct aws_call *call;
    struct loop_timer *limit;
    struct list waiters;
    struct result *kept;
    int64_t had_ms;
};

struct ask {
    struct list link; /* in a resource's waiters */
    struct tags_op *op;
    struct resource *of; /* NULL: it is answered */
    char *arn;
    struct result *result;
};

struct tags_op {
    struct list link; /* in `ready` */
    struct tags *t;
    struct ask asks[TAGS_OF__COUNT];
    tags_fn *done;
    void *user;
};

struct tags {
    struct tags_args args;
    struct resource *resources;
    size_t n_kept;
    struct list ready;
    struct loop_timer *deliver; /* on a fresh stack */
};

static void result_drop(struct result *r)
{
    if (!r || --r->users)
        return;
    tag_list_fini(&r->list);
    free(r->error);
    free(r);
}

static struct result *result_share(struct result *r)
{
    r->users++;
    return r;
}

static void resource_destroy(struct resource *r)
{
    HASH_DEL(r->t->resources, r);
    aws_call_cancel(r->call);
    loop_timer_destroy(r->limit);
    if (r->kept)
        r->t->n_kept--;
    result_drop(r->kept);
    free(r->arn);
    free(r);
}

/* ---- the end of a question ---- */

static void settle(struct tags_op *op)
{
    for (size_t i = 0; i < TAGS_OF__COUNT; i++) {
        if (op->asks[i].of)
            return;
    }
    list_push_back(&op->t->ready, &op->link);
    loop_timer_arm(op->t->deliver, 0);
}

static void on_deliver(void *user)
{
    struct tags *t = user;
    struct tags_answer answers[TAGS_OF__COUNT] = { 0 };
    struct tags_op *op;

    /* One a turn: a callback may do what it likes, even end us. */
    if (list_empty(&t->ready))
        return;
    op = LIST_ENTRY(t->ready.next, struct tags_op, link);
    list_remove(&op->link);
    if (!list_empty(&t->ready))
        loop_timer_arm(t->deliver, 0);
    for (size_t i = 0; i < TAGS_OF__COUNT; i++) {
        const struct result *r = op->asks[i].result;

        if (r)
            answers[i] =
                (struct tags_answer){ op->asks[i].arn, r->list.pairs, r->list.n, r->error };
    }
    op->done(op->user, answers);
    tags_cancel(op);
}

/* The resource's call is over. A failure is told to those who waited, and forgotten. */
static void answer_all(struct resource *r, struct result *result)
{
    loop_timer_disarm(r->limit);
    LIST_FOREACH (it, following, &r->waiters) {
        struct ask *ask = LIST_ENTRY(it, struct ask, link);

        list_remove(&ask->link);
        ask->of = NULL;
        ask->result = result_share(result);
        settle(ask->op);
    }
    if (result->error || r->t->n_kept >= TAGS_KEPT_MAX) {
        resource_destroy(r);
        return;
    }
    r->kept = result_share(result);
    r->had_ms = loop_now_ms(r->t->args.loop);
    r->t->n_kept++;
}

static void fail_all(struct resource *r, int attempts, const char *why)
{
    struct result *result = NEW(struct result);

    result->users = 1;
    result->error =
        mem_printf("GetResourceTags failed for %s after %d attempts: %s", r->arn, attempts, why);
    answer_all(r, result);
    result_drop(result);
}

static void on_limit(void *user)
{
    struct resource *r = user;
    int attempts = aws_call_attempts(r->call);

    aws_call_cancel(r->call);
    r->call = NULL;
    fail_all(r, attempts, "no answer in time");
}

static void on_tags(void *user, const struct aws_result *a)
{
    struct resource *r = user;
    struct result *result;
    struct err e = *a->e;
    struct tag_list list = { 0 };
    const char *why;

    r->call = NULL;
    if (e.code || tag_list_read(a->body, &list, &e)) {
        why = str_starts(e.msg, OPERATION ": ") ? e.msg + strlen(OPERATION ": ") : e.msg;
        fail_all(r, a->attempts, why);
        return;
    }
    result = NEW(struct result);
    result->users = 1;
    result->list = list;
    answer_all(r, result);
    result_drop(result);
}

/* ---- the beginning ---- */

static void call(struct resource *r, const char *user_agent)
{
    const struct tags_args *args = &r->t->args;
    AUTO(buf) struct buf body = BUF_INIT(BODY_MAX);
    struct aws_call_args of = { .service = args->ecs,
                                .operation = OPERATION,
                                .timeout_ms = ATTEMPT_MS,
                                .max_answer = ANSWER_MAX,
                                .attempts = ATTEMPTS,
                                .retry_max_ms = RETRY_MS,
                                .user_agent = user_agent };
    struct jw w;

    jw_init(&w, &body);
    jw_object(&w);
    jw_kstr(&w, "resourceArn", r->arn);
    jw_end(&w);
    of.body = buf_str(&body);
    r->call = aws_call(args->aws, args->credentials, &of, on_tags, r);
    loop_timer_arm(r->limit, args->limit_ms);
}

static struct resource *resource_create(struct tags *t, const char *arn)
{
    struct resource *r = NEW(struct resource);

    r->t = t;
    r->arn = mem_strdup(arn);
    r->limit = loop_timer_create(t->args.loop, on_limit, r);
    list_init(&r->waiters);
    HASH_ADD_KEYPTR(hh, t->resources, r->arn, strlen(r->arn), r);
    return r;
}

/* Few are kept, so all of them are looked at. */
static void drop_old(struct tags *t)
{
    int64_t now = loop_now_ms(t->args.loop);
    struct resource *r, *next;

    HASH_ITER (hh, t->resources, r, next) {
        if (r->kept && now - r->had_ms >= t->args.keep_ms)
            resource_destroy(r);
    }
}

static void begin(struct ask *ask, const char *arn, const char *user_agent)
{
    struct tags *t = ask->op->t;
    struct resource *r;

    ask->arn = mem_strdup(arn);
    HASH_FIND_STR(t->resources, arn, r);
    if (r && r->kept) {
        ask->result = result_share(r->kept);
        return;
    }
    if (!r) {
        r = resource_create(t, arn);
        call(r, user_agent);
    }
    ask->of = r;
    list_push_back(&r->waiters, &ask->link);
}

struct tags_op *tags_get(struct tags *t, const char *const arns[TAGS_OF__COUNT],
                         const char *user_agent, tags_fn *done, void *user)
{
    struct tags_op *op = NEW(struct tags_op);

    list_init(&op->link);
    op->t = t;
    op->done = done;
    op->user = user;
    drop_old(t);
    for (size_t i = 0; i < TAGS_OF__COUNT; i++) {
        list_init(&op->asks[i].link);
        op->asks[i].op = op;
        if (arns[i])
            begin(&op->asks[i], arns[i], user_agent);
    }
    settle(op);
    return op;
}

void tags_cancel(struct tags_op *op)
{
    if (!op)
        return;
    list_remove(&op->link);
    for (size_t i = 0; i < TAGS_OF__COUNT; i++) {
        struct ask *ask = &op->asks[i];

        list_remove(&ask->link);
        if (ask->of && list_empty(&ask->of->waiters))
            resource_destroy(ask->of);
        result_drop(ask->result);
        free(ask->arn);
    }
    free(op);
}

struct tags *tags_create(const struct tags_args *args)
{
    struct tags *t = NEW(struct tags);

    t->args = *args;
    t->args.keep_ms = args->keep_ms ? args->keep_ms : TAGS_KEEP_MS;
    t->args.limit_ms = args->limit_ms ? args->limit_ms : TAGS_LIMIT_MS;
    list_init(&t->ready);
    t->deliver = loop_timer_create(args->loop, on_deliver, t);
    return t;
}

void tags_destroy(struct tags *t)
{
    struct resource *r, *next;

    if (!t)
        return;
    HASH_ITER (hh, t->resources, r, next)
        resource_destroy(r);
    loop_timer_destroy(t->deliver);
    free(t);
}
