#include "logs/record.h"

int64_t record_key(struct str bytes)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */

    for (size_t i = 0; i < bytes.n && i < RECORD_KEY_BYTES; i++)
        h = (h ^ (unsigned char)bytes.p[i]) * 0x100000001B3u;
    return h >> 1 ? (int64_t)(h >> 1) : 1;
}
