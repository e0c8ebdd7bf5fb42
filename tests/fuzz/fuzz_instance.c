/* links: aws io base */
/* What a metadata service says of the instance, and what it announces: each part of the input
 * (server.h) is one answer, in the order of the questions. The first byte says which it is, and
 * what is wanted. Nothing but 200 and 404 is answered: after others is a pause. */
#include "aws/instance.h"
#include "aws/internal.h"
#include "fuzz/server.h"

#define LIMIT_MS 300
#define LOOKS    7 /* a token, and each announcement twice */

struct world {
    struct fuzz_server server;
    struct loop *loop;
    struct http_client *http;
    struct loop_timer *look;
    char endpoint[64];
    size_t ends, news;
};

static struct world w;

static void answer(struct fuzz_server *s, struct fuzz_talk *t, struct str part)
{
    (void)s;
    fuzz_server_body(t, part.n ? 200 : 404,
                     str_starts(buf_text(&t->asked), "PUT ")
                         ? "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
                         : "",
                     part);
}

static bool is_word(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

static void on_facts(void *user, struct instance_facts *f)
{
    (void)user;
    for (size_t i = 0; i < INSTANCE_ITEMS; i++) {
        LAW(!f->text[i] || (!f->error[i].code && *f->text[i]));
        LAW(!f->text[i] || i == INSTANCE_USER_DATA || i == INSTANCE_DOCUMENT ||
            i == INSTANCE_SIGNATURE || is_word(f->text[i]));
    }
    w.ends++;
    loop_stop(w.loop);
}

/* ---- announcements ---- */

static void on_spot(void *user, const char *action, const char *time)
{
    (void)user;
    LAW(streq(action, "terminate") || streq(action, "stop") || streq(action, "hibernate"));
    w.news += strlen(time);
}

static void on_rebalance(void *user, const char *time)
{
    (void)user;
    w.news += strlen(time);
}

static void on_lifecycle(void *user, const char *state)
{
    (void)user;
    LAW(*state);
    for (const char *p = state; *p; p++)
        LAW(*p >= ' ' && *p <= '~');
}

static void on_look(void *user)
{
    const int64_t *until_ms = user;

    if (w.server.answered >= LOOKS || loop_now_ms(w.loop) > *until_ms)
        loop_stop(w.loop);
    else
        loop_timer_arm(w.look, 0);
}

static void watch(struct imds *m)
{
    const struct instance_watch_args args = {
        .imds = m, .loop = w.loop, .spot_ms = 1, .lifecycle_ms = 1
    };
    const struct instance_events ev = { on_spot, on_rebalance, on_lifecycle };
    struct instance_watch *watch = instance_watch_create(&args, &ev, NULL);
    int64_t until_ms = loop_now_ms(w.loop) + LIMIT_MS;

    w.look = loop_timer_create(w.loop, on_look, &until_ms);
    loop_timer_arm(w.look, 0);
    loop_run(w.loop);
    loop_timer_destroy(w.look);
    instance_watch_destroy(watch);
}

/* ---- the input ---- */

static void set_up(void)
{
    w.loop = loop_create();
    fuzz_server_init(&w.server, w.loop, false, answer);
    snprintf(w.endpoint, sizeof w.endpoint, "http://127.0.0.1:%d", w.server.port);
    w.http = http_client_create(w.loop, &(const struct http_client_config){ .ca_dir = "/" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned wanted[] = {
        INSTANCE_WANT(INSTANCE_REGION) | INSTANCE_WANT(INSTANCE_DOCUMENT),
        INSTANCE_WANT(INSTANCE_VPC_ID) | INSTANCE_WANT(INSTANCE_SUBNET_ID),
        INSTANCE_WANT(INSTANCE_USER_DATA) | INSTANCE_WANT(INSTANCE_ID)
    };
    struct imds *m;

    if (!w.loop)
        set_up();
    if (!size)
        return 0;
    m = imds_create(&(const struct imds_args){ .http = w.http, .base = w.endpoint, .seed = 1 });
    imds_set_limit_ms(m, LIMIT_MS);
    fuzz_server_begin(&w.server, fuzz_str(data + 1, size - 1));
    if (data[0] % 4 == 3) {
        watch(m);
    } else {
        w.ends = 0;
        instance_read(m, w.loop, wanted[data[0] % 4], LIMIT_MS, on_facts, NULL);
        loop_run(w.loop);
        LAW(w.ends == 1);
    }
    fuzz_server_end(&w.server);
    imds_destroy(m);
    return 0;
}
