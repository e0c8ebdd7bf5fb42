#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/http_internal.h"

struct http_policy {
    bool insecure_tls;
    bool no_bundle; /* certificates come from the directory, each when it is needed */
    char *ca_file;  /* NULL: libcurl's default */
    char *ca_dir;
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

struct http_policy *http_policy_create(bool insecure_tls)
{
    struct http_policy *p = NEW(struct http_policy);
    const char *file = getenv("SSL_CERT_FILE");
    const char *dir = getenv("SSL_CERT_DIR");

    p->insecure_tls = insecure_tls;
    p->ca_file = mem_strdup(str_empty(file) ? NULL : file);
    p->ca_dir = mem_strdup(str_empty(dir) ? NULL : dir);

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
    free(p->ca_file);
    free(p->ca_dir);
    free(p);
}

static const char *env_either(const char *upper, const char *lower)
{
    const char *v = getenv(upper);

    return str_empty(v) ? getenv(lower) : v;
}

static void apply_proxy(CURL *easy, const struct url_parts *u, const char *unix_socket)
{
    const struct proxy_env env = {
        .http_proxy = env_either("HTTP_PROXY", "http_proxy"),
        .https_proxy = env_either("HTTPS_PROXY", "https_proxy"),
        .no_proxy = env_either("NO_PROXY", "no_proxy"),
    };
    AUTO(str) char *proxy = unix_socket ? NULL : proxy_pick(&env, u);

    /* Empty texts also keep libcurl from looking at the environment itself. */
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
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
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, unix_socket);
    if (p->insecure_tls) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (p->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, p->ca_file);
    else if (p->no_bundle)
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    if (p->ca_dir)
        curl_easy_setopt(easy, CURLOPT_CAPATH, p->ca_dir);
    apply_proxy(easy, u, unix_socket);
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
