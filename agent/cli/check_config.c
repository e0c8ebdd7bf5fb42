#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "config/config.h"

#define DEFAULT_FILE "/etc/ecs/ecs.config"

static const char help[] =
    "usage: berth check-config [--json] [FILE]\n\n"
    "Prints every problem of a configuration file (" DEFAULT_FILE " by default) as\n"
    "FILE:LINE: TEXT, then the settings that apply with this environment.\n"
    "Exit code 1: the agent would not start with it.\n";

static void print_problems(const char *file, const struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct config_problem *it = &p->items[i];

        if (it->line > 0)
            printf("%s:%d: ", file, it->line);
        else
            printf("environment: ");
        if (it->fatal)
            printf("error: ");
        cli_put(stdout, it->text);
        putchar('\n');
    }
}

/* ---- the effective settings ---- */

enum setting_type {
    TEXT,
    SECRET,
    NUMBER,
    LIMIT, /* a number; 0: none */
    DURATION,
    MICROSECONDS,
    SWITCH,
    TRISTATE,
    PORTS,
    RANGE,
    STRINGS,
    WORDS,
    MAP
};

static const struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;
} settings[] = {
#define ROW(name, type, field)                     \
    {                                              \
        name, type, offsetof(struct config, field) \
    }
    ROW("ECS_CLUSTER", TEXT, cluster),
    ROW("AWS_DEFAULT_REGION", TEXT, region),
    ROW("ECS_BACKEND_HOST", TEXT, backend_host),
    ROW("DOCKER_HOST", TEXT, docker_endpoint),
    ROW("ECS_DATADIR", TEXT, data_dir),
    ROW("ECS_RESERVED_PORTS", PORTS, reserved_ports),
    ROW("ECS_RESERVED_PORTS_UDP", PORTS, reserved_ports_udp),
    ROW("ECS_RESERVED_MEMORY", NUMBER, reserved_memory_mib),
    ROW("ECS_AVAILABLE_LOGGING_DRIVERS", STRINGS, log_drivers),
    ROW("ECS_INSTANCE_ATTRIBUTES", MAP, instance_attributes),
    ROW("ECS_CONTAINER_INSTANCE_TAGS", MAP, instance_tags),
    ROW("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", DURATION, task_cleanup_wait_ms),
    ROW("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", DURATION, task_cleanup_jitter_ms),
    ROW("ECS_CONTAINER_STOP_TIMEOUT", DURATION, stop_timeout_ms),
    ROW("ECS_CONTAINER_START_TIMEOUT", DURATION, start_timeout_ms),
    ROW("ECS_CONTAINER_CREATE_TIMEOUT", DURATION, create_timeout_ms),
    ROW("ECS_MANIFEST_PULL_TIMEOUT", DURATION, manifest_pull_timeout_ms),
    ROW("ECS_IMAGE_PULL_TIMEOUT", DURATION, pull_timeout_ms),
    ROW("ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", DURATION, pull_inactivity_ms),
    ROW("ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", SWITCH, pull_upfront),
    ROW("ECS_ENGINE_AUTH_TYPE", TEXT, engine_auth_type),
    ROW("ECS_ENGINE_AUTH_DATA", SECRET, engine_auth_data),
    ROW("ECS_DISABLE_IMAGE_CLEANUP", SWITCH, image_cleanup_disabled),
    ROW("ECS_IMAGE_CLEANUP_INTERVAL", DURATION, image_cleanup_interval_ms),
    ROW("ECS_IMAGE_MINIMUM_CLEANUP_AGE", DURATION, image_min_age_ms),
    ROW("ECS_NUM_IMAGES_DELETE_PER_CYCLE", NUMBER, images_per_cycle),
    ROW("ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", SWITCH, untracked_cleanup),
    ROW("NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", DURATION, untracked_image_min_age_ms),
    ROW("NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", NUMBER, untracked_containers_per_cycle),
    ROW("ECS_EXCLUDE_UNTRACKED_IMAGE", WORDS, excluded_images),
    ROW("ECS_ENABLE_TASK_CPU_MEM_LIMIT", TRISTATE, task_limits),
    ROW("ECS_CGROUP_PATH", TEXT, cgroup_path),
    ROW("ECS_CGROUP_CPU_PERIOD", MICROSECONDS, cgroup_cpu_period_us),
    ROW("ECS_TASK_PIDS_LIMIT", LIMIT, task_pids_limit),
    ROW("ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2", SWITCH, propagate_memory),
    ROW("ECS_DYNAMIC_HOST_PORT_RANGE", RANGE, dynamic_ports),
    ROW("ECS_SHARED_VOLUME_MATCH_FULL_CONFIG", SWITCH, shared_volume_match_full),
    ROW("ECS_EXTERNAL", SWITCH, external),
    ROW("ECS_ENABLE_TASK_IAM_ROLE", SWITCH, task_iam_role),
    ROW("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", SWITCH, task_iam_role_network_host),
    ROW("ECS_DISABLE_PRIVILEGED", SWITCH, privileged_disabled),
    ROW("ECS_SELINUX_CAPABLE", SWITCH, selinux),
    ROW("ECS_APPARMOR_CAPABLE", SWITCH, apparmor),
    ROW("ECS_DISABLE_DOCKER_HEALTH_CHECK", SWITCH, disable_health_check),
    ROW("ECS_DISABLE_METRICS", SWITCH, disable_metrics),
    ROW("ECS_EXCLUDE_IPV6_PORTBINDING", SWITCH, exclude_ipv6_binding),
    ROW("ECS_LOGFILE", TEXT, log_file),
    ROW("ECS_LOGLEVEL", TEXT, log_level),
    ROW("ECS_DETAILED_OS_FAMILY", TEXT, detailed_os_family),
    ROW("BERTH_SOCKET", TEXT, admin_socket),
    ROW("BERTH_START_PARALLEL", NUMBER, start_parallel),
    ROW("BERTH_PULL_PARALLEL", NUMBER, pull_parallel),
    ROW("BERTH_DISK_HIGH_WATERMARK", NUMBER, disk_high_pct),
    ROW("BERTH_DISK_LOW_WATERMARK", NUMBER, disk_low_pct),
    ROW("BERTH_DISK_CHECK_INTERVAL", DURATION, disk_check_ms),
    ROW("BERTH_LOCAL_TASKS", TEXT, local_tasks_dir),
    ROW("AWS_ENDPOINT_URL", TEXT, endpoint_url),
    ROW("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", TEXT, endpoint_logs),
    ROW("AWS_EC2_METADATA_SERVICE_ENDPOINT", TEXT, imds_endpoint),
    ROW("AWS_EC2_METADATA_DISABLED", SWITCH, imds_disabled),
#undef ROW
};

