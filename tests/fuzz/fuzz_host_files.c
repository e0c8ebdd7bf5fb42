/* links: host; dict: proc */
/* Files of this machine: /proc, GPUs, cloud-init, the kernel's list of reserved ports; and the
 * rules that iptables lists. Each text as each of them. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/folder.h"
#include "fuzz/fuzz.h"
#include "host/internal.h"

static void check_texts(const char *text)
{
    static const char *const groups[] = { "0123456789ab", "/ecs/", "docker" };
    struct err e = { 0 };
    int64_t mib = 0;
    uint16_t first = 0, last = 0;
    bool has_default, has_ours;

    if (!host_parse_meminfo(text, &mib, &e))
        LAW(mib >= 0);
    else
        LAW(*e.msg);
    if (host_parse_port_range(text, &first, &last))
        LAW(first <= last);
    host_parse_routes(text, text);
    host_parse_local_routes(text, &has_default, &has_ours);
    host_rules_in_order(text, "docker0", "127.0.0.0/8", "51678");
    LAW(host_cgroup_names(text, groups, COUNT_OF(groups)) <= COUNT_OF(groups));
}

static void check_gpus(const char *path)
{
    struct host_gpus gpus = { 0 };
    struct err e = { 0 };

    if (host_gpus_read(path, &gpus, &e)) {
        LAW(*e.msg && !gpus.ids.n);
        return;
    }
    LAW(gpus.ids.n <= HOST_NAMES_MAX);
    for (size_t i = 0; i < gpus.ids.n; i++)
        LAW(*gpus.ids.items[i]);
    host_gpus_fini(&gpus);
}

/* What looks like /proc to who wants the reserved ports; made once. */
static const char *proc_folder(void)
{
    static const char *const inside[] = { "sys", "sys/net", "sys/net/ipv4" };
    static bool made;
    const char *folder = fuzz_folder();

    for (size_t i = 0; !made && i < COUNT_OF(inside); i++) {
        AUTO(str) char *path = mem_printf("%s/%s", folder, inside[i]);

        LAW(!mkdir(path, 0700));
    }
    made = true;
    return folder;
}

static void check_reserved(const uint8_t *data, size_t size)
{
    const char *folder = proc_folder();
    AUTO(str) char *path = mem_printf("%s/sys/net/ipv4/ip_local_reserved_ports", folder);
    struct host_reserved r = { .ports = { 51678, 51679 } };
    struct err e = { 0 };
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    LAW(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    if (host_ports_reserve(folder, &r, &e))
        LAW(*e.msg && !r.added[0] && !r.added[1]);
    else
        LAW(host_ports_release(folder, &r, &e) == ERR_OK && !r.added[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(str) char *text = mem_strndup(size ? (const char *)data : "", size);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    AUTO(str) char *path = mem_printf("/proc/self/fd/%d", fd);

    LAW(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    check_texts(text);
    check_gpus(path);
    host_cloud_init_none(path);
    check_reserved(data, size);
    close(fd);
    return 0;
}
