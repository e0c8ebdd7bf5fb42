#pragma once
/* agent_vault: the process as a place for secrets. Private to cli.
 *
 * Nobody gets a core file of the agent: the limit is 0 (children inherit it), and the process is
 * not dumpable (PR_SET_DUMPABLE, which ends at an exec: children are as they were). It takes
 * nothing from the agent, which is root: its files in /proc are root's either way, and root with
 * CAP_SYS_PTRACE still attaches and reads. A debugger's core file leaves base/secret's memory out.
 *
 * The soft limit of locked memory becomes the hard one, and that becomes as much as base/secret
 * ever has, where the agent may raise it; so that giving up capabilities later changes nothing.
 *
 * OpenSSL allocates in base/secret's memory: there are the keys of connections, and the buffers
 * through which everything that is told in confidence passes. */

/* First of all, with one thread: takes the secrets out of the environment, too. */
void vault_begin(void);
/* Once the log is open, and later: warns, the first time that some of the memory could not be
 * locked. The agent goes on; /metrics tells how much is. */
void vault_tell(void);
