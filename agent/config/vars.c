#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "config/internal.h"

#define FIELD(name) offsetof(struct config, name)
#define SECOND      INT64_C(1000000000)
#define MILLI       INT64_C(1000000)
#define MICRO       INT64_C(1000)
#define NAME_MAX_N  64

static const char *log_driver_names[] = {
    "json-file", "syslog",     "journald",  "gelf", "fluentd",     "awslogs",
    "splunk",    "logentries", "sumologic", "none", "awsfirelens", NULL,
};

#define LOG_DRIVERS "[\"json-file\",\"syslog\",\"awslogs\",\"fluentd\",\"none\"]"

/* Every setting, in the order of the sample file. The defaults are those that a
 * host of the reference agent has in effect, its init program's included; `bad`
 * is what remains when a variable overrides these with nothing of use. */
const struct var vars[] = {
    { "ECS_CLUSTER", &type_text, FIELD(cluster), "default",
      .help =
          "The cluster to join, as a name or an ARN. Unset, the cluster 'default' is joined, and "
          "created if need be." },
    { "AWS_DEFAULT_REGION", &type_text, FIELD(region), "",
      .help = "The region of the cluster, for example eu-west-1. Required." },
    { "ECS_BACKEND_HOST", &type_endpoint, FIELD(backend_host), "",
      .help =
          "The control plane's URL where it is not the region's own; https:// is added where no "
          "scheme is given.",
      .fatal = true },
    { "DOCKER_HOST", &type_text, FIELD(docker_endpoint), "unix:///var/run/docker.sock",
      .help = "Where the Docker Engine listens." },
    { "ECS_DATADIR", &type_path, FIELD(data_dir), "/var/lib/ecs/data",
      .help =
          "The directory of the agent's state. /data, a path of the reference agent's container, "
          "means the default." },
    { "ECS_EXTERNAL", &type_bool, FIELD(external), "false",
      .help = "This machine is not an EC2 instance: no instance metadata is asked for." },
    { "ECS_RESERVED_PORTS", &type_ports, FIELD(reserved_ports), "[22,2375,2376,51678,51679]",
      .help = "TCP ports that no task may take, as a JSON list." },
    { "ECS_RESERVED_PORTS_UDP", &type_ports, FIELD(reserved_ports_udp), "[]",
      .help = "UDP ports that no task may take, as a JSON list." },
    { "ECS_RESERVED_MEMORY", &type_int, FIELD(reserved_memory_mib), "0",
      .help = "MiB of memory that are kept from tasks, 0 to 65535.", .max = UINT16_MAX },
    { "ECS_AVAILABLE_LOGGING_DRIVERS", &type_strings, FIELD(log_drivers), LOG_DRIVERS,
      .help =
          "The log drivers that tasks may use, as a JSON list. An unknown name stops the agent.",
      .bad = "[\"json-file\",\"none\"]", .fatal = true, .only = log_driver_names },
    { "ECS_INSTANCE_ATTRIBUTES", &type_map, FIELD(instance_attributes), "",
      .help = "Attributes of this instance for placement, as a JSON object of strings; they count "
              "at the "
              "first registration. A mistake stops the agent.",
      .fatal = true },
    { "ECS_CONTAINER_INSTANCE_TAGS", &type_map, FIELD(instance_tags), "",
      .help = "Tags of this instance, as a JSON object of strings. A mistake stops the agent.",
      .fatal = true },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", &type_duration, FIELD(task_cleanup_wait_ms), "3h",
      .help = "How long a stopped task's containers are kept. Less than 1s gives the default.",
      .min = SECOND, .below = BELOW_DEFAULT },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", &type_duration, FIELD(task_cleanup_jitter_ms),
      "0s", .help = "Up to this much, chosen at random, is added to the cleanup wait of each task.",
      .min = 0, .below = BELOW_DEFAULT },
    { "ECS_CONTAINER_STOP_TIMEOUT", &type_duration, FIELD(stop_timeout_ms), "30s",
      .help = "How long a container may take to stop before it is killed, at least 1s.",
      .min = SECOND, .below = BELOW_RAISE },
    { "ECS_CONTAINER_START_TIMEOUT", &type_duration, FIELD(start_timeout_ms), "3m",
      .help = "How long starting a container may take, at least 45s.", .min = 45 * SECOND,
      .below = BELOW_RAISE },
    { "ECS_CONTAINER_CREATE_TIMEOUT", &type_duration, FIELD(create_timeout_ms), "4m",
      .help = "How long creating a container may take, at least 1m.", .min = 60 * SECOND,
      .below = BELOW_RAISE },
    { "ECS_MANIFEST_PULL_TIMEOUT", &type_duration, FIELD(manifest_pull_timeout_ms), "1m",
      .help = "How long asking a registry for an image's digest may take, at least 30s.",
      .min = 30 * SECOND, .below = BELOW_RAISE },
    { "ECS_IMAGE_PULL_TIMEOUT", &type_duration, FIELD(pull_timeout_ms), "2h",
      .help = "How long pulling an image may take. Less than 1s gives the default.", .min = SECOND,
      .below = BELOW_DEFAULT },
    { "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", &type_duration, FIELD(pull_inactivity_ms), "1m",
      .help = "How long a pull may make no progress, at least 1m.", .min = 60 * SECOND,
      .below = BELOW_RAISE },
    { "ECS_IMAGE_PULL_BEHAVIOR", &type_pull, FIELD(pull_behavior), "default",
      .help = "default (a failed pull falls back on the local image), always, once, or "
              "prefer-cached." },
    { "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", &type_bool, FIELD(pull_upfront), "false",
      .help = "Pull the images of containers that wait for others at once." },
    { "ECS_ENGINE_AUTH_TYPE", &type_text, FIELD(engine_auth_type), "",
      .help = "What ECS_ENGINE_AUTH_DATA holds: docker or dockercfg." },
    { "ECS_ENGINE_AUTH_DATA", &type_secret, FIELD(engine_auth_data), "",
      .help = "Credentials for private registries, as a JSON object. Never shown." },
    { "ECS_DISABLE_IMAGE_CLEANUP", &type_bool, FIELD(image_cleanup_disabled), "false",
      .help = "Keep the images of tasks that are gone." },
    { "ECS_IMAGE_CLEANUP_INTERVAL", &type_duration, FIELD(image_cleanup_interval_ms), "30m",
      .help = "How often images that no task uses are looked for. Less than 10m gives the default.",
      .min = 600 * SECOND, .below = BELOW_DEFAULT },
    { "ECS_IMAGE_MINIMUM_CLEANUP_AGE", &type_duration, FIELD(image_min_age_ms), "1h",
      .help = "An image stays for at least this long after it was pulled.", .min = 0,
      .below = BELOW_DEFAULT },
    { "ECS_NUM_IMAGES_DELETE_PER_CYCLE", &type_int, FIELD(images_per_cycle), "5",
      .help = "At most so many images are removed each time, at least 1.", .min = 1,
      .max = INT32_MAX },
    { "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", &type_bool, FIELD(untracked_cleanup), "false",
      .help = "Remove also stopped containers and images that no task brought." },
    { "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", &type_duration, FIELD(untracked_image_min_age_ms), "1h",
      .help = "An image that no task brought stays for at least this long after it was created.",
      .min = 0, .below = BELOW_DEFAULT },
    { "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", &type_int, FIELD(untracked_containers_per_cycle),
      "5",
      .help = "At most so many containers that no task brought are removed each time, at "
              "least 1.",
      .min = 1, .max = INT32_MAX },
    { "ECS_EXCLUDE_UNTRACKED_IMAGE", &type_words, FIELD(excluded_images), "",
      .help = "Images that are never removed: names with tags, between commas, without spaces." },
    { "ECS_ENABLE_TASK_CPU_MEM_LIMIT", &type_tristate, FIELD(task_limits), "",
      .help = "Give each task a control group with the limits of the whole task. Unset, this is "
              "done where it can be; true makes it a condition for starting." },
    { "ECS_CGROUP_PATH", &type_path, FIELD(cgroup_path), "/sys/fs/cgroup",
      .help = "Where the control groups are mounted." },
    { "ECS_CGROUP_CPU_PERIOD", &type_duration, FIELD(cgroup_cpu_period_us), "100ms",
      .help = "The period of a task's CPU quota, 8ms to 100ms. Anything else gives the default.",
      .min = 8 * MILLI, .max = 100 * MILLI, .unit_ns = MICRO, .below = BELOW_DEFAULT },
    { "ECS_TASK_PIDS_LIMIT", &type_int, FIELD(task_pids_limit), "",
      .help = "How many processes a task may have, 1 to 4194304. Unset, there is no limit.",
      .min = 1, .max = 4194304 },
    { "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2", &type_bool, FIELD(propagate_memory), "false",
      .help = "With version 2 of control groups, give the task's memory limit also to each of its "
              "containers without one." },
    { "ECS_DYNAMIC_HOST_PORT_RANGE", &type_range, FIELD(dynamic_ports), "",
      .help = "The host ports to choose from where a task names none, for example 49153-65535. "
              "Unset, the kernel's range of local ports counts." },
    { "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG", &type_bool, FIELD(shared_volume_match_full), "false",
      .help = "A shared volume that is there already must have the same driver options and labels, "
              "not only the same name." },
    { "ECS_ENABLE_TASK_IAM_ROLE", &type_bool, FIELD(task_iam_role), "true",
      .help = "Serve role credentials to tasks in bridge networks.", .bad = "false" },
    { "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", &type_bool, FIELD(task_iam_role_network_host),
      "true", .help = "Serve role credentials to tasks in the host's network.", .bad = "false" },
    { "ECS_DISABLE_PRIVILEGED", &type_bool, FIELD(privileged_disabled), "false",
      .help = "Refuse privileged containers." },
    { "ECS_SELINUX_CAPABLE", &type_bool, FIELD(selinux), "false",
      .help = "Announce that containers may have SELinux labels." },
    { "ECS_APPARMOR_CAPABLE", &type_bool, FIELD(apparmor), "false",
      .help = "Announce that containers may have AppArmor profiles." },
    { "ECS_DISABLE_DOCKER_HEALTH_CHECK", &type_bool, FIELD(disable_health_check), "false",
      .help = "Do not report the health of containers." },
    { "ECS_DISABLE_METRICS", &type_bool, FIELD(disable_metrics), "false",
      .help = "Do not measure and report the use of CPU and memory." },
    { "ECS_EXCLUDE_IPV6_PORTBINDING", &type_bool, FIELD(exclude_ipv6_binding), "true",
      .help = "Leave IPv6 addresses out of the port bindings that are reported." },
    { "ECS_LOGFILE", &type_path, FIELD(log_file), "",
      .help =
          "The file of the agent's log. Unset, it goes to standard error, and so to the journal." },
    { "ECS_LOGLEVEL", &type_level, FIELD(log_level), "info",
      .help = "debug, info, warn, error, crit or none." },
    { "ECS_LOG_OUTPUT_FORMAT", &type_format, FIELD(log_json), "logfmt", .help = "logfmt or json." },
    { "ECS_DETAILED_OS_FAMILY", &type_text, FIELD(detailed_os_family), "LINUX",
      .help = "The operating system to announce. Unset, it is taken from /etc/os-release; set to "
              "nothing, "
              "it is not announced.",
      .keep_empty = true },
    { "AWS_ENDPOINT_URL", &type_endpoint, FIELD(endpoint_url), "",
      .help = "One URL for every AWS service but the control plane.", .fatal = true },
    { "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &type_endpoint, FIELD(endpoint_logs), "",
      .help = "The URL of CloudWatch Logs or of what stands in for it.", .fatal = true },
    { "AWS_EC2_METADATA_SERVICE_ENDPOINT", &type_endpoint, FIELD(imds_endpoint), "",
      .help = "The URL of the instance metadata service.", .fatal = true },
    { "AWS_EC2_METADATA_DISABLED", &type_bool, FIELD(imds_disabled), "false",
      .help = "Do not use instance metadata." },
    { "BERTH_SOCKET", &type_path, FIELD(admin_socket), "/run/berth/berth.sock",
      .help = "The unix socket on which berth status and its like find the agent." },
    { "BERTH_START_PARALLEL", &type_int, FIELD(start_parallel), "0",
      .help =
          "How many containers may be created or started at the same time, 0 to 1000. 0 chooses by "
          "the number of processors.",
      .max = 1000 },
    { "BERTH_PULL_PARALLEL", &type_int, FIELD(pull_parallel), "0",
      .help = "How many images may be pulled at the same time, 0 to 1000. 0 chooses by the number "
              "of processors.",
      .max = 1000 },
    { "BERTH_DISK_HIGH_WATERMARK", &type_int, FIELD(disk_high_pct), "85",
      .help = "At this percentage of use of Docker's disk, images that no task uses are removed "
              "before their age says so, 1 to 100.",
      .min = 1, .max = 100 },
    { "BERTH_DISK_LOW_WATERMARK", &type_int, FIELD(disk_low_pct), "80",
      .help = "Removing ends at this percentage. It is below BERTH_DISK_HIGH_WATERMARK; else both "
              "have their defaults.",
      .min = 0, .max = 99 },
    { "BERTH_DISK_CHECK_INTERVAL", &type_duration, FIELD(disk_check_ms), "30s",
      .help = "How often the use of Docker's disk is looked at, at least 1s.", .min = SECOND,
      .below = BELOW_RAISE },
    { "BERTH_LOCAL_TASKS", &type_path, FIELD(local_tasks_dir), "/etc/ecs/tasks.d",
      .help = "The directory of local tasks: each file NAME.json is a task definition that is kept "
              "running here without a control plane." },
};
const size_t vars_n = COUNT_OF(vars);

