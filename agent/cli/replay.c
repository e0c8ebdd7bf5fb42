#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "core/core.h"

#define OUT_MAX (16 << 20)

static const char help[] =
    "usage: berth replay [--json] FILE\n\n"
    "Feeds a flight record (flight.jsonl or flight.1.jsonl of the data directory) to the\n"
    "decision core, and prints each event and what was decided. Nothing is done.\n"
    "What cannot be read is reported as FILE:LINE: TEXT; the exit code is then 1.\n\n"
    "  --json  one object for each event: {\"event\":..., \"actions\":[...]}\n";

struct replay {
    const char *file;
    unsigned long line;
    bool json;
    bool damaged;
    struct core *core; /* NULL before the header */
};

static void damaged(struct replay *r, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "%s:%lu: ", r->file, r->line);
    cli_put(stderr, text);
    fputc('\n', stderr);
    r->damaged = true;
}

/* ---- for people ---- */

static void put_pair(const char *key, const char *value)
{
    if (str_empty(value))
        return;
    printf(" %s=", key);
    cli_put(stdout, value);
}

static void print_payload(const struct core_event *ev)
{
    put_pair("message", ev->u.payload.message_id);
    printf(" seq=%" PRId64, ev->u.payload.seq);
    for (size_t i = 0; i < ev->u.payload.n_tasks; i++) {
        const struct core_payload_task *p = &ev->u.payload.tasks[i];

        if (p->task) {
            printf("\n    task");
            put_pair("arn", p->task->arn);
            put_pair("family", p->task->family);
            put_pair("version", p->task->version);
            printf(" desired=%s", task_status_name(p->task->desired));
        } else {
            printf("\n    unreadable task");
            put_pair("arn", p->arn);
            put_pair("error", p->error);
        }
    }
}

static void print_disk(const struct core_disk *d)
{
    if (d->bytes)
        printf(" disk=%" PRId64 "/%" PRId64 " inodes=%" PRId64 "/%" PRId64, d->bytes_used, d->bytes,
               d->inodes_used, d->inodes);
}

static void print_images(const struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.op.n_images; i++) {
        const struct core_image *image = &ev->u.op.images[i];

        if (ev->u.op.n_images > 1)
            printf("\n   ");
        put_pair("image", image->id);
        put_pair("digest", image->digest);
        for (size_t k = 0; k < image->n_names; k++)
            put_pair("name", image->names[k]);
        if (image->size)
            printf(" bytes=%" PRId64, image->size);
    }
}

static void print_others(const struct core_event *ev)
{
    for (size_t i = 0; i < ev->u.op.n_others; i++) {
        printf("\n    other");
        put_pair("id", ev->u.op.others[i].id);
        put_pair("name", ev->u.op.others[i].name);
        put_pair("state", ev->u.op.others[i].state);
    }
}

static void print_op_done(const struct core_event *ev)
{
    const struct ctr_facts *f = ev->u.op.facts;

    printf(" #%" PRIu64, ev->u.op.id);
    if (ev->u.op.err.code) {
        printf(" %s:", err_code_name(ev->u.op.err.code));
        put_pair("error", ev->u.op.err.msg);
        return;
    }
    printf(" ok");
    put_pair("container", ev->u.op.container_id);
    for (size_t i = 0; i < ev->u.op.n_ports; i++)
        printf(" port=%d", ev->u.op.ports[i]);
    print_disk(&ev->u.op.disk);
    print_images(ev);
    print_others(ev);
    if (!f)
        return;
    printf(" status=%s", ctr_status_name(f->status));
    if (f->has_exit_code)
        printf(" exit=%d", f->exit_code);
    put_pair("error", f->error);
}

static void print_local(const struct core_event *ev)
{
    printf(" %zu tasks", ev->u.local.n_defs);
    for (size_t i = 0; i < ev->u.local.n_defs; i++) {
        printf("\n    task");
        put_pair("name", ev->u.local.defs[i].name);
        put_pair("digest", ev->u.local.defs[i].digest);
        if (ev->u.local.defs[i].once)
            printf(" once");
    }
}

