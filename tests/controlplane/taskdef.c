#include "taskdef.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define FAIL(...) err_set(e, ERR_INVALID, __VA_ARGS__)

static bool one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (streq(text, *names))
            return true;
    return false;
}

static bool name_ok(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_' && s[i] != '-')
            return false;
    return n >= 1 && n <= 255;
}

/* The index of the element whose member `key` is `name`, or the length. */
static size_t index_of(const struct jcur *list, const char *key, const char *name)
{
    size_t n = jcur_len(list);

    for (size_t i = 0; i < n; i++) {
        struct jcur item = jcur_at(list, i);

        if (streq(jcur_str_or(&item, key, ""), name))
            return i;
    }
    return n;
}

static bool known(const struct jcur *list, const char *key, const char *name)
{
    return index_of(list, key, name) < jcur_len(list);
}

/* ---- sizes ---- */

static enum err_code parse_size(const char *text, const char *unit, double factor, int64_t *out,
                                const char *what, struct err *e)
{
    char *end = NULL;
    double v = strtod(text, &end);

    if (end == text || !(v > 0) || v > 1e9)
        return FAIL("Invalid '%s' setting for task: '%s'", what, text);
    while (*end == ' ')
        end++;
    if (*end && strcasecmp(end, unit) == 0)
        v *= factor;
    else if (*end)
        return FAIL("Invalid '%s' setting for task: '%s'", what, text);
    *out = (int64_t)llround(v);
    return ERR_OK;
}

enum err_code taskdef_cpu(const char *text, int64_t *units, struct err *e)
{
    return parse_size(text, "vCPU", 1024, units, "cpu", e);
}

enum err_code taskdef_memory(const char *text, int64_t *mib, struct err *e)
{
    return parse_size(text, "GB", 1024, mib, "memory", e);
}

/* ---- checks ---- */

static enum err_code check_ports(const struct jcur *container, const char *name, const char *mode,
                                 struct err *e)
{
    static const char *const protocols[] = { "tcp", "udp", NULL };
    struct jcur list = jcur_arr(container, "portMappings");

    JCUR_EACH (p, &list) {
        int64_t port = jcur_int_or(&p, "containerPort", INT32_MIN, INT32_MAX, -1);
        int64_t host = jcur_int_or(&p, "hostPort", INT32_MIN, INT32_MAX, 0);
        const char *range = jcur_str_or(&p, "containerPortRange", NULL);

        if (!one_of(jcur_str_or(&p, "protocol", "tcp"), protocols))
            return FAIL("Invalid 'protocol' setting for container '%s'", name);
        if (range) {
            char *end = NULL;
            long first = strtol(range, &end, 10), last;

            last = *end == '-' ? strtol(end + 1, &end, 10) : -1;
            if (*end || first < 1 || last < first || last > 65535)
                return FAIL("Invalid 'containerPortRange' setting for container '%s'", name);
            if (port != -1)
                return FAIL("'containerPort' and 'containerPortRange' are both specified for "
                            "container '%s'",
                            name);
            continue;
        }
        if (port < 1 || port > 65535)
            return FAIL("Invalid 'containerPort' setting for container '%s'", name);
        if (host < 0 || host > 65535)
            return FAIL("Invalid 'hostPort' setting for container '%s'", name);
        if ((streq(mode, "host") || streq(mode, "awsvpc")) && host != 0 && host != port)
            return FAIL("When networkMode=%s, the host ports and container ports in port "
                        "mappings must match.",
                        mode);
    }
    return ERR_OK;
}

static enum err_code check_dependencies(const struct jcur *containers, const struct jcur *container,
                                        const char *name, struct err *e)
{
    static const char *const conditions[] = { "START", "COMPLETE", "SUCCESS", "HEALTHY", NULL };
    struct jcur list = jcur_arr(container, "dependsOn");

    JCUR_EACH (d, &list) {
        const char *target = jcur_str_or(&d, "containerName", "");
        const char *condition = jcur_str_or(&d, "condition", "");
        struct jcur other = jcur_at(containers, index_of(containers, "name", target));
        struct jcur health = jcur_obj(&other, "healthCheck");

        if (!one_of(condition, conditions))
            return FAIL("Invalid condition '%s' in dependsOn of container '%s'", condition, name);
        if (!jcur_present(&other))
            return FAIL("Container '%s' depends on a container that does not exist: '%s'", name,
                        target);
        if (streq(condition, "HEALTHY") && !jcur_present(&health))
            return FAIL("Container '%s' depends on '%s' to be HEALTHY, but it has no health check",
                        name, target);
        if ((streq(condition, "COMPLETE") || streq(condition, "SUCCESS")) &&
            jcur_bool_or(&other, "essential", true))
            return FAIL("A dependency of container '%s' with condition %s must not be an "
                        "essential container: '%s'",
                        name, condition, target);
    }
    return ERR_OK;
}

