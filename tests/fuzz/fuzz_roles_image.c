/* links: aws */
/* The credentials that an earlier process left. The input is the body, whose first byte is the
 * count that the head says; and, as it is, the whole. */
#include "aws/roles.h"
#include "fuzz/fuzz.h"

static void read_whole(const void *data, size_t n)
{
    struct roles *r = roles_create(), *again;
    struct err e = { 0 };
    size_t size;
    char *image;

    if (roles_image_read(r, data, n, &e)) {
        LAW(e.code == ERR_INVALID && roles_count(r) == 0);
        roles_destroy(r);
        return;
    }
    size = roles_image_size(r);
    image = mem_array(size, 1);
    roles_image_write(r, image);
    again = roles_create();
    LAW(size <= n);
    LAW(roles_image_read(again, image, size, &e) == ERR_OK);
    LAW(roles_count(again) == roles_count(r));
    free(image);
    roles_destroy(again);
    roles_destroy(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size ? size - 1 : 0;
    char *image = mem_array(ROLES_IMAGE_HEAD + n, 1);

    read_whole(data, size);
    if (n)
        memcpy(image + ROLES_IMAGE_HEAD, data + 1, n);
    roles_image_put_head(image, n, size ? data[0] : 0);
    read_whole(image, ROLES_IMAGE_HEAD + n);
    free(image);
    return 0;
}
