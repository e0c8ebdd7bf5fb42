#include "tcs_check.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TASKS_MAX   10
#define MESSAGE_MAX 1048576
#define SKEW_MS     (5 * 60 * 1000)

/* ---- shapes, from the public model ---- */

enum kind { STR, BOOL, UINT, DBL, UDBL, TIME, ENUM, OBJ, OBJS, DBLS, INTS };

struct member {
    const char *name; /* NULL ends the table */
    enum kind kind;
    bool required;
    const struct member *sub;
    const char *const *values;         /* of an ENUM */
    void (*law)(const struct jcur *c); /* of an OBJ, or of each of OBJS */
};

#define PLAIN(n, k, r)            \
    {                             \
        n, k, r, NULL, NULL, NULL \
    }
#define PART(n, k, r, shape)       \
    {                              \
        n, k, r, shape, NULL, NULL \
    }
#define CHOICE(n, r, choices)           \
    {                                   \
        n, ENUM, r, NULL, choices, NULL \
    }
#define SET(n, r, shape)                \
    {                                   \
        n, OBJ, r, shape, NULL, law_set \
    }
#define NUMBER_SET(kind)                                                          \
    PLAIN("min", kind, true), PLAIN("max", kind, true), PLAIN("sum", kind, true), \
        PLAIN("sampleCount", UINT, true)

static void law_set(const struct jcur *c);

static const struct member cw_set[] = { NUMBER_SET(DBL), { 0 } };
static const struct member udouble_set[] = { NUMBER_SET(UDBL), { 0 } };
static const struct member ulong_set[] = { NUMBER_SET(UINT),
                                           PLAIN("overflowMin", UINT, true),
                                           PLAIN("overflowMax", UINT, true),
                                           PLAIN("overflowSum", UINT, true),
                                           { 0 } };

#define CW_SET(name)      SET(name, false, cw_set)
#define UDOUBLE_SET(name) SET(name, false, udouble_set)
#define ULONG_SET(name)   SET(name, false, ulong_set)

static const struct member storage_set[] = { ULONG_SET("readSizeBytes"),
                                             ULONG_SET("writeSizeBytes"),
                                             { 0 } };
static const struct member network_set[] = {
    ULONG_SET("rxBytes"),
    ULONG_SET("rxDropped"),
    ULONG_SET("rxErrors"),
    ULONG_SET("rxPackets"),
    ULONG_SET("txBytes"),
    ULONG_SET("txDropped"),
    ULONG_SET("txErrors"),
    ULONG_SET("txPackets"),
    UDOUBLE_SET("rxBytesPerSecond"),
    UDOUBLE_SET("txBytesPerSecond"),
    { 0 },
};
static const struct member restart_set[] = { PLAIN("restartCount", UINT, true), { 0 } };
static const struct member dimension[] = { PLAIN("key", STR, true),
                                           PLAIN("value", STR, true),
                                           { 0 } };
static const struct member general_metric[] = {
    PLAIN("metricName", STR, true),
    PLAIN("metricValues", DBLS, false),
    PLAIN("metricCounts", INTS, false),
    PLAIN("metricValueDouble", UDBL, false),
    PLAIN("metricValueLong", UINT, false),
    CW_SET("metricValueStatsSet"),
    PLAIN("unit", STR, false),
    { 0 },
};
static const char *const metric_types[] = { "1", "2", NULL };
static const struct member general_wrapper[] = {
    PART("dimensions", OBJS, true, dimension),
    CHOICE("metricType", true, metric_types),
    PART("generalMetrics", OBJS, true, general_metric),
    { 0 },
};
static const struct member container_metric[] = {
    PLAIN("containerArn", STR, false),
    PLAIN("containerName", STR, true),
    SET("cpuStatsSet", true, cw_set),
    SET("memoryStatsSet", true, cw_set),
    PART("networkStatsSet", OBJ, false, network_set),
    PART("storageStatsSet", OBJ, false, storage_set),
    PART("restartStatsSet", OBJ, false, restart_set),
    PART("generalMetricsPayload", OBJS, false, general_wrapper),
    { 0 },
};
static const struct member ephemeral[] = { ULONG_SET("bytesUtilized"), { 0 } };
static const struct member volume_metric[] = { PLAIN("volumeId", STR, true),
                                               PLAIN("volumeName", STR, true),
                                               UDOUBLE_SET("utilized"),
                                               UDOUBLE_SET("size"),
                                               { 0 } };
