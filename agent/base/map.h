#pragma once
/* map: uthash, and what clang's analyzer is told of it. */
#include <uthash.h>

#ifdef __clang_analyzer__
/* As with list_remove: what was taken out of a table is found there no more. */
void map_changed_(void *head, void *item);
#undef HASH_DELETE
#undef HASH_ADD_KEYPTR_BYHASHVALUE
#define HASH_DELETE(hh, head, item)                                      map_changed_(&(head), item)
#define HASH_ADD_KEYPTR_BYHASHVALUE(hh, head, key, key_size, hash, item) map_changed_(&(head), item)
#endif
