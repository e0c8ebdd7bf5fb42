/* preflight: the order of things. First the metadata, for settings may be there; then everything
 * else beside each other; what depends on an answer begins with it. */
#include "bake/preflight.h"

#include <stdlib.h>
#include <string.h>

#include "bake/internal.h"
#include "base/mem.h"
#include "io/http_client.h"

/* ---- how a check ends ---- */

bool preflight_is_pending(const struct preflight *p, enum preflight_check c)
{
    return p->facts.checks[c].asked == ASKED_PENDING;
}

static void follow(struct preflight *p, enum preflight_check c, enum asked how);

/* NOLINTNEXTLINE(misc-no-recursion): to what depends on it, which nothing depends on */
static void settle(struct preflight *p, enum preflight_check c, enum asked how, const struct err *e)
{
    if (!preflight_is_pending(p, c))
        return;
    p->facts.checks[c].asked = how;
    if (e)
        p->facts.checks[c].err = *e;
    loop_timer_disarm(p->limits[c].timer);
    follow(p, c, how);
    if (--p->pending == 0)
        loop_stop(p->loop);
}

void preflight_end(struct preflight *p, enum preflight_check c, const struct err *e)
{
    settle(p, c, ASKED_ENDED, e);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
void preflight_cannot(struct preflight *p, enum preflight_check c, const char *reason)
{
    struct err e = { 0 };

    err_set(&e, ERR_RETRY, "%s", reason);
    settle(p, c, ASKED_SKIPPED, &e);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void follow(struct preflight *p, enum preflight_check c, enum asked how)
{
    static const char away[] = "the container engine does not answer";

    if (c == PREFLIGHT_ENGINE && (how != ASKED_ENDED || p->facts.checks[c].err.code)) {
        preflight_cannot(p, PREFLIGHT_ENGINE_DISK, away);
        preflight_cannot(p, PREFLIGHT_CGROUPS, away);
        preflight_cannot(p, PREFLIGHT_PROBE, away);
    }
    /* The time is in whichever answer comes first. */
    if (how != ASKED_SKIPPED && (c == PREFLIGHT_CONTROL_PLANE || c == PREFLIGHT_LOGS) &&
        (p->facts.clock_known || (!preflight_is_pending(p, PREFLIGHT_CONTROL_PLANE) &&
                                  !preflight_is_pending(p, PREFLIGHT_LOGS))))
        settle(p, PREFLIGHT_CLOCK, ASKED_ENDED, NULL);
}

static void on_limit(void *user)
{
    struct preflight_limit *l = user;

    settle(l->of, l->check, ASKED_OVER, NULL);
}

void preflight_limit(struct preflight *p, enum preflight_check c, int64_t limit_ms)
{
    if (!preflight_is_pending(p, c))
        return;
    p->facts.checks[c].limit_ms = limit_ms;
    loop_timer_arm(p->limits[c].timer, limit_ms);
}

static void on_all_over(void *user)
{
    struct preflight *p = user;

    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        if (!p->facts.checks[c].limit_ms)
            p->facts.checks[c].limit_ms = PREFLIGHT_LIMIT_MS;
        settle(p, c, ASKED_OVER, NULL);
    }
}

/* ---- the settings ---- */

static const struct config_problem *worst(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        if (problems->items[i].fatal)
            return &problems->items[i];
    return problems->n ? problems->items : NULL;
}

static void note_problems(struct preflight_facts *f, const struct config_problems *problems)
{
    const struct config_problem *first = worst(problems);

    f->problems = problems->n;
    f->fatal = problems->fatal;
    free(f->first_problem);
    f->first_problem = NULL;
    if (first)
        f->first_problem = *first->source ? mem_printf("%s: %s", first->source, first->text)
                                          : mem_strdup(first->text);
}

void preflight_read_settings(struct preflight *p, bool last)
{
    struct config_problems problems = { 0 };
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config *c;

    config_files_read(p->args->config_file, &files, &in, &problems);
    in.metadata_pending = !last;
    in.metadata_region = p->region;
    if (p->user_data)
        in.user_data = (struct config_text){ "user data", p->user_data, strlen(p->user_data) };
    c = config_build(&in, &problems);
    config_destroy(p->config);
    config_files_destroy(p->files);
    p->config = c;
    p->files = files;
    p->instance_file = in.instance_file.name;
    note_problems(&p->facts, &problems);
    config_problems_fini(&problems);
    mem_replace(&p->facts.cluster, c->cluster);
    mem_replace(&p->facts.region, str_empty(c->region) ? NULL : c->region);
    p->facts.cgroups_wanted = c->task_limits == TRI_TRUE;
    p->facts.disk_high_pct = c->image_cleanup_disabled ? 0 : (int)c->disk_high_pct;
}

/* ---- all of it ---- */

static void skip_what_is_not_wanted(struct preflight *p)
{
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        const char *reason = preflight_skip(c, p->config, p->args->offline);

        if (reason)
            preflight_cannot(p, c, reason);
    }
}

static void on_metadata(void *user)
{
    struct preflight *p = user;

    preflight_end(p, PREFLIGHT_CONFIGURATION, NULL);
    skip_what_is_not_wanted(p);
    p->local = look_local_begin(p);
    look_cloud_rest(p->cloud);
    p->engine = look_engine_begin(p);
}

static void begin(struct preflight *p)
{
    p->loop = loop_create();
    p->until_ms = loop_now_ms(p->loop) + PREFLIGHT_LIMIT_MS;
    p->pending = PREFLIGHT__COUNT;
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        struct preflight_limit *l = &p->limits[c];

        *l = (struct preflight_limit){ .of = p, .check = c };
        l->timer = loop_timer_create(p->loop, on_limit, l);
    }
    p->all = loop_timer_create(p->loop, on_all_over, p);
    loop_timer_arm(p->all, PREFLIGHT_LIMIT_MS);
    preflight_read_settings(p, false);
    p->cloud = look_cloud_begin(p, on_metadata);
}

static void tear_down(struct preflight *p)
{
    look_cloud_end(p->cloud);
    look_engine_end(p->engine);
    look_local_end(p->local);
    http_client_destroy(p->http);
    for (size_t i = 0; i < PREFLIGHT__COUNT; i++)
        loop_timer_destroy(p->limits[i].timer);
    loop_timer_destroy(p->all);
    loop_destroy(p->loop);
    config_destroy(p->config);
    config_files_destroy(p->files);
    mem_wipe(p->user_data);
    free(p->region);
    preflight_facts_fini(&p->facts);
    free(p);
}

bool preflight_run(const struct preflight_args *args, struct preflight_row rows[PREFLIGHT__COUNT])
{
    struct preflight *p = NEW(struct preflight); /* what hangs may still write to it */
    bool hangs = false;

    p->args = args;
    begin(p);
    loop_run(p->loop);
    for (enum preflight_check c = 0; c < PREFLIGHT__COUNT; c++) {
        preflight_judge(c, &p->facts, &rows[c]);
        hangs = hangs || p->facts.checks[c].asked == ASKED_OVER;
    }
    if (!hangs)
        tear_down(p);
    return !hangs;
}