static const struct member task_metric[] = {
    PLAIN("taskArn", STR, true),
    PLAIN("clusterArn", STR, false),
    PLAIN("taskDefinitionFamily", STR, true),
    PLAIN("taskDefinitionVersion", STR, true),
    PART("containerMetrics", OBJS, false, container_metric),
    PART("ephemeralStorageMetrics", OBJ, false, ephemeral),
    PART("volumeMetrics", OBJS, false, volume_metric),
    PART("serviceConnectMetricsWrapper", OBJS, false, general_wrapper),
    { 0 },
};
static const struct member metrics_metadata[] = {
    PLAIN("cluster", STR, true),   PLAIN("containerInstance", STR, true),
    PLAIN("messageId", STR, true), PLAIN("idle", BOOL, true),
    PLAIN("fin", BOOL, true),      { 0 }
};
static const struct member instance_storage[] = { PLAIN("rootFilesystem", UDBL, false),
                                                  PLAIN("dataFilesystem", UDBL, false),
                                                  { 0 } };
static const struct member instance_metrics[] = {
    PART("storage", OBJ, false, instance_storage),
    PART("generalMetricsPayload", OBJS, false, general_wrapper),
    { 0 },
};
static const struct member metrics_request[] = {
    PART("metadata", OBJ, true, metrics_metadata),
    PART("instanceMetrics", OBJ, false, instance_metrics),
    PART("taskMetrics", OBJS, false, task_metric),
    PLAIN("timestamp", TIME, true),
    { 0 },
};
static const char *const health_values[] = { "HEALTHY", "UNHEALTHY", "UNKNOWN", NULL };
static const struct member container_health[] = {
    PLAIN("containerName", STR, true),
    CHOICE("healthStatus", true, health_values),
    PLAIN("statusSince", TIME, true),
    PLAIN("statusMessage", STR, false),
    { 0 },
};
static const struct member task_health[] = { PLAIN("taskArn", STR, true),
                                             PLAIN("clusterArn", STR, false),
                                             PLAIN("taskDefinitionFamily", STR, true),
                                             PLAIN("taskDefinitionVersion", STR, true),
                                             PART("containers", OBJS, true, container_health),
                                             { 0 } };
static const struct member health_metadata[] = { PLAIN("cluster", STR, true),
                                                 PLAIN("containerInstance", STR, true),
                                                 PLAIN("messageId", STR, true),
                                                 PLAIN("fin", BOOL, true),
                                                 { 0 } };
static const struct member health_request[] = { PART("metadata", OBJ, true, health_metadata),
                                                PART("tasks", OBJS, true, task_health),
                                                PLAIN("timestamp", TIME, true),
                                                { 0 } };
static const char *const status_values[] = { "OK", "IMPAIRED", "INSUFFICIENT_DATA", "INITIALIZING",
                                             NULL };
static const struct member instance_status[] = {
    PLAIN("type", STR, true),
    CHOICE("status", true, status_values),
    PLAIN("statusReason", STR, false),
    PLAIN("lastUpdated", TIME, true),
    PLAIN("lastStatusChange", TIME, true),
    { 0 },
};
static const struct member status_metadata[] = { PLAIN("cluster", STR, true),
                                                 PLAIN("containerInstance", STR, true),
                                                 PLAIN("requestId", STR, true),
                                                 { 0 } };
static const struct member status_request[] = { PART("metadata", OBJ, true, status_metadata),
                                                PART("statuses", OBJS, true, instance_status),
                                                PLAIN("timestamp", TIME, true),
                                                { 0 } };

/* ---- laws ---- */

static double number(const struct jcur *c, const char *key)
{
    return jcur_num_or(c, key, 0);
}

/* Sums of doubles were rounded on the way. */
static bool at_most(double a, double b)
{
    return a <= b + 1e-6 * (fabs(a) + fabs(b)) + 1e-9;
}

static void law_set(const struct jcur *c)
{
    double n = number(c, "sampleCount"), min = number(c, "min"), max = number(c, "max");
    double sum = number(c, "sum");
    bool overflowed = number(c, "overflowMin") > 0 || number(c, "overflowMax") > 0 ||
                      number(c, "overflowSum") > 0;

    if (!jcur_ok(c) || overflowed)
        return;
    if (n < 1)
        jcur_fail(c, "a statistic needs at least one sample");
    else if (min > max)
        jcur_fail(c, "min is greater than max");
    else if (!at_most(min * n, sum) || !at_most(sum, max * n))
        jcur_fail(c, "the sum of %.0f samples cannot lie outside min and max", n);
}

static void check_time(const struct jcur *c)
{
    double v = 0;

    if (jcur_type(c) != JSON_INT && jcur_type(c) != JSON_NUM) {
        jcur_fail(c, "expected a number of seconds");
        return;
    }
    v = number(c->up, c->key);
    if (v < 1e9 || v > 1e11)
        jcur_fail(c, "is no time in seconds since the epoch");
    else if (fabs(v * 1000 - round(v * 1000)) > 0.02)
        jcur_fail(c, "has more than three decimals");
}

