#pragma once
/* commands: what the files behind the helper's commands share. Private to host. */

#define HOST_ENDPOINTS_ADDRESS "169.254.170.2"

/* socket-owners /proc: the sockets and groups are its input, the owners its output
 * (owners_asked.c). */
#define HOST_OWNERS_COMMAND "socket-owners"
int host_owners_run(const char *const *argv, int in, int out);
