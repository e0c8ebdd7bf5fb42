/* roles_image: the table of the tasks' credentials as bytes. A head (magic, version, count,
 * length, checksum), then for each of them seven texts: a length and the bytes. Pure. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "aws/roles.h"
#include "base/mem.h"
#include "base/secret.h"

#define VERSION 1
#define NO_TEXT UINT32_MAX
#define MAGIC   "BRTHROLE"

struct head {
    char magic[8];
    uint32_t version, count;
    uint64_t length; /* of what follows */
    unsigned char checksum[SHA256_DIGEST_LENGTH];
};
_Static_assert(sizeof(struct head) == ROLES_IMAGE_HEAD, "the head has no gaps");

/* ---- writing ---- */

static void add_size(void *user, const struct role_credentials *c)
{
    size_t *n = user;
    const char *texts[ROLE_TEXTS];

    role_texts(c, texts);
    for (size_t i = 0; i < ROLE_TEXTS; i++)
        *n += sizeof(uint32_t) + (texts[i] ? strlen(texts[i]) : 0);
}

size_t roles_image_size(const struct roles *r)
{
    size_t n = ROLES_IMAGE_HEAD;

    roles_each(r, add_size, &n);
    return n;
}

static void add(void *user, const struct role_credentials *c)
{
    char **at = user;
    const char *texts[ROLE_TEXTS];

    role_texts(c, texts);
    for (size_t i = 0; i < ROLE_TEXTS; i++) {
        uint32_t n = texts[i] ? (uint32_t)strlen(texts[i]) : NO_TEXT;

        memcpy(*at, &n, sizeof n);
        *at += sizeof n;
        if (texts[i] && n) {
            memcpy(*at, texts[i], n);
            *at += n;
        }
    }
}

void roles_image_put_head(void *image, size_t n, size_t count)
{
    struct head h = { .version = VERSION, .count = (uint32_t)count, .length = n };

    memcpy(h.magic, MAGIC, sizeof h.magic);
    SHA256((const unsigned char *)image + sizeof h, n, h.checksum);
    memcpy(image, &h, sizeof h);
}

void roles_image_write(const struct roles *r, void *to)
{
    char *body = (char *)to + ROLES_IMAGE_HEAD, *at = body;

    roles_each(r, add, &at);
    roles_image_put_head(to, (size_t)(at - body), roles_count(r));
}

/* ---- reading ---- */

static bool take_text(struct str *left, char **out)
{
    uint32_t n;

    if (left->n < sizeof n)
        return false;
    memcpy(&n, left->p, sizeof n);
    left->p += sizeof n;
    left->n -= sizeof n;
    if (n == NO_TEXT)
        return true;
    if (n > left->n || memchr(left->p, '\0', n))
        return false;
    *out = secret_strndup(left->p, n);
    left->p += n;
    left->n -= n;
    return true;
}

/* One of them; into the table unless `r` is NULL. */
static bool take_role(struct str *left, struct roles *r)
{
    char *t[ROLE_TEXTS] = { 0 };
    bool ok = true;

    for (size_t i = 0; ok && i < ROLE_TEXTS; i++)
        ok = take_text(left, &t[i]);
    ok = ok && !str_empty(t[0]);
    if (ok && r)
        roles_put(r, &(struct role_credentials){ t[0], t[1], t[2], t[3], t[4], t[5], t[6] });
    for (size_t i = 0; i < ROLE_TEXTS; i++)
        mem_wipe(t[i]);
    return ok;
}

enum err_code roles_image_read(struct roles *r, const void *data, size_t n, struct err *e)
{
    unsigned char checksum[SHA256_DIGEST_LENGTH];
    struct str body, left;
    struct head h;

    if (n < sizeof h || n > ROLES_IMAGE_MAX)
        return err_set(e, ERR_INVALID, "%zu bytes are no image of credentials", n);
    memcpy(&h, data, sizeof h);
    body = left = (struct str){ (const char *)data + sizeof h, n - sizeof h };
    if (memcmp(h.magic, MAGIC, sizeof h.magic) != 0)
        return err_set(e, ERR_INVALID, "it is no image of credentials");
    if (h.version != VERSION)
        return err_set(e, ERR_INVALID, "its version is %u, not %u", h.version, VERSION);
    if (h.length != body.n)
        return err_set(e, ERR_INVALID, "it has %zu bytes of %llu", body.n,
                       (unsigned long long)h.length);
    SHA256((const unsigned char *)body.p, body.n, checksum);
    if (memcmp(checksum, h.checksum, sizeof checksum) != 0)
        return err_set(e, ERR_INVALID, "its checksum is wrong");
    for (uint32_t i = 0; i < h.count; i++) {
        if (!take_role(&left, NULL))
            return err_set(e, ERR_INVALID, "the credentials of number %u cannot be read", i);
    }
    if (left.n)
        return err_set(e, ERR_INVALID, "there are %zu bytes too many", left.n);
    left = body;
    for (uint32_t i = 0; i < h.count; i++)
        take_role(&left, r);
    return ERR_OK;
}
