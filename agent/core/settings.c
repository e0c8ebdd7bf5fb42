/* settings: what the core was told of its host and its operator's wishes; as JSON, and
 * changed while it runs. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/state.h"

/* ---- JSON ---- */

void settings_write(struct jw *w, const struct core_config *f)
{
    jw_kint(w, "cpu_units", f->cpu_units);
    jw_kint(w, "memory_mib", f->memory_mib);
    jw_kint(w, "pull_behavior", f->pull_behavior);
    jw_kbool(w, "pull_upfront", f->pull_upfront);
    jw_kint(w, "stop_timeout_ms", f->stop_timeout_ms);
    jw_kint(w, "create_timeout_ms", f->create_timeout_ms);
    jw_kint(w, "start_timeout_ms", f->start_timeout_ms);
    jw_kint(w, "pull_timeout_ms", f->pull_timeout_ms);
    jw_kint(w, "pull_inactivity_ms", f->pull_inactivity_ms);
    jw_kint(w, "cleanup_wait_ms", f->cleanup_wait_ms);
    jw_kint(w, "cleanup_jitter_ms", f->cleanup_jitter_ms);
    jw_kint(w, "drain_ms", f->drain_ms);
    jw_kint(w, "ageing_ms", f->ageing_ms);
    jw_kint(w, "start_parallel", f->start_parallel);
    jw_kint(w, "pull_parallel", f->pull_parallel);
    jw_kbool(w, "exclude_ipv6_binding", f->exclude_ipv6_binding);
    jw_kbool(w, "exclude_ipv4_binding", f->exclude_ipv4_binding);
    jw_kint(w, "manifest_timeout_ms", f->manifest_timeout_ms);
    jw_kint(w, "port_first", f->port_first);
    jw_kint(w, "port_last", f->port_last);
    jw_kbool(w, "task_cgroups", f->task_cgroups);
    jw_kbool(w, "stop_digest", f->stop_digest);
    jw_kbool(w, "image_cleanup", f->image_cleanup);
    jw_kbool(w, "disk_cleanup", f->disk_cleanup);
    jw_kbool(w, "untracked_cleanup", f->untracked_cleanup);
    jw_kint(w, "image_interval_ms", f->image_interval_ms);
    jw_kint(w, "image_min_age_ms", f->image_min_age_ms);
    jw_kint(w, "untracked_min_age_ms", f->untracked_min_age_ms);
    jw_kint(w, "images_per_cycle", f->images_per_cycle);
    jw_kint(w, "containers_per_cycle", f->containers_per_cycle);
    jw_kint(w, "disk_high_pct", f->disk_high_pct);
    jw_kint(w, "disk_low_pct", f->disk_low_pct);
    jw_kint(w, "disk_check_ms", f->disk_check_ms);
    jw_karray(w, "excluded_images");
    for (size_t i = 0; i < f->n_excluded_images; i++)
        jw_str(w, f->excluded_images[i]);
    jw_end(w);
}

/* free() the array; the texts are the document's. */
static const char **read_names(const struct jcur *j, const char *key, size_t *n)
{
    struct jcur all = jcur_arr(j, key);
    const char **names = mem_array(jcur_len(&all), sizeof *names);

    JCUR_EACH (item, &all)
        names[(*n)++] = jcur_as_str(&item);
    return names;
}

