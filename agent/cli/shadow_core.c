/* shadow_core: the decisions, without what follows from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/shadow.h"

#define STEPS_MAX 20000 /* of looking ahead */
#define TOLD_MAX  20000 /* then some is told again */

struct told { /* a line, once */
    UT_hash_handle hh;
    char *line;
};

/* An answer of ours, given when the step is over. */
struct answer {
    struct list node;
    uint64_t id;
    bool report;
};

struct shadow_core {
    struct loop *loop;
    struct shadow_ask *ask;
    struct core *core;
    struct told *told;
    struct list answers;
    struct loop_timer *timer; /* of the core, or to begin, or to go on */
    int64_t timer_at;         /* mono; -1: none */
    struct core_time begin, shift;
    bool ahead, over;
    size_t steps;
    void (*done)(void *user);
    void *user;
};

/* ---- telling ---- */

static void forget_told(struct shadow_core *s)
{
    struct told *t, *next;

    HASH_ITER (hh, s->told, t, next) {
        HASH_DEL(s->told, t);
        free(t->line);
        free(t);
    }
}

static bool is_new(struct shadow_core *s, const char *line)
{
    struct told *t = NULL;

    HASH_FIND_STR(s->told, line, t);
    if (t)
        return false;
    if (HASH_COUNT(s->told) >= TOLD_MAX)
        forget_told(s);
    t = NEW(struct told);
    t->line = mem_strdup(line);
    HASH_ADD_KEYPTR(hh, s->told, t->line, strlen(t->line), t);
    return true;
}

static struct core_time now_of(const struct shadow_core *s)
{
    return (struct core_time){ clock_mono_ms() + s->shift.mono_ms,
                               clock_wall_ms() + s->shift.wall_ms };
}

/* "  in 2h59m   task 5d9ab28d/web: would ..." */
static void tell(struct shadow_core *s, const char *arn, const char *container, const char *text)
{
    AUTO(buf) struct buf line = BUF_INIT(8192);
    char age[CLI_AGE_SIZE], when[CLI_AGE_SIZE + 8], id[9];

    if (arn)
        buf_printf(&line, "task %s%s%s: ", cli_short_id(arn, id), container ? "/" : "",
                   container ? container : "");
    buf_puts(&line, text);
    if (!is_new(s, buf_text(&line)))
        return;
    cli_age(s->shift.mono_ms, age);
    snprintf(when, sizeof when, "%s%s", s->shift.mono_ms ? "in " : "now",
             s->shift.mono_ms ? age : "");
    printf("  %-10s ", when);
    cli_put(stdout, buf_text(&line));
    putchar('\n');
    fflush(stdout);
}

static const char *container_of(const struct shadow_core *s, const struct core_action *a)
{
    const struct task *t = a->task_arn ? core_task(s->core, a->task_arn) : NULL;

    return t && a->container < t->n_containers ? t->containers[a->container].name : NULL;
}

static void tell_op(struct shadow_core *s, const struct core_action *a, const char *what)
{
    const char *ref = a->ref ? a->ref : "";
    int shown = strlen(ref) == 64 ? 12 : 512; /* an id, as docker ps shows it */
    AUTO(str) char *text = mem_printf("would %s%s%.*s", what, *ref ? " " : "", shown, ref);

    tell(s, a->task_arn, container_of(s, a), text);
}

static void tell_report(struct shadow_core *s, const struct core_action *a)
{
    AUTO(json) struct json_t *doc = NULL;
    AUTO(str) char *text = NULL;
    struct err e = { 0 };
    struct jcur root;
    const char *reason;

    if (!a->value || json_parse(a->value, strlen(a->value), &doc, &e))
        return;
    root = jcur_root(doc, &e);
    reason = jcur_str_or(&root, "reason", "");
    text = mem_printf("would report %s%s%s%s", jcur_str_or(&root, "status", "a change"),
                      *reason ? " (" : "", reason, *reason ? ")" : "");
    tell(s, a->task_arn, NULL, text);
}

/* ---- steps ---- */

static void take_actions(struct shadow_core *s, struct core_actions *actions);
static void go_on(struct shadow_core *s);

static void step(struct shadow_core *s, struct core_event *ev)
{
    struct core_actions actions = { 0 };

    core_step(s->core, now_of(s), ev, &actions);
    take_actions(s, &actions);
    core_actions_fini(&actions);
}

