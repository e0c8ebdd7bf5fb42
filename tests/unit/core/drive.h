#pragma once
/* drive: a core and a small scripted world around it: a store that keeps what was
 * put, an engine of boxes, a clock that only the test moves, a control plane that
 * answers when told to. A container is named by its place, "t1/web".
 *
 * In JSON texts here ' stands for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/state.h"
#include "unit/core/text.h"

#define BEGIN_MONO 1200000 /* an even number of ageing windows */
#define BEGIN_WALL 1700000000000

struct drive_box { /* a container of the engine */
    char *name;
    char id[24];
    enum ctr_status status;
    bool has_exit, oom;
    int exit_code;
    const char *error;
    int64_t created, started, finished;
    enum ctr_health health;
    struct port_binding ports[4];
    size_t n_ports;
};

struct drive_row {
    enum core_kind kind;
    char *key, *value;
};

struct drive {
    struct core_config cfg;
    struct core *core;
    struct core_time now;
    struct core_actions log; /* every action of this life */
    bool *over;              /* of an OP or REPORT in the log: answered or canceled */
    size_t last;             /* where the actions of the last step begin */
    int64_t timer_at;
    int64_t engine_took_ms; /* to answer the agent that is started next */
    struct drive_row rows[128];
    size_t n_rows;
    struct drive_box boxes[64];
    size_t n_boxes;
    unsigned next_box;
    bool image_here;
    int commits;        /* steps that changed the store */
    int creates_denied; /* creates under a name that was in use */
    bool no_store;      /* rows are not kept */
    bool manifests_by_hand;
    const char *registry_digest; /* what the registry says of a manifest; NULL: nothing */
    struct core_image image;     /* of the answer under way */
    char image_id[120], image_name[100];
    const char *image_names[1];
    uint16_t ports[64];
    size_t n_ports;
    int next_port; /* + 40000: the next one that is free */
};

static inline UNUSED void drive_dump(const struct drive *d)
{
    struct buf b = BUF_INIT(1 << 22);
    struct jw w;

    for (size_t i = 0; i < d->log.n; i++) {
        jw_init(&w, &b);
        core_action_write(&w, &d->log.items[i]);
        buf_puts(&b, i + 1 == d->last ? "\n--\n" : "\n");
    }
    print_error("%s", buf_text(&b));
    buf_fini(&b);
}

/* ---- the step ---- */

static inline UNUSED void drive_keep(struct drive *d, const struct core_action *a)
{
    size_t i = 0;

    while (i < d->n_rows && !(d->rows[i].kind == a->kind && streq(d->rows[i].key, a->key)))
        i++;
    if (a->type == CORE_ACT_PUT) {
        if (i == d->n_rows) {
            assert_true(d->n_rows < COUNT_OF(d->rows));
            d->rows[d->n_rows++] = (struct drive_row){ a->kind, mem_strdup(a->key), NULL };
        }
        mem_replace(&d->rows[i].value, a->value);
    } else if (i < d->n_rows) {
        free(d->rows[i].key);
        free(d->rows[i].value);
        d->rows[i] = d->rows[--d->n_rows];
    }
}

static inline UNUSED const char *stored(const struct drive *d, enum core_kind kind, const char *key)
{
    for (size_t i = 0; i < d->n_rows; i++)
        if (d->rows[i].kind == kind && streq(d->rows[i].key, key))
            return d->rows[i].value;
    return NULL;
}

static inline UNUSED void drive_step_once(struct drive *d, struct core_event *ev)
{
    size_t first = d->log.n;
    bool kept = false;

    core_step(d->core, d->now, ev, &d->log);
    d->over = mem_resize(d->over, d->log.n + 1, sizeof *d->over);
    for (size_t i = first; i < d->log.n; i++) {
        const struct core_action *a = &d->log.items[i];

        d->over[i] = false;
        if ((a->type == CORE_ACT_PUT || a->type == CORE_ACT_DELETE) && !d->no_store) {
            drive_keep(d, a);
            kept = true;
        } else if (a->type == CORE_ACT_TIMER) {
            d->timer_at = a->at_ms;
        } else if (a->type == CORE_ACT_CANCEL) {
            for (size_t j = 0; j < i; j++)
                if (d->log.items[j].type == CORE_ACT_OP && d->log.items[j].id == a->id)
                    d->over[j] = true;
        }
    }
    d->commits += kept;
}

