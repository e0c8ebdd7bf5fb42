/* logs_api: the CloudWatch Logs calls over logs_store. What a client is refused
 * for breaking a limit of PutLogEvents also counts as a protocol violation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cp.h"
#include "logs_read.h"
#include "logs_store.h"

#define PAGE_MAX (16 * 1024 * 1024)

struct logs {
    struct cp_server *server;
    struct log_store store;
};

static void invalid(struct cp_call *call, const char *text)
{
    cp_reply_error(call, 400, "InvalidParameterException", "%s", text);
}

/* True when a member was of the wrong type or missing; then it is answered. */
static bool refused(struct cp_call *call)
{
    const char *text = call->body.err->msg;

    if (jcur_ok(&call->body))
        return false;
    if (strstr(text, ", got "))
        cp_reply_error(call, 400, "SerializationException", "%s", text);
    else
        invalid(call, text);
    return true;
}

static void reply_nothing(struct cp_call *call)
{
    cp_reply(call, str_of("{}"));
}

static void group_missing(struct cp_call *call)
{
    cp_reply_error(call, 400, "ResourceNotFoundException",
                   "The specified log group does not exist.");
}

static void stream_missing(struct cp_call *call)
{
    cp_reply_error(call, 400, "ResourceNotFoundException",
                   "The specified log stream does not exist.");
}

/* The name at `key`, checked; NULL: answered. */
static const char *name_of(struct cp_call *call, const char *key, bool (*ok)(const char *))
{
    const char *name = jcur_str(&call->body, key);

    if (refused(call))
        return NULL;
    if (ok(name))
        return name;
    cp_reply_error(call, 400, "InvalidParameterException",
                   "1 validation error detected: Value '%.600s' at '%s' failed to satisfy "
                   "constraint: Member must satisfy the pattern and length of a name",
                   name, key);
    return NULL;
}

/* The group named by logGroupName, or by logGroupIdentifier (a name or an ARN). */
static struct log_group *group_of(struct logs *l, struct cp_call *call)
{
    const char *id = jcur_str_or(&call->body, "logGroupIdentifier", NULL);
    const char *name = jcur_str_or(&call->body, "logGroupName", NULL);
    struct log_group *g;
    const char *mark;
    char *cut;

    if (refused(call))
        return NULL;
    if (!id == !name) {
        invalid(call, "Exactly one of logGroupName and logGroupIdentifier must be given.");
        return NULL;
    }
    mark = id ? strstr(id, ":log-group:") : NULL;
    cut = mem_strdup(name ? name : mark ? mark + strlen(":log-group:") : id);
    if (id)
        cut[strcspn(cut, ":")] = '\0';
    if (!log_group_name_ok(cut)) {
        invalid(call, "1 validation error detected: Value at 'logGroupName' failed to satisfy "
                      "constraint: Member must satisfy the pattern and length of a name");
        free(cut);
        return NULL;
    }
    g = log_group_find(&l->store, cut);
    if (!g)
        group_missing(call);
    free(cut);
    return g;
}

/* ---- groups and streams ---- */

static void create_group(struct logs *l, struct cp_call *call)
{
    const char *name = name_of(call, "logGroupName", log_group_name_ok);
    const char *class_name;
    struct log_group *g;
    struct jcur tags, tag;

    if (!name)
        return;
    class_name = jcur_str_or(&call->body, "logGroupClass", "STANDARD");
    tags = jcur_obj(&call->body, "tags");
    for (size_t i = 0; jcur_member(&tags, i, &tag); i++)
        jcur_as_str(&tag);
    if (refused(call))
        return;
    if (!streq(class_name, "STANDARD") && !streq(class_name, "INFREQUENT_ACCESS") &&
        !streq(class_name, "DELIVERY")) {
        invalid(call, "logGroupClass must be STANDARD, INFREQUENT_ACCESS or DELIVERY");
    } else if (log_group_find(&l->store, name)) {
        cp_reply_error(call, 400, "ResourceAlreadyExistsException",
                       "The specified log group already exists");
    } else if (HASH_COUNT(l->store.groups) >= LOGS_GROUPS_MAX) {
        cp_reply_error(call, 400, "LimitExceededException", "Resource limit exceeded.");
    } else {
        g = log_group_add(&l->store, name, call->now_ms);
        mem_replace(&g->class_name, class_name);
        reply_nothing(call);
    }
}

