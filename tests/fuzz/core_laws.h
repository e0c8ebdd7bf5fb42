#pragma once
/* core_laws: what must hold of a core that was given anything. */
#include "core/core.h"
#include "fuzz/fuzz.h"

#define CORE_TEXT_MAX ((size_t)32 << 20)

/* A small host. */
static inline UNUSED struct core_config laws_config(void)
{
    static const uint16_t reserved[] = { 22, 2375, 2376, 51678, 51679 };

    return (struct core_config){ .seed = 7,
                                 .cpu_units = 2048,
                                 .memory_mib = 1024,
                                 .reserved_tcp = reserved,
                                 .n_reserved_tcp = COUNT_OF(reserved),
                                 .stop_timeout_ms = 30000,
                                 .create_timeout_ms = 240000,
                                 .start_timeout_ms = 180000,
                                 .pull_timeout_ms = 7200000,
                                 .pull_inactivity_ms = 60000,
                                 .cleanup_wait_ms = 1000,
                                 .drain_ms = 1000,
                                 .ageing_ms = 30000,
                                 .start_parallel = 2,
                                 .pull_parallel = 2,
                                 .image_interval_ms = 1800000,
                                 .disk_check_ms = 30000 };
}

/* The document that `text` holds; json_free it. */
static inline struct json_t *laws_parse(const struct buf *text)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };

    LAW(!text->overflowed);
    if (json_parse(text->data, text->len, &doc, &e))
        fprintf(stderr, "%s: %s\n", e.msg, text->data);
    LAW(doc);
    return doc;
}

/* Steps, and writes the event and its actions as a flight recorder does. */
static inline void laws_step(struct core *c, struct core_time now, struct core_event *ev)
{
    AUTO(buf) struct buf text = BUF_INIT(CORE_TEXT_MAX);
    AUTO(json) struct json_t *doc = NULL;
    struct core_actions actions = { 0 };
    struct jw w;

    jw_init(&w, &text);
    jw_array(&w);
    core_event_write(&w, now, ev);
    core_step(c, now, ev, &actions);
    for (size_t i = 0; i < actions.n; i++)
        core_action_write(&w, &actions.items[i]);
    jw_end(&w);
    doc = laws_parse(&text);
    core_actions_fini(&actions);
}

static inline void laws_on_container(void *user, const struct task *t, size_t container,
                                     const char *docker_id, enum ctr_status known)
{
    LAW(t && container < t->n_containers && docker_id && known >= CTR_RUNNING);
    LAW(core_task(user, t->arn) == t);
    LAW(core_docker_id(user, t->arn, container) == docker_id);
}

/* Every answer of the core is JSON; `saved` is its whole state. */
static inline void laws_describe(struct core *c, const struct json_t *saved, struct core_time now)
{
    AUTO(buf) struct buf text = BUF_INIT(CORE_TEXT_MAX);
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur root = jcur_root(saved, &e), tasks = jcur_arr(&root, "tasks");
    struct jw w;

    jw_init(&w, &text);
    jw_array(&w);
    core_write_tasks(c, &w);
    core_write_status(c, &w);
    JCUR_EACH (item, &tasks) {
        const char *arn = jcur_str(&item, "arn");

        LAW(core_find_arn(c, arn) && streq(core_find_arn(c, arn), arn));
        core_write_task(c, arn, &w);
        core_write_why(c, arn, now, &w);
    }
    jw_end(&w);
    LAW(!e.code);
    LAW(jcur_len(&tasks) == core_task_count(c));
    doc = laws_parse(&text);
    core_each_container(c, laws_on_container, c);
}

/* The whole state as JSON, with every answer checked; json_free it. */
static inline struct json_t *laws_save(struct core *c, struct core_time now, struct buf *text)
{
    struct json_t *doc;
    struct jw w;

    jw_init(&w, text);
    core_save(c, &w);
    doc = laws_parse(text);
    laws_describe(c, doc, now);
    return doc;
}

/* What was saved can be loaded, and what was loaded saves the same. */
static inline void laws_reload(struct core *c, struct core_time now)
{
    AUTO(buf) struct buf a = BUF_INIT(CORE_TEXT_MAX), b = BUF_INIT(CORE_TEXT_MAX);
    AUTO(json) struct json_t *first = laws_save(c, now, &a), *second = NULL;
    struct core *again = NULL;
    struct err e = { 0 };
    struct jcur root = jcur_root(first, &e);

    if (core_load(&root, &again, &e))
        fprintf(stderr, "%s: %s\n", e.msg, a.data);
    LAW(again);
    second = laws_save(again, now, &b);
    if (!streq(a.data, b.data))
        fprintf(stderr, "%s\n%s\n", a.data, b.data);
    LAW(streq(a.data, b.data));
    core_destroy(again);
}
