#pragma once
/* internal: what the files of agent/task share. */
#include "task/task.h"

/* Members of one JSON object that becomes a list of pairs. */
#define TASK_MAX_PAIRS 10000
/* Ports that one container may map, ranges counted port by port. */
#define TASK_MAX_PORTS 10000

/* ---- decode ---- */

/* Everything of a container but what names other containers. On an error the
 * container is half-built, which task_destroy knows how to end. */
void task_container_decode(const struct jcur *c, struct task_container *out);
/* True for a volume that lives elsewhere (EFS and the like): a task that is to run
 * is refused, so nothing of the volume is decoded. */
bool task_volume_is_foreign(const struct jcur *c);
void task_volume_decode(const struct jcur *c, struct task_volume *out);

/* Refuses what cannot be had here and what the task would not be the same without.
 * Its containers are decoded already. */
void task_refuse_unsupported(const struct jcur *root, const struct task *t);

/* Resolves dependsOn, volumesFrom and links of every container, once all names
 * are known, and refuses a cycle; leaves room for one dependency more. `containers`
 * is the JSON array. */
void task_order_resolve(const struct jcur *containers, struct task *t);

/* The string members of an object, sorted by name so that equal objects give
 * equal lists; null is "". */
void task_pairs_decode(const struct jcur *obj, struct task_kv **out, size_t *n);

/* A copy of the member; NULL when it is absent or "". */
char *task_text_or_null(const struct jcur *c, const char *key);

bool dep_condition_parse(const char *text, enum dep_condition *out);
const char *dep_condition_name(enum dep_condition c);
const char *port_proto_name(enum port_proto p); /* "tcp" */

/* Whether the containers have a network of their own, which ports lead into. An
 * unknown network mode leaves Docker's default, which is one. */
bool task_maps_ports(const struct task *t);

/* ---- merge ---- */

enum merge_kind {
    MERGE_STR,
    MERGE_INT,
    MERGE_BOOL,
    MERGE_LIST, /* replaced whole; null clears */
    MERGE_STRS, /* as LIST; one string may stand for a list of one */
    MERGE_MAP,  /* merged key by key; null clears */
    MERGE_OBJ,  /* a nested struct; never in the base */
};

struct merge_field {
    const char *name;
    enum merge_kind kind;
};

/* Writes the members of `base` with `top` decoded on top, as Go decodes JSON into
 * a struct that is filled already: in the order of `fields`, under their names;
 * other members are dropped. Either cursor may be absent. A wrong type is
 * reported through `top`. */
void task_merge(struct jw *w, const struct jcur *base, const struct jcur *top,
                const struct merge_field *fields, size_t n);

/* ---- redact.c: members of an object that is being written, without secrets ---- */

void task_write_ports(struct jw *w, const struct task_container *c);
void task_write_deps(struct jw *w, const struct task *t, const struct task_container *c);
void task_write_restart(struct jw *w, const struct task_restart *p);
void task_write_docker_config(struct jw *w, const struct task_container *c);
void task_write_cpu(struct jw *w, double vcpus);

#define REMAINS_MAX 65536
