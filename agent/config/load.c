/* The sources as they are on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/internal.h"

struct loaded {
    char *path;
    struct buf text;
    bool there;
};

struct config_files {
    struct loaded user, instance, json;
    char *os_family;
};

/* ---- reading ---- */

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : "no file";
}

/* Absent is fine; whatever else is no readable file of a sensible size is a reason not to
 * start: its settings were meant. */
static void load(struct loaded *l, const char *path, struct config_problems *problems)
{
    struct stat st = { 0 };
    int fd, error;

    l->path = mem_strdup(path);
    buf_init_secret(&l->text,
                    CONFIG_FILE_MAX + 1); /* one byte more tells a file that is too long */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* no pipe holds us up */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return;
    error = fd < 0 || fstat(fd, &st) ? errno : 0;
    if (!error && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) {
        config_problem_add(problems, true, path, 0, "expected a file of settings, got %s",
                           kind_of(st.st_mode));
    } else if (!error && st.st_size > (off_t)CONFIG_FILE_MAX) {
        config_problem_add(problems, true, path, 0,
                           "the file is over 1 MiB; expected a file of settings");
    } else if (error || (!fd_read_all(fd, &l->text) && errno != EFBIG && (error = errno))) {
        config_problem_add(problems, true, path, 0, "expected a file that can be read: %s",
                           ERRNO_TEXT(error));
    } else {
        l->there = true;
    }
    if (fd >= 0)
        close(fd);
}

static void unload(struct loaded *l)
{
    buf_wipe(&l->text);
    free(l->path);
}

static struct config_text text_of(const struct loaded *l)
{
    return (struct config_text){
        .name = l->path,
        .text = l->there ? buf_text(&l->text) : NULL,
        .len = l->there ? l->text.len : 0,
    };
}

/* A small file of the system; "" when it cannot be read. */
static struct buf read_small(const char *path)
{
    struct buf b = BUF_INIT(64 * 1024);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (!fd_read_all(fd, &b))
            buf_reset(&b);
        close(fd);
    }
    return b;
}

/* ---- the process ---- */

static const char *process_lookup(void *user, const char *name)
{
    (void)user;
    return config_environment(name);
}

static char *os_family(void)
{
    struct buf release = read_small("/etc/os-release");
    char *family = config_os_family(buf_text(&release));

    buf_fini(&release);
    return family;
}

static bool kernel_has_fips(void)
{
    struct buf flag = read_small("/proc/sys/crypto/fips_enabled");
    bool on = str_is(str_trim(buf_str(&flag)), "1");

    buf_fini(&flag);
    return on;
}

static bool has_nvidia(void)
{
    glob_t found;
    bool any = glob("/dev/nvidia*", GLOB_NOSORT, NULL, &found) == 0;

    if (any)
        globfree(&found);
    return any;
}

static char *instance_path(void)
{
    const struct var *v = vars_at(vars_find(str_of("BERTH_INSTANCE_CONFIG")));
    const char *named = getenv(v->name);
    char *path = NULL;

    /* What is wrong with it, config_build says. */
    if (str_empty(named) || v->type->parse(v, named, &path, NULL))
        path = mem_strdup(v->def);
    return path;
}

void config_files_read(const char *path, struct config_files **out, struct config_inputs *in,
                       struct config_problems *problems)
{
    struct config_files *f = NEW(struct config_files);
    AUTO(str) char *instance = instance_path();
    AUTO(str) char *json = NULL;

    *in = (struct config_inputs){ .env = process_lookup };
    if (path)
        load(&f->user, path, problems);
    load(&f->instance, instance, problems);
    in->user_file = text_of(&f->user);
    in->instance_file = text_of(&f->instance);
    json = config_json_path(in);
    load(&f->json, json, problems);
    in->json_file = text_of(&f->json);
    f->os_family = os_family();
    in->os_family = f->os_family;
    in->host_fips = kernel_has_fips();
    in->has_nvidia = has_nvidia();
    *out = f;
}

void config_files_destroy(struct config_files *f)
{
    if (!f)
        return;
    unload(&f->user);
    unload(&f->instance);
    unload(&f->json);
    free(f->os_family);
    free(f);
}
