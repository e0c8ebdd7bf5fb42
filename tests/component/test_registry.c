/* links: docker task io base */
/* Images from registries, through a real engine: a real one (docker-registry) with
 * passwords, the same one over TLS with a private CA, and one that misbehaves
 * (hostile_registry.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "component/docker_world.h"
#include "component/programs.h"
#include "docker/op.h"
#include "support/held_port.h"

#define USER     "berth"
#define PASSWORD "pass:word?>"
#define PULL_MS  60000

static struct fix {
    char dir[64];
    const char *no_registry; /* why the tests of the real one are skipped; NULL: they are not */
    struct program registry, tls, hostile;
    char host[64], hostile_host[64]; /* host:port */
    char repo[128], image[140];      /* of the real one */
    char digest[200];
    char found[200];
    char *auth;
    char certs[100]; /* a folder that Docker reads; to remove */
} fx;

/* ---- callbacks ---- */

static void on_digest(void *user, const char *digest, const struct err *e)
{
    (void)user;
    CHECK(!digest == (e->code != ERR_OK));
    snprintf(fx.found, sizeof fx.found, "%s", digest ? digest : "");
    finish(e);
}

/* The digest of the image's own repository. */
static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    const char *digest = image ? docker_digest_of(image, user) : NULL;

    snprintf(fx.found, sizeof fx.found, "%s", digest ? digest : "");
    finish(e);
}

static void pull(const char *image, const char *auth)
{
    docker_pull(w.d, image, auth, PULL_MS, PULL_MS, NULL, on_done, NULL);
}

static void remove_image(const char *image)
{
    docker_remove_image(w.d, image, CALL_MS, on_done, NULL);
    wait_ok();
}

static void inspect(const char *image)
{
    docker_inspect_image(w.d, image, CALL_MS, on_image, (void *)image);
}

/* As the configuration would say it. */
static char *auth_of(const char *host, const char *user, const char *password)
{
    AUTO(str)
    char *data = mem_printf("{\"http://%s\":{\"username\":\"%s\",\"password\":\"%s\"}}", host, user,
                            password);
    AUTO(str) char *image = mem_printf("%s/any/thing:1", host);
    struct docker_auths *auths = NULL;
    struct err e = { 0 };
    char *header;

    assert_int_equal(docker_auths_create("docker", data, &auths, &e), ERR_OK);
    header = docker_auths_header(auths, image);
    docker_auths_destroy(auths);
    assert_non_null(header);
    return header;
}

/* ---- registries ---- */

static bool shell(const char *script, const char *arg)
{
    struct program p;
    char line[1000];
    const char *const argv[] = { "/bin/sh", "-c", script, "sh", fx.dir, arg, NULL };
    bool good = program_start(&p, argv, "it is done", line, sizeof line);

    program_stop(&p);
    return good;
}

/* `http` is the members of its section besides the address. */
static bool start_registry(struct program *p, const char *address, char *host, size_t n,
                           const char *http)
{
    char path[100], line[1000];
    const char *const argv[] = { "docker-registry", "serve", path, NULL };
    int port = 0, held = held_port(address, &port);
    FILE *config;
    bool up;

    snprintf(path, sizeof path, "%s/config.yml", fx.dir);
    snprintf(host, n, "%s:%d", address, port);
    config = fopen(path, "w");
    up = config != NULL;
    if (up) {
        fprintf(config,
                "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
                "storage: {filesystem: {rootdirectory: %s/store}}\n"
                "auth: {htpasswd: {realm: berth, path: %s/htpasswd}}\n"
                "http: {addr: \"%s\"%s}\n",
                fx.dir, fx.dir, host, http);
        fclose(config);
        up = program_start(p, argv, "listening on", line, sizeof line);
    }
    close(held); /* the registry has it now */
    return up;
}

static bool push(const char *repo, const char *tag, const char *auth)
{
    char path[300];

    snprintf(path, sizeof path, "/images/%s/push?tag=%s", repo, tag);
    world_http("POST", path, (struct http_header){ "X-Registry-Auth", auth }, (struct str){ 0 });
    return w.status == 200;
}

/* An image under the name fx.image, in the registry and no longer in the engine. */
static const char *fill_registry(void)
{
    AUTO(buf) struct buf tar = BUF_INIT(1 << 20);

    tar_entry(&tar, "file", '0', "", str_of(w.unique));
    tar_end(&tar);
    docker_import_image(w.d, fx.image, "/file", buf_str(&tar), CALL_MS, on_done, NULL);
    w.done = false;
    run();
    if (w.e.code || !push(fx.repo, "1", fx.auth))
        return "the engine cannot make and push an image";
    docker_remove_image(w.d, fx.image, CALL_MS, on_done, NULL);
    w.done = false;
    run();
    return w.e.code ? "the engine cannot remove an image" : NULL;
}

