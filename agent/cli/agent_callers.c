#include "cli/agent_callers.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* For the inspect that tells whose an address is. Some SDKs wait for a second and ask once. */
#define ADDRESS_WAIT_MS 500
#define KNOWN_MAX       HTTP_SERVER_CONNECTIONS
#define GROUPS_MAX      4096 /* containers in the host's network */
#define REDIRECTED      "169.254.170.2"
#define REDIRECTED_PORT 80
#define ENDS            2 /* whom a client may believe to ask */

enum owner {
    OWNER_TASK,
    OWNER_OTHER,  /* no task of ours: a person on the host, another program */
    OWNER_HIDDEN, /* nobody has the socket: somebody does not want to be found */
    OWNER_UNTOLD  /* it could not be told */
};

struct known { /* of a connection from this host */
    uint64_t connection;
    enum owner owner;
    char *arn; /* of TASK */
    UT_hash_handle hh;
};

/* A request that waits. There are no more of them than the server has connections, and has had
 * when the look under way began. */
struct asking {
    struct list node;
    struct callers *cs;
    struct http_call *call; /* NULL: the client went during the look */
    bool looked;            /* it is of the look under way */
    int64_t until_ms;       /* of one that waits for its address; mono */
    struct route_match match;
    char *texts[ROUTE_PARTS_MAX + 2]; /* of the match */
    callers_serve_fn *serve;
    void *user;
};

struct callers {
    struct agent *agent;
    struct known *known;        /* oldest first */
    struct list address;        /* wait for an inspect; longest first */
    struct list socket, looked; /* for a look at the sockets; those of the one under way */
    struct loop_timer *timer;

    /* Of the look under way: */
    struct work *work;
    struct host_socket *sockets; /* ENDS of each request in `looked` */
    size_t n_sockets;
    struct http_peer *peers; /* who asks, and whom, of each of them */
    char **groups, **arns;   /* container ids, and whose they are */
    size_t n_groups;
    struct err err;
};

/* ---- what is known ---- */

static const struct known *find_known(const struct callers *cs, uint64_t connection)
{
    struct known *k;

    HASH_FIND(hh, cs->known, &connection, sizeof connection, k);
    return k;
}

static void forget(struct callers *cs, struct known *k)
{
    HASH_DEL(cs->known, k);
    free(k->arn);
    free(k);
}

static void keep(struct callers *cs, uint64_t connection, enum owner owner, const char *arn)
{
    struct known *k = NEW(struct known);

    if (find_known(cs, connection)) {
        free(k);
        return;
    }
    if (HASH_COUNT(cs->known) >= KNOWN_MAX)
        forget(cs, cs->known); /* the oldest: most likely closed by now */
    k->connection = connection;
    k->owner = owner;
    k->arn = mem_strdup(arn);
    HASH_ADD(hh, cs->known, connection, sizeof k->connection, k);
}

const char *callers_who(void *user, const struct http_call_head *head)
{
    struct callers *cs = user;
    const char *at = engine_task_at(cs->agent->engine, head->peer.address);
    const struct known *k = at ? NULL : find_known(cs, head->connection);

    return k ? k->arn : at;
}

enum credentials_may callers_may(void *user, const struct http_call_head *head, const char *id)
{
    struct callers *cs = user;
    const char *asks = callers_who(cs, head);
    const struct known *k = find_known(cs, head->connection);
    bool hidden = k && k->owner == OWNER_HIDDEN;
    struct role_credentials role;

    if ((!asks && !hidden) || !cs->agent->config->bind_credentials)
        return CREDENTIALS_CALLER_UNKNOWN;
    if (!roles_get(cs->agent->roles, id, &role) || str_empty(role.task_arn))
        return CREDENTIALS_CALLER_UNKNOWN;
    return asks && streq(role.task_arn, asks) ? CREDENTIALS_ALLOW : CREDENTIALS_REFUSE;
}

struct role_search {
    const struct core *core;
    const char *id;
    enum credentials_kind kind;
};

static void look_for_role(void *user, const struct task *t)
{
    struct role_search *s = user;
    struct core_seen_task seen;

    if (t->role_credentials_id && streq(t->role_credentials_id, s->id))
        s->kind = core_see_task(s->core, t->arn, &seen) && seen.known == TASK_STOPPED
                      ? CREDENTIALS_ENDED
                      : CREDENTIALS_TASK;
    else if (t->execution_credentials_id && streq(t->execution_credentials_id, s->id))
        s->kind = CREDENTIALS_EXECUTION;
}

enum credentials_kind callers_known(void *user, const char *id)
{
    struct callers *cs = user;
    struct role_search s = { .core = engine_core(cs->agent->engine),
                             .id = id,
                             .kind = CREDENTIALS_UNKNOWN };

    core_each_task(s.core, look_for_role, &s);
    return s.kind;
}

/* ---- requests that wait ---- */

