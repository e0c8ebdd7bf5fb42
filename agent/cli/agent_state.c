/* agent_state: the data directory and what an earlier process left in it. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"
#include "reference/reference.h"

static enum err_code get_meta(struct store *s, const char *key, char **out, struct err *e)
{
    enum err_code code = store_get(s, STORE_META, key, out, e);

    if (code != ERR_NOT_FOUND)
        return code;
    *e = (struct err){ 0 };
    return ERR_OK;
}

static enum err_code keep_arn(void *user, const char *key, const char *value, struct err *e)
{
    struct agent *a = user;

    (void)value;
    (void)e;
    a->others_tasks.items =
        mem_resize(a->others_tasks.items, a->others_tasks.n + 1, sizeof(char *));
    a->others_tasks.items[a->others_tasks.n++] = mem_strdup(key);
    return ERR_OK;
}

/* The store's word counts, when it has one. */
static void take_if_missing(char **slot, char **from)
{
    if (*slot)
        return;
    *slot = *from;
    *from = NULL;
}

/* Its tasks run on, with nobody to look after them, and the host is another one for the control
 * plane: that is seldom what was meant. */
static void warn_of_reference(const char *dir)
{
    AUTO(str) char *path = mem_printf("%s/" REF_FILE, dir);

    if (access(path, F_OK) == 0)
        log_warn("a reference agent has left its state here, and nothing of it is taken over: this "
                 "host registers anew. Before, \"berth import\" can take it over",
                 kv_s("file", path));
}

static enum err_code read_state(struct agent *a, char **cluster, struct err *e)
{
    AUTO(str) char *instance = NULL;
    struct agent_name beside = { 0 };

    if (get_meta(a->store, "cluster", cluster, e) ||
        get_meta(a->store, "container-instance-arn", &a->instance_arn, e) ||
        get_meta(a->store, "ec2-instance-id", &instance, e))
        return e->code;
    if (!a->instance_arn) {
        agent_name_read(a->config->data_dir, &beside);
        take_if_missing(cluster, &beside.cluster);
        take_if_missing(&a->instance_arn, &beside.arn);
        take_if_missing(&instance, &beside.instance_id);
        agent_name_fini(&beside);
    }
    if (!a->instance_arn)
        warn_of_reference(a->config->data_dir);
    /* An image of a disk was made with another instance's state on it: neither its tasks nor
     * its registration are ours. */
    if (instance && a->instance_id && !streq(instance, a->instance_id)) {
        log_warn("the stored state is of another instance and is discarded",
                 kv_s("stored", instance), kv_s("instance", a->instance_id));
        a->others_state = true;
        mem_replace(cluster, NULL);
        mem_replace(&a->instance_arn, NULL);
        return store_each(a->store, STORE_TASK, keep_arn, a, e);
    }
    if (!a->instance_id) {
        a->instance_id = instance;
        instance = NULL;
    }
    return wiring_load_cursors(a, e);
}

/* Whoever made the folder, an installer or a reference agent: what is in it is nobody else's. */
static void protect(const char *dir)
{
    struct err e = { 0 };
    size_t changed = 0;

    if (host_make_private(dir, &changed, &e))
        log_warn("others may look into the agent's state", kv_s("dir", dir), kv_err(&e));
    else if (changed)
        log_warn("files of the agent's state were open to others, and are private now",
                 kv_s("dir", dir), kv_i("files", (int64_t)changed));
}

int state_open(struct agent *a)
{
    const char *dir = a->config->data_dir;
    AUTO(str) char *records = mem_printf("%s/postmortem", dir);
    AUTO(str) char *cluster = NULL;
    struct err e = { 0 };

    protect(dir);
    protect(records);
    if (store_open(dir, &a->store, &e)) {
        if (!a->store) {
            log_crit("the agent's state cannot be opened", kv_s("dir", dir), kv_err(&e));
            return e.code == ERR_LIMIT ? CLI_TERMINAL : CLI_ERROR; /* of a newer agent */
        }
        if (e.code == ERR_RETRY)
            log_error("the agent's state cannot be written, going on without: nothing new is begun "
                      "until it can",
                      kv_s("dir", dir), kv_err(&e));
        if (store_has_lost(a->store))
            log_warn("the agent's state was damaged, it is rebuilt from the containers that are "
                     "here and from what the control plane says",
                     kv_err(&e));
        e = (struct err){ 0 };
    }
    a->owner = realpath(dir, NULL);
    if (!a->owner)
        a->owner = mem_strdup(dir);
    if (read_state(a, &cluster, &e)) {
        log_crit("the agent's state cannot be read", kv_s("dir", dir), kv_err(&e));
        return CLI_ERROR;
    }
    if (cluster && !streq(cluster, a->config->cluster)) {
        log_crit("this instance is registered with another cluster; set ECS_CLUSTER back, or "
                 "stop its tasks and remove the data directory to register anew",
                 kv_s("registered", cluster), kv_s("configured", a->config->cluster),
                 kv_s("dir", dir));
        return CLI_TERMINAL;
    }
    return -1;
}

void state_close(struct agent *a)
{
    struct cursor *c, *next;

    store_close(a->store);
    HASH_ITER (hh, a->cursors, c, next) {
        HASH_DEL(a->cursors, c);
        free(c->container_id);
        free(c->value);
        free(c);
    }
    host_names_fini(&a->others_tasks);
    free(a->instance_arn);
    free(a->instance_id);
    free(a->owner);
}
