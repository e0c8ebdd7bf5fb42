/* links: aws */
/* What services answer, and the names that a task gives of what it wants of them. The first
 * line is a name, the rest is an answer. */
#include "aws/service.h"
#include "fuzz/fuzz.h"

static void on_tag(void *user, const char *key, const char *value)
{
    LAW(*key && value);
    ++*(size_t *)user;
}

static void try_names(const char *name)
{
    struct secret_ref ref = { 0 };
    struct s3_object o = { 0 };
    struct err e = { 0 };

    if (!secret_ref_parse(name, &ref, &e)) {
        LAW(str_starts(name, ref.id));
        LAW(!ref.json_key || !strchr(ref.json_key, ':'));
        LAW(!ref.stage || !strchr(ref.stage, ':'));
    }
    secret_ref_fini(&ref);
    if (!s3_object_parse(name, &o, &e)) {
        char *endpoint, *path;

        LAW(*o.bucket && *o.key && !strchr(o.bucket, '/'));
        LAW(str_ends(name, o.key) && !str_starts(o.key, "../"));
        s3_address("https://s3.r", false, o.bucket, o.key, &endpoint, &path);
        LAW(path[0] == '/' && !strpbrk(path, " ?#"));
        free(endpoint);
        free(path);
    }
    s3_object_fini(&o);
}

static void try_answer(const char *name, struct str answer)
{
    char *values[1] = { NULL }, *secret = NULL, *member = NULL, *text;
    struct ecr_token token = { 0 };
    size_t told = 0;
    struct err e = { 0 };

    if (!ssm_answer_read(answer, &name, 1, values, &e))
        LAW(values[0]);
    mem_wipe(values[0]);
    if (!ecr_answer_read(answer, &token, &e))
        LAW(*token.name && *token.password && token.server && !strchr(token.name, ':'));
    ecr_token_fini(&token);
    if (!secret_answer_read(answer, &secret, &e))
        LAW(secret);
    mem_wipe(secret);
    text = mem_strndup(answer.n ? answer.p : "", answer.n);
    if (!secret_member(text, name, &member, &e))
        LAW(member);
    mem_wipe(member);
    free(text);
    LAW(ec2_tags_read(answer, on_tag, &told) == told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size);
    AUTO(str) char *name = fuzz_line_text(&left);

    try_names(name);
    try_answer(name, left);
    return 0;
}
