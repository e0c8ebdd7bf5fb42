#pragma once
/* host: what this machine is and has: its capacity, its processor's features, cgroups
 * for tasks, disks, ports, plugins of the Docker Engine, GPUs, routes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct host_capacity {
    int64_t cpu_units;  /* 1024 for each CPU this process may use */
    int64_t memory_mib; /* MemTotal, rounded down */
    int cores;
};

MUST_CHECK enum err_code host_read_capacity(struct host_capacity *out, struct err *e);

/* ---- cgroups of tasks (cgroup.c) ----
 *
 * Version 1: /ecs/<task id> below every controller of `root`, memory.use_hierarchy 1.
 * Version 2 with Docker's "cgroupfs" driver: /ecstasks.slice/ecstasks-<id>.slice below
 * `root`, with the cpu, memory and pids controllers enabled on the way; with the
 * "systemd" driver a transient slice of that name, made by systemd (systemctl
 * set-property --runtime), so that it does not undo the limits. Calls block (files;
 * for systemd a child process): for a worker. */
struct host_cgroups;

struct host_cgroup_limits {
    double cpu_vcpus;      /* 0: cpu_shares counts */
    int64_t cpu_shares;    /* sum over the containers, at least 2 each */
    int64_t cpu_period_us; /* ECS_CGROUP_CPU_PERIOD */
    int64_t memory_bytes;  /* 0: none */
    int64_t pids;          /* 0: none (ECS_TASK_PIDS_LIMIT) */
};

/* `root`: ECS_CGROUP_PATH. Makes the common parent. ERR_DENIED, ERR_IO, ERR_NOT_FOUND:
 * task cgroups cannot be had here, and why. */
MUST_CHECK enum err_code host_cgroups_create(const char *root, int version, bool systemd,
                                             struct host_cgroups **out, struct err *e);
void host_cgroups_destroy(struct host_cgroups *g); /* NULL is fine */
/* There already is success; its limits are written all the same. An id is of letters,
 * digits, '-' and '_'; else ERR_INVALID. ERR_TIMEOUT: systemd does not answer. */
MUST_CHECK enum err_code host_cgroup_make(const struct host_cgroups *g, const char *task_id,
                                          const struct host_cgroup_limits *l, struct err *e);
/* Not there is success. ERR_CONFLICT: processes are left in it. */
MUST_CHECK enum err_code host_cgroup_remove(const struct host_cgroups *g, const char *task_id,
                                            struct err *e);
/* The CgroupParent of the task's containers. free() it. */
char *host_cgroup_parent(const struct host_cgroups *g, const char *task_id);

/* ---- disks, ports ---- */

/* Takes from others what they may do with a folder and the plain files directly in it: 0700 and
 * 0600 at most. *changed: how many were more open. Not there is success. ERR_DENIED: it is another
 * user's; ERR_CONFLICT: a folder for all, such as /tmp. Those are left as they are. Follows no
 * links below the folder. (modes.c) */
MUST_CHECK enum err_code host_make_private(const char *path, size_t *changed, struct err *e);

struct host_disk {
    int64_t bytes, bytes_used, inodes, inodes_used; /* used: what others than root cannot have */
};
MUST_CHECK enum err_code host_read_disk(const char *path, struct host_disk *out, struct err *e);

/* net.ipv4.ip_local_port_range; false (and nothing set) when it cannot be read. */
bool host_port_range(uint16_t *first, uint16_t *last);

/* A port of this host, bound (not listening) on all addresses, so that nobody else
 * gets it. */
struct host_port_hold;
/* NULL: somebody has it. TCP or UDP. */
struct host_port_hold *host_port_take(bool udp, uint16_t port);
void host_port_release(struct host_port_hold *h); /* NULL is fine */

/* ---- what registration says of the machine ----
 *
 * All read small local files and block: before the loop, or on a worker. */

#define HOST_NAMES_MAX 256

struct host_names {
    char **items;
    size_t n;
};
void host_names_fini(struct host_names *names);

/* The volume plugins that the Docker Engine finds by files, in the engine's order and
 * without repetition: sockets in /run/docker/plugins ("x.sock", "x/x.sock"), then .spec
 * and .json files in /etc/docker/plugins and /usr/lib/docker/plugins, all below `root` (""
 * for the machine's own). A folder that is not there has none. (plugins.c) */
void host_docker_plugins(const char *root, struct host_names *out);

#define HOST_GPU_INFO "/var/lib/ecs/gpu/nvidia-gpu-info.json"
struct host_gpus {
    char *driver_version; /* NULL: unknown */
    struct host_names ids;
};
/* {"DriverVersion":"...","GPUIDs":["GPU-..."]}. No file: no GPUs. An unreadable or bad one is
 * an error. (gpu.c) */
MUST_CHECK enum err_code host_gpus_read(const char *path, struct host_gpus *out, struct err *e);
void host_gpus_fini(struct host_gpus *g);

struct host_ip {
    bool v4, v6;
};
/* Which families this machine can reach others by: those with a default route over a
 * gateway. IPv4 alone where the routes cannot be read. (ip.c) */