static void write_ports(struct buf *b, const struct port_list *p)
{
    struct jw w;

    jw_init(&w, b);
    jw_array(&w);
    for (size_t i = 0; i < p->n; i++)
        jw_int(&w, p->ports[i]);
    jw_end(&w);
}

static void write_strings(struct buf *b, const struct string_list *l)
{
    struct jw w;

    jw_init(&w, b);
    jw_array(&w);
    for (size_t i = 0; i < l->n; i++)
        jw_str(&w, l->items[i]);
    jw_end(&w);
}

static void write_map(struct buf *b, const struct string_map *m)
{
    struct jw w;

    jw_init(&w, b);
    jw_object(&w);
    for (size_t i = 0; i < m->n; i++)
        jw_kstr(&w, m->items[i].key, m->items[i].value);
    jw_end(&w);
}

static void write_words(struct buf *b, const struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_printf(b, "%s%s", i ? "," : "", l->items[i]);
}

static void write_tristate(struct buf *b, enum tristate t)
{
    if (t != TRI_UNSET)
        buf_puts(b, t == TRI_TRUE ? "true" : "false");
}

static void write_range(struct buf *b, const struct port_range *r)
{
    if (r->first)
        buf_printf(b, "%d-%d", r->first, r->last);
}

/* Whole milliseconds as one would write them, else the exact number. */
static void write_microseconds(struct buf *b, int64_t us)
{
    if (us % 1000)
        buf_printf(b, "%" PRId64 "us", us);
    else
        buf_printf(b, "%" PRId64 "ms", us / 1000);
}

