#pragma once
/* acs_url: where the sessions with the control plane are opened. Pure. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct acs_url_args {     /* all borrowed */
    const char *endpoint; /* from DiscoverPollEndpoint */
    const char *agent_hash, *agent_version;
    const char *cluster; /* as configured, usually a short name */
    const char *instance_arn;
    const char *docker_version; /* NULL: unknown, then not said */
    bool send_credentials;      /* not of telemetry */
};

/* https://host/ws?agentHash=...: keys in order, values escaped as they are signed. */
MUST_CHECK enum err_code acs_url(const struct acs_url_args *args, struct buf *out, struct err *e);
/* The same of the telemetry session, which names things otherwise. */
MUST_CHECK enum err_code tcs_url(const struct acs_url_args *args, struct buf *out, struct err *e);
