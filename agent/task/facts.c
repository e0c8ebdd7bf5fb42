#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "task/internal.h"

void ctr_facts_fini(struct ctr_facts *f)
{
    free(f->bindings);
    memset(f, 0, sizeof *f);
}

void ctr_facts_copy(struct ctr_facts *to, const struct ctr_facts *from)
{
    struct port_binding *bindings = NULL;

    if (to == from)
        return;
    if (from->n_bindings) {
        bindings = mem_array(from->n_bindings, sizeof *bindings);
        memcpy(bindings, from->bindings, from->n_bindings * sizeof *bindings);
    }
    free(to->bindings);
    *to = *from;
    to->bindings = bindings;
}