/* As one would write it into the file, secrets aside. */
static void write_value(struct buf *b, const struct setting *s, const struct config *c)
{
    const void *at = (const char *)c + s->offset;
    char duration[CLOCK_ISO_SIZE];
    const char *text;

    switch (s->type) {
    case TEXT:
        text = *(char *const *)at;
        buf_puts(b, text ? text : "");
        break;
    case SECRET:
        buf_puts(b, *(char *const *)at ? "(set, not shown)" : "");
        break;
    case LIMIT:
        if (!*(const int64_t *)at)
            break;
        /* fall through */
    case NUMBER:
        buf_printf(b, "%" PRId64, *(const int64_t *)at);
        break;
    case DURATION:
        clock_go_duration(*(const int64_t *)at, duration);
        buf_puts(b, duration);
        break;
    case MICROSECONDS:
        write_microseconds(b, *(const int64_t *)at);
        break;
    case TRISTATE:
        write_tristate(b, *(const enum tristate *)at);
        break;
    case RANGE:
        write_range(b, at);
        break;
    case WORDS:
        write_words(b, at);
        break;
    case SWITCH:
        buf_puts(b, *(const bool *)at ? "true" : "false");
        break;
    case PORTS:
        write_ports(b, at);
        break;
    case STRINGS:
        write_strings(b, at);
        break;
    case MAP:
        write_map(b, at);
        break;
    }
}

static const char *pull_behavior(enum pull_behavior p)
{
    switch (p) {
    case PULL_ALWAYS:
        return "always";
    case PULL_ONCE:
        return "once";
    case PULL_PREFER_CACHED:
        return "prefer-cached";
    case PULL_DEFAULT:
        break;
    }
    return "default";
}

static void print_settings(const struct config *c)
{
    static const char *const heads[] = { "SETTING", "VALUE" };
    struct cli_table *t = cli_table_create(heads, COUNT_OF(heads));

    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        struct buf b = BUF_INIT(1 << 20);

        write_value(&b, &settings[i], c);
        cli_table_cell(t, settings[i].name);
        cli_table_cell(t, b.len ? buf_text(&b) : "-");
        buf_fini(&b);
    }
    cli_table_cell(t, "ECS_IMAGE_PULL_BEHAVIOR");
    cli_table_cell(t, pull_behavior(c->pull_behavior));
    cli_table_print(t, stdout);
    cli_table_destroy(t);
}

static void print_json(const char *file, const struct config *c, const struct config_problems *p)
{
    struct buf out = BUF_INIT(16 << 20);
    struct jw w;

    jw_init(&w, &out);
    jw_object(&w);
    jw_kstr(&w, "file", file);
    jw_kbool(&w, "fatal", p->fatal);
    jw_key(&w, "problems");
    jw_array(&w);
    for (size_t i = 0; i < p->n; i++) {
        jw_object(&w);
        jw_kint(&w, "line", p->items[i].line);
        jw_kbool(&w, "fatal", p->items[i].fatal);
        jw_kstr(&w, "text", p->items[i].text);
        jw_end(&w);
    }
    jw_end(&w);
    jw_key(&w, "settings");
    jw_object(&w);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        struct buf b = BUF_INIT(1 << 20);

        write_value(&b, &settings[i], c);
        jw_kstr(&w, settings[i].name, buf_text(&b));
        buf_fini(&b);
    }
    jw_kstr(&w, "ECS_IMAGE_PULL_BEHAVIOR", pull_behavior(c->pull_behavior));
    jw_end(&w);
    jw_end(&w);
    puts(buf_text(&out));
    buf_fini(&out);
}

int cli_check_config(int argc, char **argv)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    struct err e = { 0 };
    const char *file = DEFAULT_FILE;
    bool json = false, fatal;
    const struct cli_option options[] = { { "json", &json, NULL } };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 1, &argc, argv);

    if (code >= 0)
        return code;
    if (argc > 1)
        file = argv[1];
    if (argc > 1 && access(file, R_OK)) {
        fprintf(stderr, "berth: %s: %s\n", file, strerror(errno));
        return CLI_ERROR;
    }
    if (config_load_process(file, &config, &problems, &e)) {
        fprintf(stderr, "berth: %s: %s\n", file, e.msg);
        config_problems_fini(&problems);
        return CLI_ERROR;
    }
    fatal = problems.fatal;
    if (json) {
        print_json(file, config, &problems);
    } else {
        print_problems(file, &problems);
        if (problems.n)
            putchar('\n');
        print_settings(config);
    }
    config_problems_fini(&problems);
    config_destroy(config);
    return fatal ? CLI_ERROR : CLI_OK;
}
