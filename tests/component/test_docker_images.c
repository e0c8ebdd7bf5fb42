/* links: docker task io base */
/* Images, volumes and the engine itself, against a real engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "component/docker_world.h"

static struct fix {
    char image[64], other[64]; /* names */
    char ids[2][80];           /* of images and containers to remove */
    char volume[64];
    char found[256];
} fx;

static int group_setup(void **state)
{
    (void)state;
    world_begin();
    snprintf(fx.image, sizeof fx.image, "%s:1", w.unique);
    snprintf(fx.other, sizeof fx.other, "%s/other", w.unique);
    snprintf(fx.volume, sizeof fx.volume, "%s-volume", w.unique);
    if (w.why_skipped)
        printf("skipped: %s (%s)\n", w.why_skipped, w.endpoint);
    return 0;
}

/* Also what a failed test left. */
static int group_teardown(void **state)
{
    const struct http_header accept = { "Accept", "application/json" };
    char path[200];

    (void)state;
    snprintf(path, sizeof path, "/containers/%s-user?force=1", w.unique);
    if (!w.why_skipped)
        world_http("DELETE", path, accept, (struct str){ 0 });
    snprintf(path, sizeof path, "/images/%s?force=1", fx.image);
    if (!w.why_skipped)
        world_http("DELETE", path, accept, (struct str){ 0 });
    snprintf(path, sizeof path, "/volumes/%s?force=1", fx.volume);
    if (!w.why_skipped)
        world_http("DELETE", path, accept, (struct str){ 0 });
    world_end();
    return 0;
}

/* ---- images ---- */

static void on_image(void *user, const struct docker_image *image, const struct err *e)
{
    CHECK(!image == (e->code != ERR_OK));
    if (image) {
        snprintf(user, sizeof fx.ids[0], "%s", image->id);
        CHECK(image->size > 100000);
        CHECK(image->created_ms > 1600000000000);
        CHECK(!image->env[0]);
        fx.found[0] = '\0';
        for (size_t i = 0; image->tags[i]; i++)
            snprintf(fx.found + strlen(fx.found), sizeof fx.found - strlen(fx.found), "%s ",
                     image->tags[i]);
    }
    finish(e);
}

/* The tags of the image with the id in `user`, or "-". */
static void on_images(void *user, const struct docker_image *images, size_t n, const struct err *e)
{
    CHECK(images || e->code);
    snprintf(fx.found, sizeof fx.found, "-");
    for (size_t i = 0; i < n; i++) {
        if (!streq(images[i].id, user))
            continue;
        CHECK(!images[i].env);
        CHECK(images[i].size > 100000);
        CHECK(images[i].created_ms > 1600000000000);
        fx.found[0] = '\0';
        for (size_t k = 0; images[i].tags[k]; k++)
            snprintf(fx.found + strlen(fx.found), sizeof fx.found - strlen(fx.found), "%s ",
                     images[i].tags[k]);
    }
    finish(e);
}

static void list_images(const char *want)
{
    docker_list_images(w.d, CALL_MS, on_images, fx.ids[0]);
    wait_ok();
    assert_string_equal(fx.found, want);
}

static void an_image_is_made_named_and_removed(void **state)
{
    AUTO(buf) struct buf tar = BUF_INIT(9 << 20);
    char both[256];

    (void)state;
    NEED_ENGINE();
    assert_true(tar_busybox(&tar));
    docker_import_image(w.d, fx.image, "/bin/\"quoted\"", buf_str(&tar), CALL_MS, on_done, NULL);
    wait_ok();
    docker_inspect_image(w.d, fx.image, CALL_MS, on_image, fx.ids[0]);
    wait_ok();
    snprintf(both, sizeof both, "%s ", fx.image);
    assert_string_equal(fx.found, both);
    list_images(both);

    docker_tag_image(w.d, fx.ids[0], fx.other, CALL_MS, on_done, NULL);
    wait_ok();
    docker_tag_image(w.d, fx.image, fx.other, CALL_MS, on_done, NULL); /* so already */
    wait_ok();
    snprintf(both, sizeof both, "%s:latest %s ", fx.other, fx.image);
    docker_inspect_image(w.d, fx.other, CALL_MS, on_image, fx.ids[1]);
    wait_ok();
    assert_string_equal(fx.ids[1], fx.ids[0]);
    assert_int_equal(strlen(fx.found), strlen(both));
    docker_remove_image(w.d, fx.ids[0], CALL_MS, on_done, NULL); /* it has two names */
    wait_error(ERR_CONFLICT, "Error response from daemon: ");
    docker_remove_image(w.d, fx.other, CALL_MS, on_done, NULL);
    wait_ok();
    docker_remove_image(w.d, fx.other, CALL_MS, on_done, NULL); /* gone already */
    wait_ok();
    snprintf(both, sizeof both, "%s ", fx.image);
    list_images(both);
    docker_remove_image(w.d, fx.image, CALL_MS, on_done, NULL);
    wait_ok();
    list_images("-");
    docker_inspect_image(w.d, fx.ids[0], CALL_MS, on_image, fx.ids[1]);
    wait_error(ERR_NOT_FOUND, fx.ids[0]);
}

