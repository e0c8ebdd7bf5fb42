/* What comes before registration: the wait of a warm pool, who this instance is, its tags. */
#include <stdlib.h>

#include "aws/instance.h"
#include "aws/services.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/private.h"

struct prepare {
    struct control *c;
    prepared_fn *done;
    void *user;
    struct loop_timer *later; /* so that `done` never comes from within the start */
    struct instance_wait *wait;
    struct instance_read *read;
    struct service_call *tags;
};

static void finish(struct prepare *p, int exit_code, const struct err *e)
{
    p->done(p->user, exit_code, e);
}

void identity_fini(struct identity *id)
{
    free(id->id);
    free(id->zone_id);
    free(id->mac);
    free(id->vpc_id);
    free(id->subnet_id);
    free(id->outpost_arn);
    free(id->document);
    free(id->signature);
    free(id->private_ipv4);
    free(id->public_ipv4);
    free(id->ipv6);
    for (size_t i = 0; i < id->tags.n; i++) {
        free(id->tags.items[i].key);
        free(id->tags.items[i].value);
    }
    free(id->tags.items);
    *id = (struct identity){ 0 };
}

/* ---- tags ---- */

static void on_tags(void *user, const struct ec2_tag *tags, size_t n, const struct err *e)
{
    struct prepare *p = user;
    struct string_map *map = &p->c->identity.tags;
    struct err why = *e;

    p->tags = NULL;
    if (why.code) {
        err_wrap(&why, "the tags of the EC2 instance cannot be had");
        finish(p, 1, &why);
        return;
    }
    map->items = mem_array(n + 1, sizeof *map->items);
    for (size_t i = 0; i < n; i++)
        map->items[map->n++] =
            (struct string_pair){ mem_strdup(tags[i].key), mem_strdup(tags[i].value) };
    finish(p, 0, &why);
}

static void read_tags(struct prepare *p)
{
    struct control *c = p->c;
    const struct aws_caller who = { .aws = c->aws, .credentials = c->credentials };
    struct err e = { 0 };

    if (!c->config->tags_from_ec2) {
        finish(p, 0, &e);
    } else if (!c->identity.id) {
        /* To register without them would be a success that is none. */
        err_set(&e, ERR_NOT_FOUND,
                "the tags of the EC2 instance cannot be had: its instance id is not known");
        finish(p, 1, &e);
    } else {
        p->tags = ec2_instance_tags(&who, c->identity.id, on_tags, p);
    }
}

/* ---- who this is ---- */

static void take(char **slot, struct instance_facts *f, enum instance_item item)
{
    if (!f->text[item])
        return;
    free(*slot);
    *slot = f->text[item];
    f->text[item] = NULL;
}

/* An instance without a MAC, VPC or subnet ends the reference's start (and one whose VPC
 * cannot be read for good, since it takes any error for "not in a VPC"). Here they are for
 * the status and for attributes of network modes alone, so their absence ends nothing. */
static void tell_missing(const struct instance_facts *f, unsigned wanted)
{
    AUTO(buf) struct buf names = BUF_INIT(1024);
    const struct err *first = NULL;
    bool identity = true;

    for (int item = 0; item < INSTANCE_ITEMS; item++) {
        const struct err *e = &f->error[item];
        bool part_of_call = item == INSTANCE_DOCUMENT || item == INSTANCE_SIGNATURE;

        if (!(wanted & INSTANCE_WANT(item)) || !e->code ||
            (e->code == ERR_NOT_FOUND && !part_of_call))
            continue;
        buf_printf(&names, "%s%s", names.len ? ", " : "", instance_item_name(item));
        identity = identity && !part_of_call;
        first = first ? first : e;
    }
    if (first)
        log_warn(identity ? "the instance's metadata service did not say all; going on without"
                          : "registering without the instance's identity",
                 kv_s("missing", buf_text(&names)), kv_err(first));
}

