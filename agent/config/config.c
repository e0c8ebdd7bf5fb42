/* From what was said about each variable to its value. */
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/internal.h"

#define NS_PER_MS 1000000

/* Room for a field of any type, for variables without one. */
union scratch {
    char *text;
    int64_t number;
    bool flag;
    unsigned choice;
    enum tristate tri;
    struct port_list ports;
    struct port_range range;
    struct string_list strings;
    struct string_map map;
    struct rate_limit rates;
};

void *var_field(struct config *c, const struct var *v)
{
    return (char *)c + v->offset;
}

void var_fini(const struct var *v, void *field)
{
    if (v->type->fini)
        v->type->fini(field);
    else
        memset(field, 0, v->type->size);
}

static bool is_blank(const char *text)
{
    return !str_trim(str_of(text)).n;
}

static size_t row(const char *name)
{
    return vars_find(str_of(name));
}

/* ---- defaults ---- */

/* A duration is parsed in nanoseconds. */
static void to_unit(const struct var *v, void *field)
{
    if (v->type == &type_duration)
        *(int64_t *)field /= v->unit_ns ? v->unit_ns : NS_PER_MS;
}

void var_set(const struct var *v, const char *text, void *field)
{
    struct err e = { 0 };

    if (!*text && !v->keep_empty)
        return;
    if (v->type->parse(v, text, field, &e))
        abort(); /* the table or `show` is wrong; their unit tests say so first */
    to_unit(v, field);
}

static void use_default(struct config *c, const char *name)
{
    const struct var *v = vars_at(row(name));

    var_fini(v, var_field(c, v));
    var_set(v, v->def, var_field(c, v));
}

/* ---- one variable ---- */

enum outcome { OUT_NOTHING, OUT_EMPTY, OUT_BAD, OUT_ZERO, OUT_VALUE };

/* What becomes of one variable. */
struct resolving {
    struct sources *s;
    const struct var *v;
    size_t row;
    void *field;
    enum outcome out[LAYER__COUNT];
    struct err why[LAYER__COUNT];
    const struct said *used; /* by which the value came; NULL: it is the default */
};

static const struct said *said_in(const struct resolving *r, enum layer l)
{
    return &r->s->of[l][r->row];
}

/* As the source names it. */
static const char *label(const struct resolving *r, enum layer l)
{
    return l == LAYER_ENV ? r->v->name : r->v->json;
}

static void report(const struct resolving *r, enum layer l, bool fatal, const char *text)
{
    const struct said *said = said_in(r, l);

    config_problem_add(r->s->problems, fatal, sources_name(r->s, said->origin), said->line,
                       "%s: %s", label(r, l), text);
}

static enum layer layer_used(const struct resolving *r)
{
    return r->used->origin == ORIGIN_JSON_FILE   ? LAYER_JSON
           : r->used->origin == ORIGIN_USER_DATA ? LAYER_USER_DATA
                                                 : LAYER_ENV;
}

static bool zero_counts(const struct var *v, const void *field)
{
    if (!v->json) /* nothing below the environment speaks of it */
        return false;
    if (v->type == &type_bool && !v->plain)
        return false;
    return v->type->zero && v->type->zero(field);
}

static enum outcome take(struct resolving *r, enum layer l)
{
    const struct var *v = r->v;
    const char *text = said_in(r, l)->text;

    if (!text)
        return OUT_NOTHING;
    if (l != LAYER_ENV && v->json_ignored) {
        report(r, l, false, "has no effect here; ignored");
        return OUT_NOTHING;
    }
    if (is_blank(text) && !v->keep_empty)
        return OUT_EMPTY;
    if (v->type->parse(v, text, r->field, &r->why[l]))
        return OUT_BAD;
    if (v->type == &type_duration && *(int64_t *)r->field == 0)
        return OUT_ZERO;
    return zero_counts(v, r->field) ? OUT_ZERO : OUT_VALUE;
}

/* What remains when nobody gave a value. */
static const char *fallback(const struct resolving *r)
{
    const struct var *v = r->v;

    if (r->out[LAYER_ENV] == OUT_BAD && v->nonsense)
        return v->nonsense;
    return r->out[LAYER_ENV] != OUT_NOTHING && v->bad ? v->bad : v->def;
}