/* What is stored but for images, which stay when their task is gone. */
static inline UNUSED size_t task_rows(const struct drive *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_rows; i++)
        n += d->rows[i].kind != CORE_KIND_IMAGE;
    return n;
}

/* Unless a test asks for it, the registry says at once that it knows no digest. */
static inline UNUSED bool drive_answer_manifest(struct drive *d)
{
    for (size_t i = d->last; i < d->log.n && !d->manifests_by_hand; i++) {
        const struct core_action *a = &d->log.items[i];
        struct core_event ev = { .type = CORE_EV_OP_DONE };

        if (a->type != CORE_ACT_OP || a->op != CORE_OP_MANIFEST || d->over[i])
            continue;
        d->over[i] = true;
        ev.u.op.id = a->id;
        drive_step_once(d, &ev);
        return true;
    }
    return false;
}

static inline UNUSED void drive_step(struct drive *d, struct core_event *ev)
{
    d->last = d->log.n;
    drive_step_once(d, ev);
    while (drive_answer_manifest(d))
        ;
}

static inline UNUSED void drive_simple(struct drive *d, enum core_event_type type)
{
    drive_step(d, &(struct core_event){ .type = type });
}

/* Lets time go by; timers that were asked for fire. */
static inline UNUSED void pass(struct drive *d, int64_t ms)
{
    int64_t until = d->now.mono_ms + ms, before;

    while (d->timer_at >= 0 && d->timer_at <= until) {
        before = d->now.mono_ms;
        if (d->timer_at > before)
            d->now.mono_ms = d->timer_at;
        d->now.wall_ms += d->now.mono_ms - before;
        d->timer_at = -1;
        drive_simple(d, CORE_EV_TIMER);
    }
    d->now.wall_ms += until - d->now.mono_ms;
    d->now.mono_ms = until;
}

/* ---- life ---- */

static inline UNUSED void drive_empty(struct drive *d) /* without a core yet */
{
    *d = (struct drive){
        .cfg = { .seed = 1,
                 .cpu_units = 2048,
                 .memory_mib = 4096,
                 .pull_behavior = PULL_DEFAULT,
                 .stop_timeout_ms = 30000,
                 .create_timeout_ms = 240000,
                 .start_timeout_ms = 180000,
                 .manifest_timeout_ms = 60000,
                 .pull_timeout_ms = 7200000,
                 .pull_inactivity_ms = 60000,
                 .cleanup_wait_ms = 3600000,
                 .drain_ms = 5000,
                 .ageing_ms = 60000,
                 .start_parallel = 10,
                 .pull_parallel = 10,
                 .exclude_ipv6_binding = true,
                 .port_first = 40000,
                 .port_last = 40099,
                 .image_interval_ms = 1800000,
                 .image_min_age_ms = 3600000,
                 .untracked_min_age_ms = 3600000,
                 .images_per_cycle = 5,
                 .containers_per_cycle = 5,
                 .disk_high_pct = 85,
                 .disk_low_pct = 80,
                 .disk_check_ms = 30000 },
        .now = { BEGIN_MONO, BEGIN_WALL },
        .timer_at = -1,
        .image_here = true,
    };
}

static inline UNUSED void drive_boot(struct drive *d)
{
    static const uint16_t ssh = 22;
    const char *seq = stored(d, CORE_KIND_META, CORE_META_MANIFEST_SEQ);
    struct core_event started = { .type = CORE_EV_STARTED };

    d->cfg.reserved_tcp = &ssh;
    d->cfg.n_reserved_tcp = 1;
    d->core = core_create(&d->cfg);
    d->no_store = false;
    for (size_t i = 0; i < d->n_rows; i++) {
        struct core_event ev = { .type = CORE_EV_RESTORED };
        struct err e = { 0 };

        if (d->rows[i].kind != CORE_KIND_TASK)
            continue;
        if (task_decode_text(d->rows[i].value, strlen(d->rows[i].value), &ev.u.restored.task, &e))
            fail_msg("stored task: %s", e.msg);
        ev.u.restored.state = stored(d, CORE_KIND_STATE, d->rows[i].key);
        drive_step(d, &ev);
    }
    for (size_t i = 0; i < d->n_rows; i++) {
        struct core_event ev = { .type = CORE_EV_RESTORED_IMAGE };

        ev.u.restored_image.value = d->rows[i].value;
        if (d->rows[i].kind == CORE_KIND_IMAGE)
            drive_step(d, &ev);
    }
    started.u.started.engine_took_ms = d->engine_took_ms;
    started.u.started.manifest_seq = seq ? strtoll(seq, NULL, 10) : -1;
    drive_step(d, &started);
}

