#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "docker/decode.h"
#include "docker/op.h"

#define SOCKET_PATH_MAX 107 /* sun_path without its NUL */
#define PULL_BEGIN_MS   (5 * 60 * 1000)

/* ---- the client ---- */

enum err_code docker_create(struct http_client *http, const char *endpoint, struct docker **out,
                            struct err *e)
{
    AUTO(str) char *base = NULL;
    const char *unix_path = NULL;
    struct docker *d;

    if (str_starts(endpoint, "unix://")) {
        unix_path = endpoint + strlen("unix://");
        if (*unix_path != '/' || strlen(unix_path) > SOCKET_PATH_MAX)
            return err_set(e, ERR_INVALID,
                           "Docker endpoint '%.200s': the path must start with '/' and have at "
                           "most %d bytes",
                           endpoint, SOCKET_PATH_MAX);
        base = mem_strdup("http://docker");
    } else if (str_starts(endpoint, "tcp://") || str_starts(endpoint, "http://")) {
        base = mem_printf("http://%s", strstr(endpoint, "://") + 3);
        if (str_ends(base, "/"))
            base[strlen(base) - 1] = '\0';
        if (http_url_check(base, e))
            return err_wrap(e, "Docker endpoint '%.200s'", endpoint);
    } else {
        return err_set(e, ERR_INVALID,
                       "Docker endpoint '%.200s': expected unix:///path, tcp://host:port or "
                       "http://host:port",
                       endpoint);
    }
    d = NEW(struct docker);
    docker_counts_init(&d->counts);
    d->http = http;
    d->loop = http_client_loop(http);
    d->base = base;
    base = NULL;
    d->unix_path = mem_strdup(unix_path);
    d->pull_begin_ms = PULL_BEGIN_MS;
    d->first_answer_ms = -1;
    list_init(&d->ops);
    d->pace = docker_pace_create(d);
    *out = d;
    return ERR_OK;
}

const struct docker_counts *docker_get_counts(const struct docker *d)
{
    return &d->counts;
}

int64_t docker_first_answer_ms(const struct docker *d)
{
    return d->first_answer_ms;
}

void docker_destroy(struct docker *d)
{
    if (!d)
        return;
    d->pace->ended = true;
    LIST_FOREACH (it, following, &d->ops)
        docker_cancel(LIST_ENTRY(it, struct docker_op, node));
    docker_events_destroy(d->events);
    docker_pace_destroy(d->pace);
    free(d->base);
    free(d->unix_path);
    free(d->root_dir);
    free(d);
}

/* ---- operations whose answer has nothing to read ---- */