static void on_answer(void *user, struct core_event *ev)
{
    struct shadow_core *s = user;

    step(s, ev);
    go_on(s);
}

static bool knows(void *user, const char *task_arn)
{
    const struct shadow_core *s = user;

    return core_task(s->core, task_arn) != NULL;
}

/* ---- what becomes of a wish ---- */

static void answer(struct shadow_core *s, uint64_t id, bool report)
{
    struct answer *a = NEW(struct answer);

    a->id = id;
    a->report = report;
    list_push_back(&s->answers, &a->node);
}

static const struct {
    const char *would; /* NULL: not worth a line */
    bool done;         /* taken for done: what comes after is known */
} changes[CORE_OP__COUNT] = {
    [CORE_OP_MANIFEST] = { "ask the registry about", false },
    [CORE_OP_PULL] = { "pull", false },
    [CORE_OP_PORTS] = { "choose host ports", false },
    [CORE_OP_CREATE] = { "create container", false },
    [CORE_OP_START] = { "start container", false },
    [CORE_OP_STOP] = { "stop container", false },
    [CORE_OP_DRAIN_LOGS] = { NULL, true },
    [CORE_OP_REMOVE] = { "remove container", true },
    [CORE_OP_CREATE_VOLUME] = { "create volume", false },
    [CORE_OP_REMOVE_VOLUME] = { NULL, true }, /* those of the reference have other names */
    [CORE_OP_CREATE_CGROUP] = { "create the task's cgroup", false },
    [CORE_OP_REMOVE_CGROUP] = { "remove the task's cgroup", true },
    [CORE_OP_FETCH_SECRETS] = { "fetch the task's secrets", false },
    [CORE_OP_FETCH_ENV_FILES] = { "fetch the task's environment files", false },
    [CORE_OP_FETCH_AUTH] = { "fetch the registry's password", false },
    [CORE_OP_FORGET_SECRETS] = { NULL, true },
    [CORE_OP_LOOK_AT_DISK] = { NULL, true },
    [CORE_OP_REMOVE_IMAGE] = { "remove image", true },
    [CORE_OP_REMOVE_OTHER] = { "remove container (of no task)", true },
};

static void take_op(struct shadow_core *s, const struct core_action *a)
{
    if (shadow_ask(s->ask, a))
        return;
    if (changes[a->op].would)
        tell_op(s, a, changes[a->op].would);
    if (a->op == CORE_OP_REMOVE || a->op == CORE_OP_REMOVE_OTHER || a->op == CORE_OP_REMOVE_IMAGE)
        shadow_ask_gone(s->ask, a->ref);
    if (changes[a->op].done)
        answer(s, a->id, false);
}

static void take_actions(struct shadow_core *s, struct core_actions *actions)
{
    for (size_t i = 0; i < actions->n; i++) {
        const struct core_action *a = &actions->items[i];

        switch (a->type) {
        case CORE_ACT_OP:
            take_op(s, a);
            break;
        case CORE_ACT_CANCEL:
            shadow_ask_cancel(s->ask, a->id);
            break;
        case CORE_ACT_REPORT:
            tell_report(s, a);
            answer(s, a->id, true);
            break;
        case CORE_ACT_TIMER:
            s->timer_at = a->at_ms;
            break;
        case CORE_ACT_NOTE:
            tell(s, a->task_arn, container_of(s, a), a->value);
            break;
        case CORE_ACT_PUT:
        case CORE_ACT_DELETE:
        case CORE_ACT_ACK:
        case CORE_ACT_STOP_VERIFY:
        case CORE_ACT_FAILED:
            break;
        }
    }
}

/* ---- time ---- */

/* One at a time: it may bring the next. */
static void give_answer(struct shadow_core *s)
{
    struct answer *a = LIST_ENTRY(s->answers.next, struct answer, node);
    struct core_event ev = { .type = a->report ? CORE_EV_REPORTED : CORE_EV_OP_DONE };

    if (a->report) {
        ev.u.reported.id = a->id;
        ev.u.reported.result = CORE_REPORT_ACCEPTED;
    } else {
        ev.u.op.id = a->id;
        ev.u.op.disk = (struct core_disk){ .bytes = 1, .inodes = 1 }; /* as good as empty */
    }
    list_remove(&a->node);
    free(a);
    step(s, &ev);
}

