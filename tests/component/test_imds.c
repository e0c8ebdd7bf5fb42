/* links: aws io */
/* The metadata service as it should be, and dead, slow, busy, forgetful and one hop too far
 * away. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "aws/imds.h"
#include "aws/internal.h"
#include "base/clock.h"
#include "component/metadata_server.h"
#include "io/loop.h"
#include "support/held_port.h"
#include "support/peer.h"

/* How a service behaves, and what it was asked. */
struct service {
    int put_status;  /* 0: gives tokens */
    const char *ttl; /* of the answer's header, NULL: none */
    bool put_silent, put_cut, silent, cut;
    bool wants_token;     /* 401 without the current one */
    bool never_content;   /* 401 always */
    int status;           /* of a GET; 0: 200 */
    int fail_first;       /* so many GETs get it, later ones 200 */
    int delay_ms;         /* of every answer */
    int forget_after;     /* so many GETs, the token is no longer good; once */
    int token;            /* the number of the current one */
    int puts, gets, bare; /* bare: GETs without a token */
    int bad_put;
};

static void handle(void *arg, struct md_request *rq)
{
    struct service *s = arg;
    char good[32];

    rq->delay_ms = s->delay_ms;
    if (streq(rq->method, "PUT")) {
        s->puts++;
        if (!streq(rq->path, "/latest/api/token") ||
            !strcasestr(rq->head, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\n"))
            s->bad_put++;
        rq->silent = s->put_silent || s->silent;
        rq->cut = s->put_cut || s->cut;
        rq->status = s->put_status ? s->put_status : 200;
        rq->header = s->ttl;
        snprintf(rq->text, sizeof rq->text, "TOKEN%d", ++s->token);
        return;
    }
    s->gets++;
    s->bare += !rq->token[0];
    if (s->forget_after && s->gets > s->forget_after) {
        s->forget_after = 0;
        s->token++;
    }
    snprintf(good, sizeof good, "TOKEN%d", s->token);
    rq->silent = s->silent;
    rq->cut = s->cut;
    if (s->never_content || (s->wants_token && !streq(rq->token, good)))
        rq->status = 401;
    else if (s->status && (!s->fail_first || s->gets <= s->fail_first))
        rq->status = s->status;
    snprintf(rq->text, sizeof rq->text, "%s", rq->path);
}

struct world {
    struct loop *loop;
    struct http_client *http;
    struct loop_timer *guard;
    int open;
};

/* One question and its outcome. */
struct question {
    struct world *w;
    struct imds *imds;
    struct imds_op *op;
    int64_t started, took;
    enum err_code code;
    char text[1100];
    int n_done;
};

static void on_guard(void *user)
{
    (void)user;
    fail_msg("the test took too long");
}

static void set_up(struct world *w)
{
    *w = (struct world){ .loop = loop_create() };
    w->http = http_client_create(w->loop, &(struct http_client_config){ 0 });
    w->guard = loop_timer_create(w->loop, on_guard, w);
    loop_timer_arm(w->guard, 40000);
}

static void tear_down(struct world *w)
{
    loop_timer_destroy(w->guard);
    http_client_destroy(w->http);
    loop_destroy(w->loop);
}

static struct imds *imds_at(struct world *w, const char *base)
{
    return imds_create(&(struct imds_args){ .http = w->http, .base = base, .seed = 7 });
}

static void on_text(void *user, struct str text, const struct err *e)
{
    struct question *q = user;

    q->op = NULL;
    q->n_done++;
    q->took = clock_mono_ms() - q->started;
    q->code = e->code;
    snprintf(q->text, sizeof q->text, "%.*s", e->code ? 1000 : (int)text.n,
             e->code ? e->msg : text.p);
    if (--q->w->open == 0)
        loop_stop(q->w->loop);
}

static void ask(struct world *w, struct imds *m, const char *path, struct question *q)
{
    *q = (struct question){ .w = w, .imds = m, .started = clock_mono_ms() };
    w->open++;
    q->op = imds_get(m, path, on_text, q);
    assert_int_equal(q->n_done, 0); /* never inside the call */
}

/* One question to a service of its own. */
static struct question ask_one(struct service *s, bool v1_disabled)
{
    struct world w;
    struct md_server *server = md_start(handle, s);
    struct question q;
    struct imds *m;

    set_up(&w);
    m = imds_create(&(struct imds_args){
        .http = w.http, .base = server->base, .v1_disabled = v1_disabled, .seed = 7 });
    ask(&w, m, "meta-data/instance-id", &q);
    loop_run(w.loop);
    assert_int_equal(q.n_done, 1);
    imds_destroy(m);
    tear_down(&w);
    md_stop(server);
    assert_int_equal(s->bad_put, 0);
    return q;
}

static void test_one_token_for_six_at_once(void **state)
{
    struct service s = { .wants_token = true, .delay_ms = 20 };
    struct md_server *server = md_start(handle, &s);
    struct question q[7];
    struct world w;
    struct imds *m;

    (void)state;
    set_up(&w);
    m = imds_at(&w, server->base);
    for (int i = 0; i < 6; i++) {
        char path[32];

        snprintf(path, sizeof path, "meta-data/%d", i);
        ask(&w, m, path, &q[i]);
    }
    loop_run(w.loop);
    for (int i = 0; i < 6; i++) {
        char want[40];

        snprintf(want, sizeof want, "/latest/meta-data/%d", i);
        assert_string_equal(q[i].text, want);
    }
    ask(&w, m, "user-data", &q[6]);
    loop_run(w.loop);
    assert_string_equal(q[6].text, "/latest/user-data");
    assert_int_equal(s.puts, 1);
    assert_int_equal(s.gets, 7);
    assert_int_equal(s.bare, 0);
    imds_destroy(m);
    tear_down(&w);
    md_stop(server);
}

/* All six are refused at once; one new token serves them. */
static void test_forgotten_token_is_renewed_once(void **state)
{
    struct service s = { .wants_token = true, .forget_after = 1 };
    struct md_server *server = md_start(handle, &s);
    struct question q[6];
    struct world w;
    struct imds *m;

    (void)state;
    set_up(&w);
    m = imds_at(&w, server->base);
    ask(&w, m, "meta-data/first", &q[0]);
    loop_run(w.loop);
    for (int i = 0; i < 6; i++)
        ask(&w, m, "meta-data/later", &q[i]);
    loop_run(w.loop);
    for (int i = 0; i < 6; i++)
        assert_string_equal(q[i].text, "/latest/meta-data/later");
    assert_int_equal(s.puts, 2);
    imds_destroy(m);
    tear_down(&w);
    md_stop(server);
}

static void test_refused_for_good(void **state)
{
    struct service s = { .never_content = true };
    struct question q = ask_one(&s, false);

    (void)state;
    assert_int_equal(q.code, ERR_DENIED);
    assert_non_null(strstr(q.text, "status 401"));
    assert_null(strstr(q.text, "hop limit"));
    assert_int_equal(s.puts, 2);
    assert_int_equal(s.gets, 2);
}

static void stop_loop(void *user)
{
    loop_stop(user);
}

static void test_lifetime_is_the_services(void **state)
{
    struct service s = { .wants_token = true,
                         .ttl = "X-aws-ec2-metadata-token-ttl-seconds: 1\r\n" };
    struct md_server *server = md_start(handle, &s);
    struct question q;
    struct world w;
    struct imds *m;
    struct loop_timer *pause;
    int64_t begun, since, asked;

    (void)state;
    set_up(&w);
    m = imds_at(&w, server->base);
    pause = loop_timer_create(w.loop, stop_loop, w.loop);
    begun = clock_mono_ms();
    ask(&w, m, "meta-data/x", &q);
    loop_run(w.loop);
    since = clock_mono_ms();
    do { /* until it was asked when the first token was over for sure */
        loop_timer_arm(pause, 50);
        loop_run(w.loop);
        asked = clock_mono_ms();
        ask(&w, m, "meta-data/x", &q);
        loop_run(w.loop);
        assert_int_equal(q.code, ERR_OK);
    } while (asked - since < 1000);
    loop_timer_destroy(pause);
    /* Renewed before its end, and no more often: each lasts for 900 ms. */
    assert_in_range(s.puts, 2, 1 + (clock_mono_ms() - begun) / 900);
    assert_int_equal(s.bare, 0);
    imds_destroy(m);
    tear_down(&w);
    md_stop(server);
}

static void test_services_without_tokens(void **state)
{
    const int statuses[] = { 403, 404, 405 };
    struct question q;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct service s = { .put_status = statuses[i] };

        q = ask_one(&s, false);
        assert_int_equal(q.code, ERR_OK);
        assert_int_equal(s.bare, 1);
        s = (struct service){ .put_status = statuses[i] };
        q = ask_one(&s, true);
        assert_int_equal(q.code, ERR_DENIED);
        assert_int_equal(s.gets, 0);
    }
    {
        struct service s = { .put_cut = true };

        q = ask_one(&s, false);
        assert_int_equal(q.code, ERR_OK);
    }
    {
        struct service s = { .put_status = 400 };

        q = ask_one(&s, false);
        assert_int_equal(q.code, ERR_DENIED);
        assert_int_equal(s.gets, 0);
        assert_int_equal(s.puts, 1);
        assert_non_null(strstr(q.text, "status 400"));
    }
}

static void test_not_there_is_told_at_once(void **state)
{
    struct service s = { .status = 404 };
    struct question q = ask_one(&s, false);

    (void)state;
    assert_int_equal(q.code, ERR_NOT_FOUND);
    assert_int_equal(s.gets, 1);
    s = (struct service){ .status = 403 };
    q = ask_one(&s, false);
    assert_int_equal(q.code, ERR_DENIED);
    assert_int_equal(s.gets, 1);
}

static void test_passing_trouble_is_waited_out(void **state)
{
    struct service s = { .status = 503, .fail_first = 4 };
    struct question q = ask_one(&s, false);

    (void)state;
    assert_int_equal(q.code, ERR_OK);
    assert_int_equal(s.gets, 5);
    assert_int_equal(s.puts, 1);
}

static void test_over_ipv6(void **state)
{
    struct service s = { .wants_token = true };
    struct md_server *server = md_start_at(true, handle, &s);
    struct question q;
    struct world w;
    struct imds *m;

    (void)state;
    if (!server)
        skip(); /* a host without IPv6 */
    set_up(&w);
    m = imds_create(
        &(struct imds_args){ .http = w.http, .base = server->base, .ipv6 = true, .seed = 1 });
    ask(&w, m, "meta-data/ipv6", &q);
    loop_run(w.loop);
    assert_string_equal(q.text, "/latest/meta-data/ipv6");
    imds_destroy(m);
    tear_down(&w);
    md_stop(server);
}

/* ---- everything that takes its time, side by side ---- */

/* A listener that takes no more connections: a connect hangs. */
static int full_listener(int *port, int *held, size_t n_held)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&addr, n) || listen(fd, 0) ||
        getsockname(fd, (struct sockaddr *)&addr, &n))
        abort();
    for (size_t i = 0; i < n_held; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(held[i], (struct sockaddr *)&addr, sizeof addr);
    }
    *port = ntohs(addr.sin_port);
    return fd;
}

