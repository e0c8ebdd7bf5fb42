/* What tasks may have and how they are run. */
#include "config/vars_row.h"

static const char *const log_driver_names[] = {
    "json-file", "syslog",     "journald",  "gelf", "fluentd",     "awslogs",
    "splunk",    "logentries", "sumologic", "none", "awsfirelens", NULL,
};
static const char *const rule_choices[] = { "keep", "remove", "none", NULL };
static const char *const ip_families[] = { "auto", "ipv4", "ipv6", NULL };

#define LOG_DRIVERS "[\"json-file\",\"syslog\",\"awslogs\",\"fluentd\",\"none\"]"

static const struct var vars[] = {
    { "DOCKER_HOST", "DockerEndpoint", &type_endpoint, FIELD(docker_endpoint),
      "unix:///var/run/docker.sock",
      .help = "Where the Docker Engine listens. A mistake stops the agent.", .fatal = true },
    { "ECS_RESERVED_PORTS", "ReservedPorts", &type_ports, FIELD(reserved_ports),
      "[22,2375,2376,51678,51679]", .help = "TCP ports that no task may take, as a JSON list." },
    { "ECS_RESERVED_PORTS_UDP", "ReservedPortsUDP", &type_ports, FIELD(reserved_ports_udp), "[]",
      .help = "UDP ports that no task may take, as a JSON list." },
    { "ECS_RESERVED_MEMORY", "ReservedMemory", &type_int, FIELD(reserved_memory_mib), "0",
      .help = "MiB of memory that are kept from tasks, 0 to 65535.", .max = UINT16_MAX },
    { "ECS_AVAILABLE_LOGGING_DRIVERS", "AvailableLoggingDrivers", &type_strings, FIELD(log_drivers),
      LOG_DRIVERS,
      .help = "The log drivers that tasks may use, as a JSON list. An unknown name stops the "
              "agent; what is no list gives json-file and none.",
      .bad = "[\"json-file\",\"none\"]", .fatal_name = true, .only = log_driver_names },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "TaskCleanupWaitDuration", &type_duration,
      FIELD(task_cleanup_wait_ms), "3h",
      .help = "How long a stopped task's containers are kept. Less than 1s gives the default.",
      .min = SECOND, .below = BELOW_DEFAULT, .reload = true },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", "TaskCleanupWaitDurationJitter",
      &type_duration, FIELD(task_cleanup_jitter_ms), "0s",
      .help = "Up to this much, chosen at random, is added to the cleanup wait of each task.",
      .min = 0, .below = BELOW_DEFAULT, .reload = true },
    { "ECS_CONTAINER_STOP_TIMEOUT", "DockerStopTimeout", &type_duration, FIELD(stop_timeout_ms),
      "30s", .help = "How long a container may take to stop before it is killed, at least 1s.",
      .min = SECOND, .below = BELOW_RAISE, .json_strict = true, .reload = true },
    { "BERTH_SHUTDOWN_TIMEOUT", NULL, &type_duration, FIELD(shutdown_ms), "2m",
      .help = "How long the agent has when the host goes down, 1s to 10m: all tasks are stopped, "
              "each container with its stop timeout, the control plane is told, and the last logs "
              "are shipped. What is left then ends with Docker. Anything else gives the default.",
      .min = SECOND, .max = 600 * SECOND, .below = BELOW_DEFAULT, .reload = true },
    { "ECS_CONTAINER_START_TIMEOUT", "ContainerStartTimeout", &type_duration,
      FIELD(start_timeout_ms), "3m",
      .help = "How long starting a container may take, at least 45s.", .min = 45 * SECOND,
      .below = BELOW_RAISE, .json_strict = true, .reload = true },
    { "ECS_CONTAINER_CREATE_TIMEOUT", "ContainerCreateTimeout", &type_duration,
      FIELD(create_timeout_ms), "4m",
      .help = "How long creating a container may take, at least 1m.", .min = 60 * SECOND,
      .below = BELOW_RAISE, .reload = true },
    { "ECS_MANIFEST_PULL_TIMEOUT", "ManifestPullTimeout", &type_duration,
      FIELD(manifest_pull_timeout_ms), "1m",
      .help = "How long asking a registry for an image's digest may take, at least 30s.",
      .min = 30 * SECOND, .below = BELOW_RAISE, .reload = true },
    { "ECS_IMAGE_PULL_TIMEOUT", "ImagePullTimeout", &type_duration, FIELD(pull_timeout_ms), "2h",
      .help = "How long pulling an image may take. Less than 1s gives the default.", .min = SECOND,
      .below = BELOW_DEFAULT, .reload = true },
    { "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", "ImagePullInactivityTimeout", &type_duration,
      FIELD(pull_inactivity_ms), "1m", .help = "How long a pull may make no progress, at least 1m.",
      .min = 60 * SECOND, .below = BELOW_RAISE, .reload = true },
    { "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", "DependentContainersPullUpfront", &type_bool,
      FIELD(pull_upfront), "false",
      .help = "Pull the images of containers that wait for others at once.", .reload = true },
    { "ECS_ENGINE_AUTH_TYPE", "EngineAuthType", &type_text, FIELD(engine_auth_type), "",
      .help = "What ECS_ENGINE_AUTH_DATA holds: docker or dockercfg.", .reload = true },
    { "ECS_ENGINE_AUTH_DATA", "EngineAuthData", &type_json_secret, FIELD(engine_auth_data), "",
      .help = "Credentials for private registries, as a JSON object. Never shown.", .secret = true,
      .reload = true },
    { "BERTH_START_PARALLEL", NULL, &type_int, FIELD(start_parallel), "0",
      .help = "How many containers may be created or started at the same time, 0 to 1000. 0 "
              "chooses by the number of processors.",
      .max = 1000, .reload = true },
    { "BERTH_PULL_PARALLEL", NULL, &type_int, FIELD(pull_parallel), "0",
      .help = "How many images may be pulled at the same time, 0 to 1000. 0 chooses by the number "
              "of processors.",
      .max = 1000, .reload = true },

    { "ECS_ENABLE_TASK_CPU_MEM_LIMIT", "TaskCPUMemLimit", &type_tristate, FIELD(task_limits), "",
      .help = "Give each task a control group with the limits of the whole task. Unset, this is "
              "done where it can be; true makes it a condition for starting." },
    { "ECS_CGROUP_PATH", "CgroupPath", &type_path, FIELD(cgroup_path), "/sys/fs/cgroup",
      .help = "Where the control groups are mounted." },
    { "ECS_CGROUP_CPU_PERIOD", "CgroupCPUPeriod", &type_duration, FIELD(cgroup_cpu_period_us),
      "100ms",
      .help = "The period of a task's CPU quota, 8ms to 100ms. Anything else gives the default.",
      .min = 8 * MILLI, .max = 100 * MILLI, .unit_ns = MICRO, .below = BELOW_DEFAULT,
      .json_ignored = true, .reload = true },
    { "ECS_TASK_PIDS_LIMIT", "TaskPidsLimit", &type_int, FIELD(task_pids_limit), "",
      .help = "How many processes a task may have, 1 to 4194304. Unset, there is no limit.",
      .min = 1, .max = 4194304, .reload = true },
    { "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2", "PropagateTaskMemoryLimitCgroupV2", &type_bool,
      FIELD(propagate_memory), "false",
      .help = "With version 2 of control groups, give the task's memory limit also to each of its "
              "containers without one." },
    { "ECS_DYNAMIC_HOST_PORT_RANGE", "DynamicHostPortRange", &type_range, FIELD(dynamic_ports), "",
      .help = "The host ports to choose from where a task names none, for example 49153-65535. "
              "Unset, the kernel's range of local ports counts.",
      .json_ignored = true },
    { "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG", "SharedVolumeMatchFullConfig", &type_bool,
      FIELD(shared_volume_match_full), "false",
      .help = "A shared volume that is there already must have the same driver options and labels, "
              "not only the same name.",
      .reload = true },
    { "ECS_PAUSE_LABELS", NULL, &type_map, FIELD(pause_labels), "",
      .help = "Labels for the containers that hold a task's namespaces, as a JSON object of "
              "strings.",
      .reload = true },
    { "ECS_ENABLE_TASK_IAM_ROLE", "TaskIAMRoleEnabled", &type_bool, FIELD(task_iam_role), "true",
      .help = "Serve role credentials to tasks in bridge networks.", .bad = "false" },
    { "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", "TaskIAMRoleEnabledForNetworkHost", &type_bool,
      FIELD(task_iam_role_network_host), "true",
      .help = "Serve role credentials to tasks in the host's network.", .bad = "false",
      .plain = true },
    { "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", "OverrideAWSLogsExecutionRole", &type_bool,
      FIELD(awslogs_execution_role), "true",
      .help = "Send the logs of the awslogs driver with the credentials of the task's execution "
              "role.",
      .bad = "false" },
    { "ECS_DISABLE_PRIVILEGED", "PrivilegedDisabled", &type_bool, FIELD(privileged_disabled),
      "false", .help = "Refuse privileged containers." },
    { "ECS_SELINUX_CAPABLE", "SELinuxCapable", &type_bool, FIELD(selinux), "false",
      .help = "Announce that containers may have SELinux labels." },
    { "ECS_APPARMOR_CAPABLE", "AppArmorCapable", &type_bool, FIELD(apparmor), "false",
      .help = "Announce that containers may have AppArmor profiles." },
    { "ECS_ENABLE_GPU_SUPPORT", "GPUSupportEnabled", &type_bool, FIELD(gpu_support), "false",
      .help = "Register the GPUs of this machine. In the instance's file it counts only where "
              "there are /dev/nvidia* devices.",
      .plain = true },
    { "BERTH_TASKS_PORT", NULL, &type_int, FIELD(tasks_port), "51679",
      .help = "The port of 127.0.0.1 where tasks find the credentials of their roles and their "
              "metadata. 0: they are not served.",
      .max = UINT16_MAX },
    { "BERTH_INTROSPECTION_PORT", NULL, &type_int, FIELD(introspection_port), "51678",
      .help = "The port where people and other agents on this host find what runs here. 0: it is "
              "not served.",
      .max = UINT16_MAX },
    { "ECS_AGENT_HEALTHCHECK_HOST", NULL, &type_text, FIELD(healthcheck_host), "localhost",
      .help = "Where \"berth agent -healthcheck\" finds the agent's introspection server." },
    { "BERTH_METRICS", NULL, &type_bool, FIELD(metrics_endpoint), "true",
      .help = "Serve /metrics, in the text format of Prometheus, at BERTH_INTROSPECTION_PORT. "
              "Containers of the default bridge reach that port too: false where they are not to "
              "see what else runs here.",
      .reload = true },
    { "BERTH_NETWORK_RULES", NULL, &type_choice, FIELD(network_rules), "keep",
      .help = "The rules that lead 169.254.170.2 to BERTH_TASKS_PORT and keep others from what is "
              "meant for this host: keep (put, and left in place when the agent ends, so that "
              "tasks find the next one), remove (taken away when it ends), or none (somebody "
              "else sees to them).",
      .only = rule_choices },
    { "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", NULL, &type_bool, FIELD(skip_localhost_filter), "false",
      .help = "Do not drop packets for 127.0.0.0/8 that come from elsewhere." },
    { "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", NULL, &type_bool, FIELD(offhost_introspection),
      "false", .help = "Let other machines reach the introspection server." },
    { "ECS_ENABLE_CONTAINER_METADATA", "ContainerMetadataEnabled", &type_bool,
      FIELD(container_metadata), "false",
      .help = "Put a file with metadata into each container; ECS_CONTAINER_METADATA_FILE says "
              "where." },
    { "BERTH_BIND_CREDENTIALS", NULL, &type_bool, FIELD(bind_credentials), "true",
      .help = "Refuse a task the credentials of another one's role, where it can be told who "
              "asks.",
      .reload = true },
    { "BERTH_STOP_DIGEST", NULL, &type_bool, FIELD(stop_digest), "true",
      .help = "Tell the control plane how the container ended that took its task down, as its "
              "reason, where the reference agent gives none. Such tasks leave a record on this "
              "host in any case; see berth why.",
      .reload = true },
    { "ECS_TASK_METADATA_RPS_LIMIT", "TaskMetadataSteadyStateRate", &type_rates,
      FIELD(metadata_rate), "40,60",
      .help = "How many requests a second a task may make for its metadata: steadily, and at "
              "once." },
    { NULL, "TaskMetadataBurstRate", &type_int, NO_FIELD, "",
      .help = "The second number of ECS_TASK_METADATA_RPS_LIMIT.", .min = INT32_MIN,
      .max = INT32_MAX },
    { "ECS_DISABLE_TASK_METADATA_AZ", "TaskMetadataAZDisabled", &type_bool,
      FIELD(metadata_az_disabled), "false",
      .help = "Leave the availability zone out of the metadata of tasks.", .plain = true },
    { "ECS_AUDIT_LOGFILE", "CredentialsAuditLogFile", &type_path, FIELD(audit_log),
      "/var/log/ecs/audit.log", .help = "The log of who asked for credentials." },
    { "ECS_AUDIT_LOGFILE_DISABLED", "CredentialsAuditLogDisabled", &type_bool,
      FIELD(audit_log_disabled), "false", .help = "Keep no log of who asked for credentials.",
      .plain = true },
    { "ECS_DISABLE_DOCKER_HEALTH_CHECK", "DisableDockerHealthCheck", &type_bool,
      FIELD(disable_health_check), "false", .help = "Do not report the health of containers." },
    { "ECS_DISABLE_METRICS", "DisableMetrics", &type_bool, FIELD(disable_metrics), "false",
      .help = "Do not measure and report the use of CPU and memory." },
    { "ECS_EXCLUDE_IPV6_PORTBINDING", "ShouldExcludeIPv6PortBinding", &type_bool,
      FIELD(exclude_ipv6_binding), "true",
      .help = "Leave IPv6 addresses out of the port bindings that are reported. On an instance "
              "with IPv6 only, they are always reported.",
      .reload = true },
    { "ECS_INSTANCE_IP_COMPATIBILITY", NULL, &type_choice, FIELD(ip_compat), "auto",
      .help = "Which addresses this instance reaches others with: ipv4, ipv6, or auto, which "
              "looks at its routes.",
      .only = ip_families, .any_case = true },
};
const struct var_group vars_tasks = GROUP(vars);
