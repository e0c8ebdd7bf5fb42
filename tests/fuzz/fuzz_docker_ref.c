/* links: docker */
/* Names of images and containers, which become parts of paths. */
#include "docker/decode.h"
#include "fuzz/fuzz.h"

static bool inside(struct str part, const char *text)
{
    return !part.n || (part.p >= text && part.p + part.n <= text + strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    struct docker_ref ref = { 0 };
    struct err e = { 0 };

    if (!docker_ref_parse(text, &ref, &e))
        LAW(ref.name.n && inside(ref.name, text) && inside(ref.host, text) &&
            inside(ref.tag, text) && inside(ref.digest, text));
    e = (struct err){ 0 };
    if (!docker_container_ref_check(text, &e))
        LAW(*text && !strpbrk(text, "/?#% \r\n") && !streq(text, ".."));
    return 0;
}
