/* links: reference store core task base */
/* The state of a reference agent: a file of a format that is not ours. As it is, and with the sums
 * of its heads made right, so that what they name is reached; all that is found reaches a core as
 * after a start. */
#include <fcntl.h>
#include <unistd.h>

#include "fuzz/core_laws.h"
#include "fuzz/folder.h"
#include "reference/bolt.h"
#include "reference/reference.h"

static uint64_t fnv1a(const char *p, size_t n)
{
    uint64_t v = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        v = (v ^ (unsigned char)p[i]) * 1099511628211u;
    return v;
}

/* Wherever a head could be. */
static void mend(char *file, size_t n)
{
    for (size_t at = 0; at + 80 <= n; at = at ? 2 * at : 512) {
        uint64_t sum = fnv1a(file + at + 16, 56);

        if (memcmp(file + at + 16, "\xED\xDA\x0C\xED", 4) == 0)
            memcpy(file + at + 72, &sum, sizeof sum);
    }
}

/* ---- the format ---- */

struct reading {
    struct str file, last;
    size_t bytes;
};

static enum err_code on_row(void *user, struct str key, struct str value, struct err *e)
{
    struct reading *r = user;
    const char *end = r->file.p + r->file.n;

    (void)e;
    LAW(key.n && key.p >= r->file.p && key.p + key.n == value.p && value.p + value.n <= end);
    LAW(!r->last.p || r->last.n != key.n || memcmp(r->last.p, key.p, key.n) != 0);
    r->last = key;
    r->bytes += key.n + value.n;
    return ERR_OK;
}

static void read_format(struct str file)
{
    static const char *const buckets[] = { "tasks", "containers", "metadata", "many", "large" };
    struct bolt b;
    struct err e = { 0 };

    if (bolt_open(file, &b, &e)) {
        LAW(e.code == ERR_INVALID);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(buckets); i++) {
        struct reading r = { .file = file };
        enum err_code code = bolt_each(&b, buckets[i], on_row, &r, &e);

        LAW(code == ERR_OK || code == ERR_INVALID || code == ERR_NOT_FOUND);
    }
}

/* ---- the state in it ---- */

static void restore(const struct ref_task *t)
{
    static const struct core_config cfg = { .seed = 1, .cpu_units = 2048, .memory_mib = 4096 };
    struct core *core = core_create(&cfg);
    struct core_event ev = { .type = CORE_EV_RESTORED };
    struct err e = { 0 };

    /* What the store would hold can be read again, and is the task. */
    LAW(task_decode_text(t->task->json, strlen(t->task->json), &ev.u.restored.task, &e) == ERR_OK);
    ev.u.restored.state = t->state;
    laws_step(core, (struct core_time){ 1, 1 }, &ev);
    LAW(core_task(core, t->arn));
    core_destroy(core);
}

static void read_state(struct str file)
{
    const struct ref_args args = { .dir = fuzz_folder(), .now_ms = 1767400000000, .seed = 1 };
    AUTO(str) char *path = mem_printf("%s/" REF_FILE, args.dir);
    struct ref_state *s = NULL;
    struct err e = { 0 };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    LAW(fd >= 0 && write(fd, file.p, file.n) == (ssize_t)file.n);
    close(fd);
    if (ref_open(&args, &s, &e)) {
        LAW(e.code == ERR_INVALID || e.code == ERR_NOT_FOUND || e.code == ERR_LIMIT);
        return;
    }
    LAW(ref_meta(s, REF_INSTANCE_ARN));
    for (size_t i = 0; i < ref_task_count(s); i++) {
        const struct ref_task *t = ref_task_at(s, i);

        LAW(t->arn && (t->task != NULL) == (t->state != NULL));
        if (t->task)
            restore(t);
        else
            LAW(t->why);
    }
    ref_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *file = mem_array(size ? size : 1, 1);

    if (size)
        memcpy(file, data, size);
    read_format((struct str){ file, size });
    mend(file, size);
    read_format((struct str){ file, size });
    read_state((struct str){ file, size });
    free(file);
    return 0;
}
