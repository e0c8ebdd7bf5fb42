#include "control/acs_url.h"

#include <string.h>

#include "aws/sigv4.h"
#include "base/str.h"

static void put(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%c%s=", strchr(buf_text(out), '?') ? '&' : '?', name);
    sigv4_escape(out, str_of(value), false);
}

static enum err_code put_path(const struct acs_url_args *args, struct buf *out, struct err *e)
{
    if (!str_starts(args->endpoint, "https://") && !str_starts(args->endpoint, "http://"))
        return err_set(e, ERR_INVALID, "poll endpoint '%.200s' is no http or https URL",
                       args->endpoint);
    if (strpbrk(args->endpoint, "?#"))
        return err_set(e, ERR_INVALID, "poll endpoint '%.200s' has a query", args->endpoint);
    buf_reset(out);
    buf_printf(out, "%s%sws", args->endpoint, str_ends(args->endpoint, "/") ? "" : "/");
    put(out, "agentHash", args->agent_hash);
    put(out, "agentVersion", args->agent_version);
    return ERR_OK;
}

static enum err_code check_size(const struct buf *out, struct err *e)
{
    if (out->overflowed)
        return err_set(e, ERR_LIMIT, "session URL is longer than %zu bytes", out->max);
    return ERR_OK;
}

enum err_code acs_url(const struct acs_url_args *args, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf docker = BUF_INIT(256);

    if (put_path(args, out, e))
        return e->code;
    put(out, "clusterArn", args->cluster);
    put(out, "containerInstanceArn", args->instance_arn);
    if (!str_empty(args->docker_version)) {
        buf_printf(&docker, "DockerVersion: %s", args->docker_version);
        put(out, "dockerVersion", buf_text(&docker));
    }
    put(out, "protocolVersion", "2");
    put(out, "sendCredentials", args->send_credentials ? "true" : "false");
    put(out, "seqNum", "1");
    return check_size(out, e);
}

enum err_code tcs_url(const struct acs_url_args *args, struct buf *out, struct err *e)
{
    if (put_path(args, out, e))
        return e->code;
    put(out, "cluster", args->cluster);
    put(out, "containerInstance", args->instance_arn);
    if (!str_empty(args->docker_version))
        put(out, "dockerVersion", args->docker_version);
    return check_size(out, e);
}
