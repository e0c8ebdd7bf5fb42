/* links: store core task base */
/* A file that somebody left where the database is to be: it is opened, or moved aside; everything
 * in it is read, and what it holds of tasks reaches a core as after a start. */
#include <fcntl.h>
#include <unistd.h>

#include "fuzz/core_laws.h"
#include "fuzz/folder.h"
#include "store/store.h"

struct reading {
    struct store *store;
    struct core *core;
    size_t rows;
};

static enum err_code on_row(void *user, const char *key, const char *value, struct err *e)
{
    struct reading *r = user;

    (void)e;
    LAW(key && value);
    r->rows += strlen(key) + strlen(value) + 1;
    return ERR_OK;
}

static enum err_code on_task(void *user, const char *key, const char *value, struct err *e)
{
    struct reading *r = user;
    struct core_event ev = { .type = CORE_EV_RESTORED };
    AUTO(str) char *state = NULL;
    struct task *t = NULL;
    struct err why = { 0 };

    (void)e;
    (void)key;
    if (task_decode_text(value, strlen(value), &t, &why))
        return ERR_OK;
    if (store_get(r->store, STORE_TASK_STATE, t->arn, &state, &why))
        LAW(!state);
    ev.u.restored.task = t;
    ev.u.restored.state = state;
    laws_step(r->core, (struct core_time){ 1, 1 }, &ev);
    task_destroy(ev.u.restored.task);
    return ERR_OK;
}

static enum err_code on_image(void *user, const char *key, const char *value, struct err *e)
{
    struct reading *r = user;
    struct core_event ev = { .type = CORE_EV_RESTORED_IMAGE };

    (void)e;
    (void)key;
    ev.u.restored_image.value = value;
    laws_step(r->core, (struct core_time){ 1, 1 }, &ev);
    return ERR_OK;
}

static void read_all(struct store *s)
{
    const struct core_config cfg = laws_config();
    const struct core_event started = { .type = CORE_EV_STARTED };
    struct reading r = { s, core_create(&cfg), 0 };
    struct core_event ev = started;
    struct err e = { 0 };

    for (int kind = 0; kind < STORE__KINDS; kind++)
        LAW(store_each(s, (enum store_kind)kind, on_row, &r, &e) == e.code);
    e = (struct err){ 0 };
    LAW(store_each(s, STORE_IMAGE, on_image, &r, &e) == e.code);
    e = (struct err){ 0 };
    LAW(store_each(s, STORE_TASK, on_task, &r, &e) == e.code);
    laws_step(r.core, (struct core_time){ 2, 2 }, &ev);
    laws_reload(r.core, (struct core_time){ 3, 3 });
    core_destroy(r.core);
}

/* It may fail, but then it says how. */
static void write_some(struct store *s)
{
    struct store_batch *b = store_batch_create();
    struct err e = { 0 };
    char *back = NULL;

    store_batch_put(b, STORE_META, "fuzz", "value");
    store_batch_delete(b, STORE_TASK, "gone");
    if (store_commit(s, b, &e))
        LAW(*e.msg && (e.code == ERR_IO || e.code == ERR_LIMIT));
    else if (!store_get(s, STORE_META, "fuzz", &back, &e))
        LAW(streq(back, "value"));
    free(back);
    store_batch_destroy(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *folder = fuzz_folder();
    AUTO(str) char *path = mem_printf("%s/berth.db", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct store *s = NULL;
    struct err e = { 0 };

    LAW(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    if (store_open(folder, &s, &e))
        LAW(*e.msg && (s ? e.code == ERR_INVALID : e.code == ERR_LIMIT || e.code == ERR_IO));
    if (s) {
        read_all(s);
        write_some(s);
    }
    store_close(s);
    fuzz_folder_empty();
    return 0;
}