static void create_stream(struct logs *l, struct cp_call *call)
{
    const char *group = name_of(call, "logGroupName", log_group_name_ok);
    const char *name = group ? name_of(call, "logStreamName", log_stream_name_ok) : NULL;
    struct log_group *g;

    if (!name)
        return;
    g = log_group_find(&l->store, group);
    if (!g) {
        group_missing(call);
    } else if (log_stream_find(g, name)) {
        cp_reply_error(call, 400, "ResourceAlreadyExistsException",
                       "The specified log stream already exists");
    } else if (HASH_COUNT(g->streams) >= LOGS_STREAMS_MAX) {
        cp_reply_error(call, 400, "LimitExceededException", "Resource limit exceeded.");
    } else {
        log_stream_add(g, name, call->now_ms);
        reply_nothing(call);
    }
}

static void delete_group(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);

    if (!g)
        return;
    log_group_remove(&l->store, g);
    reply_nothing(call);
}

static void delete_stream(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);
    const char *name = g ? name_of(call, "logStreamName", log_stream_name_ok) : NULL;
    struct log_stream *st;

    if (!name)
        return;
    st = log_stream_find(g, name);
    if (!st) {
        stream_missing(call);
        return;
    }
    log_stream_remove(&l->store, g, st);
    reply_nothing(call);
}

static void put_retention(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);
    int64_t days = jcur_int(&call->body, "retentionInDays", INT32_MIN, INT32_MAX);

    if (!g || refused(call))
        return;
    if (!log_retention_ok(days)) {
        cp_reply_error(call, 400, "InvalidParameterException",
                       "1 validation error detected: Value '%" PRId64 "' at 'retentionInDays' "
                       "failed to satisfy constraint: Member must satisfy enum value set",
                       days);
        return;
    }
    g->retention_days = (int)days;
    reply_nothing(call);
}

static void delete_retention(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);

    if (!g)
        return;
    g->retention_days = 0;
    reply_nothing(call);
}

/* ---- events in ---- */

/* Reads logEvents into a fresh array (free it); NULL when a member is wrong. */
static struct log_input *read_batch(const struct jcur *events, size_t n)
{
    struct log_input *in = mem_array(n, sizeof *in);

    JCUR_EACH (ev, events) {
        struct jcur text = jcur_get(&ev, "message");

        in[ev_i].at_ms = jcur_int(&ev, "timestamp", 0, INT64_MAX);
        in[ev_i].text = jcur_as_bytes(&text);
    }
    if (jcur_ok(events))
        return in;
    free(in);
    return NULL;
}

static void reply_put(struct cp_call *call, uint64_t seq, const struct log_rejects *rj)
{
    struct buf b = BUF_INIT(4096);
    char token[64];
    struct jw w;

    snprintf(token, sizeof token, "%056" PRIu64, seq);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "nextSequenceToken", token);
    if (rj->too_new_start >= 0 || rj->too_old_end >= 0 || rj->expired_end >= 0) {
        jw_kobject(&w, "rejectedLogEventsInfo");
        if (rj->too_new_start >= 0)
            jw_kint(&w, "tooNewLogEventStartIndex", rj->too_new_start);
        if (rj->too_old_end >= 0)
            jw_kint(&w, "tooOldLogEventEndIndex", rj->too_old_end);
        if (rj->expired_end >= 0)
            jw_kint(&w, "expiredLogEventEndIndex", rj->expired_end);
        jw_end(&w);
    }
    jw_end(&w);
    cp_reply(call, buf_str(&b));
    buf_fini(&b);
}

