/* judge: what is seen of the machine, and what that means. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/internal.h"

#define MIB ((int64_t)1 << 20)

/* The agent's own state is small; without room for it nothing new is begun. */
#define DATA_LEAST_MIB   64
#define DATA_LITTLE_MIB  512
#define DATA_LEAST_FILES 1000
/* One image of a common size; several of them. */
#define ENGINE_LEAST_MIB  512
#define ENGINE_LITTLE_MIB 4096
/* Signatures of requests hold for five minutes. */
#define CLOCK_WRONG_MS (5 * 60 * 1000)
#define CLOCK_POOR_MS  (60 * 1000)
/* With less there is no task-eni attribute, and no plugins of volumes. */
#define API_MINOR_WELL 25

#define OTHERS_READ  077
#define OTHERS_WRITE 022

static const char *const names[] = {
    [PREFLIGHT_CONFIGURATION] = "configuration",
    [PREFLIGHT_FILES] = "files",
    [PREFLIGHT_DISK] = "disk",
    [PREFLIGHT_PORTS] = "ports",
    [PREFLIGHT_ENGINE] = "engine",
    [PREFLIGHT_ENGINE_DISK] = "engine-disk",
    [PREFLIGHT_CGROUPS] = "control-groups",
    [PREFLIGHT_PACKET_FILTER] = "packet-filter",
    [PREFLIGHT_METADATA] = "metadata",
    [PREFLIGHT_CREDENTIALS] = "credentials",
    [PREFLIGHT_CONTROL_PLANE] = "control-plane",
    [PREFLIGHT_LOGS] = "logs",
    [PREFLIGHT_CLOCK] = "clock",
    [PREFLIGHT_PROBE] = "probe",
};

const char *preflight_check_name(enum preflight_check c)
{
    return c < PREFLIGHT__COUNT ? names[c] : "";
}

const char *preflight_verdict_name(enum preflight_verdict v)
{
    static const char *const words[] = { "PASS", "WARN", "FAIL", "SKIP" };

    return v < COUNT_OF(words) ? words[v] : "";
}

