#pragma once
/* preflight: is this machine fit to run tasks?
 *
 * Looks at everything the agent needs, by the means that the agent has, and runs one container.
 * What is looked at goes on side by side, each thing with its own limit; all of it is over within
 * PREFLIGHT_LIMIT_MS, whatever hangs. Nothing of what is found holds a secret.
 *
 * It leaves the machine as the agent's next start would: with the parent of the tasks' control
 * groups, and, unless another image was named, with the pause image. Below: base, io, task,
 * config, aws, docker, host. Never logs. */
#include <stdbool.h>

#include "base/str.h"

#define PREFLIGHT_LIMIT_MS 14000

enum preflight_check {
    PREFLIGHT_CONFIGURATION,
    PREFLIGHT_FILES,
    PREFLIGHT_DISK, /* of the data directory */
    PREFLIGHT_PORTS,
    PREFLIGHT_ENGINE,
    PREFLIGHT_ENGINE_DISK,
    PREFLIGHT_CGROUPS,
    PREFLIGHT_PACKET_FILTER,
    PREFLIGHT_METADATA,
    PREFLIGHT_CREDENTIALS,
    PREFLIGHT_CONTROL_PLANE,
    PREFLIGHT_LOGS,
    PREFLIGHT_CLOCK,
    PREFLIGHT_PROBE,
    PREFLIGHT__COUNT
};

enum preflight_verdict { PREFLIGHT_PASS, PREFLIGHT_WARN, PREFLIGHT_FAIL, PREFLIGHT_SKIP };

struct preflight_row {
    enum preflight_verdict verdict;
    char finding[512];
    char todo[256]; /* "": nothing */
};

const char *preflight_check_name(enum preflight_check c);     /* "engine-disk" */
const char *preflight_verdict_name(enum preflight_verdict v); /* "PASS" */

struct preflight_args { /* all borrowed */
    const char *config_file;
    const char *user_agent;
    /* No metadata service, no endpoint, no credentials: a machine that is being made. */
    bool offline;
    const char *image; /* of the probe; NULL: the pause image */
    /* What makes the pause image when it is not there. */
    struct str pause_archive;
    const char *pause_entry_point;
};

/* Runs a loop of its own. False: something hangs that cannot be ended (a file system, a device).
 * The rows are right all the same, but only _exit(2) ends the process. */
bool preflight_run(const struct preflight_args *args, struct preflight_row rows[PREFLIGHT__COUNT]);
