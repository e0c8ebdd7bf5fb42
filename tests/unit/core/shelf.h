#pragma once
/* shelf: what an engine has on its shelf for the janitor: images, other containers, a
 * disk. Its operations are answered by hand, one by one.
 *
 * With `swapping` the core is replaced, before each answer, by what its record says: a
 * test that passes both ways shows that a record can be cut anywhere. */
#include "core/images.h"
#include "unit/core/twin.h"

#define MIN     60000LL
#define HOUR    (60 * MIN)
#define ID(tag) "sha256:" tag

static UNUSED bool swapping;

/* ---- images ---- */

/* An image; without names it has those that its record has, unless the first is "". */
struct row {
    const char *id;
    int64_t size, age;
    const char *names[4];
};

static inline UNUSED void answer_op(struct drive *d, enum core_op op, struct core_event *ev)
{
    if (swapping)
        swap_core(d);
    side_answer(d, op, ev);
}

static inline UNUSED void lists(struct drive *d, const struct row *rows, size_t n)
{
    struct core_image images[32];
    const char *own[32][4];
    struct core_event ev = { 0 };
    struct image *img;

    assert_true(n <= COUNT_OF(images));
    if (swapping)
        swap_core(d);
    for (size_t i = 0; i < n; i++) {
        size_t names = 0;

        while (names < COUNT_OF(rows[i].names) && !str_empty(rows[i].names[names]))
            names++;
        if (!rows[i].names[0] && (img = image_find(d->core, rows[i].id))) {
            LIST_FOREACH (node, next, &img->names)
                own[i][names++] = LIST_ENTRY(node, struct image_name, node)->text;
        }
        images[i] = (struct core_image){ .id = rows[i].id,
                                         .names = rows[i].names[0] ? rows[i].names : own[i],
                                         .n_names = names,
                                         .size = rows[i].size,
                                         .created_ms = d->now.wall_ms - rows[i].age };
    }
    ev.u.op.images = images;
    ev.u.op.n_images = n;
    side_answer(d, CORE_OP_LIST_IMAGES, &ev);
}
#define LISTS(d, ...)                                          \
    do {                                                       \
        const struct row listed_[] = { __VA_ARGS__ };          \
        lists((d), listed_, sizeof listed_ / sizeof *listed_); \
    } while (0)

static inline UNUSED void looks(struct drive *d, int bytes_pct, int inodes_pct)
{
    struct core_event ev = { 0 };

    ev.u.op.disk = (struct core_disk){ 100000, bytes_pct * 1000, 5000, inodes_pct * 50 };
    answer_op(d, CORE_OP_LOOK_AT_DISK, &ev);
}

static inline UNUSED void assert_removing(const struct drive *d, const char *ref)
{
    const struct core_action *a = side_op(d, CORE_OP_REMOVE_IMAGE);

    if (!a || !streq(a->ref, ref)) {
        drive_dump(d);
        fail_msg("expected the removal of %s, got %s", ref, a ? a->ref : "none");
    }
}

static inline UNUSED void removes(struct drive *d, const char *ref)
{
    struct core_event ev = { 0 };

    assert_removing(d, ref);
    answer_op(d, CORE_OP_REMOVE_IMAGE, &ev);
}

static inline UNUSED void refuses(struct drive *d, const char *ref, enum err_code code)
{
    struct core_event ev = { 0 };

    assert_removing(d, ref);
    err_set(&ev.u.op.err, code, "it says no");
    answer_op(d, CORE_OP_REMOVE_IMAGE, &ev);
}

/* Nothing of the janitor is under way. */
static inline UNUSED void assert_idle(const struct drive *d)
{
    for (int op = CORE_OP_LIST_IMAGES; op < CORE_OP__COUNT; op++)
        if (side_op(d, (enum core_op)op)) {
            drive_dump(d);
            fail_msg("%s is under way", core_op_name((enum core_op)op));
        }
}

static inline UNUSED bool asks(const struct drive *d, enum core_op op)
{
    return side_op(d, op) != NULL;
}

