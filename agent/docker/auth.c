/* Registry credentials: what the configuration says, and whose they are. Pure.
 *
 * Kept as finished X-Registry-Auth values; every other copy of a password is wiped. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "docker/decode.h"

#define DOCKER_HUB     "docker.io"
#define DOCKER_HUB_KEY "index.docker.io/v1/"

struct docker_auths {
    struct auth {
        char *key; /* "registry[:port][/path]" */
        char *header;
    } * entries;
    size_t n;
};

/* ---- base64 ---- */

static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The URL alphabet, with padding: what the engine reads. */
static char *base64_url(struct str in)
{
    char *out = secret_alloc((in.n / 3 + 2) * 4), *to = out;

    for (size_t i = 0; i < in.n; i += 3) {
        size_t have = in.n - i < 3 ? in.n - i : 3;
        unsigned v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? (unsigned char)in.p[i + k] : 0);
        *to++ = url_digits[v >> 18 & 63];
        *to++ = url_digits[v >> 12 & 63];
        *to++ = have > 1 ? url_digits[v >> 6 & 63] : '=';
        *to++ = have > 2 ? url_digits[v & 63] : '=';
    }
    return out;
}

static int digit_of(char c)
{
    const char *at = c && c != '-' && c != '_' ? strchr(url_digits, c) : NULL;

    return at ? (int)(at - url_digits) : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The standard alphabet with padding, line ends allowed. `out` has room for all of it. */
static bool base64_decode(const char *in, char *out, size_t *n)
{
    unsigned v = 0;
    size_t digits = 0, pads = 0;

    *n = 0;
    for (; *in; in++) {
        int d = digit_of(*in);

        if (*in == '\r' || *in == '\n')
            continue;
        if (*in == '=')
            pads++;
        else if (d < 0 || pads)
            return false;
        v = v << 6 | (d < 0 ? 0 : (unsigned)d);
        if (++digits % 4)
            continue;
        if (pads > 2)
            return false;
        for (size_t k = 0; k < 3 - pads; k++)
            out[(*n)++] = (char)(v >> (16 - 8 * k));
        v = 0;
    }
    return digits % 4 == 0;
}

/* ---- headers ---- */

struct login {
    const char *user, *password, *email, *identity_token, *registry_token, *server;
};

static size_t length(const char *s)
{
    return s ? strlen(s) : 0;
}

static char *header_of(const struct login *l)
{
    size_t most = /* every byte as \uXXXX */
        256 + 6 * (length(l->user) + length(l->password) + length(l->email) +
                   length(l->identity_token) + length(l->registry_token) + length(l->server));
    struct buf json = BUF_SECRET(most);
    char *header;
    struct jw w;

    jw_init(&w, &json);
    jw_object(&w);
    jw_kstr_if(&w, "username", l->user);
    jw_kstr_if(&w, "password", l->password);
    jw_kstr_if(&w, "email", l->email);
    jw_kstr_if(&w, "serveraddress", l->server);
    jw_kstr_if(&w, "identitytoken", l->identity_token);
    jw_kstr_if(&w, "registrytoken", l->registry_token);
    jw_end(&w);
    header = base64_url(buf_str(&json));
    buf_fini(&json);
    return header;
}

char *docker_auth_header(const char *user, const char *password, const char *server)
{
    return header_of(&(struct login){ .user = user, .password = password, .server = server });
}

/* ---- the configured ones ---- */

static const char *without_scheme(const char *registry)
{
    if (str_starts(registry, "https://"))
        return registry + strlen("https://");
    return registry + (str_starts(registry, "http://") ? strlen("http://") : 0);
}

static void auths_add(struct docker_auths *a, const struct login *l)
{
    a->entries = mem_resize(a->entries, a->n + 1, sizeof *a->entries);
    a->entries[a->n++] = (struct auth){ mem_strdup(l->server), header_of(l) };
}

/* {"auth": base64 of "user:password"} */
static void read_dockercfg(struct docker_auths *a, const struct jcur *entry, struct login *l)
{
    const char *text = jcur_str(entry, "auth");
    size_t room = strlen(text) + 1, n = 0;
    char *plain = secret_alloc(room), *colon;

    if (!jcur_ok(entry)) {
        ;
    } else if (!base64_decode(text, plain, &n)) {
        jcur_fail(entry, "auth is not base64");
    } else if (!(colon = memchr(plain, ':', n)) || colon == plain) {
        jcur_fail(entry, "auth is not the base64 of user:password");
    } else {
        *colon = '\0';
        l->user = plain;
        l->password = colon + 1; /* the room ends with a NUL, and some tools pad with them */
        auths_add(a, l);
    }
    secret_free(plain);
}

/* {"username", "password", "email", or one of the tokens} */
static void read_docker(struct docker_auths *a, const struct jcur *entry, struct login *l)
{
    l->user = jcur_str_or(entry, "username", "");
    l->password = jcur_str_or(entry, "password", "");
    l->email = jcur_str_or(entry, "email", "");
    l->identity_token = jcur_str_or(entry, "identitytoken", "");
    l->registry_token = jcur_str_or(entry, "registrytoken", "");
    if (jcur_ok(entry) && !*l->user && !*l->identity_token && !*l->registry_token)
        jcur_fail(entry, "no username");
    if (jcur_ok(entry))
        auths_add(a, l);
}

enum err_code docker_auths_create(const char *type, const char *data, struct docker_auths **out,
                                  struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    bool dockercfg = streq(type, "dockercfg");
    struct err bad = { 0 }, first = { 0 }, unheard = { 0 };
    struct jcur root, entry;

    *out = NEW(struct docker_auths);
    if (!*type)
        return ERR_OK;
    if (!dockercfg && !streq(type, "docker"))
        return err_set(e, ERR_INVALID,
                       "unknown type of registry credentials, expected 'docker' "
                       "or 'dockercfg'");
    if (json_parse(data, length(data), &doc, &bad))
        return err_set(e, ERR_INVALID, "registry credentials: not a JSON object");
    root = jcur_root(doc, &unheard);
    if (jcur_type(&root) != JSON_OBJ)
        err_set(&first, ERR_INVALID, "registry credentials: not a JSON object");
    for (size_t i = 0; jcur_type(&root) == JSON_OBJ && jcur_member(&root, i, &entry); i++) {
        struct err wrong = { 0 };
        struct login l = { .server = without_scheme(entry.key) };

        /* One that cannot be read leaves the others. Its key stays out of the message: there
         * are people who put a password into the URL. */
        entry.err = &wrong;
        entry.up = NULL;
        if (jcur_expect(&entry, JSON_OBJ))
            (dockercfg ? read_dockercfg : read_docker)(*out, &entry, &l);
        if (wrong.code && !first.code)
            err_set(&first, ERR_INVALID, "registry credentials: entry %zu: %s", i + 1, wrong.msg);
    }
    if (first.code)
        return err_set(e, ERR_INVALID, "%s", first.msg);
    return ERR_OK;
}

void docker_auths_destroy(struct docker_auths *a)
{
    for (size_t i = 0; a && i < a->n; i++) {
        free(a->entries[i].key);
        secret_free(a->entries[i].header);
    }
    if (a)
        free(a->entries);
    free(a);
}

static bool is_docker_hub(struct str host)
{
    return !host.n || str_is(host, DOCKER_HUB) || str_is(host, "index.docker.io") ||
           str_is(host, "registry-1.docker.io");
}

static bool same_host(const char *key, struct str host)
{
    size_t n = strcspn(key, "/");

    return n == host.n && memcmp(key, host.p, n) == 0;
}

char *docker_auths_header(const struct docker_auths *a, const char *image)
{
    const struct auth *best = NULL;
    bool best_prefixes = false;
    struct docker_ref ref;

    if (!a || docker_ref_parse(image, &ref, NULL))
        return NULL;
    for (size_t i = 0; i < a->n; i++) {
        const struct auth *it = &a->entries[i];
        bool prefixes = str_starts(image, it->key), better;

        if (is_docker_hub(ref.host)) {
            better = streq(it->key, DOCKER_HUB_KEY);
        } else if (!same_host(it->key, ref.host)) {
            better = false;
        } else if (!best || prefixes != best_prefixes) {
            better = !best || prefixes;
        } else {
            /* Of keys that only share the host the shortest: it says least else. */
            better = (strlen(it->key) > strlen(best->key)) == prefixes;
        }
        if (better) {
            best = it;
            best_prefixes = prefixes;
        }
    }
    return best ? secret_strdup(best->header) : NULL;
}

/* ---- repositories and digests ---- */

char *docker_normal_repository(const char *image)
{
    struct docker_ref ref;
    struct str path;
    bool official;

    if (docker_ref_parse(image, &ref, NULL))
        return NULL;
    path = ref.name;
    if (ref.host.n) {
        path.p += ref.host.n + 1;
        path.n -= ref.host.n + 1;
    }
    if (ref.host.n && !str_is(ref.host, DOCKER_HUB) && !str_is(ref.host, "index.docker.io"))
        return mem_strndup(ref.name.p, ref.name.n);
    official = !memchr(path.p, '/', path.n);
    return mem_printf(DOCKER_HUB "/%s%.*s", official ? "library/" : "", (int)path.n, path.p);
}

const char *docker_digest_of(const struct docker_image *image, const char *name)
{
    AUTO(str) char *wanted = docker_normal_repository(name);

    for (size_t i = 0; wanted && image->repo_digests && image->repo_digests[i]; i++) {
        AUTO(str) char *have = docker_normal_repository(image->repo_digests[i]);
        const char *at = strchr(image->repo_digests[i], '@');

        if (at && have && streq(have, wanted))
            return at + 1;
    }
    return NULL;
}
