#include "logs/rotation.h"

#define FILES_MAX 1000 /* Docker takes any number; more are not looked for */

struct rotation_news rotation_news(const uint64_t *inodes, size_t n, uint64_t newest)
{
    for (size_t i = 0; i < n; i++)
        if (inodes[i] == newest)
            return (struct rotation_news){ i, true };
    return (struct rotation_news){ n, false };
}

bool rotation_more(const uint64_t *inodes, size_t n, int64_t max_files)
{
    if (n >= FILES_MAX)
        return false;
    /* Of a rotation under way one more than the engine keeps may be there. */
    if (max_files > 0)
        return n <= (size_t)max_files;
    return n < 2 || inodes[n - 1] || inodes[n - 2];
}

static bool is_set(const struct mark *m)
{
    return m->major != 0;
}

/* Everything before a message that is newer than the cursor's margin is old for certain. */
static size_t first_by_time(const struct rotation_file *files, size_t n, int64_t since_ns)
{
    size_t at = 0;

    for (size_t i = 1; i < n && since_ns; i++)
        if (files[i].first_ns && files[i].first_ns < since_ns)
            at = i;
    return at;
}

static bool find(const struct rotation_file *files, size_t n, const struct mark *m, size_t *at)
{
    for (size_t i = 0; i < n; i++)
        if (files[i].key == m->major && files[i].size >= m->minor) {
            *at = i;
            return true;
        }
    return false;
}

struct rotation_start rotation_start(const struct rotation_file *files, size_t n,
                                     const struct cursor *from)
{
    struct rotation_start s = { 0 };
    size_t first = 0;
    int64_t offset = 0;
    bool have = false, from_start = false;

    if (from->kind == CURSOR_API) {
        s.by_time = is_set(&from->at[0]) || is_set(&from->at[1]);
        s.file = first_by_time(files, n, cursor_since_ns(from));
        return s;
    }
    for (size_t i = 0; i < 2; i++) {
        size_t at;

        if (!is_set(&from->at[i]) || !find(files, n, &from->at[i], &at)) {
            s.lost = s.lost || is_set(&from->at[i]);
            from_start = true;
            continue;
        }
        s.old[i].file = at;
        s.old[i].offset = from->at[i].minor;
        if (!have || at < first || (at == first && s.old[i].offset < offset)) {
            first = at;
            offset = s.old[i].offset;
        }
        have = true;
    }
    if (!from_start) {
        s.file = first;
        s.offset = offset;
    }
    return s;
}
