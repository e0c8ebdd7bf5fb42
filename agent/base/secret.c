#include "base/secret.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPAN_LEAST 16384
#define SPANS_MOST (SECRET_MAX / SPAN_LEAST)
#define KEEP_FREE  48 /* free spans that stay backed */
#define NO_SPAN    UINT16_MAX
#define STEP       16 /* sizes are multiples of it */

_Static_assert(SPANS_MOST < NO_SPAN, "a span's number has 16 bits");

#if defined(__SANITIZE_ADDRESS__)
#define USE_RANGE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define USE_RANGE false
#endif
#endif
#ifndef USE_RANGE
#define USE_RANGE true
#endif

static const uint16_t sizes[] = { 32,  48,  64,  96,   128,  192,  256,  320,  384,  512,
                                  640, 768, 896, 1024, 1280, 1632, 2048, 2720, 4096, 8192 };
#define CLASSES   COUNT_OF(sizes)
#define SMALL_MAX 8192

enum span_state {
    SPAN_BARE,  /* no access, no memory */
    SPAN_FREE,  /* backed, and zero */
    SPAN_GUARD, /* bare, and to stay so while the run before it lives */
    SPAN_RUN,   /* the first of a large allocation */
    SPAN_REST,  /* its others */
    SPAN_SLOTS,
};

struct span {
    void *free;      /* slots that were freed, linked by their first bytes; else they are zero */
    uint16_t used;   /* slots in use */
    uint16_t carved; /* slots that were ever in use; the others come after them */
    uint16_t prev, next; /* among the spans of the class with a free slot */
    uint16_t n;          /* SPAN_RUN: how many */
    uint8_t state, class;
    bool locked;
};

static struct vault {
    pthread_mutex_t lock;
    bool tried;
    _Atomic(char *) base; /* NULL: there is no range */
    size_t span_size, n_spans, n_free;
    struct span spans[SPANS_MOST];
    uint16_t partial[CLASSES];              /* the first span with a free slot */
    uint8_t class_of[SMALL_MAX / STEP + 1]; /* by size, rounded up */
    struct secret_totals totals;
} vault = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the range ---- */

static void range_init(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), which = 0;
    void *at;

    vault.tried = true;
    if (!USE_RANGE)
        return;
    vault.span_size = page > SPAN_LEAST ? page : SPAN_LEAST;
    vault.n_spans = SECRET_MAX / vault.span_size;
    /* A page more at each end, which stays without access. */
    at = mmap(NULL, SECRET_MAX + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
              -1, 0);
    if (at == MAP_FAILED)
        return;
    /* What a kernel does not know of these, it does without. Huge pages would be locked whole. */
    at = (char *)at + page;
    madvise(at, SECRET_MAX, MADV_DONTDUMP);
    madvise(at, SECRET_MAX, MADV_WIPEONFORK);
    madvise(at, SECRET_MAX, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < CLASSES; i++)
        vault.partial[i] = NO_SPAN;
    for (size_t i = 0; i < COUNT_OF(vault.class_of); i++) {
        which += i * STEP > sizes[which];
        vault.class_of[i] = (uint8_t)which;
    }
    atomic_store(&vault.base, at);
}

static bool in_range(const void *p)
{
    const char *base = atomic_load_explicit(&vault.base, memory_order_relaxed), *at = p;

    return base && at >= base && at < base + SECRET_MAX;
}

static char *span_at(size_t i)
{
    return vault.base + i * vault.span_size;
}

static size_t span_of(const void *p)
{
    return (size_t)((const char *)p - vault.base) / vault.span_size;
}

/* ---- spans ---- */

static bool back(size_t i)
{
    struct span *s = &vault.spans[i];

    if (mprotect(span_at(i), vault.span_size, PROT_READ | PROT_WRITE))
        return false;
    s->state = SPAN_FREE;
    vault.n_free++;
    vault.totals.held += vault.span_size;
    s->locked = mlock(span_at(i), vault.span_size) == 0;
    if (s->locked)
        vault.totals.locked += vault.span_size;
    else
        vault.totals.lock_error = errno;
    return true;
}

