#include "cli/agent_listen.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/agent_kept.h"

/* Less than the server gives a call, and than most clients wait. */
#define HOLD_MS 4500

static const struct backoff_rule bind_rule = { 1000, 200, 60000, 20 };

struct place {
    const char *name; /* with the service manager */
    const char *address;
    uint16_t port; /* 0: not served */
    http_handler_fn *handle;
    struct http_server *server;
};

struct held {
    struct list node;
    struct listening *listening;
    struct http_call *call;
    http_handler_fn *handle;
    int64_t due_ms;
};

struct listening {
    struct listening_args args;
    struct place places[2];
    struct loop_timer *retry;
    struct backoff backoff;
    struct list held; /* the longest first */
    struct loop_timer *patience;
    size_t draining;
    bool ends;
    loop_fn *drained;
    void *drained_user;
};

static const char *const names[] = { "berth-tasks", "berth-introspection" };

/* ---- requests that wait ---- */

static void held_end(struct held *h)
{
    list_remove(&h->node);
    free(h);
}

static void on_held_gone(void *user, struct http_call *c)
{
    (void)c;
    held_end(user);
}

static void answer_later(struct http_call *c)
{
    static const struct http_reply_header retry = { "Retry-After", "1" };

    http_reply(c, 503, "text/plain; charset=utf-8", &retry, 1, str_of("The agent is starting.\n"));
}

/* At most one for each connection of the servers, which are bounded. */
void listening_hold(struct listening *l, struct http_call *c, http_handler_fn *handle)
{
    struct held *h;

    if (l->ends) {
        answer_later(c);
        return;
    }
    h = NEW(struct held);
    h->listening = l;
    h->call = c;
    h->handle = handle;
    h->due_ms = loop_now_ms(l->args.agent->loop) + HOLD_MS;
    list_push_back(&l->held, &h->node);
    http_call_later(c, on_held_gone, h);
    if (!loop_timer_armed(l->patience))
        loop_timer_arm(l->patience, HOLD_MS);
}

static void refuse(struct held *h)
{
    struct http_call *c = h->call;

    held_end(h);
    answer_later(c);
}

static void on_patience(void *user)
{
    struct listening *l = user;
    int64_t now_ms = loop_now_ms(l->args.agent->loop);

    LIST_FOREACH (it, following, &l->held) {
        struct held *h = LIST_ENTRY(it, struct held, node);

        if (h->due_ms > now_ms) {
            loop_timer_arm(l->patience, h->due_ms - now_ms);
            return;
        }
        refuse(h);
    }
}

void listening_release(struct listening *l)
{
    while (!list_empty(&l->held)) {
        struct held *h = LIST_ENTRY(l->held.next, struct held, node);
        struct http_call *c = h->call;
        http_handler_fn *handle = h->handle;

        held_end(h);
        http_call_later(c, l->args.gone, l->args.user);
        handle(l->args.user, c);
    }
}

/* ---- sockets ---- */

/* From the settings of now. */
static void look_up(struct listening *l)
{
    const struct config *c = l->args.agent->config;

    l->places[0].name = names[0];
    l->places[0].address = "127.0.0.1";
    l->places[0].port = (uint16_t)c->tasks_port;
    l->places[0].handle = l->args.tasks;
    l->places[1].name = names[1];
    /* A kernel without IPv6 has no "::" to listen on. */
    l->places[1].address = access("/proc/net/if_inet6", F_OK) ? "0.0.0.0" : "::";
    l->places[1].port = (uint16_t)c->introspection_port;
    l->places[1].handle = l->args.introspection;
}

static bool fits(const struct place *p, int fd)
{
    return p->port && fd >= 0 && http_server_is_socket_of(fd, p->address, p->port);
}

/* The socket of an earlier process that is what the settings say, or -1. Others of that name are
 * given up; the service manager forgets a name as a whole, so it is told anew. */
static int take_socket(struct agent *a, const struct place *p)
{
    int found = -1, fd;
    bool others = false;

    while ((fd = kept_take(a, p->name)) >= 0) {
        if (found < 0 && fits(p, fd)) {
            found = fd;
            continue;
        }
        close(fd);
        others = true;
    }
    if (others)
        kept_forget(a, p->name);
    if (others && found >= 0)
        kept_keep(a, p->name, found);
    return found;
}

