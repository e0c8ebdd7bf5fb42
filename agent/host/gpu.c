#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "host/internal.h"

#define INFO_MAX (256 * 1024)

void host_gpus_fini(struct host_gpus *g)
{
    free(g->driver_version);
    host_names_fini(&g->ids);
    *g = (struct host_gpus){ 0 };
}

static void decode(const struct jcur *root, struct host_gpus *out)
{
    const char *version = jcur_str_or(root, "DriverVersion", "");
    struct jcur ids = jcur_arr(root, "GPUIDs");

    if (*version)
        out->driver_version = mem_strdup(version);
    if (jcur_len(&ids) > HOST_NAMES_MAX) {
        jcur_fail(&ids, "more than %d GPUs", HOST_NAMES_MAX);
        return;
    }
    out->ids.items = mem_array(jcur_len(&ids) + 1, sizeof *out->ids.items);
    JCUR_EACH (item, &ids) {
        const char *id = jcur_as_str(&item);

        if (str_empty(id))
            jcur_fail(&item, "a GPU without an ID");
        out->ids.items[out->ids.n++] = mem_strdup(id ? id : "");
    }
}

enum err_code host_gpus_read(const char *path, struct host_gpus *out, struct err *e)
{
    AUTO(buf) struct buf text = BUF_INIT(INFO_MAX);
    AUTO(json) struct json_t *doc = NULL;
    struct host_gpus found = { 0 };
    struct err bad = { 0 };
    struct jcur root;

    if (host_read_file(path, &text, &bad)) {
        if (bad.code == ERR_NOT_FOUND) {
            *out = found;
            return ERR_OK;
        }
        return err_set(e, bad.code, "%s", bad.msg);
    }
    if (json_parse(buf_text(&text), text.len, &doc, &bad))
        return err_set(e, ERR_INVALID, "%s: %s", path, bad.msg);
    root = jcur_root(doc, &bad);
    if (jcur_expect(&root, JSON_OBJ))
        decode(&root, &found);
    if (bad.code) {
        host_gpus_fini(&found);
        return err_set(e, ERR_INVALID, "%s: %s", path, bad.msg);
    }
    *out = found;
    return ERR_OK;
}
