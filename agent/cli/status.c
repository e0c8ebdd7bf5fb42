#include <inttypes.h>

#include "base/clock.h"
#include "cli/cli.h"

static const char help[] =
    "usage: berth status [--json] [--socket PATH]\n\n"
    "Says how the running agent is: its connection to the control plane, the capacity of\n"
    "this instance, its tasks by status, what is not reported yet, Docker's disk and the\n"
    "images of tasks, and the log shipper.\n"
    "JSON when standard output is not a terminal.\n\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n";

static void row(const char *label, const char *text)
{
    printf("%-15s ", label);
    cli_put(stdout, text);
    putchar('\n');
}

static void print_agent(const struct jcur *c)
{
    struct jcur agent = jcur_obj(c, "agent"), docker = jcur_obj(c, "docker");
    const char *version = jcur_str_or(&docker, "version", NULL);
    int64_t kept = jcur_int_or(&agent, "kept_descriptors", 0, INT64_MAX, 0);
    char age[CLI_AGE_SIZE];

    cli_age(jcur_int_or(&agent, "uptime_ms", 0, INT64_MAX, 0), age);
    cli_printf("%-15s berth %s (%s), process %" PRId64 ", up %s, %s", "Agent",
               jcur_str_or(&agent, "version", "?"), jcur_str_or(&agent, "commit", "?"),
               jcur_int_or(&agent, "pid", 0, INT32_MAX, 0), age, jcur_str_or(&agent, "state", "?"));
    putchar('\n');
    if (kept)
        printf("%-15s %" PRId64 " descriptors, by the service manager\n", "Kept", kept);
    row("Cluster", jcur_str_or(c, "cluster", "?"));
    row("Instance", jcur_str_or(c, "instance_arn", "not registered yet"));
    if (!version) {
        row("Docker", "does not answer");
        return;
    }
    cli_printf("%-15s %s, API %s", "Docker", version, jcur_str_or(&docker, "api", "?"));
    putchar('\n');
}

/* Only what is wrong is worth a line. */
static void print_store(const struct jcur *c)
{
    struct jcur store = jcur_obj(c, "store");
    char age[CLI_AGE_SIZE];

    if (!jcur_present(&store) || jcur_bool_or(&store, "saved", true))
        return;
    cli_age(jcur_int_or(&store, "for_ms", 0, INT64_MAX, 0), age);
    printf("%-15s cannot be saved for %s; no new tasks until it can: ", "State", age);
    cli_put(stdout, jcur_str_or(&store, "error", "?"));
    putchar('\n');
}

/* Until it is done: what keeps it. */
static void print_registration(const struct jcur *control)
{
    const char *error = jcur_str_or(control, "registration_error", NULL);
    const char *awaited = jcur_str_or(control, "waiting_for", NULL);

    if (jcur_bool_or(control, "registered", false))
        return;
    if (!awaited) {
        row("Registration", error ? error : "under way");
        return;
    }
    cli_printf("%-15s waits for the instance's %s", "Registration", awaited);
    putchar('\n');
}

static void print_session(const struct jcur *session, const char *label)
{
    const char *error = jcur_str_or(session, "last_error", NULL);
    int64_t since = jcur_int_or(session, "since_ms", 0, INT64_MAX, 0);
    char text[CLOCK_ISO_SIZE];

    if (jcur_bool_or(session, "connected", false)) {
        clock_iso(since, text);
        printf("%-15s connected%s%s\n", label, since ? " since " : "", since ? text : "");
        return;
    }
    printf("%-15s not connected", label);
    if (error) {
        fputs(": ", stdout);
        cli_put(stdout, error);
    }
    putchar('\n');
}

static void print_credentials(const struct jcur *c)
{
    struct jcur credentials = jcur_obj(c, "credentials");
    const char *source = jcur_str_or(&credentials, "source", NULL);
    const char *error = jcur_str_or(&credentials, "last_error", NULL);
    int64_t expires = jcur_int_or(&credentials, "expires_ms", 0, INT64_MAX, 0);
    char text[CLOCK_ISO_SIZE];

    if (!source && !error)
        return;
    printf("%-15s ", "Credentials");
    cli_put(stdout, source ? source : "none");
    if (source && expires) {
        clock_iso(expires, text);
        printf(", until %s", text);
    }
    if (error) {
        fputs(": ", stdout);
        cli_put(stdout, error);
    }
    putchar('\n');
}

/* What the metadata service announces, and what came of it. */
static void print_announced(const struct jcur *control)
{
    struct jcur instance = jcur_obj(control, "instance");
    int64_t offset_s = jcur_int_or(control, "clock_offset_ms", INT64_MIN, INT64_MAX, 0) / 1000;
    const char *draining = jcur_str_or(control, "draining_why", NULL);
    const char *refused = jcur_str_or(control, "draining_error", NULL);
    const char *spot = jcur_str_or(&instance, "spot", NULL);
    const char *rebalance = jcur_str_or(&instance, "rebalance", NULL);

    if (spot)
        row("Spot", spot);
    if (rebalance)
        row("Rebalance", rebalance);
    if (draining)
        row("Draining", draining);
    if (draining && refused)
        row("", refused);
    if (offset_s)
        printf("%-15s %" PRId64 " s %s that of AWS; requests are signed with theirs\n", "Clock",
               offset_s < 0 ? -offset_s : offset_s, offset_s < 0 ? "ahead of" : "behind");
}

