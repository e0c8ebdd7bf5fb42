/* LogConfig of a container, edited in the order of the reference: the credentials of
 * the execution role, a roomier buffer, then secrets. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/create_body.h"

#define CREDENTIALS_OPTION "awslogs-credentials-endpoint"
#define BUFFER_OPTION      "max-buffer-size"

/* Docker writes the file, Berth reads it and ships the lines. */
static void write_shipped_log(struct jw *w, const struct task_create_args *a)
{
    struct task_container c = a->task->containers[a->container];
    struct task_spool spool = { 0 };
    struct err e = { 0 };
    char text[24];

    c.log_options = task_log_options(&c, a->log_secrets, a->n_log_secrets, &c.n_log_options);
    /* Bad options were an error before it came to this. */
    if (task_spool_of(&c, a->log_spool_bytes, &spool, &e))
        spool = (struct task_spool){ TASK_SPOOL_LEAST, TASK_SPOOL_FILES };
    free(c.log_options);
    jw_kstr(w, "Type", a->log_local ? "local" : "json-file");
    jw_kobject(w, "Config");
    snprintf(text, sizeof text, "%" PRId64, spool.bytes);
    jw_kstr(w, "max-size", text);
    snprintf(text, sizeof text, "%d", spool.files);
    jw_kstr(w, "max-file", text);
    jw_kstr(w, "compress", "false");
    jw_end(w);
}

/* Names of options are exact, as the keys of a Go map. */
static const char *option(const struct jcur *options, const char *name)
{
    struct jcur m = jcur_exact(options, name);

    return jcur_present(&m) ? jcur_as_str(&m) : NULL;
}

/* The last secret of that name counts; an empty one sets nothing. */
static bool is_secret(const struct task_create_args *a, size_t from, const char *name)
{
    for (size_t i = from; i < a->n_log_secrets; i++)
        if (!str_empty(a->log_secrets[i].value) && streq(a->log_secrets[i].name, name))
            return true;
    return false;
}

static void write_options(struct jw *w, const struct task_create_args *a,
                          const struct jcur *options)
{
    bool role = a->task->containers[a->container].log_execution_role;
    struct jcur m;

    for (size_t i = 0; jcur_member(options, i, &m); i++) {
        if (i == TASK_MAX_PAIRS) {
            jcur_fail(options, "more than %d members", TASK_MAX_PAIRS);
            return;
        }
        if (!is_secret(a, 0, m.key) && !(role && streq(m.key, CREDENTIALS_OPTION)))
            jw_kstr(w, m.key, jcur_present(&m) ? jcur_as_str(&m) : "");
    }
}

/* A driver that may drop lines gets a roomier buffer than Docker's own 1 MiB. */
static bool wants_buffer(const struct jcur *options)
{
    const char *mode = option(options, "mode");

    return mode && streq(mode, "non-blocking") && !option(options, BUFFER_OPTION);
}

static void write_other_log(struct jw *w, const struct task_create_args *a, const char *type,
                            const struct jcur *options)
{
    bool role = a->task->containers[a->container].log_execution_role;

    jw_kstr(w, "Type", type);
    if (!jcur_present(options) && !role && !a->n_log_secrets)
        return;
    jw_kobject(w, "Config");
    write_options(w, a, options);
    /* As the reference does: for any driver, although only one knows it. */
    if (role && !is_secret(a, 0, CREDENTIALS_OPTION)) {
        AUTO(str) char *uri = mem_printf(CREDENTIALS_PATH "%s", a->task->execution_credentials_id);

        jw_kstr(w, CREDENTIALS_OPTION, uri);
    }
    if (wants_buffer(options) && !is_secret(a, 0, BUFFER_OPTION))
        jw_kstr(w, BUFFER_OPTION, "10m");
    for (size_t i = 0; i < a->n_log_secrets; i++)
        if (!str_empty(a->log_secrets[i].value) && !is_secret(a, i + 1, a->log_secrets[i].name))
            jw_kstr(w, a->log_secrets[i].name, a->log_secrets[i].value);
    jw_end(w);
}

void create_write_log_config(struct jw *w, const struct task_create_args *a, const struct jcur *top)
{
    struct jcur log = jcur_obj(top, "LogConfig");
    struct jcur options = jcur_obj(&log, "Config");
    const char *type = jcur_str_or(&log, "Type", "");

    if (!*type)
        return;
    jw_kobject(w, "LogConfig");
    if (streq(type, "awslogs"))
        write_shipped_log(w, a);
    else
        write_other_log(w, a, type, &options);
    jw_end(w);
}