struct host_ip host_ip_compat(void);

#define HOST_CLOUD_INIT_RESULT "/var/lib/cloud/data/result.json"
/* Did cloud-init find no data source at all (v1.datasource is DataSourceNone)? False when
 * the file cannot be read. (cloud_init.c) */
bool host_cloud_init_none(const char *path);

/* ---- the way of tasks to the local endpoints (rules.c) ----
 *
 * local-endpoints 1 and config-registration 9: the sysctl, the rules of nat and filter, and the
 * route that make 169.254.170.2:80 the agent's port, and keep others from what is meant for this
 * host. Each rule is looked for first (iptables -C), so that ours never add up; copies that another
 * agent's crashes have left go with ours at the take. Rules of others are never touched, and
 * ours are put where the specification says.
 * Everything blocks (child programs): for a worker. */
struct host_rules_config {
    const char *iptables, *ip6tables, *ip; /* programs; NULL: found on PATH */
    const char *proc;                      /* "/proc" */
    uint16_t endpoints_port;               /* 51679 */
    uint16_t introspection_port;           /* 51678 */
    bool skip_localhost_filter;            /* ECS_SKIP_LOCALHOST_TRAFFIC_FILTER */
    bool offhost_introspection;            /* ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS */
    const char *bridge;                    /* Docker's default bridge; NULL: none */
};
/* Puts what is missing, takes away what this configuration does not want, and goes on after
 * failures. ERR_INVALID: a bridge of that name cannot be. ERR_NOT_FOUND: there is no iptables here;
 * ERR_DENIED, ERR_IO: what could not be put and the program's own words. What was put stays. */
MUST_CHECK enum err_code host_rules_put(const struct host_rules_config *c, struct err *e);
/* Could they be put? Asks for each that is wanted and changes nothing. Errors as of the put, but
 * that a sysctl could not be written. */
MUST_CHECK enum err_code host_rules_look(const struct host_rules_config *c, struct err *e);
/* Takes away all of ours, however often each is there; goes on after failures and tells the
 * first one. */
MUST_CHECK enum err_code host_rules_take(const struct host_rules_config *c, struct err *e);

/* ---- ports that no client's socket is given (reserved_ports.c) ----
 *
 * net.ipv4.ip_local_reserved_ports, for IPv6 as well. What others put there is kept. */
struct host_reserved {
    uint16_t ports[2]; /* 0: none */
    bool added[2];     /* by us, and not taken back */
};
/* Adds what is missing, and notes it. ERR_NOT_FOUND: there is no such list here; ERR_DENIED,
 * ERR_IO: it cannot be written; ERR_INVALID, ERR_LIMIT: it is not understood, or too long. Then it
 * is as it was. One that an agent before has added counts as another's. Two short system calls. */
MUST_CHECK enum err_code host_ports_reserve(const char *proc, struct host_reserved *r,
                                            struct err *e);
/* Takes away what was added, and nothing else. */
MUST_CHECK enum err_code host_ports_release(const char *proc, struct host_reserved *r,
                                            struct err *e);

/* Runs a program (io/child.h) without a shell, with no environment but PATH; its standard output
 * and error (at most 16 KiB) are appended to `out` (NULL is fine). `argv` ends with NULL. *status:
 * its exit code, or 128 and the signal that ended it. ERR_NOT_FOUND: no such program. ERR_DENIED:
 * the helper does not start it. ERR_TIMEOUT: it was killed. Blocks. (run.c) */
MUST_CHECK enum err_code host_run(const char *const *argv, int64_t timeout_ms, int *status,
                                  struct buf *out, struct err *e);

/* ---- who holds a client's socket (socket_owner.c) ---- */

#define HOST_OWNER_PROCESSES   65536
#define HOST_OWNER_DESCRIPTORS 1000000

enum host_owner {
    HOST_OWNER_NONE,  /* nobody: there is no such socket, or no process has it open */
    HOST_OWNER_GROUP, /* a process of one of the control groups */
    HOST_OWNER_OTHER  /* another process of this machine */
};
struct host_socket { /* of TCP, as its own end sees it: before a redirection by the host */
    const char *local, *remote;
    uint16_t local_port, remote_port;
    enum host_owner owner; /* the answer */
    size_t group;          /* of GROUP: its index */
};
/* Finds the holders of all the sockets in one walk over the processes below `proc` ("/proc").
 * `groups` are names (container ids) that the paths of the control groups have; processes of a
 * cgroup below belong to it. Those of the groups are looked through first, thread by thread.
 * ERR_IO: the kernel does not tell, or not of all processes (none of the groups has one: they are
 * beyond what this process may see); ERR_LIMIT: a bound was reached. Then nothing is known of
 * those that are NONE. Where there is a helper (io/child.h), it looks: it may. Blocks: for a
 * worker. */
MUST_CHECK enum err_code host_socket_owners(const char *proc, struct host_socket *sockets, size_t n,
                                            const char *const *groups, size_t n_groups,
                                            struct err *e);
/* Has an interface of this machine, or the loopback network, the address? Where they
 * cannot be listed: no. Short system calls only. */
bool host_has_address(const char *address);
