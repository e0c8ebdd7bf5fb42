#include "render_docker.h"

#include <string.h>

#define MIB (1024 * 1024)
#define NS  1000000000

static void renamed(struct jw *w, const struct jcur *object, const char *key,
                    const char *docker_key)
{
    struct jcur v = jcur_get(object, key);

    if (!jcur_present(&v))
        return;
    jw_key(w, docker_key);
    jw_value(w, v.val);
}

/* ---- Config ---- */

static void health_check(struct jw *w, const struct jcur *c)
{
    struct jcur h = jcur_obj(c, "healthCheck");

    if (!jcur_present(&h))
        return;
    jw_kobject(w, "Healthcheck");
    renamed(w, &h, "command", "Test");
    jw_kint(w, "Interval", jcur_int_or(&h, "interval", 0, INT32_MAX, 30) * NS);
    jw_kint(w, "Timeout", jcur_int_or(&h, "timeout", 0, INT32_MAX, 5) * NS);
    jw_kint(w, "Retries", jcur_int_or(&h, "retries", 0, INT32_MAX, 3));
    if (jcur_int_or(&h, "startPeriod", 0, INT32_MAX, 0) > 0)
        jw_kint(w, "StartPeriod", jcur_int_or(&h, "startPeriod", 0, INT32_MAX, 0) * NS);
    jw_end(w);
}

void render_docker_config(struct buf *out, const struct jcur *c)
{
    static const char *const names[][2] = {
        { "dockerLabels", "Labels" },
        { "user", "User" },
        { "workingDirectory", "WorkingDir" },
        { "hostname", "Hostname" },
        { "interactive", "OpenStdin" },
        { "pseudoTerminal", "Tty" },
        { "disableNetworking", "NetworkDisabled" },
    };
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        renamed(&w, c, names[i][0], names[i][1]);
    health_check(&w, c);
    jw_end(&w);
}

/* ---- HostConfig ---- */

static void log_config(struct jw *w, const struct jcur *c, const char *region, const char *task_id)
{
    struct jcur log = jcur_obj(c, "logConfiguration"), options = jcur_obj(&log, "options"), o;
    const char *driver = jcur_str_or(&log, "logDriver", NULL);
    const char *prefix = jcur_str_or(&options, "awslogs-stream-prefix", NULL);
    const char *stream = jcur_str_or(&options, "awslogs-stream", NULL);
    bool awslogs = driver && streq(driver, "awslogs");

    if (!driver)
        return;
    jw_kobject(w, "LogConfig");
    jw_kstr(w, "Type", driver);
    jw_kobject(w, "Config");
    for (size_t i = 0; jcur_member(&options, i, &o); i++)
        if (!awslogs || !streq(o.key, "awslogs-stream-prefix"))
            jw_kstr(w, o.key, jcur_as_str(&o));
    if (awslogs && !jcur_str_or(&options, "awslogs-region", NULL))
        jw_kstr(w, "awslogs-region", region);
    if (awslogs && prefix && !stream) {
        struct buf name = BUF_INIT(1024);

        buf_printf(&name, "%s/%s/%s", prefix, jcur_str_or(c, "name", ""), task_id);
        jw_kstr(w, "awslogs-stream", buf_text(&name));
        buf_fini(&name);
    }
    jw_end(w);
    jw_end(w);
}

static void ulimits(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "ulimits");

    if (jcur_len(&list) == 0)
        return;
    jw_karray(w, "Ulimits");
    JCUR_EACH (u, &list) {
        jw_object(w);
        renamed(w, &u, "name", "Name");
        renamed(w, &u, "softLimit", "Soft");
        renamed(w, &u, "hardLimit", "Hard");
        jw_end(w);
    }
    jw_end(w);
}

static void extra_hosts(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "extraHosts");

    if (jcur_len(&list) == 0)
        return;
    jw_karray(w, "ExtraHosts");
    JCUR_EACH (h, &list) {
        struct buf text = BUF_INIT(1024);

        buf_printf(&text, "%s:%s", jcur_str_or(&h, "hostname", ""),
                   jcur_str_or(&h, "ipAddress", ""));
        jw_str(w, buf_text(&text));
        buf_fini(&text);
    }
    jw_end(w);
}

