#include "reference/bolt.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/defs.h"
#include "base/mem.h"

#define MAGIC         0xED0CDAEDu
#define VERSION       2
#define HEAD          16 /* of a page, an element, and a bucket that stands in a value */
#define META_SUMMED   56 /* bytes of a meta that its sum covers, which follows them */
#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX (16u << 20)
#define DEPTH_MAX     32 /* a page has two elements at least: 2^32 pages */

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, ELEMENT_BUCKET = 1 };

/* ---- numbers ---- */

static uint64_t number(const char *at, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | (unsigned char)at[i];
    return v;
}

static uint64_t u16(const char *at)
{
    return number(at, 2);
}

static uint64_t u32(const char *at)
{
    return number(at, 4);
}

static uint64_t u64(const char *at)
{
    return number(at, 8);
}

/* ---- meta pages ---- */

static uint64_t fnv1a(const char *at, size_t n)
{
    uint64_t sum = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)at[i]) * 1099511628211u;
    return sum;
}

/* Is there a meta page at this place? */
static bool read_meta(struct str file, uint64_t at, struct bolt *out)
{
    const char *m;
    uint64_t size;

    if (at > file.n || file.n - at < HEAD + META_SUMMED + 8)
        return false;
    m = file.p + at + HEAD;
    size = u32(m + 8);
    if (u32(m) != MAGIC || u32(m + 4) != VERSION || u64(m + META_SUMMED) != fnv1a(m, META_SUMMED))
        return false;
    if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)))
        return false;
    out->file = file;
    out->page_size = size;
    out->pages = u64(m + 40) < file.n / size ? u64(m + 40) : file.n / size;
    out->root = u64(m + 16);
    out->txid = u64(m + 48);
    return true;
}

enum err_code bolt_open(struct str file, struct bolt *out, struct err *e)
{
    struct bolt first, second;
    bool has_first = read_meta(file, 0, &first), has_second = false;

    if (has_first)
        has_second = read_meta(file, first.page_size, &second);
    /* Where the first one was being written when the power went, nobody says how large a page is.
     */
    for (uint64_t size = PAGE_SIZE_MIN; !has_first && !has_second && size <= PAGE_SIZE_MAX;
         size *= 2)
        has_second = read_meta(file, size, &second) && second.page_size == size;
    if (!has_first && !has_second)
        return err_set(e, ERR_INVALID, "it is no database of bbolt, or its head is damaged");
    *out = !has_first || (has_second && second.txid > first.txid) ? second : first;
    return ERR_OK;
}

/* ---- pages ---- */

struct page {
    struct str bytes; /* with those it continues in */
    uint64_t id;      /* 0: it stands in a value */
    bool leaf;
    size_t count;
};

struct item {
    uint64_t flags, child;
    struct str key, value;
};

struct walk {
    const struct bolt *b;
    unsigned char *seen; /* a bit for each page */
    struct str last;     /* the key before; p is NULL: none yet */
    enum err_code (*item)(struct walk *w, const struct item *i, struct err *e);
    bolt_row_fn *row;
    void *user;
    const char *name; /* of the bucket that is looked for */
    struct item found;
};

static enum err_code damaged(const struct page *p, const char *what, struct err *e)
{
    return p->id ? err_set(e, ERR_INVALID, "it is damaged: page %" PRIu64 " %s", p->id, what)
                 : err_set(e, ERR_INVALID, "it is damaged: a bucket within a value %s", what);
}

static enum err_code check_page(struct page *p, struct err *e)
{
    uint64_t flags = u16(p->bytes.p + 8);

    p->leaf = flags == PAGE_LEAF;
    p->count = u16(p->bytes.p + 10);
    if (u64(p->bytes.p) != p->id)
        return damaged(p, "has another one's number", e);
    if (flags != PAGE_LEAF && flags != PAGE_BRANCH)
        return damaged(p, "holds no keys", e);
    if (HEAD + p->count * HEAD > p->bytes.n)
        return damaged(p, "has more keys than fit", e);
    return ERR_OK;
}

static enum err_code get_page(struct walk *w, uint64_t id, struct page *out, struct err *e)
{
    const struct bolt *b = w->b;
    uint64_t more;

