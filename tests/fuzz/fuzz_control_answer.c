/* links: control aws host config task io base */
/* What ECS answers to a registration, and to the question where its sessions are. */
#include "control/register_body.h"
#include "fuzz/fuzz.h"

/* Its reading of an answer is not worth a header. */
#include "control/discover.c"

static void check_registration(struct str body)
{
    static char name[] = "ecs.os-type", value[] = "linux";
    static struct attribute sent[] = { { name, value } };
    const struct attributes all[] = { { NULL, 0 }, { sent, COUNT_OF(sent) } };
    char *arn = NULL, *zone = NULL;

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct err e = { 0 };

        if (register_answer(body, &all[i], &arn, &zone, &e))
            LAW(*e.msg && !arn && !zone);
        else
            LAW(*arn);
        free(arn);
        free(zone);
        arn = zone = NULL;
    }
}

static void check_discovery(struct str body)
{
    const struct err fine = { 0 };
    const struct aws_result a = { .body = body, .error_code = "", .e = &fine, .attempts = 1 };
    struct discover *d = NEW(struct discover);

    read_answer(d, &a);
    for (size_t i = 0; i < COUNT_OF(d->places); i++) {
        const struct place *at = &d->places[i];

        LAW(at->last.code ? *at->last.msg && !at->endpoint : *at->endpoint);
        free(d->places[i].endpoint);
    }
    free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_registration(fuzz_str(data, size));
    check_discovery(fuzz_str(data, size));
    return 0;
}
