/* cleanup_record: the janitor's state as JSON and back, so that a flight record goes on
 * in the middle of its work. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/images.h"

/* ---- out ---- */

static void write_names(struct jw *w, char *const *names, size_t n)
{
    jw_karray(w, "names");
    for (size_t i = 0; i < n; i++)
        jw_str(w, names[i]);
    jw_end(w);
}

static void write_seen(const struct janitor *j, struct jw *w)
{
    struct seen *row, *next;

    jw_karray(w, "seen");
    HASH_ITER (hh, j->seen, row, next) {
        jw_object(w);
        jw_kstr(w, "id", row->id);
        write_names(w, row->names, row->n_names);
        jw_kint(w, "size", row->size);
        jw_kint(w, "created", row->created);
        jw_kbool(w, "dropped", row->dropped);
        jw_end(w);
    }
    jw_end(w);
}

static void write_others(const struct janitor *j, struct jw *w)
{
    jw_karray(w, "others");
    for (size_t i = 0; i < j->n_others; i++) {
        jw_object(w);
        jw_kstr(w, "id", j->others[i].id);
        jw_kstr(w, "name", j->others[i].name);
        jw_end(w);
    }
    jw_end(w);
    jw_kint(w, "other", (int64_t)j->other);
}

static void write_victim(const struct victim *v, struct jw *w)
{
    if (!v->id)
        return;
    jw_kobject(w, "victim");
    jw_kstr(w, "id", v->id);
    write_names(w, v->names, v->n_names);
    jw_kint(w, "at", (int64_t)v->at);
    jw_kbool(w, "tracked", v->tracked);
    jw_kint(w, "size", v->size);
    jw_kint(w, "used", v->used);
    jw_end(w);
}

void janitor_save(const struct core *c, struct jw *w)
{
    const struct janitor *j = c->janitor;

    jw_object(w);
    jw_kint(w, "op_id", (int64_t)j->op.id);
    jw_kint(w, "op", j->op.op);
    jw_kint(w, "op_since", j->op.since);
    jw_kint(w, "job", j->job);
    jw_kint(w, "part", j->part);
    jw_kbool(w, "cleaning", j->cleaning);
    jw_kbool(w, "asked", j->asked);
    jw_kint(w, "cycle_at", j->cycle_at);
    jw_kint(w, "disk_at", j->disk_at);
    jw_kint(w, "tries", j->tries);
    jw_kint(w, "gone", j->gone);
    jw_kint(w, "others_gone", j->others_gone);
    write_seen(j, w);
    write_others(j, w);
    write_victim(&j->victim, w);
    jw_kbool(w, "blind", j->blind);
    disk_write(w, &j->disk);
    jw_kint(w, "disk_seen", j->disk_seen);
    jw_kint(w, "full_said", j->full_said);
    jw_kint(w, "full_pct", j->full_pct);
    jw_kstr_if(w, "last_name", j->last_name);
    jw_kint(w, "last_size", j->last_size);
    jw_kint(w, "last_gone", j->last_gone);
    jw_end(w);
}

/* ---- in ---- */

static char **read_names(const struct jcur *j, size_t *n)
{
    struct jcur all = jcur_arr(j, "names");
    char **names = mem_array(jcur_len(&all), sizeof *names);

    *n = jcur_len(&all);
    JCUR_EACH (name, &all)
        names[name_i] = mem_strdup(jcur_as_str(&name));
    return names;
}

static void read_seen(struct janitor *j, const struct jcur *c)
{
    struct jcur all = jcur_arr(c, "seen");

    JCUR_EACH (item, &all) {
        const char *id = jcur_str(&item, "id");
        struct seen *row = NULL;

        HASH_FIND_STR(j->seen, id, row);
        if (row || !jcur_ok(c)) {
            jcur_fail(&item, "expected each image once");
            return;
        }
        row = NEW(struct seen);
        row->id = mem_strdup(id);
        row->names = read_names(&item, &row->n_names);
        row->size = jcur_int(&item, "size", SANE_INT);
        row->created = jcur_int(&item, "created", SANE_INT);
        row->dropped = jcur_bool_or(&item, "dropped", false);
        HASH_ADD_KEYPTR(hh, j->seen, row->id, strlen(row->id), row);
    }
}

