/* links: docker */
/* Registry credentials of the configuration, in both forms, and names of images that are
 * looked up in them. The first line is the image. */
#include "base/secret.h"
#include "docker/docker.h"
#include "fuzz/fuzz.h"

static bool is_header(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    return n && strlen(text) % 4 == 0 && strlen(text) - n <= 2 &&
           strspn(text + n, "=") == strlen(text) - n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = { "docker", "dockercfg", "" };
    struct str left = fuzz_str(data, size);
    AUTO(str) char *image = fuzz_line_text(&left);
    AUTO(str) char *text = mem_strndup(left.n ? left.p : "", left.n);
    AUTO(str) char *repository = docker_normal_repository(image);

    if (repository) {
        AUTO(str) char *again = docker_normal_repository(repository);

        /* A name that only just fits may grow too long. */
        LAW(!again || streq(again, repository));
    }
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct docker_auths *auths = NULL;
        struct err e = { 0 };
        char *header;

        LAW(docker_auths_create(types[i], text, &auths, &e) == e.code && auths);
        header = docker_auths_header(auths, image);
        LAW(!header || is_header(header));
        secret_free(header);
        docker_auths_destroy(auths);
    }
    return 0;
}
