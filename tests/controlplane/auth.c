#include "auth.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "auth_keys.h"
#include "base/clock.h"
#include "base/mem.h"
#include "url.h"

#define SKEW_MS (5 * 60 * 1000)

/* ---- the canonical request ---- */

bool auth_header_is(struct str a, const char *name)
{
    return a.n == strlen(name) && strncasecmp(a.p, name, a.n) == 0;
}

struct str auth_header_find(const struct auth_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (auth_header_is(r->headers[i].name, name))
            return r->headers[i].value;
    }
    return (struct str){ 0 };
}

static void put(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.n);
}

/* Dot segments and doubled slashes go, as every service but S3 wants it. */
static void canonical_path(struct str path, struct buf *out)
{
    struct str segments[256];
    size_t depth = 0, at = 0;
    bool slash = path.n == 0 || path.p[path.n - 1] == '/';

    while (at < path.n) {
        const char *start = path.p + at;
        const char *end = memchr(start, '/', path.n - at);
        struct str seg = { start, end ? (size_t)(end - start) : path.n - at };

        at += seg.n + 1;
        if (seg.n == 0 || str_is(seg, "."))
            continue;
        if (str_is(seg, ".."))
            depth -= depth > 0;
        else if (depth < COUNT_OF(segments))
            segments[depth++] = seg;
    }
    for (size_t i = 0; i < depth; i++) {
        buf_putc(out, '/');
        url_encode(segments[i], false, out);
    }
    if (depth == 0 || slash)
        buf_putc(out, '/');
}

/* S3 keeps the path as it is: only its encoding is made uniform. */
static void plain_path(struct str path, struct buf *out)
{
    struct buf decoded = BUF_INIT(path.n + 1);

    url_decode(path, false, &decoded);
    url_encode(buf_str(&decoded), true, out);
    buf_fini(&decoded);
}

struct pair {
    char *name, *value; /* encoded anew */
};

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : strcmp(x->value, y->value);
}

static char *recoded(struct str in)
{
    struct buf plain = BUF_INIT(in.n + 1), out = BUF_INIT(in.n * 3 + 1);

    url_decode(in, true, &plain);
    url_encode(buf_str(&plain), false, &out);
    buf_fini(&plain);
    return buf_take(&out);
}

static void canonical_query(struct str query, struct buf *out)
{
    struct pair pairs[URL_PARAMS_MAX];
    size_t count = 0, at = 0;

    while (at < query.n && count < COUNT_OF(pairs)) {
        const char *start = query.p + at;
        const char *end = memchr(start, '&', query.n - at);
        size_t n = end ? (size_t)(end - start) : query.n - at;
        const char *eq = memchr(start, '=', n);
        size_t name_n = eq ? (size_t)(eq - start) : n;

        at += n + 1;
        if (n == 0)
            continue;
        pairs[count].name = recoded((struct str){ start, name_n });
        pairs[count++].value = recoded((struct str){ eq ? eq + 1 : "", eq ? n - name_n - 1 : 0 });
    }
    qsort(pairs, count, sizeof *pairs, pair_order);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s=", i ? "&" : "", pairs[i].name);
        buf_puts(out, pairs[i].value);
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

/* Outer white space goes, inner runs become one space. */
static void canonical_value(struct str value, struct buf *out)
{
    struct str v = str_trim(value);
    bool gap = false;

    for (size_t i = 0; i < v.n; i++) {
        if (isspace((unsigned char)v.p[i])) {
            gap = true;
            continue;
        }
        if (gap)
            buf_putc(out, ' ');
        gap = false;
        buf_putc(out, v.p[i]);
    }
}

/* Calls for every name in "a;b;c"; false from `each` ends it. */
static bool names_each(struct str list, size_t *at, struct str *name)
{
    const char *end;

    if (*at >= list.n)
        return false;
    name->p = list.p + *at;
    end = memchr(name->p, ';', list.n - *at);
    name->n = end ? (size_t)(end - name->p) : list.n - *at;
    *at += name->n + 1;
    return true;
}

static bool names_have(struct str list, const char *wanted)
{
    struct str name;

    for (size_t at = 0; names_each(list, &at, &name);) {
        if (auth_header_is(name, wanted))
            return true;
    }
    return false;
}

static void canonical_headers(const struct auth_request *r, struct str signed_names,
                              struct buf *out)
{
    struct str name;

    for (size_t at = 0; names_each(signed_names, &at, &name);) {
        bool first = true;

        put(out, name);
        buf_putc(out, ':');
        for (size_t i = 0; i < r->header_count; i++) {
            if (r->headers[i].name.n != name.n ||
                strncasecmp(r->headers[i].name.p, name.p, name.n) != 0)
                continue;
            if (!first)
                buf_putc(out, ',');
            first = false;
            canonical_value(r->headers[i].value, out);
        }
        buf_putc(out, '\n');
    }
}

static void sha256_hex(struct str data, char out[65])
{
    unsigned char sum[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)data.p, data.n, sum);
    str_hex(sum, sizeof sum, out);
}

