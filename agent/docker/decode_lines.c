/* The lines of the engine's streams: events, and the progress of a pull. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "docker/decode.h"

/* ---- events ---- */

static const struct {
    const char *text;
    enum docker_action action;
} actions[] = {
    { "create", DOCKER_CREATE },
    { "start", DOCKER_START },
    { "die", DOCKER_DIE },
    { "oom", DOCKER_OOM },
    { "destroy", DOCKER_DESTROY },
    { "restart", DOCKER_RESTART },
    { "health_status: healthy", DOCKER_HEALTHY },
    { "health_status: unhealthy", DOCKER_UNHEALTHY },
};

static bool action_of(const char *text, enum docker_action *out)
{
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (streq(text, actions[i].text)) {
            *out = actions[i].action;
            return true;
        }
    return false;
}

enum err_code docker_decode_event(struct str line, struct docker_event *out, bool *known,
                                  struct json_t **doc, struct err *e)
{
    struct docker_event ev = { 0 };
    struct json_t *parsed = NULL;
    struct err bad = { 0 };
    struct jcur root, actor, attrs;
    int64_t code = 0, nanos;

    if (docker_decode_json(line, "event", &parsed, e))
        return e->code;
    root = jcur_root(parsed, &bad);
    actor = jcur_obj(&root, "Actor");
    attrs = jcur_obj(&actor, "Attributes");
    ev.id = jcur_str(&actor, "ID");
    ev.name = jcur_str_or(&attrs, "name", "");
    ev.task_arn = jcur_str_or(&attrs, LABEL_TASK_ARN, NULL);
    ev.container_name = jcur_str_or(&attrs, LABEL_CONTAINER_NAME, NULL);
    ev.owner = jcur_str_or(&attrs, LABEL_OWNER, NULL);
    nanos = jcur_int_or(&root, "timeNano", 0, INT64_MAX, 0);
    ev.time_ms =
        nanos ? nanos / 1000000 : jcur_int_or(&root, "time", 0, INT64_MAX / 1000, 0) * 1000;
    *known = streq(jcur_str(&root, "Type"), "container") &&
             action_of(jcur_str(&root, "Action"), &ev.action) && *ev.id && jcur_ok(&root);
    if (!*known) {
        json_free(parsed);
        return ERR_OK;
    }
    if (ev.action == DOCKER_DIE) {
        const char *text = jcur_str_or(&attrs, "exitCode", "");

        ev.has_exit_code =
            jcur_ok(&root) && str_to_int(text, INT32_MIN, UINT32_MAX, &code, NULL) == ERR_OK;
        ev.exit_code = (int)code;
    }
    *out = ev;
    *doc = parsed;
    return ERR_OK;
}

/* ---- pull ---- */

static bool is_layer(const char *id)
{
    return strlen(id) == 12 && strspn(id, "0123456789abcdef") == 12;
}

/* Megabytes with one decimal below ten: "2.5", "31". */
static void megabytes(int64_t bytes, char *out, size_t n)
{
    if (bytes < 10 * 1000000)
        snprintf(out, n, "%" PRId64 ".%" PRId64, bytes / 1000000, bytes / 100000 % 10);
    else
        snprintf(out, n, "%" PRId64, bytes / 1000000);
}

static void say_progress(const struct jcur *root, char *out)
{
    struct jcur detail = jcur_get(root, "progressDetail");
    const char *status = jcur_str_or(root, "status", "");
    const char *id = jcur_str_or(root, "id", "");
    int64_t done = jcur_int_or(&detail, "current", 0, INT64_MAX, 0);
    int64_t total = jcur_int_or(&detail, "total", 0, INT64_MAX, 0);
    char have[24], all[24], amount[56] = "";

    if (total) {
        megabytes(done, have, sizeof have);
        megabytes(total, all, sizeof all);
        snprintf(amount, sizeof amount, " %s of %s MB", have, all);
    }
    if (!*status)
        *out = '\0';
    else if (is_layer(id))
        snprintf(out, DOCKER_PROGRESS_SIZE, "layer %s: %.120s%s", id, status, amount);
    else if (*id)
        snprintf(out, DOCKER_PROGRESS_SIZE, "%.70s: %.120s%s", id, status, amount);
    else
        snprintf(out, DOCKER_PROGRESS_SIZE, "%.180s%s", status, amount);
    out[str_utf8_prefix(out, strlen(out), DOCKER_PROGRESS_SIZE - 1)] = '\0';
}

enum err_code docker_decode_progress(struct str line, char human[DOCKER_PROGRESS_SIZE],
                                     struct err *e)
{
    AUTO(json) struct json_t *doc = NULL;
    struct err bad = { 0 };
    struct jcur root, error, detail;
    const char *text;

    if (docker_decode_json(line, "pull", &doc, e))
        return e->code;
    root = jcur_root(doc, &bad);
    error = jcur_get(&root, "error");
    detail = jcur_get(&root, "errorDetail");
    if (jcur_present(&error) || jcur_present(&detail)) {
        text = jcur_str_or(&root, "error", "");
        if (!*text)
            text = jcur_str_or(&detail, "message", "");
        return err_set(e, ERR_IO, "%s", *text ? text : "the pull failed");
    }
    /* Progress is for humans: a line that reads oddly must not fail a pull. */
    say_progress(&root, human);
    if (!jcur_ok(&root))
        human[0] = '\0';
    return ERR_OK;
}