static const char *begin_registry(void)
{
    if (!str_starts(w.endpoint, "unix://"))
        return "the engine may be on another machine";
    if (!program_exists("docker-registry"))
        return "no docker-registry (package docker-registry)";
    if (!program_exists("htpasswd"))
        return "no htpasswd (package apache2-utils)";
    if (!shell("printf '%s\\n' \"$2\" | htpasswd -Bbic \"$1/htpasswd\" " USER
               " 2>&1 && echo it is done",
               PASSWORD))
        return "htpasswd failed";
    if (!start_registry(&fx.registry, "127.0.0.1", fx.host, sizeof fx.host, ""))
        return "docker-registry does not start";
    snprintf(fx.repo, sizeof fx.repo, "%s/%s", fx.host, w.unique);
    snprintf(fx.image, sizeof fx.image, "%s:1", fx.repo);
    fx.auth = auth_of(fx.host, USER, PASSWORD);
    return fill_registry();
}

static int group_setup(void **state)
{
    (void)state;
    world_begin();
    snprintf(fx.dir, sizeof fx.dir, "/tmp/berth-registry-XXXXXX");
    if (!mkdtemp(fx.dir))
        return -1;
    fx.no_registry = w.why_skipped ? w.why_skipped : begin_registry();
    if (fx.no_registry)
        printf("skipped: %s\n", fx.no_registry);
    return 0;
}

static int group_teardown(void **state)
{
    const struct http_header accept = { "Accept", "application/json" };
    char path[200];

    (void)state;
    program_stop(&fx.registry);
    program_stop(&fx.tls);
    program_stop(&fx.hostile);
    snprintf(path, sizeof path, "/images/%s?force=1", fx.image);
    if (!fx.no_registry)
        world_http("DELETE", path, accept, (struct str){ 0 });
    if (*fx.certs)
        shell("rm -r \"$2\"; rmdir /etc/docker/certs.d; echo it is done", fx.certs);
    shell("rm -rf \"$1\"; echo it is done", "");
    mem_wipe(fx.auth);
    world_end();
    return 0;
}

#define NEED_REGISTRY()     \
    do {                    \
        if (fx.no_registry) \
            skip();         \
    } while (0)

/* ---- a real one, with passwords ---- */

/* Whose failure that is the engine tells as 401 or as 500. */
static void wait_refused(const char *text)
{
    wait_call();
    if ((w.e.code != ERR_IO && w.e.code != ERR_DENIED) || !strstr(w.e.msg, text))
        fail_msg("%s: %s", err_code_name(w.e.code), w.e.msg);
    assert_true(str_starts(w.e.msg, "Error response from daemon: "));
}

static void the_registry_knows_who_may(void **state)
{
    AUTO(secret) char *wrong = NULL;

    (void)state;
    NEED_REGISTRY();
    wrong = auth_of(fx.host, USER, "guessed");
    docker_distribution(w.d, fx.image, NULL, CALL_MS, on_digest, NULL);
    wait_refused("no basic auth credentials");
    docker_distribution(w.d, fx.image, wrong, CALL_MS, on_digest, NULL);
    wait_refused("unauthorized: authentication required");
    pull(fx.image, NULL);
    wait_refused("no basic auth credentials");
    pull(fx.image, wrong);
    wait_refused("unauthorized: authentication required");
    docker_distribution(w.d, fx.image, fx.auth, CALL_MS, on_digest, NULL);
    wait_ok();
    assert_true(str_starts(fx.found, "sha256:"));
}

static void an_image_comes_by_tag_and_by_digest(void **state)
{
    char pinned[400];

    (void)state;
    NEED_REGISTRY();
    docker_distribution(w.d, fx.image, fx.auth, CALL_MS, on_digest, NULL);
    wait_ok();
    snprintf(fx.digest, sizeof fx.digest, "%s", fx.found);
    pull(fx.image, fx.auth);
    wait_ok();
    inspect(fx.image);
    wait_ok();
    assert_string_equal(fx.found, fx.digest);
    remove_image(fx.image);

    snprintf(pinned, sizeof pinned, "%s@%s", fx.repo, fx.digest);
    docker_distribution(w.d, pinned, fx.auth, CALL_MS, on_digest, NULL);
    wait_ok();
    assert_string_equal(fx.found, fx.digest);
    pull(pinned, fx.auth);
    wait_ok();
    inspect(fx.image); /* the tag is not there yet */
    wait_error(ERR_NOT_FOUND, fx.image);
    docker_tag_image(w.d, pinned, fx.image, CALL_MS, on_done, NULL);
    wait_ok();
    inspect(fx.image);
    wait_ok();
    assert_string_equal(fx.found, fx.digest);
    remove_image(fx.image);
    remove_image(pinned);
}

