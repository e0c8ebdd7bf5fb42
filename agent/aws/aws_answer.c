#include "aws/aws_answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

#define EXCERPT            200
#define RETRY_AFTER_MAX_MS 20000

/* By the service's name of the error; what is not here goes by the status. `again` are
 * those that the SDKs' standard mode tries again whatever the status. */
static const struct {
    const char *code;
    enum err_code means;
    bool again;
} named[] = {
    { "Throttling", ERR_RETRY, true },
    { "ThrottlingException", ERR_RETRY, true },
    { "ThrottledException", ERR_RETRY, true },
    { "RequestThrottled", ERR_RETRY, true },
    { "RequestThrottledException", ERR_RETRY, true },
    { "TooManyRequestsException", ERR_RETRY, true },
    { "ProvisionedThroughputExceededException", ERR_RETRY, true },
    { "TransactionInProgressException", ERR_RETRY, true },
    { "RequestLimitExceeded", ERR_RETRY, true },
    { "BandwidthLimitExceeded", ERR_RETRY, true },
    { "LimitExceededException", ERR_RETRY, true },
    { "SlowDown", ERR_RETRY, true },
    { "PriorRequestNotComplete", ERR_RETRY, true },
    { "EC2ThrottledException", ERR_RETRY, true },
    { "RequestTimeout", ERR_RETRY, true },
    { "RequestTimeoutException", ERR_RETRY, true },
    { "ServerException", ERR_RETRY, false },
    { "InternalFailure", ERR_RETRY, false },
    { "InternalError", ERR_RETRY, false },
    { "InternalServerError", ERR_RETRY, false },
    { "InternalServiceError", ERR_RETRY, false },
    { "ServiceUnavailable", ERR_RETRY, false },
    { "ServiceUnavailableException", ERR_RETRY, false },
    { "OperationAbortedException", ERR_RETRY, false },
    { "AccessDenied", ERR_DENIED, false },
    { "AccessDeniedException", ERR_DENIED, false },
    { "UnauthorizedOperation", ERR_DENIED, false },
    { "NotAuthorized", ERR_DENIED, false },
    { "OptInRequired", ERR_DENIED, false },
    { "AuthFailure", ERR_DENIED, false },
    { "SignatureDoesNotMatch", ERR_DENIED, false },
    { "InvalidSignatureException", ERR_DENIED, false },
    { "IncompleteSignature", ERR_DENIED, false },
    { "IncompleteSignatureException", ERR_DENIED, false },
    { "MissingAuthenticationToken", ERR_DENIED, false },
    { "MissingAuthenticationTokenException", ERR_DENIED, false },
    { "UnrecognizedClientException", ERR_DENIED, false },
    { "InvalidClientTokenId", ERR_DENIED, false },
    { "InvalidAccessKeyId", ERR_DENIED, false },
    { "InvalidToken", ERR_DENIED, false },
    { "TokenRefreshRequired", ERR_DENIED, false },
    { "ExpiredToken", ERR_DENIED, false },
    { "ExpiredTokenException", ERR_DENIED, false },
    { "RequestExpired", ERR_DENIED, false },
    { "RequestTimeTooSkewed", ERR_DENIED, false },
    { "RequestInTheFuture", ERR_DENIED, false },
};

static const char *const expired[] = {
    "ExpiredToken",         "ExpiredTokenException",       "RequestExpired",
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException",
    "InvalidToken",         "InvalidAccessKeyId",          "TokenRefreshRequired",
    "AuthFailure",
};

/* A token that seems to be from the future, or is expired by the service's clock only, is
 * told as a bad or expired one. */
static const char *const untimely[] = {
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "UnrecognizedClientException",
};

static bool is_listed(const char *code, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(code, list[i]) == 0)
            return true;
    }
    return false;
}

bool aws_code_expired(const char *error_code)
{
    return is_listed(error_code, expired, COUNT_OF(expired));
}

bool aws_answer_untimely(const char *code)
{
    return is_listed(code, untimely, COUNT_OF(untimely));
}

bool aws_answer_retryable(int status, const char *code)
{
    if (status == 500 || status == 502 || status == 503 || status == 504)
        return true;
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (named[i].again && strcasecmp(code, named[i].code) == 0)
            return true;
    }
    return false;
}

int64_t aws_answer_retry_after_ms(const char *header)
{
    int64_t seconds = 0;

    /* It may be a date as well, which is too rare to be worth reading. */
    if (!header || str_to_int(header, 0, INT32_MAX, &seconds, NULL))
        return 0;
    return seconds * 1000 < RETRY_AFTER_MAX_MS ? seconds * 1000 : RETRY_AFTER_MAX_MS;
}

/* "aws.protocol#Name:http://..." is Name: before the ':', behind the '#'. */
static void set_code(struct aws_answer *out, const char *text)
{
    size_t n = strcspn(text, ":");
    const char *hash = memchr(text, '#', n);

    if (hash) {
        n -= (size_t)(hash + 1 - text);
        text = hash + 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return; /* no name at all */
    }
    if (n < sizeof out->code) {
        memcpy(out->code, text, n);
        out->code[n] = '\0';
    }
}

