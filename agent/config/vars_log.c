/* The agent's own log. */
#include "config/vars_row.h"

static const char *const formats[] = { "logfmt", "json", NULL };
static const char *const rollovers[] = {
    [ROLLOVER_SIZE] = "size",
    [ROLLOVER_HOURLY] = "hourly",
    [ROLLOVER_NONE] = "none",
    NULL,
};

static const struct var vars[] = {
    { "ECS_LOGFILE", NULL, &type_path, FIELD(log_file), "",
      .help = "The file of the agent's log. Unset, it goes to standard error only, and so to the "
              "journal.",
      .reload = true },
    { "ECS_LOGLEVEL", NULL, &type_level, FIELD(log_level), "info",
      .help = "What is logged to standard error: debug, info, warn, error, crit or none.",
      .reload = true },
    { "ECS_LOGLEVEL_ON_INSTANCE", NULL, &type_level, FIELD(log_level_file), "",
      .help = "What is logged to the file of ECS_LOGFILE. Unset, the same as to standard error, "
              "but nothing where ECS_LOG_DRIVER is set.",
      .reload = true },
    { "ECS_LOG_DRIVER", NULL, &type_text, FIELD(log_driver), "",
      .help = "The log driver of the reference agent's container. Here it only turns off the log "
              "file, unless ECS_LOGLEVEL_ON_INSTANCE is set.",
      .reload = true },
    { "ECS_LOG_OUTPUT_FORMAT", NULL, &type_switch, FIELD(log_json), "logfmt",
      .help = "logfmt or json.", .only = formats, .reload = true },
    { "ECS_LOG_ROLLOVER_TYPE", NULL, &type_choice, FIELD(log_rollover), "size",
      .help = "When a new log file is begun: at a size, hourly, or none for never.",
      .nonsense = "hourly", .only = rollovers, .reload = true },
    { "ECS_LOG_MAX_FILE_SIZE_MB", NULL, &type_megabytes, FIELD(log_max_bytes), "5",
      .help = "At how many millions of bytes a new log file is begun, with "
              "ECS_LOG_ROLLOVER_TYPE=size.",
      .reload = true },
    { "ECS_LOG_MAX_ROLL_COUNT", NULL, &type_int, FIELD(log_roll_count), "24",
      .help = "How many old log files are kept, at least 1.", .min = 1, .max = INT32_MAX,
      .reload = true },
};
const struct var_group vars_log = GROUP(vars);
