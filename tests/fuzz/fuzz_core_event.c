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
    const struct core_config cfg = laws_config();
    struct core *c = core_create(&cfg);
    struct core_time now = { 0 };
    struct str left = fuzz_str(data, size);

    while (left.n)
        step(c, fuzz_line(&left), &now);
    laws_reload(c, now);
    core_destroy(c);
    return 0;
}
