#include "engine/pause.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* The linked program agent/pause/pause.c; PAUSE_BINARY is its path at build time. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global berth_pause_start\n"
        ".hidden berth_pause_start\n"
        "berth_pause_start:\n"
        ".incbin \"" PAUSE_BINARY "\"\n"
        ".global berth_pause_end\n"
        ".hidden berth_pause_end\n"
        "berth_pause_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char berth_pause_start[], berth_pause_end[];

#define BLOCK 512

/* POSIX ustar. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
    char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
    char rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

static void write_header(struct header *h, size_t size)
{
    unsigned sum = 0;

    *h = (struct header){ .name = "pause", .type = '0', .magic = "ustar", .version = { '0', '0' } };
    snprintf(h->mode, sizeof h->mode, "%07o", 0755u);
    snprintf(h->uid, sizeof h->uid, "%07o", 0u);
    snprintf(h->gid, sizeof h->gid, "%07o", 0u);
    snprintf(h->size, sizeof h->size, "%011zo", size);
    snprintf(h->mtime, sizeof h->mtime, "%011o", 0u);
    snprintf(h->major, sizeof h->major, "%07o", 0u);
    snprintf(h->minor, sizeof h->minor, "%07o", 0u);
    /* The sum counts its own field as spaces. */
    memset(h->checksum, ' ', sizeof h->checksum);
    for (size_t i = 0; i < BLOCK; i++)
        sum += ((const unsigned char *)h)[i];
    snprintf(h->checksum, sizeof h->checksum, "%06o", sum & 0777777u);
}

struct str pause_archive(void)
{
    static char *archive;
    /* cppcheck-suppress comparePointers ; two ends of one thing, to the assembler */
    size_t size = (size_t)(berth_pause_end - berth_pause_start);
    size_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    size_t total = BLOCK + padded + 2 * BLOCK; /* two zero blocks end it */

    if (!archive) {
        archive = mem_alloc(total);
        write_header((struct header *)(void *)archive, size);
        memcpy(archive + BLOCK, berth_pause_start, size);
    }
    return (struct str){ archive, total };
}
