#pragma once
/* taskdef: what a task definition may say, and what it asks of a host.
 *
 * Pure. The messages are those of the real service where they are known. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define TASKDEF_CONTAINERS_MAX 10

/* Checks the meaning of a RegisterTaskDefinition request whose types are right. */
MUST_CHECK enum err_code taskdef_check(const struct jcur *request, struct err *e);

/* Writes the request as a task definition: the caller has opened the object and
 * adds arn, revision and status. Defaults are filled in, tags are left out. */
void taskdef_normalize(const struct jcur *request, struct jw *w);

/* "256", "0.5 vCPU" in units of 1/1024; "512", "1 GB" in MiB. */
MUST_CHECK enum err_code taskdef_cpu(const char *text, int64_t *units, struct err *e);
MUST_CHECK enum err_code taskdef_memory(const char *text, int64_t *mib, struct err *e);

struct taskdef_need {
    int64_t cpu, memory;
    uint16_t *tcp, *udp; /* host ports that are asked for by number */
    size_t tcp_count, udp_count;
    char **attributes; /* capabilities, without repetition */
    size_t attribute_count;
};

/* What a task needs. `definition` is in normal form; `overrides` may be absent. */
void taskdef_need(const struct jcur *definition, const struct jcur *overrides,
                  struct taskdef_need *out);
void taskdef_need_fini(struct taskdef_need *need);

/* The override of a container, absent when there is none. `overrides` is kept
 * alive by the caller; the list cursor is stored in *list. */
struct jcur taskdef_override(const struct jcur *overrides, const char *container,
                             struct jcur *list);

/* Is this `valueFrom` the ARN of a secret of Secrets Manager, in any partition? All
 * else is a parameter of SSM. */
bool taskdef_is_secret(const char *value_from);
