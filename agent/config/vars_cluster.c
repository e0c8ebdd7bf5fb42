/* Where this instance belongs and what it says of itself. */
#include "config/vars_row.h"

static const char *const tag_sources[] = { "none", "ec2_instance", NULL };
static const char *const drain_reasons[] = { "rebalance", "terminate", NULL };

static const struct var vars[] = {
    { "ECS_CLUSTER", "Cluster", &type_text, FIELD(cluster), "default",
      .help = "The cluster to join, as a name or an ARN. Unset, the cluster 'default' is joined, "
              "and created if need be." },
    { NULL, "ClusterArn", &type_text, NO_FIELD, "",
      .help = "The old name of Cluster, which counts where that is not set.", .deprecated = true },
    { "AWS_DEFAULT_REGION", "AWSRegion", &type_text, FIELD(region), "",
      .help = "The region of the cluster, for example eu-west-1. Unset, the instance metadata "
              "service is asked; with ECS_EXTERNAL it must be set. AWS_REGION is not read." },
    { "ECS_BACKEND_HOST", "APIEndpoint", &type_url, FIELD(backend_host), "",
      .help = "The control plane's URL where it is not the region's own; https:// is added where "
              "no scheme is given.",
      .fatal = true },
    { "ECS_EXTERNAL", "External", &type_bool, FIELD(external), "false",
      .help = "This machine is not an EC2 instance (ECS Anywhere): no instance metadata is asked "
              "for, and AWS_DEFAULT_REGION must be set in the environment or in this file." },
    { NULL, "NoIID", &type_bool, FIELD(no_iid), "false",
      .help = "Register without the instance identity document.", .plain = true },
    { "ECS_INSTANCE_ATTRIBUTES", "InstanceAttributes", &type_map, FIELD(instance_attributes), "",
      .help = "Attributes of this instance for placement, as a JSON object of strings; they count "
              "at the first registration. A mistake stops the agent.",
      .fatal = true },
    { "ECS_CONTAINER_INSTANCE_TAGS", "ContainerInstanceTags", &type_map, FIELD(instance_tags), "",
      .help = "Tags of this instance, as a JSON object of strings. A mistake stops the agent.",
      .fatal = true },
    { "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM", "ContainerInstancePropagateTagsFrom",
      &type_switch, FIELD(tags_from_ec2), "none",
      .help = "ec2_instance: the tags of the EC2 instance are registered too; those of "
              "ECS_CONTAINER_INSTANCE_TAGS win. none: they are not.",
      .only = tag_sources },
    { "ECS_DETAILED_OS_FAMILY", NULL, &type_text, FIELD(detailed_os_family), "LINUX",
      .help = "The operating system to announce. Unset, it is taken from /etc/os-release; set to "
              "nothing, it is not announced.",
      .keep_empty = true },
    { "ECS_ENABLE_SPOT_INSTANCE_DRAINING", "SpotInstanceDrainingEnabled", &type_bool,
      FIELD(spot_draining), "false",
      .help = "Set this instance to DRAINING as soon as an interruption of the spot instance is "
              "announced.",
      .reload = true },
    { "BERTH_DRAIN_ON", NULL, &type_words, FIELD(drain_on), "",
      .help = "What else sets this instance to DRAINING, besides a spot interruption with "
              "ECS_ENABLE_SPOT_INSTANCE_DRAINING, as words between commas: 'rebalance', a "
              "rebalance recommendation; 'terminate', the Auto Scaling group takes the instance "
              "out.",
      .only = drain_reasons, .reload = true },
    { "ECS_WARM_POOLS_CHECK", "WarmPoolsSupport", &type_bool, FIELD(warm_pools), "false",
      .help = "Wait with registering while the Auto Scaling group keeps this instance in its warm "
              "pool." },
    { "ECS_AGENT_CONFIG_FILE_PATH", NULL, &type_path, FIELD(json_path), "/etc/ecs/ecs.config.json",
      .help = "The JSON file of settings; it speaks where this file and the environment do not. "
              "It may be absent." },
    { "BERTH_INSTANCE_CONFIG", NULL, &type_path, NO_FIELD, "/var/lib/ecs/ecs.config",
      .help = "The file of settings that came with this machine's image or installer; it speaks "
              "where /etc/ecs/ecs.config does not. Read from the environment only.",
      .in_env = true, .env_only = true },
    { "ECS_DATADIR", "DataDir", &type_path, FIELD(data_dir), "/var/lib/ecs/data",
      .help = "The directory of the agent's state. /data, a path of the reference agent's "
              "container, means the default." },
    { "BERTH_SOCKET", NULL, &type_path, FIELD(admin_socket), "/run/berth/berth.sock",
      .help = "The unix socket on which berth status and its like find the agent." },
    { "BERTH_LOCAL_TASKS", NULL, &type_path, FIELD(local_tasks_dir), "/etc/ecs/tasks.d",
      .help = "The directory of local tasks: each file NAME.json is a task definition that is "
              "kept running here without a control plane." },
};
const struct var_group vars_cluster = GROUP(vars);