static enum err_code check_references(const struct jcur *request, const struct jcur *containers,
                                      const struct jcur *container, const char *name,
                                      const char *mode, struct err *e)
{
    struct jcur volumes = jcur_arr(request, "volumes");
    struct jcur mounts = jcur_arr(container, "mountPoints");
    struct jcur from = jcur_arr(container, "volumesFrom");
    struct jcur links = jcur_arr(container, "links");

    JCUR_EACH (m, &mounts) {
        const char *source = jcur_str_or(&m, "sourceVolume", "");

        if (!known(&volumes, "name", source))
            return FAIL("Unknown volume '%s'.", source);
        if (!*jcur_str_or(&m, "containerPath", ""))
            return FAIL("Mount point of container '%s' has no containerPath", name);
    }
    JCUR_EACH (v, &from) {
        const char *source = jcur_str_or(&v, "sourceContainer", "");

        if (!known(containers, "name", source) || streq(source, name))
            return FAIL("Unknown container '%s' in volumesFrom of container '%s'", source, name);
    }
    if (jcur_len(&links) > 0 && !streq(mode, "bridge"))
        return FAIL("Links are not supported when networkMode=%s.", mode);
    JCUR_EACH (l, &links) {
        const char *text = jcur_as_str(&l);
        char target[256] = "";
        size_t n = strcspn(text, ":");

        memcpy(target, text, n < sizeof target ? n : 0);
        if (!known(containers, "name", target) || streq(target, name))
            return FAIL("Unknown container '%s' in links of container '%s'", target, name);
    }
    return check_dependencies(containers, container, name, e);
}

static enum err_code check_container(const struct jcur *request, const struct jcur *containers,
                                     size_t i, const char *mode, struct err *e)
{
    static const char *const drivers[] = { "awslogs",     "fluentd",    "gelf",   "json-file",
                                           "journald",    "logentries", "splunk", "syslog",
                                           "awsfirelens", "none",       NULL };
    struct jcur c = jcur_at(containers, i);
    const char *name = jcur_str_or(&c, "name", "");
    int64_t hard = jcur_int_or(&c, "memory", INT32_MIN, INT32_MAX, 0);
    int64_t soft = jcur_int_or(&c, "memoryReservation", INT32_MIN, INT32_MAX, 0);
    struct jcur log = jcur_obj(&c, "logConfiguration"), options = jcur_obj(&log, "options");
    struct jcur health = jcur_obj(&c, "healthCheck"), command = jcur_arr(&health, "command");

    if (!*name)
        return FAIL("Container.name should not be null or empty.");
    if (!name_ok(name))
        return FAIL("Invalid container name '%s': only letters, digits, '-' and '_'", name);
    if (index_of(containers, "name", name) != i)
        return FAIL("Container names must be unique: '%s'", name);
    if (!*jcur_str_or(&c, "image", ""))
        return FAIL("Container.image should not be null or empty.");
    if (hard == 0 && soft == 0 && !*jcur_str_or(request, "memory", ""))
        return FAIL("Invalid setting for container '%s'. At least one of 'memory' or "
                    "'memoryReservation' must be specified.",
                    name);
    if (hard < 0 || soft < 0 || (hard != 0 && hard < 4) || (soft != 0 && soft < 4))
        return FAIL("Invalid setting for container '%s'. 'memory' and 'memoryReservation' must "
                    "be at least 4 MB.",
                    name);
    if (hard != 0 && soft > hard)
        return FAIL("Invalid setting for container '%s'. 'memory' must not be less than "
                    "'memoryReservation'.",
                    name);
    if (jcur_int_or(&c, "cpu", INT32_MIN, INT32_MAX, 0) < 0)
        return FAIL("Invalid 'cpu' setting for container '%s'", name);
    if (jcur_int_or(&c, "stopTimeout", INT32_MIN, INT32_MAX, 2) < 0 ||
        jcur_int_or(&c, "startTimeout", INT32_MIN, INT32_MAX, 2) < 0)
        return FAIL("Invalid timeout for container '%s'", name);
    if (jcur_present(&log)) {
        const char *driver = jcur_str_or(&log, "logDriver", "");

        if (!one_of(driver, drivers))
            return FAIL("Invalid log driver '%s' for container '%s'", driver, name);
        if (streq(driver, "awslogs") && !*jcur_str_or(&options, "awslogs-group", ""))
            return FAIL("Log driver awslogs requires options: awslogs-group");
    }
    if (jcur_present(&health) && jcur_len(&command) == 0)
        return FAIL("Invalid 'healthCheck' setting for container '%s': no command", name);
    if (check_ports(&c, name, mode, e) || check_references(request, containers, &c, name, mode, e))
        return e->code;
    return ERR_OK;
}

