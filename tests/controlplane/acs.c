#include "acs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acs_conn.h"
#include "base/clock.h"
#include "base/mem.h"
#include "render.h"

#define MESSAGE_MAX        (8 << 20)
#define PAYLOAD_TASKS_MAX  10
#define TICK_MS            1000
#define MANIFEST_DELAY_MS  1000
#define HEARTBEAT_MIN_MS   20000
#define HEARTBEAT_RANGE_MS 10000
#define REDELIVER_MS       60000

/* ---- messages ---- */

void acs_message_begin(struct acs_conn *k, struct acs_message *m, const char *type)
{
    rng_uuid(k->acs->x->rng, m->id);
    buf_init(&m->buf, MESSAGE_MAX);
    jw_init(&m->w, &m->buf);
    jw_object(&m->w);
    jw_kstr(&m->w, "type", type);
    jw_kobject(&m->w, "message");
}

void acs_message_send(struct acs_conn *k, struct acs_message *m)
{
    jw_end(&m->w);
    jw_end(&m->w);
    memcpy(k->sent[k->sent_count++ % ACS_SENT_MAX], m->id, RNG_UUID_SIZE);
    if (!m->buf.overflowed)
        cp_ws_send(k->ws, buf_str(&m->buf));
    if (m->buf.data)
        explicit_bzero(m->buf.data, m->buf.len); /* it may hold credentials */
    buf_fini(&m->buf);
}

/* ---- role credentials ---- */

/* The keys before these stay good for a while: they may be in use. */
static void renew(struct ecs *x, const struct task *t, struct role *r, int64_t now_ms)
{
    AUTO(str) char *caller = cp_server_session_arn(x->server, r->arn, t->id);

    if (*r->old_key)
        cp_server_remove_key(x->server, r->old_key);
    memcpy(r->old_key, r->access_key, sizeof r->old_key);
    model_role_renew(r, x->rng, now_ms);
    cp_server_add_role_key(x->server, r->access_key, r->secret, r->token, r->arn, caller,
                           r->expires_ms);
}

void acs_expiration(const struct role *r, char out[CLOCK_ISO_SIZE])
{
    clock_iso(r->expires_ms / 1000 * 1000, out);
    memcpy(strchr(out, '.'), "Z", 2);
}

/* The role in the form in which it is sent; NULL when the task has none. */
static const struct render_role *role_form(struct ecs *x, const struct task *t, struct role *r,
                                           int64_t now_ms, char expiration[CLOCK_ISO_SIZE],
                                           struct render_role *out)
{
    if (!r->arn)
        return NULL;
    /* Also when a test has ended the keys: nobody is given dead ones. */
    if (!*r->access_key || r->expires_ms - now_ms < MODEL_LIFE_MS / 2 ||
        cp_server_key_end(x->server, r->access_key) <= now_ms)
        renew(x, t, r, now_ms);
    acs_expiration(r, expiration);
    r->sent = true;
    *out = (struct render_role){
        .credentials_id = r->id,
        .role_arn = r->arn,
        .access_key = r->access_key,
        .secret_key = r->secret,
        .token = r->token,
        .expiration = expiration,
    };
    return out;
}

static void send_role(struct acs_conn *k, struct task *t, struct role *r, const char *type)
{
    char expiration[CLOCK_ISO_SIZE];
    struct render_role form;
    struct acs_message m;

    acs_message_begin(k, &m, "IAMRoleCredentialsMessage");
    jw_kstr(&m.w, "messageId", m.id);
    jw_kstr(&m.w, "taskArn", t->arn);
    jw_kstr(&m.w, "taskClusterArn", t->cluster->arn);
    jw_kstr(&m.w, "roleType", type);
    jw_key(&m.w, "roleCredentials");
    render_role(&m.w, role_form(k->acs->x, t, r, clock_wall_ms(), expiration, &form));
    acs_message_send(k, &m);
}

static bool refresh(struct acs_conn *k, struct task *t, struct role *r, const char *type,
                    int64_t old_until_ms)
{
    if (!r->arn)
        return false;
    renew(k->acs->x, t, r, clock_wall_ms());
    send_role(k, t, r, type);
    if (*r->old_key)
        cp_server_expire_key(k->acs->x->server, r->old_key, old_until_ms);
    return true;
}

int acs_refresh(struct acs *a, struct task *t, bool task_role, bool execution_role,
                int64_t old_until_ms)
{
    struct acs_conn *k = t->instance ? t->instance->conn : NULL;
    int sent = 0;

    (void)a;
    if (!k || t->status == TASK_STOPPED)
        return -1;
    if (task_role)
        sent += refresh(k, t, &t->task_role, "TaskApplication", old_until_ms);
    if (execution_role)
        sent += refresh(k, t, &t->execution_role, "TaskExecution", old_until_ms);
    return sent;
}