static void print_resource(const struct jcur *core, const char *label, const char *key,
                           const char *unit)
{
    struct jcur r = jcur_obj(core, key);

    printf("%-15s %" PRId64 " of %" PRId64 " %s used\n", label,
           jcur_int_or(&r, "used", INT64_MIN, INT64_MAX, 0),
           jcur_int_or(&r, "total", INT64_MIN, INT64_MAX, 0), unit);
}

static int64_t total(const struct jcur *object)
{
    struct jcur m;
    int64_t sum = 0;

    for (size_t i = 0; jcur_member(object, i, &m); i++)
        sum += jcur_as_int(&m, 0, INT64_MAX);
    return sum;
}

static void print_size(int64_t bytes)
{
    if (bytes >= 10000000000)
        printf("%" PRId64 " GB", bytes / 1000000000);
    else
        printf("%" PRId64 " MB", bytes / 1000000);
}

static void print_disk(const struct jcur *core)
{
    struct jcur disk = jcur_obj(core, "disk");
    int64_t bytes = jcur_int_or(&disk, "bytes", 0, INT64_MAX, 0);

    if (!bytes)
        return;
    printf("%-15s ", "Docker's disk");
    print_size(jcur_int_or(&disk, "bytes_used", 0, INT64_MAX, 0));
    fputs(" of ", stdout);
    print_size(bytes);
    printf(" used, %" PRId64 " %% full\n", jcur_int_or(&disk, "percent", 0, 100, 0));
}

static void print_images(const struct jcur *core)
{
    struct jcur images = jcur_obj(core, "images"), last = jcur_obj(&images, "last_removed");
    char age[CLI_AGE_SIZE];

    if (!jcur_present(&images))
        return;
    printf("%-15s %" PRId64 " of tasks, ", "Images",
           jcur_int_or(&images, "count", 0, INT64_MAX, 0));
    print_size(jcur_int_or(&images, "bytes", 0, INT64_MAX, 0));
    printf("; %" PRId64 " removable, ", jcur_int_or(&images, "removable", 0, INT64_MAX, 0));
    print_size(jcur_int_or(&images, "removable_bytes", 0, INT64_MAX, 0));
    if (jcur_present(&last)) {
        cli_age(clock_wall_ms() - jcur_int_or(&last, "at_ms", 0, INT64_MAX, 0), age);
        printf("; removed %s ago: ", age);
        cli_put(stdout, jcur_str_or(&last, "image", "?"));
    }
    putchar('\n');
}

/* The causes of what was dropped and the rest of the numbers are in --json. */
static void print_logs(const struct jcur *logs)
{
    struct jcur dropped = jcur_obj(logs, "dropped");

    printf("%-15s %" PRId64 " streams, %" PRId64 " events sent, %" PRId64 " waiting, %" PRId64
           " dropped, %" PRId64 " puts failed\n",
           "Logs", jcur_int_or(logs, "streams", 0, INT64_MAX, 0),
           jcur_int_or(logs, "sent_events", 0, INT64_MAX, 0),
           jcur_int_or(logs, "waiting_events", 0, INT64_MAX, 0), total(&dropped),
           jcur_int_or(logs, "puts_failed", 0, INT64_MAX, 0));
}

static void print_core(const struct jcur *c)
{
    struct jcur core = jcur_obj(c, "core"), tasks = jcur_obj(&core, "tasks");
    struct jcur logs = jcur_obj(c, "logs"), m;
    const char *before = "";

    if (!jcur_present(&core))
        return;
    print_resource(&core, "CPU", "cpu_units", "units");
    print_resource(&core, "Memory", "memory_mib", "MiB");
    printf("%-15s ", "Tasks");
    for (size_t i = 0; jcur_member(&tasks, i, &m); i++) {
        int64_t n = jcur_as_int(&m, 0, INT64_MAX);

        if (!n)
            continue;
        cli_printf("%s%" PRId64 " %s", before, n, m.key);
        before = ", ";
    }
    puts(*before ? "" : "none");
    printf("%-15s %" PRId64 " tasks wait for room, %" PRId64 " reports unsent\n", "Waiting",
           jcur_int_or(&core, "tasks_waiting_for_room", 0, INT64_MAX, 0),
           jcur_int_or(&core, "reports_unsent", 0, INT64_MAX, 0));
    print_disk(&core);
    print_images(&core);
    print_logs(&logs);
}

static void print_status(void *user, const struct jcur *c)
{
    struct jcur control = jcur_obj(c, "control"), acs = jcur_obj(&control, "acs");
    struct jcur tcs = jcur_obj(&control, "tcs");

    (void)user;
    print_agent(c);
    print_store(c);
    print_credentials(c);
    if (jcur_present(&control)) {
        print_registration(&control);
        print_session(&acs, "Control plane");
        if (jcur_present(&tcs))
            print_session(&tcs, "Telemetry");
        print_announced(&control);
    }
    print_core(c);
}

int cli_status(int argc, char **argv)
{
    struct cli_client client;
    const char *socket = NULL;
    bool json = false;
    const struct cli_option options[] = { { "json", &json, NULL }, { "socket", NULL, &socket } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    cli_client_init(&client, socket, json);
    return cli_ask(&client, "status", NULL, false, print_status, NULL);
}