/* With the socket `fd`, or one that is bound now (-1). */
static bool serve(struct listening *l, struct place *p, int fd)
{
    struct agent *a = l->args.agent;
    const struct http_server_args args = { .loop = a->loop,
                                           .fd = fd,
                                           .address = p->address,
                                           .port = p->port,
                                           .handle = p->handle,
                                           .gone = l->args.gone,
                                           .user = l->args.user };
    struct err e = { 0 };

    if (http_server_create(&args, &p->server, &e)) {
        log_warn("a local endpoint cannot listen; trying again", kv_s("address", p->address),
                 kv_i("port", p->port), kv_err(&e));
        return false;
    }
    if (fd < 0)
        kept_keep(a, p->name, http_server_socket(p->server));
    return true;
}

static bool begin(struct listening *l, struct place *p)
{
    struct agent *a = l->args.agent;
    int fd;

    /* More settings were found since: another port. */
    if (p->server && http_server_port(p->server) != p->port) {
        http_server_destroy(p->server);
        p->server = NULL;
        kept_forget(a, p->name);
    }
    if (p->server)
        return true;
    fd = take_socket(a, p);
    return (fd < 0 && !p->port) || serve(l, p, fd);
}

static void begin_all(void *user)
{
    struct listening *l = user;
    struct agent *a = l->args.agent;
    bool ok = true;

    look_up(l);
    for (size_t i = 0; i < COUNT_OF(l->places); i++)
        ok = begin(l, &l->places[i]) && ok;
    if (!ok)
        loop_timer_arm(l->retry, backoff_next(&l->backoff, &bind_rule, &a->rng));
}

void listening_begin(struct listening *l)
{
    if (!l->ends)
        begin_all(l);
}

bool listening_was_kept(const struct agent *a)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (kept_peek(a, names[i]) >= 0)
            return true;
    }
    return false;
}

void listening_go_on(struct listening *l)
{
    struct agent *a = l->args.agent;

    look_up(l);
    for (size_t i = 0; i < COUNT_OF(l->places); i++) {
        struct place *p = &l->places[i];

        /* One that does not fit may still do so when all settings are known. */
        if (!p->server && fits(p, kept_peek(a, p->name)))
            serve(l, p, take_socket(a, p));
    }
}

/* ---- the way out ---- */

static void on_drained(void *user)
{
    struct listening *l = user;

    if (--l->draining == 0)
        l->drained(l->drained_user);
}

void listening_drain(struct listening *l, loop_fn *done, void *user)
{
    if (l->ends)
        return;
    l->ends = true;
    l->drained = done;
    l->drained_user = user;
    loop_timer_disarm(l->retry);
    while (!list_empty(&l->held))
        refuse(LIST_ENTRY(l->held.next, struct held, node));
    for (size_t i = 0; i < COUNT_OF(l->places); i++) {
        if (!l->places[i].server)
            continue;
        l->draining++;
        http_server_drain(l->places[i].server, on_drained, l);
    }
    if (!l->draining) {
        l->draining = 1;
        loop_timer_destroy(l->retry);
        l->retry = loop_timer_create(l->args.agent->loop, on_drained, l);
        loop_timer_arm(l->retry, 0);
    }
}

/* ---- life ---- */

struct listening *listening_create(const struct listening_args *args)
{
    struct listening *l = NEW(struct listening);

    l->args = *args;
    list_init(&l->held);
    l->retry = loop_timer_create(args->agent->loop, begin_all, l);
    l->patience = loop_timer_create(args->agent->loop, on_patience, l);
    return l;
}

void listening_destroy(struct listening *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < COUNT_OF(l->places); i++)
        http_server_destroy(l->places[i].server);
    loop_timer_destroy(l->retry);
    loop_timer_destroy(l->patience);
    free(l);
}

void listening_count(const struct listening *l, size_t *tasks, size_t *introspection)
{
    const struct http_server *t = l->places[0].server, *i = l->places[1].server;

    *tasks = t ? http_server_connections(t) : 0;
    *introspection = i ? http_server_connections(i) : 0;
}
