#include "dialect.h"

#include <string.h>

#include "base/json.h"

/* One row an auth_fault; `message` NULL: that of the refusal. */
struct row {
    int status;
    const char *type, *message;
};

#define MISMATCH                                                                            \
    "The request signature we calculated does not match the signature you provided. Check " \
    "your key and signing method."
#define EC2_FAILURE "AWS was not able to validate the provided access credentials"

static const struct row sts[] = {
    [AUTH_MISSING] = { 403, "MissingAuthenticationToken",
                       "Request is missing Authentication Token" },
    [AUTH_INCOMPLETE] = { 400, "IncompleteSignature", NULL },
    [AUTH_SCOPE] = { 403, "SignatureDoesNotMatch", NULL },
    [AUTH_REGION] = { 403, "SignatureDoesNotMatch", NULL },
    [AUTH_SKEW] = { 403, "SignatureDoesNotMatch", NULL },
    [AUTH_UNKNOWN] = { 403, "InvalidClientTokenId", NULL },
    [AUTH_EXPIRED] = { 403, "ExpiredToken", NULL },
    [AUTH_MISMATCH] = { 403, "SignatureDoesNotMatch", NULL },
    [AUTH_PAYLOAD] = { 403, "SignatureDoesNotMatch", NULL },
    [AUTH_PAYLOAD_ABSENT] = { 403, "SignatureDoesNotMatch", NULL },
};

static const struct row ec2[] = {
    [AUTH_MISSING] = { 400, "MissingParameter",
                       "The request must contain the parameter AWSAccessKeyId" },
    [AUTH_INCOMPLETE] = { 400, "IncompleteSignature", NULL },
    [AUTH_SCOPE] = { 401, "AuthFailure", EC2_FAILURE },
    [AUTH_REGION] = { 401, "AuthFailure", EC2_FAILURE },
    [AUTH_SKEW] = { 400, "RequestExpired", "Request has expired." },
    [AUTH_UNKNOWN] = { 401, "AuthFailure", EC2_FAILURE },
    [AUTH_EXPIRED] = { 400, "RequestExpired", "Request has expired." },
    [AUTH_MISMATCH] = { 401, "AuthFailure", EC2_FAILURE },
    [AUTH_PAYLOAD] = { 401, "AuthFailure", EC2_FAILURE },
    [AUTH_PAYLOAD_ABSENT] = { 401, "AuthFailure", EC2_FAILURE },
};

static const struct row s3[] = {
    [AUTH_MISSING] = { 403, "AccessDenied", "Access Denied" },
    [AUTH_INCOMPLETE] = { 400, "AuthorizationHeaderMalformed", NULL },
    [AUTH_SCOPE] = { 400, "AuthorizationHeaderMalformed", NULL },
    [AUTH_REGION] = { 400, "AuthorizationHeaderMalformed", NULL },
    [AUTH_SKEW] = { 403, "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large." },
    [AUTH_UNKNOWN] = { 403, "InvalidAccessKeyId",
                       "The AWS Access Key Id you provided does not exist in our records." },
    [AUTH_EXPIRED] = { 400, "ExpiredToken", "The provided token has expired." },
    [AUTH_MISMATCH] = { 403, "SignatureDoesNotMatch", MISMATCH },
    [AUTH_PAYLOAD] = { 400, "XAmzContentSHA256Mismatch",
                       "The provided 'x-amz-content-sha256' header does not match what was "
                       "computed." },
    [AUTH_PAYLOAD_ABSENT] = { 400, "InvalidRequest", NULL },
};

struct dialect_error dialect_refusal(enum dialect d, const struct auth_refusal *why)
{
    const struct row *rows = d == DIALECT_STS ? sts : d == DIALECT_EC2 ? ec2 : s3;
    const char *text = buf_text(&why->message);

    if (d == DIALECT_JSON)
        return (struct dialect_error){ why->status, why->type, text };
    rows += why->fault;
    return (struct dialect_error){ rows->status, rows->type, rows->message ? rows->message : text };
}

struct dialect_error dialect_trouble(enum dialect d, enum dialect_trouble what)
{
    static const struct dialect_error rows[][4] = {
        [DIALECT_JSON] = { { 400, "ThrottlingException", "Rate exceeded" },
                           { 400, "AccessDeniedException", "injected fault" },
                           { 500, "InternalServerError", "injected fault" },
                           { 503, "ServiceUnavailableException", "injected fault" } },
        [DIALECT_STS] = { { 400, "Throttling", "Rate exceeded" },
                          { 403, "AccessDenied", "injected fault" },
                          { 500, "InternalFailure", "injected fault" },
                          { 503, "ServiceUnavailable", "injected fault" } },
        [DIALECT_EC2] = { { 503, "RequestLimitExceeded", "Request limit exceeded." },
                          { 403, "UnauthorizedOperation",
                            "You are not authorized to perform this operation." },
                          { 500, "InternalError", "An internal error has occurred" },
                          { 503, "Unavailable", "The service is unavailable." } },
        [DIALECT_S3] = { { 503, "SlowDown", "Please reduce your request rate." },
                         { 403, "AccessDenied", "Access Denied" },
                         { 500, "InternalError",
                           "We encountered an internal error. Please try again." },
                         { 503, "ServiceUnavailable", "Please reduce your request rate." } },
    };

    return rows[d][what];
}

void xml_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, *text);
        }
    }
}

void xml_element(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "<%s>", name);
    xml_text(out, text);
    buf_printf(out, "</%s>", name);
}

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void write_xml(enum dialect d, const struct dialect_error *e, const char *request_id,
                      const char *details, struct buf *out)
{
    if (d == DIALECT_STS) {
        buf_puts(out, "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>");
        xml_element(out, "Type", e->status < 500 ? "Sender" : "Receiver");
    } else {
        buf_puts(out, d == DIALECT_EC2 ? XML "<Response><Errors><Error>" : XML "<Error>");
    }
    xml_element(out, "Code", e->type);
    xml_element(out, "Message", e->message);
    if (d == DIALECT_STS) {
        buf_puts(out, "</Error>");
        xml_element(out, "RequestId", request_id);
        buf_puts(out, "</ErrorResponse>\n");
    } else if (d == DIALECT_EC2) {
        buf_puts(out, "</Error></Errors>");
        xml_element(out, "RequestID", request_id);
        buf_puts(out, "</Response>");
    } else {
        if (details)
            buf_puts(out, details);
        xml_element(out, "RequestId", request_id);
        buf_puts(out, "</Error>");
    }
}

const char *dialect_write(enum dialect d, const struct dialect_error *e, const char *request_id,
                          const char *details, struct buf *out)
{
    struct jw w;

    if (d != DIALECT_JSON) {
        write_xml(d, e, request_id, details, out);
        return d == DIALECT_S3 ? "application/xml" : "text/xml;charset=UTF-8";
    }
    jw_init(&w, out);
    jw_object(&w);
    jw_kstr(&w, "__type", e->type);
    jw_kstr(&w, "message", e->message);
    jw_end(&w);
    return "application/x-amz-json-1.1";
}
