/* Task definitions. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ecs.h"

#define TASKDEF_MAX (1 << 20)

static void write_taskdef(struct jw *w, struct taskdef *td)
{
    struct jcur def = model_taskdef_cursor(td), absent = jcur_get(&def, ""), m;
    struct taskdef_need need;

    taskdef_need(&def, &absent, &need);
    jw_object(w);
    jw_kstr(w, "taskDefinitionArn", td->arn);
    for (size_t i = 0; jcur_member(&def, i, &m); i++) {
        jw_key(w, m.key);
        jw_value(w, m.val);
    }
    jw_kint(w, "revision", td->revision);
    jw_kstr(w, "status", td->active ? "ACTIVE" : "INACTIVE");
    jw_karray(w, "requiresAttributes");
    for (size_t i = 0; i < need.attribute_count; i++) {
        jw_object(w);
        jw_kstr(w, "name", need.attributes[i]);
        jw_end(w);
    }
    jw_end(w);
    jw_karray(w, "compatibilities");
    jw_str(w, "EC2");
    jw_end(w);
    reply_time(w, "registeredAt", td->registered_ms);
    reply_time(w, "deregisteredAt", td->deregistered_ms);
    jw_kstr_if(w, "registeredBy", td->registered_by);
    jw_end(w);
    taskdef_need_fini(&need);
}

static void answer_taskdef(struct cp_call *c, struct taskdef *td, bool tags)
{
    struct reply r;

    reply_begin(&r);
    jw_key(&r.w, "taskDefinition");
    write_taskdef(&r.w, td);
    if (tags) {
        jw_key(&r.w, "tags");
        tags_write(&td->tags, &r.w);
    }
    reply_end(&r, c);
}

void ecs_register_taskdef(struct ecs *x, struct cp_call *c)
{
    struct buf text = BUF_INIT(TASKDEF_MAX);
    AUTO(json) struct json_t *doc = NULL;
    const char *family = jcur_str_or(&c->body, "family", "");
    struct jcur tags = jcur_arr(&c->body, "tags");
    struct taskdef *td;
    struct err e = { 0 };
    struct jw w;

    if (taskdef_check(&c->body, &e)) {
        ecs_client_error(c, "%s", e.msg);
        return;
    }
    jw_init(&w, &text);
    jw_object(&w);
    taskdef_normalize(&c->body, &w);
    jw_end(&w);
    if (text.overflowed || json_parse(buf_text(&text), text.len, &doc, &e)) {
        ecs_client_error(c, "The task definition is too large.");
    } else {
        td = model_taskdef_add(x->model, family, model_taskdef_next_revision(x->model, family),
                               &doc);
        td->registered_ms = c->now_ms;
        td->registered_by = mem_printf("arn:aws:iam::%s:root", x->model->account);
        tags_read(&td->tags, &tags);
        ecs_changed(x);
        answer_taskdef(c, td, true);
    }
    buf_fini(&text);
}

static struct taskdef *taskdef_of(struct ecs *x, struct cp_call *c)
{
    struct taskdef *td = model_taskdef_find(x->model, jcur_str_or(&c->body, "taskDefinition", ""));

    if (!td)
        ecs_client_error(c, "Unable to describe task definition.");
    return td;
}

void ecs_describe_taskdef(struct ecs *x, struct cp_call *c)
{
    struct taskdef *td = taskdef_of(x, c);

    if (td)
        answer_taskdef(c, td, ecs_included(&c->body, "TAGS"));
}

void ecs_deregister_taskdef(struct ecs *x, struct cp_call *c)
{
    const char *text = jcur_str_or(&c->body, "taskDefinition", "");
    struct taskdef *td;

    if (!strchr(str_after_last(text, '/'), ':')) {
        ecs_client_error(c, "Revision is missing.");
        return;
    }
    td = taskdef_of(x, c);
    if (!td)
        return;
    if (td->active)
        td->deregistered_ms = c->now_ms;
    td->active = false;
    ecs_changed(x);
    answer_taskdef(c, td, false);
}

/* ---- lists ---- */

static int by_family_and_revision(const void *a, const void *b)
{
    const struct taskdef *x = *(struct taskdef *const *)a, *y = *(struct taskdef *const *)b;
    int order = strcmp(x->family, y->family);

    return order ? order : (x->revision > y->revision) - (x->revision < y->revision);
}

/* All of them, sorted; free() the array. */
static struct taskdef **sorted(struct ecs *x, size_t *count)
{
    struct taskdef **all = NULL;

    *count = 0;
    LIST_FOREACH (n, next, &x->model->taskdefs) {
        all = mem_resize(all, *count + 1, sizeof(struct taskdef *));
        all[(*count)++] = MODEL_OF(n, taskdef);
    }
    if (*count > 1)
        qsort(all, *count, sizeof(struct taskdef *), by_family_and_revision);
    return all;
}

void ecs_list_taskdefs(struct ecs *x, struct cp_call *c)
{
    const char *family = jcur_str_or(&c->body, "familyPrefix", NULL);
    bool inactive = streq(jcur_str_or(&c->body, "status", "ACTIVE"), "INACTIVE");
    bool descending = streq(jcur_str_or(&c->body, "sort", "ASC"), "DESC");
    struct taskdef **all;
    struct reply r;
    struct page p;
    size_t count;

    if (!page_begin(&p, c))
        return;
    all = sorted(x, &count);
    reply_begin(&r);
    jw_karray(&r.w, "taskDefinitionArns");
    for (size_t i = 0; i < count; i++) {
        const struct taskdef *td = all[descending ? count - 1 - i : i];

        if (td->active == inactive || (family && !streq(td->family, family)))
            continue;
        if (page_take(&p))
            jw_str(&r.w, td->arn);
    }
    jw_end(&r.w);
    page_end(&p, &r.w);
    reply_end(&r, c);
    free(all);
}

void ecs_list_families(struct ecs *x, struct cp_call *c)
{
    const char *prefix = jcur_str_or(&c->body, "familyPrefix", "");
    const char *status = jcur_str_or(&c->body, "status", "ALL");
    struct taskdef **all;
    struct reply r;
    struct page p;
    size_t count;

    if (!page_begin(&p, c))
        return;
    all = sorted(x, &count);
    reply_begin(&r);
    jw_karray(&r.w, "families");
    for (size_t i = 0; i < count;) {
        const char *family = all[i]->family;
        bool active = false;

        for (; i < count && streq(all[i]->family, family); i++)
            active = active || all[i]->active;
        if (!str_starts(family, prefix) ||
            (!streq(status, "ALL") && active != streq(status, "ACTIVE")))
            continue;
        if (page_take(&p))
            jw_str(&r.w, family);
    }
    jw_end(&r.w);
    page_end(&p, &r.w);
    reply_end(&r, c);
    free(all);
}
