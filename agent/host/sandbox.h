#pragma once
/* sandbox: what the agent may still do once it has started.
 *
 * It holds the socket of a container engine that runs as root, so whoever takes the agent over can
 * ask that engine for a container with all rights. The sandbox does not undo that. It takes away
 * what an intruder has before that, and makes the way there narrow: no program, no file of other
 * users, no memory or descriptor of other processes, no kernel interface beyond a few hundred
 * calls, and each attempt at one ends the agent with a line in its log.
 *
 * Two processes share the work. The agent reads what comes from the network and from containers,
 * so it keeps almost nothing. Its helper (io/child.h) never sees such bytes; it keeps what a fixed
 * list of commands needs, and each of them gets its part of that only.
 *
 *              capabilities, and what breaks without
 *   agent      NET_BIND_SERVICE   host ports below 1024: the agent keeps a task's port bound until
 *                                 the container takes it, and a task with such a port would stop
 *   helper     NET_ADMIN          iptables and the route: 169.254.170.2 leads nowhere, so no task
 *                                 gets credentials or metadata
 *              NET_RAW            iptables of the older kind speaks to the kernel over a raw socket
 *              SYS_PTRACE         /proc/PID/fd of a container's process: who asks for credentials
 *                                 from the host's network cannot be told
 *              DAC_READ_SEARCH    the same, of a process that is not root's
 *   commands   iptables, ip6tables: NET_ADMIN, NET_RAW.  ip: NET_ADMIN.  socket-owners (no program,
 *              the helper itself): SYS_PTRACE, DAC_READ_SEARCH.  systemctl, credential_process:
 * none
 *
 * Not among them, for the agent stays user 0, and root's own files need no right: DAC_OVERRIDE (all
 * that the agent reads and writes is root's, its cgroups and the sysctls too), CHOWN, FOWNER, KILL
 * (programs are ended by who started them), SYS_ADMIN (counters of a container's network are read
 * through /proc, no namespace is entered), SYS_RESOURCE, IPC_LOCK, SYSLOG. A file of another user
 * that nobody else may read (a token, say) cannot be read by the agent.
 *
 * no_new_privs stands, so that executing a program gives nothing back, to root neither. Where the
 * process may (SETPCAP; ecs.service keeps that away), the bounding set shrinks to the same and
 * SECBIT_NOROOT is set for good. A credential_process therefore runs as root without capabilities,
 * and cannot use sudo.
 *
 * The filter of system calls is a list of what is allowed (sandbox_calls.c says why). What is not
 * on it ends the agent, after one line on standard error that names the call. Calls that newer
 * libraries try before older ones (clone3, io_uring, whatever this build has no name for) get
 * ENOSYS, as from an older kernel. It holds for all threads. The helper's, which programs that
 * nobody here knows inherit, is a list of what is refused, with EPERM.
 *
 * In a build with sanitizers the filter allows what their run time needs (threads of LeakSanitizer,
 * ptrace); such builds are for tests. */
#include <stdint.h>

#include "base/err.h"
#include "io/child.h"

/* From now on: the agent. Everything above, for this process with all of its threads; before there
 * are any, the capabilities being a thread's. ERR_DENIED, ERR_IO: the kernel, or a container that
 * this runs in, does not let it; what was given up by then stays so. */
MUST_CHECK enum err_code sandbox_enter(struct err *e);

/* The helper's side: for child_helper_args.confine and .prepare. */
MUST_CHECK enum err_code sandbox_enter_helper(struct err *e);
MUST_CHECK enum err_code sandbox_prepare(uint64_t capabilities, struct err *e);

/* The commands of this module (commands.c): iptables, ip6tables, ip and systemctl with the words
 * that the agent uses, and socket-owners. Borrowed for ever. */
const struct child_rule *host_commands(size_t *n);
