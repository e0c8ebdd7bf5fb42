/* links: docker */
/* What the Docker Engine answers, as JSON. */
#include "docker/decode.h"
#include "fuzz/fuzz.h"

static void facts(struct str json)
{
    struct ctr_facts f = { 0 }, copy = { 0 };
    struct docker_details d = { 0 };
    struct err e = { 0 };

    if (docker_decode_facts(json, &f, &d, &e)) {
        LAW(*e.msg && !d.image_id && !d.labels);
        return;
    }
    LAW(d.image_id && d.pid >= 0 && (!d.has_probe || d.health_output));
    for (size_t i = 1; i < d.n_labels; i++)
        LAW(strcmp(d.labels[i - 1].key, d.labels[i].key) <= 0);
    docker_details_fini(&d);
    LAW(f.status >= CTR_CREATED && f.status <= CTR_STOPPED);
    ctr_facts_copy(&copy, &f);
    ctr_facts_copy(&copy, &f);
    LAW(copy.n_bindings == f.n_bindings);
    ctr_facts_fini(&copy);
    ctr_facts_fini(&f);
}

static size_t lengths(const char *const *texts)
{
    size_t bytes = 0;

    while (texts && *texts)
        bytes += strlen(*texts++);
    return bytes;
}

static size_t lists(struct str json)
{
    struct docker_rows rows = { 0 };
    struct docker_image_doc image = { 0 };
    struct err e = { 0 };
    size_t bytes = 0; /* so that every borrowed text is read to its end */

    if (!docker_decode_list(json, &rows, &e)) {
        for (size_t i = 0; i < rows.n; i++)
            bytes +=
                strlen(rows.rows[i].id) + strlen(rows.rows[i].name) + strlen(rows.rows[i].state);
        docker_rows_fini(&rows);
    }
    e = (struct err){ 0 };
    if (!docker_decode_image(json, &image, &e)) {
        bytes += lengths(image.image.env) + lengths(image.image.repo_digests);
        if (docker_digest_of(&image.image, "busybox"))
            bytes++;
        docker_image_doc_fini(&image);
    }
    return bytes;
}

/* Images, volumes, the engine. */
static size_t things(struct str json)
{
    struct docker_images_doc images;
    struct docker_volume_doc volume;
    struct docker_info_doc info;
    char digest[DOCKER_DIGEST_SIZE];
    struct err e = { 0 };
    size_t bytes = 0;

    if (!docker_decode_images(json, &images, &e)) {
        LAW(images.n <= DOCKER_LIST_MAX);
        for (size_t i = 0; i < images.n; i++) {
            const struct docker_image *image = &images.images[i];

            LAW(image->size >= 0 && image->created_ms >= 0);
            bytes += strlen(image->id) + lengths(image->tags) + lengths(image->repo_digests);
        }
        docker_images_doc_fini(&images);
    }
    if (!docker_decode_volume(json, &volume, &e)) {
        LAW(volume.volume.n_labels <= DOCKER_STRINGS_MAX);
        for (size_t i = 1; i < volume.volume.n_options; i++)
            LAW(strcmp(volume.options[i - 1].name, volume.options[i].name) < 0);
        docker_volume_doc_fini(&volume);
    }
    if (!docker_decode_info(json, &info, &e)) {
        bytes += strlen(info.info.root_dir) + strlen(info.info.cgroup_driver);
        json_free(info.doc);
    }
    if (!docker_decode_distribution(json, digest, &e))
        LAW(!*digest || docker_is_digest(str_of(digest)));
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str json = fuzz_str(data, size);
    struct docker_version version;
    char id[DOCKER_ID_SIZE], human[DOCKER_PROGRESS_SIZE];
    struct err e = { 0 };
    bool tty;

    facts(json);
    lists(json);
    things(json);
    if (!docker_decode_version(json, &version, &e))
        LAW(strlen(version.version) < sizeof version.version && *version.api_version);
    e = (struct err){ 0 };
    if (!docker_decode_created(json, id, &e))
        LAW(memchr(id, 0, sizeof id));
    e = (struct err){ 0 };
    if (docker_decode_tty(json, &tty, &e))
        LAW(*e.msg);
    e = (struct err){ 0 };
    if (!docker_decode_progress(json, human, &e))
        LAW(memchr(human, 0, sizeof human));
    e = (struct err){ 0 };
    LAW(docker_decode_failure(size ? 400 + data[size - 1] : 500, json, &e) && *e.msg);
    return 0;
}
