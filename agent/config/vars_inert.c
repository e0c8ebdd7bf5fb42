/* What has no meaning here: it is checked for its form and otherwise without effect. */
#include "config/vars_row.h"

#define INERT CONFIG_INERT

static const struct var vars[] = {
    { "ECS_UPDATES_ENABLED", "UpdatesEnabled", &type_bool, NO_FIELD, "true",
      .help = "Whether the control plane may update the reference agent. Berth is updated by its "
              "package and refuses staged updates.",
      .support = INERT },
    { "ECS_UPDATE_DOWNLOAD_DIR", "UpdateDownloadDir", &type_path, NO_FIELD, "/var/cache/ecs",
      .help = "Where staged updates of the reference agent are put. Berth is updated by its "
              "package and refuses staged updates.",
      .support = INERT },
    { "ECS_HOST_DATA_DIR", "DataDirOnHost", &type_path, NO_FIELD, "/var/lib/ecs",
      .help = "Where the host keeps what the reference agent's container has in ECS_DATADIR. "
              "Berth has no container.",
      .support = INERT },
    { "ECS_ENABLE_RUNTIME_STATS", "EnableRuntimeStats", &type_bool, NO_FIELD, "false",
      .help = "Profiles of the reference agent's language runtime.", .support = INERT },
    { NULL, "RuntimeStatsLogFile", &type_text, NO_FIELD, "",
      .help = "The log of ECS_ENABLE_RUNTIME_STATS.", .support = INERT },
    { NULL, "PauseContainerTarballPath", &type_text, NO_FIELD, "/images/amazon-ecs-pause.tar",
      .help = "The reference agent's pause image. Berth makes its own.", .support = INERT },
    { NULL, "PauseContainerImageName", &type_text, NO_FIELD, "amazon/amazon-ecs-pause",
      .help = "The name of the reference agent's pause image. Berth makes its own.",
      .support = INERT },
    { NULL, "PauseContainerTag", &type_text, NO_FIELD, "0.1.0",
      .help = "The tag of the reference agent's pause image. Berth makes its own.",
      .support = INERT },

    /* The reference agent's own container. */
    { "ECS_AGENT_LABELS", NULL, &type_map, NO_FIELD, "",
      .help = "Labels of the reference agent's container.", .support = INERT },
    { "ECS_AGENT_APPARMOR_PROFILE", NULL, &type_text, NO_FIELD, "ecs-agent-default",
      .help = "The AppArmor profile of the reference agent's container.", .support = INERT },
    { "ECS_AGENT_PID_NAMESPACE_HOST", NULL, &type_bool, NO_FIELD, "false",
      .help = "Whether the reference agent's container has the host's processes.",
      .support = INERT },
    { "ECS_AGENT_RUN_PRIVILEGED", NULL, &type_bool, NO_FIELD, "false",
      .help = "Whether the reference agent's container is privileged.", .support = INERT },
    { "ECS_INIT_DOCKER_LOG_FILE_SIZE", NULL, &type_text, NO_FIELD, "16m",
      .help = "The size of log files of the reference agent's container.", .support = INERT },
    { "ECS_INIT_DOCKER_LOG_FILE_NUM", NULL, &type_int, NO_FIELD, "4",
      .help = "The number of log files of the reference agent's container.", .support = INERT,
      .min = 0, .max = INT32_MAX },
    { "ECS_OFFHOST_INTROSPECTION_INTERFACE_NAME", NULL, &type_text, NO_FIELD, "",
      .help = "An interface that the reference agent no longer asks about.", .support = INERT,
      .deprecated = true },

    /* Windows. */
    { "ECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED", NULL, &type_bool, NO_FIELD, "false",
      .help = "File servers for Windows.", .support = INERT },
    { "ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND", NULL, &type_bool, NO_FIELD, "false",
      .help = "CPU shares on Windows.", .support = INERT },
    { "ECS_ENABLE_MEMORY_UNBOUNDED_WINDOWS_WORKAROUND", NULL, &type_bool, NO_FIELD, "false",
      .help = "Memory reservations on Windows.", .support = INERT },
};
const struct var_group vars_inert = GROUP(vars);
