#include "secrets/job.h"

#include <stdlib.h>

#include "io/loop.h"

static void slot_destroy(struct slot *s)
{
    free(s->key);
    free(s->region);
    free(s->from);
    secret_ref_fini(&s->ref);
    s3_object_fini(&s->object);
    free(s->registry);
    free(s->endpoint);
    mem_wipe(s->text);
    mem_wipe(s->password);
    free(s->server);
    free(s->pairs);
    free(s);
}

static void ask_destroy(struct ask *a)
{
    service_cancel(a->call);
    list_remove(&a->node);
    free(a);
}

struct job *job_create(struct secrets *s, uint64_t id, enum secrets_what what)
{
    struct job *j = NEW(struct job);

    j->s = s;
    j->id = id;
    j->what = what;
    list_init(&j->node);
    list_init(&j->waiting);
    list_init(&j->running);
    return j;
}

void job_destroy(struct job *j)
{
    struct slot *slot, *next;

    list_remove(&j->node);
    LIST_FOREACH (it, following, &j->running)
        ask_destroy(LIST_ENTRY(it, struct ask, node));
    LIST_FOREACH (it, following, &j->waiting)
        ask_destroy(LIST_ENTRY(it, struct ask, node));
    loop_timer_destroy(j->timer);
    for (size_t i = 0; i < j->n_wants; i++) {
        free(j->wants[i].name);
        free(j->wants[i].image);
        mem_wipe(j->wants[i].header);
    }
    free(j->wants);
    HASH_ITER (hh, j->slots, slot, next) {
        HASH_DEL(j->slots, slot);
        slot_destroy(slot);
    }
    mem_wipe(j->access_key);
    mem_wipe(j->secret_key);
    mem_wipe(j->session_token);
    free(j->credentials_id);
    free(j->cache_id);
    free(j);
}

/* ---- what is wanted ---- */

struct slot *job_slot(struct job *j, enum slot_kind kind, char *key, bool *fresh)
{
    struct slot *slot;

    HASH_FIND_STR(j->slots, key, slot);
    *fresh = !slot;
    if (slot) {
        free(key);
        return slot;
    }
    slot = NEW(struct slot);
    slot->kind = kind;
    slot->key = key;
    HASH_ADD_KEYPTR(hh, j->slots, slot->key, strlen(slot->key), slot);
    return slot;
}

struct want *job_want(struct job *j, size_t container, enum secrets_kind kind, const char *name,
                      struct slot *slot)
{
    struct want *w;

    if (j->n_wants == j->room) {
        j->room = j->room ? 2 * j->room : 16;
        j->wants = mem_resize(j->wants, j->room, sizeof *j->wants);
    }
    w = &j->wants[j->n_wants++];
    *w = (struct want){
        .container = container, .kind = kind, .name = mem_strdup(name), .slot = slot
    };
    return w;
}

struct ask *job_ask(struct job *j, void (*start)(struct ask *a), struct slot *slot)
{
    struct ask *a = NEW(struct ask);

    a->job = j;
    a->start = start;
    a->slots[a->n++] = slot;
    list_push_back(&j->waiting, &a->node);
    return a;
}

void job_failures(const struct job *j, struct err *out)
{
    AUTO(buf) struct buf joined = BUF_INIT(4 * sizeof out->msg);
    enum err_code code = ERR_OK;

    for (const struct slot *s = j->slots; s; s = s->hh.next) {
        if (!s->err.code)
            continue;
        code = code ? code : s->err.code;
        buf_printf(&joined, "%s%s", joined.len ? ";" : "", s->err.msg);
    }
    if (code)
        err_set(out, code, "%s", buf_text(&joined));
}

bool job_takes(struct job *j, size_t bytes)
{
    if (bytes > SECRETS_BYTES_MAX - j->bytes)
        return false;
    j->bytes += bytes;
    return true;
}

bool outcome_add(struct outcome *o, const struct want *w, const char *name, const char *value)
{
    if (o->n == SECRETS_VALUES_MAX) {
        err_set(&o->err, ERR_LIMIT, "the values fetched for the task are more than %d",
                SECRETS_VALUES_MAX);
        return false;
    }
    if (o->n == o->room) {
        o->room = o->room ? 2 * o->room : 16;
        o->values = mem_resize(o->values, o->room, sizeof *o->values);
    }
    o->values[o->n++] = (struct secrets_value){ w->container, w->kind, name, value };
    return true;
}

/* ---- the course of it ---- */

static void finish(struct job *j)
{
    static void (*const tell[])(struct job * j, struct outcome * o) = {
        [SECRETS_VALUES] = tell_values,
        [SECRETS_ENV_FILES] = tell_files,
        [SECRETS_AUTH] = tell_auth,
    };
    struct outcome o = { .err = j->err };

    if (!o.err.code) {
        tell[j->what](j, &o);
        /* A service that is away has been asked often enough. Only missing credentials are
         * worth another fetch. */
        if (o.err.code == ERR_RETRY)
            o.err.code = ERR_IO;
    }
    list_remove(&j->node);
    secrets_over(j, &o);
    free(o.values);
    job_destroy(j);
}

static void on_timer(void *user)
{
    finish(user);
}

static void pump(struct job *j)
{
    while (j->n_running < JOB_IN_FLIGHT && !list_empty(&j->waiting)) {
        struct ask *a = LIST_ENTRY(j->waiting.next, struct ask, node);

        list_remove(&a->node);
        list_push_back(&j->running, &a->node);
        j->n_running++;
        a->start(a);
    }
}

void ask_over(struct ask *a)
{
    struct job *j = a->job;

    a->call = NULL;
    ask_destroy(a);
    j->n_running--;
    pump(j);
    if (!j->n_running)
        finish(j);
}

void job_begin(struct job *j)
{
    if (!j->err.code)
        pump(j);
    if (j->n_running)
        return;
    j->timer = loop_timer_create(secrets_loop(j->s), on_timer, j);
    loop_timer_arm(j->timer, 0);
}