static bool role_due(const struct role *r, bool all, int64_t now_ms)
{
    return r->arn && (all || !r->sent || r->expires_ms - now_ms < MODEL_LIFE_MS / 2);
}

/* To an agent that knows the task already; others get them with the payload. */
static void send_credentials(struct acs_conn *k, bool all)
{
    int64_t now_ms = clock_wall_ms();

    LIST_FOREACH (n, next, &k->acs->x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->instance != k->instance || t->acked == TASK_NONE || t->status == TASK_STOPPED)
            continue;
        if (role_due(&t->task_role, all, now_ms))
            send_role(k, t, &t->task_role, "TaskApplication");
        if (role_due(&t->execution_role, all, now_ms))
            send_role(k, t, &t->execution_role, "TaskExecution");
    }
}

/* ---- payloads ---- */

static bool find_registry(void *user, const char *host, struct render_registry *out)
{
    struct cp_registry found;

    if (!cp_registry_find(user, host, &found))
        return false;
    snprintf(out->id, sizeof out->id, "%s", found.id);
    snprintf(out->region, sizeof out->region, "%s", found.region);
    out->endpoint_override = found.endpoint_override;
    return true;
}

static void write_task(struct acs_conn *k, struct jw *w, struct task *t)
{
    struct ecs *x = k->acs->x;
    struct jcur def = model_taskdef_cursor(t->def), overrides = model_task_overrides(t);
    const char *arns[TASKDEF_CONTAINERS_MAX];
    char expirations[2][CLOCK_ISO_SIZE];
    struct render_role roles[2];
    int64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < t->container_count; i++)
        arns[i] = t->containers[i].arn;
    render_task(
        w, &(const struct render_task){
               .arn = t->arn,
               .cluster_arn = t->cluster->arn,
               .region = x->model->region,
               .account = x->model->account,
               .desired = task_status_name(t->desired),
               .family = t->def->family,
               .revision = t->def->revision,
               .group = t->group,
               .definition = &def,
               .overrides = &overrides,
               .container_arns = arns,
               .task_role = role_form(x, t, &t->task_role, now_ms, expirations[0], &roles[0]),
               .execution_role =
                   role_form(x, t, &t->execution_role, now_ms, expirations[1], &roles[1]),
               .logs_by_execution_role =
                   model_instance_attribute(t->instance, "ecs.capability.execution-role-awslogs"),
               .find_registry = find_registry,
               .find_user = x->server,
           });
}

static void send_payload(struct acs_conn *k, struct task *const *tasks, size_t n)
{
    struct instance *i = k->instance;
    int64_t now_ms = clock_mono_ms(), now_us;
    struct acs_message m;

    acs_message_begin(k, &m, "PayloadMessage");
    jw_kstr(&m.w, "messageId", m.id);
    jw_kstr(&m.w, "clusterArn", i->cluster->arn);
    jw_kstr(&m.w, "containerInstanceArn", i->arn);
    jw_kint(&m.w, "seqNum", ++i->seq);
    jw_kint(&m.w, "generatedAt", clock_wall_ms());
    jw_karray(&m.w, "tasks");
    for (size_t t = 0; t < n; t++)
        write_task(k, &m.w, tasks[t]);
    jw_end(&m.w);
    now_us = cp_server_mono_us();
    for (size_t t = 0; t < n; t++) {
        memcpy(tasks[t]->message_id, m.id, sizeof m.id);
        tasks[t]->message_ms = now_ms;
        tasks[t]->message_desired = tasks[t]->desired;
        if (tasks[t]->payload_sent_us == 0)
            tasks[t]->payload_sent_us = now_us;
    }
    acs_message_send(k, &m);
    ecs_changed(k->acs->x);
}

static bool must_send(const struct task *t, const struct instance *i, int64_t now_ms)
{
    if (t->instance != i || t->status == TASK_STOPPED || t->desired <= t->acked)
        return false;
    return !*t->message_id || t->message_desired != t->desired ||
           now_ms - t->message_ms >= REDELIVER_MS;
}

static void send_payloads(struct acs_conn *k)
{
    struct task *batch[PAYLOAD_TASKS_MAX];
    int64_t now_ms = clock_mono_ms();
    size_t n = 0;

    LIST_FOREACH (node, next, &k->acs->x->model->tasks) {
        struct task *t = MODEL_OF(node, task);

        if (!must_send(t, k->instance, now_ms))
            continue;
        batch[n++] = t;
        if (n == PAYLOAD_TASKS_MAX) {
            send_payload(k, batch, n);
            n = 0;
        }
    }
    if (n)
        send_payload(k, batch, n);
}