static void say(struct preflight_row *row, enum preflight_verdict v, const char *todo,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
static void say(struct preflight_row *row, enum preflight_verdict v, const char *todo,
                const char *fmt, ...)
{
    char all[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(all, sizeof all, fmt, ap);
    va_end(ap);
    row->verdict = v;
    snprintf(row->finding, sizeof row->finding, "%.*s",
             (int)str_utf8_prefix(all, strlen(all), sizeof row->finding - 1), all);
    snprintf(row->todo, sizeof row->todo, "%s", todo);
}

/* ---- this machine ---- */

static void judge_configuration(const struct preflight_facts *f, struct preflight_row *row)
{
    static const char todo[] = "\"berth check-config\" shows every problem and its line";
    const char *first = f->first_problem ? f->first_problem : "";

    if (f->fatal)
        say(row, PREFLIGHT_FAIL, todo, "the agent would not start: %.400s", first);
    else if (f->problems)
        say(row, PREFLIGHT_WARN, todo, "%zu problem%s, the first: %.400s", f->problems,
            f->problems == 1 ? "" : "s", first);
    else
        say(row, PREFLIGHT_PASS, "", "cluster %.200s, %s%.60s", f->cluster,
            f->region ? "region " : "the region comes from instance metadata",
            f->region ? f->region : "");
}

static bool judge_path(const struct preflight_facts *f, size_t i, struct preflight_row *row)
{
    const struct preflight_path *p = &f->paths[i];
    bool state = i == PATH_DATA;

    if (!p->what || !p->there || (!state && !S_ISREG(p->mode))) /* such as /dev/null */
        return false;
    if (state && !p->folder)
        say(row, PREFLIGHT_FAIL, "move it away, or set ECS_DATADIR", "%.300s is no folder",
            p->path);
    else if (state && p->mode & S_ISVTX)
        say(row, PREFLIGHT_FAIL, "set ECS_DATADIR to a folder of the agent's own",
            "the state would be in %.300s, a folder for all", p->path);
    else if (p->owner != f->self)
        say(row, PREFLIGHT_FAIL, "give it to root (chown)",
            "%s, %.300s, belong to another user (%u)", p->what, p->path, (unsigned)p->owner);
    else if (!state && p->mode & OTHERS_WRITE)
        say(row, PREFLIGHT_FAIL, "chmod 600 it", "others may change %s, %.300s (mode %03o)",
            p->what, p->path, p->mode & 0777);
    else if (!state && p->mode & OTHERS_READ && f->holds_secrets)
        say(row, PREFLIGHT_WARN, "chmod 600 it",
            "others may read %s, %.300s (mode %03o), and there are keys or passwords in the "
            "settings",
            p->what, p->path, p->mode & 0777);
    else if (state && p->mode & OTHERS_READ)
        say(row, PREFLIGHT_WARN, "chmod 700 it; the agent does so at its start",
            "others may look into %.300s (mode %03o)", p->path, p->mode & 0777);
    else
        return false;
    return true;
}

/* The worst of them counts. */
static void judge_files(const struct preflight_facts *f, struct preflight_row *row)
{
    struct preflight_row one;

    say(row, PREFLIGHT_PASS, "", "settings and state are open to nobody who should not have them");
    for (size_t i = 0; i < PREFLIGHT_PATHS; i++) {
        if (judge_path(f, i, &one) &&
            (row->verdict == PREFLIGHT_PASS ||
             (row->verdict == PREFLIGHT_WARN && one.verdict == PREFLIGHT_FAIL)))
            *row = one;
    }
}

struct room {
    const struct host_disk *disk;
    const char *path;
    int64_t least_mib, little_mib;
    int high_pct; /* 0: no such limit */
    const char *todo;
};

static void judge_room(const struct room *r, struct preflight_row *row)
{
    const struct host_disk *d = r->disk;
    int64_t free_mib = (d->bytes - d->bytes_used) / MIB, inodes = d->inodes - d->inodes_used;
    /* In parts of 100 that can be had, without an overflow. */
    int64_t used_pct = d->bytes > 0 ? d->bytes_used / (d->bytes / 100 + 1) : 0;

    if (free_mib < r->least_mib)
        say(row, PREFLIGHT_FAIL, r->todo, "%" PRId64 " MiB free in %.300s, less than %" PRId64,
            free_mib, r->path, r->least_mib);
    else if (d->inodes > 0 && inodes < DATA_LEAST_FILES)
        say(row, PREFLIGHT_FAIL, r->todo, "room for %" PRId64 " more files in %.300s", inodes,
            r->path);
    else if (r->high_pct && used_pct >= r->high_pct)
        say(row, PREFLIGHT_WARN, r->todo,
            "%.300s is %" PRId64 " %% full: from %d %% on images are removed", r->path, used_pct,
            r->high_pct);
    else if (free_mib < r->little_mib)
        say(row, PREFLIGHT_WARN, r->todo, "only %" PRId64 " MiB free in %.300s", free_mib, r->path);
    else
        say(row, PREFLIGHT_PASS, "", "%" PRId64 " MiB free in %.300s", free_mib, r->path);
}

static void judge_disk(const struct preflight_facts *f, struct preflight_row *row)
{
    judge_room(&(struct room){ &f->disk, f->disk_path, DATA_LEAST_MIB, DATA_LITTLE_MIB, 0,
                               "make room, or set ECS_DATADIR: without room nothing is begun" },
               row);
}

static void judge_engine_disk(const struct preflight_facts *f, struct preflight_row *row)
{
    judge_room(&(struct room){ &f->engine_disk, f->engine_root, ENGINE_LEAST_MIB, ENGINE_LITTLE_MIB,
                               f->disk_high_pct, "a larger disk, or fewer images" },
               row);
}

/* The agent that answers has it, or the service manager keeps it for that one. */
static bool is_agents(const struct preflight_facts *f, const struct err *e)
{
    char holder[40];

    snprintf(holder, sizeof holder, "process %" PRId64 " (", f->agent_pid);
    return f->agent_pid && (strstr(e->msg, holder) || strstr(e->msg, "process 1 ("));
}

static void judge_ports(const struct preflight_facts *f, struct preflight_row *row)
{
    static const char todo[] = "end that program, or set BERTH_TASKS_PORT and "
                               "BERTH_INTROSPECTION_PORT";
    char text[40];
    size_t n = 0, held = 0;

    text[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(f->ports); i++) {
        const struct preflight_port *p = &f->ports[i];

        if (!p->number)
            continue;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", n ? " and " : "",
                 p->number);
        n++;
        if (!p->err.code)
            continue;
        if (!is_agents(f, &p->err)) {
            say(row, PREFLIGHT_FAIL, todo, "%.400s", p->err.msg);
            return;
        }
        held++;
    }
    if (held)
        say(row, PREFLIGHT_PASS, "", "%s: served by the running agent (process %" PRId64 ")", text,
            f->agent_pid);
    else
        say(row, PREFLIGHT_PASS, "", "%s %s free", text, n == 1 ? "is" : "are");
}

static void judge_cgroups(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_CGROUPS].err;

    if (!e->code)
        say(row, PREFLIGHT_PASS, "", "version %d, by %s", f->cgroup_version,
            f->cgroup_systemd ? "systemd" : "cgroupfs");
    else if (f->cgroups_wanted)
        say(row, PREFLIGHT_FAIL, "ECS_ENABLE_TASK_CPU_MEM_LIMIT asks for them: the agent ends",
            "tasks cannot have control groups of their own: %.400s", e->msg);
    else
        say(row, PREFLIGHT_WARN, "mount /sys/fs/cgroup for writing",
            "tasks go without CPU and memory limits of their own: %.400s", e->msg);
}

