#pragma once
/* watch: tells that something changed in a directory.
 *
 * Never what: whoever is told looks for himself. The directory need not be there: its
 * coming and going are changes too, for as long as some directory above it is there.
 * Several changes may be told at once, and one that turns out to be none. Where the
 * kernel gives no such news (no watch is left, a file system without them) `changed`
 * is called every ten seconds instead. */
#include "io/loop.h"

struct watch;

/* Nothing that changes after this returns is missed. `path` is copied. */
struct watch *watch_create(struct loop *l, const char *path, loop_fn *changed, void *user);
void watch_destroy(struct watch *w); /* NULL is fine */
