#include "io/port_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Of net/tcp_states.h in the kernel, as /proc/net/tcp prints them. */
#define STATE_TIME_WAIT 0x06
#define STATE_LISTEN    0x0A

enum hold { HOLD_NONE, HOLD_ENDED, HOLD_CONNECTION, HOLD_LISTENER }; /* the later, the better */

struct holder {
    enum hold how;
    unsigned long inode; /* 0: no process has it open */
};

static enum hold hold_of(unsigned state, unsigned long inode)
{
    if (state == STATE_LISTEN)
        return HOLD_LISTENER;
    return state == STATE_TIME_WAIT || !inode ? HOLD_ENDED : HOLD_CONNECTION;
}

static void look_in(const char *path, uint16_t port, struct holder *best)
{
    FILE *f = fopen(path, "re");
    char line[512];

    while (f && fgets(line, sizeof line, f)) {
        unsigned at, state;
        unsigned long inode;
        enum hold how;

        /* Number, local and remote address, state, queues, timer, retries, user, probes, inode. */
        if (sscanf(line, " %*d: %*32[0-9A-F]:%4x %*32[0-9A-F]:%*4x %2x %*s %*s %*s %*u %*d %lu",
                   &at, &state, &inode) != 3 ||
            at != port)
            continue;
        how = hold_of(state, inode);
        if (how > best->how)
            *best = (struct holder){ how, inode };
    }
    if (f)
        fclose(f);
}

/* Has this process the socket open? `dir` is /proc/PID/fd. */
static bool has_open(const char *dir, unsigned long inode)
{
    AUTO(str) char *want = mem_printf("socket:[%lu]", inode);
    DIR *d = opendir(dir);
    bool found = false;

    for (const struct dirent *e; d && !found && (e = readdir(d));) {
        char link[64];
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);

        if (n < 0)
            continue;
        link[n] = '\0';
        found = strcmp(link, want) == 0;
    }
    if (d)
        closedir(d);
    return found;
}

/* The name may be anything that its owner likes: it goes to a log that escapes. */
static void tell_process(const char *pid, struct buf *out)
{
    AUTO(str) char *path = mem_printf("/proc/%s/comm", pid);
    FILE *f = fopen(path, "re");
    char name[32] = "";

    if (f && fgets(name, sizeof name, f))
        name[strcspn(name, "\n")] = '\0';
    if (f)
        fclose(f);
    buf_printf(out, "process %s (%s)", pid, name);
}

static void tell_who(unsigned long inode, struct buf *out)
{
    DIR *d = inode ? opendir("/proc") : NULL;
    bool found = false;

    for (const struct dirent *e; d && !found && (e = readdir(d));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        AUTO(str) char *fds = mem_printf("/proc/%s/fd", e->d_name);

        found = has_open(fds, inode);
        if (found)
            tell_process(e->d_name, out);
    }
    if (d)
        closedir(d);
    if (!found)
        buf_puts(out, "another process");
}

void port_holder_tell(uint16_t port, struct buf *out)
{
    struct holder holder = { 0 };

    look_in("/proc/self/net/tcp", port, &holder);
    look_in("/proc/self/net/tcp6", port, &holder);
    switch (holder.how) {
    case HOLD_NONE:
        buf_puts(out, "who has it is not to be seen");
        break;
    case HOLD_ENDED:
        buf_puts(out, "a connection that has ended keeps it, for a minute at most");
        break;
    case HOLD_CONNECTION:
        tell_who(holder.inode, out);
        buf_puts(out, " has a connection from there");
        break;
    case HOLD_LISTENER:
        tell_who(holder.inode, out);
        buf_puts(out, " listens there");
        break;
    }
}
