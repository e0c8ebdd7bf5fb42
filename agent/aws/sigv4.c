#include "aws/sigv4.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define CANONICAL_MAX (256 * 1024)
#define HASH_SIZE     32
#define MAX_HEADERS   64
#define MAX_PARAMS    256

/* ---- bytes ---- */

void sigv4_hash(struct str body, char out[SIGV4_HASH_SIZE])
{
    unsigned char hash[HASH_SIZE];

    if (!EVP_Digest(body.p ? body.p : "", body.n, hash, NULL, EVP_sha256(), NULL))
        abort(); /* Only without memory, or with a broken library. */
    str_hex(hash, sizeof hash, out);
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[HASH_SIZE])
{
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
              NULL))
        abort();
}

static bool is_unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static bool is_escape(struct str s, size_t i)
{
    return s.p[i] == '%' && i + 2 < s.n && str_hex_digit(s.p[i + 1]) >= 0 &&
           str_hex_digit(s.p[i + 2]) >= 0;
}

bool sigv4_escape(struct buf *out, struct str text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (is_unreserved(c) || (keep_slash && c == '/')) {
            buf_putc(out, (char)c);
        } else {
            char triple[3] = { '%', digits[c >> 4], digits[c & 15] };

            buf_append(out, triple, sizeof triple);
        }
    }
    return !out->overflowed;
}

/* ---- URL ---- */

struct url {
    struct str host; /* with the port, unless it is the scheme's own */
    struct str path, query;
};

static enum err_code split_url(const char *text, struct url *out, struct err *e)
{
    static const struct {
        const char *scheme, *port;
    } schemes[] = {
        { "https://", ":443" }, { "wss://", ":443" }, { "http://", ":80" }, { "ws://", ":80" }
    };
    const char *rest = NULL, *port = NULL, *end, *query;

    for (size_t i = 0; i < COUNT_OF(schemes) && !rest; i++) {
        if (str_starts(text, schemes[i].scheme)) {
            rest = text + strlen(schemes[i].scheme);
            port = schemes[i].port;
        }
    }
    if (!rest)
        return err_set(e, ERR_INVALID, "'%.80s' is not an absolute http or websocket URL", text);
    end = rest + strcspn(rest, "/?#");
    out->host = (struct str){ rest, (size_t)(end - rest) };
    if (out->host.n == 0 || memchr(rest, '@', out->host.n))
        return err_set(e, ERR_INVALID, "'%.80s' has no plain host", text);
    if (out->host.n > strlen(port) && memcmp(end - strlen(port), port, strlen(port)) == 0)
        out->host.n -= strlen(port);
    query = strchr(end, '?');
    out->path = (struct str){ end, query ? (size_t)(query - end) : strcspn(end, "#") };
    out->query = query ? (struct str){ query + 1, strcspn(query + 1, "#") } : (struct str){ "", 0 };
    return ERR_OK;
}

/* Removes "." and ".." segments and empty ones, as RFC 3986 and the signature's
 * rules want it. `out` gets the same length at most. */
static struct str normalize_path(struct str path, char *out)
{
    size_t n = 0, i = 0;

    while (i < path.n) {
        size_t start, len;

        while (i < path.n && path.p[i] == '/')
            i++;
        start = i;
        while (i < path.n && path.p[i] != '/')
            i++;
        len = i - start;
        if (len == 0 || (len == 1 && path.p[start] == '.'))
            continue;
        if (len == 2 && path.p[start] == '.' && path.p[start + 1] == '.') {
            while (n > 0 && out[--n] != '/')
                ;
            continue;
        }
        out[n++] = '/';
        memcpy(out + n, path.p + start, len);
        n += len;
    }
    /* A final slash stays. */
    if (n == 0 || path.p[path.n - 1] == '/')
        out[n++] = '/';
    return (struct str){ out, n };
}

/* Services but S3 sign the path escaped once more than it is on the wire; S3
 * signs it as it is there. */
static void put_path(struct buf *out, struct str path, bool normalize)
{
    char *scratch;

    if (path.n == 0)
        path = str_of("/");
    if (!normalize) {
        for (size_t i = 0; i < path.n; i++) {
            if (is_escape(path, i))
                buf_putc(out, '%');
            else
                sigv4_escape(out, (struct str){ path.p + i, 1 }, true);
        }
        return;
    }
    scratch = mem_alloc(path.n + 1);
    sigv4_escape(out, normalize_path(path, scratch), true);
    free(scratch);
}

struct param {
    char *name, *value;
};

