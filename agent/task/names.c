#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

#define UNIQUE_BYTES 10 /* the longest variable-length form of 64 bits */

/* The reference writes a random number as a varint into ten bytes and prints
 * them in hexadecimal. The same form keeps names of the same shape. */
static void unique_hex(uint64_t unique, char out[2 * UNIQUE_BYTES + 1])
{
    unsigned char bytes[UNIQUE_BYTES] = { 0 };
    size_t n = 0;

    for (; unique >= 0x80; unique >>= 7)
        bytes[n++] = (unsigned char)(0x80 | (unique & 0x7F));
    bytes[n] = (unsigned char)unique;
    str_hex(bytes, sizeof bytes, out);
}

static bool kept(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

char *task_docker_name(const struct task *t, const struct task_container *c, uint64_t unique)
{
    AUTO(str) char *clean = mem_strdup(c->name);
    char hex[2 * UNIQUE_BYTES + 1];
    size_t n = 0;

    for (size_t i = 0; c->name[i]; i++)
        if (kept(c->name[i]))
            clean[n++] = c->name[i];
    clean[n] = '\0';
    unique_hex(unique, hex);
    return mem_printf("ecs-%s-%s-%s-%s", t->family, t->version, clean, hex);
}

char *task_volume_docker_name(const struct task *t, const struct task_volume *v)
{
    if (v->kind == VOLUME_HOST)
        return NULL;
    if (v->kind == VOLUME_SHARED)
        return mem_strdup(v->name);
    return mem_printf("ecs-%s-%s-%s-%.20s", t->family, t->version, v->name, t->id);
}

bool task_image_has_digest(const char *image)
{
    const char *at = strchr(image, '@'), *colon = at ? strchr(at, ':') : NULL;

    return colon && colon > at + 1 && colon[1];
}
