/* EC2: DescribeTags of instances. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "standins.h"

#define SERVICE     "ec2"
#define VERSION     "2016-11-15"
#define FILTERS_MAX 8
#define VALUES_MAX  16

struct filter {
    const char *name;
    const char *values[VALUES_MAX];
    size_t count;
};

struct query {
    struct filter filters[FILTERS_MAX + 1]; /* index 0 is not used */
    int64_t from, max;                      /* max 0: all on one page */
};

/* ---- the form ---- */

/* "Filter.2.Value.1" and "Filter.2.Name"; false: not a filter. */
static bool read_filter(struct query *q, const struct url_param *p)
{
    unsigned f, v;
    int end = -1;

    if (sscanf(p->name, "Filter.%u.Name%n", &f, &end) == 1 && end == (int)strlen(p->name) &&
        f >= 1 && f <= FILTERS_MAX) {
        q->filters[f].name = p->value;
        return true;
    }
    end = -1;
    if (sscanf(p->name, "Filter.%u.Value.%u%n", &f, &v, &end) == 2 && end == (int)strlen(p->name) &&
        f >= 1 && f <= FILTERS_MAX && q->filters[f].count < VALUES_MAX) {
        q->filters[f].values[q->filters[f].count++] = p->value;
        return true;
    }
    return false;
}

/* NULL: good; else what is wrong. */
static const char *read_query(struct query *q, const struct url_params *form,
                              struct standin_call *sc)
{
    static const char *const known[] = { "resource-id", "resource-type", "key", "value" };

    for (size_t i = 0; i < form->count; i++) {
        const struct url_param *p = &form->items[i];

        if (streq(p->name, "Action") || streq(p->name, "Version") || read_filter(q, p))
            continue;
        if (streq(p->name, "MaxResults")) {
            if (str_to_int(p->value, 5, 1000, &q->max, NULL))
                return "Value for parameter MaxResults is invalid. Expecting a value between 5 "
                       "and 1000.";
        } else if (streq(p->name, "NextToken")) {
            if (str_to_int(p->value, 1, INT32_MAX, &q->from, NULL))
                return "Value for parameter NextToken is invalid.";
        } else {
            return "The parameter is not recognized";
        }
    }
    for (size_t f = 1; f <= FILTERS_MAX; f++) {
        const struct filter *one = &q->filters[f];
        size_t k = 0;

        if (!one->name && !one->count)
            continue;
        while (one->name && k < COUNT_OF(known) && !streq(known[k], one->name))
            k++;
        if (!one->name || k == COUNT_OF(known) || !one->count)
            return "The filter is invalid";
        for (size_t v = 0; v < one->count && streq(one->name, "resource-id"); v++)
            standin_name(sc, one->values[v]);
    }
    return NULL;
}

/* ---- the answer ---- */

static bool one_of(const struct filter *f, const char *text)
{
    for (size_t i = 0; i < f->count; i++) {
        if (streq(f->values[i], text))
            return true;
    }
    return false;
}

static bool passes(const struct query *q, const char *id, const char *key, const char *value)
{
    for (size_t f = 1; f <= FILTERS_MAX; f++) {
        const struct filter *one = &q->filters[f];

        if (one->name && !one_of(one, streq(one->name, "resource-id")     ? id
                                      : streq(one->name, "resource-type") ? "instance"
                                      : streq(one->name, "key")           ? key
                                                                          : value))
            return false;
    }
    return true;
}

static void write_item(struct buf *b, const char *id, const char *key, const char *value)
{
    buf_puts(b, "<item>");
    xml_element(b, "resourceId", id);
    xml_element(b, "resourceType", "instance");
    xml_element(b, "key", key);
    xml_element(b, "value", value);
    buf_puts(b, "</item>");
}

/* The tags in the order in which they were given; a page of them. */
static void write_items(const struct standins *st, const struct query *q, struct buf *b)
{
    struct cloud *c = standins_cloud(st);
    int64_t seen = 0, end = q->max ? q->from + q->max : INT64_MAX;
    char token[24];
    struct jcur tags, tag;

    buf_puts(b, "<tagSet>");
    for (struct cloud_thing *t = cloud_next(c, CLOUD_TAGS, NULL); t;
         t = cloud_next(c, CLOUD_TAGS, t)) {
        tags = cloud_entry(t);
        for (size_t i = 0; jcur_member(&tags, i, &tag); i++) {
            const char *value = jcur_as_str(&tag);

            if (!passes(q, t->name, tag.key, value))
                continue;
            if (seen >= q->from && seen < end)
                write_item(b, t->name, tag.key, value);
            seen++;
        }
    }
    buf_puts(b, "</tagSet>");
    if (seen > end) {
        snprintf(token, sizeof token, "%lld", (long long)end);
        xml_element(b, "nextToken", token);
    }
}

static void describe_tags(struct standins *st, struct standin_call *sc, struct cp_http *h,
                          const struct url_params *form)
{
    struct buf b = BUF_INIT(STANDIN_ANSWER_MAX);
    struct query q = { 0 };
    char id[RNG_UUID_SIZE];
    const char *wrong = read_query(&q, form, sc);

    if (wrong) {
        cp_violation(standins_server(st), "DescribeTags: %s", wrong);
        standin_http_refuse(st, sc, h, 400, "InvalidParameterValue", "%s", wrong);
        return;
    }
    rng_uuid(cp_server_rng(standins_server(st)), id);
    buf_puts(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/" VERSION "/\">");
    xml_element(&b, "requestId", id);
    write_items(st, &q, &b);
    buf_puts(&b, "</DescribeTagsResponse>");
    standin_note(st, sc, "");
    cp_http_reply(h, 200, "text/xml;charset=UTF-8", buf_str(&b));
    buf_fini(&b);
}

static void on_form(void *user, struct cp_http *h, const struct url_params *form,
                    const char *action, const struct cp_caller *who)
{
    struct standins *st = user;
    struct standin_call sc = standin_http_call(SERVICE, action, h, who);
    const char *version = url_params_get(form, "Version");

    if (!version || !streq(version, VERSION)) {
        cp_violation(standins_server(st), "%s: Version is not " VERSION, action);
        standin_http_refuse(st, &sc, h, 400, "NoSuchVersion",
                            "The requested version (%s) of service AmazonEC2 does not exist.",
                            version ? version : "");
    } else if (streq(action, "DescribeTags")) {
        describe_tags(st, &sc, h, form);
    }
}

void standin_ec2_add(struct standins *st)
{
    cp_server_add_form(standins_server(st), SERVICE, on_form, st);
}