/* Names of the reference agent that have no row yet: setting them is no typing
 * mistake, and has no effect. */
static const char *const elsewhere[] = {
    "CREDENTIALS_FETCHER_HOST",
    "CREDENTIALS_FETCHER_HOST_DIR",
    "CREDENTIALS_FETCHER_SECRET_NAME_FOR_DOMAINLESS_GMSA",
    "ECS_AGENT_APPARMOR_PROFILE",
    "ECS_AGENT_CONFIG_FILE_PATH",
    "ECS_AGENT_HEALTHCHECK_HOST",
    "ECS_AGENT_LABELS",
    "ECS_AGENT_PID_NAMESPACE_HOST",
    "ECS_AGENT_RUN_PRIVILEGED",
    "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS",
    "ECS_ALTERNATE_CREDENTIAL_PROFILE",
    "ECS_AUDIT_LOGFILE",
    "ECS_AUDIT_LOGFILE_DISABLED",
    "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES",
    "ECS_AWSVPC_BLOCK_IMDS",
    "ECS_CHECKPOINT",
    "ECS_CNI_PLUGINS_PATH",
    "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM",
    "ECS_DISABLE_TASK_METADATA_AZ",
    "ECS_DOMAIN_JOINED_LINUX_INSTANCE",
    "ECS_EBSTA_SUPPORTED",
    "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE",
    "ECS_ENABLE_CONTAINER_METADATA",
    "ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND",
    "ECS_ENABLE_FIRELENS_ASYNC",
    "ECS_ENABLE_GPU_SUPPORT",
    "ECS_ENABLE_HIGH_DENSITY_ENI",
    "ECS_ENABLE_INF_SUPPORT",
    "ECS_ENABLE_MEMORY_UNBOUNDED_WINDOWS_WORKAROUND",
    "ECS_ENABLE_PROMETHEUS_METRICS",
    "ECS_ENABLE_RUNTIME_STATS",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING",
    "ECS_ENABLE_TASK_ENI",
    "ECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED",
    "ECS_GMSA_SUPPORTED",
    "ECS_HOST_DATA_DIR",
    "ECS_INIT_DOCKER_LOG_FILE_NUM",
    "ECS_INIT_DOCKER_LOG_FILE_SIZE",
    "ECS_INSTANCE_IP_COMPATIBILITY",
    "ECS_LOGLEVEL_ON_INSTANCE",
    "ECS_LOG_DRIVER",
    "ECS_LOG_MAX_FILE_SIZE_MB",
    "ECS_LOG_MAX_ROLL_COUNT",
    "ECS_LOG_OPTS",
    "ECS_LOG_ROLLOVER_TYPE",
    "ECS_NVIDIA_RUNTIME",
    "ECS_OFFHOST_INTROSPECTION_INTERFACE_NAME",
    "ECS_PAUSE_LABELS",
    "ECS_POLLING_METRICS_WAIT_DURATION",
    "ECS_POLL_METRICS",
    "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER",
    "ECS_TASK_METADATA_RPS_LIMIT",
    "ECS_UPDATES_ENABLED",
    "ECS_UPDATE_DOWNLOAD_DIR",
    "ECS_VOLUME_PLUGIN_CAPABILITIES",
    "ECS_WARM_POOLS_CHECK",
};

