#include "logs/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/http_client.h"

#define NAME_MAX_BYTES 512

/* What the Docker driver knows, and what ECS resolves itself. */
static const char *const known[] = {
    "awslogs-create-group",
    "awslogs-endpoint",
    "awslogs-force-flush-interval-seconds",
    "awslogs-group",
    "awslogs-region",
    "awslogs-stream",
    "awslogs-stream-prefix",
    "awslogs-credentials-endpoint",
    "awslogs-create-stream",
    "awslogs-datetime-format",
    "awslogs-format",
    "awslogs-max-buffered-events",
    "awslogs-multiline-pattern",
    "cache-compress",
    "cache-disabled",
    "cache-max-file",
    "cache-max-size",
    "max-buffer-size",
    "mode",
    "tag",
};

/* What is given: the options with the secrets in, and which those are. */
struct given {
    const struct task_kv *options;
    size_t n;
    const struct task_kv *secrets;
    size_t n_secrets;
};

static bool has(const struct given *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (streq(g->options[i].name, name))
            return true;
    return false;
}

/* NULL for an option that is absent or empty. */
static const char *get(const struct given *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++) {
        if (streq(g->options[i].name, name))
            return str_empty(g->options[i].value) ? NULL : g->options[i].value;
    }
    return NULL;
}

/* The value as an error may quote it. */
static const char *shown(const struct given *g, const char *name)
{
    for (size_t i = 0; i < g->n_secrets; i++)
        if (streq(g->secrets[i].name, name) && !str_empty(g->secrets[i].value))
            return "(secret)";
    return get(g, name) ? get(g, name) : "";
}

/* As Go quotes. free() it. */
static char *quoted(const char *text)
{
    AUTO(buf) struct buf out = BUF_INIT(2000);

    buf_putc(&out, '"');
    for (size_t i = 0; i < 400 && text[i]; i++) {
        if (strchr("\"\\", text[i]))
            buf_putc(&out, '\\');
        buf_putc(&out, text[i]);
    }
    buf_putc(&out, '"');
    return buf_take(&out);
}

/* Go's strconv.ParseBool. */
static bool parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (streq(text, yes[i]) || streq(text, no[i])) {
            *out = streq(text, yes[i]);
            return true;
        }
    }
    return false;
}

static enum err_code read_bool(const struct given *g, const char *name, bool *out, struct err *e)
{
    const char *text = get(g, name);
    AUTO(str) char *quote = NULL;

    if (!text || parse_bool(text, out))
        return ERR_OK;
    quote = quoted(shown(g, name));
    return err_set(e, ERR_INVALID,
                   "must specify valid value for log opt '%s': strconv.ParseBool: parsing %s: "
                   "invalid syntax",
                   name, quote);
}

static enum err_code read_positive(const struct given *g, const char *name, int64_t *out,
                                   struct err *e)
{
    const char *text = get(g, name);

    if (!text || !str_to_int(text, 1, INT32_MAX, out, NULL))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "must specify a positive integer for log opt '%s': %.100s", name,
                   shown(g, name));
}

/* ---- rules of the engine, in its order and words ---- */

static enum err_code read_mode(const struct given *g, bool *blocking, struct err *e)
{
    const char *mode = get(g, "mode"), *cache = get(g, "cache-disabled");
    bool ignored;

    *blocking = !mode || streq(mode, "blocking");
    if (!*blocking && !streq(mode, "non-blocking"))
        return err_set(e, ERR_INVALID, "logger: logging mode not supported: %.100s",
                       shown(g, "mode"));
    if (cache && !parse_bool(cache, &ignored))
        return err_set(e, ERR_INVALID, "invalid value for option cache-disabled: %.100s",
                       shown(g, "cache-disabled"));
    return ERR_OK;
}

static enum err_code check_names(const struct given *g, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) {
        const char *name = g->options[i].name;
        size_t k = 0;

        while (k < COUNT_OF(known) && !streq(known[k], name))
            k++;
        if (k == COUNT_OF(known))
            return err_set(e, ERR_INVALID, "unknown log opt '%.100s' for awslogs log driver", name);
    }
    return ERR_OK;
}

static enum err_code check_exclusive(const struct given *g, struct err *e)
{
    bool datetime = has(g, "awslogs-datetime-format"),
         pattern = has(g, "awslogs-multiline-pattern");
    const char *format = get(g, "awslogs-format");

    if (datetime && pattern)
        return err_set(e, ERR_INVALID,
                       "you cannot configure log opt 'awslogs-datetime-format' and "
                       "'awslogs-multiline-pattern' at the same time");
    if (format && !streq(format, "json/emf"))
        return err_set(e, ERR_INVALID, "unsupported log format '%.100s'",
                       shown(g, "awslogs-format"));
    if (format && (datetime || pattern))
        return err_set(e, ERR_INVALID,
                       "you cannot configure log opt 'awslogs-datetime-format' or "
                       "'awslogs-multiline-pattern' when log opt 'awslogs-format' is set to "
                       "'json/emf'");
    return ERR_OK;
}

