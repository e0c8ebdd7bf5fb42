#pragma once
/* list: an intrusive doubly linked list with a sentinel head. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

struct list {
    struct list *prev, *next;
};

static inline UNUSED void list_init(struct list *l)
{
    l->prev = l->next = l;
}

#ifdef __clang_analyzer__
/* It does not see that what was taken out of a list is found there no more, and takes every
 * loop that empties one for a use after free. So it is not told what these do. */
bool list_empty_(void *l);
#define list_empty(l) list_empty_((void *)(uintptr_t)(l))
void list_remove(struct list *node);
#else
static inline UNUSED bool list_empty(const struct list *l)
{
    return l->next == l;
}
#endif

static inline UNUSED void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Safe for a node that is in no list but initialised. */
#ifndef __clang_analyzer__
static inline UNUSED void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
#endif

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* `next` is fetched before the body, so the body may remove `it`. */
/* NOLINTBEGIN(bugprone-macro-parentheses): what is declared stands in no parentheses */
#define LIST_FOREACH(it, following, head)                                     \
    for (struct list *it = (head)->next, *following = it->next; it != (head); \
         it = following, following = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */
