#include "endpoints/metadata.h"

#include "base/mem.h"
#include "endpoints/parts.h"

#define ANSWER_MAX   ((size_t)4 << 20)
#define ANSWER_USUAL 4000 /* most need not grow */

const char *const metadata_patterns[] = {
    "/v2/metadata",
    "/v2/metadata/**",
    "/v2/metadataWithTags",
    "/v2/metadataWithTags/",
    "/v2/stats",
    "/v2/stats/**",
    "/v3/*",
    "/v3/*/task",
    "/v3/*/taskWithTags",
    "/v3/*/stats",
    "/v3/*/task/stats",
    "/v3/*/associations/*",
    "/v3/*/associations/*/**",
    "/v4/*",
    "/v4/*/task",
    "/v4/*/taskWithTags",
    "/v4/*/stats",
    "/v4/*/task/stats",
    "/v4/*/associations/*",
    "/v4/*/associations/*/**",
};
const size_t metadata_patterns_n = COUNT_OF(metadata_patterns);

/* One request of version 3 or 4. */
struct asked {
    const struct metadata_endpoint *e;
    struct http_call *c;
    int version;
    const char *id; /* of the path */
    const char *task_arn, *docker_id;
    size_t container;
    bool tags;
};

/* `text` begins the message; one that ends with a quote is closed by another. */
static void fail(const struct asked *a, int status, const char *text, const char *what)
{
    AUTO(str) char *whole = mem_printf("%s%s%s", text, what, str_ends(text, "'") ? "'" : "");

    endpoint_reply_error(a->e->listener, a->c, status, whole);
}

enum tail { TAIL_CONTAINER, TAIL_TASK };

static void unknown(const struct asked *a, int status, const char *handler, enum tail tail)
{
    AUTO(str)
    char *text =
        mem_printf("V%d %s handler: unable to get %s from request: unable to get %s from v3 "
                   "endpoint ID: %s",
                   a->version, handler, tail == TAIL_CONTAINER ? "container ID" : "task arn",
                   tail == TAIL_CONTAINER ? "docker ID" : "task Arn", a->id);

    endpoint_reply_error(a->e->listener, a->c, status, text);
}

static bool find(struct asked *a)
{
    const struct metadata_source *s = &a->e->source;

    return s->find(s->user, a->id, &a->task_arn, &a->container, &a->docker_id);
}

/* ---- metadata ---- */

static void answer_container(void *arg, const struct view_task *t)
{
    const struct asked *a = arg;
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX);
    struct jw w;

    buf_reserve(&b, ANSWER_USUAL);
    jw_init(&w, &b);
    if (view_write_container(t, a->container, a->version, &w))
        endpoint_reply_json(a->e->listener, a->c, 200, buf_str(&b));
    else
        fail(a, 500,
             a->version == 3 ? "Unable to generate network response for container '"
                             : "unable to generate network response for container '",
             a->docker_id);
}

static void answer_task(void *arg, const struct view_task *t)
{
    const struct asked *a = arg;
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX);
    struct jw w;

    buf_reserve(&b, ANSWER_USUAL);
    jw_init(&w, &b);
    if (view_write_task(t, a->version, a->tags, &w))
        endpoint_reply_json(a->e->listener, a->c, 200, buf_str(&b));
    else
        fail(a, 500, "Unable to generate network response for container '", a->docker_id);
}

/* ---- a task with tags ---- */

struct tagged { /* a request that waits for them */
    const struct metadata_endpoint *e;
    struct http_call *c;
    struct tags_op *op;
    int version;
    char *task_arn, *docker_id;
    const struct tags_answer *answers; /* while they are told */
};

static void tagged_destroy(struct tagged *t)
{
    tags_cancel(t->op);
    free(t->task_arn);
    free(t->docker_id);
    free(t);
}

static void on_gone(void *user, struct http_call *c)
{
    (void)c;
    tagged_destroy(user);
}

static void task_gone(const struct asked *a)
{
    fail(a, 500,
         a->version == 3 ? "Unable to generate metadata for task: '"
                         : "Unable to generate metadata for v4 task: '",
         a->task_arn);
}

