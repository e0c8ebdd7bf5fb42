/* Of features that are not there yet. */
#include "config/vars_row.h"

#define LATER CONFIG_LATER

static const struct var vars[] = {
    { "ECS_CHECKPOINT", "Checkpoint", &type_bool, FIELD(checkpoint), "true",
      .help = "Keep the state over restarts of the agent. The state is always kept.",
      .support = LATER, .later = "the state is always kept" },

    /* Metrics, metadata and credentials for tasks. */
    { "ECS_POLL_METRICS", "PollMetrics", &type_bool, FIELD(poll_metrics), "false",
      .help = "Ask for the use of CPU and memory from time to time instead of following it.",
      .support = LATER },
    { "ECS_POLLING_METRICS_WAIT_DURATION", "PollingMetricsWaitDuration", &type_duration,
      FIELD(polling_wait_ms), "10s", .help = "How often ECS_POLL_METRICS asks, 5s to 20s.",
      .support = LATER, .below = BELOW_DEFAULT },
    { "ECS_ENABLE_PROMETHEUS_METRICS", NULL, &type_bool, FIELD(prometheus), "false",
      .help = "Serve metrics of the agent on port 51680.", .support = LATER, .plain = true },
    { NULL, "IMDSIAMRolesEnabled", &type_bool, FIELD(imds_iam_roles), "false",
      .help = "Take the credentials of task roles from the instance metadata service.",
      .support = LATER, .plain = true },

    /* Networks of tasks. */
    { "ECS_ENABLE_TASK_ENI", "TaskENIEnabled", &type_bool, FIELD(task_eni), "true",
      .help = "Let tasks have network interfaces of their own (awsvpc). Off with ECS_EXTERNAL.",
      .support = LATER, .bad = "false" },
    { "ECS_ENABLE_HIGH_DENSITY_ENI", "ENITrunkingEnabled", &type_bool, FIELD(trunking), "true",
      .help = "Let more tasks have network interfaces than the instance has room for, with "
              "ECS_ENABLE_TASK_ENI.",
      .support = LATER },
    { "ECS_AWSVPC_BLOCK_IMDS", "AWSVPCBlockInstanceMetdata", &type_bool, FIELD(block_imds), "false",
      .help = "Keep tasks with network interfaces of their own from the instance metadata "
              "service.",
      .support = LATER },
    { "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES", "AWSVPCAdditionalLocalRoutes", &type_cidrs,
      FIELD(local_routes), "",
      .help = "Blocks of addresses that such tasks reach through the instance, as a JSON list. A "
              "mistake stops the agent.",
      .support = LATER, .fatal = true },
    { NULL, "OverrideAWSVPCLocalIPv4Address", &type_cidr, FIELD(override_ipv4), "",
      .help = "The block of addresses of the bridge between such tasks and the instance.",
      .support = LATER },
    { "ECS_CNI_PLUGINS_PATH", "CNIPluginsPath", &type_path, FIELD(cni_plugins_path),
      "/amazon-ecs-cni-plugins", .help = "The directory of the network plugins.",
      .support = LATER },
    { NULL, "ENIPauseContainerCleanupDelaySeconds", &type_int, FIELD(eni_cleanup_delay_s), "0",
      .help = "How many seconds such a task's pause container is kept after the others.",
      .support = LATER, .max = INT32_MAX },

    /* Devices and volumes. */
    { "ECS_NVIDIA_RUNTIME", "NvidiaRuntime", &type_text, FIELD(nvidia_runtime), "nvidia",
      .help = "The runtime of Docker for containers with GPUs.", .support = LATER },
    { "ECS_ENABLE_INF_SUPPORT", "InferentiaSupportEnabled", &type_bool, FIELD(inferentia), "false",
      .help = "Let containers have Inferentia devices.", .support = LATER, .plain = true },
    { "ECS_EBSTA_SUPPORTED", "EBSTASupportEnabled", &type_bool, FIELD(ebs), "true",
      .help = "Attach EBS volumes for tasks.", .support = LATER, .plain = true },
    { NULL, "CSIDriverSocketPath", &type_path, FIELD(csi_socket),
      "/var/run/ecs/ebs-csi-driver/csi-driver.sock",
      .help = "Where the driver of EBS volumes listens.", .support = LATER },
    { NULL, "NodeStageTimeout", &type_duration, FIELD(node_stage_ms), "2s",
      .help = "How long mounting an EBS volume may take.", .support = LATER,
      .below = BELOW_DEFAULT },
    { NULL, "NodeUnstageTimeout", &type_duration, FIELD(node_unstage_ms), "30s",
      .help = "How long unmounting an EBS volume may take.", .support = LATER,
      .below = BELOW_DEFAULT },
    { "ECS_VOLUME_PLUGIN_CAPABILITIES", "VolumePluginCapabilities", &type_strings,
      FIELD(volume_capabilities), "[\"efsAuth\"]",
      .help = "What the volume plugin of this machine can do, as a JSON list.", .support = LATER,
      .bad = "[]" },
    { "ECS_ENABLE_FIRELENS_ASYNC", "FirelensAsyncEnabled", &type_bool, FIELD(firelens_async),
      "true", .help = "Do not let containers wait for their FireLens log router.",
      .support = LATER },

    /* Group managed service accounts. */
    { "ECS_GMSA_SUPPORTED", "GMSACapable", &type_bool, FIELD(gmsa), "false",
      .help = "Let containers have the identity of a group managed service account.",
      .support = LATER, .json_ignored = true, .plain = true },
    { NULL, "GMSADomainlessCapable", &type_bool, NO_FIELD, "",
      .help = "Follows from ECS_GMSA_SUPPORTED.", .support = LATER, .json_ignored = true,
      .plain = true },
    { "CREDENTIALS_FETCHER_HOST", NULL, &type_text, FIELD(credentials_fetcher),
      "unix:///var/credentials-fetcher/socket/credentials_fetcher.sock",
      .help = "Where the credentials fetcher for ECS_GMSA_SUPPORTED listens.", .support = LATER },
    { "CREDENTIALS_FETCHER_HOST_DIR", NULL, &type_path, FIELD(credentials_fetcher_dir), "",
      .help = "The directory of that socket.", .support = LATER },
    { "CREDENTIALS_FETCHER_SECRET_NAME_FOR_DOMAINLESS_GMSA", NULL, &type_text,
      FIELD(credentials_fetcher_secret), "",
      .help = "The name of the secret with the user for a machine that is in no domain.",
      .support = LATER },
    { "ECS_DOMAIN_JOINED_LINUX_INSTANCE", NULL, &type_bool, FIELD(domain_joined), "false",
      .help = "This machine is in a domain.", .support = LATER },
};
const struct var_group vars_later = GROUP(vars);