static int by_name_then_value(const void *a, const void *b)
{
    const struct param *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->value, y->value);
}

/* Unescapes what is on the wire and escapes it the one canonical way. */
static char *canonical_part(struct str wire)
{
    struct buf plain = BUF_INIT(CANONICAL_MAX), out = BUF_INIT(3 * CANONICAL_MAX);
    char *text;

    for (size_t i = 0; i < wire.n; i++) {
        if (is_escape(wire, i)) {
            buf_putc(&plain,
                     (char)(str_hex_digit(wire.p[i + 1]) * 16 + str_hex_digit(wire.p[i + 2])));
            i += 2;
        } else {
            buf_putc(&plain, wire.p[i] == '+' ? ' ' : wire.p[i]);
        }
    }
    sigv4_escape(&out, buf_str(&plain), false);
    buf_fini(&plain);
    text = buf_take(&out);
    buf_fini(&out);
    return text;
}

static enum err_code put_query(struct buf *out, struct str query, struct err *e)
{
    struct param params[MAX_PARAMS];
    size_t n = 0;
    enum err_code code = ERR_OK;

    for (size_t i = 0; i < query.n;) {
        const char *start = query.p + i, *amp = memchr(start, '&', query.n - i), *eq;
        size_t len = amp ? (size_t)(amp - start) : query.n - i;

        i += len + 1;
        if (len == 0)
            continue;
        if (n == MAX_PARAMS) {
            code = err_set(e, ERR_LIMIT, "more than %d query parameters to sign", MAX_PARAMS);
            break;
        }
        eq = memchr(start, '=', len);
        params[n].name = canonical_part((struct str){ start, eq ? (size_t)(eq - start) : len });
        params[n].value =
            eq ? canonical_part((struct str){ eq + 1, len - (size_t)(eq - start) - 1 })
               : mem_strdup("");
        n++;
    }
    /* cppcheck-suppress uninitvar ; n of them are set */
    qsort(params, n, sizeof *params, by_name_then_value);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%s%s=%s", i ? "&" : "", params[i].name, params[i].value);
        free(params[i].name);
        free(params[i].value);
    }
    return code;
}

/* ---- headers ---- */

struct signed_header {
    char name[128]; /* lower case */
    const char *value;
    size_t order; /* headers of one name keep their order */
};

static int by_header_name(const void *a, const void *b)
{
    const struct signed_header *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->order < y->order ? -1 : 1;
}

static enum err_code add_header(struct signed_header *all, size_t *n, const char *name,
                                const char *value, struct err *e)
{
    struct signed_header *h = &all[*n];
    size_t len = strlen(name);

    if (*n == MAX_HEADERS || len >= sizeof h->name)
        return err_set(e, ERR_LIMIT, "header '%.40s' is too much to sign", name);
    for (size_t i = 0; i <= len; i++)
        h->name[i] = (char)tolower((unsigned char)name[i]);
    h->value = value;
    h->order = (*n)++;
    return ERR_OK;
}

/* Ends trimmed, runs of white space made one space. */
static void put_header_value(struct buf *out, const char *value)
{
    struct str s = str_trim(str_of(value));
    bool space = false;

    for (size_t i = 0; i < s.n; i++) {
        if (isspace((unsigned char)s.p[i])) {
            space = true;
            continue;
        }
        if (space)
            buf_putc(out, ' ');
        space = false;
        buf_putc(out, s.p[i]);
    }
}

/* The canonical header lines into `lines`, their names into `names`. */
static enum err_code put_headers(const struct sigv4_request *rq, const struct sigv4_keys *keys,
                                 const struct sigv4_signed *out, struct buf *lines,
                                 struct buf *names, struct err *e)
{
    struct signed_header all[MAX_HEADERS];
    size_t n = 0;

    if (add_header(all, &n, "host", out->host, e) ||
        add_header(all, &n, "x-amz-date", out->date, e))
        return e->code;
    if (!str_empty(keys->session_token) &&
        add_header(all, &n, "x-amz-security-token", keys->session_token, e))
        return e->code;
    for (size_t i = 0; i < rq->n_headers; i++) {
        if (add_header(all, &n, rq->headers[i].name, rq->headers[i].value, e))
            return e->code;
    }
    qsort(all, n, sizeof *all, by_header_name);
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && streq(all[i].name, all[i - 1].name);

        if (again) {
            buf_putc(lines, ',');
        } else {
            buf_printf(lines, "%s%s:", i ? "\n" : "", all[i].name);
            buf_printf(names, "%s%s", i ? ";" : "", all[i].name);
        }
        put_header_value(lines, all[i].value);
    }
    buf_putc(lines, '\n');
    return ERR_OK;
}