static void judge_packet_filter(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_PACKET_FILTER].err;

    if (!e->code)
        say(row, PREFLIGHT_PASS, "", "the rules that lead tasks to 169.254.170.2 can be put");
    else
        say(row, PREFLIGHT_FAIL,
            e->code == ERR_NOT_FOUND ? "install iptables"
                                     : "load the module that is missing; run this as root",
            "tasks do not reach their credentials at 169.254.170.2: %.400s", e->msg);
}

/* ---- the engine ---- */

static void judge_engine(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_ENGINE].err;

    if (e->code)
        say(row, PREFLIGHT_FAIL,
            e->code == ERR_RETRY || e->code == ERR_TIMEOUT
                ? "systemctl start docker; see DOCKER_HOST"
                : "see DOCKER_HOST; an engine of API 1.24 or newer is needed",
            "no container engine that can be used: %.400s", e->msg);
    else if (f->engine_api_minor < API_MINOR_WELL)
        say(row, PREFLIGHT_WARN, "a newer Docker Engine",
            "version %s speaks API %s: volume plugins are not known to it", f->engine_version,
            f->engine_api);
    else
        say(row, PREFLIGHT_PASS, "", "version %s, API %s", f->engine_version, f->engine_api);
}

static void judge_probe(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_PROBE].err;

    if (f->left)
        say(row, f->ran ? PREFLIGHT_WARN : PREFLIGHT_FAIL, "remove it: docker rm -f",
            "a container of %.200s %s, but could not be removed: %.80s%s%.200s", f->image,
            f->ran ? "ran" : "did not run", f->left, e->code ? ": " : "", e->msg);
    else if (e->code == ERR_NOT_FOUND && f->image_named && !f->ran)
        say(row, PREFLIGHT_FAIL, "pull it first, or leave --image out", "%.200s: %.250s", f->image,
            e->msg);
    else if (e->code)
        say(row, PREFLIGHT_FAIL, "the engine's own log says more: journalctl -u docker",
            "a container of %.200s did not run: %.250s", f->image, e->msg);
    else
        say(row, PREFLIGHT_PASS, "", "a container of %.200s%s was created, ran, and was removed",
            f->image, f->image_made ? " (made here)" : "");
}

/* ---- the cloud ---- */

static void judge_metadata(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_METADATA].err;

    if (e->code)
        say(row, PREFLIGHT_FAIL,
            "elsewhere than on EC2: AWS_EC2_METADATA_DISABLED=true and AWS_DEFAULT_REGION",
            "the instance metadata service does not tell who this is: %.400s", e->msg);
    else
        say(row, PREFLIGHT_PASS, "", "instance %.80s%s%.40s",
            f->instance_id ? f->instance_id : "without id", f->region ? " in " : "",
            f->region ? f->region : "");
}

static void judge_credentials(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_CREDENTIALS].err;

    if (e->code)
        say(row, PREFLIGHT_FAIL, "give the instance a role, or keys in /root/.aws/credentials",
            "%.490s", e->msg);
    else
        say(row, PREFLIGHT_PASS, "", "from %.300s", f->key_source ? f->key_source : "one source");
}

static void judge_control_plane(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_CONTROL_PLANE].err;

    if (e->code)
        say(row, PREFLIGHT_FAIL,
            f->endpoint ? "look at routes, security groups, proxy and certificates"
                        : "set AWS_DEFAULT_REGION",
            "%.150s cannot be reached: %.300s", f->endpoint ? f->endpoint : "the endpoint", e->msg);
    else
        say(row, PREFLIGHT_PASS, "", "%.300s answers (%d)", f->endpoint, f->endpoint_status);
}

