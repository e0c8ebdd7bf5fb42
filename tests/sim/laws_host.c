/* laws_host: what must hold of what tasks share: capacity, ports, images; of local
 * tasks; and of what is left at the end. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct view { /* what the core says of one task */
    bool known, admitted, stopped, stopping;
    enum ctr_status ctrs[MAX_CTRS];
};

#define LOOK_MS 16000 /* how old an answer may be */

static enum ctr_status ctr_status_of(const char *name)
{
    for (int i = CTR_NONE; i <= CTR_STOPPED; i++)
        if (streq(ctr_status_name((enum ctr_status)i), name))
            return (enum ctr_status)i;
    return CTR_NONE;
}

/* The task's own words come before those of its containers, so the first is its. */
static bool says(const struct buf *b, const char *word, const char *value)
{
    const char *at = strstr(buf_text(b), word);

    return at && strncmp(at + strlen(word), value, strlen(value)) == 0;
}

static void look_at_containers(const struct buf *b, struct view *v)
{
    struct json_t *doc = NULL;
    struct err e = { 0 };
    struct jcur c, rows;
    size_t n = 0;

    if (!json_parse(buf_text(b), b->len, &doc, &e)) {
        c = jcur_root(doc, &e);
        rows = jcur_arr(&c, "containers");
        JCUR_EACH (row, &rows) {
            if (n < MAX_CTRS)
                v->ctrs[n++] = ctr_status_of(jcur_str(&row, "status"));
        }
    }
    json_free(doc);
}

static void look(const struct sim *s, const char *arn, bool containers, struct view *v)
{
    struct buf b = BUF_INIT(1 << 20);
    struct jw w;

    *v = (struct view){ 0 };
    jw_init(&w, &b);
    core_write_task(s->core, arn, &w);
    v->known = !streq(buf_text(&b), "null");
    v->admitted = says(&b, "\"admitted\":", "true");
    v->stopped = says(&b, "\"status\":", "\"STOPPED\"");
    v->stopping = says(&b, "\"desired\":", "\"STOPPED\"");
    if (v->known && containers)
        look_at_containers(&b, v);
    buf_fini(&b);
}

bool task_is_stopping(struct sim *s, const struct sim_task *t)
{
    struct view v;

    look(s, t->arn, false, &v);
    return v.stopping;
}

/* ---- law 6: ports ---- */

static bool overlap(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            if (a[i] == b[j])
                return true;
    return false;
}

void law_ports(struct sim *s, struct sim_task *t, size_t index)
{
    uint32_t mine[MAX_PORTS], theirs[MAX_PORTS];
    size_t n = host_ports_of(s, t->arn, index, mine), m;
    const struct sim_ctr *k = &t->ctrs[index];
    const struct sim_task *o;
    struct view v;

    if (n != (size_t)((k->port != 0) + k->choose + k->range))
        broken(s, 6, "container %zu of %s is created without the ports it asks for", index, t->arn);
    for (size_t i = 0; n && (o = task_nth(s, i)); i++) {
        for (size_t j = 0; o != t && j < o->n_ctrs; j++) {
            m = host_ports_of(s, o->arn, j, theirs);
            if (!overlap(mine, n, theirs, m))
                continue;
            look(s, o->arn, true, &v);
            /* One that was rebuilt may count its containers otherwise than `look` does. */
            if (v.admitted && !v.stopped && v.ctrs[j] != CTR_STOPPED && !s->losses)
                broken(s, 6,
                       "container %zu of %s is given a host port that container %zu of %s has",
                       index, t->arn, j, o->arn);
        }
    }
}

/* ---- law 7 ---- */

/* A name that it was given since the agent looked is not known to the agent. */
static bool names_known(const struct sim *s, const struct sim_image *im)
{
    return s->now - im->named > LOOK_MS;
}

static bool names_it(const struct sim *s, const struct sim_image *im, const char *ref)
{
    const char *digest = strchr(ref, '@');

    for (int i = 0; names_known(s, im) && i < im->n_names; i++)
        if (streq(im->names[i], ref))
            return true;
    return streq(im->id, ref) || (digest && streq(im->digest, digest + 1));
}

void law_image_asked(struct sim *s, const char *ref)
{
    if (call_under_way(s, CORE_OP_REMOVE_IMAGE, ref))
        broken(s, 7, "image %s is asked for while it is being removed", ref);
}

static bool may_use(struct sim *s, const struct sim_task *t, const struct sim_image *im)
{
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (streq(t->ctrs[i].seen_image, im->id))
            return true;
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->task == t && &s->images[b->image] == im)
            return true;
    }
    return false;
}

