#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "io/http_internal.h"

struct http_policy {
    bool insecure_tls;
    bool no_bundle; /* certificates come from the directory, each when it is needed */
    char *ca_file;  /* NULL: libcurl's default */
    char *ca_dir;
    char *http_proxy, *https_proxy, *no_proxy; /* may hold passwords */
};

/* Is this a directory as c_rehash makes it ("0a1b2c3d.0")? */
static bool dir_is_hashed(const char *path)
{
    DIR *d = path ? opendir(path) : NULL;
    bool found = false;

    if (!d)
        return false;
    for (const struct dirent *de = readdir(d); de && !found; de = readdir(d)) {
        const char *name = de->d_name;
        size_t n = 0;

        while (isxdigit((unsigned char)name[n]))
            n++;
        found = n == 8 && streq(name + n, ".0");
    }
    closedir(d);
    return found;
}

static char *copy(const char *s)
{
    return secret_strdup(str_empty(s) ? NULL : s);
}

struct http_policy *http_policy_create(const struct http_client_config *cfg)
{
    struct http_policy *p = NEW(struct http_policy);

    p->insecure_tls = cfg->insecure_tls;
    p->ca_file = copy(cfg->ca_file);
    p->ca_dir = copy(cfg->ca_dir);
    p->http_proxy = copy(cfg->http_proxy);
    p->https_proxy = copy(cfg->https_proxy);
    p->no_proxy = copy(cfg->no_proxy);

    /* The bundle of all authorities would stay in memory, parsed, more than a
     * megabyte of it; the hashed directory holds the same and is read by need. */
    if (!p->ca_file && !p->ca_dir)
        p->no_bundle = dir_is_hashed(curl_version_info(CURLVERSION_NOW)->capath);
    return p;
}

void http_policy_destroy(struct http_policy *p)
{
    if (!p)
        return;
    mem_wipe(p->ca_file);
    mem_wipe(p->ca_dir);
    mem_wipe(p->http_proxy);
    mem_wipe(p->https_proxy);
    mem_wipe(p->no_proxy);
    free(p);
}

/* The proxy of this URL in the form that libcurl takes, or NULL. */
static char *proxy_of(const struct http_policy *p, const struct url_parts *u)
{
    const struct proxy_rules rules = { .http_proxy = p->http_proxy,
                                       .https_proxy = p->https_proxy,
                                       .no_proxy = p->no_proxy };

    return proxy_pick(&rules, u);
}

static void apply_proxy(const struct http_policy *p, CURL *easy, const struct url_parts *u,
                        const char *unix_socket)
{
    char *proxy = unix_socket ? NULL : proxy_of(p, u);

    /* Empty texts also keep libcurl from looking at the environment itself. */
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    mem_wipe(proxy);
}

/* Whom to believe: the same for the service and for a proxy that speaks TLS itself. */
static void apply_trust(const struct http_policy *p, CURL *easy)
{
    if (p->insecure_tls) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
    }
    if (p->ca_file || p->no_bundle) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, p->ca_file);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, p->ca_file);
    }
    if (p->ca_dir) {
        curl_easy_setopt(easy, CURLOPT_CAPATH, p->ca_dir);
        curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, p->ca_dir);
    }
}

void http_policy_apply(const struct http_policy *p, CURL *easy, const struct url_parts *u,
                       const char *unix_socket)
{
    curl_easy_setopt(easy, CURLOPT_URL, u->curl);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Giving up on a request must not wait for its resolver thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8191L); /* libcurl adds one: a slot of base/secret */
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, unix_socket);
    apply_trust(p, easy);
    apply_proxy(p, easy, u, unix_socket);
}

enum err_code http_err_of_curl(CURLcode rc)
{
    switch ((int)rc) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return ERR_DENIED;
    default:
        return ERR_RETRY;
    }
}

/* ---- what a person should know ---- */

/* Is it the proxy that libcurl could not get through? */
static bool is_proxy_trouble(CURL *easy, CURLcode rc, const char *text)
{
    curl_off_t connected = 0;
    long answer = 0;

    if (rc == CURLE_COULDNT_RESOLVE_PROXY || rc == CURLE_PROXY || rc == CURLE_COULDNT_CONNECT ||
        strcasestr(text, "proxy"))
        return true;
    /* Until it has let us through there is nobody else who could fail. */
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &answer);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    return answer / 100 != 2 && connected == 0;
}

static bool is_unknown_issuer(CURLcode rc, const char *text)
{
    return rc == CURLE_PEER_FAILED_VERIFICATION &&
           (strcasestr(text, "issuer") || strcasestr(text, "self signed") ||
            strcasestr(text, "self-signed") || strcasestr(text, "verify the first certificate"));
}

void http_policy_explain(const struct http_policy *p, CURL *easy, CURLcode rc, const char *text,
                         struct err *e)
{
    static const char hint[] = " (AWS_CA_BUNDLE can name a file with its authority)";
    enum err_code code = http_err_of_curl(rc);
    struct url_parts u = { 0 };
    char *url = NULL, *proxy;
    bool unknown;

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    if (*text == 0)
        text = curl_easy_strerror(rc);
    if (!url || url_parse(url, &u, NULL)) {
        err_set(e, code, "%s", text);
        return;
    }
    unknown = is_unknown_issuer(rc, text);
    proxy = proxy_of(p, &u);
    if (proxy && is_proxy_trouble(easy, rc, text)) {
        AUTO(str) char *shown = proxy_shown(proxy);

        /* libcurl quotes a proxy that it does not understand, with its password. */
        if (strstr(text, "Unsupported proxy"))
            text = "libcurl does not understand its URL";
        err_set(e, code, "proxy %s: %s%s", shown, text, unknown ? hint : "");
    } else if (unknown) {
        err_set(e, code, "the certificate of %s is not trusted: %s%s", u.host, text, hint);
    } else if (rc == CURLE_SSL_CACERT_BADFILE) {
        err_set(e, code, "the trusted certificates cannot be read: %s", text);
    } else {
        err_set(e, code, "%s", text);
    }
    mem_wipe(proxy);
    url_fini(&u);
}