/* ---- manifests and heartbeats ---- */

static void send_manifest(struct acs_conn *k)
{
    struct instance *i = k->instance;
    struct acs_message m;

    acs_message_begin(k, &m, "TaskManifestMessage");
    jw_kstr(&m.w, "messageId", m.id);
    jw_kstr(&m.w, "clusterArn", i->cluster->arn);
    jw_kstr(&m.w, "containerInstanceArn", i->arn);
    jw_kint(&m.w, "timeline", ++i->seq);
    jw_kint(&m.w, "generatedAt", clock_wall_ms());
    jw_karray(&m.w, "tasks");
    LIST_FOREACH (n, next, &k->acs->x->model->tasks) {
        const struct task *t = MODEL_OF(n, task);

        if (t->instance != i || t->status == TASK_STOPPED)
            continue;
        jw_object(&m.w);
        jw_kstr(&m.w, "taskArn", t->arn);
        jw_kstr(&m.w, "taskClusterArn", t->cluster->arn);
        jw_kstr(&m.w, "desiredStatus", task_status_name(t->desired));
        jw_end(&m.w);
    }
    jw_end(&m.w);
    memcpy(k->manifest_id, m.id, sizeof m.id);
    k->manifest_at_ms = 0;
    acs_message_send(k, &m);
    ecs_changed(k->acs->x);
}

static void detach(struct acs_conn *k, const char *reason)
{
    if (k->instance && k->instance->conn == k)
        k->instance->conn = NULL;
    k->instance = NULL;
    cp_ws_close(k->ws, 1000, reason);
}

static void send_heartbeat(struct acs_conn *k, int64_t now_ms)
{
    struct acs_message m;

    if (*k->heartbeat_id && ++k->heartbeats_missed >= 2 && k->checks_heartbeats) {
        cp_violation(k->acs->x->server, "instance %s left %d heartbeats unanswered",
                     k->instance->id, k->heartbeats_missed);
        detach(k, "heartbeats were not acknowledged");
        return;
    }
    acs_message_begin(k, &m, "HeartbeatMessage");
    jw_kstr(&m.w, "messageId", m.id);
    jw_kbool(&m.w, "healthy", true);
    memcpy(k->heartbeat_id, m.id, sizeof m.id);
    acs_message_send(k, &m);
    k->heartbeat_at_ms =
        now_ms + HEARTBEAT_MIN_MS + (int64_t)rng_below(k->acs->x->rng, HEARTBEAT_RANGE_MS);
}

/* ---- timers ---- */

static void on_flush(void *user)
{
    struct acs *a = user;

    LIST_FOREACH (n, next, &a->conns) {
        struct acs_conn *k = LIST_ENTRY(n, struct acs_conn, node);

        if (k->wake && k->instance)
            send_payloads(k);
        k->wake = false;
    }
}

static void prune_tasks(struct ecs *x)
{
    int64_t now_ms = clock_wall_ms();

    LIST_FOREACH (n, next, &x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->status == TASK_STOPPED && now_ms - t->stopped_ms > MODEL_TASK_KEEP_MS) {
            model_task_remove(x->model, t);
            ecs_changed(x);
        }
    }
}

static void on_tick(void *user)
{
    struct acs *a = user;
    int64_t now_ms = clock_mono_ms();

    LIST_FOREACH (n, next, &a->conns) {
        struct acs_conn *k = LIST_ENTRY(n, struct acs_conn, node);

        if (!k->instance)
            continue;
        send_payloads(k);
        send_credentials(k, false);
        if (k->manifest_at_ms && now_ms >= k->manifest_at_ms)
            send_manifest(k);
        if (now_ms >= k->heartbeat_at_ms)
            send_heartbeat(k, now_ms);
    }
    prune_tasks(a->x);
    cp_timer_arm(a->tick, TICK_MS);
}

void acs_wake(struct acs *a, struct instance *i)
{
    if (!i->conn)
        return;
    i->conn->wake = true;
    if (!i->conn->manifest_at_ms)
        i->conn->manifest_at_ms = clock_mono_ms() + MANIFEST_DELAY_MS;
    cp_timer_arm(a->flush, 0);
}

void acs_drop(struct acs *a, struct instance *i, const char *reason)
{
    (void)a;
    if (i->conn)
        detach(i->conn, reason);
}

bool acs_send_raw(struct acs *a, struct instance *i, struct str text)
{
    (void)a;
    if (!i->conn)
        return false;
    cp_ws_send(i->conn->ws, text);
    return true;
}

/* ---- connections ---- */

static bool refuse(struct buf *refusal, const char *type, const char *text)
{
    struct jw w;

    jw_init(&w, refusal);
    jw_object(&w);
    jw_kstr(&w, type, text);
    jw_end(&w);
    return false;
}