static void an_image_that_is_not_there(void **state)
{
    char missing[300];

    (void)state;
    NEED_REGISTRY();
    snprintf(missing, sizeof missing, "%s:2", fx.repo);
    pull(missing, fx.auth);
    wait_error(ERR_NOT_FOUND, "manifest unknown");
    assert_true(str_starts(w.e.msg, "Error response from daemon: manifest for "));
    docker_distribution(w.d, missing, fx.auth, CALL_MS, on_digest, NULL);
    wait_error(ERR_NOT_FOUND, "Error response from daemon: manifest unknown");
    snprintf(missing, sizeof missing, "%s@sha256:%064d", fx.repo, 7);
    pull(missing, fx.auth);
    wait_error(ERR_NOT_FOUND, "manifest unknown");
}

/* That is no reason to think that the engine is away. */
static void a_registry_that_is_away(void **state)
{
    char nobody[100];
    int port = 0, held = held_port("127.0.0.1", &port);

    (void)state;
    NEED_REGISTRY();
    snprintf(nobody, sizeof nobody, "127.0.0.1:%d/app:1", port);
    pull(nobody, NULL);
    wait_error(ERR_IO, "connection refused");
    assert_true(str_starts(w.e.msg, "Error response from daemon: "));
    docker_distribution(w.d, nobody, NULL, CALL_MS, on_digest, NULL);
    wait_error(ERR_IO, "connection refused");
    close(held);
}

/* ---- TLS ---- */

/* Docker takes 127.0.0.0/8 for registries without TLS and verifies nothing there. */
static bool own_address(char out[INET_ADDRSTRLEN])
{
    struct ifaddrs *all = NULL;
    bool found = false;

    if (getifaddrs(&all))
        return false;
    for (struct ifaddrs *it = all; it && !found; it = it->ifa_next) {
        struct sockaddr_in in;

        if (!it->ifa_addr || it->ifa_addr->sa_family != AF_INET || (it->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&in, it->ifa_addr, sizeof in);
        found = inet_ntop(AF_INET, &in.sin_addr, out, INET_ADDRSTRLEN) != NULL;
    }
    freeifaddrs(all);
    return found;
}

static const char make_certificates[] =
    "cd \"$1\" && key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes' &&"
    " openssl req -x509 $key -keyout ca.key -out ca.crt -days 2 -subj '/CN=Berth test CA' &&"
    " openssl req $key -keyout tls.key -out tls.csr -subj '/CN=registry' &&"
    " printf 'subjectAltName=IP:%s\\n' \"$2\" >ext &&"
    " openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
    " -extfile ext -out tls.crt && echo it is done";

static void a_registry_with_a_private_ca(void **state)
{
    char address[INET_ADDRSTRLEN], host[64], image[140], http[300];
    AUTO(secret) char *auth = NULL;

    (void)state;
    NEED_REGISTRY();
    if (!program_exists("openssl") || !own_address(address) || access("/etc/docker", W_OK)) {
        printf("skipped: it takes openssl, an address besides 127.0.0.1 and /etc/docker\n");
        skip();
    }
    assert_true(shell(make_certificates, address));
    snprintf(http, sizeof http, ", tls: {certificate: %s/tls.crt, key: %s/tls.key}", fx.dir,
             fx.dir);
    assert_true(start_registry(&fx.tls, address, host, sizeof host, http));
    snprintf(image, sizeof image, "%s/%s:1", host, w.unique); /* the same store */
    auth = auth_of(host, USER, PASSWORD);
    pull(image, auth);
    wait_error(ERR_IO, "x509: ");
    snprintf(fx.certs, sizeof fx.certs, "/etc/docker/certs.d/%s", host);
    assert_true(shell("mkdir -p \"$2\" && cp \"$1/ca.crt\" \"$2\" && echo it is done", fx.certs));
    pull(image, auth);
    wait_ok();
    remove_image(image);
    program_stop(&fx.tls);
}

/* ---- one that misbehaves ---- */

static const char *hostile_image(char out[140], const char *kind)
{
    snprintf(out, 140, "%s/%s/%s:1", fx.hostile_host, kind, w.unique);
    return out;
}

static void start_hostile(void)
{
    const char *const argv[] = { "python3", "-u", TEST_FOLDER "/hostile_registry.py", NULL };
    char line[1000];

    if (!str_starts(w.endpoint, "unix://") || !program_exists("python3")) {
        printf("skipped: it takes an engine on this machine and python3\n");
        skip();
    }
    if (fx.hostile.pid)
        return;
    if (!program_start(&fx.hostile, argv, "listening on", line, sizeof line))
        fail_msg("%s", line);
    line[strcspn(line, "\n")] = '\0';
    snprintf(fx.hostile_host, sizeof fx.hostile_host, "127.0.0.1:%s", str_after_last(line, ' '));
}

/* None of these is ERR_RETRY, which says that the engine is away. */
static const struct wrong {
    const char *kind;
    enum err_code want, or_want; /* engines differ */
    const char *text;
    bool of_layers; /* who asks for a digest does not meet it */
} wrongs[] = {
    { "good", ERR_OK, ERR_OK, "", false },
    { "forged", ERR_IO, ERR_IO, "filesystem layer verification failed for digest sha256:", true },
    { "busy429", ERR_IO, ERR_IO,
      "Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
      false },
    { "busy502", ERR_IO, ERR_IO, "Error response from daemon: received unexpected HTTP status: 502",
      false },
    { "busy503", ERR_IO, ERR_IO, "Error response from daemon: received unexpected HTTP status: 503",
      false },
    { "busy504", ERR_IO, ERR_IO, "Error response from daemon: received unexpected HTTP status: 504",
      false },
    { "denied", ERR_IO, ERR_DENIED, "Error response from daemon: denied", false },
    { "unknown", ERR_IO, ERR_NOT_FOUND, "Error response from daemon: manifest unknown", false },
};

static void assert_wrong(const struct wrong *c)
{
    wait_call();
    if ((w.e.code != c->want && w.e.code != c->or_want) || !str_starts(w.e.msg, c->text))
        fail_msg("%s: %s: %s", c->kind, err_code_name(w.e.code), w.e.msg);
}

static void what_a_registry_can_do_wrong(void **state)
{
    char image[140];

    (void)state;
    NEED_ENGINE();
    start_hostile();
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        pull(hostile_image(image, wrongs[i].kind), NULL);
        assert_wrong(&wrongs[i]);
        if (!w.e.code)
            remove_image(image);
    }
}

