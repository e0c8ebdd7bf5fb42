/* Environment files: objects of S3. */
#include <stdlib.h>

#include "base/secret.h"
#include "secrets/job.h"

static void fail(struct slot *s, const struct err *e)
{
    err_set(&s->err, e->code, "unable to download env file with key %s from bucket %s, error: %s",
            s->object.key, s->object.bucket, e->msg);
}

/* ---- the text ---- */

/* Names and values stay where they are in the file's text: it is the one copy to wipe. */
struct reading {
    struct slot *slot;
    struct pair *by_name;
    size_t room;
    bool too_many;
};

static void on_pair(void *user, struct str name, struct str value)
{
    struct reading *r = user;
    struct pair *p;

    /* Behind both there is a '=', a line's end, or the NUL at the end. */
    ((char *)name.p)[name.n] = '\0';
    ((char *)value.p)[value.n] = '\0';
    HASH_FIND_STR(r->by_name, name.p, p);
    if (!p && r->slot->n_pairs == r->room) {
        r->too_many = true;
        return;
    }
    if (!p) {
        p = &r->slot->pairs[r->slot->n_pairs++];
        p->name = name.p;
        HASH_ADD_KEYPTR(hh, r->by_name, p->name, name.n, p);
    }
    p->value = value.p;
}

static size_t lines(struct str text)
{
    size_t n = 1;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static void read_text(struct slot *s)
{
    struct str text = { s->text, s->text_n };
    struct reading r = { .slot = s, .room = lines(text) };
    struct err e = { 0 };

    if (r.room > SECRETS_VALUES_MAX)
        r.room = SECRETS_VALUES_MAX;
    /* Never resized: the table points into it. */
    s->pairs = mem_array(r.room, sizeof *s->pairs);
    if (!env_file_parse(text, on_pair, &r, &e) && r.too_many)
        err_set(&e, ERR_LIMIT, "it has more than %d variables", SECRETS_VALUES_MAX);
    HASH_CLEAR(hh, r.by_name);
    if (e.code)
        err_set(&s->err, e.code, "unable to read env file with key %s from bucket %s, error: %s",
                s->object.key, s->object.bucket, e.msg);
}

/* ---- the calls ---- */

static void on_object(void *user, struct str object, const struct err *e)
{
    struct ask *a = user;
    struct slot *s = a->slots[0];
    struct err too_long = { 0 };

    if (e->code) {
        fail(s, e);
    } else if (!job_takes(a->job, object.n)) {
        err_set(&too_long, ERR_LIMIT, "the task's environment files are longer than %d MiB",
                SECRETS_BYTES_MAX >> 20);
        fail(s, &too_long);
    } else {
        s->text = secret_alloc(object.n + 1);
        s->text_n = object.n;
        if (object.n)
            memcpy(s->text, object.p, object.n);
        read_text(s);
    }
    ask_over(a);
}

static void ask_object(struct ask *a)
{
    struct aws_caller who = secrets_caller(a->job, true);
    const struct slot *s = a->slots[0];

    a->call = s3_get(&who, s->bucket->region, &s->object, SECRETS_FILE_MAX, on_object, a);
}

static void on_region(void *user, const char *region, const struct err *e)
{
    struct ask *a = user;
    struct job *j = a->job;
    struct slot *bucket = a->slots[0];

    bucket->region = mem_strdup(region);
    for (struct slot *s = j->slots; s; s = s->hh.next) {
        if (s->bucket != bucket)
            continue;
        if (e->code)
            fail(s, e);
        else
            job_ask(j, ask_object, s);
    }
    ask_over(a);
}

static void ask_region(struct ask *a)
{
    struct aws_caller who = secrets_caller(a->job, true);

    a->call = s3_region(&who, a->slots[0]->from, on_region, a);
}

/* ---- what is wanted ---- */

static struct slot *slot_of(struct job *j, const char *arn)
{
    struct slot *s, *bucket;
    struct err e = { 0 };
    bool fresh;

    s = job_slot(j, SLOT_FILE, mem_printf("%d\n%s", (int)SLOT_FILE, arn), &fresh);
    if (!fresh)
        return s;
    s->from = mem_strdup(arn);
    if (s3_object_parse(arn, &s->object, &e)) {
        err_set(&s->err, e.code, "unable to download env file, error: %s", e.msg);
        return s;
    }
    bucket =
        job_slot(j, SLOT_BUCKET, mem_printf("%d\n%s", (int)SLOT_BUCKET, s->object.bucket), &fresh);
    s->bucket = bucket;
    if (fresh) {
        bucket->from = mem_strdup(s->object.bucket);
        job_ask(j, ask_region, bucket);
    }
    return s;
}

void gather_files(struct job *j, const struct task *t)
{
    struct err e = { 0 };

    for (size_t i = 0; i < t->n_containers; i++)
        for (size_t k = 0; k < t->containers[i].n_env_files; k++)
            job_want(j, i, SECRETS_FILE, "", slot_of(j, t->containers[i].env_files[k]));
    if (!j->n_wants || !secrets_take_keys(j, t, &e))
        return;
    j->err = e;
    if (e.code == ERR_NOT_FOUND)
        err_set(&j->err, ERR_DENIED,
                "environment file resource: unable to find execution role credentials");
}

void tell_files(struct job *j, struct outcome *o)
{
    job_failures(j, &o->err);
    for (size_t i = 0; i < j->n_wants && !o->err.code; i++) {
        const struct slot *s = j->wants[i].slot;

        for (size_t k = 0; k < s->n_pairs; k++)
            if (!outcome_add(o, &j->wants[i], s->pairs[k].name, s->pairs[k].value))
                break;
    }
}
