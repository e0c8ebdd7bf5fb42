#include <inttypes.h>

#include "base/mem.h"
#include "host/internal.h"

#define SYSTEMCTL_MS 30000

void host_args_fini(struct host_args *a)
{
    for (int i = 0; i < a->n; i++)
        free(a->argv[i]);
    *a = (struct host_args){ 0 };
}

static void add(struct host_args *a, char *text)
{
    if (a->n >= HOST_ARGS_MAX - 1)
        abort(); /* the vectors are all built below */
    a->argv[a->n++] = text;
    a->argv[a->n] = NULL;
}

void host_systemd_limits(struct host_args *a, const char *task_id,
                         const struct host_cgroup_limits *l)
{
    struct host_cpu cpu = host_cpu_of(l);

    add(a, mem_strdup("systemctl"));
    add(a, mem_strdup("set-property"));
    add(a, mem_strdup("--runtime"));
    add(a, mem_printf("ecstasks-%s.slice", task_id));
    if (cpu.quota_us) {
        add(a, mem_printf("CPUQuota=%" PRId64 "%%", cpu.quota_percent));
        add(a, mem_printf("CPUQuotaPeriodSec=%" PRId64 "us", cpu.period_us));
    } else {
        add(a, mem_printf("CPUWeight=%" PRId64, cpu.weight));
    }
    if (l->memory_bytes > 0)
        add(a, mem_printf("MemoryMax=%" PRId64, l->memory_bytes));
    if (l->pids > 0)
        add(a, mem_printf("TasksMax=%" PRId64, l->pids));
}

enum err_code host_systemctl(const char *verb, const char *task_id, struct err *e)
{
    struct host_args a = { 0 };
    enum err_code code;

    add(&a, mem_strdup("systemctl"));
    add(&a, mem_strdup(verb));
    if (task_id)
        add(&a, mem_printf("ecstasks-%s.slice", task_id));
    code = host_run_well((const char *const *)a.argv, SYSTEMCTL_MS, e);
    host_args_fini(&a);
    return code;
}