static void end(struct shadow_core *s)
{
    s->over = true;
    s->done(s->user);
}

/* What is next: an answer, a moment that has come, one that is to come. On a turn of its own. */
static void on_turn(void *user)
{
    struct shadow_core *s = user;
    struct core_event ev = { .type = CORE_EV_TIMER };

    if (s->over)
        return;
    if (!list_empty(&s->answers))
        give_answer(s);
    else if (s->ahead && !shadow_ask_waits(s->ask) &&
             (s->timer_at < 0 || s->timer_at > s->begin.mono_ms + SHADOW_AHEAD_MS ||
              s->steps++ >= STEPS_MAX))
        end(s);
    else if (s->timer_at >= 0 &&
             (now_of(s).mono_ms >= s->timer_at || (s->ahead && !shadow_ask_waits(s->ask)))) {
        int64_t early = s->timer_at - now_of(s).mono_ms;

        if (early > 0) {
            s->shift.mono_ms += early;
            s->shift.wall_ms += early;
        }
        s->timer_at = -1;
        step(s, &ev);
    }
    go_on(s);
}

static void go_on(struct shadow_core *s)
{
    int64_t in;

    if (s->over)
        return;
    in = s->timer_at - now_of(s).mono_ms;
    if (!list_empty(&s->answers) || (s->ahead && !shadow_ask_waits(s->ask)))
        loop_timer_arm(s->timer, 0);
    else if (!s->ahead && s->timer_at >= 0)
        loop_timer_arm(s->timer, in > 0 ? in : 0);
}

/* ---- beginning ---- */

static void restore(struct shadow_core *s, const struct ref_state *state)
{
    for (size_t i = 0; state && i < ref_task_count(state); i++) {
        const struct ref_task *t = ref_task_at(state, i);
        struct core_event ev = { .type = CORE_EV_RESTORED };
        struct err e = { 0 };

        if (!t->task ||
            task_decode_text(t->task->json, strlen(t->task->json), &ev.u.restored.task, &e))
            continue;
        ev.u.restored.state = t->state;
        step(s, &ev);
    }
}

static void list(struct shadow_core *s, const struct docker_listed *rows, size_t n)
{
    struct core_event ev = { .type = CORE_EV_LISTED };
    struct core_listed *all = mem_array(n, sizeof *all);
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (!rows[i].task_arn)
            continue;
        all[kept++] =
            (struct core_listed){ rows[i].id, rows[i].name ? rows[i].name : "", rows[i].task_arn,
                                  engine_listed_status(rows[i].state), NULL };
    }
    ev.u.listed.rows = all;
    ev.u.listed.n_rows = kept;
    step(s, &ev);
    free(all);
}

struct shadow_core *shadow_core_create(const struct shadow_core_args *args)
{
    struct shadow_core *s = NEW(struct shadow_core);
    struct core_event started = { .type = CORE_EV_STARTED };

    s->loop = args->loop;
    s->ask = shadow_ask_create(args->docker, on_answer, knows, s);
    s->ahead = args->ahead;
    s->done = args->done;
    s->user = args->user;
    s->timer_at = -1;
    list_init(&s->answers);
    if (args->before) {
        s->told = args->before->told;
        args->before->told = NULL;
    }
    s->timer = loop_timer_create(args->loop, on_turn, s);
    s->core = core_create(args->core);
    s->begin = now_of(s);
    restore(s, args->state);
    list(s, args->rows, args->n_rows);
    started.u.started.manifest_seq = -1;
    step(s, &started);
    go_on(s);
    return s;
}

void shadow_core_destroy(struct shadow_core *s)
{
    if (!s)
        return;
    shadow_ask_destroy(s->ask);
    LIST_FOREACH (it, following, &s->answers) {
        list_remove(it);
        free(LIST_ENTRY(it, struct answer, node));
    }
    forget_told(s);
    loop_timer_destroy(s->timer);
    core_destroy(s->core);
    free(s);
}

bool shadow_core_event(struct shadow_core *s, const struct docker_event *from)
{
    struct core_event ev;

    if (!from->task_arn || !core_task(s->core, from->task_arn))
        return !from->task_arn;
    engine_happening(from, &ev);
    step(s, &ev);
    go_on(s);
    return true;
}
