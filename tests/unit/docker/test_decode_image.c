#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- one image ---- */

static void images(void **state)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"Id\":1}",
        "{\"Id\":\"a\",\"RepoDigests\":{}}",
        "{\"Id\":\"a\",\"RepoDigests\":[1]}",
        "{\"Id\":\"a\",\"RepoTags\":\"x\"}",
        "{\"Id\":\"a\",\"Size\":\"1\"}",
        "{\"Id\":\"a\",\"Size\":-1}",
        "{\"Id\":\"a\",\"Created\":5}",
        "{\"Id\":\"a\",\"Created\":\"now\"}",
        "{\"Id\":\"a\",\"Config\":{\"Env\":\"A=b\"}}",
        "{\"Id\":\"a\",\"Config\":{\"Env\":[null]}}",
        "{\"Id\":\"a\",\"Config\":[]}",
    };
    struct docker_image_doc d;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(
        docker_decode_image(str_of("{\"Id\":\"sha256:1\",\"RepoTags\":[\"r:1\",\"<none>:<none>\","
                                   "\"s:2\"],\"RepoDigests\":[\"r@d\",\"<none>@<none>\"],"
                                   "\"Created\":\"2026-01-02T03:04:05.006789012Z\",\"Size\":"
                                   "5000000000,\"Config\":{\"Env\":[\"A=b\",\"C=\"]}}"),
                            &d, &e),
        ERR_OK);
    assert_string_equal(d.image.id, "sha256:1");
    assert_string_equal(d.image.tags[0], "r:1");
    assert_string_equal(d.image.tags[1], "s:2");
    assert_null(d.image.tags[2]);
    assert_string_equal(d.image.env[0], "A=b");
    assert_string_equal(d.image.env[1], "C=");
    assert_null(d.image.env[2]);
    assert_string_equal(d.image.repo_digests[0], "r@d");
    assert_null(d.image.repo_digests[1]);
    assert_true(d.image.size == 5000000000);
    assert_true(d.image.created_ms == 1767323045006);
    docker_image_doc_fini(&d);
    assert_int_equal(docker_decode_image(str_of("{\"Id\":\"i\",\"RepoDigests\":null,\"RepoTags\":"
                                                "null,\"Created\":\"0001-01-01T00:00:00Z\","
                                                "\"Config\":{\"Env\":null}}"),
                                         &d, &e),
                     ERR_OK);
    assert_null(d.image.env[0]);
    assert_null(d.image.tags[0]);
    assert_null(d.image.repo_digests[0]);
    assert_int_equal(d.image.created_ms, 0);
    assert_int_equal(d.image.size, 0);
    docker_image_doc_fini(&d);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (docker_decode_image(str_of(wrong[i]), &d, &e) != ERR_IO)
            fail_msg("accepted: %s", wrong[i]);
}

/* "[x,x,...]" with n elements. */
static void repeat(struct buf *b, const char *element, size_t n)
{
    buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(b, ',');
        buf_puts(b, element);
    }
    buf_putc(b, ']');
}

static void an_image_has_a_bounded_number_of_names(void **state)
{
    struct docker_image_doc d;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct buf json = BUF_INIT(1 << 20);
        struct err e = { 0 };

        buf_puts(&json, "{\"Id\":\"a\",\"RepoTags\":");
        repeat(&json, "\"r:1\"", DOCKER_STRINGS_MAX + over);
        buf_puts(&json, "}");
        assert_int_equal(docker_decode_image(buf_str(&json), &d, &e), over ? ERR_IO : ERR_OK);
        if (over) {
            assert_non_null(strstr(e.msg, "RepoTags: more than 4096 elements"));
        } else {
            assert_string_equal(d.image.tags[DOCKER_STRINGS_MAX - 1], "r:1");
            assert_null(d.image.tags[DOCKER_STRINGS_MAX]);
            docker_image_doc_fini(&d);
        }
        buf_fini(&json);
    }
}

/* ---- lists ---- */