/* A record as an earlier run left it; names separated by one space. */
static inline UNUSED void remember(struct drive *d, const char *id, int64_t pulled_ago,
                                   int64_t used_ago, const char *names)
{
    struct buf b = BUF_INIT(4096);
    char *list = mem_strdup(names);

    buf_printf(&b, "{\"v\":1,\"id\":\"%s\",\"names\":[", id);
    for (char *save = NULL, *p = strtok_r(list, " ", &save); p; p = strtok_r(NULL, " ", &save))
        buf_printf(&b, "%s\"%s\"", b.data[b.len - 1] == '[' ? "" : ",", p);
    buf_printf(&b,
               "],\"size\":120000000,\"pulled_at\":%" PRId64 ",\"last_used\":%" PRId64
               ",\"pulled\":true}",
               d->now.wall_ms - pulled_ago, d->now.wall_ms - used_ago);
    assert_true(d->n_rows < COUNT_OF(d->rows));
    d->rows[d->n_rows++] =
        (struct drive_row){ CORE_KIND_IMAGE, mem_strdup(id), mem_strdup(buf_text(&b)) };
    buf_fini(&b);
    free(list);
}

/* The image of a container turns out to be this one. */
static inline UNUSED void image_is(struct drive *d, const char *place, const char *id)
{
    const struct core_action *a = expect_op(d, CORE_OP_INSPECT_IMAGE, place);
    const char *const names[] = { a->ref };
    const struct core_image image = {
        .id = id, .names = names, .n_names = 1, .size = 5000000, .created_ms = d->now.wall_ms
    };
    struct core_event ev = { .type = CORE_EV_OP_DONE };

    ev.u.op.id = a->id;
    ev.u.op.images = &image;
    ev.u.op.n_images = 1;
    d->over[a - d->log.items] = true;
    drive_step(d, &ev);
}

/* A task of one container with this image that runs (its image is `id`). */
static inline UNUSED void runs_image(struct drive *d, const char *task, const char *image,
                                     const char *id)
{
    char text[600], place[40];

    snprintf(text, sizeof text,
             "{'arn':'" ARN("") "%s','family':'f','version':'1','desiredStatus':'RUNNING',"
                                "'containers':[{'name':'a','image':'%s','essential':true}]}",
             task, image);
    snprintf(place, sizeof place, "%s/a", task);
    send_task(d, text);
    if (op_at(d, place) == CORE_OP_MANIFEST)
        done(d, CORE_OP_MANIFEST, place);
    if (op_at(d, place) == CORE_OP_PULL)
        done(d, CORE_OP_PULL, place);
    image_is(d, place, id);
    bring(d, place, CTR_RUNNING);
}

/* It ends, is reported, and is cleaned up when its time has come. */
static inline UNUSED void ends_and_goes(struct drive *d, const char *task)
{
    char place[40];

    snprintf(place, sizeof place, "%s/a", task);
    exits(d, place, 0);
    while (pending_report(d, task))
        accept_report(d, task);
    pass(d, d->cfg.cleanup_wait_ms);
    done(d, CORE_OP_DRAIN_LOGS, place);
    done(d, CORE_OP_REMOVE, place);
    assert_null(find_task(d->core, arn_of(task)));
}

/* ---- tests of the janitor ---- */

static inline UNUSED void open_shop(struct drive *d) /* without a core yet */
{
    drive_empty(d);
    d->cfg.image_cleanup = true;
    d->cfg.disk_check_ms = 30000;
}

/* To the beginning of a cycle: the list of images is asked for. */
static inline UNUSED void to_cycle(struct drive *d)
{
    pass(d, d->cfg.image_interval_ms);
    assert_true(asks(d, CORE_OP_LIST_IMAGES));
}

static inline UNUSED const char *note(const struct drive *d, const char *part)
{
    for (size_t i = 0; i < d->log.n; i++)
        if (d->log.items[i].type == CORE_ACT_NOTE && strstr(d->log.items[i].value, part))
            return d->log.items[i].value;
    drive_dump(d);
    fail_msg("no note with %s", part);
    return "";
}

static inline UNUSED size_t notes(const struct drive *d, const char *part)
{
    size_t n = 0;

    for (size_t i = 0; i < d->log.n; i++)
        n += d->log.items[i].type == CORE_ACT_NOTE && strstr(d->log.items[i].value, part);
    return n;
}

static inline UNUSED int swap_on(void **state)
{
    (void)state;
    swapping = true;
    return 0;
}

static inline UNUSED int swap_off(void **state)
{
    (void)state;
    swapping = false;
    return 0;
}

#define PLAIN(fn) cmocka_unit_test(fn)
#define SWAPPED(fn)                                 \
    {                                               \
#fn " swapped", fn, swap_on, swap_off, NULL \
    }
#define BOTH(fn) PLAIN(fn), SWAPPED(fn)