static char *command_of(const struct task_container *c)
{
    AUTO(buf) struct buf out = BUF_INIT(65536);

    for (size_t i = 0; i < c->n_entry_point; i++)
        buf_printf(&out, "%s%s", out.len ? " " : "", c->entry_point[i]);
    for (size_t i = 0; i < c->n_command; i++)
        buf_printf(&out, "%s%s", out.len ? " " : "", c->command[i]);
    return buf_take(&out);
}

/* What a container will be called is not known before it is there; its image is. */
static enum err_code expand(const char *template, const struct task_container *c,
                            const struct log_tag *tag, struct buf *out, struct err *e)
{
    struct log_tag full = { .id = "0123456789ab", .name = c->name, .image_id = "sha256:" };
    AUTO(str) char *command = command_of(c);

    if (tag)
        full = *tag;
    full.image = full.image ? full.image : c->image;
    full.command = full.command ? full.command : command;
    full.hostname = full.hostname ? full.hostname : "hostname";
    full.daemon = full.daemon ? full.daemon : "docker";
    return log_tag_expand(template, &full, out, e);
}

/* A tag is a template even where the stream's name is given. */
static enum err_code read_stream(const struct given *g, const struct task *t,
                                 const struct task_container *c, const char *docker_id,
                                 const struct log_tag *tag, struct buf *out, struct err *e)
{
    const char *stream = get(g, "awslogs-stream"), *prefix = get(g, "awslogs-stream-prefix");
    const char *template = get(g, "tag");
    struct err secret = { 0 };

    if (template && expand(template, c, tag, out, &secret))
        return err_set(e, ERR_INVALID, "failed to initialize logging driver: %s",
                       streq(shown(g, "tag"), template) ? secret.msg : "tag: (secret)");
    if (!stream && !prefix && template)
        return ERR_OK;
    buf_reset(out);
    if (stream)
        buf_puts(out, stream);
    else if (prefix)
        buf_printf(out, "%s/%s/%s", prefix, c->name, t->id);
    else
        buf_puts(out, tag || docker_id ? docker_id : "-");
    return ERR_OK;
}

static enum err_code read_pattern(const struct given *g, struct pattern **out, struct err *e)
{
    const char *format = get(g, "awslogs-datetime-format");
    const char *pattern = get(g, "awslogs-multiline-pattern");
    const char *name = format ? "awslogs-datetime-format" : "awslogs-multiline-pattern";
    AUTO(buf) struct buf text = BUF_INIT(PATTERN_TEXT_MAX + 1);
    AUTO(str) char *quote = NULL;
    struct err why = { 0 };

    if (!format && !pattern)
        return ERR_OK;
    if (format)
        datetime_pattern(format, &text);
    else
        buf_puts(&text, pattern);
    if (text.overflowed)
        return err_set(e, ERR_INVALID, "%s: is longer than %d bytes", name, PATTERN_TEXT_MAX);
    if (!pattern_compile(buf_text(&text), out, &why))
        return ERR_OK;
    if (streq(shown(g, name), "(secret)"))
        return err_set(e, ERR_INVALID, "awslogs could not parse multiline pattern key (secret)");
    quote = quoted(buf_text(&text));
    return err_set(e, ERR_INVALID,
                   "failed to initialize logging driver: awslogs could not parse multiline pattern "
                   "key %s: %s",
                   quote, why.msg);
}

/* ---- rules of the service ---- */

static bool in_set(char ch, const char *more)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           strchr(more, ch);
}

static enum err_code check_group(const struct given *g, struct err *e)
{
    const char *group = get(g, "awslogs-group"), *text = shown(g, "awslogs-group");
    size_t n = group ? strlen(group) : 0;

    if (!n)
        return err_set(e, ERR_INVALID, "must specify a value for log opt 'awslogs-group'");
    if (n > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "awslogs-group: %zu bytes are more than %d", n,
                       NAME_MAX_BYTES);
    if (str_starts(group, "aws/"))
        return err_set(e, ERR_INVALID, "awslogs-group: '%.80s' begins with aws/", text);
    for (size_t i = 0; i < n; i++) {
        if (!in_set(group[i], "_-/.#"))
            return err_set(e, ERR_INVALID,
                           "awslogs-group: '%.80s' has characters other than A-Za-z0-9_-/.#", text);
    }
    return ERR_OK;
}

static enum err_code check_stream(const struct given *g, const char *stream, struct err *e)
{
    size_t n = strlen(stream);

    if (!n)
        return err_set(e, ERR_INVALID, "the log stream's name is empty");
    if (n > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "the log stream's name has %zu bytes, more than %d", n,
                       NAME_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (strchr(":*", stream[i]) || (unsigned char)stream[i] < ' ')
            return err_set(e, ERR_INVALID,
                           "the log stream's name '%.80s' has a colon, an asterisk or a "
                           "control character",
                           g->n_secrets ? "(made with secrets)" : stream);
    }
    return ERR_OK;
}