struct docker_op *docker_ping(struct docker *d, int64_t timeout_ms, docker_done_fn *done,
                              void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    c.unversioned = true;
    docker_call_path(&c, "/_ping");
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

struct docker_op *docker_start(struct docker *d, const char *ref, int64_t timeout_ms,
                               docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "POST", timeout_ms);
    c.also_ok = 304;
    docker_call_container(&c, ref, "/start");
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

struct docker_op *docker_stop(struct docker *d, const char *ref, int64_t stop_timeout_s,
                              int64_t timeout_ms, docker_done_fn *done, void *user)
{
    struct docker_call c;
    char seconds[24];

    docker_call_init(&c, "POST", timeout_ms);
    c.also_ok = 304;
    docker_call_container(&c, ref, "/stop");
    snprintf(seconds, sizeof seconds, "%" PRId64, stop_timeout_s);
    docker_call_param(&c, "t", seconds);
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

/* The engine's only way to say that nothing was to be done, whose status differs between versions.
 * What does not run is not frozen either, and answers a thaw so. */
static bool answer_paused(struct docker_op *op, struct str body, const struct err *e)
{
    docker_done_fn *done = (docker_done_fn *)op->done;
    bool already = strstr(e->msg, " is already paused") || strstr(e->msg, " is not paused");
    struct err out = *e;

    (void)body;
    if (already && (out.code == ERR_CONFLICT || out.code == ERR_IO))
        out = (struct err){ 0 };
    done(op->user, &out);
    return true;
}

struct docker_op *docker_pause(struct docker *d, const char *ref, bool pause, int64_t timeout_ms,
                               docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_container(&c, ref, pause ? "/pause" : "/unpause");
    return docker_send(d, &c, answer_paused, (void (*)(void))done, user);
}

struct docker_op *docker_kill(struct docker *d, const char *ref, const char *sig,
                              int64_t timeout_ms, docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_container(&c, ref, "/kill");
    docker_call_param(&c, "signal", sig);
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

struct docker_op *docker_remove(struct docker *d, const char *ref, int64_t timeout_ms,
                                docker_done_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "DELETE", timeout_ms);
    c.also_ok = 404;
    docker_call_container(&c, ref, "");
    docker_call_param(&c, "v", "1");
    return docker_send(d, &c, docker_answer_done, (void (*)(void))done, user);
}

/* ---- create ---- */

static bool answer_created(struct docker_op *op, struct str body, const struct err *e)
{
    docker_created_fn *done = (docker_created_fn *)op->done;
    char id[DOCKER_ID_SIZE];
    struct err out = *e;

    if (out.code || docker_decode_created(body, id, &out))
        done(op->user, NULL, &out);
    else
        done(op->user, id, &out);
    return true;
}

struct docker_op *docker_create_container(struct docker *d, const char *name, struct str body,
                                          int64_t timeout_ms, docker_created_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "POST", timeout_ms);
    docker_call_path(&c, "/containers/create");
    docker_call_param(&c, "name", name);
    docker_call_header(&c, "Content-Type", "application/json");
    c.body = body;
    return docker_send(d, &c, answer_created, (void (*)(void))done, user);
}

/* ---- inspect ---- */

static bool answer_inspected(struct docker_op *op, struct str body, const struct err *e)
{
    docker_inspected_fn *done = (docker_inspected_fn *)op->done;
    struct ctr_facts facts;
    struct err out = *e;

    if (out.code || docker_decode_facts(body, &facts, NULL, &out)) {
        done(op->user, NULL, &out);
        return true;
    }
    done(op->user, &facts, &out);
    ctr_facts_fini(&facts);
    return true;
}

struct docker_op *docker_inspect(struct docker *d, const char *ref, int64_t timeout_ms,
                                 docker_inspected_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_container(&c, ref, "/json");
    return docker_send(d, &c, answer_inspected, (void (*)(void))done, user);
}

static bool answer_looked(struct docker_op *op, struct str body, const struct err *e)
{
    docker_looked_fn *done = (docker_looked_fn *)op->done;
    struct docker_details details = { 0 };
    struct ctr_facts facts;
    struct err out = *e;

    if (out.code || docker_decode_facts(body, &facts, &details, &out)) {
        done(op->user, NULL, NULL, &out);
        return true;
    }
    done(op->user, &facts, &details, &out);
    ctr_facts_fini(&facts);
    docker_details_fini(&details);
    return true;
}

struct docker_op *docker_look(struct docker *d, const char *ref, int64_t timeout_ms,
                              docker_looked_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_container(&c, ref, "/json");
    return docker_send(d, &c, answer_looked, (void (*)(void))done, user);
}

/* ---- lists ---- */

static bool answer_list(struct docker_op *op, struct str body, const struct err *e)
{
    docker_listed_fn *done = (docker_listed_fn *)op->done;
    struct docker_rows list;
    struct err out = *e;

    if (out.code || docker_decode_list(body, &list, &out)) {
        done(op->user, NULL, 0, &out);
        return true;
    }
    done(op->user, list.rows, list.n, &out);
    docker_rows_fini(&list);
    return true;
}

static struct docker_op *list(struct docker *d, const char *filters, int64_t timeout_ms,
                              docker_listed_fn *done, void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_path(&c, "/containers/json");
    docker_call_param(&c, "all", "1");
    if (filters)
        docker_call_param(&c, "filters", filters);
    return docker_send(d, &c, answer_list, (void (*)(void))done, user);
}

struct docker_op *docker_list(struct docker *d, int64_t timeout_ms, docker_listed_fn *done,
                              void *user)
{
    return list(d, "{\"label\":[\"" LABEL_PREFIX "task-arn\"]}", timeout_ms, done, user);
}

struct docker_op *docker_list_all(struct docker *d, int64_t timeout_ms, docker_listed_fn *done,
                                  void *user)
{
    return list(d, NULL, timeout_ms, done, user);
}

/* ---- the engine itself ---- */

static bool answer_info(struct docker_op *op, struct str body, const struct err *e)
{
    docker_info_fn *done = (docker_info_fn *)op->done;
    struct docker_info_doc doc;
    struct err out = *e;

    if (out.code || docker_decode_info(body, &doc, &out)) {
        done(op->user, NULL, &out);
        return true;
    }
    mem_replace(&op->d->root_dir, str_empty(doc.info.root_dir) ? NULL : doc.info.root_dir);
    op->d->local_log = doc.info.local_log;
    done(op->user, &doc.info, &out);
    json_free(doc.doc);
    return true;
}

const char *docker_root(const struct docker *d)
{
    return d->root_dir;
}

bool docker_offers_local_log(const struct docker *d)
{
    return d->local_log;
}

struct docker_op *docker_info(struct docker *d, int64_t timeout_ms, docker_info_fn *done,
                              void *user)
{
    struct docker_call c;

    docker_call_init(&c, "GET", timeout_ms);
    docker_call_path(&c, "/info");
    return docker_send(d, &c, answer_info, (void (*)(void))done, user);
}
