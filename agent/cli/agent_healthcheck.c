#include "cli/agent_healthcheck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "config/config.h"
#include "io/http_client.h"
#include "io/loop.h"

#define LIMIT_MS 25000

struct check {
    struct loop *loop;
    struct err err;
};

static void on_answer(void *user, const struct http_response *r, const struct err *e)
{
    struct check *c = user;

    (void)r; /* whatever it says, somebody said it */
    c->err = *e;
    loop_stop(c->loop);
}

static void ask(const char *url, struct err *out)
{
    /* Never by a proxy: what it says would be its own health. */
    static const struct http_client_config config = { 0 };
    struct check c = { .loop = loop_create() };
    struct http_client *http = http_client_create(c.loop, &config);
    const struct http_request rq = { .method = "HEAD", .url = url, .timeout_ms = LIMIT_MS };

    http_send(http, &rq, on_answer, &c);
    loop_run(c.loop);
    http_client_destroy(http);
    loop_destroy(c.loop);
    *out = c.err;
}

/* An IPv6 address stands in brackets. */
static char *url_of(const struct config *c)
{
    const char *host = c->healthcheck_host;
    bool bare = strchr(host, ':') && host[0] != '[';

    return mem_printf("http://%s%s%s:%" PRId64 "/v1/metadata", bare ? "[" : "", host,
                      bare ? "]" : "", c->introspection_port);
}

int agent_healthcheck(const char *config_path)
{
    struct config_problems problems = { 0 };
    struct config_files *files = NULL;
    struct config_inputs inputs = { 0 };
    struct config *config;
    AUTO(str) char *url = NULL;
    struct err e = { 0 };

    /* What is wrong with the settings is the agent's to say; what can be read counts. */
    config_files_read(config_path, &files, &inputs, &problems);
    inputs.metadata_pending = true;
    config = config_build(&inputs, &problems);
    config_problems_fini(&problems);
    url = url_of(config);
    ask(url, &e);
    if (e.code)
        fprintf(stderr, "berth agent: %s: %s\n", url, e.msg);
    config_destroy(config);
    config_files_destroy(files);
    return e.code ? CLI_ERROR : CLI_OK;
}
