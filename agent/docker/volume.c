#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"

#define BODY_MAX (1 << 20)

static void call_volume(struct docker_call *c, const char *name)
{
    if (docker_volume_name_check(name, &c->bad) == ERR_OK) {
        docker_call_path(c, "/volumes/");
        docker_call_path(c, name);
    }
}

static void write_pairs(struct jw *w, const char *key, const struct task_kv *pairs, size_t n)
{
    jw_kobject(w, key);
    for (size_t i = 0; i < n; i++)
        jw_kstr(w, pairs[i].name, pairs[i].value);
    jw_end(w);
}

struct docker_op *docker_create_volume(struct docker *d, const struct docker_volume *v,
                                       int64_t timeout_ms, docker_done_fn *done, void *user)
{
    AUTO(buf) struct buf body = BUF_INIT(BODY_MAX);
    struct docker_call c;
    struct jw w;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_path(&c, "/volumes/create");
    docker_call_header(&c, "Content-Type", "application/json");
    jw_init(&w, &body);
    jw_object(&w);
    jw_kstr(&w, "Name", v->name);
    jw_kstr_if(&w, "Driver", v->driver);
    write_pairs(&w, "DriverOpts", v->options, v->n_options);
    write_pairs(&w, "Labels", v->labels, v->n_labels);
    jw_end(&w);
    /* Without a name the engine would make one up, and nobody would know it. */
    if (docker_volume_name_check(v->name, &c.bad) == ERR_OK && body.overflowed)
        err_set(&c.bad, ERR_LIMIT, "volume '%.100s': its options are longer than %d bytes", v->name,
                BODY_MAX);
    c.body = buf_str(&body);
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

static bool answer_volume(struct docker_op *op, struct str body, const struct err *e)
{
    docker_volume_fn *done = (docker_volume_fn *)op->done;
    struct docker_volume_doc doc;
    struct err out = *e;

    if (out.code || docker_decode_volume(body, &doc, &out)) {
        done(op->user, NULL, &out);
        return true;
    }
    done(op->user, &doc.volume, &out);
    docker_volume_doc_fini(&doc);
    return true;
}

struct docker_op *docker_inspect_volume(struct docker *d, const char *name, int64_t timeout_ms,
                                        docker_volume_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    call_volume(&c, name);
    return docker_send(d, &c, answer_volume, (void (*)(void))done, user);
}

struct docker_op *docker_remove_volume(struct docker *d, const char *name, int64_t timeout_ms,
                                       docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "DELETE", timeout_ms);
    c.also_ok = 404;
    call_volume(&c, name);
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}