enum {
    DEAD,
    REFUSED,
    SLOW,
    SLOW_STRICT,
    BUSY,
    BROKEN,
    PUT_BROKEN,
    HANGING,
    FAR,
    FAR_STRICT,
    FAR_V2,
    KINDS
};

static void test_bounds(void **state)
{
    static struct service services[KINDS] = {
        [SLOW] = { .delay_ms = 3000 },
        [SLOW_STRICT] = { .delay_ms = 3000, .wants_token = true },
        [BUSY] = { .status = 429 },
        [BROKEN] = { .status = 500 },
        [PUT_BROKEN] = { .put_status = 500 },
        [HANGING] = { .silent = true },
        [FAR] = { .put_silent = true },
        [FAR_STRICT] = { .put_silent = true, .wants_token = true },
        [FAR_V2] = { .put_silent = true },
    };
    static const struct {
        enum err_code code;
        int64_t from_ms, to_ms;
        const char *text;
    } want[KINDS] = {
        [DEAD] = { ERR_TIMEOUT, 4000, 15000, "meta-data/x" },
        [REFUSED] = { ERR_RETRY, 0, 5500, "meta-data/x" },
        [SLOW] = { ERR_OK, 4500, 9500, "/latest/meta-data/x" },
        [SLOW_STRICT] = { ERR_OK, 7500, 10500, "/latest/meta-data/x" },
        [BUSY] = { ERR_RETRY, 0, 5500, "status 429" },
        [BROKEN] = { ERR_RETRY, 0, 5500, "status 500" },
        [PUT_BROKEN] = { ERR_RETRY, 0, 5500, "session token was answered with status 500" },
        [HANGING] = { ERR_TIMEOUT, 9500, 15000, "no answer within 10 s" },
        [FAR] = { ERR_OK, 1900, 4500, "/latest/meta-data/x" },
        [FAR_STRICT] = { ERR_TIMEOUT, 4000, 9500, "hop limit has to be at least 2" },
        [FAR_V2] = { ERR_TIMEOUT, 9000, 15000, "hop limit has to be at least 2" },
    };
    struct md_server *servers[KINDS] = { 0 };
    struct question q[KINDS];
    struct imds *m[KINDS];
    int held[8], port = 0, full = full_listener(&port, held, COUNT_OF(held));
    int nobodys = 0, refusing = held_port("127.0.0.1", &nobodys);
    struct world w;

    (void)state;
    set_up(&w);
    for (int i = 0; i < KINDS; i++) {
        struct imds_args args = { .http = w.http, .seed = 3, .v1_disabled = i == FAR_V2 };
        char base[64];

        if (i == DEAD || i == REFUSED) {
            snprintf(base, sizeof base, "http://127.0.0.1:%d", i == DEAD ? port : nobodys);
        } else {
            servers[i] = md_start(handle, &services[i]);
            snprintf(base, sizeof base, "%s", servers[i]->base);
        }
        args.base = base;
        m[i] = imds_create(&args);
        ask(&w, m[i], "meta-data/x", &q[i]);
    }
    loop_run(w.loop);
    for (int i = 0; i < KINDS; i++) {
        if (q[i].code != want[i].code || q[i].took < want[i].from_ms || q[i].took > want[i].to_ms ||
            !strstr(q[i].text, want[i].text))
            fail_msg("%d: code %d after %lld ms: %s", i, (int)q[i].code, (long long)q[i].took,
                     q[i].text);
        if (i != FAR_STRICT && i != FAR_V2 && i != HANGING)
            assert_null(strstr(q[i].text, "hop limit"));
        imds_destroy(m[i]);
        md_stop(servers[i]);
    }
    assert_int_equal(services[BUSY].gets, 5);
    assert_int_equal(services[PUT_BROKEN].puts, 5);
    assert_int_equal(services[SLOW_STRICT].puts, 1); /* the late token is used */
    tear_down(&w);
    close(full);
    close(refusing);
    for (size_t i = 0; i < COUNT_OF(held); i++)
        close(held[i]);
}

