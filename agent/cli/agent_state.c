/* agent_state: the data directory and what an earlier process left in it. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent.h"

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

static enum err_code read_state(struct agent *a, char **cluster, struct err *e)
{
    AUTO(str) char *instance = NULL;

    if (get_meta(a->store, "ec2-instance-id", &instance, e))
        return e->code;
    /* An image of a disk was made with another instance's state on it: neither its tasks nor
     * its registration are ours. */
    if (instance && a->instance_id && !streq(instance, a->instance_id)) {
        log_warn("the stored state is of another instance and is discarded",
                 kv_s("stored", instance), kv_s("instance", a->instance_id));
        a->others_state = true;
        return store_each(a->store, STORE_TASK, keep_arn, a, e);
    }
    if (!a->instance_id) {
        a->instance_id = instance;
        instance = NULL;
    }
    if (get_meta(a->store, "cluster", cluster, e) ||
        get_meta(a->store, "container-instance-arn", &a->instance_arn, e))
        return e->code;
    return wiring_load_cursors(a, e);
}

int state_open(struct agent *a)
{
    const char *dir = a->config->data_dir;
    AUTO(str) char *cluster = NULL;
    struct err e = { 0 };

    if (store_open(dir, &a->store, &e)) {
        if (e.code != ERR_INVALID || !a->store) {
            log_crit("the agent's state cannot be opened", kv_s("dir", dir), kv_err(&e));
            return CLI_ERROR;
        }
        log_warn("the agent's state was damaged and is set aside, starting afresh", kv_err(&e));
        e = (struct err){ 0 };
    }
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
}
