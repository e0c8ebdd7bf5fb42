/* What of a container definition is meant for Docker as it is: the two texts of
 * dockerConfig. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "task/definition.h"

#define MIB     ((int64_t)1 << 20)
#define NS      ((int64_t)1000000000)
#define MAX_MIB ((int64_t)1 << 30)

/* ---- copies whose type is checked ---- */

void definition_copy_str(struct jw *w, const struct jcur *c, const char *key, const char *to)
{
    jw_kstr_if(w, to, jcur_str_or(c, key, NULL));
}

void definition_copy_bool(struct jw *w, const struct jcur *c, const char *key, const char *to)
{
    struct jcur v = jcur_get(c, key);

    if (jcur_present(&v))
        jw_kbool(w, to, jcur_bool_or(c, key, false));
}

void definition_copy_int(struct jw *w, const struct jcur *c, const char *key, const char *to)
{
    struct jcur v = jcur_get(c, key);

    if (jcur_present(&v))
        jw_kint(w, to, jcur_int_or(c, key, 0, INT32_MAX, 0));
}

void definition_copy_strs(struct jw *w, const struct jcur *c, const char *key, const char *to)
{
    struct jcur list = jcur_arr(c, key);

    if (!jcur_len(&list))
        return;
    jw_karray(w, to);
    JCUR_EACH (item, &list)
        jw_str(w, jcur_as_str(&item));
    jw_end(w);
}

void definition_copy_map(struct jw *w, const struct jcur *c, const char *key, const char *to)
{
    struct jcur map = jcur_obj(c, key), m;

    if (!jcur_present(&map))
        return;
    jw_kobject(w, to);
    for (size_t i = 0; jcur_member(&map, i, &m) && jcur_ok(c); i++)
        jw_kstr(w, m.key, jcur_present(&m) ? jcur_as_str(&m) : "");
    jw_end(w);
}

/* ---- Config ---- */

static void write_health_check(struct jw *w, const struct jcur *c)
{
    struct jcur h = jcur_obj(c, "healthCheck"), command = jcur_arr(&h, "command");

    if (!jcur_present(&h))
        return;
    if (!jcur_len(&command))
        jcur_fail(&h, "a health check needs a command");
    jw_kobject(w, "Healthcheck");
    definition_copy_strs(w, &h, "command", "Test");
    jw_kint(w, "Interval", jcur_int_or(&h, "interval", 1, 3600, 30) * NS);
    jw_kint(w, "Timeout", jcur_int_or(&h, "timeout", 1, 3600, 5) * NS);
    jw_kint(w, "Retries", jcur_int_or(&h, "retries", 1, 1000, 3));
    jw_kint(w, "StartPeriod", jcur_int_or(&h, "startPeriod", 0, 3600, 0) * NS);
    jw_end(w);
}

void definition_write_config(struct jw *w, const struct jcur *c)
{
    jw_object(w);
    definition_copy_map(w, c, "dockerLabels", "Labels");
    definition_copy_str(w, c, "user", "User");
    definition_copy_str(w, c, "workingDirectory", "WorkingDir");
    definition_copy_str(w, c, "hostname", "Hostname");
    definition_copy_bool(w, c, "interactive", "OpenStdin");
    definition_copy_bool(w, c, "pseudoTerminal", "Tty");
    definition_copy_bool(w, c, "disableNetworking", "NetworkDisabled");
    write_health_check(w, c);
    jw_end(w);
}

/* ---- HostConfig ---- */

static void write_log(struct jw *w, const struct jcur *c)
{
    struct jcur log = jcur_obj(c, "logConfiguration");
    struct jcur driver = jcur_get(&log, "logDriver");

    if (!jcur_present(&log))
        return;
    if (!*jcur_as_str(&driver))
        jcur_fail(&driver, "must not be empty");
    if (streq(jcur_str_or(&log, "logDriver", ""), "awsfirelens"))
        jcur_fail(&driver, "awsfirelens needs the control plane, so a local task cannot use it");
    jw_kobject(w, "LogConfig");
    definition_copy_str(w, &log, "logDriver", "Type");
    definition_copy_map(w, &log, "options", "Config");
    jw_end(w);
}

/* -1 is "unlimited". */
static void write_ulimits(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "ulimits");

    if (!jcur_len(&list))
        return;
    jw_karray(w, "Ulimits");
    JCUR_EACH (u, &list) {
        jw_object(w);
        jw_kstr(w, "Name", jcur_str(&u, "name"));
        jw_kint(w, "Soft", jcur_int(&u, "softLimit", -1, INT64_MAX));
        jw_kint(w, "Hard", jcur_int(&u, "hardLimit", -1, INT64_MAX));
        jw_end(w);
    }
    jw_end(w);
}

static void write_extra_hosts(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "extraHosts");

    if (!jcur_len(&list))
        return;
    jw_karray(w, "ExtraHosts");
    JCUR_EACH (h, &list) {
        AUTO(str)
        char *text = mem_printf("%s:%s", jcur_str(&h, "hostname"), jcur_str(&h, "ipAddress"));

        jw_str(w, text);
    }
    jw_end(w);
}