static void check_object(const struct jcur *c, const struct member *shape);

static void check_list(const struct jcur *c, const struct member *m)
{
    if (jcur_type(c) != JSON_ARR) {
        jcur_fail(c, "expected array");
        return;
    }
    JCUR_EACH (item, c) {
        enum json_type t = jcur_type(&item);

        if (m->kind == OBJS) {
            check_object(&item, m->sub);
            if (m->law && jcur_ok(&item))
                m->law(&item);
        } else if (t != JSON_INT && (t != JSON_NUM || m->kind == INTS)) {
            jcur_fail(&item, "expected a number");
        }
    }
}

static void check_member(const struct jcur *c, const struct member *m)
{
    enum json_type t = jcur_type(c);

    switch (m->kind) {
    case STR:
        if (str_empty(jcur_as_str(c)))
            jcur_fail(c, "is empty");
        break;
    case ENUM:
        for (const char *const *v = m->values; *v; v++) {
            if (streq(*v, jcur_as_str(c)))
                return;
        }
        jcur_fail(c, "'%.60s' is not one of the values of the model", jcur_as_str(c));
        break;
    case BOOL:
        if (t != JSON_BOOL)
            jcur_fail(c, "expected boolean");
        break;
    case UINT:
        jcur_as_int(c, 0, INT64_MAX);
        break;
    case DBL:
    case UDBL:
        if (t != JSON_INT && t != JSON_NUM)
            jcur_fail(c, "expected a number");
        else if (m->kind == UDBL && number(c->up, c->key) < 0)
            jcur_fail(c, "is negative");
        break;
    case TIME:
        check_time(c);
        break;
    case OBJ:
        check_object(c, m->sub);
        if (m->law && jcur_ok(c))
            m->law(c);
        break;
    case OBJS:
    case DBLS:
    case INTS:
        check_list(c, m);
        break;
    }
}

static const struct member *member_find(const struct member *shape, const char *name)
{
    for (; shape->name; shape++) {
        if (streq(shape->name, name))
            return shape;
    }
    return NULL;
}

static void check_object(const struct jcur *c, const struct member *shape)
{
    struct jcur item;

    if (jcur_type(c) != JSON_OBJ) {
        jcur_fail(c, "expected object");
        return;
    }
    for (size_t i = 0; jcur_member(c, i, &item); i++) {
        const struct member *m = member_find(shape, item.key);

        if (!m)
            jcur_fail(&item, "is no member of the model");
        else if (!jcur_present(&item))
            jcur_fail(&item, "is null: unset members are omitted");
        else
            check_member(&item, m);
    }
    for (; shape->name; shape++) {
        struct jcur m = jcur_get(c, shape->name);

        if (shape->required && !m.val)
            jcur_fail(&m, "is missing");
    }
}

/* ---- messages ---- */

static bool is_uuid4(const char *s)
{
    if (strlen(s) != 36)
        return false;
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]))
            return false;
    }
    return s[14] == '4' && strchr("89ab", s[19]);
}

static void check_metadata(const struct tcs_session *ss, const struct jcur *meta,
                           const char *id_key)
{
    if (!streq(jcur_str(meta, "cluster"), ss->cluster))
        jcur_fail(meta, "cluster is not that of the handshake");
    if (!streq(jcur_str(meta, "containerInstance"), ss->instance))
        jcur_fail(meta, "containerInstance is not that of the handshake");
    if (!is_uuid4(jcur_str(meta, id_key)))
        jcur_fail(meta, "%s is no UUID of version 4", id_key);
}

/* Chunks share a message id until one says fin. */
static void check_chunks(struct tcs_session *ss, const struct jcur *meta, int which)
{
    const char *id = jcur_str(meta, "messageId");
    bool fin = jcur_bool_or(meta, "fin", false);

    if (!jcur_ok(meta))
        return;
    /* A fault is reported once; the new gather counts from here on. */
    if (ss->open[which] && !streq(id, ss->open_id[which]))
        jcur_fail(meta, "a new messageId before the chunks of the last one ended with fin");
    else if (streq(id, ss->done_id[which]))
        jcur_fail(meta, "the messageId ended with fin already");
    ss->open[which] = !fin;
    snprintf(fin ? ss->done_id[which] : ss->open_id[which], sizeof ss->open_id[which], "%s", id);
}

