/* links: io control; dict: http */
/* A URL, a proxy and the hosts it is not for, one a line: from the environment, the
 * config file, or the control plane's answer. */
#include "base/secret.h"
#include "control/acs_url.h"
#include "fuzz/fuzz.h"
#include "io/http_internal.h"
#include "io/ws_handshake.h"

static void use(const struct url_parts *u, const char *proxy, const char *no_proxy)
{
    struct proxy_rules env = { .http_proxy = proxy, .no_proxy = no_proxy };
    AUTO(secret) char *picked = proxy_pick(&env, u);
    AUTO(buf) struct buf head = BUF_INIT(WS_HEAD_MAX);
    struct err e = { 0 };

    LAW(u->host && *u->host && u->port >= 1 && u->port <= 65535);
    LAW(!picked || !url_host_is_local(u->host));
    if (url_may_speak(u, &e))
        LAW(!u->tls && e.code == ERR_DENIED);
    /* Nothing of a URL can begin another header line. */
    if (!ws_handshake_write(u, NULL, 0, "key", &head, &e)) {
        size_t lines = 0;

        for (size_t i = 0; i < head.len; i++)
            lines += head.data[i] == '\n';
        LAW(lines == 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size);
    AUTO(str) char *url = fuzz_line_text(&left);
    AUTO(str) char *proxy = fuzz_line_text(&left);
    AUTO(str) char *no_proxy = fuzz_line_text(&left);
    AUTO(buf) struct buf session = BUF_INIT(8192);
    struct acs_url_args args = { .endpoint = url,
                                 .agent_hash = "h",
                                 .agent_version = "1",
                                 .cluster = no_proxy,
                                 .instance_arn = proxy,
                                 .docker_version = proxy,
                                 .send_credentials = true };
    struct url_parts u;
    struct err e = { 0 };

    if (!url_parse(url, &u, &e)) {
        use(&u, proxy, no_proxy);
        url_fini(&u);
    } else {
        LAW(*e.msg);
    }
    proxy_excluded(no_proxy, proxy, 443);
    e = (struct err){ 0 };
    if (!acs_url(&args, &session, &e))
        LAW(str_starts(buf_text(&session), "http"));
    return 0;
}
