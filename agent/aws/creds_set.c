#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

void cred_set_fini(struct cred_set *s)
{
    mem_wipe(s->access_key);
    mem_wipe(s->secret_key);
    mem_wipe(s->session_token);
    free(s->source);
    *s = (struct cred_set){ 0 };
}

void cred_fetch_cancel(struct cred_fetch *f)
{
    if (f)
        f->cancel(f);
}

enum err_code creds_json_read(struct str text, const char *what, const char *token_name,
                              struct cred_set *out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct err local = { 0 }, *je = e ? e : &local;
    struct jcur root;
    const char *code, *access, *secret, *token, *expiration;
    int64_t expires_ms = 0;

    *je = (struct err){ 0 };
    if (json_parse(text.p, text.n, &v, je))
        return err_set(je, ERR_INVALID, "%s: the answer is no JSON", what);
    root = jcur_root(v, je);
    code = jcur_str_or(&root, "Code", "Success");
    if (jcur_ok(&root) && !streq(code, "Success"))
        return err_set(je, ERR_DENIED, "%s: the service says %.80s: %.200s", what, code,
                       jcur_str_or(&root, "Message", ""));
    jcur_int_or(&root, "Version", 1, 1, 1);
    access = jcur_str(&root, "AccessKeyId");
    secret = jcur_str(&root, "SecretAccessKey");
    token = jcur_str_or(&root, token_name, "");
    expiration = jcur_str_or(&root, "Expiration", NULL);
    if (jcur_ok(&root) && expiration)
        (void)!clock_parse_iso(expiration, &expires_ms, je);
    if (je->code)
        return err_wrap(je, "%s", what);
    if (!*access || !*secret)
        return err_set(je, ERR_DENIED, "%s: the keys are empty", what);
    *out = (struct cred_set){ .access_key = secret_strdup(access),
                              .secret_key = secret_strdup(secret),
                              .session_token = *token ? secret_strdup(token) : NULL,
                              .expires_ms = expires_ms };
    return ERR_OK;
}