/* Must the agent not start with this value, whichever source it is of? */
static bool stops(const struct var *v, const struct err *why)
{
    return v->fatal || (v->fatal_name && why->code == ERR_NOT_FOUND);
}

/* Would the reference agent's decoder refuse this in JSON? */
static bool json_refuses(const struct var *v)
{
    return v->type->form == FORM_LIST || v->type->form == FORM_MAP ||
           (v->type == &type_int && v->max == UINT16_MAX);
}

/* "; using X", or what becomes of an unset variable without a default. User data may be
 * secret, so nothing of it is repeated. */
static void report_bad(const struct resolving *r, enum layer l)
{
    const char *instead = fallback(r);
    bool fatal = stops(r->v, &r->why[l]) || (l == LAYER_JSON && json_refuses(r->v));
    struct buf text = BUF_INIT(2048);

    if (l == LAYER_USER_DATA)
        buf_printf(&text, "the %s is not valid", r->v->type->name);
    else
        buf_puts(&text, r->why[l].msg);
    if (!fatal && r->used)
        buf_printf(&text, "; using that of %s", sources_name(r->s, r->used->origin));
    else if (!fatal && *instead && r->v->support != CONFIG_INERT)
        buf_printf(&text, "; using %s", instead);
    else if (!fatal)
        buf_puts(&text, "; ignored");
    report(r, l, fatal, buf_text(&text));
    buf_fini(&text);
}

static void clamp(struct resolving *r)
{
    const struct var *v = r->v;
    int64_t *ns = r->field;
    bool above = v->max && *ns > v->max;
    bool fatal = v->json_strict && layer_used(r) != LAYER_ENV;
    struct buf text = BUF_INIT(1024);

    if (!above && *ns >= v->min)
        return;
    if (layer_used(r) == LAYER_USER_DATA) /* nothing of it is repeated */
        buf_puts(&text, "it is ");
    else
        buf_printf(&text, "'%.80s' is ", r->used->text);
    buf_puts(&text, above ? "above " : "below ");
    value_show_duration(above ? v->max : v->min, &text);
    if (!above && v->below == BELOW_RAISE)
        *ns = v->min;
    else if (value_duration(v->def, ns, NULL))
        abort(); /* the table is wrong; its unit test says so first */
    if (!fatal) {
        buf_puts(&text, "; using ");
        value_show_duration(*ns, &text);
    }
    report(r, layer_used(r), fatal, buf_text(&text));
    buf_fini(&text);
}

/* Its feature is not there: whoever wants something else than now is should know. */
static void report_later(const struct resolving *r, enum layer l)
{
    const struct var *v = r->v;
    struct buf have = BUF_SECRET(CONFIG_TEXT_MAX), want = BUF_SECRET(CONFIG_TEXT_MAX);
    union scratch def = { 0 };

    var_set(v, v->def, &def);
    v->type->show(v, &def, &want);
    v->type->show(v, r->field, &have);
    if (!streq(buf_text(&have), buf_text(&want))) {
        buf_reset(&want);
        buf_printf(&want, "not supported yet, without effect%s%s", v->later ? ": " : "",
                   v->later ? v->later : "");
        report(r, l, false, buf_text(&want));
    }
    var_fini(v, &def);
    buf_fini(&have);
    buf_fini(&want);
}

static void remember(struct config *c, const struct var *v, const void *field)
{
    struct buf text = BUF_SECRET(CONFIG_TEXT_MAX);
    struct string_map *m = &c->env;

    v->type->show(v, field, &text);
    m->items = mem_resize(m->items, m->n + 1, sizeof *m->items);
    m->items[m->n++] = (struct string_pair){ mem_strdup(v->name), buf_take(&text) };
}

/* The highest layer that says something; a false of the reference's plain switches, an
 * empty list and a zero say nothing. */
