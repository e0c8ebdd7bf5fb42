#include "docker/decode.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

enum err_code docker_unreadable(struct err *e, const char *what, const struct err *cause)
{
    return err_set(e, ERR_IO, "cannot read the Docker Engine's answer (%s): %s", what, cause->msg);
}

enum err_code docker_decode_json(struct str json, const char *what, struct json_t **doc,
                                 struct err *e)
{
    struct err bad = { 0 };

    if (json_parse(json.p, json.n, doc, &bad))
        return docker_unreadable(e, what, &bad);
    return ERR_OK;
}

int64_t docker_decode_time(const struct jcur *c, const char *key)
{
    struct jcur m = jcur_get(c, key);
    const char *text = jcur_str_or(c, key, "");
    struct err bad = { 0 };
    int64_t ms = 0;

    if (*text && clock_parse_iso(text, &ms, &bad))
        jcur_fail(&m, "%s", bad.msg);
    return ms;
}

/* ---- version ---- */

static bool parse_api(const char *text, int *major, int *minor)
{
    int used = 0;

    return strlen(text) < 10 && strspn(text, "0123456789.") == strlen(text) &&
           sscanf(text, "%d.%d%n", major, minor, &used) == 2 && !text[used];
}

/* < 0 when a is older; both are well formed. */
static int compare_api(const char *a, const char *b)
{
    int am = 0, an = 0, bm = 0, bn = 0;

    if (!parse_api(a, &am, &an) || !parse_api(b, &bm, &bn))
        return 0;
    return am != bm ? am - bm : an - bn;
}

bool docker_api_before(const char *api, const char *than)
{
    api += str_starts(api, "/v") ? 2 : 0;
    return compare_api(api, than) < 0;
}

static enum err_code choose_api(const char *engine, const char *newest, const char *oldest,
                                struct docker_version *v, struct err *e)
{
    const char *use = compare_api(newest, DOCKER_API_NEWEST) < 0 ? newest : DOCKER_API_NEWEST;

    if (compare_api(use, DOCKER_API_OLDEST) < 0)
        return err_set(e, ERR_INVALID,
                       "Docker Engine %.40s is too old: its API version is %s, at least %s is "
                       "needed",
                       engine, newest, DOCKER_API_OLDEST);
    if (*oldest && compare_api(use, oldest) < 0)
        return err_set(e, ERR_INVALID,
                       "Docker Engine %.40s is too new: it needs API version %s, at most %s is "
                       "supported",
                       engine, oldest, DOCKER_API_NEWEST);
    snprintf(v->version, sizeof v->version, "%s", engine);
    snprintf(v->api_version, sizeof v->api_version, "%s", use);
    return ERR_OK;
}

