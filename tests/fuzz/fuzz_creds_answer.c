/* links: aws */
/* Keys as calls and programs give them: STS in XML, others in JSON. */
#include "aws/creds_sources.h"
#include "fuzz/fuzz.h"

static void check(enum err_code code, struct cred_set *set, const struct err *e)
{
    if (code)
        LAW(*e->msg && code == e->code);
    else
        LAW(*set->access_key && *set->secret_key);
    cred_set_fini(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const token_names[] = { "Token", "SessionToken" };
    struct str text = fuzz_str(data, size);
    struct cred_set set = { 0 };
    struct err e = { 0 };

    check(creds_sts_read(text, &set, &e), &set, &e);
    for (size_t i = 0; i < COUNT_OF(token_names); i++) {
        e = (struct err){ 0 };
        check(creds_json_read(text, "it", token_names[i], &set, &e), &set, &e);
    }
    e = (struct err){ 0 };
    check(creds_imds_parse(text, &set, &e), &set, &e);
    return 0;
}
