#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "auth_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cloud.h"

/* Requests are read into this much memory at a time. */
#define CONNECTION_MEMORY (128 * 1024)
#define EXIT_FNS_MAX      16

struct cp_timer {
    struct list node; /* in cp_server.timers, soonest first, when armed */
    struct cp_server *server;
    cp_timer_fn *fn;
    void *user;
    int64_t due_ms;
};

struct exit_fn {
    cp_exit_fn *fn;
    void *user;
};

struct cp_server {
    struct cp_options options;
    char *region, *account, *url, *public_url;
    int64_t clock_offset_ms;
    struct cloud *cloud;
    int port;
    struct rng rng;
    struct auth_keys *keys;
    struct http *http;
    struct wss *wss;
    struct faults *faults;
    struct MHD_Daemon *daemon;
    int epoll_fd, signal_fd;
    struct cp_watch mhd_watch, signal_watch;
    bool stop;
    struct list timers;
    struct exit_fn exits[EXIT_FNS_MAX];
    size_t exit_count;
};

/* ---- what the parts ask ---- */

const char *cp_server_url(const struct cp_server *s)
{
    return s->url;
}

const char *cp_server_public_url(const struct cp_server *s)
{
    return s->public_url ? s->public_url : s->url;
}

int64_t cp_server_told_ms(const struct cp_server *s)
{
    return clock_wall_ms() + s->clock_offset_ms;
}

void cp_server_set_clock(struct cp_server *s, int64_t offset_ms)
{
    s->clock_offset_ms = offset_ms;
}

int64_t cp_server_clock_offset(const struct cp_server *s)
{
    return s->clock_offset_ms;
}

struct cloud *cp_server_cloud(struct cp_server *s)
{
    return s->cloud;
}

const char *cp_server_region(const struct cp_server *s)
{
    return s->region;
}

const char *cp_server_account(const struct cp_server *s)
{
    return s->account;
}

struct rng *cp_server_rng(struct cp_server *s)
{
    return &s->rng;
}

int64_t cp_server_mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int cp_server_port(const struct cp_server *s)
{
    return s->port;
}

const struct cp_options *cp_server_options(const struct cp_server *s)
{
    return &s->options;
}

struct auth_keys *cp_server_keys(struct cp_server *s)
{
    return s->keys;
}

struct http *cp_server_http(struct cp_server *s)
{
    return s->http;
}

struct wss *cp_server_wss(struct cp_server *s)
{
    return s->wss;
}

struct faults *cp_server_faults(struct cp_server *s)
{
    return s->faults;
}

void cp_server_add_key(struct cp_server *s, const char *id, const char *secret, const char *token)
{
    auth_keys_set(s->keys, id, secret, token);
}

void cp_server_add_role_key(struct cp_server *s, const char *id, const char *secret,
                            const char *token, const char *role_arn, const char *caller_arn,
                            int64_t expires_ms)
{
    auth_keys_add(s->keys, &(const struct auth_key_args){ .id = id,
                                                          .secret = secret,
                                                          .token = token,
                                                          .role = role_arn,
                                                          .arn = caller_arn,
                                                          .expires_ms = expires_ms });
}

void cp_server_expire_key(struct cp_server *s, const char *id, int64_t at_ms)
{
    auth_keys_expire(s->keys, &(const struct auth_selection){ .id = id }, at_ms);
}

int64_t cp_server_key_end(const struct cp_server *s, const char *id)
{
    const struct auth_key *k = auth_keys_find(s->keys, id, strlen(id));

    return k ? k->expires_ms : 0;
}

char *cp_server_session_arn(const struct cp_server *s, const char *role_arn, const char *session)
{
    return mem_printf("arn:aws:sts::%s:assumed-role/%s/%s", s->account,
                      str_after_last(role_arn, '/'), session);
}

void cp_server_remove_key(struct cp_server *s, const char *id)
{
    auth_keys_remove(s->keys, id);
}