struct core_config settings_read(const struct jcur *j, const char ***excluded)
{
    struct core_config cfg = {
        .cpu_units = jcur_int(j, "cpu_units", SANE_INT),
        .memory_mib = jcur_int(j, "memory_mib", SANE_INT),
        .pull_behavior = (enum pull_behavior)jcur_int(j, "pull_behavior", 0, PULL_PREFER_CACHED),
        .pull_upfront = jcur_bool_or(j, "pull_upfront", false),
        .stop_timeout_ms = jcur_int(j, "stop_timeout_ms", SANE_INT),
        .create_timeout_ms = jcur_int(j, "create_timeout_ms", SANE_INT),
        .start_timeout_ms = jcur_int(j, "start_timeout_ms", SANE_INT),
        .pull_timeout_ms = jcur_int(j, "pull_timeout_ms", SANE_INT),
        .pull_inactivity_ms = jcur_int(j, "pull_inactivity_ms", SANE_INT),
        .cleanup_wait_ms = jcur_int(j, "cleanup_wait_ms", SANE_INT),
        .cleanup_jitter_ms = jcur_int(j, "cleanup_jitter_ms", SANE_INT),
        .drain_ms = jcur_int(j, "drain_ms", SANE_INT),
        .ageing_ms = jcur_int(j, "ageing_ms", 1, SANE_MAX),
        .start_parallel = (int)jcur_int(j, "start_parallel", 1, INT32_MAX),
        .pull_parallel = (int)jcur_int(j, "pull_parallel", 1, INT32_MAX),
        .exclude_ipv6_binding = jcur_bool_or(j, "exclude_ipv6_binding", true),
        .exclude_ipv4_binding = jcur_bool_or(j, "exclude_ipv4_binding", false),
        .manifest_timeout_ms = jcur_int(j, "manifest_timeout_ms", SANE_INT),
        .port_first = (uint16_t)jcur_int(j, "port_first", 0, UINT16_MAX),
        .port_last = (uint16_t)jcur_int(j, "port_last", 0, UINT16_MAX),
        .task_cgroups = jcur_bool_or(j, "task_cgroups", false),
        .stop_digest = jcur_bool_or(j, "stop_digest", false), /* older records have none */
        .image_cleanup = jcur_bool_or(j, "image_cleanup", false),
        .disk_cleanup = jcur_bool_or(j, "disk_cleanup", false),
        .untracked_cleanup = jcur_bool_or(j, "untracked_cleanup", false),
        .image_interval_ms = jcur_int(j, "image_interval_ms", 1, SANE_MAX),
        .image_min_age_ms = jcur_int(j, "image_min_age_ms", SANE_INT),
        .untracked_min_age_ms = jcur_int(j, "untracked_min_age_ms", SANE_INT),
        .images_per_cycle = (int)jcur_int(j, "images_per_cycle", 0, INT32_MAX),
        .containers_per_cycle = (int)jcur_int(j, "containers_per_cycle", 0, INT32_MAX),
        .disk_high_pct = (int)jcur_int(j, "disk_high_pct", 0, 100),
        .disk_low_pct = (int)jcur_int(j, "disk_low_pct", 0, 100),
        .disk_check_ms = jcur_int(j, "disk_check_ms", 1, SANE_MAX),
    };

    *excluded = read_names(j, "excluded_images", &cfg.n_excluded_images);
    cfg.excluded_images = *excluded;
    return cfg;
}

/* ---- in the core ---- */

void settings_keep_images(struct core *c, const struct core_config *cfg)
{
    char **kept = mem_array(cfg->n_excluded_images, sizeof *kept);

    for (size_t i = 0; i < cfg->n_excluded_images; i++)
        kept[i] = mem_strdup(cfg->excluded_images[i]);
    settings_drop_images(c);
    c->excluded_images = kept;
    c->cfg.excluded_images = (const char *const *)kept;
    c->cfg.n_excluded_images = cfg->n_excluded_images;
}

void settings_drop_images(struct core *c)
{
    for (size_t i = 0; c->excluded_images && i < c->cfg.n_excluded_images; i++)
        free(c->excluded_images[i]);
    free(c->excluded_images);
    c->excluded_images = NULL;
    c->cfg.n_excluded_images = 0;
}

/* What was measured or registered at the start stays: capacity, reserved ports, whether
 * tasks have cgroups, and the range of ports, whose holds the shell has. */
void settings_change(struct core *c, const struct core_config *to)
{
    struct core_config kept = c->cfg;

    settings_keep_images(c, to);
    kept.excluded_images = c->cfg.excluded_images;
    kept.n_excluded_images = c->cfg.n_excluded_images;
    c->cfg = *to;
    c->cfg.seed = kept.seed;
    c->cfg.cpu_units = kept.cpu_units;
    c->cfg.memory_mib = kept.memory_mib;
    c->cfg.reserved_tcp = c->cfg.reserved_udp = NULL;
    c->cfg.n_reserved_tcp = c->cfg.n_reserved_udp = 0;
    c->cfg.task_cgroups = kept.task_cgroups;
    c->cfg.port_first = kept.port_first;
    c->cfg.port_last = kept.port_last;
    c->cfg.excluded_images = kept.excluded_images;
    c->cfg.n_excluded_images = kept.n_excluded_images;
    c->lanes[LANE_CREATE].limit = c->lanes[LANE_START].limit = to->start_parallel;
    c->lanes[LANE_PULL].limit = to->pull_parallel;
    if (c->started)
        janitor_started(c);
}