/* Two containers must not ask for one host port. */
static enum err_code check_port_conflicts(const struct jcur *request, struct err *e)
{
    struct taskdef_need need;
    struct jcur none = { .err = request->err };
    enum err_code code = ERR_OK;

    taskdef_need(request, &none, &need);
    for (size_t i = 0; i < need.tcp_count && !code; i++)
        for (size_t k = 0; k < i && !code; k++)
            if (need.tcp[i] == need.tcp[k])
                code = FAIL("Host port %u is used more than once.", need.tcp[i]);
    for (size_t i = 0; i < need.udp_count && !code; i++)
        for (size_t k = 0; k < i && !code; k++)
            if (need.udp[i] == need.udp[k])
                code = FAIL("Host port %u is used more than once.", need.udp[i]);
    taskdef_need_fini(&need);
    return code;
}

/* Removes, again and again, the containers whose dependencies are all removed;
 * what stays depends on itself. */
static enum err_code check_acyclic(const struct jcur *containers, struct err *e)
{
    bool done[TASKDEF_CONTAINERS_MAX] = { false };
    size_t n = jcur_len(containers), left = n, before;

    do {
        before = left;
        for (size_t i = 0; i < n; i++) {
            struct jcur c = jcur_at(containers, i), list = jcur_arr(&c, "dependsOn");
            bool ready = !done[i];

            JCUR_EACH (d, &list) {
                if (!done[index_of(containers, "name", jcur_str_or(&d, "containerName", ""))])
                    ready = false;
            }
            if (ready) {
                done[i] = true;
                left--;
            }
        }
    } while (left > 0 && left < before);
    return left ? FAIL("A cycle in the dependencies of the containers was found.") : ERR_OK;
}

static enum err_code check_volumes(const struct jcur *request, struct err *e)
{
    struct jcur volumes = jcur_arr(request, "volumes");

    for (size_t i = 0; i < jcur_len(&volumes); i++) {
        struct jcur v = jcur_at(&volumes, i);
        struct jcur docker = jcur_obj(&v, "dockerVolumeConfiguration");
        const char *name = jcur_str_or(&v, "name", "");

        if (!name_ok(name))
            return FAIL("Volume name '%s' is invalid.", name);
        if (index_of(&volumes, "name", name) != i)
            return FAIL("Volume names must be unique: '%s'", name);
        if (jcur_bool_or(&docker, "autoprovision", false) &&
            !streq(jcur_str_or(&docker, "scope", "task"), "shared"))
            return FAIL("Volume '%s': autoprovision needs the scope 'shared'.", name);
    }
    return ERR_OK;
}

enum err_code taskdef_check(const struct jcur *request, struct err *e)
{
    static const char *const modes[] = { "bridge", "host", "none", "awsvpc", NULL };
    static const char *const pid[] = { "host", "task", NULL };
    static const char *const ipc[] = { "host", "task", "none", NULL };
    struct jcur containers = jcur_arr(request, "containerDefinitions");
    const char *mode = jcur_str_or(request, "networkMode", "bridge");
    const char *cpu = jcur_str_or(request, "cpu", NULL);
    const char *memory = jcur_str_or(request, "memory", NULL);
    bool essential = false;
    int64_t ignored;

    if (!name_ok(jcur_str_or(request, "family", "")))
        return FAIL("Family should not be null or empty and contain only letters, digits, '-' "
                    "and '_'.");
    if (jcur_len(&containers) == 0)
        return FAIL("Container definitions should not be null or empty.");
    if (jcur_len(&containers) > TASKDEF_CONTAINERS_MAX)
        return FAIL("Too many container definitions: at most %d.", TASKDEF_CONTAINERS_MAX);
    if (!one_of(mode, modes))
        return FAIL("Invalid networkMode '%s'", mode);
    if (!one_of(jcur_str_or(request, "pidMode", "host"), pid))
        return FAIL("Invalid pidMode");
    if (!one_of(jcur_str_or(request, "ipcMode", "host"), ipc))
        return FAIL("Invalid ipcMode");
    if ((cpu && taskdef_cpu(cpu, &ignored, e)) || (memory && taskdef_memory(memory, &ignored, e)) ||
        check_volumes(request, e))
        return e->code;
    for (size_t i = 0; i < jcur_len(&containers); i++) {
        struct jcur c = jcur_at(&containers, i);

        if (check_container(request, &containers, i, mode, e))
            return e->code;
        essential = essential || jcur_bool_or(&c, "essential", true);
    }
    if (!essential)
        return FAIL("A task definition must have at least one essential container.");
    if (check_acyclic(&containers, e))
        return e->code;
    return check_port_conflicts(request, e);
}