/* The region becomes part of a host name, so nothing else may hide in it. */
static enum err_code read_region(const struct given *g, const struct aws *aws, char **out,
                                 struct err *e)
{
    const char *region = get(g, "awslogs-region"), *text = shown(g, "awslogs-region");

    if (!region)
        region = text = aws_region(aws);
    if (str_empty(region))
        return err_set(e, ERR_INVALID,
                       "failed to initialize logging driver: Cannot determine region for awslogs "
                       "driver");
    for (const char *p = region; *p; p++) {
        if (!in_set(*p, "-") || p - region >= 64)
            return err_set(e, ERR_INVALID, "awslogs-region: '%.80s' is not a region", text);
    }
    *out = mem_strdup(region);
    return ERR_OK;
}

static enum err_code read_endpoint(const struct given *g, const struct aws *aws, const char *region,
                                   char **out, struct err *e)
{
    const char *endpoint = get(g, "awslogs-endpoint");
    struct err why = { 0 };

    if (endpoint && http_url_check(endpoint, &why))
        return err_set(e, why.code, "awslogs-endpoint: %s",
                       streq(shown(g, "awslogs-endpoint"), endpoint) ? why.msg : "(secret)");
    *out = endpoint ? mem_strdup(endpoint) : aws_endpoint(aws, AWS_LOGS, region);
    return ERR_OK;
}

/* The keys that a stream is signed with are the instance's or the execution role's. An address that
 * the definition itself names would be somebody else's, and is not passed over in silence. */
static enum err_code check_credentials(const struct given *g, const struct task_container *c,
                                       struct err *e)
{
    if (get(g, "awslogs-credentials-endpoint") && !c->log_execution_role)
        return err_set(e, ERR_INVALID,
                       "awslogs-credentials-endpoint: only the execution role's credentials can be "
                       "used, by logsAuthStrategy");
    return ERR_OK;
}

/* ---- all ---- */

static enum err_code check_secrets(const struct given *g, const struct task_container *c,
                                   struct err *e)
{
    for (size_t i = 0; i < c->n_secrets; i++) {
        size_t k = 0;

        if (!c->secrets[i].log_driver)
            continue;
        while (k < g->n_secrets && !streq(g->secrets[k].name, c->secrets[i].name))
            k++;
        if (k == g->n_secrets)
            return err_set(e, ERR_RETRY, "log opt '%.100s' is a secret whose value is not here",
                           c->secrets[i].name);
    }
    return ERR_OK;
}

static enum err_code read_flags(const struct given *g, struct log_options *o, struct err *e)
{
    int64_t flush_s = 0, events;

    if (read_bool(g, "awslogs-create-group", &o->create_group, e) ||
        read_positive(g, "awslogs-force-flush-interval-seconds", &flush_s, e) ||
        read_positive(g, "awslogs-max-buffered-events", &events, e) || check_exclusive(g, e))
        return e->code;
    o->create_stream = true;
    if (flush_s)
        o->flush_ms = flush_s * 1000;
    return read_bool(g, "awslogs-create-stream", &o->create_stream, e);
}

static enum err_code read_all(const struct given *g, const struct task *t,
                              const struct task_container *c, const char *docker_id,
                              const struct log_tag *tag, const struct aws *aws,
                              struct log_options *o, struct err *e)
{
    AUTO(buf) struct buf stream = BUF_INIT(65536);
    const char *format = get(g, "awslogs-format");

    o->flush_ms = LOG_FLUSH_MS;
    if (check_secrets(g, c, e) || read_mode(g, &o->blocking, e) || check_names(g, e) ||
        check_group(g, e) || read_flags(g, o, e) || check_credentials(g, c, e) ||
        read_region(g, aws, &o->region, e) || read_endpoint(g, aws, o->region, &o->endpoint, e) ||
        read_stream(g, t, c, docker_id, tag, &stream, e) || check_stream(g, buf_text(&stream), e) ||
        read_pattern(g, &o->pattern, e))
        return e->code;
    o->group = mem_strdup(get(g, "awslogs-group"));
    o->stream = buf_take(&stream);
    o->format = format ? mem_strdup(format) : NULL;
    return ERR_OK;
}

enum err_code log_options_read(const struct task *t, const struct task_container *c,
                               const struct task_kv *secrets, size_t n_secrets,
                               const char *docker_id, const struct log_tag *tag,
                               const struct aws *aws, struct log_options *out, struct err *e)
{
    struct given g = { .secrets = secrets, .n_secrets = n_secrets };
    struct task_kv *options = task_log_options(c, secrets, n_secrets, &g.n);
    struct log_options o = { 0 };

    g.options = options;
    if (read_all(&g, t, c, docker_id, tag, aws, &o, e))
        log_options_fini(&o);
    else
        *out = o;
    free(options);
    return o.group ? ERR_OK : e->code;
}

void log_options_fini(struct log_options *o)
{
    free(o->group);
    free(o->stream);
    free(o->region);
    free(o->endpoint);
    free(o->format);
    pattern_destroy(o->pattern);
    *o = (struct log_options){ 0 };
}