static void print_listed(const struct core_event *ev)
{
    printf(" %zu containers", ev->u.listed.n_rows);
    for (size_t i = 0; i < ev->u.listed.n_rows; i++) {
        const struct core_listed *row = &ev->u.listed.rows[i];

        printf("\n    %s", ctr_status_name(row->status));
        put_pair("name", row->name);
        put_pair("id", row->id);
    }
}

/* Names come from the record's own words. */
static void print_event(const struct jcur *c, struct core_time now, const struct core_event *ev)
{
    char time[CLOCK_ISO_SIZE];

    clock_iso(now.wall_ms, time);
    printf("%s %s", time, jcur_str_or(c, "event", "?"));
    switch (ev->type) {
    case CORE_EV_RESTORED:
        put_pair("task", ev->u.restored.task ? ev->u.restored.task->arn : NULL);
        break;
    case CORE_EV_RESTORED_IMAGE:
        put_pair("image", ev->u.restored_image.value);
        break;
    case CORE_EV_LOCAL:
        print_local(ev);
        break;
    case CORE_EV_STARTED:
        printf(" manifest_seq=%" PRId64, ev->u.started.manifest_seq);
        break;
    case CORE_EV_SETTINGS:
        break;
    case CORE_EV_PAYLOAD:
        print_payload(ev);
        break;
    case CORE_EV_MANIFEST:
        put_pair("message", ev->u.manifest.message_id);
        printf(" seq=%" PRId64 " tasks=%zu", ev->u.manifest.seq, ev->u.manifest.n_entries);
        break;
    case CORE_EV_STOP_ACK:
        put_pair("message", ev->u.stop_ack.message_id);
        printf(" tasks=%zu", ev->u.stop_ack.n_arns);
        break;
    case CORE_EV_OP_DONE:
        print_op_done(ev);
        break;
    case CORE_EV_CONTAINER:
        printf(" %s", jcur_str_or(c, "what", "?"));
        put_pair("name", ev->u.container.name);
        put_pair("id", ev->u.container.id);
        if (ev->u.container.has_exit_code)
            printf(" exit=%d", ev->u.container.exit_code);
        break;
    case CORE_EV_LISTED:
        print_listed(ev);
        break;
    case CORE_EV_REPORTED:
        printf(" #%" PRIu64 " %s", ev->u.reported.id, jcur_str_or(c, "result", "?"));
        put_pair("error", ev->u.reported.error);
        break;
    case CORE_EV_CONTROL_UP:
    case CORE_EV_CLOSE:
    case CORE_EV_TIMER:
        break;
    }
    putchar('\n');
}

static bool of_a_container(enum core_op op)
{
    return op >= CORE_OP_INSPECT_IMAGE && op <= CORE_OP_REMOVE;
}

static void print_op(const struct core_action *a)
{
    printf("do %s #%" PRIu64, core_op_name(a->op), a->id);
    put_pair("task", a->task_arn ? str_after_last(a->task_arn, '/') : NULL);
    if (of_a_container(a->op))
        printf(" container=%zu", a->container);
    put_pair("ref", a->ref);
    put_pair("digest", a->digest);
}

static void print_action(const struct core_action *a)
{
    fputs("    -> ", stdout);
    switch (a->type) {
    case CORE_ACT_PUT:
        printf("save");
        put_pair("key", a->key);
        printf(" bytes=%zu", a->value ? strlen(a->value) : 0);
        break;
    case CORE_ACT_DELETE:
        printf("delete");
        put_pair("key", a->key);
        break;
    case CORE_ACT_ACK:
        printf("acknowledge");
        put_pair("message", a->key);
        break;
    case CORE_ACT_STOP_VERIFY:
        printf("ask whether to stop %zu tasks", a->n_arns);
        break;
    case CORE_ACT_OP:
        print_op(a);
        break;
    case CORE_ACT_CANCEL:
        printf("cancel #%" PRIu64, a->id);
        break;
    case CORE_ACT_REPORT:
        printf("report #%" PRIu64 " ", a->id);
        cli_put(stdout, a->value ? a->value : "");
        break;
    case CORE_ACT_TIMER:
        if (a->at_ms < 0)
            printf("no timer");
        else
            printf("timer at=%" PRId64, a->at_ms);
        break;
    case CORE_ACT_NOTE:
        printf(a->warning ? "warn: " : "note: ");
        cli_put(stdout, a->value ? a->value : "");
        break;
    case CORE_ACT_FAILED:
        fputs("failed: ", stdout);
        cli_put(stdout, a->value ? a->value : "");
        break;
    }
    putchar('\n');
}