static void check_metrics(struct tcs_session *ss, const struct jcur *msg)
{
    struct jcur meta = jcur_get(msg, "metadata"), tasks = jcur_get(msg, "taskMetrics");
    struct jcur instance = jcur_get(msg, "instanceMetrics");
    bool idle = jcur_bool_or(&meta, "idle", false), fin = jcur_bool_or(&meta, "fin", false);

    check_metadata(ss, &meta, "messageId");
    if (idle && tasks.val)
        jcur_fail(&tasks, "an idle message has no tasks");
    else if (idle && !fin)
        jcur_fail(&meta, "an idle message is the last one: fin must be true");
    else if (!idle && !jcur_len(&tasks) && !instance.val)
        jcur_fail(&meta, "not idle, but without a task");
    if (jcur_len(&tasks) > TASKS_MAX)
        jcur_fail(&tasks, "more than %d tasks in a message", TASKS_MAX);
    check_chunks(ss, &meta, TCS_METRICS);
}

static void check_health(struct tcs_session *ss, const struct jcur *msg)
{
    struct jcur meta = jcur_get(msg, "metadata"), tasks = jcur_get(msg, "tasks");

    check_metadata(ss, &meta, "messageId");
    if (jcur_len(&tasks) < 1 || jcur_len(&tasks) > TASKS_MAX)
        jcur_fail(&tasks, "a message has 1 to %d tasks", TASKS_MAX);
    JCUR_EACH (task, &tasks) {
        struct jcur containers = jcur_get(&task, "containers");

        if (!jcur_len(&containers))
            jcur_fail(&containers, "a task without a container");
    }
    check_chunks(ss, &meta, TCS_HEALTH);
}

static void check_status(struct tcs_session *ss, const struct jcur *msg)
{
    struct jcur meta = jcur_get(msg, "metadata"), statuses = jcur_get(msg, "statuses");

    check_metadata(ss, &meta, "requestId");
    if (!jcur_len(&statuses))
        jcur_fail(&statuses, "no status");
}

enum err_code tcs_check(struct tcs_session *ss, struct str envelope, int64_t now_ms,
                        enum tcs_kind *kind, struct err *e)
{
    static const struct {
        const char *type;
        const struct member *shape;
        void (*check)(struct tcs_session *ss, const struct jcur *msg);
    } kinds[] = {
        [TCS_METRICS] = { "PublishMetricsRequest", metrics_request, check_metrics },
        [TCS_HEALTH] = { "PublishHealthRequest", health_request, check_health },
        [TCS_INSTANCE_STATUS] = { "PublishInstanceStatusRequest", status_request, check_status },
    };
    AUTO(json) struct json_t *doc = NULL;
    struct err why = { 0 };
    struct jcur root, msg, item;
    const char *type;
    size_t k = 0, frame;

    if (json_parse(envelope.p, envelope.n, &doc, e))
        return e->code;
    root = jcur_root(doc, &why);
    if (jcur_type(&root) != JSON_OBJ)
        return err_set(e, ERR_INVALID, "the envelope is not an object");
    for (size_t i = 0; jcur_member(&root, i, &item); i++) {
        if (!streq(item.key, "type") && !streq(item.key, "message"))
            jcur_fail(&item, "is no member of an envelope");
    }
    type = jcur_str(&root, "type");
    while (k < COUNT_OF(kinds) && !streq(type, kinds[k].type))
        k++;
    if (jcur_ok(&root) && k == COUNT_OF(kinds))
        jcur_fail(&root, "unknown message type '%.100s'", type);
    msg = jcur_get(&root, "message");
    frame = strlen("{\"type\":\"\",\"message\":}") + strlen(type);
    if (jcur_ok(&root) && envelope.n > frame + MESSAGE_MAX)
        jcur_fail(&msg, "is larger than 1 MiB");
    if (jcur_ok(&root))
        check_object(&msg, kinds[k].shape);
    if (jcur_ok(&root)) {
        double at = number(&msg, "timestamp") * 1000;

        if (fabs(at - (double)now_ms) > SKEW_MS)
            jcur_fail(&msg, "the timestamp is more than 5 minutes away from now");
        kinds[k].check(ss, &msg);
    }
    if (!jcur_ok(&root))
        return err_set(e, ERR_INVALID, "%s", why.msg);
    *kind = (enum tcs_kind)k;
    return ERR_OK;
}

const char *tcs_handshake_fault(const char *cluster, const char *instance, const char *version,
                                const char *hash, const char *docker)
{
    if (str_empty(cluster) || strlen(cluster) > 255)
        return "cluster must be given";
    if (str_empty(instance) || strlen(instance) > 511 || strncmp(instance, "arn:", 4) != 0 ||
        !strstr(instance, ":container-instance/"))
        return "containerInstance must be the ARN of a container instance";
    if (str_empty(version))
        return "agentVersion must be given";
    if (str_empty(hash))
        return "agentHash must be given";
    if (docker && (!*docker || strchr(docker, ' ')))
        return "dockerVersion must be a bare version on this socket";
    return NULL;
}