/* Is it the one this container is, or is to be, made of? */
static void check_user(struct sim *s, const struct sim_task *t, const struct sim_image *im,
                       const char *ref)
{
    struct view v;

    if (!may_use(s, t, im))
        return;
    look(s, t->arn, true, &v);
    for (size_t i = 0; v.known && i < t->n_ctrs; i++) {
        const struct sim_ctr *k = &t->ctrs[i];
        const struct box *b = engine_find(s, t, i);
        bool made = b && b->state != BOX_EXITED;
        /* A tag that moves between the look and the create is not seen; Docker refuses. */
        bool its = streq(k->seen_image, im->id) &&
                   (made ? &s->images[b->image] == im : v.ctrs[i] == CTR_PULLED);

        /* Of several names only the last one, and the one it is called by, matter. */
        if (its && v.ctrs[i] != CTR_STOPPED && (im->n_names < 2 || (!made && streq(k->image, ref))))
            broken(s, 7, "image %s is removed, which container %zu of %s uses", ref, i, t->arn);
    }
}

void law_image_leaves(struct sim *s, const char *ref)
{
    int row = image_row(s, ref);
    const struct sim_image *im = row < 0 ? NULL : &s->images[row];

    /* Of what is rebuilt only the image's name is known: the engine refuses then. */
    if (!im || s->losses)
        return;
    for (int i = 0; names_known(s, im) && i < im->n_names; i++)
        if (image_is_kept(im->names[i]))
            broken(s, 7, "image %s is removed, which is excluded as %s", ref, im->names[i]);
    for (const struct call *c = s->calls; c; c = c->next)
        if (c->op == CORE_OP_PULL && c->life == s->life && !c->canceled && !c->done &&
            names_it(s, im, c->ref))
            broken(s, 7, "image %s is removed while %s is being pulled", ref, c->ref);
    for (size_t i = 0; task_nth(s, i); i++)
        if (core_task(s->core, task_nth(s, i)->arn))
            check_user(s, task_nth(s, i), im, ref);
}

/* ---- law 6: capacity ---- */

static bool holds_host(struct sim *s, const struct sim_task *t)
{
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        if (b->task == t && b->state == BOX_RUNNING)
            return true;
    }
    return false;
}

static bool ports_free(const struct sim *s, const struct sim_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++)
        if (t->ctrs[i].port && core_port_taken(s->core, PORT_TCP, t->ctrs[i].port))
            return false;
    return true;
}

struct sums {
    int64_t cpu, memory, real_cpu, real_memory;
};

static void check_wait(struct sim *s, struct sim_task *t, const struct view *v,
                       const struct sums *used)
{
    bool waits = v->known && core_task(s->core, t->arn) && !v->admitted && !v->stopping;
    bool fits = used->cpu + t->cpu <= s->cpu_total && used->memory + t->memory <= s->memory_total &&
                ports_free(s, t);

    if (!waits || !fits)
        t->fits_since = -1;
    else if (t->fits_since < 0)
        t->fits_since = s->now;
    else if (s->now - t->fits_since > s->ageing_ms + 1000)
        broken(s, 6, "%s fits but has waited for %lld ms", t->arn,
               (long long)(s->now - t->fits_since));
}

void law_always(struct sim *s)
{
    static struct view views[MAX_TASKS + MAX_RUNS];
    struct sums sum = { 0 };
    struct sim_task *t;

    if (s->steps % 41) /* often enough, and many times faster */
        return;
    for (size_t i = 0; (t = task_nth(s, i)); i++) {
        views[i].known = core_task(s->core, t->arn) != NULL;
        if (!views[i].known)
            continue;
        look(s, t->arn, false, &views[i]);
        if (views[i].admitted && !views[i].stopped) {
            sum.cpu += t->cpu;
            sum.memory += t->memory;
        }
        if (!views[i].stopped && holds_host(s, t)) {
            sum.real_cpu += t->cpu;
            sum.real_memory += t->memory;
        }
    }
    if (s->losses)
        return; /* what is rebuilt may be less than the task was, and was not asked for room */
    if (sum.cpu > s->cpu_total || sum.memory > s->memory_total || sum.real_cpu > s->cpu_total ||
        sum.real_memory > s->memory_total)
        broken(s, 6, "oversubscribed: %lld (%lld) of %lld CPU units, %lld (%lld) of %lld MiB",
               (long long)sum.cpu, (long long)sum.real_cpu, (long long)s->cpu_total,
               (long long)sum.memory, (long long)sum.real_memory, (long long)s->memory_total);
    for (size_t i = 0; (t = task_nth(s, i)); i++)
        check_wait(s, t, &views[i], &sum);
}

/* ---- local tasks ---- */