enum err_code docker_decode_version(struct str json, struct docker_version *out, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root;
    const char *engine, *newest, *oldest;
    int major, minor;

    if (docker_decode_json(json, "version", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    engine = jcur_str(&root, "Version");
    newest = jcur_str(&root, "ApiVersion");
    oldest = jcur_str_or(&root, "MinAPIVersion", "");
    if (jcur_ok(&root) &&
        (!parse_api(newest, &major, &minor) || (*oldest && !parse_api(oldest, &major, &minor))))
        jcur_fail(&root, "ApiVersion '%.20s', MinAPIVersion '%.20s'", newest, oldest);
    if (bad.code)
        return docker_unreadable(e, "version", &bad);
    return choose_api(engine, newest, oldest, out, e);
}

/* ---- inspect ---- */

static int compare_bindings(const void *pa, const void *pb)
{
    const struct port_binding *a = pa, *b = pb;

    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    if (a->container_port != b->container_port)
        return a->container_port < b->container_port ? -1 : 1;
    if (strcmp(a->ip, b->ip) != 0)
        return strcmp(a->ip, b->ip);
    return a->host_port - b->host_port;
}

/* "8080/tcp"; false for a protocol that a task cannot ask for. */
static bool port_key(const struct jcur *port, uint16_t *number, enum port_proto *proto)
{
    const char *slash = strchr(port->key, '/');
    char digits[8] = "";
    int64_t n = 0;

    if (slash && (size_t)(slash - port->key) < sizeof digits)
        memcpy(digits, port->key, (size_t)(slash - port->key));
    if (str_to_int(digits, 1, UINT16_MAX, &n, NULL)) {
        jcur_fail(port, "not a port");
        return false;
    }
    *number = (uint16_t)n;
    *proto = slash && streq(slash, "/udp") ? PORT_UDP : PORT_TCP;
    return slash && (streq(slash, "/tcp") || streq(slash, "/udp"));
}

static void add_binding(struct ctr_facts *f, size_t *room, const struct jcur *item,
                        const struct port_binding *port)
{
    const char *ip = jcur_str_or(item, "HostIp", "");
    const char *text = jcur_str_or(item, "HostPort", "");
    struct port_binding *b;
    int64_t host_port = 0;

    /* Empty until the container starts. */
    if (!*text)
        return;
    if (str_to_int(text, 0, UINT16_MAX, &host_port, NULL) || strlen(ip) >= sizeof b->ip) {
        jcur_fail(item, "not a host port: '%.20s' '%.50s'", text, ip);
        return;
    }
    if (f->n_bindings == *room) {
        *room = *room ? 2 * *room : 8;
        f->bindings = mem_resize(f->bindings, *room, sizeof *f->bindings);
    }
    b = &f->bindings[f->n_bindings++];
    *b = *port;
    b->host_port = (uint16_t)host_port;
    snprintf(b->ip, sizeof b->ip, "%s", ip);
}

static void decode_bindings(const struct jcur *root, struct ctr_facts *f)
{
    struct jcur settings = jcur_obj(root, "NetworkSettings");
    struct jcur ports = jcur_obj(&settings, "Ports"), port;
    size_t room = 0;

    for (size_t i = 0; jcur_member(&ports, i, &port); i++) {
        struct port_binding b = { 0 };

        if (!jcur_present(&port) || !port_key(&port, &b.container_port, &b.proto))
            continue;
        if (jcur_type(&port) != JSON_ARR)
            jcur_fail(&port, "expected array");
        JCUR_EACH (item, &port)
            add_binding(f, &room, &item, &b);
    }
    if (f->n_bindings)
        qsort(f->bindings, f->n_bindings, sizeof *f->bindings, compare_bindings);
}

static enum ctr_health health_of(const struct jcur *state)
{
    struct jcur health = jcur_obj(state, "Health");
    const char *text = jcur_str_or(&health, "Status", "");

    return streq(text, "healthy")     ? HEALTH_OK
           : streq(text, "unhealthy") ? HEALTH_BAD
           : streq(text, "starting")  ? HEALTH_STARTING
                                      : HEALTH_UNKNOWN;
}

/* Docker 26 (not yet 20.10) gives a start up when who asked for it goes away, as an agent does that
 * is killed. That is no end: it can be started again. (To the reference it is one.) */
static bool start_was_given_up(const char *error, const struct ctr_facts *f)
{
    return !f->started_ms && strstr(error, "context canceled");
}

static void decode_state(const struct jcur *state, struct ctr_facts *f)
{
    const char *error = jcur_str_or(state, "Error", "");
    bool running = jcur_bool_or(state, "Running", false);
    bool dead = jcur_bool_or(state, "Dead", false);
    int64_t code = jcur_int_or(state, "ExitCode", INT32_MIN, UINT32_MAX, 0);

    f->oom_killed = jcur_bool_or(state, "OOMKilled", false);
    f->started_ms = docker_decode_time(state, "StartedAt");
    f->finished_ms = docker_decode_time(state, "FinishedAt");
    f->health = health_of(state);
    if (start_was_given_up(error, f))
        error = "";
    memcpy(f->error, error, str_utf8_prefix(error, strlen(error), sizeof f->error - 1));
    if (running)
        f->status = CTR_RUNNING;
    else if (!dead && !f->started_ms && !*error)
        f->status = CTR_CREATED;
    else
        f->status = CTR_STOPPED;
    f->has_exit_code = !running && f->finished_ms;
    if (f->has_exit_code)
        f->exit_code = (int)code;
}

enum err_code docker_decode_facts(struct str json, struct ctr_facts *out,
                                  struct docker_details *details, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct ctr_facts f = { 0 };
    struct err bad = { 0 };
    struct jcur root, state;
    const char *id;

    if (docker_decode_json(json, "container", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    id = jcur_str(&root, "Id");
    if (!*id || strlen(id) >= sizeof f.id)
        jcur_fail(&root, "Id: '%.100s' is not a container's", id);
    snprintf(f.id, sizeof f.id, "%.*s", (int)sizeof f.id - 1, id);
    f.created_ms = docker_decode_time(&root, "Created");
    state = jcur_obj(&root, "State");
    if (!jcur_present(&state))
        jcur_fail(&state, "expected object, but it is missing");
    decode_state(&state, &f);
    decode_bindings(&root, &f);
    if (bad.code) {
        ctr_facts_fini(&f);
        return docker_unreadable(e, "container", &bad);
    }
    *out = f;
    if (details)
        docker_details_read(&root, details);
    return ERR_OK;
}

enum err_code docker_decode_tty(struct str json, bool *tty, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, config;
    bool value;

    if (docker_decode_json(json, "container", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    config = jcur_obj(&root, "Config");
    if (!jcur_present(&config))
        jcur_fail(&config, "expected object, but it is missing");
    value = jcur_bool_or(&config, "Tty", false);
    if (bad.code)
        return docker_unreadable(e, "container", &bad);
    *tty = value;
    return ERR_OK;
}

enum err_code docker_decode_created(struct str json, char out[DOCKER_ID_SIZE], struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root;
    const char *id;

    if (docker_decode_json(json, "create", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    id = jcur_str(&root, "Id");
    if (!*id || strlen(id) >= DOCKER_ID_SIZE)
        jcur_fail(&root, "Id: '%.100s' is not a container's", id);
    if (bad.code)
        return docker_unreadable(e, "create", &bad);
    snprintf(out, DOCKER_ID_SIZE, "%s", id);
    return ERR_OK;
}

/* ---- list ---- */

/* A container that others link to has their aliases too: "/other/alias". */
static const char *own_name(const struct jcur *row)
{
    struct jcur names = jcur_arr(row, "Names");
    const char *name = "";

    JCUR_EACH (item, &names) {
        const char *text = jcur_as_str(&item);

        text += *text == '/';
        if (!strchr(text, '/'))
            return text;
        name = str_after_last(text, '/');
    }
    return name;
}

enum err_code docker_decode_array(struct str json, const char *what, struct json_t **doc,
                                  struct jcur *root, struct err *bad, struct err *e)
{
    if (docker_decode_json(json, what, doc, e))
        return e->code;
    *root = jcur_root(*doc, bad);
    if (jcur_type(root) != JSON_ARR)
        jcur_fail(root, "expected array");
    if (jcur_len(root) > DOCKER_LIST_MAX)
        return err_set(e, ERR_LIMIT, "the Docker Engine's %s has %zu rows, more than %d", what,
                       jcur_len(root), DOCKER_LIST_MAX);
    return ERR_OK;
}

enum err_code docker_decode_list(struct str json, struct docker_rows *out, struct err *e)
{
    struct docker_rows list = { 0 };
    struct err bad = { 0 };
    struct jcur root;

    if (docker_decode_array(json, "list", &list.doc, &root, &bad, e))
        goto failed;
    list.rows = mem_array(jcur_len(&root) + 1, sizeof *list.rows);
    JCUR_EACH (item, &root) {
        struct docker_listed *row = &list.rows[list.n++];
        struct jcur labels = jcur_obj(&item, "Labels");

        row->id = jcur_str(&item, "Id");
        row->name = own_name(&item);
        row->state = jcur_str_or(&item, "State", "");
        row->task_arn = jcur_str_or(&labels, LABEL_TASK_ARN, NULL);
        row->container_name = jcur_str_or(&labels, LABEL_CONTAINER_NAME, NULL);
        row->owner = jcur_str_or(&labels, LABEL_OWNER, NULL);
        row->remains = jcur_str_or(&labels, LABEL_REMAINS, NULL);
    }
    if (bad.code) {
        docker_unreadable(e, "list", &bad);
        goto failed;
    }
    *out = list;
    return ERR_OK;
failed:
    docker_rows_fini(&list);
    return e->code;
}

void docker_rows_fini(struct docker_rows *r)
{
    free(r->rows);
    json_free(r->doc);
    *r = (struct docker_rows){ 0 };
}

/* ---- failures ---- */

/* `daemon`: it said so itself, so it is there. With 429, 502, 503 and 504 it passes on
 * what a registry answered, which asking this engine again at once does not change. */
static enum err_code code_of_status(int status, bool daemon)
{
    switch (status) {
    case 304:
    case 409:
        return ERR_CONFLICT;
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 408:
    case 429:
        return daemon ? ERR_IO : ERR_RETRY;
    case 501: /* a log driver that cannot be read, for example */
        return ERR_INVALID;
    default:
        if (status >= 400 && status < 500)
            return ERR_INVALID;
        return daemon || status < 500 ? ERR_IO : ERR_RETRY;
    }
}

enum err_code docker_decode_failure(int status, struct str body, struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root;
    const char *message;
    char excerpt[160];
    size_t n = 0;

    if (body.n && json_parse(body.p, body.n, &doc, &bad) == ERR_OK) {
        root = jcur_root(doc, &bad);
        message = jcur_str(&root, "message");
        if (*message)
            return err_set(e, code_of_status(status, true), "Error response from daemon: %s",
                           message);
    }
    body = str_trim(body);
    for (; n < sizeof excerpt - 1 && n < body.n; n++)
        excerpt[n] = isprint((unsigned char)body.p[n]) ? body.p[n] : ' ';
    excerpt[n] = '\0';
    return err_set(e, code_of_status(status, false),
                   "the Docker Engine answered with status %d%s%s", status, n ? ": " : "", excerpt);
}