static void write_sysctls(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "systemControls");

    if (!jcur_len(&list))
        return;
    jw_kobject(w, "Sysctls");
    JCUR_EACH (s, &list)
        jw_kstr(w, jcur_str(&s, "namespace"), jcur_str(&s, "value"));
    jw_end(w);
}

/* ["read", "write"] is "rw" to Docker; nothing said is everything. */
static void write_permissions(struct jw *w, const struct jcur *device)
{
    static const char *const words[] = { "read", "write", "mknod" };
    struct jcur list = jcur_arr(device, "permissions");
    bool has[COUNT_OF(words)] = { false };
    char letters[COUNT_OF(words) + 1] = "";
    size_t n = 0;

    JCUR_EACH (p, &list) {
        const char *word = jcur_as_str(&p);
        size_t i = 0;

        while (i < COUNT_OF(words) && !streq(word, words[i]))
            i++;
        if (i < COUNT_OF(words))
            has[i] = true;
        else
            jcur_fail(&p, "expected read, write or mknod, got '%.40s'", word);
    }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (has[i])
            letters[n++] = words[i][0];
    jw_kstr(w, "CgroupPermissions", n ? letters : "rwm");
}

static void write_devices(struct jw *w, const struct jcur *parameters)
{
    struct jcur list = jcur_arr(parameters, "devices");

    if (!jcur_len(&list))
        return;
    jw_karray(w, "Devices");
    JCUR_EACH (d, &list) {
        const char *host = jcur_str(&d, "hostPath");

        jw_object(w);
        jw_kstr(w, "PathOnHost", host);
        jw_kstr(w, "PathInContainer", jcur_str_or(&d, "containerPath", host));
        write_permissions(w, &d);
        jw_end(w);
    }
    jw_end(w);
}

static void write_tmpfs(struct jw *w, const struct jcur *parameters)
{
    struct jcur list = jcur_arr(parameters, "tmpfs");

    if (!jcur_len(&list))
        return;
    jw_kobject(w, "Tmpfs");
    JCUR_EACH (t, &list) {
        AUTO(buf) struct buf text = BUF_INIT(TASK_MAX_JSON);
        struct jcur options = jcur_arr(&t, "mountOptions");

        buf_printf(&text, "size=%lldm", (long long)jcur_int(&t, "size", 1, MAX_MIB));
        JCUR_EACH (o, &options)
            buf_printf(&text, ",%s", jcur_as_str(&o));
        jw_kstr(w, jcur_str(&t, "containerPath"), buf_text(&text));
    }
    jw_end(w);
}

/* Docker counts memory and swap together, ECS swap alone; both settings of swap have
 * no effect without the other's ground: a memory limit for maxSwap, maxSwap for
 * swappiness. */
static void write_swap(struct jw *w, const struct jcur *c, const struct jcur *parameters)
{
    int64_t memory = jcur_int_or(c, "memory", 0, INT32_MAX, 0);
    int64_t swap = jcur_int_or(parameters, "maxSwap", 0, INT32_MAX, -1);
    int64_t swappiness = jcur_int_or(parameters, "swappiness", 0, 100, -1);

    if (swap < 0)
        return;
    if (memory > 0)
        jw_kint(w, "MemorySwap", (memory + swap) * MIB);
    if (swappiness >= 0)
        jw_kint(w, "MemorySwappiness", swappiness);
}

static void write_linux_parameters(struct jw *w, const struct jcur *c)
{
    struct jcur p = jcur_obj(c, "linuxParameters"), capabilities = jcur_obj(&p, "capabilities");
    int64_t shared = jcur_int_or(&p, "sharedMemorySize", 0, MAX_MIB, 0);

    definition_copy_strs(w, &capabilities, "add", "CapAdd");
    definition_copy_strs(w, &capabilities, "drop", "CapDrop");
    definition_copy_bool(w, &p, "initProcessEnabled", "Init");
    if (shared > 0)
        jw_kint(w, "ShmSize", shared * MIB);
    write_devices(w, &p);
    write_tmpfs(w, &p);
    write_swap(w, c, &p);
}

void definition_write_host_config(struct jw *w, const struct jcur *c, const char *network_mode)
{
    int64_t soft = jcur_int_or(c, "memoryReservation", 0, INT32_MAX, 0);

    jw_object(w);
    jw_kstr(w, "NetworkMode", network_mode);
    definition_copy_bool(w, c, "privileged", "Privileged");
    definition_copy_bool(w, c, "readonlyRootFilesystem", "ReadonlyRootfs");
    definition_copy_strs(w, c, "dnsServers", "Dns");
    definition_copy_strs(w, c, "dnsSearchDomains", "DnsSearch");
    definition_copy_strs(w, c, "dockerSecurityOptions", "SecurityOpt");
    if (soft > 0)
        jw_kint(w, "MemoryReservation", soft * MIB);
    write_log(w, c);
    write_ulimits(w, c);
    write_extra_hosts(w, c);
    write_sysctls(w, c);
    write_linux_parameters(w, c);
    jw_end(w);
}