static struct asked asked_of(const struct tagged *t)
{
    return (struct asked){ .e = t->e,
                           .c = t->c,
                           .version = t->version,
                           .task_arn = t->task_arn,
                           .docker_id = t->docker_id,
                           .tags = true };
}

static void answer_tagged(void *arg, const struct view_task *view)
{
    static const char *const fields[] = {
        [TAGS_OF_INSTANCE] = "ContainerInstanceTags", [TAGS_OF_TASK] = "TaskTags"
    };
    const struct tagged *t = arg;
    const struct asked a = asked_of(t);
    struct view_error errors[TAGS_OF__COUNT] = { 0 };
    struct view_task with = *view;

    with.task_tags = t->answers[TAGS_OF_TASK].pairs;
    with.n_task_tags = t->answers[TAGS_OF_TASK].n;
    with.instance_tags = t->answers[TAGS_OF_INSTANCE].pairs;
    with.n_instance_tags = t->answers[TAGS_OF_INSTANCE].n;
    with.errors = errors;
    for (size_t i = 0; i < TAGS_OF__COUNT; i++) {
        if (!t->answers[i].error)
            continue;
        errors[with.n_errors++] = (struct view_error){ .field = fields[i],
                                                       .message = t->answers[i].error,
                                                       .arn = t->answers[i].arn };
    }
    answer_task((void *)(uintptr_t)&a, &with);
}

/* The task may have gone meanwhile. */
static void on_tags(void *user, const struct tags_answer answers[TAGS_OF__COUNT])
{
    struct tagged *t = user;
    const struct metadata_source *s = &t->e->source;
    const struct asked a = asked_of(t);

    t->op = NULL;
    t->answers = answers;
    if (!s->view(s->user, t->task_arn, answer_tagged, t))
        task_gone(&a);
    tagged_destroy(t);
}

/* Nobody writes headers of his own. */
static char *user_agent_of(const struct asked *a, const char *container)
{
    for (const char *p = container; *p; p++) {
        if (*p <= ' ' || *p > '~')
            return mem_strdup(a->e->user_agent);
    }
    return mem_printf("%s container/%s", a->e->user_agent, container);
}

static void ask_for_tags(void *arg, const struct view_task *view)
{
    const struct asked *a = arg;
    const struct metadata_endpoint *e = a->e;
    const char *arns[TAGS_OF__COUNT] = { 0 };
    AUTO(str)
    char *user_agent = a->version == 4 && e->user_agent
                           ? user_agent_of(a, view->containers[a->container].name)
                           : NULL;
    struct tagged *t = NEW(struct tagged);

    t->e = e;
    t->c = a->c;
    t->version = a->version;
    t->task_arn = mem_strdup(a->task_arn);
    t->docker_id = mem_strdup(a->docker_id);
    http_call_later(a->c, on_gone, t);
    e->tag_arns(e->source.user, t->task_arn, arns);
    t->op = tags_get(e->tags, arns, user_agent, on_tags, t);
}

/* ---- metadata, which of them ---- */

static void serve_container(struct asked *a)
{
    const struct metadata_source *s = &a->e->source;

    if (!find(a))
        unknown(a, a->version == 4 ? 404 : 500, "container metadata", TAIL_CONTAINER);
    else if (!s->view(s->user, a->task_arn, answer_container, a))
        fail(a, 500,
             a->version == 3 ? "Unable to generate metadata for container '"
                             : "unable to generate metadata for container '",
             a->docker_id);
}

static void serve_task(struct asked *a)
{
    const struct metadata_source *s = &a->e->source;

    if (!find(a))
        unknown(a, a->version == 4 ? 404 : 500, "task metadata", TAIL_TASK);
    else if (!s->view(s->user, a->task_arn, a->tags && a->e->tags ? ask_for_tags : answer_task, a))
        task_gone(a);
}

/* ---- statistics ---- */

static void serve_stats(struct asked *a)
{
    const struct metadata_source *s = &a->e->source;
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX);
    struct jw w;

    if (!find(a)) {
        unknown(a, a->version == 4 ? 404 : 400, "container stats", TAIL_TASK);
        return;
    }
    buf_reserve(&b, ANSWER_USUAL);
    jw_init(&w, &b);
    if (s->stats(s->user, a->docker_id, a->version == 4, &w))
        endpoint_reply_json(a->e->listener, a->c, 200, buf_str(&b));
    else
        fail(a, a->version == 4 ? 500 : 400, "Unable to get container stats for: ", a->docker_id);
}

