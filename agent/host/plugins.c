#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/host.h"

void host_names_fini(struct host_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct host_names){ 0 };
}

static void add(struct host_names *out, const char *name, size_t n)
{
    if (n == 0 || out->n == HOST_NAMES_MAX)
        return;
    for (size_t i = 0; i < out->n; i++) {
        if (str_is((struct str){ name, n }, out->items[i]))
            return;
    }
    out->items = mem_resize(out->items, out->n + 1, sizeof *out->items);
    out->items[out->n++] = mem_strndup(name, n);
}

/* The length of a file's name without what follows its last dot. */
static size_t stem(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (size_t)(dot - name) : strlen(name);
}

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* "x.sock", or a folder "x" with an "x.sock" in it. */
static void take_socket(struct host_names *out, const char *folder, const char *name)
{
    AUTO(str) char *direct = mem_printf("%s/%s", folder, name);
    AUTO(str) char *inner = mem_printf("%s/%s.sock", direct, name);

    if (str_ends(name, ".sock") && is_socket(direct))
        add(out, name, stem(name));
    else if (is_socket(inner))
        add(out, name, strlen(name));
}

static void take_spec(struct host_names *out, const char *folder, const char *name)
{
    (void)folder;
    if (str_ends(name, ".spec") || str_ends(name, ".json"))
        add(out, name, stem(name));
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void scan(struct host_names *out, const char *root, const char *path,
                 void (*take)(struct host_names *, const char *, const char *))
{
    AUTO(str) char *folder = mem_printf("%s%s", root, path);
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, visible, alphasort);

    for (int i = 0; i < n; i++) {
        take(out, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void host_docker_plugins(const char *root, struct host_names *out)
{
    *out = (struct host_names){ 0 };
    scan(out, root, "/run/docker/plugins", take_socket);
    scan(out, root, "/etc/docker/plugins", take_spec);
    scan(out, root, "/usr/lib/docker/plugins", take_spec);
}