static void lists_of_images(void **state)
{
    static const char json[] =
        "[{\"Id\":\"i1\",\"RepoTags\":[\"a:1\",\"b:1\"],\"RepoDigests\":[\"a@" SHA "\"],\"Size\":"
        "12,\"Created\":1767323045},"
        "{\"Id\":\"i2\",\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":[\"<none>@<none>\"],"
        "\"Created\":-62135596800},"
        "{\"Id\":\"i3\",\"RepoTags\":null,\"RepoDigests\":null,\"Size\":0,\"Created\":0}]";
    static const char *const wrong[] = {
        "",
        "{}",
        "null",
        "5",
        "[5]",
        "[{}]",
        "[{\"Id\":1}]",
        "[{\"Id\":\"a\",\"RepoTags\":\"x\"}]",
        "[{\"Id\":\"a\",\"RepoTags\":[\"x\"]},{\"Id\":\"b\",\"RepoTags\":[1]}]",
        "[{\"Id\":\"a\",\"Size\":-1}]",
        "[{\"Id\":\"a\",\"Created\":\"2026-01-02T03:04:05Z\"}]",
        "[{\"Id\":\"a\",\"Created\":9223372036854775807}]",
        "[{\"Id\":\"a\"}",
    };
    struct docker_images_doc d;
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_decode_images(str_of(json), &d, &e), ERR_OK);
    assert_int_equal(d.n, 3);
    assert_string_equal(d.images[0].id, "i1");
    assert_string_equal(d.images[0].tags[1], "b:1");
    assert_null(d.images[0].tags[2]);
    assert_string_equal(d.images[0].repo_digests[0], "a@" SHA);
    assert_int_equal(d.images[0].size, 12);
    assert_true(d.images[0].created_ms == 1767323045000);
    assert_null(d.images[0].env);
    assert_string_equal(d.images[1].id, "i2");
    assert_null(d.images[1].tags[0]);
    assert_null(d.images[1].repo_digests[0]);
    assert_int_equal(d.images[1].created_ms, 0);
    assert_null(d.images[2].tags[0]);
    docker_images_doc_fini(&d);
    assert_int_equal(docker_decode_images(str_of("[]"), &d, &e), ERR_OK);
    assert_int_equal(d.n, 0);
    docker_images_doc_fini(&d);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (docker_decode_images(str_of(wrong[i]), &d, &e) != ERR_IO)
            fail_msg("accepted: %s", wrong[i]);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        enum err_code want = over ? ERR_LIMIT : ERR_OK;
        struct buf json = BUF_INIT(1 << 20);
        struct docker_images_doc images_doc;
        struct docker_rows rows;
        struct err e = { 0 };

        repeat(&json, "{\"Id\":\"a\"}", DOCKER_LIST_MAX + over);
        assert_int_equal(docker_decode_images(buf_str(&json), &images_doc, &e), want);
        if (over)
            assert_string_equal(e.msg, "the Docker Engine's list of images has 20001 rows, more "
                                       "than 20000");
        else
            docker_images_doc_fini(&images_doc);
        assert_int_equal(docker_decode_list(buf_str(&json), &rows, &e), want);
        if (!over)
            docker_rows_fini(&rows);
        buf_fini(&json);
    }
}

/* ---- distribution ---- */

static void digests(void **state)
{
#define ANSWER(type, digest) \
    "{\"Descriptor\":{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":7}}"
