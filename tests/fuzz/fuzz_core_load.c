/* links: core */
/* A saved core as somebody's flight record has it. What loads can be stepped, also
 * when every operation and report that it may wait for ends badly. */
#include "fuzz/core_laws.h"

static void finish_all(struct core *c, struct core_time *now)
{
    static const enum err_code ends[] = { ERR_OK, ERR_NOT_FOUND, ERR_TIMEOUT, ERR_RETRY, ERR_IO };

    for (uint64_t id = 1; id < 12; id++) {
        struct core_event done = { .type = CORE_EV_OP_DONE };
        struct core_event reported = { .type = CORE_EV_REPORTED };

        done.u.op.id = reported.u.reported.id = id;
        done.u.op.err.code = ends[id % COUNT_OF(ends)];
        done.u.op.container_id = "";
        reported.u.reported.result = (enum core_report_result)(id % 3);
        reported.u.reported.error = "";
        now->mono_ms++;
        laws_step(c, *now, &done);
        laws_step(c, *now, &reported);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum core_event_type types[] = { CORE_EV_TIMER, CORE_EV_CONTROL_UP, CORE_EV_LISTED,
                                                  CORE_EV_STARTED, CORE_EV_TIMER };
    AUTO(json) struct json_t *doc = NULL, *saved = NULL;
    AUTO(buf) struct buf text = BUF_INIT(CORE_TEXT_MAX);
    struct core *c = NULL;
    struct core_time now = { 1000000, 1000000 };
    struct err e = { 0 };
    struct jcur root;

    if (json_parse((const char *)data, size, &doc, &e))
        return 0;
    root = jcur_root(doc, &e);
    if (core_load(&root, &c, &e)) {
        LAW(!c && *e.msg);
        return 0;
    }
    laws_describe(c, doc, now);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct core_event ev = { .type = types[i] };

        laws_step(c, now, &ev);
        now.mono_ms += 1000000;
        finish_all(c, &now);
    }
    saved = laws_save(c, now, &text);
    core_destroy(c);
    return 0;
}
