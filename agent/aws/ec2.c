/* EC2 DescribeTags. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/service.h"
#include "aws/sigv4.h"
#include "base/mem.h"
#include "base/secret.h"

#define OPERATION   "DescribeTags"
#define VERSION     "2016-11-15"
#define REQUEST_MAX 2048
#define ANSWER_MAX  (256 * 1024)
#define TAGS_MAX    50
#define ATTEMPTS    5

/* ---- the answer ---- */

static const char *find(struct str in, const char *what)
{
    return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static bool is_reserved(const char *s)
{
    return s && strncasecmp(s, "aws:", 4) == 0;
}

/* One element at a time: a tag without a value must not get the next one's. */
size_t ec2_tags_read(struct str xml, ec2_each_fn *fn, void *user)
{
    const char *start, *end;
    size_t n = 0;

    while (n < TAGS_MAX && (start = find(xml, "<item>"))) {
        struct str left = { start, xml.n - (size_t)(start - xml.p) };

        if (!(end = find(left, "</item>")))
            break;
        {
            struct str item = { start, (size_t)(end - start) };
            AUTO(secret) char *key = aws_xml_text(item, "key", NULL);
            AUTO(secret) char *value = aws_xml_text(item, "value", NULL);

            if (!str_empty(key) && !is_reserved(key) && !is_reserved(value)) {
                fn(user, key, value ? value : "");
                n++;
            }
        }
        xml = (struct str){ end, xml.n - (size_t)(end - xml.p) };
    }
    return n;
}

/* ---- the call ---- */

struct tags_call {
    struct service_call base;
    struct aws_call *call;
    struct ec2_tag tags[TAGS_MAX];
    size_t n;
    ec2_tags_fn *done;
    void *user;
};

static void cancel(struct service_call *base)
{
    struct tags_call *c = (struct tags_call *)base;

    aws_call_cancel(c->call);
    for (size_t i = 0; i < c->n; i++) {
        free((char *)c->tags[i].key);
        free((char *)c->tags[i].value);
    }
    free(c);
}

static void on_tag(void *user, const char *key, const char *value)
{
    struct tags_call *c = user;

    c->tags[c->n++] = (struct ec2_tag){ mem_strdup(key), mem_strdup(value) };
}

static void on_answer(void *user, const struct aws_result *r)
{
    struct tags_call *c = user;
    struct err e = { 0 };

    c->call = NULL;
    if (r->e->code)
        service_error(r, OPERATION, &e);
    else
        ec2_tags_read(r->body, on_tag, c);
    c->done(c->user, e.code ? NULL : c->tags, c->n, &e);
    cancel(&c->base);
}

struct service_call *ec2_instance_tags(const struct aws_caller *who, const char *instance_id,
                                       ec2_tags_fn *done, void *user)
{
    struct tags_call *c = NEW(struct tags_call);
    AUTO(buf) struct buf body = BUF_INIT(REQUEST_MAX);
    struct service_question q = { .who = who, .place = AWS_EC2, .service = "ec2" };

    buf_puts(&body, "Action=" OPERATION "&Version=" VERSION
                    "&Filter.1.Name=resource-id&Filter.1.Value.1=");
    sigv4_escape(&body, str_of(instance_id), false);
    buf_puts(&body, "&Filter.2.Name=resource-type&Filter.2.Value.1=instance");
    buf_printf(&body, "&MaxResults=%d", TAGS_MAX);
    c->base.cancel = cancel;
    c->done = done;
    c->user = user;
    q.of = (struct aws_call_args){ .protocol = AWS_QUERY,
                                   .operation = OPERATION,
                                   .body = buf_str(&body),
                                   .max_answer = ANSWER_MAX,
                                   .attempts = ATTEMPTS };
    c->call = service_send(&q, on_answer, c);
    return &c->base;
}
