#pragma once
/* definition: how a task definition becomes a task; private to agent/task. `c` is an
 * element of containerDefinitions. Wrong types are reported through the cursor. */
#include "task/internal.h"

/* Members that are copied when they are there; the type is checked. */
void definition_copy_str(struct jw *w, const struct jcur *c, const char *key, const char *to);
void definition_copy_bool(struct jw *w, const struct jcur *c, const char *key, const char *to);
void definition_copy_int(struct jw *w, const struct jcur *c, const char *key, const char *to);
/* A list of strings; an empty one is left out. */
void definition_copy_strs(struct jw *w, const struct jcur *c, const char *key, const char *to);
/* An object of strings. */
void definition_copy_map(struct jw *w, const struct jcur *c, const char *key, const char *to);

/* The two texts of dockerConfig. */
void definition_write_config(struct jw *w, const struct jcur *c);
void definition_write_host_config(struct jw *w, const struct jcur *c, const char *network_mode);