static void hmac(const void *key, size_t key_n, struct str data, unsigned char out[32])
{
    unsigned n = 32;

    HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)data.p, data.n, out, &n);
}

/* ---- verification ---- */

/* The parts of the Authorization header. */
struct claim {
    struct str id, date, region, service, terminator;
    struct str signed_names, signature;
};

static bool refuse(struct auth_refusal *why, enum auth_fault fault, const char *text)
{
    static const char *const types[] = {
        [AUTH_MISSING] = "MissingAuthenticationTokenException",
        [AUTH_INCOMPLETE] = "IncompleteSignatureException",
        [AUTH_SCOPE] = "InvalidSignatureException",
        [AUTH_REGION] = "InvalidSignatureException",
        [AUTH_SKEW] = "InvalidSignatureException",
        [AUTH_UNKNOWN] = "UnrecognizedClientException",
        [AUTH_EXPIRED] = "ExpiredTokenException",
        [AUTH_MISMATCH] = "InvalidSignatureException",
        [AUTH_PAYLOAD] = "InvalidSignatureException",
        [AUTH_PAYLOAD_ABSENT] = "InvalidSignatureException",
    };

    why->fault = fault;
    why->status = 400;
    why->type = types[fault];
    buf_reset(&why->message);
    buf_puts(&why->message, text);
    return false;
}

static bool scope_split(struct str credential, struct claim *c)
{
    struct str *parts[] = { &c->terminator, &c->service, &c->region, &c->date };
    size_t end = credential.n;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        const char *slash = end ? memrchr(credential.p, '/', end) : NULL;

        if (!slash)
            return false;
        *parts[i] = (struct str){ slash + 1, (size_t)(credential.p + end - slash - 1) };
        end = (size_t)(slash - credential.p);
    }
    c->id = (struct str){ credential.p, end };
    return end > 0;
}

static bool claim_parse(struct str value, struct claim *c, struct auth_refusal *why)
{
    static const char scheme[] = "AWS4-HMAC-SHA256";
    struct str credential = { 0 };
    size_t at = sizeof scheme - 1;

    if (value.n <= at || memcmp(value.p, scheme, at) != 0 || !isspace((unsigned char)value.p[at]))
        return refuse(why, AUTH_INCOMPLETE,
                      "Authorization header must begin with 'AWS4-HMAC-SHA256 '.");
    while (at < value.n) {
        const char *start = value.p + at;
        const char *comma = memchr(start, ',', value.n - at);
        struct str part = { start, comma ? (size_t)(comma - start) : value.n - at };
        const char *eq;
        struct str name, text;

        at += part.n + 1;
        part = str_trim(part);
        eq = part.n ? memchr(part.p, '=', part.n) : NULL;
        if (!eq)
            return refuse(why, AUTH_INCOMPLETE,
                          "Authorization header has a part that is not key=value.");
        name = (struct str){ part.p, (size_t)(eq - part.p) };
        text = (struct str){ eq + 1, part.n - name.n - 1 };
        if (str_is(name, "Credential"))
            credential = text;
        else if (str_is(name, "SignedHeaders"))
            c->signed_names = text;
        else if (str_is(name, "Signature"))
            c->signature = text;
    }
    if (!credential.n)
        return refuse(why, AUTH_INCOMPLETE,
                      "Authorization header requires 'Credential' parameter.");
    if (!c->signature.n)
        return refuse(why, AUTH_INCOMPLETE, "Authorization header requires 'Signature' parameter.");
    if (!c->signed_names.n)
        return refuse(why, AUTH_INCOMPLETE,
                      "Authorization header requires 'SignedHeaders' parameter.");
    if (!scope_split(credential, c) || c->id.n >= AUTH_KEY_SIZE - 1)
        return refuse(why, AUTH_INCOMPLETE,
                      "Credential must have exactly 5 slash-delimited elements, "
                      "e.g. keyid/date/region/service/term.");
    return true;
}

