#include "endpoints/metadata.h"

#include "base/mem.h"

#define ANSWER_MAX ((size_t)4 << 20)

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

    jw_init(&w, &b);
    if (view_write_task(t, a->version, a->tags, &w))
        endpoint_reply_json(a->e->listener, a->c, 200, buf_str(&b));
    else
        fail(a, 500, "Unable to generate network response for container '", a->docker_id);
}

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
    else if (!s->view(s->user, a->task_arn, answer_task, a))
        fail(a, 500,
             a->version == 3 ? "Unable to generate metadata for task: '"
                             : "Unable to generate metadata for v4 task: '",
             a->task_arn);
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
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    for (size_t i = 0; i < t->n_containers; i++) {
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
