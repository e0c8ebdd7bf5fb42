/* What the two shared files say together, command lines, where container credentials may be
 * fetched from, and STS answers. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/mem.h"

static const char config[] = "[default]\n"
                             "region = us-west-2\n"
                             "[profile web]\n"
                             "role_arn = arn:aws:iam::1:role/web\n"
                             "source_profile = base\n"
                             "external_id = X1\n"
                             "duration_seconds = 1800\n"
                             "[profile base]\n"
                             "aws_access_key_id = AKBASE\n"
                             "aws_secret_access_key = sbase\n"
                             "[profile lender]\n"
                             "aws_access_key_id = AKLEND\n"
                             "aws_secret_access_key = slend\n"
                             "role_arn = arn:aws:iam::1:role/unused\n"
                             "source_profile = base\n"
                             "[profile borrower]\n"
                             "role_arn = arn:aws:iam::1:role/b\n"
                             "source_profile = lender\n"
                             "[profile self]\n"
                             "role_arn = arn:aws:iam::1:role/self\n"
                             "source_profile = self\n"
                             "aws_access_key_id = AKSELF\n"
                             "aws_secret_access_key = sself\n"
                             "[profile emptyself]\n"
                             "role_arn = r\nsource_profile = emptyself\n"
                             "[profile loop1]\nrole_arn = r\nsource_profile = loop2\n"
                             "[profile loop2]\nrole_arn = r\nsource_profile = loop3\n"
                             "[profile loop3]\nrole_arn = r\nsource_profile = loop2\n"
                             "[profile c1]\nrole_arn = r1\nsource_profile = base\n"
                             "[profile c2]\nrole_arn = r2\nsource_profile = c1\n"
                             "[profile c3]\nrole_arn = r3\nsource_profile = c2\n"
                             "[profile c4]\nrole_arn = r4\nsource_profile = c3\n"
                             "[profile c5]\nrole_arn = r5\nsource_profile = c4\n"
                             "[profile c6]\nrole_arn = r6\nsource_profile = c5\n"
                             "[profile lost]\nrole_arn = r\nsource_profile = nobody\n"
                             "[profile env]\nrole_arn = r\ncredential_source = Environment\n"
                             "[profile ec2]\nrole_arn=r\ncredential_source=Ec2InstanceMetadata\n"
                             "[profile ecs]\nrole_arn = r\ncredential_source = EcsContainer\n"
                             "[profile odd]\nrole_arn = r\ncredential_source = Elsewhere\n"
                             "[profile both]\nrole_arn = r\ncredential_source = EcsContainer\n"
                             "source_profile = base\n"
                             "[profile none]\nrole_arn = r\n"
                             "[profile mfa]\nrole_arn = r\nsource_profile = base\n"
                             "mfa_serial = arn:aws:iam::1:mfa/me\n"
                             "[profile long]\nrole_arn = r\nsource_profile = base\n"
                             "duration_seconds = 90000\n"
                             "[profile sso]\nsso_session = s\nsso_account_id = 1\n"
                             "[sso-session s]\nsso_region = us-east-1\n"
                             "[profile proc]\ncredential_process = /bin/keys --fast\n"
                             "[profile token]\nrole_arn = rw\nweb_identity_token_file = /t\n"
                             "[profile half]\naws_access_key_id = AKHALF\n"
                             "[bare]\naws_access_key_id = A\naws_secret_access_key = B\n";
static const char credentials[] = "[default]\n"
                                  "aws_access_key_id = AKDEF\n"
                                  "aws_secret_access_key = sdef\n"
                                  "[base]\n"
                                  "aws_access_key_id = AKBASE2\n"
                                  "aws_secret_access_key = sbase2\n"
                                  "aws_session_token = tbase2\n";

static enum err_code plan(const char *profile, struct cred_plan *p, struct err *e)
{
    return cred_plan_make(str_of(config), str_of(credentials), profile, p, e);
}

static void test_plans(void **state)
{
    const struct {
        const char *profile;
        enum cred_base base;
        const char *access, *last_role;
        size_t hops;
        bool in_config;
    } good[] = {
        { "default", BASE_KEYS, "AKDEF", NULL, 0, false },
        { "base", BASE_KEYS, "AKBASE2", NULL, 0, false },
        { "web", BASE_KEYS, "AKBASE2", "arn:aws:iam::1:role/web", 1, true },
        { "borrower", BASE_KEYS, "AKLEND", "arn:aws:iam::1:role/b", 1, true },
        { "lender", BASE_KEYS, "AKBASE2", "arn:aws:iam::1:role/unused", 1, true },
        { "self", BASE_KEYS, "AKSELF", "arn:aws:iam::1:role/self", 1, true },
        { "c5", BASE_KEYS, "AKBASE2", "r5", 5, true },
        { "env", BASE_ENV, NULL, "r", 1, true },
        { "ec2", BASE_INSTANCE, NULL, "r", 1, true },
        { "ecs", BASE_CONTAINER, NULL, "r", 1, true },
        { "proc", BASE_PROCESS, NULL, NULL, 0, true },
        { "token", BASE_WEB, NULL, NULL, 0, true },
    };
    struct cred_plan p = { 0 };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (plan(good[i].profile, &p, &e))
            fail_msg("%s: %s", good[i].profile, e.msg);
        assert_int_equal(p.base, good[i].base);
        assert_int_equal(p.n_hops, good[i].hops);
        assert_int_equal(p.in_config, good[i].in_config);
        if (good[i].access)
            assert_string_equal(p.keys.access_key, good[i].access);
        else
            assert_null(p.keys.access_key);
        if (good[i].last_role)
            assert_string_equal(p.hops[p.n_hops - 1].role_arn, good[i].last_role);
        cred_plan_fini(&p);
    }
    assert_int_equal(plan("web", &p, &e), ERR_OK);
    assert_string_equal(p.hops[0].external_id, "X1");
    assert_int_equal(p.hops[0].duration_s, 1800);
    cred_plan_fini(&p);
    assert_int_equal(plan("c5", &p, &e), ERR_OK);
    assert_string_equal(p.hops[0].role_arn, "r1"); /* nearest to the keys first */
    cred_plan_fini(&p);
    assert_int_equal(plan("token", &p, &e), ERR_OK);
    assert_string_equal(p.web.role_arn, "rw");
    assert_string_equal(p.web_token_file, "/t");
    cred_plan_fini(&p);
}