#define V1 "application/vnd.docker.distribution.manifest.v1+"
#define V2 "application/vnd.docker.distribution.manifest.v2+json"
    static const struct {
        const char *json;
        enum err_code want;
        const char *text;
    } cases[] = {
        { ANSWER(V2, SHA), ERR_OK, SHA },
        { ANSWER("application/vnd.oci.image.index.v1+json", SHA), ERR_OK, SHA },
        { "{\"Descriptor\":{\"digest\":\"" SHA "\"},\"Platforms\":null}", ERR_OK, SHA },
        { ANSWER(V1 "json", SHA), ERR_OK, "" },
        { ANSWER(V1 "prettyjws", SHA), ERR_OK, "" },
        { ANSWER(V1 "prettyjws", ""), ERR_OK, "" },
        { ANSWER(V2, ""), ERR_IO, "Descriptor: no digest" },
        { ANSWER(V2, "sha256:zz"), ERR_IO, "Descriptor: no digest" },
        { ANSWER(V2, SHA "/../x"), ERR_IO, "Descriptor: no digest" },
        { ANSWER(V2, "sha512:" SHA SHA SHA SHA), ERR_IO, "Descriptor: no digest" },
        { "{\"Descriptor\":{\"mediaType\":\"" V2 "\"}}", ERR_IO, "Descriptor: no digest" },
        { "{\"Descriptor\":[]}", ERR_IO, "Descriptor: expected object" },
        { "{\"Descriptor\":{\"mediaType\":1,\"digest\":\"" SHA "\"}}", ERR_IO, "mediaType" },
        { "{}", ERR_IO, "no digest" },
        { "[]", ERR_IO, "no digest" },
        { "", ERR_IO, "not JSON" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char digest[DOCKER_DIGEST_SIZE] = "untouched";
        struct err e = { 0 };

        if (docker_decode_distribution(str_of(cases[i].json), digest, &e) != cases[i].want)
            fail_msg("case %zu: %s", i, e.msg);
        if (cases[i].want) {
            assert_non_null(strstr(e.msg, cases[i].text));
            assert_string_equal(digest, "untouched");
        } else {
            assert_string_equal(digest, cases[i].text);
        }
    }
}

/* ---- volumes ---- */

static void volumes(void **state)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"Name\":\"a\"}",
        "{\"Name\":1,\"Driver\":\"local\"}",
        "{\"Name\":\"a\",\"Driver\":null}",
        "{\"Name\":\"a\",\"Driver\":\"local\",\"Options\":[]}",
        "{\"Name\":\"a\",\"Driver\":\"local\",\"Options\":{\"a\":1}}",
        "{\"Name\":\"a\",\"Driver\":\"local\",\"Labels\":{\"a\":\"b\",\"c\":null}}",
    };
    struct docker_volume_doc d;
    struct buf json = BUF_INIT(1 << 20);
    struct err e = { 0 };

    (void)state;
    assert_int_equal(docker_decode_volume(str_of("{\"Name\":\"v\",\"Driver\":\"local\",\"Scope\":"
                                                 "\"local\",\"Options\":{\"type\":\"nfs\","
                                                 "\"device\":\":/\",\"o\":\"addr=x\"},\"Labels\":{"
                                                 "\"k\":\"\"}}"),
                                          &d, &e),
                     ERR_OK);
    assert_string_equal(d.volume.name, "v");
    assert_string_equal(d.volume.driver, "local");
    assert_int_equal(d.volume.n_options, 3);
    assert_string_equal(d.volume.options[0].name, "device");
    assert_string_equal(d.volume.options[0].value, ":/");
    assert_string_equal(d.volume.options[1].name, "o");
    assert_string_equal(d.volume.options[2].value, "nfs");
    assert_int_equal(d.volume.n_labels, 1);
    assert_string_equal(d.volume.labels[0].name, "k");
    assert_string_equal(d.volume.labels[0].value, "");
    docker_volume_doc_fini(&d);
    assert_int_equal(docker_decode_volume(str_of("{\"Name\":\"v\",\"Driver\":\"x\",\"Options\":"
                                                 "null,\"Labels\":null}"),
                                          &d, &e),
                     ERR_OK);
    assert_int_equal(d.volume.n_options + d.volume.n_labels, 0);
    docker_volume_doc_fini(&d);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (docker_decode_volume(str_of(wrong[i]), &d, &e) != ERR_IO)
            fail_msg("accepted: %s", wrong[i]);
    buf_puts(&json, "{\"Name\":\"v\",\"Driver\":\"x\",\"Labels\":{\"first\":\"\"");
    for (int i = 0; i < DOCKER_STRINGS_MAX; i++)
        buf_printf(&json, ",\"l%d\":\"\"", i);
    buf_puts(&json, "}}");
    assert_int_equal(docker_decode_volume(buf_str(&json), &d, &e), ERR_IO);
    assert_non_null(strstr(e.msg, "Labels: more than 4096 members"));
    buf_fini(&json);
}