static void read_others(struct janitor *j, const struct jcur *c)
{
    struct jcur all = jcur_arr(c, "others");

    j->others = mem_array(jcur_len(&all), sizeof *j->others);
    JCUR_EACH (item, &all)
        j->others[j->n_others++] = (struct stranger){ mem_strdup(jcur_str(&item, "id")),
                                                      mem_strdup(jcur_str(&item, "name")) };
    j->other = (size_t)jcur_int(c, "other", 0, (int64_t)j->n_others);
}

static void read_victim(struct victim *v, const struct jcur *c)
{
    struct jcur j = jcur_obj(c, "victim");

    if (!jcur_present(&j) || !jcur_ok(c))
        return;
    v->id = mem_strdup(jcur_str(&j, "id"));
    v->names = read_names(&j, &v->n_names);
    v->at = (size_t)jcur_int(&j, "at", 0, v->n_names ? (int64_t)v->n_names - 1 : 0);
    v->tracked = jcur_bool_or(&j, "tracked", false);
    v->size = jcur_int(&j, "size", SANE_INT);
    v->used = jcur_int(&j, "used", SANE_INT);
}

/* The operation that the record was cut in the middle of. */
static void read_op(struct core *c, const struct jcur *saved)
{
    struct janitor *j = c->janitor;
    uint64_t id = (uint64_t)jcur_int(saved, "op_id", 0, SANE_MAX);
    enum core_op op = (enum core_op)jcur_int(saved, "op", CORE_OP_NONE, CORE_OP__COUNT - 1);
    struct side_op *same = NULL;
    struct core_ctr *ctr = NULL;

    if (!id && !op && !j->job)
        return;
    HASH_FIND(hh, c->side_ops, &id, sizeof id, same);
    HASH_FIND(op_hh, c->ops, &id, sizeof id, ctr);
    if (!id || op < CORE_OP_LIST_IMAGES || !j->job || same || ctr ||
        (op == CORE_OP_REMOVE_IMAGE) != (j->victim.id != NULL))
        jcur_fail(saved, "expected one operation with an id of its own, of one job");
    if (!jcur_ok(saved))
        return;
    j->op.id = id;
    j->op.op = op;
    j->op.since = jcur_int(saved, "op_since", SANE_INT);
    HASH_ADD(hh, c->side_ops, id, sizeof j->op.id, &j->op);
}

void janitor_load(struct core *c, const struct jcur *saved)
{
    struct jcur disk = jcur_obj(saved, "disk");
    struct janitor *j = c->janitor;

    j->job = (enum job)jcur_int(saved, "job", JOB_NONE, JOB_DISK);
    j->part = (enum part)jcur_int(saved, "part", PART_TRACKED, PART_UNTRACKED);
    j->cleaning = jcur_bool_or(saved, "cleaning", false);
    j->asked = jcur_bool_or(saved, "asked", false);
    j->cycle_at = jcur_int(saved, "cycle_at", SANE_INT);
    j->disk_at = jcur_int(saved, "disk_at", SANE_INT);
    j->tries = (int)jcur_int(saved, "tries", 0, INT32_MAX);
    j->gone = (int)jcur_int(saved, "gone", 0, INT32_MAX);
    j->others_gone = (int)jcur_int(saved, "others_gone", 0, INT32_MAX);
    read_seen(j, saved);
    read_others(j, saved);
    read_victim(&j->victim, saved);
    j->blind = jcur_bool_or(saved, "blind", false);
    disk_read(&disk, &j->disk);
    j->disk_seen = jcur_int(saved, "disk_seen", SANE_INT);
    j->full_said = jcur_int(saved, "full_said", SANE_INT);
    j->full_pct = (int)jcur_int(saved, "full_pct", 0, 100);
    j->last_name = jcur_strdup_or(saved, "last_name", NULL);
    j->last_size = jcur_int(saved, "last_size", SANE_INT);
    j->last_gone = jcur_int(saved, "last_gone", SANE_INT);
    read_op(c, saved);
}
