#pragma once
/* local_dir: the directory of local task definitions, BERTH_LOCAL_TASKS. Private to cli.
 *
 * Each "<name>.json" in it is a task definition as register-task-definition takes it.
 * Reads all at once when created, and again a moment after something changed. A file
 * that cannot be read or understood is logged once with the place of its fault, and
 * what was known of it before stays: damage stops nothing. At most 100 files of at most
 * 1 MiB each, those that begin with a dot aside. */
#include "config/config.h"
#include "engine/engine.h"
#include "io/loop.h"

struct local_dir;

#define LOCAL_DIR_MAX       100
#define LOCAL_DIR_MAX_BYTES (1 << 20)

/* Reads now, so that what the tasks need is known. `path` NULL or "": there are no
 * local tasks. Never fails; what goes wrong is logged. */
struct local_dir *local_dir_create(struct loop *loop, const char *path);
void local_dir_destroy(struct local_dir *d); /* NULL is fine; before the engine */

/* Gives the engine all there are, now and whenever they change. Before the engine's
 * first turn, so that they start before anything else. Borrows the engine. */
void local_dir_attach(struct local_dir *d, struct engine *en);

/* What the tasks need together: the control plane must not count on it. Borrowed until
 * the loop runs. */
struct local_need {
    int64_t cpu_units, memory_mib;
    struct port_list tcp, udp; /* host ports, each once, in ascending order */
};
const struct local_need *local_dir_need(const struct local_dir *d);

/* One file, for `berth run` too: its task under `arn`, and a digest of its content. The
 * name of the file is the family when it has none. `has_role`: it names a task role, which
 * a local task does not get. The error names the place in the file, not the file. */
#define LOCAL_DIGEST_SIZE 33
MUST_CHECK enum err_code local_file_read(const char *path, const char *arn, const char *name,
                                         struct task **out, char digest[LOCAL_DIGEST_SIZE],
                                         bool *has_role, struct err *e);