/* ---- for programs ---- */

static void print_json(struct replay *r, struct str event, const struct core_actions *actions)
{
    struct buf b = BUF_INIT(OUT_MAX);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "event");
    jw_raw(&w, event);
    jw_karray(&w, "actions");
    for (size_t i = 0; i < actions->n; i++)
        core_action_write(&w, &actions->items[i]);
    jw_end(&w);
    jw_end(&w);
    if (b.overflowed)
        damaged(r, "what was decided is too much to print");
    else
        puts(buf_text(&b));
    buf_fini(&b);
}

/* ---- the record ---- */

static void read_header(struct replay *r, const struct jcur *c)
{
    struct jcur save = jcur_obj(c, "save");
    struct err e = { 0 };

    if (!jcur_present(&save)) {
        damaged(r, "a flight record begins with a line that has a \"save\" member");
        return;
    }
    if (core_load(&save, &r->core, &e)) {
        damaged(r, e.msg);
    } else if (!r->json) {
        fputs("Recorded by berth ", stdout);
        cli_put(stdout, jcur_str_or(c, "berth", "?"));
        puts(", replayed by berth " BERTH_VERSION ".");
    }
}

static void replay_event(struct replay *r, const struct jcur *c, struct str text)
{
    struct core_event_arena *arena = NULL;
    struct core_actions actions = { 0 };
    struct core_time now;
    struct core_event ev;
    struct err e = { 0 };

    if (core_event_read(c, &now, &ev, &arena, &e)) {
        damaged(r, e.msg);
        return;
    }
    if (!r->json) /* before the step, which takes tasks away */
        print_event(c, now, &ev);
    core_step(r->core, now, &ev, &actions);
    if (ev.type == CORE_EV_RESTORED)
        task_destroy(ev.u.restored.task);
    if (r->json)
        print_json(r, text, &actions);
    for (size_t i = 0; !r->json && i < actions.n; i++)
        print_action(&actions.items[i]);
    core_actions_fini(&actions);
    core_event_arena_destroy(arena);
}

static void replay_line(struct replay *r, struct str text)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;

    if (json_parse(text.p, text.n, &doc, &e)) {
        damaged(r, e.msg);
        return;
    }
    c = jcur_root(doc, &e);
    if (r->core)
        replay_event(r, &c, text);
    else
        read_header(r, &c);
}

int cli_replay(int argc, char **argv)
{
    struct replay r = { 0 };
    const struct cli_option options[] = { { "json", &r.json, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *in;

    if (code >= 0)
        return code;
    if (argc < 2) {
        fputs("berth replay: which file? Flight records are in the data directory\n", stderr);
        return CLI_USAGE;
    }
    r.file = argv[1];
    in = fopen(r.file, "re");
    if (!in) {
        fprintf(stderr, "berth replay: %s: %s\n", r.file, ERRNO_TEXT(errno));
        return CLI_ERROR;
    }
    while ((n = getline(&line, &cap, in)) > 0) {
        r.line++;
        if (line[n - 1] == '\n')
            n--;
        replay_line(&r, (struct str){ line, (size_t)n });
        if (!r.core)
            break; /* without its beginning, the rest means nothing */
    }
    if (ferror(in))
        damaged(&r, ERRNO_TEXT(errno));
    else if (r.line == 0)
        damaged(&r, "the record is empty");
    free(line);
    fclose(in);
    core_destroy(r.core);
    return r.damaged ? CLI_ERROR : CLI_OK;
}
