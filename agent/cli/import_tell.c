/* import_tell: a reference agent's state, told to people and programs. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "cli/import.h"

struct config *import_config(const char *file)
{
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config_problems problems = { 0 };
    struct config *c;

    config_files_read(file, &files, &in, &problems);
    in.metadata_pending = true; /* what may come from there is not asked for */
    c = config_build(&in, &problems);
    config_problems_fini(&problems);
    config_files_destroy(files);
    return c;
}

enum err_code import_open(const char *from, const struct config *c, bool running,
                          struct ref_state **out, struct err *e)
{
    const struct ref_args args = {
        .dir = from ? from : c->data_dir,
        .running = running,
        .now_ms = clock_wall_ms(),
        .cleanup_delay_ms = c->task_cleanup_wait_ms,
        .seed = rng_entropy(),
    };

    return ref_open(&args, out, e);
}

size_t import_count(const struct ref_state *s, enum ref_fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < ref_task_count(s); i++)
        n += ref_task_at(s, i)->fate == fate;
    return n;
}

/* ---- what is not carried over ---- */

typedef void say_fn(void *user, const char *text);

static void say_tasks(const struct ref_state *s, say_fn *say, void *user)
{
    char id[9];

    for (size_t i = 0; i < ref_task_count(s); i++) {
        const struct ref_task *t = ref_task_at(s, i);

        for (size_t k = 0; k < t->n_notes; k++) {
            AUTO(str) char *text = mem_printf("task %s: %s", cli_short_id(t->arn, id), t->notes[k]);

            say(user, text);
        }
        for (size_t k = 0; t->fate == REF_LEFT && k < t->n_containers; k++) {
            const struct ref_container *c = &t->containers[k];
            AUTO(str) char *text = NULL;

            if (!c->docker_id)
                continue;
            text = mem_printf("task %s: container %s stays behind", cli_short_id(t->arn, id),
                              c->docker_name ? c->docker_name : c->docker_id);
            say(user, text);
        }
    }
}

static void say_lost(const struct ref_state *s, const struct config *c, say_fn *say, void *user)
{
    const char *cluster = ref_meta(s, REF_CLUSTER);
    struct ref_others others;

    ref_get_others(s, &others);
    if (cluster && !streq(cluster, c->cluster)) {
        AUTO(str)
        char *text = mem_printf("the cluster's name is not a setting: this host is registered with "
                                "%s, and ECS_CLUSTER is %s; until both are one the agent ends at "
                                "once",
                                cluster, c->cluster);

        say(user, text);
    }
    say_tasks(s, say, user);
    if (others.images) {
        AUTO(str)
        char *text = mem_printf(
            "the ages of images (%zu): they count from when the agent sees them", others.images);

        say(user, text);
    }
    if (others.network_interfaces || others.attachments) {
        AUTO(str)
        char *text = mem_printf("%zu network interfaces and %zu other attachments: their tasks are "
                                "not supported",
                                others.network_interfaces, others.attachments);

        say(user, text);
    }
}

/* ---- for people ---- */

static const char *fate_text(const struct ref_task *t)
{
    switch (t->fate) {
    case REF_GOES_ON:
        return "goes on";
    case REF_BEGINS:
        return "begins anew: nothing of it was made";
    case REF_STOPS:
        return t->why ? "is stopped" : "goes on stopping";
    case REF_OVER:
        return "is over: reported and cleaned up";
    case REF_LEFT:
        return "is over, and left";
    case REF_CANNOT:
        return "CANNOT be taken over";
    case REF_FATE__COUNT:
        break;
    }
    return "";
}

static void say_line(void *user, const char *text)
{
    bool *some = user;

    if (!*some)
        puts("\nNot carried over:");
    *some = true;
    cli_printf("  %s", text);
    putchar('\n');
}

static void print_tasks(const struct ref_state *s)
{
    static const char *const heads[] = { "TASK", "DEFINITION", "WHAT BECOMES OF IT", "WHY" };
    struct cli_table *table;
    size_t columns = COUNT_OF(heads) - 1;
    char id[9];

    for (size_t i = 0; i < ref_task_count(s); i++)
        if (ref_task_at(s, i)->why)
            columns = COUNT_OF(heads);
    table = cli_table_create(heads, columns);
    for (size_t i = 0; i < ref_task_count(s); i++) {
        const struct ref_task *t = ref_task_at(s, i);
        AUTO(str) char *definition = mem_printf("%s:%s", t->family, t->version);

        cli_table_cell(table, cli_short_id(t->arn, id));
        cli_table_cell(table, definition);
        cli_table_cell(table, fate_text(t));
        if (columns == COUNT_OF(heads))
            cli_table_cell(table, t->why ? t->why : "");
    }
    putchar('\n');
    cli_table_print(table, stdout);
    cli_table_destroy(table);
}

void import_print(const struct ref_state *s, const struct config *c, const char *from)
{
    const char *version = ref_meta(s, REF_VERSION), *cluster = ref_meta(s, REF_CLUSTER);
    bool some = false;

    cli_printf("State of a reference agent %s in %s", version ? version : "(unknown version)",
               from ? from : c->data_dir);
    cli_printf(", cluster %s", cluster ? cluster : "(unknown)");
    putchar('\n');
    cli_printf("Container instance %s", ref_meta(s, REF_INSTANCE_ARN));
    putchar('\n');
    if (ref_task_count(s))
        print_tasks(s);
    else
        puts("There are no tasks.");
    say_lost(s, c, say_line, &some);
}

/* ---- for programs ---- */

static void write_line(void *user, const char *text)
{
    jw_str(user, text);
}

static void write_task(const struct ref_task *t, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "arn", t->arn);
    jw_kstr(w, "family", t->family);
    jw_kstr(w, "version", t->version);
    jw_kstr(w, "fate", ref_fate_name(t->fate));
    jw_kstr_if(w, "why", t->why);
    jw_karray(w, "containers");
    for (size_t i = 0; i < t->n_containers; i++) {
        jw_object(w);
        jw_kstr(w, "name", t->containers[i].name);
        jw_kstr_if(w, "dockerId", t->containers[i].docker_id);
        jw_kstr_if(w, "dockerName", t->containers[i].docker_name);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

void import_write(const struct ref_state *s, const struct config *c, const char *from, struct jw *w)
{
    jw_kstr(w, "from", from ? from : c->data_dir);
    jw_kstr_if(w, "version", ref_meta(s, REF_VERSION));
    jw_kstr_if(w, "cluster", ref_meta(s, REF_CLUSTER));
    jw_kstr_if(w, "containerInstanceArn", ref_meta(s, REF_INSTANCE_ARN));
    jw_kstr_if(w, "ec2InstanceId", ref_meta(s, REF_INSTANCE_ID));
    jw_kstr_if(w, "availabilityZone", ref_meta(s, REF_ZONE));
    jw_karray(w, "tasks");
    for (size_t i = 0; i < ref_task_count(s); i++)
        write_task(ref_task_at(s, i), w);
    jw_end(w);
    jw_karray(w, "notCarriedOver");
    say_lost(s, c, write_line, w);
    jw_end(w);
}
