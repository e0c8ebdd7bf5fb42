/* links: aws; dict: ini */
/* A shared credentials file, whose first line here is the profile wanted, and the
 * metadata service's answer with the keys of a role. */
#include "aws/creds_sources.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size);
    AUTO(str) char *profile = NULL;
    struct cred_set set = { 0 };
    struct err e = { 0 };

    if (!creds_imds_parse(left, &set, &e))
        LAW(*set.access_key && *set.secret_key);
    cred_set_fini(&set);
    profile = fuzz_line_text(&left);
    e = (struct err){ 0 };
    if (!creds_ini_read(left.p, left.n, profile, &set, &e))
        LAW(*set.access_key && *set.secret_key);
    else
        LAW(e.code == ERR_NOT_FOUND && !set.access_key && !set.secret_key && !set.session_token);
    cred_set_fini(&set);
    return 0;
}
