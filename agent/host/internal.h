#pragma once
/* internal: the pure halves of this module, for its tests, and what its files share. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "host/host.h"

/* ---- capacity.c ---- */

/* Appends the whole file; ERR_LIMIT when it is longer than `b` may be. */
MUST_CHECK enum err_code host_read_file(const char *path, struct buf *b, struct err *e);

/* MemTotal of /proc/meminfo's text, in MiB. */
MUST_CHECK enum err_code host_parse_meminfo(const char *text, int64_t *mib, struct err *e);

/* ---- ports.c ---- */

/* "32768\t60999\n" */
bool host_parse_port_range(const char *text, uint16_t *first, uint16_t *last);

/* ---- ip.c ---- */

/* The texts of /proc/net/route and /proc/net/ipv6_route. */
struct host_ip host_parse_routes(const char *route, const char *route6);

/* ---- cgroup.c ---- */

/* What the CPU part of the limits is in the kernel's and in systemd's terms. */
struct host_cpu {
    int64_t quota_us, period_us; /* quota 0: the shares count */
    int64_t shares;              /* version 1; 2 to 262144 */
    int64_t weight;              /* version 2; 1 to 10000 */
    int64_t quota_percent;       /* systemd's CPUQuota=; whole percents, rounded up */
};
struct host_cpu host_cpu_of(const struct host_cgroup_limits *l);

/* Below the root: "ecstasks.slice/ecstasks-a.slice/ecstasks-a-b.slice" of "a-b", for to
 * systemd each dash is a step down. free() it. */
char *host_slice_path(const char *task_id);

/* ---- systemd.c ---- */

#define HOST_ARGS_MAX 12

/* A NULL-terminated argument vector that owns its texts. */
struct host_args {
    char *argv[HOST_ARGS_MAX];
    int n;
};
void host_args_fini(struct host_args *a);
/* systemctl set-property --runtime ecstasks-<id>.slice LIMITS... */
void host_systemd_limits(struct host_args *a, const char *task_id,
                         const struct host_cgroup_limits *l);

/* Runs systemctl with `verb` and, unless it is NULL, the slice of the task. */
MUST_CHECK enum err_code host_systemctl(const char *verb, const char *task_id, struct err *e);

/* ---- run.c ---- */

/* As host_run; a program that does not end well is ERR_IO, with what it said. */
MUST_CHECK enum err_code host_run_well(const char *const *argv, int64_t timeout_ms, struct err *e);

/* ---- rules.c ---- */

/* What /proc/net/route says: a usable default route, one to the endpoints' own address. */
void host_parse_local_routes(const char *text, bool *has_default, bool *has_ours);
/* Of the rules as "iptables -S INPUT" lists them: is the one that accepts `port` from the
 * bridge above the one that drops what does not come from `loopback`? */
bool host_rules_in_order(const char *listed, const char *bridge, const char *loopback,
                         const char *port);

/* ---- socket_owner.c ---- */

/* The first of the names in the text of a /proc/PID/cgroup; n: none. */
size_t host_cgroup_names(const char *text, const char *const *groups, size_t n);
/* As host_socket_owners, in this process, with what rights it has. */
MUST_CHECK enum err_code host_find_owners(const char *proc, struct host_socket *sockets, size_t n,
                                          const char *const *groups, size_t n_groups,
                                          struct err *e);

/* ---- owners_asked.c: the same question as text, for the helper ---- */

#define HOST_OWNERS_SOCKETS 4096
#define HOST_OWNERS_GROUPS  8192

struct host_owners { /* owned, with its texts */
    struct host_socket *sockets;
    size_t n;
    char **groups;
    size_t n_groups;
};
void host_owners_fini(struct host_owners *o);
/* "s LOCAL PORT REMOTE PORT" and "g NAME" lines. ERR_INVALID: it is something else; ERR_LIMIT:
 * there are more than the two maxima. Pure. */
MUST_CHECK enum err_code host_owners_read(const char *text, struct host_owners *out, struct err *e);
