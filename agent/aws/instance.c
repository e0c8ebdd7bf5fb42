#include "aws/instance.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/loop.h"

#define MAC_PATH      "meta-data/network/interfaces/macs/"
#define DOCUMENT_PATH "dynamic/instance-identity/document"

/* What may be made of an answer. */
enum item_form {
    FORM_WORD, /* one line, trimmed */
    FORM_TEXT, /* as it came */
};

static const struct {
    const char *name;
    const char *path; /* behind the interface's own, for those of an interface */
    enum item_form form;
    bool of_interface;
} items[INSTANCE_ITEMS] = {
    [INSTANCE_ID] = { "instance-id", "meta-data/instance-id", FORM_WORD, false },
    [INSTANCE_REGION] = { "region", "meta-data/placement/region", FORM_WORD, false },
    [INSTANCE_USER_DATA] = { "user-data", "user-data", FORM_TEXT, false },
    [INSTANCE_ZONE_ID] = { "availability-zone-id", "meta-data/placement/availability-zone-id",
                           FORM_WORD, false },
    [INSTANCE_MAC] = { "mac", "meta-data/mac", FORM_WORD, false },
    [INSTANCE_VPC_ID] = { "vpc-id", "vpc-id", FORM_WORD, true },
    [INSTANCE_SUBNET_ID] = { "subnet-id", "subnet-id", FORM_WORD, true },
    [INSTANCE_OUTPOST_ARN] = { "outpost-arn", "meta-data/outpost-arn", FORM_WORD, false },
    [INSTANCE_DOCUMENT] = { "document", DOCUMENT_PATH, FORM_TEXT, false },
    [INSTANCE_SIGNATURE] = { "signature", "dynamic/instance-identity/signature", FORM_TEXT, false },
    [INSTANCE_LOCAL_IPV4] = { "local-ipv4", "meta-data/local-ipv4", FORM_WORD, false },
    [INSTANCE_PUBLIC_IPV4] = { "public-ipv4", "meta-data/public-ipv4", FORM_WORD, false },
    [INSTANCE_IPV6] = { "ipv6", "meta-data/ipv6", FORM_WORD, false },
};

/* One question under way. */
struct item_read {
    struct instance_read *r;
    enum instance_item item;
    struct imds_op *op;
    bool open;        /* asked for, or to be asked for, and not had yet */
    bool by_document; /* the region's second source */
};

struct instance_read {
    struct imds *imds;
    unsigned wanted;
    struct item_read reads[INSTANCE_ITEMS];
    struct instance_facts facts;
    struct loop_timer *limit; /* also ends a read of nothing, on a later turn */
    instance_done_fn *done;
    void *user;
};

const char *instance_item_name(enum instance_item item)
{
    return (size_t)item < INSTANCE_ITEMS ? items[item].name : "?";
}

static void wipe(char **slot)
{
    mem_wipe(*slot);
    *slot = NULL;
}

void instance_facts_fini(struct instance_facts *f)
{
    for (size_t i = 0; i < INSTANCE_ITEMS; i++)
        wipe(&f->text[i]);
    *f = (struct instance_facts){ 0 };
}

void instance_read_cancel(struct instance_read *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < INSTANCE_ITEMS; i++)
        imds_cancel(r->reads[i].op);
    loop_timer_destroy(r->limit);
    instance_facts_fini(&r->facts);
    free(r);
}

static void finish(struct instance_read *r)
{
    struct instance_facts facts = r->facts;
    instance_done_fn *done = r->done;
    void *user = r->user;

    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        if (r->wanted & INSTANCE_WANT(i))
            continue;
        wipe(&facts.text[i]); /* a MAC that was only needed on the way */
        facts.error[i] = (struct err){ 0 };
    }
    r->facts = (struct instance_facts){ 0 };
    instance_read_cancel(r);
    done(user, &facts);
    instance_facts_fini(&facts);
}

static void finish_if_all(struct instance_read *r)
{
    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        if (r->reads[i].open)
            return;
    }
    finish(r);
}

static void on_limit(void *user)
{
    struct instance_read *r = user;

    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        if (r->reads[i].open)
            err_set(&r->facts.error[i], ERR_TIMEOUT, "instance metadata: no %s in time",
                    items[i].name);
    }
    finish(r);
}

/* ---- answers ---- */

