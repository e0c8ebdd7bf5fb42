/* Texts, places and secrets. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "config/internal.h"

static void show_text(const struct var *v, const void *field, struct buf *out)
{
    const char *text = *(char *const *)field;

    (void)v;
    buf_puts(out, text ? text : "");
}

static void fini_text(void *field)
{
    mem_replace(field, NULL);
}

static void fini_secret(void *field)
{
    secret_replace(field, NULL);
}

static enum err_code parse_text(const struct var *v, const char *text, void *field, struct err *e)
{
    struct str s = str_trim(str_of(text));

    (void)v;
    (void)e;
    *(char **)field = mem_strndup(s.p, s.n);
    return ERR_OK;
}

/* Whatever it is, no message says it. */
static enum err_code parse_secret(const struct var *v, const char *text, void *field, struct err *e)
{
    (void)v;
    (void)e;
    *(char **)field = secret_strdup(text);
    return ERR_OK;
}

static enum err_code parse_level(const struct var *v, const char *text, void *field, struct err *e)
{
    enum log_level level;

    if (log_parse_level(text, &level, e) || parse_text(v, text, field, e))
        return ERR_INVALID;
    for (char *p = *(char **)field; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return ERR_OK;
}

/* A file of the reference agent names paths of its own container. */
static enum err_code parse_path(const struct var *v, const char *text, void *field, struct err *e)
{
    static const struct {
        const char *inside, *outside;
    } mounts[] = {
        { "/data", "/var/lib/ecs/data" },   { "/log", "/var/log/ecs" },
        { "/rotatingcreds", "/root/.aws" }, { "/managed-agents", "/var/lib/ecs/deps" },
        { "/host/proc", "/proc" },
    };
    char *path;

    (void)v;
    if (*text != '/')
        return err_set(e, ERR_INVALID, "expected an absolute path, got '%.200s'", text);
    path = mem_strdup(text);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(mounts); i++) {
        size_t n = strlen(mounts[i].inside);

        if (strncmp(path, mounts[i].inside, n) == 0 && (!path[n] || path[n] == '/')) {
            char *mapped = mem_printf("%s%s", mounts[i].outside, path + n);

            free(path);
            path = mapped;
            break;
        }
    }
    *(char **)field = path;
    return ERR_OK;
}

/* Where logs go. The service is not named. */
static enum err_code parse_sink(const struct var *v, const char *text, void *field, struct err *e)
{
    static const char scheme[] = "file:";
    struct str s = str_trim(str_of(text));
    AUTO(str) char *own = mem_strndup(s.p, s.n);

    (void)v;
    if (!str_starts(own, "file:/"))
        return err_set(e, ERR_INVALID, "expected file:/path, got '%.200s'", text);
    for (size_t n = s.n; n > strlen(scheme) + 1 && own[n - 1] == '/'; n--)
        own[n - 1] = '\0';
    *(char **)field = own;
    own = NULL;
    return ERR_OK;
}

/* ---- URLs ---- */

static bool host_is_near(struct str host)
{
    static const char *const near_hosts[] = { "localhost", "[::1]", "[fd00:ec2::254]" };
    char text[64];

    for (size_t i = 0; i < COUNT_OF(near_hosts); i++)
        if (str_is(host, near_hosts[i]))
            return true;
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    /* Only numbers count: 127.example.org is somebody else's. */
    if (strspn(text, "0123456789.") == host.n)
        return str_starts(text, "127.") || str_starts(text, "169.254.");
    return str_starts(text, "[fe80:");
}

static struct str host_of(const char *url)
{
    const char *after = strstr(url, "://") + 3;

    return (struct str){ after, *after == '[' ? strcspn(after, "]") + 1 : strcspn(after, ":/?#") };
}

/* Of "host:port/", "[::1]:port" or "host". */
static bool port_is_fine(const char *host)
{
    const char *after = *host == '[' ? strchr(host, ']') : host;
    const char *colon = after ? after + strcspn(after, ":/?#") : "";
    AUTO(str) char *port = *colon == ':' ? mem_strndup(colon + 1, strcspn(colon + 1, "/?#")) : NULL;
    int64_t n;

    return after && (!port || !str_to_int(port, 1, UINT16_MAX, &n, NULL));
}

/* https:// is added where no scheme is given; signed requests do not travel in
 * the clear beyond this machine. */