static void answer_task_stats(void *arg, const struct view_task *t)
{
    const struct asked *a = arg;
    const struct metadata_source *s = &a->e->source;
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX);
    bool unnamed = false;
    struct jw w;

    buf_reserve(&b, ANSWER_USUAL);
    jw_init(&w, &b);
    jw_object(&w);
    for (size_t i = 0; i < t->n_containers; i++) {
        /* Those that are being created have no id yet: one member is for all of them. */
        if (!part_has_container(&t->containers[i]) ||
            (str_empty(t->containers[i].docker_id) && unnamed))
            continue;
        unnamed = unnamed || str_empty(t->containers[i].docker_id);
        jw_key(&w, t->containers[i].docker_id);
        if (s->stats(s->user, t->containers[i].docker_id, a->version == 4, &w))
            continue;
        if (a->version == 4) {
            jw_object(&w);
            jw_end(&w);
        } else {
            jw_raw(&w, str_of("null"));
        }
    }
    jw_end(&w);
    endpoint_reply_json(a->e->listener, a->c, 200, buf_str(&b));
}

static void serve_task_stats(struct asked *a)
{
    const struct metadata_source *s = &a->e->source;

    if (!find(a))
        unknown(a, a->version == 4 ? 404 : 400, "task stats", TAIL_TASK);
    else if (!s->view(s->user, a->task_arn, answer_task_stats, a))
        fail(a, a->version == 4 ? 500 : 400, "Unable to get task stats for: ", a->task_arn);
}

/* ---- associations: GPUs and the like, of which no task here has any ---- */

static void serve_associations(struct asked *a, const struct route_match *m)
{
    AUTO(str) char *type = mem_strndup(m->parts[1].p, m->parts[1].n);
    AUTO(str) char *text = NULL;

    if (!find(a)) {
        bool named = m->n_parts > 2;

        text = mem_printf("V%d container associations handler: unable to get %s from request: "
                          "unable to get %s from v3 endpoint ID: %s",
                          a->version, named ? "task arn" : "container id",
                          named ? "task Arn" : "docker ID", a->id);
    } else if (m->n_parts == 2) {
        endpoint_reply_json(a->e->listener, a->c, 200, str_of("{\"Associations\":null}"));
        return;
    } else if (!m->parts[2].n) {
        text = mem_printf("V%d container associations handler: unable to get association name "
                          "from request",
                          a->version);
    } else {
        text = mem_printf("Unable to write container association response: unable to get "
                          "association from association type %s and association name %.*s",
                          type, (int)m->parts[2].n, m->parts[2].p);
    }
    endpoint_reply_error(a->e->listener, a->c, 400, text);
}

/* ---- which of them ---- */

static void serve_v2(const struct metadata_endpoint *e, struct http_call *c)
{
    AUTO(str)
    char *text = mem_printf("Unable to get task arn from request: unable to associate '%s' with "
                            "task",
                            http_call_head(c)->peer.address);

    endpoint_reply_error(e->listener, c, 400, text);
}

/* What follows the id; "" for nothing. */
static struct str rest_of(const struct route_match *m)
{
    const char *from = m->parts[0].p + m->parts[0].n;

    return (struct str){ from, m->path.n - (size_t)(from - m->path.p) };
}

void metadata_serve(const struct metadata_endpoint *e, struct http_call *c,
                    const struct route_match *m)
{
    AUTO(str) char *id = NULL;
    struct asked a = { .e = e, .c = c, .version = m->path.p[2] - '0' };
    struct str rest;

    if (a.version == 2) {
        serve_v2(e, c);
        return;
    }
    id = mem_strndup(m->parts[0].p, m->parts[0].n);
    a.id = id;
    rest = rest_of(m);
    a.tags = str_is(rest, "/taskWithTags");
    if (m->n_parts > 1)
        serve_associations(&a, m);
    else if (!rest.n)
        serve_container(&a);
    else if (str_is(rest, "/stats"))
        serve_stats(&a);
    else if (str_is(rest, "/task/stats"))
        serve_task_stats(&a);
    else
        serve_task(&a);
}
