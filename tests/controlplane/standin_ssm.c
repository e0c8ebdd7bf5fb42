/* SSM: GetParameters. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "standins.h"

#define SERVICE   "ssm"
#define NAMES_MAX 10

static const struct shape request[] = { { "Names", SHAPE_STRS, NULL, true },
                                        { "WithDecryption", SHAPE_BOOL, NULL, false },
                                        { NULL, SHAPE_STR, NULL, false } };

/* "arn:aws:ssm:us-west-2:123456789012:parameter/app/db": a name that begins with a
 * slash keeps only that one. */
static char *parameter_arn(const struct standins *st, const char *region, const char *name)
{
    return mem_printf("arn:aws:ssm:%s:%s:parameter%s%s", region,
                      cp_server_account(standins_server(st)), *name == '/' ? "" : "/", name);
}

/* By name or ARN, either with ":1", the only version that there is. */
static struct cloud_thing *find(const struct standins *st, const char *region, const char *asked,
                                const char **selector)
{
    static const char mark[] = ":parameter/";
    const char *name = str_starts(asked, "arn:") ? strstr(asked, mark) : NULL;
    const char *colon;
    struct cloud_thing *t;
    AUTO(str) char *plain = NULL;

    *selector = "";
    name = name ? name + sizeof mark - 2 : asked;
    colon = strrchr(name, ':');
    if (colon && streq(colon, ":1"))
        *selector = colon;
    plain = mem_strndup(name, strlen(name) - strlen(*selector));
    t = cloud_find(standins_cloud(st), CLOUD_PARAMETER, region, plain);
    /* In an ARN "/db" stands for both "db" and "/db". */
    if (!t && name != asked)
        t = cloud_find(standins_cloud(st), CLOUD_PARAMETER, region, plain + 1);
    if (t && name != asked) {
        AUTO(str) char *arn = parameter_arn(st, region, t->name);

        if (!str_starts(asked, arn))
            return NULL;
    }
    return t;
}

static bool is_secure(struct cloud_thing *t)
{
    struct jcur entry = cloud_entry(t);

    return streq(jcur_str_or(&entry, "type", "String"), "SecureString");
}

static void write_parameter(const struct standins *st, struct jw *w, struct cloud_thing *t,
                            const char *selector, bool decrypted)
{
    AUTO(str) char *arn = parameter_arn(st, t->region, t->name);
    struct jcur entry = cloud_entry(t);
    const char *value = jcur_str_or(&entry, "value", "");

    jw_object(w);
    jw_kstr(w, "ARN", arn);
    jw_kstr(w, "DataType", "text");
    jw_key(w, "LastModifiedDate");
    jw_millis(w, 1767323045000);
    jw_kstr(w, "Name", t->name);
    jw_kstr_if(w, "Selector", selector);
    jw_kstr(w, "Type", jcur_str_or(&entry, "type", "String"));
    jw_kstr(w, "Value", is_secure(t) && !decrypted ? "AQICAHhzdGlsbC1lbmNyeXB0ZWQ=" : value);
    jw_kint(w, "Version", 1);
    jw_end(w);
}

/* The rules on the list of names; false: refused. */
static bool names_good(struct standins *st, struct standin_call *sc, struct cp_call *c,
                       const struct jcur *names)
{
    size_t n = jcur_len(names);

    if (n < 1 || n > NAMES_MAX) {
        cp_violation(standins_server(st), "GetParameters: %zu names", n);
        standin_refuse(st, sc, c, "ValidationException",
                       "1 validation error detected: Value at 'names' failed to satisfy "
                       "constraint: Member must have length %s than or equal to %d",
                       n ? "less" : "greater", n ? NAMES_MAX : 1);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct jcur one = jcur_at(names, i);

        for (size_t k = 0; k < i; k++) {
            struct jcur other = jcur_at(names, k);

            if (!streq(jcur_as_str(&one), jcur_as_str(&other)))
                continue;
            cp_violation(standins_server(st), "GetParameters: '%s' twice", jcur_as_str(&one));
            standin_refuse(st, sc, c, "ValidationException",
                           "Parameter names must be unique: duplicate name %s", jcur_as_str(&one));
            return false;
        }
    }
    return true;
}

static bool all_allowed(struct standins *st, struct standin_call *sc, struct cp_call *c,
                        const struct jcur *names)
{
    JCUR_EACH (item, names) {
        const char *selector;
        struct cloud_thing *t = find(st, c->region, jcur_as_str(&item), &selector);

        if (t && !standin_may(st, t, c->access_key)) {
            AUTO(str) char *arn = parameter_arn(st, c->region, t->name);
            AUTO(str)
            char *text = standin_denial(st, c->access_key, "ssm:GetParameters", arn);

            standin_refuse(st, sc, c, "AccessDeniedException", "%s", text);
            return false;
        }
    }
    return true;
}

static void get_parameters(struct standins *st, struct cp_call *c)
{
    struct jcur names = jcur_arr(&c->body, "Names");
    bool decrypted = jcur_bool_or(&c->body, "WithDecryption", false);
    struct buf b = BUF_INIT(STANDIN_ANSWER_MAX);
    struct standin_call sc;
    const char *selector;
    struct jw w;

    if (!standin_begin(st, SERVICE, c, request, &sc))
        return;
    JCUR_EACH (item, &names)
        standin_name(&sc, jcur_as_str(&item));
    if (!names_good(st, &sc, c, &names) || !all_allowed(st, &sc, c, &names))
        return;
    jw_init(&w, &b);
    jw_object(&w);
    jw_karray(&w, "InvalidParameters");
    JCUR_EACH (item, &names) {
        if (!find(st, c->region, jcur_as_str(&item), &selector))
            jw_str(&w, jcur_as_str(&item));
    }
    jw_end(&w);
    jw_karray(&w, "Parameters");
    JCUR_EACH (item, &names) {
        struct cloud_thing *t = find(st, c->region, jcur_as_str(&item), &selector);

        if (!t)
            continue;
        if (is_secure(t) && !decrypted)
            cp_violation(standins_server(st), "GetParameters: '%s' without WithDecryption",
                         t->name);
        write_parameter(st, &w, t, selector, decrypted);
    }
    jw_end(&w);
    jw_end(&w);
    standin_reply(st, &sc, c, &b);
}

static void on_call(void *user, struct cp_call *c)
{
    if (streq(c->operation, "GetParameters"))
        get_parameters(user, c);
    else
        cp_reply_error(c, 400, "UnknownOperationException", "%s is not offered here", c->operation);
}

void standin_ssm_add(struct standins *st)
{
    cp_server_add_regional(standins_server(st), "AmazonSSM", SERVICE, on_call, st);
}
