/* The agent's own log, and how the logs of containers are shipped. */
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
      .help =
          "awslogs: what the agent logs to standard error is shipped, too, as ECS_LOG_OPTS says, "
          "from the agent's next start on. Other drivers only give a warning. Any value turns "
          "off the log file, unless ECS_LOGLEVEL_ON_INSTANCE is set.",
      .reload = true },
    { "ECS_LOG_OPTS", NULL, &type_map, FIELD(log_opts), "",
      .help = "With ECS_LOG_DRIVER=awslogs: the options of that driver, by which the agent's own "
              "log is shipped. A JSON object. Without awslogs-stream the stream is called "
              "<id of the instance>/berth, or, where that is unknown, <host name>/berth." },
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
    { "BERTH_LOG_SPOOL_MB", NULL, &type_int, FIELD(log_spool_mb), "384",
      .help = "How many mebibytes of the disk the log of a container may take while it waits to be "
              "shipped (driver awslogs): four files of a sixth of it, and two that the engine has "
              "removed, until their lines are counted. A container's max-buffer-size counts more. "
              "When it is full, the oldest lines go, counted; a container with mode=blocking is "
              "frozen before that, when the files are full to 70 %, until half of them is "
              "shipped; what it writes until it stands still is kept beside them, at most 64 MiB. "
              "Less than 64 in all is soon outrun by one that writes as fast as it can on a "
              "busy host.",
      .min = 1, .max = 1 << 20 },
    { "BERTH_LOG_SINK", NULL, &type_sink, FIELD(log_sink), "",
      .help = "Where the logs of containers with the driver awslogs go: unset, to the service; "
              "file:/path, to files below this folder, <group>/<stream>.log." },
    { "BERTH_LOG_ASK_BACK", NULL, &type_bool, FIELD(log_ask_back), "true",
      .help = "After a crash, ask the service which lines it has already, so that none is sent "
              "twice." },
};
const struct var_group vars_log = GROUP(vars);