static inline UNUSED void drive_begin(struct drive *d)
{
    drive_empty(d);
    drive_boot(d);
}

static inline UNUSED void drive_die(struct drive *d)
{
    core_destroy(d->core);
    core_actions_fini(&d->log);
    free(d->over);
    d->core = NULL;
    d->over = NULL;
    d->last = 0;
    d->timer_at = -1;
}

/* The process dies and starts again with what is stored and another seed. */
static inline UNUSED void drive_crash(struct drive *d)
{
    drive_die(d);
    d->cfg.seed++;
    drive_boot(d);
}

static inline UNUSED void drive_end(struct drive *d)
{
    drive_die(d);
    for (size_t i = 0; i < d->n_rows; i++) {
        free(d->rows[i].key);
        free(d->rows[i].value);
    }
    for (size_t i = 0; i < d->n_boxes; i++)
        free(d->boxes[i].name);
}

/* ---- the control plane ---- */

/* Tasks in one message; a text that begins with '!' is the error of a task that
 * cannot be decoded: "!t1 why". */
static inline UNUSED void payload(struct drive *d, const char *message, int64_t seq,
                                  const char *const *texts, size_t n)
{
    struct core_payload_task tasks[40] = { 0 };
    struct core_event ev = { .type = CORE_EV_PAYLOAD };
    char id[32];

    assert_true(n <= COUNT_OF(tasks));
    for (size_t i = 0; i < n; i++) {
        if (texts[i][0] == '!') {
            snprintf(id, sizeof id, "%.*s", (int)strcspn(texts[i] + 1, " "), texts[i] + 1);
            tasks[i].arn = *id ? arn_of(id) : NULL;
            tasks[i].error = strchr(texts[i], ' ') + 1;
        } else {
            tasks[i].task = decode(texts[i]);
        }
    }
    ev.u.payload.message_id = message;
    ev.u.payload.seq = seq;
    ev.u.payload.tasks = tasks;
    ev.u.payload.n_tasks = n;
    drive_step(d, &ev);
    for (size_t i = 0; i < n; i++)
        assert_null(tasks[i].task);
}

static inline UNUSED void send_task(struct drive *d, const char *text)
{
    payload(d, "m", -1, &text, 1);
}

static inline UNUSED void want_stopped(struct drive *d, const char *id)
{
    char text[400];

    snprintf(text, sizeof text, "{'arn':'%s','desiredStatus':'STOPPED','containers':[]}",
             arn_of(id));
    send_task(d, text);
}

static inline UNUSED const struct core_action *pending_report(const struct drive *d, const char *id)
{
    for (size_t i = 0; i < d->log.n; i++)
        if (d->log.items[i].type == CORE_ACT_REPORT && !d->over[i] &&
            streq(d->log.items[i].task_arn, arn_of(id)))
            return &d->log.items[i];
    return NULL;
}

/* The body of the report under way. */
static inline UNUSED const char *report_of(const struct drive *d, const char *id)
{
    const struct core_action *a = pending_report(d, id);

    if (!a) {
        drive_dump(d);
        fail_msg("no report of %s is under way", id);
    }
    return a ? a->value : "";
}

static inline UNUSED void answer_report(struct drive *d, const char *id,
                                        enum core_report_result result)
{
    struct core_event ev = { .type = CORE_EV_REPORTED };

    report_of(d, id);
    ev.u.reported.id = pending_report(d, id)->id;
    ev.u.reported.result = result;
    ev.u.reported.error = result == CORE_REPORT_ACCEPTED ? NULL : "the link is down";
    d->over[pending_report(d, id) - d->log.items] = true;
    drive_step(d, &ev);
}

static inline UNUSED void accept_report(struct drive *d, const char *id)
{
    answer_report(d, id, CORE_REPORT_ACCEPTED);
}

static inline UNUSED void assert_report(const struct drive *d, const char *id, const char *body)
{
    assert_string_equal(report_of(d, id), json(body));
}