static struct str copy(struct asking *k, size_t i, struct str s)
{
    k->texts[i] = mem_strndup(s.p ? s.p : "", s.n);
    return (struct str){ k->texts[i], s.n };
}

static void asking_destroy(struct asking *k)
{
    list_remove(&k->node);
    for (size_t i = 0; i < COUNT_OF(k->texts); i++)
        free(k->texts[i]);
    free(k);
}

/* The look that is under way counts on its list as it is. Of others nothing stays: a client that
 * comes and goes would leave more and more of them. */
static void on_gone(void *user, struct http_call *c)
{
    struct asking *k = user;

    (void)c;
    if (k->looked)
        k->call = NULL;
    else
        asking_destroy(k);
}

static void go_on(struct asking *k)
{
    if (k->call)
        k->serve(k->user, k->call, &k->match);
    asking_destroy(k);
}

static struct asking *hold(struct callers *cs, struct list *where, struct http_call *c,
                           const struct route_match *m)
{
    struct asking *k = NEW(struct asking);

    k->cs = cs;
    k->call = c;
    k->match = *m;
    for (size_t i = 0; i < m->n_parts; i++)
        k->match.parts[i] = copy(k, i, m->parts[i]);
    k->match.path = copy(k, ROUTE_PARTS_MAX, m->path);
    k->match.query = copy(k, ROUTE_PARTS_MAX + 1, m->query);
    list_push_back(where, &k->node);
    http_call_later(c, on_gone, k);
    return k;
}

/* ---- an address that no inspect has told yet ---- */

static bool address_is_open(const struct callers *cs, const struct http_call_head *head)
{
    return !engine_task_at(cs->agent->engine, head->peer.address) &&
           engine_unseen(cs->agent->engine);
}

static void arm(struct callers *cs)
{
    if (list_empty(&cs->address)) {
        loop_timer_disarm(cs->timer);
        return;
    }
    loop_timer_arm(cs->timer,
                   LIST_ENTRY(cs->address.next, struct asking, node)->until_ms - clock_mono_ms());
}

static void look_at_addresses(struct callers *cs)
{
    int64_t now = clock_mono_ms();

    LIST_FOREACH (it, following, &cs->address) {
        struct asking *k = LIST_ENTRY(it, struct asking, node);

        if (now >= k->until_ms || !address_is_open(cs, http_call_head(k->call)))
            go_on(k);
    }
    arm(cs);
}

static void on_timer(void *user)
{
    look_at_addresses(user);
}

void callers_seen(struct callers *cs)
{
    if (!list_empty(&cs->address))
        loop_timer_arm(cs->timer, 0); /* not within the engine's call */
}

/* ---- a socket of this host ---- */

static void add_group(void *user, const struct task *t)
{
    struct callers *cs = user;
    const struct core *core = engine_core(cs->agent->engine);

    for (size_t i = 0; i < t->n_containers && cs->n_groups < GROUPS_MAX; i++) {
        struct core_seen_container seen;

        if (!streq(t->network_mode ? t->network_mode : "", "host") ||
            !core_see_container(core, t->arn, i, &seen) || str_empty(seen.docker_id) ||
            seen.known == CTR_STOPPED)
            continue;
        cs->groups = mem_resize(cs->groups, cs->n_groups + 1, sizeof *cs->groups);
        cs->arns = mem_resize(cs->arns, cs->n_groups + 1, sizeof *cs->arns);
        cs->groups[cs->n_groups] = mem_strdup(seen.docker_id);
        cs->arns[cs->n_groups++] = mem_strdup(t->arn);
    }
}

static void drop_groups(struct callers *cs)
{
    for (size_t i = 0; i < cs->n_groups; i++) {
        free(cs->groups[i]);
        free(cs->arns[i]);
    }
    free(cs->groups);
    free(cs->arns);
    cs->groups = cs->arns = NULL;
    cs->n_groups = 0;
}

static void gather_groups(struct callers *cs)
{
    drop_groups(cs);
    core_each_task(engine_core(cs->agent->engine), add_group, cs);
}

static void drop_sockets(struct callers *cs)
{
    free(cs->sockets);
    free(cs->peers);
    cs->sockets = NULL;
    cs->peers = NULL;
    cs->n_sockets = 0;
}

/* Where it is not told whom the client believes to ask (no connection tracking), it is one of
 * those who are redirected. */
static void add_sockets(struct callers *cs, size_t i, const struct http_call_head *head)
{
    struct http_peer *peers = &cs->peers[2 * i];
    struct host_socket *ends = &cs->sockets[ENDS * i];

    peers[0] = head->peer;
    peers[1] = head->local;
    ends[0] = ends[1] =
        (struct host_socket){ .local = peers[0].address, .local_port = peers[0].port };
    ends[0].remote = peers[1].address;
    ends[0].remote_port = peers[1].port;
    ends[1].remote = REDIRECTED;
    ends[1].remote_port = REDIRECTED_PORT;
}