static void sysctls(struct jw *w, const struct jcur *c)
{
    struct jcur list = jcur_arr(c, "systemControls");

    if (jcur_len(&list) == 0)
        return;
    jw_kobject(w, "Sysctls");
    JCUR_EACH (s, &list) {
        jw_kstr(w, jcur_str_or(&s, "namespace", ""), jcur_str_or(&s, "value", ""));
    }
    jw_end(w);
}

static void devices(struct jw *w, const struct jcur *linux_parameters)
{
    struct jcur list = jcur_arr(linux_parameters, "devices");

    if (jcur_len(&list) == 0)
        return;
    jw_karray(w, "Devices");
    JCUR_EACH (d, &list) {
        struct jcur permissions = jcur_arr(&d, "permissions");
        const char *host = jcur_str_or(&d, "hostPath", "");
        char letters[4] = "";
        size_t n = 0;

        JCUR_EACH (p, &permissions) {
            if (n < 3)
                letters[n++] = jcur_as_str(&p)[0]; /* read, write, mknod */
        }
        jw_object(w);
        jw_kstr(w, "PathOnHost", host);
        jw_kstr(w, "PathInContainer", jcur_str_or(&d, "containerPath", host));
        jw_kstr(w, "CgroupPermissions", n ? letters : "rwm");
        jw_end(w);
    }
    jw_end(w);
}

static void tmpfs(struct jw *w, const struct jcur *linux_parameters)
{
    struct jcur list = jcur_arr(linux_parameters, "tmpfs");

    if (jcur_len(&list) == 0)
        return;
    jw_kobject(w, "Tmpfs");
    JCUR_EACH (t, &list) {
        struct jcur options = jcur_arr(&t, "mountOptions");
        struct buf text = BUF_INIT(4096);

        buf_printf(&text, "size=%lldm", (long long)jcur_int_or(&t, "size", 0, INT32_MAX, 0));
        JCUR_EACH (o, &options) {
            buf_printf(&text, ",%s", jcur_as_str(&o));
        }
        jw_kstr(w, jcur_str_or(&t, "containerPath", ""), buf_text(&text));
        buf_fini(&text);
    }
    jw_end(w);
}

static void linux_parameters(struct jw *w, const struct jcur *c, int64_t memory_mib)
{
    struct jcur l = jcur_obj(c, "linuxParameters"), capabilities = jcur_obj(&l, "capabilities");
    int64_t shared = jcur_int_or(&l, "sharedMemorySize", 0, INT32_MAX, 0);
    int64_t swap = jcur_int_or(&l, "maxSwap", 0, INT32_MAX, -1);

    renamed(w, &capabilities, "add", "CapAdd");
    renamed(w, &capabilities, "drop", "CapDrop");
    renamed(w, &l, "initProcessEnabled", "Init");
    renamed(w, &l, "swappiness", "MemorySwappiness");
    if (shared > 0)
        jw_kint(w, "ShmSize", shared * MIB);
    if (swap >= 0 && memory_mib > 0)
        jw_kint(w, "MemorySwap", (memory_mib + swap) * MIB);
    devices(w, &l);
    tmpfs(w, &l);
}

void render_docker_host_config(struct buf *out, const struct jcur *c, const struct jcur *override,
                               const char *network_mode, const char *region, const char *task_id)
{
    static const char *const names[][2] = {
        { "privileged", "Privileged" },
        { "readonlyRootFilesystem", "ReadonlyRootfs" },
        { "dnsServers", "Dns" },
        { "dnsSearchDomains", "DnsSearch" },
        { "dockerSecurityOptions", "SecurityOpt" },
    };
    int64_t memory =
        jcur_int_or(override, "memory", 0, INT32_MAX, jcur_int_or(c, "memory", 0, INT32_MAX, 0));
    int64_t soft = jcur_int_or(override, "memoryReservation", 0, INT32_MAX,
                               jcur_int_or(c, "memoryReservation", 0, INT32_MAX, 0));
    struct jw w;

    jw_init(&w, out);
    jw_object(&w);
    if (!streq(network_mode, "awsvpc"))
        jw_kstr(&w, "NetworkMode", network_mode);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        renamed(&w, c, names[i][0], names[i][1]);
    if (soft > 0)
        jw_kint(&w, "MemoryReservation", soft * MIB);
    log_config(&w, c, region, task_id);
    ulimits(&w, c);
    extra_hosts(&w, c);
    sysctls(&w, c);
    linux_parameters(&w, c, memory);
    jw_end(&w);
}