void law_local_starts(struct sim *s, const struct sim_task *t)
{
    if (!t->local->once || t->local->unwanted_once || s->losses)
        return; /* nobody can know of a run that was lost */
    for (size_t i = 0; i < s->n_runs; i++)
        if (s->runs[i]->local == t->local && s->runs[i]->version == t->version &&
            agent_stored(s, CORE_KIND_TASK, s->runs[i]->arn))
            broken(s, 8, "%s is started again though it was to run once", t->arn);
}

void law_local_creates(struct sim *s, const struct sim_task *t)
{
    for (size_t i = 0; t->local && !s->losses && i < s->n_runs; i++)
        if (s->runs[i] != t && s->runs[i]->local == t->local &&
            agent_stored(s, CORE_KIND_TASK, s->runs[i]->arn) &&
            s->runs[i]->known_stored != TASK_STOPPED)
            broken(s, 8, "%s starts while %s goes on", t->arn, s->runs[i]->arn);
}

static bool is_up(struct sim *s, const struct sim_task *t)
{
    for (size_t i = 0; i < t->n_ctrs; i++) {
        const struct box *b = engine_find(s, t, i);

        if (!b || b->state != BOX_RUNNING)
            return false;
    }
    return core_is_local(s->core, t->arn);
}

void law_local_kept_up(struct sim *s)
{
    for (size_t i = 0; i < N_LOCALS; i++) {
        const struct sim_local *l = &s->locals[i];
        int n = 0;

        for (size_t j = 0; j < s->n_runs; j++)
            n +=
                s->runs[j]->local == l && s->runs[j]->version == l->version && is_up(s, s->runs[j]);
        if (l->wanted && l->good && n != 1)
            broken(s, 8, "%d runs of the local task %s, version %d, go on", n, l->name, l->version);
    }
}

/* ---- the end ---- */

static void end_of_task(struct sim *s, const struct sim_task *t)
{
    bool forgotten = t->untraced && t->robbed; /* nothing told the agent of its cgroup any more */

    if (t->sent && t->accepted != TASK_STOPPED)
        broken(s, 8, "%s never ended (control plane knows %s)", t->arn,
               task_status_name(t->accepted));
    if (agent_stored(s, CORE_KIND_TASK, t->arn) || agent_stored(s, CORE_KIND_STATE, t->arn))
        broken(s, 3, "%s is still in the store", t->arn);
    /* A run of a local task has a name of its own each time, which is lost with the store. */
    if (t->cgroup && !(s->losses && (t->local || t->cgroup_stuck || forgotten)))
        broken(s, 3, "the cgroup of %s is left behind", t->arn);
    /* Which volumes there were is told by the store, or by the containers. */
    for (size_t i = 0; i < t->n_volumes; i++)
        if (t->volumes[i].here && !t->untraced && !(s->losses && t->local))
            broken(s, 3, "volume %s of %s is left behind", t->volumes[i].name, t->arn);
    if (s->losses)
        return;
    if (t->fetched)
        broken(s, 9, "what was fetched for %s is not forgotten (%u)", t->arn, t->fetched);
}

static bool unused(struct sim *s, int row)
{
    for (size_t i = 0; i < COUNT_OF(s->strangers); i++)
        if (s->strangers[i].here && s->strangers[i].image == row)
            return false;
    return true;
}

/* What the agent may remove is gone when the disk is full. */
static void end_of_disk(struct sim *s)
{
    if (!s->disk_cleanup || disk_pct(s) < DISK_HIGH)
        return;
    for (int i = 0; i < MAX_IMAGES; i++) {
        const struct sim_image *im = &s->images[i];

        if (im->id[0] && im->n_names == 1 && !image_is_kept(im->names[0]) && unused(s, i) &&
            agent_stored(s, CORE_KIND_IMAGE, im->id))
            broken(s, 7, "the disk is %d %% full, but image %s is kept", disk_pct(s), im->names[0]);
    }
}

void law_end(struct sim *s)
{
    for (size_t i = 0; task_nth(s, i); i++)
        end_of_task(s, task_nth(s, i));
    LIST_FOREACH (node, next, &s->boxes) {
        const struct box *b = LIST_ENTRY(node, struct box, node);

        broken(s, 3, "container %s (%s) is left behind", b->name,
               b->state == BOX_RUNNING ? "running" : "not running");
    }
    for (uint16_t p = PORT_FIRST; p < PORT_FIRST + PORT_COUNT; p++)
        if (core_port_taken(s->core, PORT_TCP, p) || core_port_taken(s->core, PORT_UDP, p))
            broken(s, 6, "host port %u is not given back", p);
    end_of_disk(s);
}
