/* shadow: the host, looked at in the order in which the agent would: settings, the reference's
 * state, the container engine; then what would be registered, and the core. Nothing is opened to
 * be written, no port and no socket, and the control plane and the metadata service are not
 * asked. */
#include "cli/shadow.h"

#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/import.h"

#define LIST_MS   60000
#define REREAD_MS 2000 /* after the reference has begun a task, for it to store it */

struct shadow {
    struct agent a; /* what the machine and the settings say */
    struct docker_op *op;
    struct ref_state *state; /* NULL: there is none */
    struct core_config core_config;
    struct shadow_core *core; /* NULL until the containers are listed */
    struct loop_timer *reread;
    bool once, told;
};

static void fail(struct shadow *s, const char *what, const struct err *e)
{
    fprintf(stderr, "berth agent --shadow: %s", what);
    cli_put(stderr, e->msg);
    fputc('\n', stderr);
    agent_stop(&s->a, CLI_ERROR);
}

/* ---- settings ---- */

static void print_problems(const struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct config_problem *it = &p->items[i];

        printf("  ");
        cli_put(stdout, it->source);
        if (it->line)
            printf(":%d", it->line);
        printf("%s%s", *it->source ? ": " : "", it->fatal ? "the agent would not start: " : "");
        cli_put(stdout, it->text);
        putchar('\n');
    }
    if (!p->n)
        puts("  all of them count as they do for the reference agent");
}

static bool build_settings(struct shadow *s)
{
    struct config_files *files = NULL;
    struct config_inputs in = { 0 };
    struct config_problems problems = { 0 };
    struct agent *a = &s->a;
    bool fatal;

    config_files_read(a->options.config, &files, &in, &problems);
    in.metadata_pending = true;
    a->config = config_build(&in, &problems);
    fatal = problems.fatal;
    puts("Settings:");
    print_problems(&problems);
    config_problems_fini(&problems);
    config_files_destroy(files);
    return !fatal;
}

/* ---- what would be registered ---- */

static void print_attribute(void *user, const char *name, const char *value)
{
    (void)user;
    printf("  %s%s%s\n", name, value ? "=" : "", value ? value : "");
}

static void print_registration(struct shadow *s)
{
    struct agent *a = &s->a;
    struct control_args args;

    a->instance_arn = s->state ? mem_strdup(ref_meta(s->state, REF_INSTANCE_ARN)) : NULL;
    args = wiring_control_args(a);
    args.task_limits = a->config->task_limits != TRI_FALSE;
    printf("\nWould register with cluster ");
    cli_put(stdout, a->config->cluster);
    printf(" as ");
    cli_put(stdout, a->instance_arn ? a->instance_arn : "a new container instance");
    printf(":\n  CPU %lld, memory %lld MiB\n", (long long)args.resources.cpu_units,
           (long long)args.resources.memory_mib);
    control_each_attribute(&args, print_attribute, NULL);
    puts("  (what only the instance's metadata say is not asked for)");
}

/* ---- the reference's state ---- */

static void read_state(struct shadow *s)
{
    struct ref_state *fresh = NULL;
    struct err e = { 0 };

    if (import_open(NULL, s->a.config, true, &fresh, &e)) {
        if (!s->told) {
            fputs("\nNo state of a reference agent is taken over: ", stdout);
            cli_put(stdout, e.msg);
            putchar('\n');
        }
        return; /* what was read before still counts */
    }
    ref_close(s->state);
    s->state = fresh;
    if (s->told)
        return;
    putchar('\n');
    import_print(s->state, s->a.config, NULL);
}

/* ---- the containers, and the core ---- */

static void on_done(void *user)
{
    struct shadow *s = user;

    agent_stop(&s->a, CLI_OK);
}

static bool in_state(const struct shadow *s, const char *id)
{
    for (size_t i = 0; s->state && i < ref_task_count(s->state); i++) {
        const struct ref_task *t = ref_task_at(s->state, i);

        for (size_t k = 0; k < t->n_containers; k++)
            if (t->containers[k].docker_id && streq(t->containers[k].docker_id, id))
                return true;
    }
    return false;
}

static void print_strangers(const struct shadow *s, const struct docker_listed *rows, size_t n)
{
    char id[9];

    for (size_t i = 0; i < n; i++) {
        if (!rows[i].task_arn || in_state(s, rows[i].id))
            continue;
        printf("  now        container ");
        cli_put(stdout, rows[i].name ? rows[i].name : rows[i].id);
        cli_printf(
            " says that it is of task %s, which the state does not know: would not be looked after",
            cli_short_id(rows[i].task_arn, id));
        putchar('\n');
    }
}

