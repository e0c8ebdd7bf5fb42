#include "logs/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/http_client.h"

#define NAME_MAX_BYTES 512

enum use { HONORED, IGNORED };

/* What the Docker driver knows, and what ECS resolves itself. */
static const struct {
    const char *name;
    enum use use;
} known[] = {
    { "awslogs-create-group", HONORED },
    { "awslogs-endpoint", HONORED },
    { "awslogs-force-flush-interval-seconds", HONORED },
    { "awslogs-group", HONORED },
    { "awslogs-region", HONORED },
    { "awslogs-stream", HONORED },
    { "awslogs-stream-prefix", HONORED },
    { "awslogs-credentials-endpoint", IGNORED },
    { "awslogs-create-stream", IGNORED },
    { "awslogs-datetime-format", IGNORED },
    { "awslogs-format", IGNORED },
    { "awslogs-max-buffered-events", IGNORED },
    { "awslogs-multiline-pattern", IGNORED },
    { "cache-compress", IGNORED },
    { "cache-disabled", IGNORED },
    { "cache-max-file", IGNORED },
    { "cache-max-size", IGNORED },
    { "max-buffer-size", IGNORED },
    { "mode", IGNORED },
    { "tag", IGNORED },
};

/* NULL for an option that is absent or empty. */
static const char *get(const struct task_container *c, const char *name)
{
    for (size_t i = 0; i < c->n_log_options; i++) {
        if (streq(c->log_options[i].name, name))
            return str_empty(c->log_options[i].value) ? NULL : c->log_options[i].value;
    }
    return NULL;
}

static enum err_code check_names(const struct task_container *c, struct buf *ignored, struct err *e)
{
    for (size_t i = 0; i < c->n_log_options; i++) {
        const char *name = c->log_options[i].name;
        size_t k = 0;

        while (k < COUNT_OF(known) && !streq(known[k].name, name))
            k++;
        if (k == COUNT_OF(known))
            return err_set(e, ERR_INVALID, "unknown log opt '%.100s' for awslogs log driver", name);
        if (known[k].use == IGNORED)
            buf_printf(ignored, "%s%s", ignored->len ? " " : "", name);
    }
    if (get(c, "awslogs-datetime-format") && get(c, "awslogs-multiline-pattern"))
        return err_set(e, ERR_INVALID,
                       "you cannot configure log opt 'awslogs-datetime-format' and "
                       "'awslogs-multiline-pattern' at the same time");
    return ERR_OK;
}

/* Go's strconv.ParseBool, which the Docker driver uses. */
static enum err_code parse_bool(const char *text, bool *out, struct err *e)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (streq(text, yes[i]) || streq(text, no[i])) {
            *out = streq(text, yes[i]);
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "expected true or false, got '%.80s'", text);
}

static bool in_set(char ch, const char *more)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           strchr(more, ch);
}

static enum err_code check_group(const char *group, struct err *e)
{
    size_t n = group ? strlen(group) : 0;

    if (!n)
        return err_set(e, ERR_INVALID, "awslogs-group: must be given");
    if (n > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "awslogs-group: %zu bytes are more than %d", n,
                       NAME_MAX_BYTES);
    if (str_starts(group, "aws/"))
        return err_set(e, ERR_INVALID, "awslogs-group: '%.80s' begins with aws/", group);
    for (size_t i = 0; i < n; i++) {
        if (!in_set(group[i], "_-/.#"))
            return err_set(e, ERR_INVALID,
                           "awslogs-group: '%.80s' has characters other than A-Za-z0-9_-/.#",
                           group);
    }
    return ERR_OK;
}

static enum err_code check_stream(const char *stream, struct err *e)
{
    size_t n = strlen(stream);

    if (n > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "the log stream's name has %zu bytes, more than %d", n,
                       NAME_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (strchr(":*", stream[i]) || (unsigned char)stream[i] < ' ')
            return err_set(e, ERR_INVALID,
                           "the log stream's name '%.80s' has a colon, an asterisk or a "
                           "control character",
                           stream);
    }
    return ERR_OK;
}

/* The region becomes part of a host name, so nothing else may hide in it. */
static enum err_code check_region(const char *region, struct err *e)
{
    if (str_empty(region))
        return err_set(e, ERR_INVALID,
                       "awslogs-region: must be given, because the agent has no region either");
    for (const char *p = region; *p; p++) {
        if (!in_set(*p, "-") || p - region >= 64)
            return err_set(e, ERR_INVALID, "awslogs-region: '%.80s' is not a region", region);
    }
    return ERR_OK;
}

static char *stream_name(const struct task *t, const struct task_container *c,
                         const char *docker_id)
{
    const char *stream = get(c, "awslogs-stream"), *prefix = get(c, "awslogs-stream-prefix");

    if (stream)
        return mem_strdup(stream);
    if (prefix)
        return mem_printf("%s/%s/%s", prefix, c->name, t->id);
    return mem_strdup(docker_id);
}

static enum err_code read_all(const struct task *t, const struct task_container *c,
                              const char *docker_id, const struct aws *aws, struct log_options *o,
                              struct err *e)
{
    const char *endpoint = get(c, "awslogs-endpoint"), *region = get(c, "awslogs-region");
    const char *create = get(c, "awslogs-create-group");
    const char *flush = get(c, "awslogs-force-flush-interval-seconds");
    int64_t flush_s;

    if (check_group(get(c, "awslogs-group"), e))
        return e->code;
    o->group = mem_strdup(get(c, "awslogs-group"));
    o->stream = stream_name(t, c, docker_id);
    if (check_stream(o->stream, e))
        return e->code;
    o->region = mem_strdup(region ? region : aws_region(aws));
    if (check_region(o->region, e))
        return e->code;
    if (endpoint && http_url_check(endpoint, e))
        return err_wrap(e, "awslogs-endpoint");
    o->endpoint = endpoint ? mem_strdup(endpoint) : aws_endpoint(aws, AWS_LOGS, o->region);
    if (create && parse_bool(create, &o->create_group, e))
        return err_wrap(e, "awslogs-create-group");
    o->flush_ms = LOG_FLUSH_MS;
    if (flush) {
        if (str_to_int(flush, 1, INT32_MAX, &flush_s, e))
            return err_wrap(e, "awslogs-force-flush-interval-seconds");
        o->flush_ms = flush_s * 1000;
    }
    return ERR_OK;
}

enum err_code log_options_read(const struct task *t, const struct task_container *c,
                               const char *docker_id, const struct aws *aws,
                               struct log_options *out, struct err *e)
{
    struct log_options o = { 0 };
    AUTO(buf) struct buf ignored = BUF_INIT(4096);

    if (check_names(c, &ignored, e) || read_all(t, c, docker_id, aws, &o, e)) {
        log_options_fini(&o);
        return e->code;
    }
    if (ignored.len)
        o.ignored = buf_take(&ignored);
    *out = o;
    return ERR_OK;
}

void log_options_fini(struct log_options *o)
{
    free(o->group);
    free(o->stream);
    free(o->region);
    free(o->endpoint);
    free(o->ignored);
    *o = (struct log_options){ 0 };
}