static void the_same_when_asked_for_a_digest(void **state)
{
    char image[140];

    (void)state;
    NEED_ENGINE();
    start_hostile();
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        if (wrongs[i].of_layers)
            continue;
        docker_distribution(w.d, hostile_image(image, wrongs[i].kind), NULL, CALL_MS, on_digest,
                            NULL);
        assert_wrong(&wrongs[i]);
    }
}

static void a_manifest_that_is_another_one(void **state)
{
    AUTO(str) char *pinned = NULL;

    (void)state;
    NEED_ENGINE();
    start_hostile();
    pinned = mem_printf("%s/liar/%s@sha256:%064d", fx.hostile_host, w.unique, 7);
    pull(pinned, NULL);
    wait_error(ERR_IO, "manifest verification failed for digest sha256:0000");
    inspect(pinned);
    wait_error(ERR_NOT_FOUND, "Error response from daemon: ");
}

static void a_layer_that_stops(void **state)
{
    char image[140];

    (void)state;
    NEED_ENGINE();
    start_hostile();
    docker_pull(w.d, hostile_image(image, "stall"), NULL, 1500, PULL_MS, NULL, on_done, NULL);
    wait_error(ERR_TIMEOUT, DOCKER_PULL_SILENT);
}

static void on_progress(void *user, const char *line)
{
    if (strstr(line, "Retrying in"))
        ++*(int *)user;
}

/* The engine tries again, waits longer each time, and says so: it is not silent. */
static void a_layer_that_never_gets_whole(void **state)
{
    int retries = 0;
    char image[140];

    (void)state;
    NEED_ENGINE();
    start_hostile();
    docker_pull(w.d, hostile_image(image, "cut"), NULL, 4000, 9000, on_progress, on_done, &retries);
    wait_error(ERR_TIMEOUT, "timed out");
    assert_true(retries > 1);
}

static void a_manifest_that_never_comes(void **state)
{
    char image[140];

    (void)state;
    NEED_ENGINE();
    start_hostile();
    w.d->pull_begin_ms = 1000;
    docker_pull(w.d, hostile_image(image, "silent"), NULL, 500, PULL_MS, NULL, on_done, NULL);
    wait_error(ERR_TIMEOUT, DOCKER_PULL_NOT_BEGUN);
    docker_distribution(w.d, image, NULL, 1000, on_digest, NULL);
    wait_error(ERR_TIMEOUT, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_registry_knows_who_may),
        cmocka_unit_test(an_image_comes_by_tag_and_by_digest),
        cmocka_unit_test(an_image_that_is_not_there),
        cmocka_unit_test(a_registry_that_is_away),
        cmocka_unit_test(a_registry_with_a_private_ca),
        cmocka_unit_test(what_a_registry_can_do_wrong),
        cmocka_unit_test(the_same_when_asked_for_a_digest),
        cmocka_unit_test(a_manifest_that_is_another_one),
        cmocka_unit_test(a_layer_that_stops),
        cmocka_unit_test(a_layer_that_never_gets_whole),
        cmocka_unit_test(a_manifest_that_never_comes),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