static void answer(struct peer *p, const char *text)
{
    AUTO(str)
    char *all = mem_printf("HTTP/1.1 200 X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                           strlen(text), text);

    peer_send(p, all);
    peer_close(p);
}

static void hanging_once(struct peer *p, void *arg)
{
    (void)arg;
    peer_accept(p);
    peer_head(p);
    answer(p, "TOK");
    peer_accept(p);
    peer_head(p);
    peer_expect_eof(p); /* it is given up, long before its own time is over */
    peer_close(p);
    peer_accept(p);
    peer_head(p);
    answer(p, "second");
}

static void test_limit_ends_the_request_under_way(void **state)
{
    struct peer *p = peer_start(hanging_once, NULL);
    struct question q[2];
    const char *bad;
    struct world w;
    struct imds *m;

    (void)state;
    set_up(&w);
    m = imds_at(&w, peer_url(p, "http", "/"));
    imds_set_limit_ms(m, 1500); /* time enough for the token, on any machine */
    ask(&w, m, "meta-data/a", &q[0]);
    loop_run(w.loop);
    assert_int_equal(q[0].code, ERR_TIMEOUT);
    imds_set_limit_ms(m, IMDS_LIMIT_MS);
    ask(&w, m, "meta-data/b", &q[1]);
    loop_run(w.loop);
    assert_string_equal(q[1].text, "second");
    assert_in_range(q[1].took, 0, 3500); /* not the 4 s that a request may take */
    imds_destroy(m);
    tear_down(&w);
    if ((bad = peer_stop(p)))
        fail_msg("%s", bad);
}

/* ---- silence ---- */

static void never(void *user, struct str text, const struct err *e)
{
    (void)user;
    (void)text;
    (void)e;
    fail_msg("a canceled request was answered");
}

/* Its outcome ends everything, other waiters for the same token included. */
static void end_all(void *user, struct str text, const struct err *e)
{
    struct question *q = user;

    (void)text;
    assert_int_equal(e->code, ERR_DENIED);
    imds_cancel(q->op);
    imds_destroy(q->imds);
    loop_stop(q->w->loop);
}

static void test_cancel_and_destroy_in_a_callback(void **state)
{
    struct service s = { .put_status = 400, .delay_ms = 50 };
    struct md_server *server = md_start(handle, &s);
    struct question q = { 0 };
    struct world w;

    (void)state;
    set_up(&w);
    q.w = &w;
    q.imds = imds_at(&w, server->base);
    imds_cancel(imds_get(q.imds, "meta-data/a", never, NULL));
    imds_get(q.imds, "meta-data/b", end_all, &q);
    q.op = imds_get(q.imds, "meta-data/c", never, NULL);
    loop_run(w.loop);
    q.imds = imds_at(&w, server->base); /* while the token is asked for */
    imds_cancel(imds_get(q.imds, "meta-data/a", never, NULL));
    imds_destroy(q.imds);
    imds_cancel(NULL);
    imds_destroy(NULL);
    tear_down(&w);
    md_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_token_for_six_at_once),
        cmocka_unit_test(test_forgotten_token_is_renewed_once),
        cmocka_unit_test(test_refused_for_good),
        cmocka_unit_test(test_lifetime_is_the_services),
        cmocka_unit_test(test_services_without_tokens),
        cmocka_unit_test(test_not_there_is_told_at_once),
        cmocka_unit_test(test_passing_trouble_is_waited_out),
        cmocka_unit_test(test_over_ipv6),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_limit_ends_the_request_under_way),
        cmocka_unit_test(test_cancel_and_destroy_in_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