static enum err_code take(enum instance_item item, struct str text, char **out, struct err *e)
{
    struct str value = items[item].form == FORM_WORD ? str_trim(text) : text;

    if (value.n == 0)
        return err_set(e, ERR_NOT_FOUND, "instance metadata: %s is empty", items[item].name);
    if (memchr(value.p, 0, value.n))
        return err_set(e, ERR_INVALID, "instance metadata: %s is no text", items[item].name);
    for (size_t i = 0; items[item].form == FORM_WORD && i < value.n; i++) {
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f)
            return err_set(e, ERR_INVALID, "instance metadata: %s is no single word",
                           items[item].name);
    }
    *out = item == INSTANCE_USER_DATA ? secret_strndup(value.p, value.n)
                                      : mem_strndup(value.p, value.n);
    return ERR_OK;
}

static enum err_code region_of_document(struct str text, char **out, struct err *e)
{
    AUTO(json) struct json_t *v = NULL;
    struct jcur root;
    const char *region;

    *e = (struct err){ 0 };
    if (json_parse(text.p, text.n, &v, e))
        return err_wrap(e, "instance identity document");
    root = jcur_root(v, e);
    region = jcur_str(&root, "region");
    if (e->code)
        return err_wrap(e, "instance identity document");
    return take(INSTANCE_REGION, str_of(region), out, e);
}

static void on_text(void *user, struct str text, const struct err *e);

static void ask(struct item_read *q, const char *path)
{
    q->open = true;
    q->op = imds_get(q->r->imds, path, on_text, q);
}

static bool is_mac(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)s[i]) && s[i] != ':')
            return false;
    }
    return n > 0 && n < 64;
}

/* The MAC is known, or known not to be had: on with what belongs to the interface. */
static void ask_interface(struct instance_read *r)
{
    struct err *why = &r->facts.error[INSTANCE_MAC];
    const char *mac = r->facts.text[INSTANCE_MAC];

    if (mac && !is_mac(mac))
        err_set(why, ERR_INVALID, "instance metadata: mac is none");
    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        if (!items[i].of_interface || !r->reads[i].open)
            continue;
        if (mac && !why->code) {
            AUTO(str) char *path = mem_printf(MAC_PATH "%s/%s", mac, items[i].path);

            ask(&r->reads[i], path);
        } else {
            r->facts.error[i] = *why;
            r->reads[i].open = false;
        }
    }
    if (why->code)
        wipe(&r->facts.text[INSTANCE_MAC]);
}

static void on_text(void *user, struct str text, const struct err *e)
{
    struct item_read *q = user;
    struct instance_read *r = q->r;
    struct err *why = &r->facts.error[q->item];

    q->op = NULL;
    q->open = false;
    *why = *e;
    if (!e->code && q->by_document)
        (void)!region_of_document(text, &r->facts.text[q->item], why);
    else if (!e->code)
        (void)!take(q->item, text, &r->facts.text[q->item], why);
    /* Only an answer sends us to the second source: a service that is not there is not
     * there for the document either. */
    if (q->item == INSTANCE_REGION && !q->by_document &&
        (why->code == ERR_NOT_FOUND || why->code == ERR_DENIED || why->code == ERR_INVALID)) {
        q->by_document = true;
        ask(q, DOCUMENT_PATH);
        return;
    }
    if (q->item == INSTANCE_MAC)
        ask_interface(r);
    finish_if_all(r);
}

struct instance_read *instance_read(struct imds *m, struct loop *loop, unsigned wanted,
                                    int64_t limit_ms, instance_done_fn *done, void *user)
{
    struct instance_read *r = NEW(struct instance_read);
    unsigned asked = wanted;

    r->imds = m;
    r->wanted = wanted;
    r->done = done;
    r->user = user;
    r->limit = loop_timer_create(loop, on_limit, r);
    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        r->reads[i].r = r;
        r->reads[i].item = (enum instance_item)i;
        r->reads[i].open = wanted & INSTANCE_WANT(i);
        if (r->reads[i].open && items[i].of_interface)
            asked |= INSTANCE_WANT(INSTANCE_MAC);
    }
    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        if ((asked & INSTANCE_WANT(i)) && !items[i].of_interface)
            ask(&r->reads[i], items[i].path);
    }
    loop_timer_arm(r->limit, asked ? limit_ms : 0);
    return r;
}
