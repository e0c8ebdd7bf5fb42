#include "control/register_body.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"

static void put_integer(struct jw *w, const char *name, int64_t value)
{
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kstr(w, "type", "INTEGER");
    if (value)
        jw_kint(w, "integerValue", value);
    jw_end(w);
}

static void put_each(struct jw *w, const struct port_list *ports, const struct port_list *but)
{
    char text[8];

    for (size_t i = 0; ports && i < ports->n; i++) {
        bool known = false;

        for (size_t k = 0; but && k < but->n; k++)
            known = known || but->ports[k] == ports->ports[i];
        if (known)
            continue;
        snprintf(text, sizeof text, "%u", (unsigned)ports->ports[i]);
        jw_str(w, text);
    }
}

static void put_ports(struct jw *w, const char *name, const struct port_list *ports,
                      const struct port_list *local)
{
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_kstr(w, "type", "STRINGSET");
    jw_karray(w, "stringSetValue");
    put_each(w, ports, NULL);
    put_each(w, local, ports);
    jw_end(w);
    jw_end(w);
}

static bool has_key(const struct string_map *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (streq(map->items[i].key, key))
            return true;
    }
    return false;
}

/* The array is there only when it has a member. */
static void put_tag(struct jw *w, const struct string_pair *tag, bool *begun)
{
    if (!*begun) {
        jw_karray(w, "tags");
        *begun = true;
    }
    jw_object(w);
    jw_kstr(w, "key", tag->key);
    jw_kstr(w, "value", tag->value);
    jw_end(w);
}

static void put_tags(struct jw *w, const struct string_map *own, const struct string_map *more)
{
    bool begun = false;

    for (size_t i = 0; i < own->n; i++)
        put_tag(w, &own->items[i], &begun);
    for (size_t i = 0; more && i < more->n; i++) {
        if (!has_key(own, more->items[i].key))
            put_tag(w, &more->items[i], &begun);
    }
    if (begun)
        jw_end(w);
}

static void put_gpus(struct jw *w, const char *const *ids, size_t n)
{
    if (!n)
        return;
    jw_karray(w, "platformDevices");
    for (size_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kstr(w, "id", ids[i]);
        jw_kstr(w, "type", "GPU");
        jw_end(w);
    }
    jw_end(w);
}

bool register_body(const struct register_input *in, struct buf *out)
{
    const struct config *cfg = in->config;
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    jw_kstr(&w, "cluster", cfg->cluster);
    jw_kstr_if(&w, "containerInstanceArn", in->instance_arn);
    jw_karray(&w, "attributes");
    for (size_t i = 0; i < in->attributes->n; i++) {
        jw_object(&w);
        jw_kstr(&w, "name", in->attributes->items[i].name);
        if (in->attributes->items[i].value)
            jw_kstr(&w, "value", in->attributes->items[i].value);
        jw_end(&w);
    }
    jw_end(&w);
    put_tags(&w, &cfg->instance_tags, in->ec2_tags);
    put_gpus(&w, in->gpus, in->n_gpus);
    jw_kstr(&w, "instanceIdentityDocument", in->document);
    jw_kstr(&w, "instanceIdentityDocumentSignature", in->signature);
    jw_karray(&w, "totalResources");
    put_integer(&w, "CPU", in->cpu_units);
    put_integer(&w, "MEMORY", in->memory_mib);
    put_ports(&w, "PORTS", &cfg->reserved_ports, in->local_tcp);
    put_ports(&w, "PORTS_UDP", &cfg->reserved_ports_udp, in->local_udp);
    jw_end(&w);
    jw_kstr(&w, "clientToken", in->client_token);
    jw_end(&w);
    return !out->overflowed;
}

/* NULL: there is none of that name. */
static const char *value_of(const struct jcur *echoed, const char *name)
{
    const char *got = NULL;

    JCUR_EACH (item, echoed) {
        if (streq(jcur_str_or(&item, "name", ""), name))
            got = jcur_str_or(&item, "value", "");
    }
    return got;
}

static enum err_code check_echo(const struct jcur *echoed, const struct attributes *sent,
                                struct err *e)
{
    for (size_t i = 0; i < sent->n; i++) {
        const struct attribute *a = &sent->items[i];
        const char *got = value_of(echoed, a->name);

        if (!got)
            return err_set(e, ERR_INVALID, "the control plane did not take attribute %s", a->name);
        if (!streq(got, a->value ? a->value : ""))
            return err_set(e, ERR_INVALID,
                           "the control plane changed attribute %s from '%s' to '%s'", a->name,
                           a->value ? a->value : "", got);
    }
    return ERR_OK;
}

enum err_code register_answer(struct str body, const struct attributes *sent, char **instance_arn,
                              char **zone, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct err je = { 0 };
    struct jcur root, instance, attributes;
    const char *arn;

    if (json_parse(body.p, body.n, &v, &je))
        return err_set(e, ERR_RETRY, "answer: %s", je.msg);
    root = jcur_root(v, &je);
    instance = jcur_obj(&root, "containerInstance");
    arn = jcur_str(&instance, "containerInstanceArn");
    attributes = jcur_arr(&instance, "attributes");
    if (!jcur_ok(&root))
        return err_set(e, ERR_RETRY, "answer: %s", je.msg);
    if (!*arn)
        return err_set(e, ERR_RETRY, "answer: containerInstance.containerInstanceArn is empty");
    if (check_echo(&attributes, sent, e))
        return e->code;
    *instance_arn = mem_strdup(arn);
    *zone = mem_strdup(value_of(&attributes, "ecs.availability-zone"));
    return ERR_OK;
}
