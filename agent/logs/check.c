/* check: what stops a task before its container is created, because its log could not be shipped.
 */
#include "logs/internal.h"

#include <stdlib.h>

static enum err_code check(const struct logs *l, const struct logs_container *of,
                           const struct task_container *c, struct err *e)
{
    struct log_options options;
    struct task_spool spool;

    if (task_spool_of(c, l->args.spool_bytes, &spool, e) ||
        log_options_read(of->task, c, of->secrets, of->n_secrets, NULL, NULL, l->args.aws, &options,
                         e))
        return e->code;
    log_options_fini(&options);
    return ERR_OK;
}

enum err_code logs_check(const struct logs *l, const struct logs_container *of, struct err *e)
{
    struct task_container c = of->task->containers[of->container];
    enum err_code code;

    if (!c.log_driver || !streq(c.log_driver, "awslogs"))
        return ERR_OK;
    c.log_options = task_log_options(&c, of->secrets, of->n_secrets, &c.n_log_options);
    code = check(l, of, &c, e);
    free(c.log_options);
    /* Whoever looks for what the engine says to such options finds this. */
    return code ? err_wrap(e, "Error response from daemon") : ERR_OK;
}