static void on_created(void *user, const char *id, const struct err *e)
{
    if (id)
        snprintf(user, sizeof fx.ids[1], "%s", id);
    finish(e);
}

static void on_rows(void *user, const struct docker_listed *rows, size_t n, const struct err *e)
{
    snprintf(fx.found, sizeof fx.found, "-");
    for (size_t i = 0; i < n; i++) {
        if (!streq(rows[i].id, user))
            continue;
        CHECK(str_starts(rows[i].name, w.unique));
        snprintf(fx.found, sizeof fx.found, "%s %s", rows[i].state,
                 rows[i].task_arn ? rows[i].task_arn : "nobody's");
    }
    finish(e);
}

/* Its entry point runs; while it has a container it stays. */
static void an_image_in_use_stays(void **state)
{
    AUTO(buf) struct buf tar = BUF_INIT(9 << 20);
    char name[80], body[200];

    (void)state;
    NEED_ENGINE();
    assert_true(tar_busybox(&tar));
    docker_import_image(w.d, fx.image, "/bin/sh", buf_str(&tar), CALL_MS, on_done, NULL);
    wait_ok();
    docker_inspect_image(w.d, fx.image, CALL_MS, on_image, fx.ids[0]);
    wait_ok();
    snprintf(name, sizeof name, "%s-user", w.unique);
    snprintf(body, sizeof body,
             "{\"Image\":\"%s\",\"Cmd\":[\"-c\",\"exit 7\"],\"HostConfig\":{\"NetworkMode\":"
             "\"none\"}}",
             fx.image);
    docker_create_container(w.d, name, str_of(body), CALL_MS, on_created, fx.ids[1]);
    wait_ok();
    docker_start(w.d, name, CALL_MS, on_done, NULL);
    wait_ok();
    docker_stop(w.d, name, 5, CALL_MS, on_done, NULL); /* which waits for it to end */
    wait_ok();
    docker_list_all(w.d, CALL_MS, on_rows, fx.ids[1]);
    wait_ok();
    assert_string_equal(fx.found, "exited nobody's");
    docker_remove_image(w.d, fx.image, CALL_MS, on_done, NULL);
    wait_error(ERR_CONFLICT, "Error response from daemon: ");
    docker_remove(w.d, name, CALL_MS, on_done, NULL);
    wait_ok();
    docker_list_all(w.d, CALL_MS, on_rows, fx.ids[1]);
    wait_ok();
    assert_string_equal(fx.found, "-");
    docker_remove_image(w.d, fx.ids[0], CALL_MS, on_done, NULL);
    wait_ok();
    list_images("-");
}