static inline UNUSED void assert_report_has(const struct drive *d, const char *id, const char *part)
{
    if (!strstr(report_of(d, id), json(part)))
        fail_msg("the report has no %s\n%s", json(part), report_of(d, id));
}

/* ---- the engine ---- */

static inline UNUSED struct core_ctr *ctr_at(const struct drive *d, const char *place)
{
    struct core_task *t = find_task(d->core, arn_of(place));
    int i = t && t->def ? task_find_container(t->def, strchr(place, '/') + 1) : -1;

    if (i < 0)
        fail_msg("no container %s", place);
    return &t->ctrs[i];
}

static inline UNUSED const struct core_action *pending_op(const struct drive *d, const char *place)
{
    size_t index = ctr_at(d, place)->index;

    for (size_t i = d->log.n; i-- > 0;)
        if (d->log.items[i].type == CORE_ACT_OP && !d->over[i] &&
            d->log.items[i].container == index && streq(d->log.items[i].task_arn, arn_of(place)))
            return &d->log.items[i];
    return NULL;
}

static inline UNUSED enum core_op op_at(const struct drive *d, const char *place)
{
    const struct core_action *a = pending_op(d, place);

    return a ? a->op : CORE_OP_NONE;
}

static inline UNUSED const struct core_action *expect_op(const struct drive *d, enum core_op op,
                                                         const char *place)
{
    if (op_at(d, place) != op) {
        drive_dump(d);
        fail_msg("%s: expected %s, got %s", place, core_op_name(op), core_op_name(op_at(d, place)));
    }
    return pending_op(d, place);
}

static inline UNUSED struct drive_box *box_called(struct drive *d, const char *name_or_id)
{
    for (size_t i = 0; i < d->n_boxes; i++)
        if (streq(d->boxes[i].name, name_or_id) || streq(d->boxes[i].id, name_or_id))
            return &d->boxes[i];
    return NULL;
}

static inline UNUSED struct drive_box *box_of(struct drive *d, const char *place)
{
    return box_called(d, ctr_at(d, place)->docker_name);
}

static inline UNUSED struct drive_box *box_make(struct drive *d, const char *name)
{
    struct drive_box *b = &d->boxes[d->n_boxes++];

    assert_true(d->n_boxes <= COUNT_OF(d->boxes));
    *b = (struct drive_box){
        .name = mem_strdup(name), .status = CTR_CREATED, .error = "", .created = d->now.wall_ms
    };
    snprintf(b->id, sizeof b->id, "id-%u", ++d->next_box);
    return b;
}

static inline UNUSED void box_drop(struct drive *d, struct drive_box *b)
{
    free(b->name);
    *b = d->boxes[--d->n_boxes];
}

static inline UNUSED void box_end(struct drive *d, struct drive_box *b, int exit_code)
{
    b->status = CTR_STOPPED;
    b->has_exit = true;
    b->exit_code = exit_code;
    b->finished = d->now.wall_ms;
}

static inline UNUSED struct ctr_facts box_facts(struct drive_box *b)
{
    struct ctr_facts f = { .status = b->status,
                           .has_exit_code = b->has_exit,
                           .exit_code = b->exit_code,
                           .oom_killed = b->oom,
                           .created_ms = b->created,
                           .started_ms = b->started,
                           .finished_ms = b->finished,
                           .health = b->health,
                           .bindings = b->ports,
                           .n_bindings = b->n_ports };

    snprintf(f.id, sizeof f.id, "%s", b->id);
    snprintf(f.error, sizeof f.error, "%s", b->error);
    return f;
}

static inline UNUSED void drive_image(struct drive *d, const char *name, const char *digest)
{
    snprintf(d->image_id, sizeof d->image_id, "sha256:of-%s", name);
    snprintf(d->image_name, sizeof d->image_name, "%s", name);
    d->image_names[0] = d->image_name;
    d->image = (struct core_image){ .id = d->image_id,
                                    .digest = digest,
                                    .names = d->image_names,
                                    .n_names = 1,
                                    .size = 1000,
                                    .created_ms = d->now.wall_ms };
}

