#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "cli/agent_endpoints.h"
#include "cli/agent_healthcheck.h"
#include "cli/agent_kept.h"
#include "cli/agent_sandbox.h"
#include "cli/agent_vault.h"
#include "cli/agent_watchdog.h"
#include "cli/shadow.h"
#include "endpoints/introspect.h"
#include "io/child.h"
#include "io/service_manager.h"

#define STOP_LIMIT_S 7
/* From the signal on, for the answers to reports that are under way. */
#define REPORTS_MS      600
#define REPORTS_LOOK_MS 10

static const char help[] =
    "usage: berth agent [OPTION]...\n\n"
    "Registers this machine as a container instance and runs its tasks. Where settings come\n"
    "from is told by ecs.config(5), and what they are by \"berth check-config\".\n\n"
    "  --config FILE             default /etc/ecs/ecs.config; it may be absent\n"
    "  -k                        do not verify TLS certificates\n"
    "  --loglevel LEVEL          debug, info, warn, error, crit or none\n"
    "  --loglevel-on-instance LEVEL\n"
    "                            likewise, of ECS_LOGFILE\n"
    "  --blackhole-ec2-metadata  ask no instance metadata\n"
    "  --ecs-attributes          print what would be registered, and end\n"
    "  --shadow [--once]         beside the reference agent: print what this one would do, change\n"
    "                            nothing, and go on as things happen; --once: look a day ahead\n"
    "  --healthcheck             ask whether an agent answers here: 0, or 1 when none does\n"
    "  --license                 print the license, and end\n"
    "  --version                 print the version, and end\n"
    "  --no-sandbox              keep all capabilities and system calls (for debugging)\n\n"
    "SIGHUP reads the settings again; the log says what changed, and what counts only from\n"
    "the next start. SIGTERM ends the agent.\n\n"
    "Exit codes: 0 stopped by a signal (containers keep running), 1 an error after which\n"
    "a restart may help, 5 one after which it cannot.\n";

/* Resident memory is a promise: one arena, memory given back early, and few threads:
 * one may hang in a look at the disk, one in systemd, and one is left for the commits. */
static void be_frugal(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
    setenv("UV_THREADPOOL_SIZE", "3", 0);
}

enum err_code agent_make_parent(const char *path, struct err *e)
{
    AUTO(str) char *p = mem_strdup(path);

    for (char *at = p + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(p, 0755) && errno != EEXIST)
            return err_errno(e, errno, "cannot create %s", p);
        *at = '/';
    }
    return ERR_OK;
}

/* ---- the loop ---- */

void agent_stop(struct agent *a, int exit_code)
{
    if (a->exit_code < 0)
        a->exit_code = exit_code;
    loop_stop(a->loop);
}

/* A report whose answer nobody hears is made again by the next agent. */
static void on_drained(void *user)
{
    struct agent *a = user;

    if (!a->control || !control_is_reporting(a->control) || loop_now_ms(a->loop) >= a->end_by_ms) {
        agent_stop(a, CLI_OK);
        return;
    }
    if (!a->last_reports)
        a->last_reports = loop_timer_create(a->loop, on_drained, a);
    loop_timer_arm(a->last_reports, REPORTS_LOOK_MS);
}

/* The second signal waits for nobody. */
static void on_terminate(void *user)
{
    struct agent *a = user;

    if (a->stopping) {
        agent_stop(a, CLI_OK);
        return;
    }
    a->stopping = true;
    a->end_by_ms = loop_now_ms(a->loop) + REPORTS_MS;
    log_info("stopping; containers keep running");
    kept_tell(a, "STOPPING=1\nSTATUS=stopping; containers keep running");
    endpoints_drain(a, on_drained);
}

static void on_hangup(void *user)
{
    struct agent *a = user;
    struct err e = { 0 };

    /* Before the agent is ready, READY=1 at the end of a reload would say so. */
    if (a->engine && service_manager_tell_reloading(a->manager, &e))
        log_warn("the service manager does not hear the agent", kv_err(&e));
    settings_reload(a);
    if (a->engine)
        kept_tell(a, "READY=1");
}

void agent_listen(struct agent *a)
{
    loop_on_signal(a->loop, SIGTERM, on_terminate, a);
    loop_on_signal(a->loop, SIGINT, on_terminate, a);
    loop_on_signal(a->loop, SIGHUP, on_hangup, a);
}

static volatile sig_atomic_t late_code;

/* Whatever hangs while stopping: all that matters is in committed transactions. */
static void on_late(int signum)
{
    (void)signum;
    _exit(late_code);
}

static int run(struct agent *a)
{
    loop_run(a->loop);
    late_code = a->exit_code < 0 ? CLI_OK : a->exit_code;
    signal(SIGALRM, on_late);
    alarm(STOP_LIMIT_S);
    return late_code;
}

static void tear_down(struct agent *a)
{
    admin_destroy(a->admin);
    docker_cancel(a->negotiating);
    instance_read_cancel(a->reading);
    leftovers_cancel(a->leftovers);
    wiring_stop(a);
    kept_end(a);
    docker_destroy(a->docker);
    credentials_destroy(a->credentials);
    roles_destroy(a->roles);
    aws_destroy(a->aws);
    imds_destroy(a->imds);
    loop_timer_destroy(a->negotiate_retry);
    loop_timer_destroy(a->trim);
    loop_timer_destroy(a->last_reports);
    loop_timer_destroy(a->proceed);
    http_client_destroy(a->http);
    agent_helper_unwatch(a);
    watchdog_end(a);
    loop_destroy(a->loop);
    child_helper_stop();
    platform_fini(a);
    state_close(a);
    settings_fini(a);
    service_manager_destroy(a->manager);
}

int cli_agent(int argc, char **argv)
{
    struct agent a = { .options.config = "/etc/ecs/ecs.config",
                       .exit_code = -1,
                       .started_ms = clock_wall_ms() };
    struct agent_options *o = &a.options;
    bool version = false, license = false, healthcheck = false, shadow = false, once = false;
    const struct cli_option options[] = {
        { "config", NULL, &o->config },
        { "k", &o->insecure, NULL },
        { "loglevel", NULL, &o->log_level },
        { "loglevel-driver", NULL, &o->log_level },
        { "loglevel-on-instance", NULL, &o->file_level },
        { "blackhole-ec2-metadata", &o->no_metadata, NULL },
        { "no-sandbox", &o->no_sandbox, NULL },
        { "ecs-attributes", &o->attributes, NULL },
        { "shadow", &shadow, NULL },
        { "once", &once, NULL },
        { "healthcheck", &healthcheck, NULL },
        { "license", &license, NULL },
        { "version", &version, NULL },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_TERMINAL, 0, &argc, argv);

    if (code >= 0)
        return code;
    if (version)
        return cli_version(1, argv);
    if (license) {
        fputs(introspect_license, stdout);
        return CLI_OK;
    }
    if (healthcheck)
        return agent_healthcheck(o->config);
    if (shadow)
        return shadow_run(o, once);
    vault_begin();
    be_frugal();
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* the settings are about to be read */
    list_init(&a.draining);
    a.manager = service_manager_create();
    a.seed = rng_entropy();
    rng_seed(&a.rng, a.seed);
    code = agent_helper_begin(&a);
    if (code < 0)
        code = settings_load(&a);
    if (code < 0)
        code = agent_confine(&a);
    if (code < 0) {
        vault_tell();
        code = start_begin(&a);
    }
    if (code < 0)
        code = run(&a);
    tear_down(&a);
    return code;
}
