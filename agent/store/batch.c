#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/internal.h"

struct store_batch *store_batch_create(void)
{
    return NEW(struct store_batch);
}

void store_batch_destroy(struct store_batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++) {
        free(b->ops[i].key);
        free(b->ops[i].value);
    }
    free(b->ops);
    free(b->slots);
    free(b);
}

static size_t hash(enum store_kind kind, const char *key)
{
    uint64_t h = 14695981039346656037u ^ (uint64_t)kind; /* FNV-1a */

    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t *slot_of(struct store_batch *b, enum store_kind kind, const char *key)
{
    size_t mask = b->slots_n - 1;

    for (size_t i = hash(kind, key) & mask;; i = (i + 1) & mask) {
        size_t *slot = &b->slots[i];

        if (!*slot)
            return slot;
        if (b->ops[*slot - 1].kind == kind && streq(b->ops[*slot - 1].key, key))
            return slot;
    }
}

static void grow(struct store_batch *b)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 16;
        b->ops = mem_resize(b->ops, b->cap, sizeof *b->ops);
    }
    if (2 * (b->n + 1) <= b->slots_n)
        return;
    b->slots_n = b->slots_n ? 2 * b->slots_n : 32;
    free(b->slots);
    b->slots = mem_array(b->slots_n, sizeof *b->slots);
    for (size_t i = 0; i < b->n; i++)
        *slot_of(b, b->ops[i].kind, b->ops[i].key) = i + 1;
}

/* One operation a key: several changes of a task in one turn cost one write. */
static void add(struct store_batch *b, enum store_kind kind, const char *key, const char *value)
{
    size_t *slot;

    grow(b);
    slot = slot_of(b, kind, key);
    if (*slot) {
        mem_replace(&b->ops[*slot - 1].value, value);
        return;
    }
    b->ops[b->n++] = (struct batch_op){ kind, mem_strdup(key), mem_strdup(value) };
    *slot = b->n;
}

void store_batch_put(struct store_batch *b, enum store_kind kind, const char *key,
                     const char *value)
{
    add(b, kind, key, value);
}

void store_batch_delete(struct store_batch *b, enum store_kind kind, const char *key)
{
    add(b, kind, key, NULL);
}

size_t store_batch_size(const struct store_batch *b)
{
    return b->n;
}

void store_batch_append(struct store_batch *b, struct store_batch *later)
{
    for (size_t i = 0; i < later->n; i++) {
        struct batch_op *op = &later->ops[i];

        add(b, op->kind, op->key, op->value);
        free(op->key);
        free(op->value);
    }
    free(later->ops);
    free(later->slots);
    *later = (struct store_batch){ 0 };
}