static void resolve(struct config *c, struct sources *s, size_t i)
{
    const struct var *v = vars_at(i);
    union scratch own = { 0 };
    struct resolving r = { .s = s, .v = v, .row = i };
    enum layer said_no = LAYER__COUNT;
    bool refused = false;

    r.field = v->offset == NO_FIELD ? (void *)&own : var_field(c, v);
    for (enum layer l = LAYER_ENV; l < LAYER__COUNT && !r.used && !refused; l++) {
        r.out[l] = take(&r, l);
        if (r.out[l] == OUT_VALUE) {
            r.used = said_in(&r, l);
            break;
        }
        var_fini(v, r.field);
        refused = r.out[l] == OUT_BAD && stops(v, &r.why[l]);
        if (r.out[l] == OUT_ZERO && v->type == &type_bool && said_no == LAYER__COUNT)
            said_no = l;
    }
    for (enum layer l = LAYER_ENV; l < LAYER__COUNT; l++)
        if (r.out[l] == OUT_BAD)
            report_bad(&r, l);
    if (!r.used && said_no == LAYER__COUNT)
        var_set(v, fallback(&r), r.field);
    if (r.used && v->type == &type_duration)
        clamp(&r);
    if (r.used)
        to_unit(v, r.field);
    if (v->support == CONFIG_LATER && (r.used || said_no != LAYER__COUNT))
        report_later(&r, r.used ? layer_used(&r) : said_no);
    if (r.used && v->in_env)
        remember(c, v, r.field);
    if (v->offset == NO_FIELD)
        var_fini(v, &own);
}

/* ---- rules of several variables ---- */

/* Who said something of the variable, the strongest first; NULL: nobody. */
static const struct said *said_of(const struct sources *s, const char *name)
{
    size_t i = row(name);

    for (enum layer l = LAYER_ENV; l < LAYER__COUNT; l++)
        if (s->of[l][i].text)
            return &s->of[l][i];
    return NULL;
}

/* Freeing begins at one and ends at the other: they make sense as a pair only. */
static void check_watermarks(struct config *c, const struct sources *s)
{
    static const char high[] = "BERTH_DISK_HIGH_WATERMARK", low[] = "BERTH_DISK_LOW_WATERMARK";
    const struct said *said = said_of(s, low) ? said_of(s, low) : said_of(s, high);

    if (c->disk_low_pct < c->disk_high_pct)
        return;
    config_problem_add(
        s->problems, false, said ? sources_name(s, said->origin) : NULL, said ? said->line : 0,
        "%s: %" PRId64 " is not below %s, %" PRId64 "; using %s and %s", low, c->disk_low_pct, high,
        c->disk_high_pct, vars_at(row(low))->def, vars_at(row(high))->def);
    use_default(c, low);
    use_default(c, high);
}

/* The installer of images sets this everywhere; it counts where there is a device. */
static void check_gpu(struct sources *s)
{
    struct said *said = &s->of[LAYER_ENV][row("ECS_ENABLE_GPU_SUPPORT")];
    bool on = false;

    if (!said->text || said->origin != ORIGIN_INSTANCE_FILE || s->in->has_nvidia ||
        value_bool(said->text, &on, NULL) || !on)
        return;
    config_problem_add(s->problems, false, sources_name(s, said->origin), said->line,
                       "ECS_ENABLE_GPU_SUPPORT: there is no device /dev/nvidia*; ignored");
    said_set(said, NULL, said->origin, 0);
}

static void check_region(struct config *c, const struct sources *s, struct config_problems *p)
{
    const struct said *external = &s->of[LAYER_ENV][row("ECS_EXTERNAL")];
    const char *region = s->of[LAYER_ENV][row("AWS_DEFAULT_REGION")].text;
    const char *other = s->in->env(s->in->env_user, "AWS_REGION");
    bool on = false;

    if (external->text && !value_bool(external->text, &on, NULL) && on &&
        (!region || is_blank(region))) {
        config_problem_add(p, true, NULL, 0,
                           "AWS_DEFAULT_REGION: with ECS_EXTERNAL it must be set in the "
                           "environment or in ecs.config");
        return;
    }
    if (!c->region && !c->external && s->in->metadata_region && !is_blank(s->in->metadata_region))
        c->region = mem_strdup(s->in->metadata_region);
    if (c->region || (s->in->metadata_pending && !c->external && !c->imds_disabled))
        return;
    config_problem_add(p, true, NULL, 0,
                       "AWS_DEFAULT_REGION: no region is set; add a line such as "
                       "AWS_DEFAULT_REGION=eu-west-1 to the file%s",
                       str_empty(other) ? "" : " (AWS_REGION is set, but it is not read)");
}

/* Without effect when it is wrong: images of private registries then fail to be pulled.
 * Nothing of the data is repeated. */
static void check_registries(const struct config *c, const struct sources *s)
{
    static const char type_name[] = "ECS_ENGINE_AUTH_TYPE", data_name[] = "ECS_ENGINE_AUTH_DATA";
    const struct said *type = said_of(s, type_name), *data = said_of(s, data_name);
    AUTO(json) struct json_t *json = NULL;
    struct err e = { 0 };
    struct jcur root;

    if (str_empty(c->engine_auth_type))
        return;
    if (!streq(c->engine_auth_type, "docker") && !streq(c->engine_auth_type, "dockercfg"))
        config_problem_add(s->problems, false, type ? sources_name(s, type->origin) : NULL,
                           type ? type->line : 0, "%s: expected docker or dockercfg; ignored",
                           type_name);
    if (str_empty(c->engine_auth_data))
        return;
    if (!json_parse(c->engine_auth_data, strlen(c->engine_auth_data), &json, &e)) {
        root = jcur_root(json, &e);
        jcur_expect(&root, JSON_OBJ);
    }
    if (e.code)
        config_problem_add(s->problems, false, data ? sources_name(s, data->origin) : NULL,
                           data ? data->line : 0, "%s: expected a JSON object: %s; ignored",
                           data_name, e.msg);
}

static void settle_logs(struct config *c)
{
    if (!c->log_level_file)
        c->log_level_file = mem_strdup(str_empty(c->log_driver) ? c->log_level : "none");
}

static void settle_polling(struct config *c, const struct sources *s)
{
    static const char name[] = "ECS_POLLING_METRICS_WAIT_DURATION";
    const struct said *said = said_of(s, name);
    bool below = c->polling_wait_ms < 5000;

    if (!c->poll_metrics || (!below && c->polling_wait_ms <= 20000))
        return;
    c->polling_wait_ms = below ? 5000 : 20000;
    config_problem_add(s->problems, false, said ? sources_name(s, said->origin) : NULL,
                       said ? said->line : 0, "%s: it is %s; using %s", name,
                       below ? "below 5s" : "above 20s", below ? "5s" : "20s");
}

static void settle_networks(struct config *c)
{
    c->imds_disabled |= c->external;
    c->task_eni &= !c->external;
    c->trunking &= c->task_eni;
    c->exclude_ipv6_binding &= c->ip_compat != IP_V6;
}

/* What is no setting, but says where files of credentials are. */
static void keep_places(struct config *c, const struct config_inputs *in)
{
    static const char *const names[] = { "HOME", "CREDENTIALS_DIRECTORY" };
    struct string_map *m = &c->env;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *place = in->env(in->env_user, names[i]);

        if (!place)
            continue;
        m->items = mem_resize(m->items, m->n + 1, sizeof *m->items);
        m->items[m->n++] = (struct string_pair){ mem_strdup(names[i]), mem_strdup(place) };
    }
}

/* ---- the whole ---- */

struct config *config_build(const struct config_inputs *in, struct config_problems *out_problems)
{
    struct config *c = NEW(struct config);
    size_t family = row("ECS_DETAILED_OS_FAMILY");
    struct sources s;

    sources_read_env(&s, in, out_problems);
    sources_read_documents(&s);
    check_gpu(&s);
    if (in->os_family && !s.of[LAYER_ENV][family].text)
        said_set(&s.of[LAYER_ENV][family], in->os_family, ORIGIN_ENVIRONMENT, 0);
    for (size_t i = 0, n = vars_count(); i < n; i++)
        resolve(c, &s, i);
    c->host_fips = in->host_fips;
    settle_networks(c);
    settle_logs(c);
    settle_polling(c, &s);
    keep_places(c, in);
    check_watermarks(c, &s);
    check_registries(c, &s);
    check_region(c, &s, out_problems);
    c->cluster_default = streq(c->cluster, "default");
    sources_fini(&s);
    return c;
}

void config_destroy(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0, n = vars_count(); i < n; i++)
        if (vars_at(i)->offset != NO_FIELD)
            var_fini(vars_at(i), var_field(c, vars_at(i)));
    config_map_fini(&c->env);
    free(c);
}
