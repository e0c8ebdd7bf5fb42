/* What the engine says about images, volumes and itself. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"

/* ---- images ---- */

/* What the engine writes where an image has no name. */
static bool is_none(const char *text)
{
    return str_starts(text, "<none>");
}

/* NULL-terminated; the array is the caller's, the strings the document's. */
static const char **strings_of(const struct jcur *c, const char *key)
{
    struct jcur array = jcur_arr(c, key);
    const char **out;
    size_t n = 0;

    if (jcur_len(&array) > DOCKER_STRINGS_MAX)
        jcur_fail(&array, "more than %d elements", DOCKER_STRINGS_MAX);
    out = mem_array((jcur_ok(c) ? jcur_len(&array) : 0) + 1, sizeof *out);
    if (!jcur_ok(c))
        return out;
    JCUR_EACH (item, &array) {
        const char *text = jcur_as_str(&item);

        if (!is_none(text))
            out[n++] = text;
    }
    return out;
}

static void image_fini(struct docker_image *image)
{
    free((void *)image->env);
    free((void *)image->tags);
    free((void *)image->repo_digests);
}

static void read_names(const struct jcur *c, struct docker_image *image)
{
    image->id = jcur_str(c, "Id");
    image->size = jcur_int_or(c, "Size", 0, INT64_MAX, 0);
    image->tags = strings_of(c, "RepoTags");
    image->repo_digests = strings_of(c, "RepoDigests");
}

enum err_code docker_decode_image(struct str json, struct docker_image_doc *out, struct err *e)
{
    struct docker_image_doc d = { 0 };
    struct err bad = { 0 };
    struct jcur root, config;

    if (docker_decode_json(json, "image", &d.doc, e))
        return e->code;
    root = jcur_root(d.doc, &bad);
    config = jcur_obj(&root, "Config");
    read_names(&root, &d.image);
    d.image.created_ms = docker_decode_time(&root, "Created");
    d.image.env = strings_of(&config, "Env");
    if (bad.code) {
        docker_image_doc_fini(&d);
        return docker_unreadable(e, "image", &bad);
    }
    *out = d;
    return ERR_OK;
}

void docker_image_doc_fini(struct docker_image_doc *d)
{
    image_fini(&d->image);
    json_free(d->doc);
    *d = (struct docker_image_doc){ 0 };
}

enum err_code docker_decode_images(struct str json, struct docker_images_doc *out, struct err *e)
{
    struct docker_images_doc d = { 0 };
    struct err bad = { 0 };
    struct jcur root;

    if (docker_decode_array(json, "list of images", &d.doc, &root, &bad, e))
        goto failed;
    d.images = mem_array(jcur_len(&root) + 1, sizeof *d.images);
    JCUR_EACH (item, &root) {
        struct docker_image *image = &d.images[d.n++];
        int64_t created_s = jcur_int_or(&item, "Created", INT64_MIN / 1000, INT64_MAX / 1000, 0);

        read_names(&item, image);
        image->created_ms = created_s > 0 ? created_s * 1000 : 0; /* below: Go's zero time */
    }
    if (bad.code) {
        docker_unreadable(e, "list of images", &bad);
        goto failed;
    }
    *out = d;
    return ERR_OK;
failed:
    docker_images_doc_fini(&d);
    return e->code;
}

void docker_images_doc_fini(struct docker_images_doc *d)
{
    for (size_t i = 0; i < d->n; i++)
        image_fini(&d->images[i]);
    free(d->images);
    json_free(d->doc);
    *d = (struct docker_images_doc){ 0 };
}

/* ---- distribution ---- */

/* Manifests of schema 1 contain their signatures: no digest stands for the content. */
static bool is_schema1(const char *media_type)
{
    return streq(media_type, "application/vnd.docker.distribution.manifest.v1+json") ||
           streq(media_type, "application/vnd.docker.distribution.manifest.v1+prettyjws");
}