size_t vars_find(struct str name)
{
    size_t i = 0;

    while (i < vars_n && !str_is(name, vars[i].name))
        i++;
    return i;
}

bool vars_known_elsewhere(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        if (str_is(name, elsewhere[i]))
            return true;
    return false;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_MAX_N + 1], corner, above;

    if (a.n > NAME_MAX_N || b.n > NAME_MAX_N)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            above = row[j + 1];
            row[j + 1] = min3(above + 1, row[j] + 1, corner + (a.p[i] != b.p[j]));
            corner = above;
        }
    }
    return row[b.n];
}

const char *vars_nearest(struct str name)
{
    const char *best = NULL;
    size_t least = name.n / 5 + 1; /* more edits than that make another word */

    for (size_t i = 0; i < vars_n + COUNT_OF(elsewhere); i++) {
        const char *known = i < vars_n ? vars[i].name : elsewhere[i - vars_n];
        size_t d = distance(name, str_of(known));

        if (d < least || (d == least && !best)) {
            best = known;
            least = d;
        }
    }
    return best;
}

const struct config_var *config_vars(size_t *n)
{
    static struct config_var out[COUNT_OF(vars)];

    for (size_t i = 0; i < vars_n; i++)
        out[i] = (struct config_var){ vars[i].name, vars[i].type->name, vars[i].def, vars[i].help };
    *n = vars_n;
    return out;
}
