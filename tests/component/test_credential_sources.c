/* links: aws io */
/* Every place where the instance's keys may be: each alone, their order, what happens when
 * they change, end or fail. One small server is the metadata service, STS and the container's
 * credential service. */
#include "support/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "aws/creds_sources.h"
#include "base/buf.h"
#include "base/clock.h"
#include "component/metadata_server.h"
#include "io/loop.h"

struct fixture {
    struct loop *loop;
    struct http_client *http;
    struct aws *aws;
    struct imds *imds;
    struct credentials *credentials;
    struct md_server *server;
    struct loop_timer *guard, *pause;
    char dir[64];
    char *env[32]; /* NAME=VALUE */
    /* The server's part; `valid_ms` of all keys that it makes. */
    int64_t valid_ms;
    bool role, sts_fails, role_fails;
    int n_role, n_sts, n_container;
    char sts_bodies[4096], sts_signers[1024], bad[256];
    /* Outcomes. */
    int n_done, stop_at;
    char got[1200];
    enum err_code code;
};

static void expiration(const struct fixture *f, char out[CLOCK_ISO_SIZE])
{
    clock_iso(clock_wall_ms() + f->valid_ms, out);
}

static void json_keys(struct fixture *f, struct md_request *rq, const char *access, int number)
{
    char until[CLOCK_ISO_SIZE];

    expiration(f, until);
    snprintf(rq->text, sizeof rq->text,
             "{\"Code\":\"Success\",\"AccessKeyId\":\"%s%d\",\"SecretAccessKey\":\"SECRETCANARY\","
             "\"Token\":\"TOKENCANARY\",\"Expiration\":\"%s\"}",
             access, number, until);
}

static void sts(struct fixture *f, struct md_request *rq)
{
    const char *signer = strcasestr(rq->head, "Credential=");
    char until[CLOCK_ISO_SIZE];
    size_t used = strlen(f->sts_bodies);

    f->n_sts++;
    snprintf(f->sts_bodies + used, sizeof f->sts_bodies - used, "%s\n", rq->body);
    used = strlen(f->sts_signers);
    snprintf(f->sts_signers + used, sizeof f->sts_signers - used, "%.*s,",
             signer ? (int)strcspn(signer + 11, "/") : 4, signer ? signer + 11 : "none");
    if (f->sts_fails) {
        rq->status = 403;
        snprintf(rq->text, sizeof rq->text,
                 "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message>"
                 "</Error></ErrorResponse>");
        return;
    }
    expiration(f, until);
    snprintf(rq->text, sizeof rq->text,
             "<R><Credentials><AccessKeyId>AKSTS%d</AccessKeyId>"
             "<SecretAccessKey>SECRETCANARY</SecretAccessKey>"
             "<SessionToken>TOKENCANARY</SessionToken><Expiration>%s</Expiration>"
             "</Credentials></R>",
             f->n_sts, until);
}

static void handle(void *arg, struct md_request *rq)
{
    struct fixture *f = arg;

    if (streq(rq->method, "PUT")) {
        snprintf(rq->text, sizeof rq->text, "TOK");
    } else if (streq(rq->method, "POST")) {
        sts(f, rq);
    } else if (streq(rq->path, "/container")) {
        f->n_container++;
        if (!strcasestr(rq->head, "\r\nAuthorization: let me in\r\n"))
            snprintf(f->bad, sizeof f->bad, "no authorization for the container");
        json_keys(f, rq, "AKCONT", f->n_container);
    } else if (!f->role) {
        rq->status = 404;
    } else if (f->role_fails) {
        rq->status = 500;
    } else if (str_ends(rq->path, "security-credentials/")) {
        snprintf(rq->text, sizeof rq->text, "host-role\n");
    } else if (str_ends(rq->path, "security-credentials/host-role")) {
        json_keys(f, rq, "AKROLE", ++f->n_role);
    } else {
        snprintf(f->bad, sizeof f->bad, "asked for %.200s", rq->path);
    }
}

/* ---- the fixture ---- */

static const char *look_up(void *user, const char *name)
{
    struct fixture *f = user;
    size_t n = strlen(name);

    for (size_t i = 0; i < COUNT_OF(f->env); i++) {
        if (f->env[i] && strncmp(f->env[i], name, n) == 0 && f->env[i][n] == '=')
            return f->env[i] + n + 1;
    }
    return NULL;
}

