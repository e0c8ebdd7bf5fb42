#pragma once
/* import: what `berth import` and `berth agent --shadow` tell alike of a reference agent's state.
 */
#include "base/json.h"
#include "config/config.h"
#include "reference/reference.h"

/* The settings of `file` with this process's environment; problems are not told, as the agent
 * tells them. Never NULL; config_destroy() it. */
struct config *import_config(const char *file);
/* The state in `from`, or where the settings say when that is NULL. What goes wrong is in `e`. */
MUST_CHECK enum err_code import_open(const char *from, const struct config *c, bool running,
                                     struct ref_state **out, struct err *e);
/* Who this instance is, the tasks, and what is not carried over, for people. */
void import_print(const struct ref_state *s, const struct config *c, const char *from);
/* The same as members of the object that is being written. */
void import_write(const struct ref_state *s, const struct config *c, const char *from,
                  struct jw *w);
/* How many tasks have this fate. */
size_t import_count(const struct ref_state *s, enum ref_fate fate);