    *out = (struct page){ .id = id };
    if (id < 2 || id >= b->pages)
        return damaged(out, "is no page of this file", e);
    out->bytes = (struct str){ b->file.p + id * b->page_size, (size_t)b->page_size };
    more = u32(out->bytes.p + 12);
    if (more >= b->pages - id)
        return damaged(out, "goes on behind the end of the file", e);
    for (uint64_t i = id; i <= id + more; i++) {
        if (w->seen[i / 8] & 1u << i % 8)
            return damaged(out, "is used twice", e);
        w->seen[i / 8] = (unsigned char)(w->seen[i / 8] | 1u << i % 8);
    }
    out->bytes.n = (size_t)((more + 1) * b->page_size);
    return check_page(out, e);
}

/* Element `i`: its key and value lie within the page, behind the elements or not. */
static enum err_code get_item(const struct page *p, size_t i, struct item *out, struct err *e)
{
    uint64_t at = HEAD + i * HEAD, key, value = 0;
    const char *el = p->bytes.p + at;

    *out = (struct item){ 0 };
    if (p->leaf) {
        out->flags = u32(el);
        at += u32(el + 4);
        key = u32(el + 8);
        value = u32(el + 12);
    } else {
        at += u32(el);
        key = u32(el + 4);
        out->child = u64(el + 8);
    }
    if (at > p->bytes.n || key > p->bytes.n - at || value > p->bytes.n - at - key)
        return damaged(p, "has a key or value outside of it", e);
    if (!key)
        return damaged(p, "has an empty key", e);
    out->key = (struct str){ p->bytes.p + at, (size_t)key };
    out->value = (struct str){ p->bytes.p + at + key, (size_t)value };
    return ERR_OK;
}

/* ---- the tree ---- */

static bool comes_after(struct str a, struct str b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): keys are not empty (get_item) */
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order > 0 || (order == 0 && a.n > b.n);
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static enum err_code walk_page(struct walk *w, struct page *p, int depth, struct err *e)
{
    struct item it;
    size_t used = HEAD;

    for (size_t i = 0; i < p->count; i++) {
        if (get_item(p, i, &it, e))
            return e->code;
        used += HEAD + it.key.n + it.value.n;
        if (used > p->bytes.n)
            return damaged(p, "holds some of its bytes twice", e);
        if (!p->leaf) {
            struct page child;

            if (depth == DEPTH_MAX)
                return damaged(p, "lies too deep", e);
            /* NOLINTNEXTLINE(misc-no-recursion): as above */
            if (get_page(w, it.child, &child, e) || walk_page(w, &child, depth + 1, e))
                return e->code;
            continue;
        }
        if (w->last.p && !comes_after(it.key, w->last))
            return damaged(p, "has its keys out of order", e);
        w->last = it.key;
        if (w->item(w, &it, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code on_bucket(struct walk *w, const struct item *i, struct err *e)
{
    (void)e;
    if ((i->flags & ELEMENT_BUCKET) && str_is(i->key, w->name))
        w->found = *i;
    return ERR_OK;
}

static enum err_code on_row(struct walk *w, const struct item *i, struct err *e)
{
    return i->flags & ELEMENT_BUCKET ? ERR_OK : w->row(w->user, i->key, i->value, e);
}

/* A tree of its own: from a page, or from the leaf that stands in `value`. */
static enum err_code walk_tree(struct walk *w, uint64_t root, struct str value, struct err *e)
{
    struct page p = { .bytes = value };
    enum err_code code;

    w->last = (struct str){ 0 };
    w->seen = mem_array((size_t)(w->b->pages / 8 + 1), 1);
    if (root)
        code = get_page(w, root, &p, e);
    else if (value.n < HEAD)
        code = damaged(&p, "is cut short", e);
    else if (!check_page(&p, e) && !p.leaf)
        code = damaged(&p, "is no leaf", e);
    else
        code = e->code;
    if (!code)
        code = walk_page(w, &p, 0, e);
    free(w->seen);
    return code;
}

enum err_code bolt_each(const struct bolt *b, const char *bucket, bolt_row_fn *row, void *user,
                        struct err *e)
{
    struct walk w = { .b = b, .item = on_bucket, .name = bucket };
    struct str head, inner = { 0 };
    struct err own = { 0 };

    if (!walk_tree(&w, b->root, inner, &own)) {
        head = w.found.value;
        w.item = on_row;
        w.row = row;
        w.user = user;
        if (!w.found.key.p)
            err_set(&own, ERR_NOT_FOUND, "it has no bucket '%s'", bucket);
        else if (head.n < HEAD)
            err_set(&own, ERR_INVALID, "it is damaged: bucket '%s' has no root", bucket);
        else
            walk_tree(&w, u64(head.p), (struct str){ head.p + HEAD, head.n - HEAD }, &own);
    }
    if (own.code && e)
        *e = own;
    return own.code;
}
