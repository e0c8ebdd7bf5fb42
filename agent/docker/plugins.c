#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"

#define PLUGINS_MS 60000

/* An interface is written "docker.volumedriver/1.0"; the engine's documentation shows it as
 * an object of its three parts. */
static bool is_volume_driver(const struct jcur *type)
{
    if (jcur_type(type) == JSON_OBJ)
        return streq(jcur_str_or(type, "Capability", ""), "volumedriver") &&
               streq(jcur_str_or(type, "Version", ""), "1.0");
    return str_ends(jcur_as_str(type), ".volumedriver/1.0");
}

static bool wanted(const struct jcur *plugin)
{
    struct jcur config = jcur_obj(plugin, "Config");
    struct jcur interface = jcur_obj(&config, "Interface");
    struct jcur types = jcur_arr(&interface, "Types");
    bool found = false;

    JCUR_EACH (type, &types)
        found = is_volume_driver(&type) || found;
    return found && jcur_bool_or(plugin, "Enabled", false);
}

/* The names borrow from *doc; the array is the caller's. */
static enum err_code decode(struct str body, struct json_t **doc, const char ***names, size_t *n,
                            struct err *e)
{
    struct err bad = { 0 };
    struct jcur root;

    if (docker_decode_array(body, "plugins", doc, &root, &bad, e))
        return e->code;
    *names = mem_array(jcur_len(&root) + 1, sizeof **names);
    JCUR_EACH (plugin, &root) {
        const char *name = jcur_str(&plugin, "Name");

        if (wanted(&plugin))
            (*names)[(*n)++] = name;
    }
    return bad.code ? docker_unreadable(e, "plugins", &bad) : ERR_OK;
}

static bool answer_plugins(struct docker_op *op, struct str body, const struct err *e)
{
    docker_plugins_fn *done = (docker_plugins_fn *)op->done;
    AUTO(json) struct json_t *doc = NULL;
    const char **names = NULL;
    struct err out = *e;
    size_t n = 0;

    if (out.code == ERR_NOT_FOUND) {
        out = (struct err){ 0 };
        done(op->user, NULL, 0, &out);
    } else if (out.code || decode(body, &doc, &names, &n, &out)) {
        done(op->user, NULL, 0, &out);
    } else {
        done(op->user, names, n, &out);
    }
    free(names);
    return true;
}

struct docker_op *docker_plugins(struct docker *d, docker_plugins_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", PLUGINS_MS);
    docker_call_path(&c, "/plugins");
    return docker_send(d, &c, answer_plugins, (void (*)(void))done, user);
}
