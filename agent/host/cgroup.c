#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/internal.h"

#define CONTROLLERS_MAX  64
#define SHARES_MIN       2
#define SHARES_MAX       262144
#define PERIOD_US        100000
#define QUOTA_MIN        1000 /* the kernel refuses less */
#define QUOTA_MAX        1e12
#define SYSTEMD_RUN_MS   30000
#define TASK_ID_MAX      128
#define FILE_TEXT_MAX    4096
#define CONTAINER_LEVELS 8 /* open directories while a tree is walked */

struct host_cgroups {
    char *root;
    int version;
    bool systemd;
    char *controllers[CONTROLLERS_MAX]; /* version 1: the mounts below the root */
    size_t n_controllers;
};

/* ---- numbers ---- */

struct host_cpu host_cpu_of(const struct host_cgroup_limits *l)
{
    struct host_cpu c = { .period_us = l->cpu_period_us > 0 ? l->cpu_period_us : PERIOD_US };
    double quota = l->cpu_vcpus * (double)c.period_us;

    if (l->cpu_vcpus > 0)
        c.quota_us = quota < QUOTA_MAX ? (int64_t)quota : (int64_t)QUOTA_MAX;
    if (l->cpu_vcpus > 0 && c.quota_us < QUOTA_MIN)
        c.quota_us = QUOTA_MIN;
    c.shares = l->cpu_shares < SHARES_MIN ? SHARES_MIN : l->cpu_shares;
    if (c.shares > SHARES_MAX)
        c.shares = SHARES_MAX;
    c.weight = 1 + ((c.shares - SHARES_MIN) * 9999) / (SHARES_MAX - SHARES_MIN);
    c.quota_percent = (c.quota_us * 1000000 / c.period_us + 9999) / 10000;
    return c;
}

/* ---- small files ---- */

static enum err_code write_file(const char *dir, const char *name, const char *text, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC), failed;

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    failed = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return failed ? err_errno(e, failed, "write %s to %s", text, path) : ERR_OK;
}

static enum err_code write_number(const char *dir, const char *name, int64_t v, struct err *e)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, v);
    return write_file(dir, name, text, e);
}

static enum err_code read_file(const char *dir, const char *name, char text[FILE_TEXT_MAX],
                               struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed;
    ssize_t n;

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    n = read(fd, text, FILE_TEXT_MAX - 1);
    failed = n < 0 ? errno : 0;
    close(fd);
    if (failed)
        return err_errno(e, failed, "%s", path);
    text[n] = '\0';
    return ERR_OK;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; *p; p += strspn(p, " \n")) {
        size_t len = strcspn(p, " \n");

        if (len == n && memcmp(p, word, n) == 0)
            return true;
        p += len;
    }
    return false;
}