/* What a handshake must carry, checked; NULL after a refusal. */
static struct instance *handshake(struct acs *a, struct cp_ws *ws, struct buf *refusal)
{
    static const char *const required[] = { "agentVersion",    "clusterArn",
                                            "agentHash",       "containerInstanceArn",
                                            "protocolVersion", "sendCredentials",
                                            "seqNum" };
    struct cluster *cl;
    struct instance *i;

    for (size_t n = 0; n < COUNT_OF(required); n++) {
        if (str_empty(cp_ws_query(ws, required[n]))) {
            cp_violation(a->x->server, "ACS handshake: no %s", required[n]);
            refuse(refusal, "BadRequestException", "A parameter of the query is missing.");
            return NULL;
        }
    }
    cl = model_cluster_find(a->x->model, cp_ws_query(ws, "clusterArn"));
    if (!cl || !cl->active) {
        refuse(refusal, "InvalidClusterException", "Cluster not found.");
        return NULL;
    }
    i = model_instance_find(a->x->model, cl, cp_ws_query(ws, "containerInstanceArn"));
    if (!i) {
        refuse(refusal, "InvalidInstanceException", "The container instance is not registered.");
        return NULL;
    }
    if (i->status == INSTANCE_INACTIVE) {
        refuse(refusal, "InactiveInstanceException", "The container instance is not active.");
        return NULL;
    }
    return i;
}

static bool on_open(void *user, struct cp_ws *ws, struct buf *refusal)
{
    struct acs *a = user;
    struct instance *i = handshake(a, ws, refusal);
    int64_t now_ms = clock_mono_ms();
    struct acs_conn *k;

    if (!i)
        return false;
    if (i->conn)
        detach(i->conn, "a newer connection of this instance replaces this one");
    k = NEW(struct acs_conn);
    k->acs = a;
    k->ws = ws;
    k->instance = i;
    k->checks_heartbeats = !streq(cp_ws_query(ws, "protocolVersion"), "1");
    k->manifest_at_ms = now_ms + MANIFEST_DELAY_MS;
    k->heartbeat_at_ms =
        now_ms + HEARTBEAT_MIN_MS + (int64_t)rng_below(a->x->rng, HEARTBEAT_RANGE_MS);
    list_push_back(&a->conns, &k->node);
    i->conn = k;
    mem_replace(&i->agent_version, cp_ws_query(ws, "agentVersion"));
    mem_replace(&i->agent_hash, cp_ws_query(ws, "agentHash"));
    mem_replace(&i->docker_version, cp_ws_query(ws, "dockerVersion"));
    cp_ws_set_user(ws, k);
    /* What was on its way over an older connection may be lost. */
    LIST_FOREACH (n, next, &a->x->model->tasks) {
        struct task *t = MODEL_OF(n, task);

        if (t->instance == i)
            t->message_id[0] = '\0';
    }
    send_credentials(k, streq(cp_ws_query(ws, "sendCredentials"), "true"));
    acs_wake(a, i);
    ecs_changed(a->x);
    return true;
}

static void on_message(void *user, struct cp_ws *ws, struct str text)
{
    struct acs *a = user;
    struct acs_conn *k = cp_ws_user(ws);

    if (!k || !k->instance)
        return;
    local_note_message(a->local, k->instance, text);
    acs_read(k, text);
}

static void conn_destroy(struct acs_conn *k)
{
    if (k->instance && k->instance->conn == k)
        k->instance->conn = NULL;
    list_remove(&k->node);
    free(k);
}

static void on_closed(void *user, struct cp_ws *ws, int code)
{
    struct acs_conn *k = cp_ws_user(ws);

    (void)user;
    (void)code;
    if (k)
        conn_destroy(k);
}

struct acs *acs_create(struct ecs *x)
{
    static const struct cp_ws_events events = { on_open, on_message, on_closed };
    struct acs *a = NEW(struct acs);

    a->x = x;
    list_init(&a->conns);
    a->tick = cp_timer_create(x->server, on_tick, a);
    a->flush = cp_timer_create(x->server, on_flush, a);
    a->local = local_create(x);
    cp_server_add_websocket(x->server, "/acs/ws", &events, a);
    cp_timer_arm(a->tick, TICK_MS);
    return a;
}

void acs_destroy(struct acs *a)
{
    if (!a)
        return;
    LIST_FOREACH (n, next, &a->conns) {
        struct acs_conn *k = LIST_ENTRY(n, struct acs_conn, node);

        cp_ws_set_user(k->ws, NULL);
        conn_destroy(k);
    }
    cp_timer_destroy(a->tick);
    cp_timer_destroy(a->flush);
    local_destroy(a->local);
    free(a);
}