/* ---- normal form ---- */

static void copy_members(const struct jcur *object, struct jw *w, const char *const *except)
{
    struct jcur m;

    for (size_t i = 0; jcur_member(object, i, &m); i++) {
        if (!jcur_present(&m) || one_of(m.key, except))
            continue;
        jw_key(w, m.key);
        jw_value(w, m.val);
    }
}

static void normalize_ports(const struct jcur *list, bool host_mode, struct jw *w)
{
    static const char *const except[] = { "hostPort", "protocol", NULL };

    jw_karray(w, "portMappings");
    JCUR_EACH (p, list) {
        struct jcur range = jcur_get(&p, "containerPortRange");

        jw_object(w);
        copy_members(&p, w, except);
        if (!jcur_present(&range)) {
            int64_t port = jcur_int_or(&p, "containerPort", 0, 65535, 0);

            jw_kint(w, "hostPort", jcur_int_or(&p, "hostPort", 0, 65535, host_mode ? port : 0));
        }
        jw_kstr(w, "protocol", jcur_str_or(&p, "protocol", "tcp"));
        jw_end(w);
    }
    jw_end(w);
}

static void normalize_health(const struct jcur *health, struct jw *w)
{
    static const char *const except[] = { "interval", "timeout", "retries", NULL };

    jw_kobject(w, "healthCheck");
    copy_members(health, w, except);
    jw_kint(w, "interval", jcur_int_or(health, "interval", 0, INT32_MAX, 30));
    jw_kint(w, "timeout", jcur_int_or(health, "timeout", 0, INT32_MAX, 5));
    jw_kint(w, "retries", jcur_int_or(health, "retries", 0, INT32_MAX, 3));
    jw_end(w);
}

static void normalize_container(const struct jcur *c, bool host_mode, struct jw *w)
{
    static const char *const except[] = { "cpu", "essential", "portMappings", "healthCheck", NULL };
    static const char *const lists[] = { "environment", "mountPoints", "volumesFrom" };
    struct jcur ports = jcur_arr(c, "portMappings"), health = jcur_obj(c, "healthCheck");

    jw_object(w);
    copy_members(c, w, except);
    jw_kint(w, "cpu", jcur_int_or(c, "cpu", 0, INT32_MAX, 0));
    jw_kbool(w, "essential", jcur_bool_or(c, "essential", true));
    normalize_ports(&ports, host_mode, w);
    if (jcur_present(&health))
        normalize_health(&health, w);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct jcur list = jcur_arr(c, lists[i]);

        if (jcur_present(&list))
            continue;
        jw_karray(w, lists[i]);
        jw_end(w);
    }
    jw_end(w);
}

static void normalize_volume(const struct jcur *v, struct jw *w)
{
    static const char *const except[] = { "dockerVolumeConfiguration", NULL };
    static const char *const docker_except[] = { "scope", "driver", NULL };
    struct jcur docker = jcur_obj(v, "dockerVolumeConfiguration");
    struct jcur efs = jcur_obj(v, "efsVolumeConfiguration"), host = jcur_obj(v, "host");

    jw_object(w);
    copy_members(v, w, except);
    if (jcur_present(&docker)) {
        jw_kobject(w, "dockerVolumeConfiguration");
        copy_members(&docker, w, docker_except);
        jw_kstr(w, "scope", jcur_str_or(&docker, "scope", "task"));
        jw_kstr(w, "driver", jcur_str_or(&docker, "driver", "local"));
        jw_end(w);
    } else if (!jcur_present(&efs) && !jcur_present(&host)) {
        jw_kobject(w, "host");
        jw_end(w);
    }
    jw_end(w);
}

void taskdef_normalize(const struct jcur *request, struct jw *w)
{
    static const char *const except[] = { "containerDefinitions", "volumes", "tags", NULL };
    static const char *const lists[] = { "placementConstraints" };
    struct jcur containers = jcur_arr(request, "containerDefinitions");
    struct jcur volumes = jcur_arr(request, "volumes");
    bool host_mode = streq(jcur_str_or(request, "networkMode", ""), "host");

    copy_members(request, w, except);
    jw_karray(w, "containerDefinitions");
    JCUR_EACH (c, &containers) {
        normalize_container(&c, host_mode, w);
    }
    jw_end(w);
    jw_karray(w, "volumes");
    JCUR_EACH (v, &volumes) {
        normalize_volume(&v, w);
    }
    jw_end(w);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct jcur list = jcur_arr(request, lists[i]);

        if (jcur_present(&list))
            continue;
        jw_karray(w, lists[i]);
        jw_end(w);
    }
}