static enum err_code parse_url(const struct var *v, const char *text, void *field, struct err *e)
{
    struct str s = str_trim(str_of(text)), host;
    AUTO(str) char *url = NULL;

    (void)v;
    url = mem_strndup(s.p, s.n);
    if (!strstr(url, "://")) {
        char *with_scheme = mem_printf("https://%s", url);

        free(url);
        url = with_scheme;
    }
    if (strpbrk(url, "@"))
        return err_set(e, ERR_INVALID, "expected a URL without a user name or password in it");
    if (!str_starts(url, "https://") && !str_starts(url, "http://"))
        return err_set(e, ERR_INVALID, "expected an http or https URL, got '%.200s'", text);
    host = host_of(url);
    if (!host.n || host.n > strlen(host.p) || strpbrk(url, " \t"))
        return err_set(e, ERR_INVALID, "expected a URL with a host, got '%.200s'", text);
    if (!port_is_fine(host.p))
        return err_set(e, ERR_INVALID, "expected a port from 1 to 65535, got '%.200s'", text);
    if (str_starts(url, "http://") && !host_is_near(host))
        return err_set(e, ERR_INVALID,
                       "http:// is accepted for this machine and link-local addresses only, "
                       "got '%.200s'; use https://",
                       text);
    *(char **)field = url;
    url = NULL;
    return ERR_OK;
}

/* What the client of the container engine takes. */
static enum err_code parse_endpoint(const struct var *v, const char *text, void *field,
                                    struct err *e)
{
    static const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    struct str s = str_trim(str_of(text));
    AUTO(str) char *own = mem_strndup(s.p, s.n);
    const char *after = strstr(own, "://") ? strstr(own, "://") + 3 : "";
    bool fine = false;

    (void)v;
    if (str_starts(own, "unix://"))
        fine = *after == '/' && strlen(after) <= path_max;
    else if (str_starts(own, "tcp://") || str_starts(own, "http://"))
        fine = *after && !strchr(":/?#", *after) && !strpbrk(own, " \t@") && port_is_fine(after);
    if (!fine)
        return err_set(e, ERR_INVALID,
                       "expected unix:///path, tcp://host:port or http://host:port");
    *(char **)field = own;
    own = NULL;
    return ERR_OK;
}

/* May hold a password, so no message repeats it. */
static enum err_code parse_proxy(const struct var *v, const char *text, void *field, struct err *e)
{
    static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };
    struct str s = str_trim(str_of(text));
    AUTO(str) char *own = mem_strndup(s.p, s.n);
    const char *host = own;
    bool known = !strstr(own, "://");

    (void)v;
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (str_starts(own, schemes[i])) {
            known = true;
            host = own + strlen(schemes[i]);
        }
    }
    if (strrchr(host, '@'))
        host = strrchr(host, '@') + 1;
    if (!known || !*host || !port_is_fine(host) || strchr(":/?#", *host) || strpbrk(own, " \t")) {
        explicit_bzero(own, s.n);
        return err_set(e, ERR_INVALID, "expected a proxy such as http://proxy.example.com:3128");
    }
    *(char **)field = own;
    own = NULL;
    return ERR_OK;
}

const struct var_type type_text = {
    "text", FORM_STRING, parse_text, show_text, NULL, fini_text, 0
};
const struct var_type type_path = {
    "path", FORM_STRING, parse_path, show_text, NULL, fini_text, 0
};
const struct var_type type_sink = {
    "sink", FORM_STRING, parse_sink, show_text, NULL, fini_text, 0
};
const struct var_type type_url = { "url", FORM_STRING, parse_url, show_text, NULL, fini_text, 0 };
const struct var_type type_proxy = { "proxy",   FORM_STRING, parse_proxy,
                                     show_text, NULL,        fini_secret,
                                     0 };
const struct var_type type_endpoint = { "endpoint", FORM_STRING, parse_endpoint,
                                        show_text,  NULL,        fini_text,
                                        0 };
const struct var_type type_secret = { "secret",  FORM_STRING, parse_secret,
                                      show_text, NULL,        fini_secret,
                                      0 };
const struct var_type type_json_secret = { "secret",    FORM_ANY, parse_secret, show_text, NULL,
                                           fini_secret, 0 };
const struct var_type type_level = { "level", FORM_STRING, parse_level, show_text, NULL, fini_text,
                                     0 };