/* Finds ports from next_port on, each for a block of the width that is asked for. */
static inline UNUSED void drive_ports(struct drive *d, const struct core_action *a)
{
    const struct task_container *def = &core_task(d->core, a->task_arn)->containers[a->container];

    d->n_ports = def->n_ports;
    for (size_t i = 0; i < def->n_ports; i++) {
        const struct task_port *p = &def->ports[i];

        d->ports[i] = p->host_port ? 0 : (uint16_t)(40000 + d->next_port);
        if (!p->host_port)
            d->next_port += p->container_port ? 1 : p->range_last - p->range_first + 1;
    }
}

/* What the engine does and says. */
static inline UNUSED void engine_do(struct drive *d, const struct core_action *a,
                                    struct core_event *ev, struct ctr_facts *facts)
{
    struct drive_box *b = a->op < CORE_OP_CREATE ? NULL : box_called(d, a->ref);
    struct err *e = &ev->u.op.err;

    *ev = (struct core_event){ .type = CORE_EV_OP_DONE };
    ev->u.op.id = a->id;
    ev->u.op.container_id = "";
    if (a->op >= CORE_OP_START && a->op != CORE_OP_DRAIN_LOGS && !b) {
        err_set(e, ERR_NOT_FOUND, "No such container: %s", a->ref);
        return;
    }
    switch ((int)a->op) {
    case CORE_OP_INSPECT_IMAGE:
        drive_image(d, a->ref, "sha256:d1");
        ev->u.op.images = &d->image;
        ev->u.op.n_images = d->image_here;
        if (!d->image_here)
            err_set(e, ERR_NOT_FOUND, "No such image: %s", a->ref);
        break;
    case CORE_OP_MANIFEST:
        drive_image(d, a->ref, d->registry_digest ? d->registry_digest : "");
        ev->u.op.images = &d->image;
        ev->u.op.n_images = 1;
        break;
    case CORE_OP_PORTS:
        drive_ports(d, a);
        ev->u.op.ports = d->ports;
        ev->u.op.n_ports = d->n_ports;
        break;
    case CORE_OP_PULL:
        d->image_here = true;
        break;
    case CORE_OP_CREATE:
        d->creates_denied += b != NULL;
        if (b)
            err_set(e, ERR_CONFLICT, "The container name \"/%s\" is already in use", a->ref);
        else
            ev->u.op.container_id = box_make(d, a->ref)->id;
        break;
    case CORE_OP_START:
        b->status = CTR_RUNNING;
        b->started = d->now.wall_ms;
        break;
    case CORE_OP_STOP:
        if (b->status == CTR_RUNNING)
            box_end(d, b, 143);
        break;
    case CORE_OP_INSPECT:
        *facts = box_facts(b);
        ev->u.op.facts = facts;
        break;
    case CORE_OP_REMOVE:
        if (b->status == CTR_RUNNING)
            err_set(e, ERR_CONFLICT, "You cannot remove a running container");
        else
            box_drop(d, b);
        break;
    default:
        break;
    }
}

/* The engine carries the operation out and answers. */
static inline UNUSED void done(struct drive *d, enum core_op op, const char *place)
{
    const struct core_action *a = expect_op(d, op, place);
    struct ctr_facts facts = { 0 };
    struct core_event ev;

    d->over[a - d->log.items] = true;
    engine_do(d, a, &ev, &facts);
    drive_step(d, &ev);
}

/* The engine does nothing but complain. */
static inline UNUSED void fails(struct drive *d, enum core_op op, const char *place,
                                enum err_code code, const char *text)
{
    const struct core_action *a = expect_op(d, op, place);
    struct core_event ev = { .type = CORE_EV_OP_DONE };

    d->over[a - d->log.items] = true;
    ev.u.op.id = a->id;
    ev.u.op.container_id = "";
    err_set(&ev.u.op.err, code, "%s", text);
    drive_step(d, &ev);
}

/* The container was seen between create and start: until it is clear that nothing comes late. */
static inline UNUSED void wait_for_late_start(struct drive *d, const char *place)
{
    assert_null(pending_op(d, place));
    assert_true(ctr_at(d, place)->late_until > d->now.mono_ms);
    pass(d, ctr_at(d, place)->late_until - d->now.mono_ms);
    done(d, CORE_OP_INSPECT, place);
}