static void an_image_that_cannot_be(void **state)
{
    (void)state;
    NEED_ENGINE();
    docker_import_image(w.d, fx.image, "/x", str_of("this is no archive at all"), CALL_MS, on_done,
                        NULL);
    wait_error(ERR_IO, "");
    docker_import_image(w.d, "No/../name", "/x", (struct str){ 0 }, CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid reference format");
    docker_tag_image(w.d, "berth-no-such-image:1", fx.other, CALL_MS, on_done, NULL);
    wait_error(ERR_NOT_FOUND, "Error response from daemon: ");
    docker_tag_image(w.d, fx.image, "", CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid reference format");
    docker_tag_image(w.d, fx.image,
                     "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                     CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "a digest cannot be given");
    docker_remove_image(w.d, "../containers/x", CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid reference format");
}

/* ---- volumes ---- */

static void on_volume(void *user, const struct docker_volume *v, const struct err *e)
{
    (void)user;
    CHECK(!v == (e->code != ERR_OK));
    fx.found[0] = '\0';
    if (v) {
        snprintf(fx.found, sizeof fx.found, "%s", v->driver);
        CHECK(streq(v->name, fx.volume));
        for (size_t i = 0; i < v->n_options + v->n_labels; i++) {
            const struct task_kv *kv =
                i < v->n_options ? &v->options[i] : &v->labels[i - v->n_options];

            snprintf(fx.found + strlen(fx.found), sizeof fx.found - strlen(fx.found), " %s=%s",
                     kv->name, kv->value);
        }
    }
    finish(e);
}

static void a_volume_lives(void **state)
{
    static const struct task_kv options[] = { { (char *)"device", (char *)"tmpfs" },
                                              { (char *)"o", (char *)"size=1m" },
                                              { (char *)"type", (char *)"tmpfs" } };
    static const struct task_kv labels[] = { { (char *)"a \"b\"", (char *)"" },
                                             { (char *)"k", (char *)"v" } };
    const struct docker_volume v = { fx.volume, "local", options, labels, 3, 2 };
    const struct docker_volume again = { .name = fx.volume };

    (void)state;
    NEED_ENGINE();
    docker_inspect_volume(w.d, fx.volume, CALL_MS, on_volume, NULL);
    wait_error(ERR_NOT_FOUND, fx.volume);
    docker_create_volume(w.d, &v, CALL_MS, on_done, NULL);
    wait_ok();
    docker_inspect_volume(w.d, fx.volume, CALL_MS, on_volume, NULL);
    wait_ok();
    assert_string_equal(fx.found, "local device=tmpfs o=size=1m type=tmpfs a \"b\"= k=v");
    docker_create_volume(w.d, &again, CALL_MS, on_done, NULL); /* there already */
    wait_ok();
    docker_inspect_volume(w.d, fx.volume, CALL_MS, on_volume, NULL);
    wait_ok();
    assert_string_equal(fx.found, "local device=tmpfs o=size=1m type=tmpfs a \"b\"= k=v");
    docker_remove_volume(w.d, fx.volume, CALL_MS, on_done, NULL);
    wait_ok();
    docker_remove_volume(w.d, fx.volume, CALL_MS, on_done, NULL); /* gone already */
    wait_ok();
    docker_inspect_volume(w.d, fx.volume, CALL_MS, on_volume, NULL);
    wait_error(ERR_NOT_FOUND, fx.volume);
}

static void a_volume_that_cannot_be(void **state)
{
    const struct docker_volume nameless = { .name = "" }, odd = { .name = "../images" };

    (void)state;
    NEED_ENGINE();
    docker_create_volume(w.d, &nameless, CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid volume name");
    docker_create_volume(w.d, &odd, CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid volume name");
    docker_remove_volume(w.d, "a?force=1", CALL_MS, on_done, NULL);
    wait_error(ERR_INVALID, "invalid volume name");
    docker_inspect_volume(w.d, "", CALL_MS, on_volume, NULL); /* would be the list */
    wait_error(ERR_INVALID, "invalid volume name");
}

/* ---- the engine itself ---- */

static void on_info(void *user, const struct docker_info *info, const struct err *e)
{
    (void)user;
    CHECK(!info == (e->code != ERR_OK));
    if (info) {
        CHECK(*info->root_dir == '/');
        CHECK(*info->cgroup_driver);
        CHECK(info->cgroup_version == 1 || info->cgroup_version == 2);
    }
    finish(e);
}

static void what_the_engine_is(void **state)
{
    (void)state;
    NEED_ENGINE();
    docker_info(w.d, CALL_MS, on_info, NULL);
    wait_ok();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_made_named_and_removed),
        cmocka_unit_test(an_image_in_use_stays),
        cmocka_unit_test(an_image_that_cannot_be),
        cmocka_unit_test(a_volume_lives),
        cmocka_unit_test(a_volume_that_cannot_be),
        cmocka_unit_test(what_the_engine_is),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