void cp_server_at_exit(struct cp_server *s, cp_exit_fn *fn, void *user)
{
    if (s->exit_count == EXIT_FNS_MAX)
        abort();
    s->exits[s->exit_count++] = (struct exit_fn){ fn, user };
}

void cp_violation(struct cp_server *s, const char *fmt, ...)
{
    struct buf b = BUF_INIT(2048);
    va_list ap;

    va_start(ap, fmt);
    if (!buf_vprintf(&b, fmt, ap))
        buf_puts(&b, "(a violation too long to tell)");
    va_end(ap);
    log_warn("protocol violation", kv_s("what", buf_text(&b)));
    faults_note_violation(s->faults, buf_text(&b));
    buf_fini(&b);
}

/* ---- timers ---- */

struct cp_timer *cp_timer_create(struct cp_server *s, cp_timer_fn *fn, void *user)
{
    struct cp_timer *t = NEW(struct cp_timer);

    list_init(&t->node);
    t->server = s;
    t->fn = fn;
    t->user = user;
    return t;
}

void cp_timer_arm(struct cp_timer *t, int64_t delay_ms)
{
    struct list *before = &t->server->timers;

    list_remove(&t->node);
    t->due_ms = clock_mono_ms() + (delay_ms > 0 ? delay_ms : 0);
    /* From the back: most timers are armed further ahead than those before. */
    while (before->prev != &t->server->timers &&
           LIST_ENTRY(before->prev, struct cp_timer, node)->due_ms > t->due_ms)
        before = before->prev;
    list_push_back(before, &t->node);
}

void cp_timer_disarm(struct cp_timer *t)
{
    list_remove(&t->node);
}

void cp_timer_destroy(struct cp_timer *t)
{
    if (!t)
        return;
    list_remove(&t->node);
    free(t);
}

static struct cp_timer *first_timer(struct cp_server *s)
{
    return list_empty(&s->timers) ? NULL : LIST_ENTRY(s->timers.next, struct cp_timer, node);
}

static void run_timers(struct cp_server *s)
{
    int64_t now = clock_mono_ms();
    struct cp_timer *t;
    size_t budget = 0;

    LIST_FOREACH (node, next, &s->timers)
        budget++;
    /* A timer that arms itself anew runs again on the next turn only. */
    while (budget-- && (t = first_timer(s)) && t->due_ms <= now) {
        list_remove(&t->node);
        t->fn(t->user);
    }
}

/* ---- the loop ---- */

static void epoll_do(struct cp_server *s, int op, int fd, uint32_t events, struct cp_watch *w)
{
    struct epoll_event ev = { .events = events, .data.ptr = w };

    if (epoll_ctl(s->epoll_fd, op, fd, &ev)) {
        log_crit("epoll_ctl failed", kv_i("op", op), kv_s("error", strerror(errno)));
        abort();
    }
}

void cp_watch_add(struct cp_server *s, int fd, uint32_t events, struct cp_watch *w)
{
    epoll_do(s, EPOLL_CTL_ADD, fd, events, w);
}

void cp_watch_change(struct cp_server *s, int fd, uint32_t events, struct cp_watch *w)
{
    epoll_do(s, EPOLL_CTL_MOD, fd, events, w);
}

void cp_watch_remove(struct cp_server *s, int fd)
{
    epoll_do(s, EPOLL_CTL_DEL, fd, 0, NULL);
}

static void on_signal(void *user, uint32_t events)
{
    struct cp_server *s = user;
    struct signalfd_siginfo info;

    (void)events;
    if (read(s->signal_fd, &info, sizeof info) == sizeof info)
        s->stop = true;
}

/* MHD_run serves every turn of the loop: it also notices resumed guests. */
static void on_mhd(void *user, uint32_t events)
{
    (void)user;
    (void)events;
}

