#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "io/http_internal.h"

/* libcurl here may be built without ws; a websocket is reached like http. */
static char *with_http_scheme(const char *url)
{
    if (strncasecmp(url, "wss://", 6) == 0)
        return mem_printf("https://%s", url + 6);
    if (strncasecmp(url, "ws://", 5) == 0)
        return mem_printf("http://%s", url + 5);
    return mem_strdup(url);
}

static char *part(CURLU *u, CURLUPart which)
{
    char *text = NULL;
    char *copy;

    if (curl_url_get(u, which, &text, 0))
        return NULL;
    copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

static enum err_code split(CURLU *u, struct url_parts *out, struct err *e)
{
    AUTO(str) char *scheme = part(u, CURLUPART_SCHEME);
    AUTO(str) char *port = part(u, CURLUPART_PORT);
    AUTO(str) char *path = part(u, CURLUPART_PATH);
    AUTO(str) char *query = part(u, CURLUPART_QUERY);
    int64_t number = 0;
    size_t n;

    out->tls = scheme && streq(scheme, "https");
    if (!scheme || (!out->tls && !streq(scheme, "http")))
        return err_set(e, ERR_INVALID, "a URL of scheme %s cannot be fetched",
                       scheme ? scheme : "?");
    out->host = part(u, CURLUPART_HOST);
    if (str_empty(out->host))
        return err_set(e, ERR_INVALID, "the URL has no host");
    n = strlen(out->host);
    if (out->host[0] == '[' && out->host[n - 1] == ']') {
        memmove(out->host, out->host + 1, n - 2);
        out->host[n - 2] = 0;
    }
    out->port = out->tls ? 443 : 80;
    if (port) {
        if (str_to_int(port, 1, 65535, &number, e))
            return err_wrap(e, "port of the URL");
        out->default_port = number == out->port;
        out->port = (int)number;
    } else {
        out->default_port = true;
    }
    out->target =
        mem_printf("%s%s%s", str_empty(path) ? "/" : path, query ? "?" : "", query ? query : "");
    return ERR_OK;
}

enum err_code url_parse(const char *url, struct url_parts *out, struct err *e)
{
    struct url_parts parts = { 0 };
    CURLU *u = curl_url();
    CURLUcode rc;
    enum err_code code;

    if (!u)
        abort();
    parts.curl = with_http_scheme(url ? url : "");
    rc = curl_url_set(u, CURLUPART_URL, parts.curl, CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
    if (rc)
        code = err_set(e, ERR_INVALID, "bad URL: %s", curl_url_strerror(rc));
    else
        code = split(u, &parts, e);
    curl_url_cleanup(u);
    if (code) {
        url_fini(&parts);
        return code;
    }
    *out = parts;
    return ERR_OK;
}

void url_fini(struct url_parts *u)
{
    free(u->host);
    free(u->target);
    free(u->curl);
    *u = (struct url_parts){ 0 };
}

static bool local_v4(const unsigned char a[4])
{
    return a[0] == 127 || (a[0] == 169 && a[1] == 254);
}

bool url_host_is_local(const char *host)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const unsigned char loopback[16] = { [15] = 1 };
    /* The addresses of instance metadata and credentials over IPv6. */
    static const unsigned char ec2[4] = { 0xfd, 0x00, 0x0e, 0xc2 };
    unsigned char a[16];

    /* libcurl never asks a resolver for this name. */
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, a) == 1)
        return local_v4(a);
    if (inet_pton(AF_INET6, host, a) != 1)
        return false;
    if (memcmp(a, mapped, sizeof mapped) == 0)
        return local_v4(a + 12);
    return memcmp(a, loopback, sizeof loopback) == 0 || memcmp(a, ec2, sizeof ec2) == 0 ||
           (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

enum err_code url_may_speak(const struct url_parts *u, struct err *e)
{
    if (u->tls || url_host_is_local(u->host))
        return ERR_OK;
    return err_set(e, ERR_DENIED, "plain http to %s is refused: use https", u->host);
}

enum err_code http_url_check(const char *url, struct err *e)
{
    struct url_parts u;
    enum err_code code = url_parse(url, &u, e);

    if (code)
        return code;
    code = url_may_speak(&u, e);
    url_fini(&u);
    return code;
}

bool url_header_ok(const char *name, const char *value)
{
    if (str_empty(name) || !value)
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return false;
    }
    for (const char *p = value; *p; p++) {
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    }
    return true;
}
