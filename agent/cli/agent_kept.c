#include "cli/agent_kept.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/sealed.h"
#include "io/service_manager.h"

/* The name ends in a generation: the new ones are kept before the old ones are forgotten, so a
 * process that ends in between leaves two, of which the later counts. */
#define CREDENTIALS "berth-credentials-"

struct kept {
    struct agent *agent;
    struct turn_end *turn;
    char *credentials; /* their name; NULL: none are kept */
    int64_t generation;
    bool changed;
};

/* ---- the service manager ---- */

static void tell_lost(const char *what, const struct err *e)
{
    log_warn("the service manager does not hear the agent", kv_s("what", what), kv_err(e));
}

void kept_tell(struct agent *a, const char *text)
{
    struct err e = { 0 };

    if (service_manager_tell(a->manager, text, &e))
        tell_lost(text, &e);
}

void kept_keep(struct agent *a, const char *name, int fd)
{
    struct err e = { 0 };

    if (service_manager_keep(a->manager, name, fd, &e))
        tell_lost(name, &e);
}

void kept_forget(struct agent *a, const char *name)
{
    struct err e = { 0 };

    if (service_manager_forget(a->manager, name, &e))
        tell_lost(name, &e);
}

/* ---- what was passed on ---- */

static size_t find(const struct agent *a, const char *name)
{
    const char *at;

    for (size_t i = 0; (at = service_manager_name(a->manager, i)); i++) {
        if (streq(at, name))
            return i;
    }
    return SIZE_MAX;
}

int kept_peek(const struct agent *a, const char *name)
{
    size_t i = find(a, name);

    return i == SIZE_MAX ? -1 : service_manager_fd(a->manager, i);
}

int kept_take(struct agent *a, const char *name)
{
    size_t i = find(a, name);

    return i == SIZE_MAX ? -1 : service_manager_take(a->manager, i);
}

void kept_drop_rest(struct agent *a)
{
    const char *name;

    while ((name = service_manager_name(a->manager, 0))) {
        log_info("a descriptor that the service manager passed on is not needed",
                 kv_s("name", name));
        kept_forget(a, name);
        close(service_manager_take(a->manager, 0));
    }
}

/* ---- the credentials ---- */

static void fill(void *user, void *to, size_t n)
{
    (void)n;
    roles_image_write(user, to);
}

static enum err_code read_image(void *user, const void *data, size_t n, struct err *e)
{
    return roles_image_read(user, data, n, e);
}

static enum err_code put_credentials(struct kept *k, const char *name, struct err *e)
{
    struct roles *roles = k->agent->roles;
    size_t n = roles_image_size(roles);
    enum err_code code;
    int fd;

    if (n > ROLES_IMAGE_MAX)
        return err_set(e, ERR_LIMIT, "they have %zu bytes", n);
    if (sealed_create("berth-credentials", n, fill, roles, &fd, e))
        return e->code;
    code = service_manager_keep(k->agent->manager, name, fd, e);
    close(fd);
    return code;
}

static void save(void *user)
{
    struct kept *k = user;
    AUTO(str) char *name = NULL;
    struct err e = { 0 };

    if (!k->changed)
        return;
    k->changed = false;
    if (roles_count(k->agent->roles)) {
        name = mem_printf(CREDENTIALS "%" PRId64, ++k->generation);
        if (put_credentials(k, name, &e)) {
            log_warn("the latest credentials of tasks will not survive a restart of the agent",
                     kv_err(&e));
            return;
        }
    }
    if (k->credentials)
        kept_forget(k->agent, k->credentials);
    mem_replace(&k->credentials, name);
}

static void on_changed(void *user)
{
    struct kept *k = user;

    k->changed = true;
    turn_end_schedule(k->turn);
}

static bool read_generation(const char *name, int64_t *out)
{
    return str_starts(name, CREDENTIALS) &&
           str_to_int(name + sizeof CREDENTIALS - 1, 0, INT64_MAX - 1, out, NULL) == ERR_OK;
}

/* The latest that were passed on; SIZE_MAX: none. */
static size_t latest(const struct agent *a, int64_t *generation)
{
    size_t found = SIZE_MAX;
    const char *name;
    int64_t g;

    for (size_t i = 0; (name = service_manager_name(a->manager, i)); i++) {
        if (read_generation(name, &g) && (found == SIZE_MAX || g > *generation)) {
            found = i;
            *generation = g;
        }
    }
    return found;
}

static void restore(struct kept *k)
{
    struct agent *a = k->agent;
    int64_t generation = 0;
    struct err e = { 0 };
    size_t i;

    while ((i = latest(a, &generation)) != SIZE_MAX) {
        AUTO(str) char *name = mem_strdup(service_manager_name(a->manager, i));
        int fd = service_manager_take(a->manager, i);
        bool had = k->credentials;

        k->generation = generation > k->generation ? generation : k->generation;
        if (!had && sealed_read(fd, ROLES_IMAGE_MAX, read_image, a->roles, &e))
            log_warn("the credentials of tasks that were kept cannot be used; going on without",
                     kv_err(&e));
        else if (!had)
            mem_replace(&k->credentials, name);
        if (!k->credentials || had)
            kept_forget(a, name);
        close(fd);
    }
    if (k->credentials)
        log_info("credentials of tasks are at hand from before the restart",
                 kv_i("roles", (int64_t)roles_count(a->roles)));
}

void kept_begin(struct agent *a)
{
    struct kept *k = NEW(struct kept);

    a->kept = k;
    k->agent = a;
    k->turn = turn_end_create(a->loop, save, k);
    restore(k);
    if (service_manager_there(a->manager))
        roles_on_change(a->roles, on_changed, k);
}

void kept_end(struct agent *a)
{
    struct kept *k = a->kept;

    if (!k)
        return;
    save(k);
    roles_on_change(a->roles, NULL, NULL);
    turn_end_destroy(k->turn);
    free(k->credentials);
    free(k);
    a->kept = NULL;
}