static int next_wait_ms(struct cp_server *s)
{
    struct cp_timer *t = first_timer(s);
    MHD_UNSIGNED_LONG_LONG mhd_ms;
    int64_t wait = 60 * 1000;

    if (t) {
        int64_t left = t->due_ms - clock_mono_ms();

        wait = left < 0 ? 0 : left < wait ? left : wait;
    }
    if (MHD_get_timeout(s->daemon, &mhd_ms) == MHD_YES && (int64_t)mhd_ms < wait)
        wait = (int64_t)mhd_ms;
    return (int)wait;
}

static void turn(struct cp_server *s, int wait_ms)
{
    struct epoll_event events[1];
    int n = epoll_wait(s->epoll_fd, events, 1, wait_ms);

    /* One event at a time: what it does may remove the watch of another. */
    if (n == 1) {
        struct cp_watch *w = events[0].data.ptr;

        w->ready(w->user, events[0].events);
    }
    MHD_run(s->daemon);
    run_timers(s);
    MHD_run(s->daemon);
}

void cp_server_stop(struct cp_server *s)
{
    s->stop = true;
}

void cp_server_run(struct cp_server *s)
{
    while (!s->stop)
        turn(s, next_wait_ms(s));
    wss_drop_all(s->wss);
    while (s->exit_count) {
        struct exit_fn *x = &s->exits[--s->exit_count];

        x->fn(x->user);
    }
}

/* ---- life ---- */

static enum err_code listen_on(struct cp_server *s, struct err *e)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)s->options.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const union MHD_DaemonInfo *info;

    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_SUPPRESS_DATE_NO_CLOCK, /* http.c writes the Date that it tells */
        (uint16_t)s->options.port, NULL, NULL, http_on_request, s->http, MHD_OPTION_SOCK_ADDR,
        &addr, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, s->http,
        MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s->http, MHD_OPTION_END);
    if (!s->daemon)
        return err_errno(e, errno, "cannot listen on 127.0.0.1:%d", s->options.port);
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = info ? info->port : s->options.port;
    s->url = mem_printf("http://127.0.0.1:%d", s->port);
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || info->listen_fd < 0)
        return err_set(e, ERR_IO, "libmicrohttpd was built without epoll");
    cp_watch_add(s, info->listen_fd, EPOLLIN, &s->mhd_watch);
    return ERR_OK;
}

enum err_code cp_server_create(const struct cp_options *o, struct cp_server **out, struct err *e)
{
    struct cp_server *s = NEW(struct cp_server);
    sigset_t set;

    s->options = *o;
    s->region = mem_strdup(o->region);
    s->account = mem_strdup(o->account);
    if (o->public_url) {
        size_t n = strlen(o->public_url);

        s->public_url = mem_strndup(o->public_url, n - (n && o->public_url[n - 1] == '/'));
    }
    s->cloud = cloud_create(s->region, s->account);
    rng_seed(&s->rng, rng_entropy());
    list_init(&s->timers);
    s->keys = auth_keys_create();
    s->http = http_create(s);
    s->wss = wss_create(s);
    s->mhd_watch = (struct cp_watch){ on_mhd, s };
    s->signal_watch = (struct cp_watch){ on_signal, s };
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->signal_fd < 0) {
        err_errno(e, errno, "cannot create the loop");
        cp_server_destroy(s);
        return e->code;
    }
    cp_watch_add(s, s->signal_fd, EPOLLIN, &s->signal_watch);
    s->faults = faults_create(s);
    if (listen_on(s, e)) {
        cp_server_destroy(s);
        return e->code;
    }
    *out = s;
    return ERR_OK;
}

void cp_server_destroy(struct cp_server *s)
{
    if (!s)
        return;
    if (s->daemon) {
        http_abandon_all(s->http);
        MHD_run(s->daemon);
        MHD_run(s->daemon);
        MHD_stop_daemon(s->daemon);
    }
    wss_destroy(s->wss);
    http_destroy(s->http);
    faults_destroy(s->faults);
    auth_keys_destroy(s->keys);
    while (!list_empty(&s->timers))
        list_remove(s->timers.next);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    cloud_destroy(s->cloud);
    free(s->url);
    free(s->public_url);
    free(s->region);
    free(s->account);
    free(s);
}
