#pragma once
/* metadata: the task metadata endpoints, versions 2, 3 and 4 (local-endpoints 3): who asks for
 * which container, and what is answered when there is none. What is known comes as views.
 *
 * Version 2 finds a task by its address, which only tasks with a network interface of their own
 * have: there are none here, so it always answers that. Everything is answered at once but for
 * the routes with tags, which wait for them (tags.h); tags that cannot be had cost nothing but
 * themselves. */
#include "endpoints/serve.h"
#include "endpoints/tags.h"
#include "endpoints/view.h"

/* Called with the view while it is valid. */
typedef void metadata_view_fn(void *arg, const struct view_task *t);

struct metadata_source {
    /* The container with this id, once Docker has made it; all borrowed. */
    bool (*find)(void *user, const char *id, const char **task_arn, size_t *container,
                 const char **docker_id);
    /* Calls `fn` at once; false: there is no such task. */
    bool (*view)(void *user, const char *task_arn, metadata_view_fn *fn, void *arg);
    /* Writes the statistics of a container; false, and nothing: it is not watched. */
    bool (*stats)(void *user, const char *docker_id, bool v4, struct jw *w);
    void *user;
};

struct metadata_endpoint { /* all borrowed */
    struct metadata_source source;
    const struct endpoint_listener *listener;
    struct tags *tags; /* NULL: no tags are asked for */
    /* Whose tags are told of a task; NULL: nobody's. Borrowed until the next turn. Called with
     * the user of the source. */
    void (*tag_arns)(void *user, const char *task_arn, const char *arns[TAGS_OF__COUNT]);
    const char *user_agent; /* of these calls; version 4 adds the name of the container */
};

/* The rows of a listener's table are metadata_patterns. Their user is passed on, so a listener that
 * has more wraps these. */
void metadata_serve(const struct metadata_endpoint *e, struct http_call *c,
                    const struct route_match *m);

/* The patterns that metadata_serve answers. */
extern const char *const metadata_patterns[];
extern const size_t metadata_patterns_n;
