#include "endpoints/introspect.h"

#include <string.h>

#include "base/mem.h"

#define ANSWER_MAX ((size_t)16 << 20)
#define SHORT_ID   12 /* up to so many characters begin an id, more are all of it */
#define NOT_FOUND \
    "{\"Arn\":\"\",\"KnownStatus\":\"\",\"Family\":\"\",\"Version\":\"\",\"Containers\":null}"
#define COMMANDS "{\"AvailableCommands\":[\"/v1/metadata\",\"/v1/tasks\",\"/license\"]}"

const char introspect_license[] = "Berth is distributed under the Apache License, Version 2.0:\n"
                                  "https://www.apache.org/licenses/LICENSE-2.0\n";

static void serve_metadata(const struct introspect_endpoint *e, struct http_call *c)
{
    const struct introspect_source *s = &e->source;
    const char *arn = s->instance_arn(s->user);
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "Cluster", s->cluster);
    jw_key(&w, "ContainerInstanceArn");
    if (arn)
        jw_str(&w, arn);
    else
        jw_raw(&w, str_of("null"));
    jw_kstr(&w, "Version", s->version);
    jw_end(&w);
    endpoint_reply_json(e->listener, c, 200, buf_str(&b));
}

/* ---- tasks ---- */

struct search {
    struct jw *w;
    const char *arn, *docker_id; /* of the one that is wanted; both NULL: all */
    int found;                   /* containers, or the task */
};

static void write_one(void *arg, const struct view_task *t)
{
    struct search *s = arg;

    view_write_introspection(t, s->w);
}

static bool is_id(const char *wanted, const char *id)
{
    size_t n = strlen(wanted);

    return *id && (n <= SHORT_ID ? str_starts(id, wanted) : streq(id, wanted));
}

static void look(void *arg, const struct view_task *t)
{
    struct search *s = arg;
    int before = s->found;

    if (s->arn)
        s->found += streq(t->arn, s->arn);
    for (size_t i = 0; s->docker_id && i < t->n_containers; i++)
        s->found +=
            t->containers[i].type == VIEW_NORMAL && is_id(s->docker_id, t->containers[i].docker_id);
    if (s->found == 1 && before == 0)
        view_write_introspection(t, s->w);
}

static void serve_tasks(const struct introspect_endpoint *e, struct http_call *c, struct str query)
{
    const struct introspect_source *s = &e->source;
    AUTO(buf) struct buf b = BUF_INIT(ANSWER_MAX), arn = BUF_INIT(4096), id = BUF_INIT(4096);
    bool by_arn = query_get(query, "taskarn", &arn), by_id = query_get(query, "dockerid", &id);
    struct jw w;
    struct search one = { .w = &w,
                          .arn = by_arn ? buf_text(&arn) : NULL,
                          .docker_id = by_id ? buf_text(&id) : NULL };

    jw_init(&w, &b);
    if (!by_arn && !by_id) {
        jw_object(&w);
        jw_karray(&w, "Tasks");
        s->each(s->user, write_one, &one);
        jw_end(&w);
        jw_end(&w);
        endpoint_reply_json(e->listener, c, 200, buf_str(&b));
        return;
    }
    if (!(by_arn && by_id))
        s->each(s->user, look, &one);
    if (one.found == 1)
        endpoint_reply_json(e->listener, c, 200, buf_str(&b));
    else
        endpoint_reply_json(e->listener, c, (by_arn && by_id) || one.found > 1 ? 400 : 404,
                            str_of(NOT_FOUND));
}

void introspect_serve(const struct introspect_endpoint *e, struct http_call *c,
                      const struct route_match *m)
{
    if (str_is(m->path, "/v1/metadata"))
        serve_metadata(e, c);
    else if (str_is(m->path, "/v1/tasks"))
        serve_tasks(e, c, m->query);
    else if (str_is(m->path, "/license"))
        endpoint_reply(e->listener, c, 200, "text/plain", str_of(introspect_license));
    else
        endpoint_reply(e->listener, c, 200, "text/plain; charset=utf-8", str_of(COMMANDS));
}