static unsigned wanted_facts(const struct control *c)
{
    unsigned wanted = INSTANCE_WANT(INSTANCE_ID) | INSTANCE_WANT(INSTANCE_ZONE_ID) |
                      INSTANCE_WANT(INSTANCE_MAC) | INSTANCE_WANT(INSTANCE_VPC_ID) |
                      INSTANCE_WANT(INSTANCE_SUBNET_ID) | INSTANCE_WANT(INSTANCE_OUTPOST_ARN);

    if (!c->config->no_iid && !c->config->external)
        wanted |= INSTANCE_WANT(INSTANCE_DOCUMENT) | INSTANCE_WANT(INSTANCE_SIGNATURE);
    if (c->config->container_metadata)
        wanted |= INSTANCE_WANT(INSTANCE_LOCAL_IPV4) | INSTANCE_WANT(INSTANCE_PUBLIC_IPV4) |
                  INSTANCE_WANT(INSTANCE_IPV6);
    return wanted;
}

/* The metadata service was away when the stored state was taken for this instance's own. */
static enum err_code check_same(const char *stored, const char *now, struct err *e)
{
    if (!stored || !now || streq(stored, now))
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "this is instance %s, but the stored state is of %s; the next start discards it",
                   now, stored);
}

static void on_facts(void *user, struct instance_facts *f)
{
    struct prepare *p = user;
    struct identity *id = &p->c->identity;
    struct err e = { 0 };

    p->read = NULL;
    tell_missing(f, wanted_facts(p->c));
    if (check_same(id->id, f->text[INSTANCE_ID], &e)) {
        finish(p, 1, &e);
        return;
    }
    take(&id->id, f, INSTANCE_ID);
    take(&id->zone_id, f, INSTANCE_ZONE_ID);
    take(&id->mac, f, INSTANCE_MAC);
    take(&id->vpc_id, f, INSTANCE_VPC_ID);
    take(&id->subnet_id, f, INSTANCE_SUBNET_ID);
    take(&id->outpost_arn, f, INSTANCE_OUTPOST_ARN);
    take(&id->private_ipv4, f, INSTANCE_LOCAL_IPV4);
    take(&id->public_ipv4, f, INSTANCE_PUBLIC_IPV4);
    take(&id->ipv6, f, INSTANCE_IPV6);
    /* A signature of nothing is of no use. */
    if (f->text[INSTANCE_DOCUMENT])
        take(&id->signature, f, INSTANCE_SIGNATURE);
    take(&id->document, f, INSTANCE_DOCUMENT);
    read_tags(p);
}

static void read_facts(struct prepare *p)
{
    struct control *c = p->c;

    if (c->imds)
        p->read =
            instance_read(c->imds, c->loop, wanted_facts(c), c->timing.identity_ms, on_facts, p);
    else
        read_tags(p);
}

/* ---- the warm pool ---- */

static void on_in_service(void *user, const struct err *e)
{
    struct prepare *p = user;
    struct err why = *e;

    p->wait = NULL;
    if (why.code) {
        err_wrap(&why, "cannot tell whether the instance has left its warm pool");
        finish(p, 5, &why);
        return;
    }
    log_info("the instance is in service");
    read_facts(p);
}

static void on_later(void *user)
{
    struct prepare *p = user;
    struct control *c = p->c;

    if (c->config->warm_pools && c->imds) {
        log_info("waiting until the instance has left its warm pool");
        p->wait =
            instance_wait_in_service(c->imds, c->loop, c->timing.warm_pool_ms, on_in_service, p);
    } else {
        read_facts(p);
    }
}

/* ---- the whole ---- */

struct prepare *prepare_create(struct control *c, prepared_fn *done, void *user)
{
    struct prepare *p = NEW(struct prepare);

    p->c = c;
    p->done = done;
    p->user = user;
    p->later = loop_timer_create(c->loop, on_later, p);
    return p;
}

void prepare_destroy(struct prepare *p)
{
    if (!p)
        return;
    instance_wait_cancel(p->wait);
    instance_read_cancel(p->read);
    service_cancel(p->tags);
    loop_timer_destroy(p->later);
    free(p);
}

void prepare_start(struct prepare *p)
{
    loop_timer_arm(p->later, 0);
}

const char *prepare_phase(const struct prepare *p)
{
    return p->wait ? "warm pool" : p->read ? "identity" : p->tags ? "tags" : NULL;
}
