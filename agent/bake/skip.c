/* skip: what the settings make superfluous to look at. */
#include "bake/internal.h"

static bool ships_logs(const struct config *c)
{
    for (size_t i = 0; i < c->log_drivers.n; i++)
        if (streq(c->log_drivers.items[i], "awslogs"))
            return true;
    return false;
}

static const char *skip_cloud(enum preflight_check c, const struct config *config)
{
    if (c == PREFLIGHT_METADATA && config->external)
        return "an external instance has no metadata service (ECS_EXTERNAL)";
    if (c == PREFLIGHT_METADATA && config->imds_disabled)
        return "turned off (AWS_EC2_METADATA_DISABLED)";
    if (c == PREFLIGHT_LOGS && config->log_sink)
        return "logs go to files (BERTH_LOG_SINK)";
    if (c == PREFLIGHT_LOGS && !ships_logs(config))
        return "awslogs is none of ECS_AVAILABLE_LOGGING_DRIVERS";
    return NULL;
}

const char *preflight_skip(enum preflight_check c, const struct config *config, bool offline)
{
    switch (c) {
    case PREFLIGHT_METADATA:
    case PREFLIGHT_CREDENTIALS:
    case PREFLIGHT_CONTROL_PLANE:
    case PREFLIGHT_LOGS:
    case PREFLIGHT_CLOCK:
        return offline ? "not looked at (--offline)" : skip_cloud(c, config);
    case PREFLIGHT_PORTS:
        return config->tasks_port || config->introspection_port
                   ? NULL
                   : "no endpoint is served (BERTH_TASKS_PORT, BERTH_INTROSPECTION_PORT)";
    case PREFLIGHT_PACKET_FILTER:
        if (!config->tasks_port)
            return "no endpoint is served to tasks (BERTH_TASKS_PORT)";
        return config->network_rules == RULES_NONE ? "no rules are wanted (BERTH_NETWORK_RULES)"
                                                   : NULL;
    case PREFLIGHT_CGROUPS:
        return config->task_limits == TRI_FALSE
                   ? "tasks get no limits of their own (ECS_ENABLE_TASK_CPU_MEM_LIMIT)"
                   : NULL;
    case PREFLIGHT_CONFIGURATION:
    case PREFLIGHT_FILES:
    case PREFLIGHT_DISK:
    case PREFLIGHT_ENGINE:
    case PREFLIGHT_ENGINE_DISK:
    case PREFLIGHT_PROBE:
    case PREFLIGHT__COUNT:
        break;
    }
    return NULL;
}
