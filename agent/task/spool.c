/* spool: how much of the disk a log may take that waits to be shipped. */
#include <string.h>

#include "base/mem.h"
#include "task/task.h"

static const char *option(const struct task_container *c, const char *name)
{
    for (size_t i = 0; i < c->n_log_options; i++)
        if (streq(c->log_options[i].name, name))
            return str_empty(c->log_options[i].value) ? NULL : c->log_options[i].value;
    return NULL;
}

/* "25m", "1.5GB", "4096": what Docker's options take, in powers of 1024. */
static bool parse_size(const char *text, int64_t *out)
{
    static const char units[] = "kmgt";
    size_t n = strlen(text), digits = strspn(text, "0123456789.");
    AUTO(str) char *number = mem_strndup(text, digits);
    const char *unit = text + digits, *found;
    int64_t scale = 1, whole;
    char *point = strchr(number, '.');
    double fraction = 0, part = 1;

    if (point)
        *point++ = '\0';
    if (!digits || str_to_int(*number ? number : "0", 0, (int64_t)1 << 40, &whole, NULL))
        return false;
    for (const char *p = point; p && *p; p++) {
        if (*p == '.')
            return false;
        part /= 10;
        fraction += (*p - '0') * part;
    }
    while (*unit == ' ')
        unit++;
    if (*unit) {
        found = strchr(units, *unit | 0x20);
        if (found && *found) {
            for (const char *u = units; u <= found; u++)
                scale *= 1024;
            unit++;
        }
        if ((*unit | 0x20) == 'i' && scale > 1)
            unit++;
        if ((*unit | 0x20) == 'b')
            unit++;
    }
    if (unit != text + n || whole > INT64_MAX / 2 / scale)
        return false;
    *out = whole * scale + (int64_t)(fraction * (double)scale);
    return true;
}

struct task_kv *task_log_options(const struct task_container *c, const struct task_kv *secrets,
                                 size_t n_secrets, size_t *n)
{
    struct task_kv *out = mem_array(c->n_log_options + n_secrets, sizeof *out);
    size_t all = 0;

    for (size_t i = 0; i < c->n_log_options; i++)
        out[all++] = c->log_options[i];
    for (size_t i = 0; i < n_secrets; i++) {
        size_t k = 0;

        if (str_empty(secrets[i].value))
            continue;
        while (k < all && !streq(out[k].name, secrets[i].name))
            k++;
        out[k] = secrets[i];
        all += k == all;
    }
    *n = all; /* which may be the container's own */
    return out;
}

enum err_code task_spool_of(const struct task_container *c, int64_t wished, struct task_spool *out,
                            struct err *e)
{
    const char *mode = option(c, "mode"), *size = option(c, "max-buffer-size");
    int64_t total = wished ? wished : TASK_SPOOL_BYTES;

    if (size) {
        if (!mode || !streq(mode, "non-blocking"))
            return err_set(e, ERR_INVALID,
                           "logger: max-buffer-size option is only supported with "
                           "'mode=non-blocking'");
        if (!parse_size(size, &total) || total <= 0)
            return err_set(e, ERR_INVALID,
                           "error parsing option max-buffer-size: invalid size: '%.80s'", size);
    }
    if (total < TASK_SPOOL_LEAST)
        total = TASK_SPOOL_LEAST;
    *out = (struct task_spool){ total / (TASK_SPOOL_FILES + TASK_SPOOL_RESERVE), TASK_SPOOL_FILES };
    return ERR_OK;
}
