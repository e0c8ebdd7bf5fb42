#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "aws/creds_sources.h"
#include "base/mem.h"
#include "io/loop.h"

#define PROCESS_MS 60000

struct shared_fetch {
    struct cred_fetch base;
    const struct creds_context *x;
    char *config_path, *credentials_path, *profile;
    uint64_t known_digest;
    struct work *work;
    int cancel_fd; /* ends the program that the worker may be waiting for */
    /* Written by the worker. */
    struct cred_plan plan;
    struct cred_set set; /* also the keys on the way from role to role */
    uint64_t digest;
    struct err err;
    bool unchanged;

    struct cred_fetch *part; /* the base, or a role */
    size_t hop;
    cred_done_fn *done;
    void *user;
};

static void shared_cancel(struct cred_fetch *base)
{
    struct shared_fetch *f = (struct shared_fetch *)base;

    if (f->work)
        (void)!write(f->cancel_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    work_cancel(f->work);
    cred_fetch_cancel(f->part);
    close(f->cancel_fd);
    cred_plan_fini(&f->plan);
    cred_set_fini(&f->set);
    free(f->config_path);
    free(f->credentials_path);
    free(f->profile);
    free(f);
}

static void finish(struct shared_fetch *f, const struct err *e)
{
    struct cred_set set = f->set;
    cred_done_fn *done = f->done;
    void *user = f->user;
    bool give = !e->code && !f->unchanged;

    f->set = (struct cred_set){ 0 };
    if (give) {
        free(set.source);
        set.source = mem_printf("profile %s of %s", f->profile,
                                f->plan.in_config ? f->config_path : f->credentials_path);
        set.of_file = true;
        set.digest = f->plan.base == BASE_KEYS && f->plan.n_hops == 0 ? 0 : f->digest;
    }
    shared_cancel(&f->base);
    done(user, give ? &set : NULL, e);
    cred_set_fini(&set);
}

static void fail(struct shared_fetch *f, enum err_code code, const char *text)
{
    struct err e = { 0 };

    err_set(&e, code, "profile '%.80s': %.800s", f->profile, text);
    finish(f, &e);
}

/* ---- roles, one after the other ---- */

static void on_part(void *user, struct cred_set *set, const struct err *e);

static void next_role(struct shared_fetch *f)
{
    const struct cred_hop *hop = &f->plan.hops[f->hop];

    if (f->hop == f->plan.n_hops) {
        finish(f, &(struct err){ 0 });
        return;
    }
    f->hop++;
    f->part = creds_assume_fetch(f->x, hop, &f->set, on_part, f);
}

static void on_part(void *user, struct cred_set *set, const struct err *e)
{
    struct shared_fetch *f = user;

    f->part = NULL;
    if (!set) {
        /* The profile is there: that its keys cannot be had is no reason to say it is not. */
        fail(f, e->code == ERR_NOT_FOUND ? ERR_DENIED : e->code, e->msg);
        return;
    }
    cred_set_fini(&f->set);
    f->set = *set;
    *set = (struct cred_set){ 0 };
    next_role(f);
}

static void begin_base(struct shared_fetch *f)
{
    AUTO(str) char *url = NULL;
    struct err e = { 0 };

    switch (f->plan.base) {
    case BASE_KEYS:
    case BASE_PROCESS:
        next_role(f);
        return;
    case BASE_ENV:
        if (creds_env_read(f->x->env, f->x->env_user, &f->set, &e))
            fail(f, ERR_DENIED, e.msg);
        else
            next_role(f);
        return;
    case BASE_WEB:
        f->part = creds_web_fetch(f->x, &f->plan.web, f->plan.web_token_file, on_part, f);
        return;
    case BASE_CONTAINER:
        if (creds_container_url(creds_env(f->x, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
                                creds_env(f->x, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), &url, &e))
            fail(f, ERR_DENIED, e.msg);
        else
            f->part = creds_container_fetch(f->x, url, on_part, f);
        return;
    case BASE_INSTANCE:
        if (!f->x->imds)
            fail(f, ERR_DENIED, "instance metadata is turned off");
        else
            f->part = creds_imds_fetch(f->x, on_part, f);
        return;
    }
}

/* ---- on the worker ---- */

/* Only to notice a change. */
static uint64_t digest_of(uint64_t h, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 0x100000001b3u;
    return (h ^ text.n) * 0x100000001b3u;
}

static void read_files(void *user)
{
    struct shared_fetch *f = user;
    struct buf config = BUF_SECRET(CREDS_FILE_MAX);
    struct buf credentials = BUF_SECRET(CREDS_FILE_MAX);
    struct err config_err = { 0 };

    (void)!creds_text_read(f->credentials_path, &credentials, &f->err);
    (void)!creds_text_read(f->config_path, &config, &config_err);
    if (config_err.code && (f->err.code == ERR_OK || f->err.code == ERR_NOT_FOUND) &&
        config_err.code != ERR_NOT_FOUND) {
        f->err = config_err;
    } else if (f->err.code == ERR_NOT_FOUND && !config_err.code) {
        f->err = (struct err){ 0 }; /* one of them is enough */
    } else if (f->err.code == ERR_NOT_FOUND) {
        err_set(&f->err, ERR_NOT_FOUND, "neither %.150s nor %.150s is there", f->credentials_path,
                f->config_path);
    }
    if (!f->err.code) {
        f->digest =
            digest_of(digest_of(0xcbf29ce484222325u, buf_str(&config)), buf_str(&credentials)) | 1;
        f->unchanged = f->digest == f->known_digest;
    }
    if (!f->err.code && !f->unchanged)
        (void)!cred_plan_make(buf_str(&config), buf_str(&credentials), f->profile, &f->plan,
                              &f->err);
    buf_wipe(&config);
    buf_wipe(&credentials);
    if (f->err.code || f->unchanged)
        return;
    if (f->plan.base == BASE_KEYS) {
        f->set = f->plan.keys;
        f->plan.keys = (struct cred_set){ 0 };
    } else if (f->plan.base == BASE_PROCESS) {
        (void)!creds_process_run(f->plan.command, PROCESS_MS, f->cancel_fd, &f->set, &f->err);
    }
}

static void on_files(void *user)
{
    struct shared_fetch *f = user;
    struct err e = f->err;

    f->work = NULL;
    if (e.code || f->unchanged)
        finish(f, &e);
    else
        begin_base(f);
}

/* What LoadCredential= of the unit has brought; NULL: nothing. */
static char *loaded_credentials(const struct creds_context *x)
{
    const char *dir = creds_env(x, "CREDENTIALS_DIRECTORY");
    char *path = dir ? mem_printf("%s/aws-credentials", dir) : NULL;

    if (path && access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *path_of(const struct creds_context *x, const char *name, const char *standard)
{
    const char *path = creds_env(x, name), *home = creds_env(x, "HOME");

    /* A system service often has no HOME; the files are root's then. */
    return path ? mem_strdup(path) : mem_printf("%s/.aws/%s", home ? home : "/root", standard);
}

char *creds_shared_path(const struct creds_context *x, bool config)
{
    char *loaded;

    if (config)
        return path_of(x, "AWS_CONFIG_FILE", "config");
    loaded = creds_env(x, "AWS_SHARED_CREDENTIALS_FILE") ? NULL : loaded_credentials(x);
    return loaded ? loaded : path_of(x, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
}

struct cred_fetch *creds_shared_fetch(const struct creds_context *x, uint64_t known_digest,
                                      cred_done_fn *done, void *user)
{
    struct shared_fetch *f = NEW(struct shared_fetch);
    const char *profile = creds_env(x, "AWS_PROFILE");

    f->base.cancel = shared_cancel;
    f->x = x;
    f->config_path = creds_shared_path(x, true);
    f->credentials_path = creds_shared_path(x, false);
    f->profile = mem_strdup(profile ? profile : "default");
    f->known_digest = known_digest;
    f->cancel_fd = eventfd(0, EFD_CLOEXEC);
    if (f->cancel_fd < 0)
        abort();
    f->done = done;
    f->user = user;
    f->work = loop_work(http_client_loop(aws_http(x->aws)), read_files, on_files, f);
    return &f->base;
}