/* The engine obeys until the container is that far. */
static inline UNUSED void bring(struct drive *d, const char *place, enum ctr_status to)
{
    for (int i = 0; i < 12 && ctr_at(d, place)->known < to; i++) {
        if (!pending_op(d, place) && ctr_at(d, place)->late_until) {
            wait_for_late_start(d, place);
            continue;
        }
        if (!pending_op(d, place)) {
            drive_dump(d);
            fail_msg("%s does not go on from %s", place, ctr_status_name(ctr_at(d, place)->known));
        }
        done(d, op_at(d, place), place);
    }
    assert_int_equal(ctr_at(d, place)->known, to);
}

/* A host where the task t1 runs, of one container, a. */
static inline UNUSED void drive_running(struct drive *d)
{
    drive_begin(d);
    send_task(d, TASK("t1", C("a", "")));
    bring(d, "t1/a", CTR_RUNNING);
}

static inline UNUSED void happens(struct drive *d, enum core_happening what, const char *place)
{
    struct drive_box *b = box_of(d, place);
    struct core_event ev = { .type = CORE_EV_CONTAINER };

    ev.u.container.what = what;
    ev.u.container.id = b ? b->id : "id-gone";
    ev.u.container.name = ctr_at(d, place)->docker_name;
    ev.u.container.task_arn = arn_of(place);
    if (what == CORE_HAP_DIED && b && b->has_exit) {
        ev.u.container.has_exit_code = true;
        ev.u.container.exit_code = b->exit_code;
    }
    drive_step(d, &ev);
}

/* It ends by itself, and the agent looks. */
static inline UNUSED void exits(struct drive *d, const char *place, int exit_code)
{
    box_end(d, box_of(d, place), exit_code);
    happens(d, CORE_HAP_DIED, place);
    done(d, CORE_OP_INSPECT, place);
}

static inline UNUSED void turns(struct drive *d, const char *place, enum ctr_health health)
{
    box_of(d, place)->health = health;
    happens(d, CORE_HAP_HEALTH, place);
    done(d, CORE_OP_INSPECT, place);
}

/* ---- what was said ---- */

static inline UNUSED size_t count_actions(const struct drive *d, enum core_action_type type)
{
    size_t n = 0;

    for (size_t i = d->last; i < d->log.n; i++)
        n += d->log.items[i].type == type;
    return n;
}

/* The first action of that type in the last step, or NULL. */
static inline UNUSED const struct core_action *acted(const struct drive *d,
                                                     enum core_action_type type)
{
    for (size_t i = d->last; i < d->log.n; i++)
        if (d->log.items[i].type == type)
            return &d->log.items[i];
    return NULL;
}

static inline UNUSED bool noted(const struct drive *d, const char *part)
{
    for (size_t i = 0; i < d->log.n; i++)
        if (d->log.items[i].type == CORE_ACT_NOTE && strstr(d->log.items[i].value, part))
            return true;
    return false;
}

static inline UNUSED void assert_why(const struct drive *d, const char *id, const char *want)
{
    struct buf b = BUF_INIT(1 << 16);
    struct jw w;

    jw_init(&w, &b);
    core_write_why(d->core, arn_of(id), d->now, &w);
    assert_string_equal(buf_text(&b), json(want));
    buf_fini(&b);
}

/* ---- resources and the agent's own operations ---- */

/* The newest one of that kind that is not answered; NULL: none. */
static inline UNUSED const struct core_action *side_op(const struct drive *d, enum core_op op)
{
    for (size_t i = d->log.n; i-- > 0;)
        if (d->log.items[i].type == CORE_ACT_OP && !d->over[i] && d->log.items[i].op == op)
            return &d->log.items[i];
    return NULL;
}

static inline UNUSED void side_answer(struct drive *d, enum core_op op, struct core_event *ev)
{
    const struct core_action *a = side_op(d, op);

    if (!a) {
        drive_dump(d);
        fail_msg("expected %s", core_op_name(op));
        return;
    }
    d->over[a - d->log.items] = true;
    ev->type = CORE_EV_OP_DONE;
    ev->u.op.id = a->id;
    drive_step(d, ev);
}

static inline UNUSED void side_done_ok(struct drive *d, enum core_op op)
{
    struct core_event ev = { 0 };

    side_answer(d, op, &ev);
}

static inline UNUSED void side_fails(struct drive *d, enum core_op op, enum err_code code,
                                     const char *text)
{
    struct core_event ev = { 0 };

    err_set(&ev.u.op.err, code, "%s", text);
    side_answer(d, op, &ev);
}