static void put_events(struct logs *l, struct cp_call *call)
{
    const char *group = name_of(call, "logGroupName", log_group_name_ok);
    const char *stream = group ? name_of(call, "logStreamName", log_stream_name_ok) : NULL;
    struct jcur events;
    struct log_rejects rejects;
    struct log_input *in;
    struct log_group *g;
    struct log_stream *st;
    struct err e = { 0 };
    size_t n;

    if (!stream)
        return;
    events = jcur_get(&call->body, "logEvents");
    if (!jcur_present(&events) || jcur_type(&events) != JSON_ARR)
        jcur_fail(&events, "expected array, but it is missing");
    n = jcur_len(&events);
    in = read_batch(&events, n);
    if (!in) {
        cp_violation(l->server, "PutLogEvents: %s", call->body.err->msg);
        refused(call);
        return;
    }
    g = log_group_find(&l->store, group);
    st = g ? log_stream_find(g, stream) : NULL;
    if (log_batch_check(in, n, &e)) {
        cp_violation(l->server, "PutLogEvents to %s %s: %s", group, stream, e.msg);
        invalid(call, e.msg);
    } else if (!g) {
        group_missing(call);
    } else if (!st) {
        stream_missing(call);
    } else if (log_stream_put(&l->store, g, st, in, n, call->now_ms, &rejects, &e)) {
        cp_violation(l->server, "PutLogEvents to %s %s: %s", group, stream, e.msg);
        invalid(call, e.msg);
    } else {
        reply_put(call, l->store.last_seq, &rejects);
    }
    free(in);
}

/* ---- events out ---- */

/* The common members of the two reading calls; false: answered. */
static bool read_range(struct cp_call *call, struct log_range *r)
{
    r->start_ms = jcur_int_or(&call->body, "startTime", 0, INT64_MAX, 0);
    r->end_ms = jcur_int_or(&call->body, "endTime", 0, INT64_MAX, INT64_MAX);
    r->limit = (size_t)jcur_int_or(&call->body, "limit", 1, 10000, 10000);
    r->token = jcur_str_or(&call->body, "nextToken", NULL);
    return !refused(call);
}

static void get_events(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);
    const char *name = g ? name_of(call, "logStreamName", log_stream_name_ok) : NULL;
    bool from_head = jcur_bool_or(&call->body, "startFromHead", false);
    struct buf out = BUF_INIT(PAGE_MAX);
    struct log_range range;
    struct log_stream *st;
    struct err e = { 0 };

    if (!name || !read_range(call, &range))
        return;
    st = log_stream_find(g, name);
    if (!st)
        stream_missing(call);
    else if (log_read_stream(st, &range, from_head, &out, &e))
        invalid(call, e.msg);
    else
        cp_reply(call, buf_str(&out));
    buf_fini(&out);
}

static void filter_events(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);
    const char *pattern = jcur_str_or(&call->body, "filterPattern", "");
    const char *prefix = jcur_str_or(&call->body, "logStreamNamePrefix", NULL);
    struct jcur names = jcur_arr(&call->body, "logStreamNames");
    struct buf out = BUF_INIT(PAGE_MAX);
    struct log_range range;
    struct log_filter *filter = NULL;
    struct log_stream **chosen, *st, *next;
    struct err e = { 0 };
    size_t count = 0;

    if (!g || !read_range(call, &range))
        return;
    if (prefix && jcur_present(&names)) {
        invalid(call, "logStreamNames and logStreamNamePrefix cannot be given together.");
        return;
    }
    if (jcur_present(&names) && (jcur_len(&names) < 1 || jcur_len(&names) > 100)) {
        invalid(call, "logStreamNames must have 1 to 100 members.");
        return;
    }
    if (strlen(pattern) > 1024 || log_filter_parse(pattern, &filter, &e)) {
        invalid(call, e.code ? e.msg : "filterPattern is longer than 1024 characters.");
        return;
    }
    chosen = mem_array(HASH_COUNT(g->streams) + 100, sizeof(struct log_stream *));
    JCUR_EACH (name, &names) {
        st = log_stream_find(g, jcur_as_str(&name));
        if (!st)
            e.code = ERR_NOT_FOUND;
        else
            chosen[count++] = st;
    }
    if (!jcur_present(&names)) {
        HASH_ITER (hh, g->streams, st, next) {
            if (!prefix || str_starts(st->name, prefix))
                chosen[count++] = st;
        }
    }
    if (refused(call))
        ;
    else if (e.code)
        stream_missing(call);
    else if (log_read_filtered(chosen, count, filter, &range, &out, &e))
        invalid(call, e.msg);
    else
        cp_reply(call, buf_str(&out));
    free(chosen);
    log_filter_destroy(filter);
    buf_fini(&out);
}

