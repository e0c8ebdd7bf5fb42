/* links: docker */
/* What the Docker Engine answers, as JSON. */
#include "docker/decode.h"
#include "fuzz/fuzz.h"

static void facts(struct str json)
{
    struct ctr_facts f = { 0 }, copy = { 0 };
    struct err e = { 0 };

    if (docker_decode_facts(json, &f, &e)) {
        LAW(*e.msg);
        return;
    }
    LAW(f.status >= CTR_CREATED && f.status <= CTR_STOPPED);
    ctr_facts_copy(&copy, &f);
    ctr_facts_copy(&copy, &f);
    LAW(copy.n_bindings == f.n_bindings);
    ctr_facts_fini(&copy);
    ctr_facts_fini(&f);
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
        for (size_t i = 0; image.env && image.env[i]; i++)
            bytes += strlen(image.env[i]);
        for (size_t i = 0; image.repo_digests && image.repo_digests[i]; i++)
            bytes += strlen(image.repo_digests[i]);
        docker_image_doc_fini(&image);
    }
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