/* The first bytes, on one line, with everything unprintable escaped. */
static void excerpt(struct buf *b, struct str body)
{
    size_t n = body.p ? str_utf8_prefix(body.p, body.n, EXCERPT) : 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)body.p[i];

        if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\r')
            buf_puts(b, "\\r");
        else if (c < ' ' || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_putc(b, (char)c);
    }
    if (n < body.n)
        buf_puts(b, "...");
}

static bool begins(struct str body, const char *text)
{
    struct str trimmed = str_trim(body);
    size_t n = strlen(text);

    return trimmed.n >= n && strncasecmp(trimmed.p, text, n) == 0;
}

/* Somebody else's answer: a proxy's, a login page, nothing at all. One that was to be a
 * good one is shown only when it is surely a page: it may be half an answer, with half a
 * secret in it. */
static void strange(int status, struct str body, const char *wanted, struct aws_answer *out)
{
    AUTO(buf) struct buf text = BUF_INIT(sizeof out->err.msg);
    bool page = begins(body, "<html") || begins(body, "<!doctype");

    if (body.n == 0) {
        err_set(&out->err, ERR_RETRY, "the answer is empty: status %d", status);
    } else if (status / 100 == 2 && !page) {
        err_set(&out->err, ERR_RETRY, "the answer is not %s: status %d, %zu bytes", wanted, status,
                body.n);
    } else {
        excerpt(&text, body);
        err_set(&out->err, ERR_RETRY, "the answer is not %s: status %d, '%s'", wanted, status,
                buf_text(&text));
    }
}

static enum err_code meaning(int status, const char *code)
{
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (strcasecmp(code, named[i].code) == 0)
            return named[i].means;
    }
    if (status >= 500 || status == 429)
        return ERR_RETRY;
    if (strcasestr(code, "NotFound") || strncasecmp(code, "NoSuch", 6) == 0)
        return ERR_NOT_FOUND;
    if (strcasestr(code, "AlreadyExists"))
        return ERR_CONFLICT;
    if (status == 401 || status == 403)
        return ERR_DENIED;
    return ERR_INVALID;
}

/* How much of a message may be shown: a refused signature comes with the whole request as
 * the service saw it, session token included. */
static int shown_length(const char *message)
{
    static const char *const from[] = { "\n\nThe Canonical String", "x-amz-security-token" };
    size_t n = strnlen(message, 900);

    for (size_t i = 0; i < COUNT_OF(from); i++) {
        const char *at = strcasestr(message, from[i]);

        if (at && (size_t)(at - message) < n)
            n = (size_t)(at - message);
    }
    return (int)n;
}

static void set_error(struct aws_answer *out, int status, const char *code, const char *message)
{
    set_code(out, code);
    err_set(&out->err, meaning(status, out->code), "%s%s%.*s",
            *out->code ? out->code : "error without a name", *message ? ": " : "",
            shown_length(message), message);
    if (!*out->code)
        err_wrap(&out->err, "status %d", status);
}

static void read_json(int status, const char *type_header, struct str body, struct aws_answer *out)
{
    AUTO(json) struct json_t *v = NULL;
    struct err ignored = { 0 };
    struct jcur root;
    const char *code;
    bool good = status >= 200 && status < 300;

    if (body.n == 0 && good)
        return; /* operations without an output say nothing */
    (void)!json_parse(body.p, body.n, &v, NULL);
    root = jcur_root(v, &ignored);
    if (good && jcur_type(&root) == JSON_OBJ)
        return;
    if (jcur_type(&root) != JSON_OBJ && (good || str_empty(type_header))) {
        strange(status, body, "JSON", out);
        return;
    }
    code = type_header;
    if (str_empty(code))
        code = jcur_str_or(&root, "code", NULL);
    if (str_empty(code))
        code = jcur_str_or(&root, "__type", "");
    set_error(out, status, code, jcur_str_or(&root, "message", ""));
}

/* XHTML would be XML as well, but no service sends it. */
static bool is_xml(struct str body)
{
    struct str text = str_trim(body);

    return text.n > 1 && text.p[0] == '<' &&
           (text.p[1] == '?' || (text.p[1] >= 'A' && text.p[1] <= 'Z'));
}

static void read_xml_error(int status, struct str body, struct aws_answer *out)
{
    AUTO(secret) char *code = NULL;
    AUTO(secret) char *message = NULL;

    if (is_xml(body)) {
        code = aws_xml_text(body, "Code", NULL);
        message = aws_xml_text(body, "Message", NULL);
    }
    if (code)
        set_error(out, status, code, message ? message : "");
    else
        strange(status, body, "XML", out);
}

/* An answer to HEAD has no body whatever it means. */
static void read_status(int status, struct aws_answer *out)
{
    err_set(&out->err, status == 404 ? ERR_NOT_FOUND : meaning(status, ""), "status %d", status);
}

void aws_answer_read(enum aws_protocol protocol, int status, const char *type_header,
                     struct str body, struct aws_answer *out)
{
    bool good = status >= 200 && status < 300;

    *out = (struct aws_answer){ 0 };
    switch (protocol) {
    case AWS_JSON:
        read_json(status, type_header, body, out);
        break;
    case AWS_QUERY:
        if (!good)
            read_xml_error(status, body, out);
        else if (!is_xml(body))
            strange(status, body, "XML", out);
        break;
    case AWS_REST:
        if (!good && body.n == 0)
            read_status(status, out);
        else if (!good)
            read_xml_error(status, body, out);
        break;
    }
}
