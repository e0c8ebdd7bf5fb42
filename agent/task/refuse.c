/* What a task may ask for and cannot have here. To run it all the same, without the
 * isolation, the files or the device it counts on, would be worse than not to. */
#include <strings.h>

#include "base/str.h"
#include "task/internal.h"

static void refuse_volumes(const struct jcur *root)
{
    struct jcur array = jcur_arr(root, "volumes");

    JCUR_EACH (item, &array) {
        struct jcur type = jcur_get(&item, "type");

        if (task_volume_is_foreign(&item))
            jcur_fail(&type, "volumes of type %s are not supported",
                      jcur_str_or(&item, "type", ""));
    }
}

/* Other types are none of an agent's business. */
static void refuse_attachments(const struct jcur *root)
{
    static const char *const known[] = { "serviceconnectdetail", "amazonebs", "s3files" };
    struct jcur array = jcur_arr(root, "attachments");

    JCUR_EACH (item, &array) {
        struct jcur member = jcur_get(&item, "attachmentType");
        const char *type = jcur_str_or(&item, "attachmentType", "");

        for (size_t i = 0; i < COUNT_OF(known); i++)
            if (strcasecmp(type, known[i]) == 0)
                jcur_fail(&member, "attachments of type %s are not supported", known[i]);
    }
}

static void refuse_associations(const struct jcur *root)
{
    struct jcur array = jcur_arr(root, "associations");

    JCUR_EACH (item, &array) {
        struct jcur type = jcur_get(&item, "type");

        if (streq(jcur_str_or(&item, "type", ""), "gpu"))
            jcur_fail(&type, "associations of type gpu are not supported");
    }
}

static void refuse_network(const struct jcur *root, const struct task *t)
{
    struct jcur mode = jcur_get(root, "networkMode");
    struct jcur interfaces = jcur_arr(root, "elasticNetworkInterfaces");

    if (streq(t->network_mode, "awsvpc"))
        jcur_fail(&mode, "awsvpc is not supported");
    if (jcur_len(&interfaces))
        jcur_fail(&interfaces, "network interfaces of a task are not supported");
}

static void refuse_containers(const struct jcur *root, const struct task *t)
{
    struct jcur array = jcur_arr(root, "containers");

    JCUR_EACH (item, &array) {
        const struct task_container *c = &t->containers[item_i];
        struct jcur firelens = jcur_obj(&item, "firelensConfiguration");
        struct jcur specs = jcur_arr(&item, "credentialSpecs");
        struct jcur config = jcur_get(&item, "dockerConfig");

        if (jcur_present(&firelens))
            jcur_fail(&firelens, "FireLens is not supported");
        if (c->log_driver && streq(c->log_driver, "awsfirelens"))
            jcur_fail(&config, "log driver awsfirelens is not supported");
        if (jcur_len(&specs))
            jcur_fail(&specs, "credential specs are not supported");
    }
}

void task_refuse_unsupported(const struct jcur *root, const struct task *t)
{
    refuse_network(root, t);
    refuse_volumes(root);
    refuse_attachments(root);
    refuse_associations(root);
    refuse_containers(root, t);
}
