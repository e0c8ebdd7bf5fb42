/* ECR: GetAuthorizationToken. */
#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "standins.h"

#define SERVICE "ecr"
#define LIFE_S  (12 * 3600)

static const struct shape request[] = { { "registryIds", SHAPE_STRS, NULL, false },
                                        { NULL, SHAPE_STR, NULL, false } };

static bool is_account(const char *id)
{
    return strlen(id) == 12 && strspn(id, "0123456789") == 12;
}

static void write_token(struct jw *w, const char *user, const char *password)
{
    AUTO(str) char *plain = mem_printf("%s:%s", user, password);
    size_t n = strlen(plain);
    char *text = mem_alloc(4 * (n / 3 + 1) + 1);

    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)plain, (int)n);
    jw_kstr(w, "authorizationToken", text);
    free(text);
}

/* A registry that nobody told of has a password that nobody knows. */
static void answer(struct standins *st, struct standin_call *sc, struct cp_call *c, const char *id,
                   struct cloud_thing *t)
{
    AUTO(str) char *usual = mem_printf("https://%s.dkr.ecr.%s.amazonaws.com", id, c->region);
    struct buf b = BUF_INIT(STANDIN_ANSWER_MAX);
    char random[RNG_UUID_SIZE];
    struct err none = { 0 };
    struct jcur entry = t ? cloud_entry(t) : jcur_root(NULL, &none);
    struct jw w;

    rng_uuid(cp_server_rng(standins_server(st)), random);
    jw_init(&w, &b);
    jw_object(&w);
    jw_karray(&w, "authorizationData");
    jw_object(&w);
    write_token(&w, jcur_str_or(&entry, "user", "AWS"), jcur_str_or(&entry, "password", random));
    jw_key(&w, "expiresAt");
    jw_millis(&w, clock_wall_ms() +
                      jcur_int_or(&entry, "expires_s", INT32_MIN, INT32_MAX, LIFE_S) * 1000);
    jw_kstr(&w, "proxyEndpoint", jcur_str_or(&entry, "proxyEndpoint", usual));
    jw_end(&w);
    jw_end(&w);
    jw_end(&w);
    standin_reply(st, sc, c, &b);
}

static void get_token(struct standins *st, struct cp_call *c)
{
    struct jcur ids = jcur_arr(&c->body, "registryIds"), first;
    const char *id = cloud_account(standins_cloud(st));
    struct cloud_thing *t;
    struct standin_call sc;

    if (!standin_begin(st, SERVICE, c, request, &sc))
        return;
    JCUR_EACH (item, &ids)
        standin_name(&sc, jcur_as_str(&item));
    if (jcur_len(&ids) > 1 || (jcur_present(&ids) && jcur_len(&ids) == 0)) {
        cp_violation(standins_server(st), "GetAuthorizationToken: %zu registry ids",
                     jcur_len(&ids));
        standin_refuse(st, &sc, c, "InvalidParameterException",
                       "Invalid parameter at 'registryIds' failed to satisfy constraint: "
                       "'Member must have length equal to 1'");
        return;
    }
    if (jcur_len(&ids) == 1) {
        first = jcur_at(&ids, 0);
        id = jcur_as_str(&first);
    }
    if (!is_account(id)) {
        cp_violation(standins_server(st), "GetAuthorizationToken: registry id '%s'", id);
        standin_refuse(st, &sc, c, "InvalidParameterException",
                       "Invalid parameter at 'registryIds' failed to satisfy constraint: "
                       "'must satisfy regular expression '[0-9]{12}''");
        return;
    }
    t = cloud_find(standins_cloud(st), CLOUD_REGISTRY, c->region, id);
    if (t && !standin_may(st, t, c->access_key)) {
        AUTO(str)
        char *text = standin_denial(st, c->access_key, "ecr:GetAuthorizationToken", "*");

        standin_refuse(st, &sc, c, "AccessDeniedException", "%s", text);
        return;
    }
    answer(st, &sc, c, id, t);
}

static void on_call(void *user, struct cp_call *c)
{
    if (streq(c->operation, "GetAuthorizationToken"))
        get_token(user, c);
    else
        cp_reply_error(c, 400, "UnknownOperationException", "%s is not offered here", c->operation);
}

void standin_ecr_add(struct standins *st)
{
    cp_server_add_regional(standins_server(st), "AmazonEC2ContainerRegistry_V20150921", SERVICE,
                           on_call, st);
}