static void gather_sockets(struct callers *cs)
{
    size_t n = 0;

    LIST_FOREACH (it, following, &cs->socket) {
        struct asking *k = LIST_ENTRY(it, struct asking, node);

        k->looked = true;
        list_remove(it);
        list_push_back(&cs->looked, it);
        n++;
    }
    cs->sockets = mem_array(n * ENDS, sizeof *cs->sockets);
    cs->peers = mem_array(n * 2, sizeof *cs->peers);
    n = 0;
    LIST_FOREACH (it, following, &cs->looked) {
        add_sockets(cs, n, http_call_head(LIST_ENTRY(it, struct asking, node)->call));
        n++;
    }
    cs->n_sockets = n * ENDS;
}

static void look(void *user)
{
    struct callers *cs = user;

    cs->err = (struct err){ 0 };
    (void)!host_socket_owners("/proc", cs->sockets, cs->n_sockets, (const char *const *)cs->groups,
                              cs->n_groups, &cs->err);
}

static void begin_look(struct callers *cs);

static void learn(struct callers *cs, uint64_t connection, const struct host_socket *ends)
{
    for (size_t i = 0; i < ENDS; i++) {
        if (ends[i].owner == HOST_OWNER_GROUP)
            keep(cs, connection, OWNER_TASK, cs->arns[ends[i].group]);
        else if (ends[i].owner == HOST_OWNER_OTHER)
            keep(cs, connection, OWNER_OTHER, NULL);
    }
    keep(cs, connection, cs->err.code ? OWNER_UNTOLD : OWNER_HIDDEN, NULL);
}

static void on_looked(void *user)
{
    struct callers *cs = user;
    size_t i = 0;

    cs->work = NULL;
    if (cs->err.code)
        log_warn("who asks for credentials from the host's network cannot be told; their ids "
                 "decide alone",
                 kv_err(&cs->err));
    LIST_FOREACH (it, following, &cs->looked) {
        struct asking *k = LIST_ENTRY(it, struct asking, node);
        const struct host_socket *ends = &cs->sockets[ENDS * i++];

        if (k->call)
            learn(cs, http_call_head(k->call)->connection, ends);
        go_on(k);
    }
    drop_sockets(cs);
    begin_look(cs);
}

static void begin_look(struct callers *cs)
{
    /* The answers to the last look may bring the next request while they are given. */
    if (cs->work || !list_empty(&cs->looked) || list_empty(&cs->socket))
        return;
    gather_groups(cs);
    gather_sockets(cs);
    cs->work = loop_work(cs->agent->loop, look, on_looked, cs);
}

/* ---- a request comes ---- */

static bool has_host_task(struct callers *cs)
{
    bool found;

    if (cs->work || !list_empty(&cs->looked)) /* its groups are in use; a look does no harm */
        return true;
    gather_groups(cs);
    found = cs->n_groups != 0;
    drop_groups(cs);
    return found;
}

void callers_serve(struct callers *cs, struct http_call *c, const struct route_match *m,
                   callers_serve_fn *serve, void *user)
{
    const struct http_call_head *head = http_call_head(c);
    struct asking *k;

    /* While the engine is not there, nobody can be told from others. */
    if (!cs->agent->engine || !cs->agent->config->bind_credentials || callers_who(cs, head) ||
        find_known(cs, head->connection)) {
        serve(user, c, m);
        return;
    }
    if (host_has_address(head->peer.address)) {
        if (!has_host_task(cs)) {
            serve(user, c, m);
            return;
        }
        k = hold(cs, &cs->socket, c, m);
    } else if (engine_unseen(cs->agent->engine)) {
        k = hold(cs, &cs->address, c, m);
        k->until_ms = clock_mono_ms() + ADDRESS_WAIT_MS;
    } else {
        serve(user, c, m);
        return;
    }
    k->serve = serve;
    k->user = user;
    begin_look(cs);
    arm(cs);
}

/* ---- life ---- */

struct callers *callers_create(struct agent *a)
{
    struct callers *cs = NEW(struct callers);

    cs->agent = a;
    list_init(&cs->address);
    list_init(&cs->socket);
    list_init(&cs->looked);
    cs->timer = loop_timer_create(a->loop, on_timer, cs);
    return cs;
}

void callers_destroy(struct callers *cs)
{
    struct list *const lists[] = { &cs->address, &cs->socket, &cs->looked };
    struct known *k, *next;

    if (!cs)
        return;
    work_cancel(cs->work);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        LIST_FOREACH (it, following, lists[i])
            asking_destroy(LIST_ENTRY(it, struct asking, node));
    HASH_ITER (hh, cs->known, k, next)
        forget(cs, k);
    loop_timer_destroy(cs->timer);
    drop_groups(cs);
    drop_sockets(cs);
    free(cs);
}