/* Tasks run without. */
static void judge_logs(const struct preflight_facts *f, struct preflight_row *row)
{
    const struct err *e = &f->checks[PREFLIGHT_LOGS].err;

    if (e->code)
        say(row, PREFLIGHT_WARN, "logs wait on this machine until it can be",
            "%.150s cannot be reached: %.300s",
            f->logs_endpoint ? f->logs_endpoint : "the endpoint", e->msg);
    else
        say(row, PREFLIGHT_PASS, "", "%.300s answers (%d)", f->logs_endpoint, f->logs_status);
}

static void judge_clock(const struct preflight_facts *f, struct preflight_row *row)
{
    static const char todo[] =
        "set it, and keep it set: systemctl enable --now chronyd (or chrony)";
    int64_t ahead = f->clock_ahead_ms, off = ahead < 0 ? -ahead : ahead;
    const char *which = ahead < 0 ? "behind" : "ahead of";

    if (!f->clock_known)
        say(row, PREFLIGHT_SKIP, "", "no answer of an endpoint tells the time");
    else if (off >= CLOCK_WRONG_MS)
        say(row, PREFLIGHT_FAIL, todo,
            "%" PRId64 " s %s the control plane's: signatures of requests are refused", off / 1000,
            which);
    else if (off >= CLOCK_POOR_MS)
        say(row, PREFLIGHT_WARN, todo,
            "%" PRId64 " s %s the control plane's; from five minutes on requests are refused",
            off / 1000, which);
    else
        say(row, PREFLIGHT_PASS, "", "within %" PRId64 " s of the control plane's",
            (off + 999) / 1000 > 1 ? (off + 999) / 1000 : (int64_t)1);
}

/* ---- all ---- */

static void judge_plain(const struct preflight_facts *f, enum preflight_check c,
                        struct preflight_row *row)
{
    const struct err *e = &f->checks[c].err;

    say(row, PREFLIGHT_FAIL, "", "%.400s", e->msg);
}

void preflight_judge(enum preflight_check c, const struct preflight_facts *f,
                     struct preflight_row *row)
{
    static void (*const judges[])(const struct preflight_facts *, struct preflight_row *) = {
        [PREFLIGHT_CONFIGURATION] = judge_configuration,
        [PREFLIGHT_FILES] = judge_files,
        [PREFLIGHT_DISK] = judge_disk,
        [PREFLIGHT_PORTS] = judge_ports,
        [PREFLIGHT_ENGINE] = judge_engine,
        [PREFLIGHT_ENGINE_DISK] = judge_engine_disk,
        [PREFLIGHT_CGROUPS] = judge_cgroups,
        [PREFLIGHT_PACKET_FILTER] = judge_packet_filter,
        [PREFLIGHT_METADATA] = judge_metadata,
        [PREFLIGHT_CREDENTIALS] = judge_credentials,
        [PREFLIGHT_CONTROL_PLANE] = judge_control_plane,
        [PREFLIGHT_LOGS] = judge_logs,
        [PREFLIGHT_CLOCK] = judge_clock,
        [PREFLIGHT_PROBE] = judge_probe,
    };
    /* Whose errors mean nothing but themselves. */
    static const bool plain[PREFLIGHT__COUNT] = {
        [PREFLIGHT_FILES] = true,
        [PREFLIGHT_DISK] = true,
        [PREFLIGHT_PORTS] = true,
        [PREFLIGHT_ENGINE_DISK] = true,
    };

    switch (f->checks[c].asked) {
    case ASKED_SKIPPED:
        say(row, PREFLIGHT_SKIP, "", "%.400s", f->checks[c].err.msg);
        return;
    case ASKED_PENDING:
    case ASKED_OVER:
        if (c == PREFLIGHT_PROBE && f->left)
            say(row, PREFLIGHT_FAIL, "remove it: docker rm -f",
                "no end after %" PRId64 " s; the container %.80s is left",
                f->checks[c].limit_ms / 1000, f->left);
        else
            say(row, c == PREFLIGHT_LOGS ? PREFLIGHT_WARN : PREFLIGHT_FAIL, "",
                "no answer within %" PRId64 " s", f->checks[c].limit_ms / 1000);
        return;
    case ASKED_ENDED:
        break;
    }
    if (f->checks[c].err.code && plain[c])
        judge_plain(f, c, row);
    else
        judges[c](f, row);
}

void preflight_facts_fini(struct preflight_facts *f)
{
    for (size_t i = 0; i < PREFLIGHT_PATHS; i++)
        free(f->paths[i].path);
    free(f->first_problem);
    free(f->cluster);
    free(f->region);
    free(f->disk_path);
    free(f->engine_root);
    free(f->instance_id);
    free(f->key_source);
    free(f->endpoint);
    free(f->logs_endpoint);
    free(f->image);
    free(f->left);
}
