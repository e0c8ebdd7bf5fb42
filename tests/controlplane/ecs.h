#pragma once
/* ecs: what the files of the ECS service share. Not for the rest of the server. */
#include "cp.h"
#include "model.h"
#include "shape.h"

struct acs;

struct ecs {
    struct cp_server *server;
    struct cp_model *model;
    struct rng *rng;
    struct acs *acs;
    char *state_file; /* NULL: memory only */
    struct cp_timer *save_timer;
    bool save_armed;
};

typedef void ecs_op_fn(struct ecs *x, struct cp_call *c);

/* The model changed: it is written to the state file a moment later. */
void ecs_changed(struct ecs *x);

/* The call's `cluster`; answers the call and gives NULL when there is none. */
struct cluster *ecs_cluster(struct ecs *x, struct cp_call *c);
void ecs_new_id(struct ecs *x, char out[33]); /* 32 hexadecimal digits */

#define ecs_client_error(c, ...)    cp_reply_error(c, 400, "ClientException", __VA_ARGS__)
#define ecs_parameter_error(c, ...) cp_reply_error(c, 400, "InvalidParameterException", __VA_ARGS__)

/* An answer in the making: an open object. */
struct reply {
    struct buf buf;
    struct jw w;
};
void reply_begin(struct reply *r);
void reply_end(struct reply *r, struct cp_call *c); /* closes, answers, frees */
void reply_failure(struct reply *r, const char *arn, const char *reason);
/* Seconds with a fraction; nothing for 0. */
void reply_time(struct jw *w, const char *key, int64_t ms);

/* maxResults and nextToken. page_begin answers the call itself when they are wrong. */
struct page {
    int64_t from, max, seen, written;
    bool more;
};
bool page_begin(struct page *p, struct cp_call *c);
bool page_take(struct page *p); /* does this item belong to the page? */
void page_end(const struct page *p, struct jw *w);

/* True when the list member `key` is absent or holds `text`. */
bool ecs_included(const struct jcur *body, const char *text);

/* ---- shared writers ---- */
void ecs_write_task(struct jw *w, struct task *t, bool tags);
void ecs_write_instance(struct ecs *x, struct jw *w, struct instance *i, bool tags);

/* ---- changes that more than one file makes (ecs_task.c) ---- */
void ecs_task_stopped(struct ecs *x, struct task *t, const char *code, const char *reason,
                      int64_t now_ms);

/* ---- operations ---- */
ecs_op_fn ecs_create_cluster, ecs_delete_cluster, ecs_describe_clusters, ecs_list_clusters,
    ecs_tag_resource, ecs_untag_resource, ecs_list_tags;
ecs_op_fn ecs_register_instance, ecs_deregister_instance, ecs_describe_instances,
    ecs_list_instances, ecs_update_instances_state;
ecs_op_fn ecs_register_taskdef, ecs_deregister_taskdef, ecs_describe_taskdef, ecs_list_taskdefs,
    ecs_list_families;
ecs_op_fn ecs_run_task, ecs_start_task, ecs_stop_task, ecs_list_tasks, ecs_describe_tasks;
ecs_op_fn ecs_get_protection, ecs_update_protection;
ecs_op_fn ecs_discover_poll_endpoint, ecs_submit_task, ecs_submit_container, ecs_submit_attachments;