/* Of free ones; they are bare afterwards. */
static void give_back(size_t i, size_t n)
{
    char *at = span_at(i);
    size_t bytes = n * vault.span_size;

    munlock(at, bytes); /* what is locked cannot be given back */
    if (madvise(at, bytes, MADV_DONTNEED))
        return;
    mprotect(at, bytes, PROT_NONE);
    for (size_t k = i; k < i + n; k++) {
        vault.totals.held -= vault.span_size;
        vault.totals.locked -= vault.spans[k].locked ? vault.span_size : 0;
        vault.spans[k] = (struct span){ .state = SPAN_BARE };
    }
    vault.n_free -= n;
}

/* `n` spans that are free and zero, and then a guard if they are a large allocation. */
static size_t find_run(size_t n, bool guard)
{
    size_t have = 0;

    for (size_t i = 0; i < vault.n_spans; i++) {
        uint8_t state = vault.spans[i].state;

        have = state == SPAN_BARE || state == SPAN_FREE ? have + 1 : 0;
        if (have == n + guard)
            return i + 1 - have;
    }
    return NO_SPAN;
}

static size_t take_run(size_t n, bool guard)
{
    size_t first = find_run(n, guard), at;

    if (first == NO_SPAN)
        return NO_SPAN;
    for (at = first; at < first + n; at++) {
        if (vault.spans[at].state == SPAN_BARE && !back(at))
            return NO_SPAN;
    }
    if (guard && vault.spans[at].state == SPAN_FREE)
        give_back(at, 1);
    if (guard && vault.spans[at].state != SPAN_BARE)
        return NO_SPAN;
    if (guard)
        vault.spans[at].state = SPAN_GUARD;
    vault.n_free -= n;
    return first;
}

/* They are wiped. */
static void put_run(size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        vault.spans[i].state = SPAN_FREE;
    vault.n_free += n;
    if (vault.n_free > KEEP_FREE)
        give_back(first, n);
}

/* ---- large allocations ---- */

static void *run_alloc(size_t bytes)
{
    size_t n = (bytes + vault.span_size - 1) / vault.span_size;
    size_t first = n && n < vault.n_spans ? take_run(n, true) : NO_SPAN;

    if (first == NO_SPAN)
        return NULL;
    for (size_t i = first; i < first + n; i++)
        vault.spans[i].state = SPAN_REST;
    vault.spans[first].state = SPAN_RUN;
    vault.spans[first].n = (uint16_t)n;
    vault.totals.used += n * vault.span_size;
    return span_at(first);
}

static void run_free(size_t first)
{
    size_t n = vault.spans[first].n;

    explicit_bzero(span_at(first), n * vault.span_size);
    vault.totals.used -= n * vault.span_size;
    vault.spans[first + n].state = SPAN_BARE;
    put_run(first, n);
}

/* ---- small ones ---- */

static void partial_add(size_t i)
{
    struct span *s = &vault.spans[i];
    uint16_t *head = &vault.partial[s->class];

    s->prev = NO_SPAN;
    s->next = *head;
    if (*head != NO_SPAN)
        vault.spans[*head].prev = (uint16_t)i;
    *head = (uint16_t)i;
}

static void partial_remove(size_t i)
{
    struct span *s = &vault.spans[i];

    if (s->prev == NO_SPAN)
        vault.partial[s->class] = s->next;
    else
        vault.spans[s->prev].next = s->next;
    if (s->next != NO_SPAN)
        vault.spans[s->next].prev = s->prev;
}

static size_t slots_in(const struct span *s)
{
    return vault.span_size / sizes[s->class];
}

static bool add_slots(uint8_t class)
{
    size_t i = take_run(1, false);
    struct span *s;

    if (i == NO_SPAN)
        return false;
    s = &vault.spans[i];
    *s = (struct span){ .state = SPAN_SLOTS, .class = class, .locked = s->locked };
    partial_add(i);
    return true;
}

static void *slot_alloc(uint8_t class)
{
    struct span *s;
    size_t i;
    char *at;

    if (vault.partial[class] == NO_SPAN && !add_slots(class))
        return NULL;
    i = vault.partial[class];
    s = &vault.spans[i];
    at = s->free;
    if (at) {
        memcpy(&s->free, at, sizeof s->free);
        memset(at, 0, sizeof s->free);
    } else {
        at = span_at(i) + (size_t)s->carved++ * sizes[class];
    }
    if (++s->used == slots_in(s))
        partial_remove(i);
    vault.totals.used += sizes[class];
    return at;
}

