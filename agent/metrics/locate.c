/* From a process to the directories of its container's cgroups. Pure. */
#include <stdlib.h>

#include "base/mem.h"
#include "metrics/internal.h"

static const char *const controllers[PLACE__COUNT] = { [PLACE_ACCT] = "cpuacct",
                                                       [PLACE_CPU] = "cpu",
                                                       [PLACE_MEMORY] = "memory",
                                                       [PLACE_PIDS] = "pids",
                                                       [PLACE_IO] = "blkio" };

static bool has_item(struct str list, const char *item)
{
    while (list.n)
        if (str_is(metrics_until(&list, ','), item))
            return true;
    return false;
}

/* The process's cgroup in the hierarchy of a controller ("3:cpu,cpuacct:/docker/ID"); NULL:
 * in version 2 ("0::/docker/ID"). An empty text: it is in none. */
static struct str cgroup_of(struct str cgroup, const char *controller)
{
    struct str line;

    while (metrics_line(&cgroup, &line)) {
        struct str number, list;

        number = metrics_until(&line, ':');
        list = metrics_until(&line, ':');
        if (controller ? has_item(list, controller) : str_is(number, "0") && !list.n)
            return line;
    }
    return (struct str){ 0 };
}

/* Where `id` is in the path, with what follows it in the same component: the length of the path
 * up to the end of that component, 0 when it does not name the container. */
static size_t up_to_container(struct str path, const char *id)
{
    const char *at = *id && path.n ? memmem(path.p, path.n, id, strlen(id)) : NULL;
    size_t n = at ? (size_t)(at - path.p) : 0;

    while (at && n < path.n && path.p[n] != '/')
        n++;
    return at ? n : 0;
}

/* Blanks and the like in mountinfo are "\040". */
static char *unescape(struct str s)
{
    char *out = mem_strndup(s.p, s.n), *to = out;

    for (const char *p = out; *p; p++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
            p[3] >= '0' && p[3] <= '7') {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

struct mount {
    struct str root, point, type, options; /* options: of the super block */
};

/* "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory" */
static bool read_mount(struct str line, struct mount *m)
{
    struct str word;

    for (int i = 0; i < 3; i++)
        metrics_word(&line);
    m->root = metrics_word(&line);
    m->point = metrics_word(&line);
    do {
        word = metrics_word(&line);
    } while (word.n && !str_is(word, "-"));
    m->type = metrics_word(&line);
    metrics_word(&line);
    m->options = metrics_word(&line);
    return m->type.n > 0;
}

static bool is_below(const char *path, const char *root)
{
    size_t n = strlen(root);

    while (n && root[n - 1] == '/')
        n--;
    return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]);
}

/* The path as seen through the mount, which may show a part of the hierarchy only; NULL: not
 * in that part. */
static char *through(const struct mount *m, struct str path)
{
    AUTO(str) char *point = unescape(m->point);
    AUTO(str) char *root = unescape(m->root);
    AUTO(str) char *whole = mem_strndup(path.p, path.n);
    size_t n = strlen(root);

    if (!is_below(whole, root))
        return NULL;
    while (n && root[n - 1] == '/')
        n--;
    return mem_printf("%s%s", streq(point, "/") ? "" : point, whole + n);
}

static char *find_dir(struct str mountinfo, const char *root, const char *controller,
                      struct str path)
{
    struct str line;
    char *found = NULL;

    while (metrics_line(&mountinfo, &line)) {
        struct mount m;
        char *dir;

        if (!read_mount(line, &m) || !str_is(m.type, controller ? "cgroup" : "cgroup2") ||
            (controller && !has_item(m.options, controller)))
            continue;
        dir = through(&m, path);
        if (dir && is_below(dir, root)) {
            free(found);
            return dir;
        }
        if (dir && !found)
            found = dir;
        else
            free(dir);
    }
    return found;
}

bool metrics_locate(struct str cgroup, struct str mountinfo, const char *root, const char *id,
                    struct metrics_places *out)
{
    struct metrics_places p = { 0 };

    for (size_t i = 0; i < PLACE__COUNT; i++) {
        struct str path = cgroup_of(cgroup, controllers[i]);

        p.v2[i] = !path.n;
        if (p.v2[i])
            path = cgroup_of(cgroup, NULL);
        path.n = up_to_container(path, id);
        if (path.n)
            p.dir[i] = find_dir(mountinfo, root, p.v2[i] ? NULL : controllers[i], path);
    }
    if (!p.dir[PLACE_ACCT]) {
        metrics_places_fini(&p);
        return false;
    }
    *out = p;
    return true;
}

void metrics_places_fini(struct metrics_places *p)
{
    for (size_t i = 0; i < PLACE__COUNT; i++)
        free(p->dir[i]);
    *p = (struct metrics_places){ 0 };
}
