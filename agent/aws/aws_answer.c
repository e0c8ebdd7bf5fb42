#include "aws/aws_answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"

#define EXCERPT 200

/* By the service's name of the error; what is not here goes by the status. */
static const struct {
    const char *code;
    enum err_code means;
} named[] = {
    { "Throttling", ERR_RETRY },
    { "ThrottlingException", ERR_RETRY },
    { "ThrottledException", ERR_RETRY },
    { "RequestThrottled", ERR_RETRY },
    { "RequestThrottledException", ERR_RETRY },
    { "TooManyRequestsException", ERR_RETRY },
    { "ProvisionedThroughputExceededException", ERR_RETRY },
    { "TransactionInProgressException", ERR_RETRY },
    { "RequestLimitExceeded", ERR_RETRY },
    { "BandwidthLimitExceeded", ERR_RETRY },
    { "LimitExceededException", ERR_RETRY },
    { "SlowDown", ERR_RETRY },
    { "PriorRequestNotComplete", ERR_RETRY },
    { "EC2ThrottledException", ERR_RETRY },
    { "RequestTimeout", ERR_RETRY },
    { "RequestTimeoutException", ERR_RETRY },
    { "ServerException", ERR_RETRY },
    { "InternalFailure", ERR_RETRY },
    { "InternalServerError", ERR_RETRY },
    { "ServiceUnavailable", ERR_RETRY },
    { "ServiceUnavailableException", ERR_RETRY },
    { "OperationAbortedException", ERR_RETRY },
    { "AccessDenied", ERR_DENIED },
    { "AccessDeniedException", ERR_DENIED },
    { "UnauthorizedOperation", ERR_DENIED },
    { "NotAuthorized", ERR_DENIED },
    { "OptInRequired", ERR_DENIED },
    { "SignatureDoesNotMatch", ERR_DENIED },
    { "InvalidSignatureException", ERR_DENIED },
    { "IncompleteSignature", ERR_DENIED },
    { "IncompleteSignatureException", ERR_DENIED },
    { "MissingAuthenticationToken", ERR_DENIED },
    { "MissingAuthenticationTokenException", ERR_DENIED },
    { "UnrecognizedClientException", ERR_DENIED },
    { "InvalidClientTokenId", ERR_DENIED },
    { "ExpiredToken", ERR_DENIED },
    { "ExpiredTokenException", ERR_DENIED },
    { "RequestExpired", ERR_DENIED },
};

static const char *const expired[] = {
    "ExpiredToken",         "ExpiredTokenException",       "RequestExpired",
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException",
};

static bool is_listed(const char *code, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(code, list[i]) == 0)
            return true;
    }
    return false;
}

bool aws_answer_expired(const struct aws_answer *a)
{
    return is_listed(a->code, expired, COUNT_OF(expired));
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
    size_t n = str_utf8_prefix(body.p, body.n, EXCERPT);

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

static void not_json(int status, struct str body, struct aws_answer *out)
{
    AUTO(buf) struct buf text = BUF_INIT(sizeof out->err.msg);

    excerpt(&text, body);
    if (body.n)
        err_set(&out->err, ERR_RETRY, "the answer is not JSON: status %d, '%s'", status,
                buf_text(&text));
    else
        err_set(&out->err, ERR_RETRY, "the answer is empty: status %d", status);
}

static enum err_code meaning(int status, const char *code)
{
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (strcasecmp(code, named[i].code) == 0)
            return named[i].means;
    }
    if (status >= 500 || status == 429)
        return ERR_RETRY;
    if (strcasestr(code, "NotFound"))
        return ERR_NOT_FOUND;
    if (strcasestr(code, "AlreadyExists"))
        return ERR_CONFLICT;
    if (status == 401 || status == 403)
        return ERR_DENIED;
    return ERR_INVALID;
}

void aws_answer_read(int status, const char *type_header, struct str body, struct aws_answer *out)
{
    AUTO(json) struct json_t *v = NULL;
    struct err ignored = { 0 };
    struct jcur root;
    const char *code, *message;
    bool good = status >= 200 && status < 300;

    *out = (struct aws_answer){ 0 };
    if (body.n == 0 && good)
        return; /* operations without an output say nothing */
    if (json_parse(body.p ? body.p : "", body.n, &v, &ignored))
        v = NULL;
    ignored = (struct err){ 0 };
    root = jcur_root(v, &ignored);
    if (good && jcur_type(&root) == JSON_OBJ)
        return;
    if (jcur_type(&root) != JSON_OBJ && (good || str_empty(type_header))) {
        not_json(status, body, out);
        return;
    }
    code = type_header;
    if (str_empty(code))
        code = jcur_str_or(&root, "code", NULL);
    if (str_empty(code))
        code = jcur_str_or(&root, "__type", "");
    message = jcur_str_or(&root, "message", "");
    set_code(out, code);
    err_set(&out->err, meaning(status, out->code), "%s%s%.900s",
            *out->code ? out->code : "error without a name", *message ? ": " : "", message);
    if (!*out->code)
        err_wrap(&out->err, "status %d", status);
}