static void describe_groups(struct logs *l, struct cp_call *call)
{
    struct log_describe d = {
        .prefix = jcur_str_or(&call->body, "logGroupNamePrefix", NULL),
        .pattern = jcur_str_or(&call->body, "logGroupNamePattern", NULL),
        .limit = (size_t)jcur_int_or(&call->body, "limit", 1, 50, 50),
        .token = jcur_str_or(&call->body, "nextToken", NULL),
        .region = call->region,
        .account = cp_server_account(l->server),
    };
    struct buf out = BUF_INIT(PAGE_MAX);

    if (refused(call))
        return;
    if (d.prefix && d.pattern) {
        invalid(call, "LogGroup name prefix and LogGroup name pattern are mutually exclusive.");
        return;
    }
    log_describe_groups(&l->store, &d, &out);
    cp_reply(call, buf_str(&out));
    buf_fini(&out);
}

static void describe_streams(struct logs *l, struct cp_call *call)
{
    struct log_group *g = group_of(l, call);
    const char *order = jcur_str_or(&call->body, "orderBy", "LogStreamName");
    struct log_describe d = {
        .prefix = jcur_str_or(&call->body, "logStreamNamePrefix", NULL),
        .limit = (size_t)jcur_int_or(&call->body, "limit", 1, 50, 50),
        .token = jcur_str_or(&call->body, "nextToken", NULL),
        .descending = jcur_bool_or(&call->body, "descending", false),
        .by_time = streq(order, "LastEventTime"),
        .region = call->region,
        .account = cp_server_account(l->server),
    };
    struct buf out = BUF_INIT(PAGE_MAX);
    struct err e = { 0 };

    if (!g || refused(call))
        return;
    if (!d.by_time && !streq(order, "LogStreamName"))
        invalid(call, "orderBy must be LogStreamName or LastEventTime.");
    else if (d.by_time && d.prefix)
        invalid(call, "Cannot order by LastEventTime with a logStreamNamePrefix.");
    else if (log_describe_streams(g, &d, &out, &e))
        invalid(call, e.msg);
    else
        cp_reply(call, buf_str(&out));
    buf_fini(&out);
}

/* ---- wiring ---- */

static void on_call(void *user, struct cp_call *call)
{
    static const struct {
        const char *name;
        void (*fn)(struct logs *l, struct cp_call *call);
    } operations[] = {
        { "PutLogEvents", put_events },
        { "CreateLogStream", create_stream },
        { "CreateLogGroup", create_group },
        { "GetLogEvents", get_events },
        { "FilterLogEvents", filter_events },
        { "DescribeLogGroups", describe_groups },
        { "DescribeLogStreams", describe_streams },
        { "DeleteLogGroup", delete_group },
        { "DeleteLogStream", delete_stream },
        { "PutRetentionPolicy", put_retention },
        { "DeleteRetentionPolicy", delete_retention },
    };

    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        if (streq(call->operation, operations[i].name)) {
            operations[i].fn(user, call);
            return;
        }
    }
    cp_reply_error(call, 400, "UnknownOperationException", "%s is not served here",
                   call->operation);
}

static void on_admin(void *user, struct cp_http *h)
{
    struct logs *l = user;
    struct buf b = BUF_INIT(1024);
    struct jw w;

    jw_init(&w, &b);
    jw_object(&w);
    jw_kint(&w, "groups", (int64_t)HASH_COUNT(l->store.groups));
    jw_kint(&w, "events", (int64_t)l->store.events);
    jw_kint(&w, "bytes", (int64_t)l->store.bytes);
    jw_kint(&w, "dropped_events", (int64_t)l->store.dropped);
    jw_kint(&w, "stream_limit_bytes", (int64_t)LOGS_STREAM_BYTES);
    jw_kint(&w, "total_limit_bytes", (int64_t)LOGS_TOTAL_BYTES);
    jw_end(&w);
    cp_http_reply(h, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void on_exit_logs(void *user)
{
    struct logs *l = user;

    log_store_fini(&l->store);
    free(l);
}

void cp_logs_add(struct cp_server *s)
{
    struct logs *l = NEW(struct logs);

    l->server = s;
    cp_server_add_service(s, "Logs_20140328", "logs", on_call, l);
    cp_server_add_path(s, "/_local/logs", on_admin, l);
    cp_server_at_exit(s, on_exit_logs, l);
}