enum err_code docker_decode_distribution(struct str json, char digest[DOCKER_DIGEST_SIZE],
                                         struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, descriptor;
    const char *media_type, *text;

    if (docker_decode_json(json, "distribution", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    descriptor = jcur_obj(&root, "Descriptor");
    media_type = jcur_str_or(&descriptor, "mediaType", "");
    text = jcur_str_or(&descriptor, "digest", "");
    if (is_schema1(media_type))
        text = "";
    else if (strlen(text) >= DOCKER_DIGEST_SIZE || !docker_is_digest(str_of(text)))
        jcur_fail(&descriptor, "no digest: '%.100s'", text);
    if (bad.code)
        return docker_unreadable(e, "distribution", &bad);
    snprintf(digest, DOCKER_DIGEST_SIZE, "%s", text);
    return ERR_OK;
}

/* ---- volumes ---- */

static int compare_pairs(const void *pa, const void *pb)
{
    const struct task_kv *a = pa, *b = pb;

    return strcmp(a->name, b->name);
}

/* The array is the caller's, the texts, which are never written to, the document's. */
static struct task_kv *pairs_of(const struct jcur *c, const char *key, size_t *n)
{
    struct jcur object = jcur_obj(c, key), member;
    struct task_kv *out = NULL;
    size_t cap = 0;

    for (*n = 0; jcur_ok(c) && jcur_member(&object, *n, &member); ++*n) {
        if (*n == DOCKER_STRINGS_MAX) {
            jcur_fail(&object, "more than %d members", DOCKER_STRINGS_MAX);
            break;
        }
        if (*n == cap) {
            cap = cap ? 2 * cap : 8;
            out = mem_resize(out, cap, sizeof *out);
        }
        out[*n] = (struct task_kv){ (char *)member.key, (char *)jcur_as_str(&member) };
    }
    if (*n)
        qsort(out, *n, sizeof *out, compare_pairs);
    return out;
}

enum err_code docker_decode_volume(struct str json, struct docker_volume_doc *out, struct err *e)
{
    struct docker_volume_doc d = { 0 };
    struct err bad = { 0 };
    struct jcur root;

    if (docker_decode_json(json, "volume", &d.doc, e))
        return e->code;
    root = jcur_root(d.doc, &bad);
    d.options = pairs_of(&root, "Options", &d.volume.n_options);
    d.labels = pairs_of(&root, "Labels", &d.volume.n_labels);
    d.volume.options = d.options;
    d.volume.labels = d.labels;
    d.volume.name = jcur_str(&root, "Name");
    d.volume.driver = jcur_str(&root, "Driver");
    if (bad.code) {
        docker_volume_doc_fini(&d);
        return docker_unreadable(e, "volume", &bad);
    }
    *out = d;
    return ERR_OK;
}

void docker_volume_doc_fini(struct docker_volume_doc *d)
{
    free(d->options);
    free(d->labels);
    json_free(d->doc);
    *d = (struct docker_volume_doc){ 0 };
}

/* ---- the engine itself ---- */

/* "name=selinux", "name=selinux,more"; old engines: "selinux". */
static bool has_selinux(const struct jcur *root)
{
    struct jcur options = jcur_arr(root, "SecurityOptions");
    bool found = false;

    JCUR_EACH (item, &options) {
        const char *text = jcur_as_str(&item);

        text += str_starts(text, "name=") ? strlen("name=") : 0;
        found = found || streq(text, "selinux") || str_starts(text, "selinux,");
    }
    return found;
}

static bool has_local_log(const struct jcur *root)
{
    struct jcur plugins = jcur_obj(root, "Plugins"), drivers = jcur_arr(&plugins, "Log");
    bool found = false;

    JCUR_EACH (item, &drivers)
        found = found || streq(jcur_as_str(&item), "local");
    return found;
}

enum err_code docker_decode_info(struct str json, struct docker_info_doc *out, struct err *e)
{
    struct docker_info_doc d = { 0 };
    struct err bad = { 0 };
    struct jcur root;

    if (docker_decode_json(json, "info", &d.doc, e))
        return e->code;
    root = jcur_root(d.doc, &bad);
    d.info.root_dir = jcur_str(&root, "DockerRootDir");
    d.info.cgroup_driver = jcur_str_or(&root, "CgroupDriver", "");
    /* Absent before API 1.41, whose engines know only the first. */
    d.info.cgroup_version = streq(jcur_str_or(&root, "CgroupVersion", "1"), "2") ? 2 : 1;
    d.info.selinux = has_selinux(&root);
    d.info.local_log = has_local_log(&root);
    if (bad.code) {
        json_free(d.doc);
        return docker_unreadable(e, "info", &bad);
    }
    *out = d;
    return ERR_OK;
}