static void test_profiles_that_cannot_be_used(void **state)
{
    const struct {
        const char *profile;
        enum err_code code;
        const char *text;
    } bad[] = {
        { "nobody", ERR_NOT_FOUND, "no profile 'nobody'" },
        { "lost", ERR_NOT_FOUND, "no profile 'nobody'" },
        { "half", ERR_NOT_FOUND, "profile 'half' has no aws_secret_access_key" },
        { "bare", ERR_NOT_FOUND, "no profile 'bare'" },
        { "s", ERR_NOT_FOUND, "no profile 's'" },
        { "loop1", ERR_INVALID, "profile 'loop3': source_profile leads back to 'loop2'" },
        { "c6", ERR_INVALID, "more than 5 roles" },
        { "emptyself", ERR_INVALID, "is its own source_profile and has no keys" },
        { "odd", ERR_INVALID, "credential_source is none of" },
        { "both", ERR_INVALID, "needs one of source_profile and credential_source" },
        { "none", ERR_INVALID, "needs one of source_profile and credential_source" },
        { "mfa", ERR_INVALID, "mfa_serial" },
        { "long", ERR_INVALID, "duration_seconds" },
        { "sso", ERR_INVALID, "SSO, which is not supported: a host has no person" },
    };
    struct cred_plan p = { 0 };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum err_code code = plan(bad[i].profile, &p, &e);

        if (code != bad[i].code || !strstr(e.msg, bad[i].text))
            fail_msg("%s: %d: %s", bad[i].profile, (int)code, e.msg);
        assert_int_equal(p.n_hops, 0);
        assert_null(p.keys.access_key);
    }
    assert_int_equal(
        cred_plan_make((struct str){ NULL, 0 }, (struct str){ NULL, 0 }, "x", &p, NULL),
        ERR_NOT_FOUND);
}

static void test_command_lines(void **state)
{
    const struct {
        const char *command;
        const char *words[5];
    } good[] = {
        { "/bin/keys", { "/bin/keys" } },
        { "  a\tb  c ", { "a", "b", "c" } },
        { "\"/opt/my tool\" 'x y' z", { "/opt/my tool", "x y", "z" } },
        { "a\\ b c", { "a b", "c" } },
        { "'a\\b' \"c\\\"d\\e\"", { "a\\b", "c\"d\\e" } },
        { "a'b'\"c\" ''", { "abc", "" } },
        { "keys $HOME *.x;rm `x`", { "keys", "$HOME", "*.x;rm", "`x`" } },
        { "end\\", { "end\\" } },
    };
    const char *const bad[] = { "", "  ", "a 'b", "a \"b\\\"" };
    char many[600] = "";
    char **argv = NULL;
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        size_t n = 0;

        assert_int_equal(creds_argv_split(good[i].command, &argv, &e), ERR_OK);
        for (; good[i].words[n]; n++)
            assert_string_equal(argv[n], good[i].words[n]);
        assert_null(argv[n]);
        creds_argv_free(argv);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(creds_argv_split(bad[i], &argv, &e), ERR_INVALID);
    for (size_t i = 0; i < 258; i += 2)
        memcpy(many + i, "a ", 3);
    assert_int_equal(creds_argv_split(many, &argv, &e), ERR_INVALID);
    creds_argv_free(NULL);
}