static bool has_file(const char *dir, const char *name)
{
    AUTO(str) char *path = mem_printf("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

static enum err_code make_dir(const char *path, struct err *e)
{
    if (mkdir(path, 0755) && errno != EEXIST)
        return err_errno(e, errno, "make %s", path);
    return ERR_OK;
}

/* ---- version 1 ---- */

/* Each mount counts once; "cpu" may be a link to "cpu,cpuacct". Docker makes its
 * own directories in named hierarchies and in "unified" too, so ours are there as
 * well and go with the rest. */
static enum err_code find_controllers(struct host_cgroups *g, struct err *e)
{
    DIR *d = opendir(g->root);
    struct dirent *entry;

    if (!d)
        return err_errno(e, errno, "%s", g->root);
    while ((entry = readdir(d)) && g->n_controllers < CONTROLLERS_MAX) {
        AUTO(str) char *path = mem_printf("%s/%s", g->root, entry->d_name);
        struct stat st;

        if (entry->d_name[0] == '.' || lstat(path, &st) || !S_ISDIR(st.st_mode) ||
            !has_file(path, "cgroup.procs"))
            continue;
        g->controllers[g->n_controllers++] = path;
        path = NULL;
    }
    closedir(d);
    for (size_t i = 0; i < 2; i++) {
        AUTO(str) char *needed = mem_printf("%s/%s", g->root, i ? "memory" : "cpu");

        if (!has_file(needed, "cgroup.procs"))
            return err_set(e, ERR_NOT_FOUND, "%s: no such cgroup controller is mounted", needed);
    }
    return ERR_OK;
}

/* A new cpuset is empty, and nothing may run in it. */
static enum err_code inherit(const char *parent, const char *dir, const char *name, struct err *e)
{
    char text[FILE_TEXT_MAX];

    if (!has_file(dir, name))
        return ERR_OK;
    if (read_file(dir, name, text, e))
        return e->code;
    if (str_trim(str_of(text)).n)
        return ERR_OK;
    if (read_file(parent, name, text, e))
        return e->code;
    return write_file(dir, name, text, e);
}

static enum err_code make_v1_dir(const char *parent, const char *name, struct err *e)
{
    AUTO(str) char *dir = mem_printf("%s/%s", parent, name);

    if (make_dir(dir, e) || inherit(parent, dir, "cpuset.cpus", e) ||
        inherit(parent, dir, "cpuset.mems", e))
        return e->code;
    return ERR_OK;
}

static enum err_code limit_v1(const char *root, const char *task_id,
                              const struct host_cgroup_limits *l, struct err *e)
{
    AUTO(str) char *cpu_dir = mem_printf("%s/cpu/ecs/%s", root, task_id);
    AUTO(str) char *memory_dir = mem_printf("%s/memory/ecs/%s", root, task_id);
    AUTO(str) char *pids_dir = mem_printf("%s/pids/ecs/%s", root, task_id);
    struct host_cpu cpu = host_cpu_of(l);

    if (has_file(memory_dir, "memory.use_hierarchy") &&
        write_file(memory_dir, "memory.use_hierarchy", "1", e))
        return e->code;
    if (cpu.quota_us) {
        if (write_number(cpu_dir, "cpu.cfs_period_us", cpu.period_us, e) ||
            write_number(cpu_dir, "cpu.cfs_quota_us", cpu.quota_us, e))
            return e->code;
    } else if (write_number(cpu_dir, "cpu.shares", cpu.shares, e)) {
        return e->code;
    }
    if (l->memory_bytes > 0 &&
        write_number(memory_dir, "memory.limit_in_bytes", l->memory_bytes, e))
        return e->code;
    if (l->pids > 0 && write_number(pids_dir, "pids.max", l->pids, e))
        return e->code;
    return ERR_OK;
}

static enum err_code make_v1(const struct host_cgroups *g, const char *task_id,
                             const struct host_cgroup_limits *l, struct err *e)
{
    for (size_t i = 0; i < g->n_controllers; i++) {
        AUTO(str) char *ecs = mem_printf("%s/ecs", g->controllers[i]);

        if (make_v1_dir(g->controllers[i], "ecs", e) || make_v1_dir(ecs, task_id, e))
            return e->code;
    }
    return limit_v1(g->root, task_id, l, e);
}

/* ---- version 2 ---- */

static enum err_code check_controllers(const char *root, struct err *e)
{
    char text[FILE_TEXT_MAX];

    if (read_file(root, "cgroup.controllers", text, e))
        return e->code;
    for (size_t i = 0; i < 2; i++)
        if (!has_word(text, i ? "memory" : "cpu"))
            return err_set(e, ERR_NOT_FOUND, "%s: no %s controller", root, i ? "memory" : "cpu");
    return ERR_OK;
}

/* For what is below `dir`; each only if it is there, and one at a time: a refusal
 * of pids is no reason to go without the others. */
static enum err_code enable_controllers(const char *dir, struct err *e)
{
    static const char *const names[] = { "cpu", "memory", "pids" };
    char has[FILE_TEXT_MAX] = "", on[FILE_TEXT_MAX] = "", text[32];

    if (read_file(dir, "cgroup.controllers", has, e) ||
        read_file(dir, "cgroup.subtree_control", on, e))
        return e->code;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!has_word(has, names[i]) || has_word(on, names[i]))
            continue;
        snprintf(text, sizeof text, "+%s", names[i]);
        if (write_file(dir, "cgroup.subtree_control", text, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code make_v2_parent(const char *root, struct err *e)
{
    AUTO(str) char *parent = mem_printf("%s/ecstasks.slice", root);

    if (enable_controllers(root, e) || make_dir(parent, e))
        return e->code;
    return enable_controllers(parent, e);
}

static enum err_code make_v2(const struct host_cgroups *g, const char *task_id,
                             const struct host_cgroup_limits *l, struct err *e)
{
    AUTO(str) char *dir = mem_printf("%s/ecstasks.slice/ecstasks-%s.slice", g->root, task_id);
    struct host_cpu cpu = host_cpu_of(l);
    char text[64];

    if (make_v2_parent(g->root, e) || make_dir(dir, e))
        return e->code;
    if (cpu.quota_us) {
        snprintf(text, sizeof text, "%" PRId64 " %" PRId64, cpu.quota_us, cpu.period_us);
        if (write_file(dir, "cpu.max", text, e))
            return e->code;
    } else if (write_number(dir, "cpu.weight", cpu.weight, e)) {
        return e->code;
    }
    if (l->memory_bytes > 0 && write_number(dir, "memory.max", l->memory_bytes, e))
        return e->code;
    if (l->pids > 0 && write_number(dir, "pids.max", l->pids, e))
        return e->code;
    return ERR_OK;
}

char *host_slice_path(const char *task_id)
{
    struct buf path = BUF_INIT(TASK_ID_MAX * TASK_ID_MAX);

    buf_puts(&path, "ecstasks.slice");
    for (size_t i = 0; i <= strlen(task_id); i++)
        if (task_id[i] == '-' || !task_id[i])
            buf_printf(&path, "/ecstasks-%.*s.slice", (int)i, task_id);
    return buf_take(&path);
}

static enum err_code make_slice(const char *task_id, const struct host_cgroup_limits *l,
                                struct err *e)
{
    struct host_args a = { 0 };
    enum err_code code;

    host_systemd_limits(&a, task_id, l);
    code = host_run_well((const char *const *)a.argv, SYSTEMD_RUN_MS, e);
    host_args_fini(&a);
    return code;
}

/* ---- removal ---- */

static int on_leaf(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type != FTW_DP || rmdir(path) == 0 || errno == ENOENT)
        return 0;
    return errno;
}

/* Children first: what a runtime left behind is empty, or it is in use. */
static enum err_code remove_tree(const char *dir, struct err *e)
{
    int failed = nftw(dir, on_leaf, CONTAINER_LEVELS, FTW_DEPTH | FTW_PHYS);

    if (failed < 0)
        failed = errno;
    if (!failed || failed == ENOENT)
        return ERR_OK;
    if (failed == EBUSY || failed == ENOTEMPTY)
        return err_set(e, ERR_CONFLICT, "%s: processes are left in it", dir);
    return err_errno(e, failed, "remove %s", dir);
}

/* Every controller gets its turn; the first failure is told. */
static enum err_code remove_v1(const struct host_cgroups *g, const char *task_id, struct err *e)
{
    struct err first = { 0 }, own;

    for (size_t i = 0; i < g->n_controllers; i++) {
        AUTO(str) char *dir = mem_printf("%s/ecs/%s", g->controllers[i], task_id);

        own = (struct err){ 0 };
        if (remove_tree(dir, &own) && !first.code)
            first = own;
    }
    return first.code ? err_set(e, first.code, "%s", first.msg) : ERR_OK;
}

/* To stop a slice is to kill what runs in it, so that is looked at first. */
static enum err_code remove_slice(const struct host_cgroups *g, const char *task_id, struct err *e)
{
    AUTO(str) char *path = host_slice_path(task_id);
    AUTO(str) char *dir = mem_printf("%s/%s", g->root, path);
    char text[FILE_TEXT_MAX];
    enum err_code code = read_file(dir, "cgroup.events", text, e);

    if (code && code != ERR_NOT_FOUND)
        return code;
    if (!code && strstr(text, "populated 1"))
        return err_set(e, ERR_CONFLICT, "%s: processes are left in it", dir);
    if (host_systemctl("stop", task_id, e))
        return e->code;
    return host_systemctl("revert", task_id, e); /* its limits are a file below /run */
}

/* ---- the whole ---- */

static enum err_code check_id(const char *task_id, struct err *e)
{
    size_t n = strlen(task_id);

    for (size_t i = 0; i < n; i++) {
        char c = task_id[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return err_set(e, ERR_INVALID, "'%.80s' cannot be a cgroup's name", task_id);
    }
    if (!n || n > TASK_ID_MAX || task_id[0] == '-')
        return err_set(e, ERR_INVALID, "'%.80s' cannot be a cgroup's name", task_id);
    return ERR_OK;
}

static enum err_code set_up(struct host_cgroups *g, struct err *e)
{
    if (g->version == 1 && g->systemd)
        return err_set(e, ERR_NOT_FOUND,
                       "Docker's systemd cgroup driver gives tasks a cgroup with version 2 only");
    if (g->version == 1) {
        if (find_controllers(g, e))
            return e->code;
        for (size_t i = 0; i < g->n_controllers; i++)
            if (make_v1_dir(g->controllers[i], "ecs", e))
                return e->code;
        return ERR_OK;
    }
    if (check_controllers(g->root, e))
        return e->code;
    return g->systemd ? host_systemctl("--version", NULL, e) : make_v2_parent(g->root, e);
}

enum err_code host_cgroups_create(const char *root, int version, bool systemd,
                                  struct host_cgroups **out, struct err *e)
{
    struct host_cgroups *g = NEW(struct host_cgroups);
    struct err own = { 0 };

    g->root = mem_strdup(root);
    g->version = version;
    g->systemd = systemd;
    if (set_up(g, &own)) {
        host_cgroups_destroy(g);
        return err_set(e, own.code, "%s", own.msg);
    }
    *out = g;
    return ERR_OK;
}

void host_cgroups_destroy(struct host_cgroups *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_controllers; i++)
        free(g->controllers[i]);
    free(g->root);
    free(g);
}

enum err_code host_cgroup_make(const struct host_cgroups *g, const char *task_id,
                               const struct host_cgroup_limits *l, struct err *e)
{
    struct err own = { 0 };
    enum err_code code = check_id(task_id, &own);

    if (!code && g->version == 1)
        code = make_v1(g, task_id, l, &own);
    else if (!code)
        code = g->systemd ? make_slice(task_id, l, &own) : make_v2(g, task_id, l, &own);
    return code ? err_set(e, code, "%s", own.msg) : ERR_OK;
}

enum err_code host_cgroup_remove(const struct host_cgroups *g, const char *task_id, struct err *e)
{
    struct err own = { 0 };
    enum err_code code = check_id(task_id, &own);

    if (!code && g->version == 1) {
        code = remove_v1(g, task_id, &own);
    } else if (!code && g->systemd) {
        code = remove_slice(g, task_id, &own);
    } else if (!code) {
        AUTO(str) char *dir = mem_printf("%s/ecstasks.slice/ecstasks-%s.slice", g->root, task_id);

        code = remove_tree(dir, &own);
    }
    return code ? err_set(e, code, "%s", own.msg) : ERR_OK;
}

char *host_cgroup_parent(const struct host_cgroups *g, const char *task_id)
{
    if (g->version == 1)
        return mem_printf("/ecs/%s", task_id);
    if (g->systemd)
        return mem_printf("ecstasks-%s.slice", task_id);
    return mem_printf("/ecstasks.slice/ecstasks-%s.slice", task_id);
}