static bool of_s3(const struct claim *c)
{
    return str_is(c->service, "s3");
}

static struct str claimed(const struct auth_request *r, bool region)
{
    struct str header = auth_header_find(r, "authorization");
    struct auth_refusal why = { .message = BUF_INIT(1024) };
    struct claim c = { 0 };
    bool read = header.p && claim_parse(header, &c, &why);

    buf_fini(&why.message);
    return !read ? (struct str){ 0 } : region ? c.region : c.service;
}

struct str auth_claimed_region(const struct auth_request *r)
{
    return claimed(r, true);
}

struct str auth_claimed_service(const struct auth_request *r)
{
    return claimed(r, false);
}

static bool amz_date_parse(struct str text, int64_t *ms)
{
    char copy[17];
    struct tm tm = { 0 };
    const char *end;

    if (text.n != 16)
        return false;
    memcpy(copy, text.p, 16);
    copy[16] = '\0';
    end = strptime(copy, "%Y%m%dT%H%M%SZ", &tm);
    if (!end || *end)
        return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool date_check(struct str date, const struct claim *c, int64_t now_ms,
                       struct auth_refusal *why)
{
    char now[CLOCK_ISO_SIZE], bound[CLOCK_ISO_SIZE];
    int64_t at;

    if (!amz_date_parse(date, &at)) {
        refuse(why, AUTH_INCOMPLETE, "Date must be in ISO-8601 'basic format'.");
        buf_printf(&why->message, " Got '%.*s'.", (int)date.n, date.p ? date.p : "");
        return false;
    }
    if (c->date.n != 8 || memcmp(c->date.p, date.p, 8) != 0) {
        refuse(why, AUTH_SCOPE, "Date in Credential scope does not match ");
        buf_printf(&why->message,
                   "YYYYMMDD from ISO-8601 version of date from HTTP: '%.*s' != '%.8s'.",
                   (int)c->date.n, c->date.p, date.p);
        return false;
    }
    clock_amz(now_ms, now);
    if (at < now_ms - SKEW_MS) {
        clock_amz(now_ms - SKEW_MS, bound);
        refuse(why, AUTH_SKEW, "Signature expired: ");
        buf_printf(&why->message, "%.16s is now earlier than %s (%s - 5 min.)", date.p, bound, now);
        return false;
    }
    if (at > now_ms + SKEW_MS) {
        clock_amz(now_ms + SKEW_MS, bound);
        refuse(why, AUTH_SKEW, "Signature not yet current: ");
        buf_printf(&why->message, "%.16s is still later than %s (%s + 5 min.)", date.p, bound, now);
        return false;
    }
    return true;
}

static bool scope_check(const struct claim *c, const char *region, const char *service,
                        struct auth_refusal *why)
{
    if (!str_is(c->terminator, "aws4_request"))
        return refuse(why, AUTH_SCOPE,
                      "Credential should be scoped with a valid terminator: 'aws4_request'.");
    if (region && !str_is(c->region, region))
        return refuse(why, AUTH_REGION, "Credential should be scoped to a valid region. ");
    if (!str_is(c->service, service)) {
        refuse(why, AUTH_SCOPE, "Credential should be scoped to correct service: ");
        buf_printf(&why->message, "'%s'. ", service);
        return false;
    }
    return true;
}

static bool token_check(const struct auth_request *r, const struct claim *c,
                        const struct auth_key *key, int64_t now_ms, struct auth_refusal *why)
{
    struct str token = auth_header_find(r, "x-amz-security-token");
    size_t want = key->token ? strlen(key->token) : 0;

    if (token.p && !names_have(c->signed_names, "x-amz-security-token"))
        return refuse(why, AUTH_SCOPE,
                      "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization.");
    if (token.n != want || (want && CRYPTO_memcmp(token.p, key->token, want) != 0))
        return refuse(why, AUTH_UNKNOWN, "The security token included in the request is invalid.");
    if (now_ms >= key->expires_ms)
        return refuse(why, AUTH_EXPIRED, "The security token included in the request is expired");
    return true;
}

static void signature_of(const struct auth_key *key, const struct claim *c, struct str to_sign,
                         char out[65])
{
    unsigned char sum[32];
    char *first = mem_printf("AWS4%s", key->secret);

    hmac(first, strlen(first), c->date, sum);
    hmac(sum, sizeof sum, c->region, sum);
    hmac(sum, sizeof sum, c->service, sum);
    hmac(sum, sizeof sum, c->terminator, sum);
    hmac(sum, sizeof sum, to_sign, sum);
    str_hex(sum, sizeof sum, out);
    explicit_bzero(first, strlen(first));
    free(first);
}

static bool signature_check(const struct auth_request *r, const struct claim *c,
                            const struct auth_key *key, struct str date, struct auth_refusal *why)
{
    struct buf canonical = BUF_INIT(256 * 1024), to_sign = BUF_INIT(4096);
    char body_hash[65], hash[65], want[65];
    bool good;

    sha256_hex(r->body, body_hash);
    put(&canonical, r->method);
    buf_putc(&canonical, '\n');
    if (of_s3(c))
        plain_path(r->path, &canonical);
    else
        canonical_path(r->path, &canonical);
    buf_putc(&canonical, '\n');
    canonical_query(r->query, &canonical);
    buf_putc(&canonical, '\n');
    canonical_headers(r, c->signed_names, &canonical);
    buf_putc(&canonical, '\n');
    put(&canonical, c->signed_names);
    buf_putc(&canonical, '\n');
    /* S3 takes the client's word, which payload_check has looked at. */
    put(&canonical, of_s3(c) ? auth_header_find(r, "x-amz-content-sha256") : str_of(body_hash));
    sha256_hex(buf_str(&canonical), hash);
    buf_printf(&to_sign, "AWS4-HMAC-SHA256\n%.16s\n%.*s/%.*s/%.*s/%.*s\n%s", date.p, (int)c->date.n,
               c->date.p, (int)c->region.n, c->region.p, (int)c->service.n, c->service.p,
               (int)c->terminator.n, c->terminator.p, hash);
    signature_of(key, c, buf_str(&to_sign), want);
    good = !canonical.overflowed && !to_sign.overflowed && c->signature.n == 64 &&
           CRYPTO_memcmp(want, c->signature.p, 64) == 0;
    explicit_bzero(want, sizeof want);
    if (!good) {
        refuse(why, AUTH_MISMATCH,
               "The request signature we calculated does not match the signature you provided. "
               "Check your AWS Secret Access Key and signing method. "
               "Consult the service documentation for details.\n\n"
               "The Canonical String for this request should have been\n'");
        put(&why->message, buf_str(&canonical));
        buf_puts(&why->message, "'\n\nThe String-to-Sign should have been\n'");
        put(&why->message, buf_str(&to_sign));
        buf_puts(&why->message, "'\n");
    }
    buf_fini(&canonical);
    buf_fini(&to_sign);
    return good;
}

/* A client may state the payload's hash, to S3 it must; it has to be the true one. */
static bool payload_check(const struct auth_request *r, const struct claim *c,
                          struct auth_refusal *why)
{
    struct str stated = auth_header_find(r, "x-amz-content-sha256");
    char hash[65];

    if (!stated.p && of_s3(c))
        return refuse(why, AUTH_PAYLOAD_ABSENT,
                      "Missing required header for this request: x-amz-content-sha256");
    if (!stated.p)
        return true;
    sha256_hex(r->body, hash);
    if (str_is(stated, hash) || (of_s3(c) && str_is(stated, "UNSIGNED-PAYLOAD")))
        return true;
    return refuse(why, AUTH_PAYLOAD,
                  "The value of 'x-amz-content-sha256' is not the SHA-256 of the payload.");
}

bool auth_verify(const struct auth_keys *k, const struct auth_request *r, const char *region,
                 const char *service, int64_t now_ms, char access_key[AUTH_KEY_SIZE],
                 struct auth_refusal *why)
{
    struct str header = auth_header_find(r, "authorization");
    struct str date = auth_header_find(r, "x-amz-date");
    struct claim c = { 0 };
    const struct auth_key *key;

    *why = (struct auth_refusal){ 0 };
    buf_init(&why->message, AUTH_MESSAGE_MAX);
    if (!header.p)
        return refuse(why, AUTH_MISSING, "Missing Authentication Token");
    if (!claim_parse(header, &c, why))
        return false;
    if (!date.p)
        return refuse(why, AUTH_INCOMPLETE,
                      "Authorization header requires existence of either a 'X-Amz-Date' or a "
                      "'Date' header.");
    if (!names_have(c.signed_names, "host"))
        return refuse(why, AUTH_SCOPE,
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    if (!names_have(c.signed_names, "x-amz-date"))
        return refuse(why, AUTH_SCOPE,
                      "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.");
    if (!scope_check(&c, region, service, why) || !date_check(date, &c, now_ms, why))
        return false;
    key = auth_keys_find(k, c.id.p, c.id.n);
    if (!key)
        return refuse(why, AUTH_UNKNOWN, "The security token included in the request is invalid.");
    if (!token_check(r, &c, key, now_ms, why) || !payload_check(r, &c, why) ||
        !signature_check(r, &c, key, date, why))
        return false;
    memcpy(access_key, c.id.p, c.id.n);
    access_key[c.id.n] = '\0';
    return true;
}

/* ---- frames ---- */

enum err_code auth_verify_frame(const struct auth_keys *k, struct str frame, struct str path,
                                struct str query, struct str host, const char *region,
                                int64_t now_ms, struct str *envelope, struct err *e)
{
    struct auth_header headers[32];
    struct auth_request r = {
        .method = str_of("GET"), .path = path, .query = query, .headers = headers
    };
    struct auth_refusal why;
    const char *end = frame.n ? memmem(frame.p, frame.n, "\r\n\r\n", 4) : NULL;
    const char *at = frame.p;
    char access_key[AUTH_KEY_SIZE];
    struct str seen;
    enum err_code code = ERR_OK;

    if (!end)
        return err_set(e, ERR_INVALID, "the frame has no header block that an empty line ends");
    while (at < end + 2) {
        const char *eol = memmem(at, (size_t)(end + 2 - at), "\r\n", 2);
        const char *colon = memchr(at, ':', (size_t)(eol - at));

        if (!colon || colon == at)
            return err_set(e, ERR_INVALID, "a line of the header block has no name");
        if (r.header_count == COUNT_OF(headers))
            return err_set(e, ERR_LIMIT, "the header block has more than 32 lines");
        headers[r.header_count++] = (struct auth_header){
            { at, (size_t)(colon - at) },
            str_trim((struct str){ colon + 1, (size_t)(eol - colon - 1) }),
        };
        at = eol + 2;
    }
    if (auth_header_find(&r, "content-length").p)
        return err_set(e, ERR_INVALID, "the header block has a Content-Length");
    seen = auth_header_find(&r, "host");
    if (seen.n != host.n || !host.n || strncasecmp(seen.p, host.p, host.n) != 0)
        return err_set(e, ERR_INVALID, "Host of the frame is not that of the handshake");
    r.body = (struct str){ end + 4, frame.n - (size_t)(end + 4 - frame.p) };
    if (!auth_verify(k, &r, region, "ecs", now_ms, access_key, &why))
        code = err_set(e, ERR_DENIED, "%s: %s", why.type, buf_text(&why.message));
    else
        *envelope = r.body;
    buf_fini(&why.message);
    return code;
}