/* NULL unsets. */
static void set_env(struct fixture *f, const char *name, const char *value)
{
    size_t n = strlen(name), free_slot = COUNT_OF(f->env);

    for (size_t i = COUNT_OF(f->env); i-- > 0;) {
        if (f->env[i] && strncmp(f->env[i], name, n) == 0 && f->env[i][n] == '=') {
            free(f->env[i]); /* who kept a pointer to it is found by the sanitizer */
            f->env[i] = NULL;
        }
        if (!f->env[i])
            free_slot = i;
    }
    if (value)
        f->env[free_slot] = mem_printf("%s=%s", name, value);
}

static char *path_of(const struct fixture *f, const char *name)
{
    return mem_printf("%s/%s", f->dir, name);
}

static void put_file(const struct fixture *f, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void put_file(const struct fixture *f, const char *name, const char *fmt, ...)
{
    AUTO(str) char *path = path_of(f, name);
    AUTO(str) char *fresh = path_of(f, "fresh");
    FILE *out = fopen(fresh, "we");
    va_list ap;

    assert_non_null(out);
    va_start(ap, fmt);
    vfprintf(out, fmt, ap);
    va_end(ap);
    fclose(out);
    /* At once: somebody may be reading. */
    assert_int_equal(rename(fresh, path), 0);
}

static void put_keys(const struct fixture *f, const char *name, const char *access)
{
    put_file(f, name, "[default]\naws_access_key_id=%s\naws_secret_access_key=SECRETCANARY\n",
             access);
}

static void drop_file(const struct fixture *f, const char *name)
{
    AUTO(str) char *path = path_of(f, name);

    unlink(path);
}

static void set_env_path(struct fixture *f, const char *name, const char *file)
{
    AUTO(str) char *path = path_of(f, file);

    set_env(f, name, path);
}

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static void stop_loop(void *user)
{
    loop_stop(user);
}

static void make_credentials(struct fixture *f, bool external)
{
    AUTO(str) char *rotating = path_of(f, "rotating");

    credentials_destroy(f->credentials);
    f->credentials = credentials_create(&(struct credentials_args){ .aws = f->aws,
                                                                    .imds = f->imds,
                                                                    .env = look_up,
                                                                    .env_user = f,
                                                                    .external = external,
                                                                    .rotating_file = rotating });
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){ .valid_ms = 7200000 };
    snprintf(f->dir, sizeof f->dir, "/tmp/berth-creds-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->server = md_start(handle, f);
    f->loop = loop_create();
    f->http = http_client_create(f->loop, &(struct http_client_config){ 0 });
    set_env_path(f, "AWS_SHARED_CREDENTIALS_FILE", "shared");
    set_env_path(f, "AWS_CONFIG_FILE", "config");
    set_env(f, "AWS_ENDPOINT_URL_STS", f->server->base);
    f->aws = aws_create(&(struct aws_args){
        .http = f->http, .region = "us-west-2", .env = look_up, .env_user = f, .seed = 1 });
    f->imds =
        imds_create(&(struct imds_args){ .http = f->http, .base = f->server->base, .seed = 1 });
    make_credentials(f, false);
    f->pause = loop_timer_create(f->loop, stop_loop, f->loop);
    f->guard = loop_timer_create(f->loop, on_guard, f);
    loop_timer_arm(f->guard, 30000);
}

static void tear_down(struct fixture *f)
{
    static const char *const files[] = { "shared", "config", "rotating", "token", "keys.sh" };

    credentials_destroy(f->credentials);
    imds_destroy(f->imds);
    aws_destroy(f->aws);
    loop_timer_destroy(f->guard);
    loop_timer_destroy(f->pause);
    http_client_destroy(f->http);
    loop_destroy(f->loop);
    md_stop(f->server);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        drop_file(f, files[i]);
    rmdir(f->dir);
    for (size_t i = 0; i < COUNT_OF(f->env); i++)
        free(f->env[i]);
    assert_string_equal(f->bad, "");
}

static void on_keys(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct fixture *f = user;

    assert_true(!keys == !!e->code);
    snprintf(f->got, sizeof f->got, "%s", keys ? keys->access_key : e->msg);
    f->code = e->code;
    if (++f->n_done == f->stop_at)
        loop_stop(f->loop);
}

static const char *get_keys(struct fixture *f)
{
    f->stop_at = f->n_done + 1;
    credentials_get(f->credentials, on_keys, f);
    loop_run(f->loop);
    return f->got;
}

static void let_pass(struct fixture *f, int64_t ms)
{
    loop_timer_arm(f->pause, ms);
    loop_run(f->loop);
}

static void assert_status(struct fixture *f, const char *has)
{
    struct buf text = BUF_INIT(4096);
    struct jw w;

    jw_init(&w, &text);
    credentials_write_status(f->credentials, &w);
    if (!strstr(buf_text(&text), has))
        fail_msg("no '%s' in %s", has, buf_text(&text));
    assert_null(strstr(buf_text(&text), "CANARY"));
    buf_fini(&text);
}

/* ---- sources and their order ---- */

enum { ENV, WEB, SHARED, CONTAINER, INSTANCE, ROTATING, PLACES };

static void offer(struct fixture *f, int place, bool on)
{
    AUTO(str) char *url = mem_printf("%s/container", f->server->base);

    if (place == ENV) {
        set_env(f, "AWS_ACCESS_KEY_ID", on ? "AKENV" : NULL);
        set_env(f, "AWS_SECRET_ACCESS_KEY", on ? "SECRETCANARY" : NULL);
    } else if (place == WEB) {
        set_env_path(f, "AWS_WEB_IDENTITY_TOKEN_FILE", "token");
        set_env(f, "AWS_ROLE_ARN", on ? "arn:aws:iam::1:role/web" : NULL);
        put_file(f, "token", "WEB+TOKEN/=\n");
    } else if (place == SHARED && on) {
        put_keys(f, "shared", "AKSHARED");
    } else if (place == CONTAINER) {
        set_env(f, "AWS_CONTAINER_CREDENTIALS_FULL_URI", on ? url : NULL);
        set_env(f, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in");
    } else if (place == INSTANCE) {
        f->role = on;
    } else if (place == ROTATING && on) {
        put_keys(f, "rotating", "AKROT");
    } else {
        drop_file(f, place == SHARED ? "shared" : "rotating");
    }
}

static void check_order(bool external, const int *order, size_t n)
{
    static const struct {
        const char *key, *source;
    } want[PLACES] = {
        [ENV] = { "AKENV", "\"environment\"" },
        [WEB] = { "AKSTS1", "\"web identity arn:aws:iam::1:role/web\"" },
        [SHARED] = { "AKSHARED", "\"profile default of /tmp/" },
        [CONTAINER] = { "AKCONT1", "\"container credentials\"" },
        [INSTANCE] = { "AKROLE1", "\"instance role host-role\"" },
        [ROTATING] = { "AKROT", "\"rotating file, profile default of /tmp/" },
    };
    struct fixture f;

    set_up(&f);
    make_credentials(&f, external);
    for (size_t i = 0; i < n; i++)
        offer(&f, order[i], true);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(get_keys(&f), want[order[i]].key);
        assert_status(&f, want[order[i]].source);
        offer(&f, order[i], false);
        credentials_reload(f.credentials);
    }
    get_keys(&f);
    assert_int_equal(f.code, ERR_DENIED);
    assert_status(&f, "\"source\":null");
    assert_status(&f, "\"last_error\":\"no AWS credentials: environment: AWS_ACCESS_KEY_ID is not");
    tear_down(&f);
}

static void test_order(void **state)
{
    const int on_ec2[] = { ENV, WEB, SHARED, CONTAINER, INSTANCE, ROTATING };
    const int elsewhere[] = { ENV, ROTATING, SHARED, INSTANCE };

    (void)state;
    check_order(false, on_ec2, COUNT_OF(on_ec2));
    check_order(true, elsewhere, COUNT_OF(elsewhere));
}

static void test_web_identity_call(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    offer(&f, WEB, true);
    set_env(&f, "AWS_ROLE_SESSION_NAME", "my host");
    assert_string_equal(get_keys(&f), "AKSTS1");
    assert_string_equal(f.sts_signers, "none,");
    assert_non_null(strstr(f.sts_bodies, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                                         "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fweb"
                                         "&RoleSessionName=my%20host"));
    assert_non_null(strstr(f.sts_bodies, "&WebIdentityToken=WEB%2BTOKEN%2F%3D\n"));
    assert_string_equal(get_keys(&f), "AKSTS1"); /* kept */
    assert_int_equal(f.n_sts, 1);
    /* Refused: the reason is told, and the others have their turn. */
    f.sts_fails = true;
    credentials_invalidate(f.credentials);
    get_keys(&f);
    assert_int_equal(f.code, ERR_DENIED);
    assert_non_null(strstr(f.got, "web identity: AssumeRoleWithWebIdentity: AccessDenied: not "));
    drop_file(&f, "token");
    offer(&f, INSTANCE, true);
    assert_string_equal(get_keys(&f), "AKROLE1");
    tear_down(&f);
}

static void test_roles_of_profiles(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    put_file(&f, "config",
             "[profile two]\nrole_arn=arn:two\nsource_profile=one\nrole_session_name=s2\n"
             "[profile one]\nrole_arn=arn:one\nsource_profile=default\nexternal_id=X\n"
             "[profile box]\nrole_arn=arn:box\ncredential_source=Ec2InstanceMetadata\n"
             "[profile env]\nrole_arn=arn:env\ncredential_source=Environment\n"
             "[profile sso]\nsso_start_url=https://example.com\n");
    put_keys(&f, "shared", "AKBASE");
    set_env(&f, "AWS_PROFILE", "two");
    credentials_set_file_keep_ms(f.credentials, 20);
    assert_string_equal(get_keys(&f), "AKSTS2");
    assert_string_equal(f.sts_signers, "AKBASE,AKSTS1,");
    assert_non_null(strstr(f.sts_bodies, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aone"));
    assert_non_null(strstr(f.sts_bodies, "&ExternalId=X"));
    assert_non_null(strstr(f.sts_bodies, "RoleArn=arn%3Atwo&RoleSessionName=s2"));
    assert_status(&f, "\"source\":\"profile two of /tmp/");
    assert_status(&f, "/config\"");
    /* The files are looked at, and are as they were: no calls. */
    let_pass(&f, 30);
    assert_string_equal(get_keys(&f), "AKSTS2");
    let_pass(&f, 30);
    assert_string_equal(get_keys(&f), "AKSTS2");
    assert_int_equal(f.n_sts, 2);
    /* They changed: the old keys are still good meanwhile, then there are new ones. */
    put_keys(&f, "shared", "AKBASE9");
    let_pass(&f, 30);
    while (!streq(get_keys(&f), "AKSTS4"))
        assert_string_equal(f.got, "AKSTS2");
    assert_string_equal(f.sts_signers, "AKBASE,AKSTS1,AKBASE9,AKSTS3,");

    set_env(&f, "AWS_PROFILE", "box");
    f.role = true;
    credentials_reload(f.credentials);
    assert_string_equal(get_keys(&f), "AKSTS5");
    set_env(&f, "AWS_PROFILE", "env");
    f.role = false;
    credentials_reload(f.credentials);
    get_keys(&f);
    assert_non_null(strstr(f.got, "shared files: profile 'env': AWS_ACCESS_KEY_ID is not set; "));
    set_env(&f, "AWS_PROFILE", "sso");
    get_keys(&f);
    assert_non_null(strstr(f.got, "profile 'sso' signs in by SSO, which is not supported"));
    tear_down(&f);
}

/* ---- a program ---- */

static void test_program(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    put_file(&f, "keys.sh",
             "test \"$1\" = 'a b' || exit 3\n"
             "echo noise >&2\n"
             "echo '{\"Version\":1,\"AccessKeyId\":\"AKPROC\",\"SecretAccessKey\":\"SECRETCANARY\","
             "\"SessionToken\":\"TOKENCANARY\",\"Expiration\":\"2100-01-01T00:00:00Z\"}'\n");
    put_file(&f, "config", "[default]\ncredential_process = /bin/sh '%s/keys.sh' \"a b\"\n", f.dir);
    assert_string_equal(get_keys(&f), "AKPROC");
    put_file(&f, "config", "[default]\ncredential_process = /bin/sh '%s/keys.sh' a b\n", f.dir);
    credentials_reload(f.credentials);
    get_keys(&f);
    assert_non_null(strstr(f.got, "credential_process ended with status 3"));
    tear_down(&f);
}

static void test_destroy_ends_the_program(void **state)
{
    struct fixture f;
    int64_t started = clock_mono_ms();

    (void)state;
    set_up(&f);
    put_file(&f, "config", "[default]\ncredential_process = sleep 60\n");
    credentials_get(f.credentials, on_keys, &f);
    let_pass(&f, 100);
    tear_down(&f);
    assert_int_equal(f.n_done, 0);
    assert_in_range(clock_mono_ms() - started, 0, 10000);
}

/* ---- change, end, failure ---- */

static void test_files_are_looked_at_again(void **state)
{
    const char *const names[] = { "shared", "rotating" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct fixture f;

        set_up(&f);
        put_keys(&f, names[i], "AKOLD");
        assert_string_equal(get_keys(&f), "AKOLD");
        put_keys(&f, names[i], "AKNEW");
        assert_string_equal(get_keys(&f), "AKOLD"); /* within the minute */
        credentials_set_file_keep_ms(f.credentials, 20);
        credentials_reload(f.credentials);
        assert_string_equal(get_keys(&f), "AKNEW");
        put_keys(&f, names[i], "AKNEWER");
        let_pass(&f, 30);
        assert_string_equal(get_keys(&f), "AKNEWER");
        /* Gone: what was there goes on. */
        drop_file(&f, names[i]);
        let_pass(&f, 30);
        assert_string_equal(get_keys(&f), "AKNEWER");
        assert_status(&f, "\"last_error\":\"no AWS credentials: ");
        tear_down(&f);
    }
}

/* Lets the services' time be so much later than ours. */
static void shift_clock(struct fixture *f, int64_t ms)
{
    char date[64];
    time_t t = (time_t)((clock_wall_ms() + ms) / 1000);
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
    assert_true(aws_learn_time(f->aws, date));
}

static void test_new_keys_before_the_end_and_after(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.role = true;
    assert_string_equal(get_keys(&f), "AKROLE1");
    assert_status(&f, "\"expires_ms\":");
    /* Three minutes left: nobody waits for the new ones. */
    shift_clock(&f, 57 * 60000);
    f.valid_ms = 2 * 3600000;
    assert_string_equal(get_keys(&f), "AKROLE1");
    while (streq(get_keys(&f), "AKROLE1"))
        ;
    assert_string_equal(f.got, "AKROLE2");
    /* Over: who asks has to wait, and is never given the old ones. */
    f.valid_ms = 4 * 3600000;
    shift_clock(&f, 2 * 3600000);
    assert_string_equal(get_keys(&f), "AKROLE3");
    /* The shortest life. */
    credentials_invalidate(f.credentials);
    f.valid_ms = 2 * 3600000 + 3000;
    assert_string_equal(get_keys(&f), "AKROLE4");
    f.valid_ms = 4 * 3600000;
    let_pass(&f, 4100); /* the Date header has no fractions */
    assert_string_equal(get_keys(&f), "AKROLE5");
    tear_down(&f);
}

static void test_trouble_with_the_source_keeps_the_keys(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.role = true;
    assert_string_equal(get_keys(&f), "AKROLE1");
    put_keys(&f, "rotating", "AKOTHER"); /* somebody else's: not to be turned to */
    f.role_fails = true;
    shift_clock(&f, 57 * 60000);
    let_pass(&f, 0);
    assert_string_equal(get_keys(&f), "AKROLE1");
    let_pass(&f, 5000); /* the failing fetch runs its course */
    assert_string_equal(get_keys(&f), "AKROLE1");
    assert_status(&f, "instance role: instance metadata");
    shift_clock(&f, 65 * 60000);
    assert_string_equal(get_keys(&f), "AKOTHER"); /* now they are over */
    tear_down(&f);
}

static void test_container_token_in_a_file(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    offer(&f, CONTAINER, true);
    set_env(&f, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this");
    set_env_path(&f, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token");
    put_file(&f, "token", "let me in\n");
    assert_string_equal(get_keys(&f), "AKCONT1");
    put_file(&f, "token", "let me in\r\nEvil: yes\n");
    credentials_invalidate(f.credentials);
    get_keys(&f);
    assert_non_null(strstr(f.got, "more than one line"));
    drop_file(&f, "token");
    get_keys(&f);
    assert_non_null(strstr(f.got, "/token: No such file"));
    assert_int_equal(f.n_container, 1);
    set_env(&f, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/keys");
    get_keys(&f);
    assert_non_null(strstr(f.got, "neither https nor a local address"));
    tear_down(&f);
}

static void test_without_metadata(void **state)
{
    struct fixture f;
    struct imds *imds;

    (void)state;
    set_up(&f);
    f.role = true;
    imds = f.imds;
    f.imds = NULL;
    make_credentials(&f, false);
    get_keys(&f);
    assert_non_null(strstr(f.got, "instance role: instance metadata is turned off; "));
    put_file(&f, "config", "[default]\nrole_arn=r\ncredential_source=Ec2InstanceMetadata\n");
    get_keys(&f);
    assert_non_null(strstr(f.got, "profile 'default': instance metadata is turned off; "));
    assert_int_equal(f.n_role, 0);
    f.imds = imds;
    tear_down(&f);
}

/* ---- waiters ---- */

static void reload_once(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct fixture *f = user;

    assert_non_null(keys);
    assert_int_equal(e->code, ERR_OK);
    set_env(f, "AWS_ACCESS_KEY_ID", "AKSECOND");
    credentials_reload(f->credentials);
}

static void test_reload_in_a_callback(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    offer(&f, ENV, true);
    f.stop_at = 2;
    credentials_get(f.credentials, reload_once, &f);
    credentials_get(f.credentials, on_keys, &f);
    credentials_get(f.credentials, on_keys, &f);
    loop_run(f.loop);
    assert_string_equal(f.got, "AKSECOND"); /* the others wait for what is meant now */
    tear_down(&f);
}

static void never(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    (void)user;
    (void)keys;
    (void)e;
    fail_msg("a canceled request was answered");
}

struct ender {
    struct fixture *f;
    struct credentials_op *other;
};

static void end_all(void *user, const struct sigv4_keys *keys, const struct err *e)
{
    struct ender *x = user;

    (void)keys;
    (void)e;
    credentials_cancel(x->other);
    credentials_destroy(x->f->credentials);
    x->f->credentials = NULL;
    loop_stop(x->f->loop);
}

static void test_cancel_and_destroy_in_a_callback(void **state)
{
    struct fixture f;
    struct ender x = { &f, NULL };

    (void)state;
    set_up(&f);
    f.role = true;
    credentials_get(f.credentials, end_all, &x);
    x.other = credentials_get(f.credentials, never, &f);
    credentials_get(f.credentials, never, &f);
    loop_run(f.loop);
    /* In the middle of each kind of fetch. */
    for (int place = 0; place < PLACES; place++) {
        make_credentials(&f, false);
        for (int i = 0; i < PLACES; i++)
            offer(&f, i, i == place);
        credentials_get(f.credentials, never, &f);
        credentials_reload(f.credentials);
        credentials_destroy(f.credentials);
        f.credentials = NULL;
    }
    credentials_destroy(NULL);
    tear_down(&f);
}

/* A credential of the unit counts where no file is named, before the one in the home folder. */
static void test_loaded_by_the_service_manager(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    put_keys(&f, "shared", "AKSHARED");
    put_keys(&f, "aws-credentials", "AKLOADED");
    set_env(&f, "CREDENTIALS_DIRECTORY", f.dir);
    assert_string_equal(get_keys(&f), "AKSHARED");
    set_env(&f, "AWS_SHARED_CREDENTIALS_FILE", NULL);
    set_env(&f, "HOME", f.dir);
    credentials_reload(f.credentials);
    assert_string_equal(get_keys(&f), "AKLOADED");
    drop_file(&f, "aws-credentials");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_web_identity_call),
        cmocka_unit_test(test_roles_of_profiles),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_destroy_ends_the_program),
        cmocka_unit_test(test_files_are_looked_at_again),
        cmocka_unit_test(test_new_keys_before_the_end_and_after),
        cmocka_unit_test(test_trouble_with_the_source_keeps_the_keys),
        cmocka_unit_test(test_container_token_in_a_file),
        cmocka_unit_test(test_without_metadata),
        cmocka_unit_test(test_reload_in_a_callback),
        cmocka_unit_test(test_cancel_and_destroy_in_a_callback),
        cmocka_unit_test(test_loaded_by_the_service_manager),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