/* ---- signature ---- */

static void sign_text(const struct sigv4_request *rq, const struct sigv4_keys *keys,
                      const char *day, const char *text, char out[SIGV4_HASH_SIZE])
{
    static const char prefix[4] = { 'A', 'W', 'S', '4' };
    unsigned char key[HASH_SIZE], next[HASH_SIZE];
    size_t len = strlen(keys->secret_key) + sizeof prefix;
    char *first = secret_alloc(len + 1);

    memcpy(first, prefix, sizeof prefix);
    memcpy(first + sizeof prefix, keys->secret_key, len - sizeof prefix);
    hmac(first, len, day, key);
    secret_free(first);
    hmac(key, sizeof key, rq->region, next);
    hmac(next, sizeof next, rq->service, key);
    hmac(key, sizeof key, "aws4_request", next);
    hmac(next, sizeof next, text, key);
    str_hex(key, sizeof key, out);
    explicit_bzero(key, sizeof key);
    explicit_bzero(next, sizeof next);
}

static enum err_code build(const struct sigv4_request *rq, const struct sigv4_keys *keys,
                           struct buf *lines, struct sigv4_signed *out, struct err *e)
{
    AUTO(buf) struct buf names = BUF_INIT(CANONICAL_MAX);
    struct url url = { 0 };
    char day[9], hash[SIGV4_HASH_SIZE], signature[SIGV4_HASH_SIZE];

    if (split_url(rq->url, &url, e))
        return e->code;
    if (url.host.n >= sizeof out->host)
        return err_set(e, ERR_LIMIT, "host name of %zu bytes is too long", url.host.n);
    memcpy(out->host, url.host.p, url.host.n);
    memcpy(day, out->date, 8);
    day[8] = '\0';
    if (put_headers(rq, keys, out, lines, &names, e))
        return e->code;

    buf_printf(&out->canonical_request, "%s\n", rq->method);
    put_path(&out->canonical_request, url.path, rq->normalize_path);
    buf_putc(&out->canonical_request, '\n');
    if (put_query(&out->canonical_request, url.query, e))
        return e->code;
    buf_printf(&out->canonical_request, "\n%s\n%s\n%s", buf_text(lines), buf_text(&names),
               out->payload_hash);
    if (out->canonical_request.overflowed || lines->overflowed || names.overflowed)
        return err_set(e, ERR_LIMIT, "request line and headers are too long to sign");

    sigv4_hash(buf_str(&out->canonical_request), hash);
    buf_printf(&out->string_to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", out->date, day,
               rq->region, rq->service, hash);
    sign_text(rq, keys, day, buf_text(&out->string_to_sign), signature);
    buf_printf(&out->authorization,
               ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
               keys->access_key, day, rq->region, rq->service, buf_text(&names), signature);
    if (out->string_to_sign.overflowed || out->authorization.overflowed)
        return err_set(e, ERR_LIMIT, "region, service or access key is too long to sign");
    return ERR_OK;
}

enum err_code sigv4_sign(const struct sigv4_request *rq, const struct sigv4_keys *keys,
                         int64_t wall_ms, struct sigv4_signed *out, struct err *e)
{
    struct sigv4_signed made = { .authorization = BUF_SECRET(CANONICAL_MAX),
                                 .canonical_request = BUF_SECRET(CANONICAL_MAX),
                                 .string_to_sign = BUF_SECRET(CANONICAL_MAX) };
    struct buf lines = BUF_SECRET(CANONICAL_MAX);
    struct err local = { 0 };

    if (!e)
        e = &local;
    *e = (struct err){ 0 };
    if (str_empty(keys->access_key) || str_empty(keys->secret_key))
        return err_set(e, ERR_DENIED, "no access key to sign with");
    if (str_empty(rq->region) || str_empty(rq->service))
        return err_set(e, ERR_INVALID, "a signature needs a region and a service");
    clock_amz(wall_ms, made.date);
    sigv4_hash(rq->body, made.payload_hash);
    build(rq, keys, &lines, &made, e);
    buf_wipe(&lines); /* they hold the session token */
    if (e->code) {
        sigv4_signed_fini(&made);
        return e->code;
    }
    *out = made;
    return ERR_OK;
}

void sigv4_signed_fini(struct sigv4_signed *s)
{
    buf_wipe(&s->canonical_request);
    buf_fini(&s->string_to_sign);
    buf_fini(&s->authorization);
}
