#include "control/tcs_decode.h"

#include <stdio.h>

#include "base/json.h"
#include "control/acs_decode.h"
#include "control/one_text.h"

static const struct known {
    const char *type;
    enum tcs_kind kind;
} known[] = {
    { "HeartbeatMessage", TCS_HEARTBEAT },
    { "AckPublishMetric", TCS_ACK },
    { "AckPublishHealth", TCS_ACK },
    { "AckPublishInstanceStatus", TCS_ACK },
    { "StopTelemetrySessionMessage", TCS_NOTED },
    { "ServerException", TCS_NOTED },
    { "BadRequestException", TCS_NOTED },
    { "ResourceValidationException", TCS_NOTED },
    { "InvalidParameterException", TCS_NOTED },
};

static const struct known *find(const char *type)
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (streq(known[i].type, type))
            return &known[i];
    }
    return NULL;
}

static void keep_text(struct tcs_message *out, const char *text)
{
    size_t n = str_utf8_prefix(text, strlen(text), sizeof out->text - 1);

    memcpy(out->text, text, n);
    out->text[n] = '\0';
}

static bool one_key(const struct jcur *root, struct tcs_message *out)
{
    const struct known *k;
    struct jcur member;

    if (!one_text_member(root, &member))
        return false;
    k = find(member.key);
    if (!k || k->kind != TCS_NOTED)
        return false;
    out->kind = TCS_NOTED;
    snprintf(out->type, sizeof out->type, "%s", k->type);
    keep_text(out, jcur_as_str(&member));
    return true;
}

static void decode_envelope(const struct jcur *root, struct tcs_message *out)
{
    const struct known *k;
    struct jcur message;
    const char *type;

    if (jcur_type(root) != JSON_OBJ) {
        jcur_fail(root, "the message is not an object");
        return;
    }
    if (one_key(root, out))
        return;
    type = jcur_str(root, "type");
    message = jcur_obj(root, "message");
    if (!jcur_ok(root))
        return;
    snprintf(out->type, sizeof out->type, "%s", type);
    k = find(type);
    if (!k)
        return;
    if (!jcur_present(&message)) {
        jcur_fail(&message, "expected object, but it is missing");
        return;
    }
    out->kind = k->kind;
    if (k->kind == TCS_HEARTBEAT)
        jcur_bool_or(&message, "healthy", true);
    else
        keep_text(out, jcur_str_or(&message, "message", ""));
}

enum err_code tcs_decode(struct str text, struct tcs_message *out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct tcs_message m = { .kind = TCS_UNKNOWN };
    struct err found = { 0 };
    struct jcur root;

    if (json_parse(text.p, text.n, &v, &found))
        return err_set(e, ERR_INVALID, "%s", found.msg);
    root = jcur_root(v, &found);
    decode_envelope(&root, &m);
    if (found.code)
        return err_set(e, ERR_INVALID, "%s%s%s", m.type, *m.type ? ": " : "", found.msg);
    *out = m;
    return ERR_OK;
}

void tcs_refusal(int status, struct str body, struct err *out)
{
    struct tcs_message m = { .kind = TCS_UNKNOWN };
    struct err ignored = { 0 };

    if (!tcs_decode(body, &m, &ignored) && m.kind == TCS_NOTED)
        err_set(out, ERR_RETRY, "%s: %s", m.type, m.text);
    else
        acs_refusal(status, body, out);
}
