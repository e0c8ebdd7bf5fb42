/* create_file: where a container finds the file with its metadata (local-endpoints 6). */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "task/create_body.h"

_Static_assert(TASK_UUID_SIZE == RNG_UUID_SIZE, "a UUID is a UUID");

#define FNV_START 14695981039346656037u
#define FNV_PRIME 1099511628211u

void task_file_mount(const char *docker_name, char out[TASK_UUID_SIZE])
{
    uint64_t hash = FNV_START;
    struct rng r;

    for (const char *p = docker_name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * FNV_PRIME;
    rng_seed(&r, hash);
    rng_uuid(&r, out);
}

/* A folder's name that no bind takes for something else (':' ends its source), and no path. */
static bool is_plain(struct str name)
{
    if (!name.n || name.n > 255 || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') && !(ch >= '0' && ch <= '9') &&
            !strchr("-_.", ch))
            return false;
    }
    return true;
}

char *task_file_path(const char *task_arn, const char *container)
{
    const char *path = strstr(task_arn, ":task/"), *slash;

    if (!path)
        return NULL;
    path += strlen(":task/");
    slash = strchr(path, '/');
    if (!is_plain((struct str){ path, slash ? (size_t)(slash - path) : strlen(path) }) ||
        (slash && !is_plain(str_of(slash + 1))) || (container && !is_plain(str_of(container))))
        return NULL;
    return container ? mem_printf("%s/%s", path, container) : mem_strdup(path);
}

char *create_file_place(const struct task_create_args *a)
{
    return a->file_dir ? mem_printf(TASK_FILE_BASE "%s/" TASK_FILE_NAME, a->file_mount) : NULL;
}

void create_write_file_binds(struct jw *w, const struct task_create_args *a,
                             const struct jcur *base, const struct jcur *top)
{
    struct jcur said = jcur_arr(top, "Binds");
    struct jcur binds =
        jcur_present(&said) || jcur_null(top, "Binds") ? said : jcur_arr(base, "Binds");
    AUTO(str)
    char *ours =
        mem_printf("%s:" TASK_FILE_BASE "%s%s", a->file_dir, a->file_mount, a->selinux ? ":Z" : "");

    jw_karray(w, "Binds");
    JCUR_EACH (item, &binds)
        jw_value(w, item.val);
    jw_str(w, ours);
    jw_end(w);
}
