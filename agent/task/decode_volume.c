#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/internal.h"

static void decode_docker_volume(const struct jcur *c, struct task_volume *out)
{
    struct jcur d = jcur_obj(c, "dockerVolumeConfiguration");
    struct jcur opts = jcur_obj(&d, "driverOpts");
    struct jcur labels = jcur_obj(&d, "labels");
    struct jcur provision = jcur_get(&d, "autoprovision");

    jcur_expect(&d, JSON_OBJ);
    /* Every scope but "task" outlives the task, the absent one included. */
    out->kind = streq(jcur_str_or(&d, "scope", ""), "task") ? VOLUME_TASK : VOLUME_SHARED;
    out->autoprovision = jcur_bool_or(&d, "autoprovision", false);
    if (out->kind == VOLUME_TASK && out->autoprovision)
        jcur_fail(&provision, "only a volume of scope shared can be provisioned automatically");
    out->driver = task_text_or_null(&d, "driver");
    task_pairs_decode(&opts, &out->driver_opts, &out->n_driver_opts);
    task_pairs_decode(&labels, &out->labels, &out->n_labels);
}

static void decode_host_volume(const struct jcur *c, struct task_volume *out)
{
    struct jcur h = jcur_obj(c, "host");

    jcur_expect(&h, JSON_OBJ);
    out->host_path = task_text_or_null(&h, "sourcePath");
    out->kind = out->host_path ? VOLUME_HOST : VOLUME_TASK;
}

bool task_volume_is_foreign(const struct jcur *c)
{
    const char *type = jcur_str_or(c, "type", "");

    return streq(type, "efs") || streq(type, "fsxWindowsFileServer") || streq(type, "attachment");
}

void task_volume_decode(const struct jcur *c, struct task_volume *out)
{
    struct jcur name = jcur_get(c, "name"), type = jcur_get(c, "type");
    const char *kind = jcur_str_or(c, "type", "");

    jcur_expect(c, JSON_OBJ);
    out->name = mem_strdup(jcur_as_str(&name));
    if (!*out->name)
        jcur_fail(&name, "must not be empty");
    if (!*kind || streq(kind, "host"))
        decode_host_volume(c, out);
    else if (streq(kind, "docker"))
        decode_docker_volume(c, out);
    else
        jcur_fail(&type, "unrecognized volume type: \"%.80s\"", kind);
}
