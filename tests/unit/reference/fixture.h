#pragma once
/* fixture: databases that bbolt 1.3.6 itself has written (through its Put and Delete, then cut
 * behind the last page in use).
 *
 * trees.db, pages of 1 KiB: buckets "many" (300 keys over branch pages, 20 of them deleted again),
 * "large" (values over several pages), "empty", "small" (stands in its parent's value, and has a
 * bucket of its own within). reference.db, pages of 4 KiB: what a reference agent 1.105.1 keeps of
 * five tasks, in its own words. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static inline UNUSED struct str read_file(const char *name)
{
    AUTO(str) char *path = mem_printf(TEST_FOLDER "/%s", name);
    FILE *f = fopen(path, "rb");
    char *bytes = mem_array(1 << 20, 1);
    size_t n;

    if (!f)
        fail_msg("%s is missing", path);
    n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return (struct str){ bytes, n };
}