static void slot_free(size_t i, char *at)
{
    struct span *s = &vault.spans[i];
    size_t size = sizes[s->class];

    if ((size_t)(at - span_at(i)) % size || !s->used)
        abort(); /* never handed out, or freed twice */
    explicit_bzero(at, size);
    memcpy(at, &s->free, sizeof s->free);
    s->free = at;
    vault.totals.used -= size;
    if (s->used-- == slots_in(s))
        partial_add(i);
    /* The last span of its class stays: the next allocation is not far. */
    if (s->used || (s->prev == NO_SPAN && s->next == NO_SPAN))
        return;
    partial_remove(i);
    explicit_bzero(span_at(i), s->carved * size); /* the links */
    put_run(i, 1);
}

/* ---- both ---- */

static size_t room_of(void *p)
{
    const struct span *s;
    size_t room = 0;

    pthread_mutex_lock(&vault.lock);
    if (in_range(p)) {
        s = &vault.spans[span_of(p)];
        room = s->state == SPAN_RUN ? s->n * vault.span_size : sizes[s->class];
    }
    pthread_mutex_unlock(&vault.lock);
    return room ? room : malloc_usable_size(p);
}

void *secret_try(size_t n)
{
    void *p = NULL;

    pthread_mutex_lock(&vault.lock);
    if (!vault.tried)
        range_init();
    if (vault.base)
        p = n <= SMALL_MAX ? slot_alloc(vault.class_of[(n + STEP - 1) / STEP]) : run_alloc(n);
    vault.totals.outside += !p;
    pthread_mutex_unlock(&vault.lock);
    return p ? p : calloc(1, n ? n : 1);
}

void secret_free(void *p)
{
    bool ours;
    size_t i;

    if (!p)
        return;
    pthread_mutex_lock(&vault.lock);
    ours = in_range(p);
    i = ours ? span_of(p) : 0;
    if (ours && vault.spans[i].state == SPAN_SLOTS)
        slot_free(i, p);
    else if (ours && vault.spans[i].state == SPAN_RUN && p == span_at(i))
        run_free(i);
    else if (ours)
        abort(); /* never handed out, or freed twice */
    pthread_mutex_unlock(&vault.lock);
    if (ours)
        return;
    explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

void *secret_try_resize(void *p, size_t n)
{
    size_t room = p ? room_of(p) : 0;
    void *moved;

    /* What was shrunk stays where it is, unless that would waste much. */
    if (p && n <= room && (n > room / 2 || room <= 64)) {
        memset((char *)p + n, 0, room - n);
        return p;
    }
    moved = secret_try(n);
    if (moved && p) {
        memcpy(moved, p, n < room ? n : room);
        secret_free(p);
    }
    return moved;
}

void secret_get_totals(struct secret_totals *out)
{
    pthread_mutex_lock(&vault.lock);
    *out = vault.totals;
    pthread_mutex_unlock(&vault.lock);
}

bool secret_has(const void *p)
{
    return in_range(p);
}

/* ---- for our own code ---- */

void *secret_alloc(size_t n)
{
    void *p = secret_try(n);

    if (!p)
        abort();
    return p;
}

void *secret_resize(void *p, size_t n)
{
    void *moved = secret_try_resize(p, n);

    if (!moved)
        abort();
    return moved;
}

char *secret_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = secret_alloc(len + 1);

    memcpy(copy, s, len);
    return copy;
}

char *secret_strdup(const char *s)
{
    return s ? secret_strndup(s, strlen(s)) : NULL;
}

char *secret_printf(const char *fmt, ...)
{
    va_list ap, again;
    char *out;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    out = secret_alloc((size_t)n + 1);
    vsnprintf(out, (size_t)n + 1, fmt, again);
    va_end(again);
    return out;
}

void secret_replace(char **slot, const char *s)
{
    char *copy = secret_strdup(s);

    secret_free(*slot);
    *slot = copy;
}
