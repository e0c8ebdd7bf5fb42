/* import: the state of the reference agent becomes ours. */
#include "cli/import.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "core/core.h"
#include "store/store.h"

#define OUTPUT_MAX ((size_t)64 << 20)

static const char help[] =
    "usage: berth import [--from DIR] [--dry-run] [--json] [--config FILE]\n\n"
    "Takes over what the reference agent keeps of this host: the container instance, so that the\n"
    "agent registers as the same one, and the tasks, which go on meanwhile. The reference's file\n"
    "is only read: starting it again is the way back. Nothing is done while either agent runs,\n"
    "while a task runs that Berth cannot look after, or when Berth has a state already.\n\n"
    "  --from DIR     where the reference has its agent.db; default: ECS_DATADIR\n"
    "  --dry-run      tell what would be taken over, and change nothing\n"
    "  --json         one JSON object instead of text\n"
    "  --config FILE  default /etc/ecs/ecs.config; it may be absent\n\n"
    "Exit codes: 0 taken over (or could be, with --dry-run), 1 nothing was changed.\n";

static enum err_code on_any(void *user, const char *key, const char *value, struct err *e)
{
    bool *any = user;

    (void)key;
    (void)value;
    (void)e;
    *any = true;
    return ERR_OK;
}

/* A state that has been used is somebody's: another instance's, or a later one than what would
 * be taken over. */
static enum err_code check_unused(struct store *s, const char *dir, struct err *e)
{
    bool any = store_has_lost(s);

    if (store_each(s, STORE_META, on_any, &any, e) || store_each(s, STORE_TASK, on_any, &any, e))
        return e->code;
    return any ? err_set(e, ERR_CONFLICT,
                         "Berth has a state of its own in %s, which is not overwritten. If nothing "
                         "in it is needed any more, move berth.* and instance.json away",
                         dir)
               : ERR_OK;
}

/* With `look` what is there stays as it is. */
static enum err_code open_unused(const char *dir, bool look, struct store **out, struct err *e)
{
    struct store *s = NULL;

    if (look ? store_look(dir, &s, e) : store_open(dir, &s, e))
        err_wrap(e, "%s",
                 e->code == ERR_CONFLICT ? "a Berth agent runs; stop it first"
                                         : "Berth's own state");
    else if (!check_unused(s, dir, e)) {
        *out = s;
        return ERR_OK;
    }
    store_close(s);
    return e->code;
}

static void put_meta(struct store_batch *b, const char *key, const char *value)
{
    if (value)
        store_batch_put(b, STORE_META, key, value);
}

static enum err_code take_over(const struct ref_state *r, struct store *s, struct err *e)
{
    struct store_batch *b = store_batch_create();
    enum err_code code;

    put_meta(b, "container-instance-arn", ref_meta(r, REF_INSTANCE_ARN));
    put_meta(b, "cluster", ref_meta(r, REF_CLUSTER));
    put_meta(b, "ec2-instance-id", ref_meta(r, REF_INSTANCE_ID));
    put_meta(b, CORE_META_MANIFEST_SEQ, ref_meta(r, REF_MANIFEST_SEQ));
    for (size_t i = 0; i < ref_task_count(r); i++) {
        const struct ref_task *t = ref_task_at(r, i);

        if (!t->task)
            continue;
        store_batch_put(b, STORE_TASK, t->arn, t->task->json);
        store_batch_put(b, STORE_TASK_STATE, t->arn, t->state);
    }
    code = store_commit(s, b, e);
    store_batch_destroy(b);
    return code;
}

static void tell(const struct ref_state *r, const struct config *c, const char *from, bool json,
                 bool imported, const struct err *e)
{
    AUTO(buf) struct buf out = BUF_INIT(OUTPUT_MAX);
    struct jw w;

    if (!json) {
        import_print(r, c, from);
        return;
    }
    jw_init(&w, &out);
    jw_object(&w);
    import_write(r, c, from, &w);
    jw_kbool(&w, "imported", imported);
    if (e->code)
        jw_kstr(&w, "error", e->msg);
    jw_end(&w);
    puts(buf_text(&out));
}

static void complain(const struct err *e)
{
    fflush(stdout);
    fputs("berth import: ", stderr);
    cli_put(stderr, e->msg); /* it may quote the file */
    fputc('\n', stderr);
}

/* Everything that may go wrong but the commit. First a look: of what is refused, nothing is made,
 * and a database that is damaged is not moved aside. */
static enum err_code prepare(const struct ref_state *r, const char *dir, bool dry,
                             struct store **store, struct err *e)
{
    size_t n = import_count(r, REF_CANNOT);
    struct store *look = NULL;

    if (n)
        return err_set(e, ERR_CONFLICT,
                       "%zu of the tasks cannot be taken over. Stop them, or drain the instance, "
                       "with the reference agent running, and try again",
                       n);
    if (open_unused(dir, true, &look, e))
        return e->code;
    store_close(look);
    return dry ? ERR_OK : open_unused(dir, false, store, e);
}

int cli_import(int argc, char **argv)
{
    const char *file = "/etc/ecs/ecs.config", *from = NULL;
    bool dry = false, json = false;
    const struct cli_option options[] = {
        { "from", NULL, &from },
        { "dry-run", &dry, NULL },
        { "json", &json, NULL },
        { "config", NULL, &file },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);
    struct ref_state *r = NULL;
    struct store *s = NULL;
    struct config *c;
    struct err e = { 0 };

    if (code >= 0)
        return code;
    c = import_config(file);
    if (import_open(from, c, false, &r, &e)) {
        complain(&e);
        if (e.code == ERR_CONFLICT)
            fputs("berth import: stop it first: \"systemctl stop ecs\", or \"docker stop "
                  "ecs-agent\" where nothing supervises it\n",
                  stderr);
        config_destroy(c);
        return CLI_ERROR;
    }
    if (!prepare(r, c->data_dir, dry, &s, &e) && !dry)
        take_over(r, s, &e);
    tell(r, c, from, json, !e.code && !dry, &e);
    if (e.code)
        complain(&e);
    else if (!json)
        puts(dry ? "\nNothing was changed."
                 : "\nTaken over. The next \"berth agent\" is this container instance.");
    store_close(s);
    ref_close(r);
    config_destroy(c);
    return e.code ? CLI_ERROR : CLI_OK;
}