/* ---- the engine ---- */

static void infos(void **state)
{
    static const struct {
        const char *more;
        int cgroup_version;
        const char *cgroup_driver;
        bool selinux, local_log;
    } cases[] = {
        { "", 1, "", false, false },
        { ",\"CgroupDriver\":\"cgroupfs\",\"CgroupVersion\":\"1\"", 1, "cgroupfs", false, false },
        { ",\"CgroupDriver\":\"systemd\",\"CgroupVersion\":\"2\"", 2, "systemd", false, false },
        { ",\"SecurityOptions\":null", 1, "", false, false },
        { ",\"SecurityOptions\":[\"name=seccomp,profile=default\"]", 1, "", false, false },
        { ",\"SecurityOptions\":[\"name=seccomp,profile=selinux\"]", 1, "", false, false },
        { ",\"SecurityOptions\":[\"name=seccomp,profile=default\",\"name=selinux\"]", 1, "", true,
          false },
        { ",\"SecurityOptions\":[\"name=selinux,x=y\"]", 1, "", true, false },
        { ",\"SecurityOptions\":[\"apparmor\",\"selinux\"]", 1, "", true, false },
        { ",\"SecurityOptions\":[\"selinuxish\"]", 1, "", false, false },
        { ",\"Plugins\":{\"Volume\":[\"local\"],\"Log\":null}", 1, "", false, false },
        { ",\"Plugins\":{\"Log\":[\"awslogs\",\"json-file\",\"local2\"]}", 1, "", false, false },
        { ",\"Plugins\":{\"Log\":[\"json-file\",\"local\",\"x\"]}", 1, "", false, true },
    };
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"DockerRootDir\":1}",
        "{\"DockerRootDir\":\"/d\",\"CgroupVersion\":2}",
        "{\"DockerRootDir\":\"/d\",\"SecurityOptions\":{}}",
        "{\"DockerRootDir\":\"/d\",\"SecurityOptions\":[1]}",
        "{\"DockerRootDir\":\"/d\",\"Plugins\":{\"Log\":[1]}}",
    };
    struct docker_info_doc d;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(str) char *json = mem_printf("{\"DockerRootDir\":\"/d\"%s}", cases[i].more);
        struct err e = { 0 };

        assert_int_equal(docker_decode_info(str_of(json), &d, &e), ERR_OK);
        assert_string_equal(d.info.root_dir, "/d");
        assert_string_equal(d.info.cgroup_driver, cases[i].cgroup_driver);
        assert_int_equal(d.info.cgroup_version, cases[i].cgroup_version);
        assert_int_equal(d.info.selinux, cases[i].selinux);
        assert_int_equal(d.info.local_log, cases[i].local_log);
        json_free(d.doc);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (docker_decode_info(str_of(wrong[i]), &d, &(struct err){ 0 }) != ERR_IO)
            fail_msg("accepted: %s", wrong[i]);
}

/* Every prefix of a good answer is refused, not misread. */
static void truncated_answers(void **state)
{
    static const char list[] = "[{\"Id\":\"a\",\"RepoTags\":[\"a:1\"]}]";
    static const char volume[] = "{\"Name\":\"v\",\"Driver\":\"x\",\"Labels\":{\"k\":\"v\"}}";
    struct docker_images_doc images_doc;
    struct docker_volume_doc volume_doc;

    (void)state;
    for (size_t n = 0; n < sizeof list - 1; n++)
        assert_int_equal(
            docker_decode_images((struct str){ list, n }, &images_doc, &(struct err){ 0 }), ERR_IO);
    for (size_t n = 0; n < sizeof volume - 1; n++)
        assert_int_equal(
            docker_decode_volume((struct str){ volume, n }, &volume_doc, &(struct err){ 0 }),
            ERR_IO);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(images),          cmocka_unit_test(an_image_has_a_bounded_number_of_names),
        cmocka_unit_test(lists_of_images), cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(digests),         cmocka_unit_test(volumes),
        cmocka_unit_test(infos),           cmocka_unit_test(truncated_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