static void test_where_container_credentials_are_fetched(void **state)
{
    const struct {
        const char *relative, *full, *url; /* NULL: refused */
        enum err_code code;
    } cases[] = {
        { NULL, NULL, NULL, ERR_NOT_FOUND },
        { "", "", NULL, ERR_NOT_FOUND },
        { "/v2/credentials/1", "http://example.com/", "http://169.254.170.2/v2/credentials/1",
          ERR_OK },
        { ".example.com/", NULL, NULL, ERR_DENIED },
        { NULL, "https://keys.example.com/x", "https://keys.example.com/x", ERR_OK },
        { NULL, "http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x", ERR_OK },
        { NULL, "http://127.9.9.9/x", "http://127.9.9.9/x", ERR_OK },
        { NULL, "http://localhost/x", "http://localhost/x", ERR_OK },
        { NULL, "http://[::1]:80/x", "http://[::1]:80/x", ERR_OK },
        { NULL, "http://169.254.170.23/x", "http://169.254.170.23/x", ERR_OK },
        { NULL, "http://169.254.170.2?x", "http://169.254.170.2?x", ERR_OK },
        { NULL, "http://[fd00:ec2::23]/x", "http://[fd00:ec2::23]/x", ERR_OK },
        { NULL, "http://[fd00:0ec2:0::0023]/x", "http://[fd00:0ec2:0::0023]/x", ERR_OK },
        { NULL, "http://169.254.169.254/x", NULL, ERR_DENIED },
        { NULL, "http://[fd00:ec2::254]/x", NULL, ERR_DENIED },
        { NULL, "http://example.com/x", NULL, ERR_DENIED },
        { NULL, "http://127.0.0.1@example.com/x", NULL, ERR_DENIED },
        { NULL, "http://127.0.0.1.example.com/x", NULL, ERR_DENIED },
        { NULL, "http://example.com/127.0.0.1", NULL, ERR_DENIED },
        { NULL, "http://[::1", NULL, ERR_DENIED },
        { NULL, "http://", NULL, ERR_DENIED },
        { NULL, "ftp://127.0.0.1/x", NULL, ERR_DENIED },
    };
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *url = NULL;

        if (creds_container_url(cases[i].relative, cases[i].full, &url, &e) != cases[i].code)
            fail_msg("%s: %s", cases[i].full ? cases[i].full : "-", e.msg);
        if (cases[i].url)
            assert_string_equal(url, cases[i].url);
        else
            assert_null(url);
    }
}

#define STS_FRAME(inner)                                                                         \
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"                   \
    "<AssumeRoleResult><AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials>\n" inner \
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"

static void test_sts_answers(void **state)
{
    const char *good = STS_FRAME("<AccessKeyId>ASIA1</AccessKeyId>\n"
                                 "<SecretAccessKey>s&amp;1</SecretAccessKey>"
                                 "<SessionToken>t/+=</SessionToken>"
                                 "<Expiration>2026-01-02T03:04:05Z</Expiration>");
    const char *const bad[] = {
        "",
        "<html>",
        "{}",
        STS_FRAME("<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                  "<Expiration>2026-01-02T03:04:05Z</Expiration>"),
        STS_FRAME("<AccessKeyId></AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                  "<SessionToken>t</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration>"),
        STS_FRAME("<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                  "<SessionToken>t</SessionToken>"),
        STS_FRAME("<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                  "<SessionToken>t</SessionToken><Expiration>soon</Expiration>"),
    };
    struct cred_set set = { 0 };
    struct err e = { 0 };

    (void)state;
    assert_int_equal(creds_sts_read(str_of(good), &set, &e), ERR_OK);
    assert_string_equal(set.access_key, "ASIA1");
    assert_string_equal(set.secret_key, "s&1");
    assert_string_equal(set.session_token, "t/+=");
    assert_int_equal(set.expires_ms, 1767323045000);
    cred_set_fini(&set);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(creds_sts_read(str_of(bad[i]), &set, &e), ERR_INVALID);
        assert_null(set.access_key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_profiles_that_cannot_be_used),
        cmocka_unit_test(test_command_lines),
        cmocka_unit_test(test_where_container_credentials_are_fetched),
        cmocka_unit_test(test_sts_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
