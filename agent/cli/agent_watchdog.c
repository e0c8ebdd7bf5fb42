#include "cli/agent_watchdog.h"

#include "cli/agent_kept.h"
#include "io/service_manager.h"

#define PARTS 4

static void on_time(void *user)
{
    struct agent *a = user;

    kept_tell(a, "WATCHDOG=1");
    loop_timer_arm(a->watchdog, service_manager_watchdog_ms(a->manager) / PARTS);
}

void watchdog_begin(struct agent *a)
{
    if (!service_manager_watchdog_ms(a->manager))
        return;
    a->watchdog = loop_timer_create(a->loop, on_time, a);
    loop_timer_arm(a->watchdog, 0);
}

void watchdog_end(struct agent *a)
{
    loop_timer_destroy(a->watchdog);
}
