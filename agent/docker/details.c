/* details: what an inspect says beyond what decisions need; for the local endpoints. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "docker/decode.h"

#define PAIRS_MAX    512  /* of each list; more are left out */
#define OUTPUT_MAX   8192 /* the engine itself keeps 4096 */
#define NETWORKS_MAX 64

void docker_details_fini(struct docker_details *d)
{
    free(d->image_id);
    for (size_t i = 0; i < d->n_labels; i++) {
        free(d->labels[i].key);
        free(d->labels[i].value);
    }
    free(d->labels);
    for (size_t i = 0; i < d->n_networks; i++) {
        free(d->networks[i].name);
        free(d->networks[i].ipv4);
        free(d->networks[i].ipv6);
    }
    free(d->networks);
    for (size_t i = 0; i < d->n_mounts; i++) {
        free(d->mounts[i].name);
        free(d->mounts[i].source);
        free(d->mounts[i].destination);
    }
    free(d->mounts);
    free(d->health_output);
    free(d->log_path);
    free(d->log_driver);
    *d = (struct docker_details){ 0 };
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct docker_label *)a)->key, ((const struct docker_label *)b)->key);
}

static void read_labels(const struct jcur *root, struct docker_details *d)
{
    struct jcur config = jcur_obj(root, "Config"), labels = jcur_obj(&config, "Labels"), m;

    for (size_t i = 0; i < PAIRS_MAX && jcur_member(&labels, i, &m); i++) {
        if (streq(m.key, LABEL_OWNER) || streq(m.key, LABEL_REMAINS))
            continue; /* nobody's business but the agent's */
        d->labels = mem_resize(d->labels, d->n_labels + 1, sizeof *d->labels);
        d->labels[d->n_labels++] =
            (struct docker_label){ mem_strdup(m.key),
                                   mem_strdup(jcur_present(&m) ? jcur_as_str(&m) : "") };
    }
    if (d->n_labels)
        qsort(d->labels, d->n_labels, sizeof *d->labels, compare_labels);
}

static void add_network(struct docker_details *d, const char *name, const char *v4, const char *v6)
{
    d->networks = mem_resize(d->networks, d->n_networks + 1, sizeof *d->networks);
    d->networks[d->n_networks++] =
        (struct docker_network){ mem_strdup(name), mem_strdup(v4), mem_strdup(v6) };
}

/* Without a list of networks, as of an engine that knows none, the mode and the one address. */
static void read_networks(const struct jcur *root, struct docker_details *d)
{
    struct jcur host = jcur_obj(root, "HostConfig"), settings = jcur_obj(root, "NetworkSettings");
    struct jcur networks = jcur_obj(&settings, "Networks"), m;

    d->network_mode_known = jcur_present(&settings);
    for (size_t i = 0; i < NETWORKS_MAX && jcur_member(&networks, i, &m); i++)
        add_network(d, m.key, jcur_str_or(&m, "IPAddress", ""),
                    jcur_str_or(&m, "GlobalIPv6Address", ""));
    if (!d->n_networks && d->network_mode_known)
        add_network(d, jcur_str_or(&host, "NetworkMode", ""),
                    jcur_str_or(&settings, "IPAddress", ""),
                    jcur_str_or(&settings, "GlobalIPv6Address", ""));
}

static void read_mounts(const struct jcur *root, struct docker_details *d)
{
    struct jcur mounts = jcur_arr(root, "Mounts");

    JCUR_EACH (m, &mounts) {
        if (d->n_mounts == PAIRS_MAX)
            break;
        d->mounts = mem_resize(d->mounts, d->n_mounts + 1, sizeof *d->mounts);
        d->mounts[d->n_mounts++] =
            (struct docker_mount){ mem_strdup(jcur_str_or(&m, "Name", "")),
                                   mem_strdup(jcur_str_or(&m, "Source", "")),
                                   mem_strdup(jcur_str_or(&m, "Destination", "")) };
    }
}

static void read_health(const struct jcur *state, struct docker_details *d)
{
    struct jcur health = jcur_obj(state, "Health"), log = jcur_arr(&health, "Log"), last, text;
    size_t n = jcur_len(&log);
    struct str output = { 0 };

    if (!n)
        return;
    last = jcur_at(&log, n - 1);
    text = jcur_get(&last, "Output");
    if (jcur_present(&text))
        output = jcur_as_bytes(&text); /* a probe writes any bytes */
    d->has_probe = true;
    d->health_exit = (int)jcur_int_or(&last, "ExitCode", INT32_MIN, INT32_MAX, 0);
    d->health_end_ms = docker_decode_time(&last, "End");
    d->health_output =
        mem_strndup(output.n ? output.p : "", str_utf8_prefix(output.p, output.n, OUTPUT_MAX));
}

static char *dup_if(const char *text)
{
    return str_empty(text) ? NULL : mem_strdup(text);
}

static void read_log(const struct jcur *root, struct docker_details *d)
{
    struct jcur host = jcur_obj(root, "HostConfig"), log = jcur_obj(&host, "LogConfig");
    struct jcur config = jcur_obj(root, "Config");

    d->tty = jcur_bool_or(&config, "Tty", false);
    d->log_path = dup_if(jcur_str_or(root, "LogPath", NULL));
    d->log_driver = dup_if(jcur_str_or(&log, "Type", NULL));
}

void docker_details_read(const struct jcur *root, struct docker_details *out)
{
    struct jcur state = jcur_obj(root, "State");

    *out = (struct docker_details){ 0 };
    out->image_id = mem_strdup(jcur_str_or(root, "Image", ""));
    out->pid = (int)jcur_int_or(&state, "Pid", 0, INT32_MAX, 0);
    out->oom_killed = jcur_bool_or(&state, "OOMKilled", false);
    out->paused = jcur_bool_or(&state, "Paused", false);
    read_log(root, out);
    read_labels(root, out);
    read_networks(root, out);
    read_mounts(root, out);
    read_health(&state, out);
}
