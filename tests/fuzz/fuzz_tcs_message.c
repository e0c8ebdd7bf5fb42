/* links: control */
/* A message of the control plane on the telemetry session, and the body of a refused handshake. */
#include "control/tcs_decode.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcs_message m;
    struct err e = { 0 };

    if (tcs_decode(fuzz_str(data, size), &m, &e)) {
        LAW(e.code == ERR_INVALID && *e.msg);
    } else {
        LAW(memchr(m.type, 0, sizeof m.type) && memchr(m.text, 0, sizeof m.text));
        LAW(m.kind == TCS_UNKNOWN || *m.type);
    }
    e = (struct err){ 0 };
    tcs_refusal(400, fuzz_str(data, size), &e);
    LAW(e.code && *e.msg);
    return 0;
}
