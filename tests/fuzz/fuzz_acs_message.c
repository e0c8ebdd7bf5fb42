/* links: control */
/* A message of the control plane, and the body of a refused handshake. */
#include "control/acs_decode.h"
#include "control/acs_memory.h"
#include "fuzz/fuzz.h"

static void decode(struct str text)
{
    struct acs_message m = { 0 };
    struct acs_memory *memory;
    struct acs_remembered kept = { 0 };
    struct err e = { 0 };

    if (acs_decode(text, &m, &e)) {
        LAW(e.code == ERR_INVALID && *e.msg);
        return;
    }
    LAW(memchr(m.type, 0, sizeof m.type));
    for (size_t i = 0; i < m.n_tasks; i++) {
        LAW(!m.tasks[i].task == !!m.tasks[i].error);
    }
    memory = NEW(struct acs_memory);
    acs_memory_add(memory, &m);
    LAW(acs_memory_take(memory, m.message_id ? m.message_id : "", &kept) ==
        !str_empty(m.message_id));
    acs_remembered_fini(&kept);
    acs_memory_fini(memory);
    free(memory);
    acs_message_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };

    decode(fuzz_str(data, size));
    acs_refusal(size ? 300 + data[0] : 400, fuzz_str(data, size), &e);
    LAW(e.code && *e.msg);
    return 0;
}