static void on_listed(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    struct shadow *s = user;
    struct shadow_core *before = s->core;
    struct shadow_core_args args = {
        .loop = s->a.loop,
        .docker = s->a.docker,
        .core = &s->core_config,
        .state = s->state,
        .rows = rows,
        .n_rows = n,
        .before = before,
        .ahead = s->once,
        .done = on_done,
        .user = s,
    };

    s->op = NULL;
    if (e->code) {
        fail(s, "the containers cannot be listed: ", e);
        return;
    }
    if (!s->told) {
        puts(s->once ? "\nWould do, looking a day ahead:" : "\nWould do (Ctrl-C ends this):");
        print_strangers(s, rows, n);
    }
    fflush(stdout);
    s->told = true;
    s->core = shadow_core_create(&args);
    shadow_core_destroy(before);
}

static void look_again(void *user)
{
    struct shadow *s = user;

    if (s->op) { /* what it answers may be older than what is looked for */
        loop_timer_arm(s->reread, REREAD_MS);
        return;
    }
    read_state(s);
    s->op = docker_list(s->a.docker, LIST_MS, on_listed, s);
}

/* ---- the engine ---- */

static void on_opened(void *user)
{
    struct shadow *s = user;

    loop_timer_arm(s->reread, 0); /* what has happened before is not among the events */
}

static void on_event(void *user, const struct docker_event *ev)
{
    struct shadow *s = user;

    if (s->core && !shadow_core_event(s->core, ev) && !loop_timer_armed(s->reread))
        loop_timer_arm(s->reread, REREAD_MS);
}

static void on_lost(void *user, const struct err *e)
{
    (void)user;
    fprintf(stderr, "berth agent --shadow: the engine's events are away: %s\n", e->msg);
}

static void on_plugins(void *user, const char *const *names, size_t n, const struct err *e)
{
    static const struct docker_event_sink sink = { on_opened, on_event, on_lost };
    struct shadow *s = user;

    s->op = NULL;
    if (!e->code)
        platform_add_plugins(&s->a, names, n);
    read_state(s);
    print_registration(s);
    s->core_config = platform_core_config(&s->a);
    s->core_config.task_cgroups = s->a.config->task_limits != TRI_FALSE;
    if (s->once)
        s->op = docker_list(s->a.docker, LIST_MS, on_listed, s);
    else
        docker_subscribe(s->a.docker, &sink, s);
}

static void on_negotiated(void *user, const struct docker_version *v, const struct err *e)
{
    struct shadow *s = user;

    s->op = NULL;
    if (e->code) {
        fail(s, "the container engine does not answer: ", e);
        return;
    }
    s->a.docker_version = *v;
    printf("\nContainer engine %s, API %s\n", v->version, v->api_version);
    s->op = docker_plugins(s->a.docker, on_plugins, s);
}

/* ---- all of it ---- */

static void on_signal(void *user)
{
    struct shadow *s = user;

    agent_stop(&s->a, CLI_OK);
}

static void begin(struct shadow *s)
{
    const struct http_client_config http = { .user_agent = "berth" };
    struct agent *a = &s->a;
    struct err e = { 0 };

    a->loop = loop_create();
    loop_on_signal(a->loop, SIGINT, on_signal, s);
    loop_on_signal(a->loop, SIGTERM, on_signal, s);
    a->http = http_client_create(a->loop, &http);
    s->reread = loop_timer_create(a->loop, look_again, s);
    if (host_read_capacity(&a->host, &e) || platform_read_host(a, &e) ||
        docker_create(a->http, a->config->docker_endpoint, &a->docker, &e))
        fail(s, "", &e);
    else
        s->op = docker_negotiate(a->docker, on_negotiated, s);
    if (a->exit_code < 0)
        loop_run(a->loop);
}

static void end(struct shadow *s)
{
    struct agent *a = &s->a;

    docker_cancel(s->op);
    shadow_core_destroy(s->core);
    docker_destroy(a->docker);
    loop_timer_destroy(s->reread);
    http_client_destroy(a->http);
    loop_destroy(a->loop);
    ref_close(s->state);
    free(a->instance_arn);
    platform_fini(a);
    config_destroy(a->config);
}

int shadow_run(const struct agent_options *options, bool once)
{
    struct shadow s = { .a = { .options = *options, .exit_code = -1 }, .once = once };
    int code = CLI_ERROR;

    s.a.seed = rng_entropy();
    if (build_settings(&s)) {
        begin(&s);
        code = s.a.exit_code < 0 ? CLI_OK : s.a.exit_code;
        end(&s);
    } else {
        config_destroy(s.a.config);
    }
    return code;
}
