/* replay: the shadow is a second core made from a saved state and fed with recorded
 * events: it must wish the same. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void replay_compare(struct sim *s, size_t from, const struct buf *recorded)
{
    struct core_time now;
    struct core_actions theirs = { 0 };
    struct core_event_arena *arena = NULL;
    struct json_t *doc = NULL;
    struct core_event ev;
    struct err err = { 0 };
    struct jcur c;
    struct buf a = BUF_INIT(1 << 22), b = BUF_INIT(1 << 22);
    struct jw w;

    if (json_parse(buf_text(recorded), recorded->len, &doc, &err)) {
        broken(s, 0, "a recorded event is not JSON: %s", err.msg);
        return;
    }
    c = jcur_root(doc, &err);
    if (core_event_read(&c, &now, &ev, &arena, &err)) {
        broken(s, 0, "a recorded event cannot be read: %s", err.msg);
        json_free(doc);
        return;
    }
    core_step(s->shadow, now, &ev, &theirs);
    jw_init(&w, &b);
    for (size_t i = 0; i < theirs.n; i++)
        core_action_write(&w, &theirs.items[i]);
    jw_init(&w, &a);
    for (size_t i = from; i < s->pending.n; i++)
        core_action_write(&w, &s->pending.items[i]);
    trace(s, "  replay: %s", buf_text(&b));
    if (a.len != b.len || memcmp(buf_text(&a), buf_text(&b), a.len) != 0)
        broken(s, 0, "a replay decides otherwise: on %s\n  here:   %s\n  replay: %s",
               buf_text(recorded), buf_text(&a), buf_text(&b));
    buf_fini(&a);
    buf_fini(&b);
    core_actions_fini(&theirs);
    core_event_arena_destroy(arena);
    json_free(doc);
}

void replay_start(struct sim *s)
{
    struct buf b = BUF_INIT(1 << 22);
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c;
    struct jw w;

    jw_init(&w, &b);
    core_save(s->core, &w);
    if (json_parse(buf_text(&b), b.len, &doc, &e)) {
        broken(s, 0, "the saved state is not JSON: %s", e.msg);
    } else {
        c = jcur_root(doc, &e);
        if (core_load(&c, &s->shadow, &e))
            broken(s, 0, "the saved state cannot be loaded: %s", e.msg);
    }
    json_free(doc);
    buf_fini(&b);
}
