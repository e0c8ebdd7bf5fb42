/* links: core */
/* A flight record: events, one a line, given to a small core. Whatever they are,
 * its state can be saved and loaded, and the loaded core saves the same. */
#include "fuzz/core_laws.h"

static void step(struct core *c, struct str line, struct core_time *now)
{
    AUTO(json) struct json_t *doc = NULL;
    struct core_event_arena *arena = NULL;
    struct core_event ev;
    struct err e = { 0 };
    struct jcur root;

    if (json_parse(line.p, line.n, &doc, &e))
        return;
    root = jcur_root(doc, &e);
    if (core_event_read(&root, now, &ev, &arena, &e))
        return;
    laws_step(c, *now, &ev);
    core_event_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t reserved[] = { 22, 2375, 2376, 51678, 51679 };
    const struct core_config cfg = { .seed = 7,
                                     .cpu_units = 2048,
                                     .memory_mib = 1024,
                                     .reserved_tcp = reserved,
                                     .n_reserved_tcp = COUNT_OF(reserved),
                                     .stop_timeout_ms = 30000,
                                     .create_timeout_ms = 240000,
                                     .start_timeout_ms = 180000,
                                     .pull_timeout_ms = 7200000,
                                     .pull_inactivity_ms = 60000,
                                     .cleanup_wait_ms = 1000,
                                     .drain_ms = 1000,
                                     .ageing_ms = 30000,
                                     .start_parallel = 2,
                                     .pull_parallel = 2,
                                     .image_interval_ms = 1800000,
                                     .disk_check_ms = 30000 };
    struct core *c = core_create(&cfg);
    struct core_time now = { 0 };
    struct str left = fuzz_str(data, size);

    while (left.n)
        step(c, fuzz_line(&left), &now);
    laws_reload(c, now);
    core_destroy(c);
    return 0;
}
