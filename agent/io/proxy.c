#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "io/http_internal.h"

struct address {
    size_t n; /* 4, 16, or 0 for a name */
    unsigned char b[16];
};

static struct address address_of(const char *text)
{
    struct address a = { 0 };

    if (inet_pton(AF_INET, text, a.b) == 1)
        a.n = 4;
    else if (inet_pton(AF_INET6, text, a.b) == 1)
        a.n = 16;
    return a;
}

static bool in_network(const struct address *a, const struct address *net, int64_t bits)
{
    size_t whole = (size_t)bits / 8;
    unsigned rest = (unsigned)bits % 8;

    if (a->n != net->n || memcmp(a->b, net->b, whole) != 0)
        return false;
    return rest == 0 || ((a->b[whole] ^ net->b[whole]) >> (8 - rest)) == 0;
}

static bool name_matches(const char *rule, const char *host)
{
    size_t n_rule, n_host = strlen(host);
    bool below_only = false;

    if (str_starts(rule, "*."))
        rule++;
    if (*rule == '.') {
        below_only = true;
        rule++;
    }
    n_rule = strlen(rule);
    if (n_rule == 0)
        return false;
    if (n_host == n_rule)
        return !below_only && strcasecmp(rule, host) == 0;
    return n_host > n_rule && host[n_host - n_rule - 1] == '.' &&
           strcasecmp(host + n_host - n_rule, rule) == 0;
}

/* Cuts ":port" off the rule; a colon inside an IPv6 address is none. */
static bool cut_port(char *rule, int64_t *port)
{
    char *colon = strrchr(rule, ':');
    char *bracket = strrchr(rule, ']');

    *port = 0;
    if (bracket) {
        if (colon && colon < bracket)
            colon = NULL;
    } else if (colon && strchr(rule, ':') != colon) {
        colon = NULL;
    }
    if (colon) {
        *colon = 0;
        if (str_to_int(colon + 1, 1, 65535, port, NULL))
            return false;
    }
    if (bracket && rule[0] == '[') {
        *bracket = 0;
        memmove(rule, rule + 1, strlen(rule));
    }
    return true;
}

static bool rule_matches(char *rule, const char *host, int port)
{
    struct address a = address_of(host), net;
    char *slash = strchr(rule, '/');
    int64_t want = 0, bits = 0;

    if (streq(rule, "*"))
        return true;
    if (slash) {
        *slash = 0;
        net = address_of(rule);
        return net.n > 0 && !str_to_int(slash + 1, 0, (int64_t)net.n * 8, &bits, NULL) &&
               in_network(&a, &net, bits);
    }
    if (!cut_port(rule, &want) || (want != 0 && want != port))
        return false;
    net = address_of(rule);
    if (net.n > 0)
        return in_network(&a, &net, (int64_t)net.n * 8);
    return a.n == 0 && name_matches(rule, host);
}

bool proxy_excluded(const char *no_proxy, const char *host, int port)
{
    const char *p = no_proxy ? no_proxy : "";

    while (*p) {
        size_t n = strcspn(p, ",");
        struct str item = str_trim((struct str){ p, n });

        if (item.n > 0) {
            AUTO(str) char *rule = mem_strndup(item.p, item.n);

            if (rule_matches(rule, host, port))
                return true;
        }
        p += n;
        if (*p == ',')
            p++;
    }
    return false;
}

char *proxy_pick(const struct proxy_rules *rules, const struct url_parts *u)
{
    const char *proxy =
        u->tls && !str_empty(rules->https_proxy) ? rules->https_proxy : rules->http_proxy;

    if (str_empty(proxy) || url_host_is_local(u->host) ||
        proxy_excluded(rules->no_proxy, u->host, u->port))
        return NULL;
    /* The reference lets the proxy resolve names; libcurl calls that socks5h. */
    if (strncasecmp(proxy, "socks5://", 9) == 0)
        return secret_printf("socks5h://%s", proxy + 9);
    return strstr(proxy, "://") ? secret_strdup(proxy) : secret_printf("http://%s", proxy);
}

char *proxy_shown(const char *proxy)
{
    const char *scheme = strstr(proxy, "://"), *at;
    const char *start = scheme ? scheme + 3 : proxy;
    size_t n;

    /* A password may hold anything, so the last '@' counts, even behind a slash. */
    at = strrchr(start, '@');
    start = at ? at + 1 : start;
    n = strcspn(start, "/?#");
    return mem_strndup(start, n);
}
