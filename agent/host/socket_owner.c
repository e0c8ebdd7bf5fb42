/* socket_owner: from a client's address to the container whose process holds the socket. The
 * kernel tells the socket's inode (sock_diag, one question for each pair of addresses); /proc
 * tells who has it open. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/internal.h"

#define CGROUP_MAX ((size_t)64 * 1024)
#define ANSWER_MAX 8192
#define ANSWER_S   2

/* ---- which socket: its inode ---- */

static bool set_address(const char *text, __be32 to[4], int *family)
{
    *family = AF_INET;
    if (inet_pton(AF_INET, text, to) == 1)
        return true;
    *family = AF_INET6;
    return inet_pton(AF_INET6, text, to) == 1;
}

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 ask;
};

static bool make_question(const struct host_socket *s, uint32_t number, struct question *q)
{
    int local, remote;

    *q = (struct question){
        .head = { .nlmsg_len = sizeof *q,
                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                  .nlmsg_flags = NLM_F_REQUEST,
                  .nlmsg_seq = number },
        .ask = { .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = ~0u,
                 .id = { .idiag_sport = htons(s->local_port),
                         .idiag_dport = htons(s->remote_port),
                         .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
    };
    if (!set_address(s->local, q->ask.id.idiag_src, &local) ||
        !set_address(s->remote, q->ask.id.idiag_dst, &remote) || local != remote)
        return false;
    q->ask.sdiag_family = (uint8_t)local;
    return true;
}

/* 0: there is no such socket. A socket that only listens at the local port is an answer too,
 * when there is no connection; it is no client. */
static uint32_t inode_of(const struct question *q, const struct inet_diag_msg *m)
{
    return m->id.idiag_dport == q->ask.id.idiag_dport ? m->idiag_inode : 0;
}

static enum err_code ask_inode(int fd, const struct question *q, uint32_t *inode, struct err *e)
{
    union {
        struct nlmsghdr head;
        char bytes[ANSWER_MAX];
    } in;
    ssize_t n;

    *inode = 0;
    if (send(fd, q, sizeof *q, 0) < 0)
        return err_set(e, ERR_IO, "sock_diag: %s", ERRNO_TEXT(errno));
    do
        n = recv(fd, &in, sizeof in, 0);
    while (n >= (ssize_t)sizeof in.head && in.head.nlmsg_seq != q->head.nlmsg_seq);
    if (n < (ssize_t)sizeof in.head)
        return err_set(e, ERR_IO, "sock_diag: %s", n < 0 ? ERRNO_TEXT(errno) : "no answer");
    if (in.head.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *bad = NLMSG_DATA(&in.head);

        if (n < (ssize_t)NLMSG_LENGTH(sizeof *bad) || bad->error != -ENOENT)
            return err_set(e, ERR_IO, "sock_diag: %s",
                           n < (ssize_t)NLMSG_LENGTH(sizeof *bad) ? "a short answer"
                                                                  : ERRNO_TEXT(-bad->error));
        return ERR_OK;
    }
    if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
        *inode = inode_of(q, NLMSG_DATA(&in.head));
    return ERR_OK;
}

static enum err_code find_inodes(const struct host_socket *s, size_t n, uint32_t *inodes,
                                 struct err *e)
{
    const struct timeval patience = { .tv_sec = ANSWER_S };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    enum err_code code = ERR_OK;

    if (fd < 0)
        return err_set(e, ERR_IO, "sock_diag: %s", ERRNO_TEXT(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (size_t i = 0; i < n && !code; i++) {
        struct question q;

        inodes[i] = 0;
        if (make_question(&s[i], (uint32_t)i + 1, &q))
            code = ask_inode(fd, &q, &inodes[i], e);
    }
    close(fd);
    return code;
}

/* ---- who has it open ---- */

size_t host_cgroup_names(const char *text, const char *const *groups, size_t n)
{
    const char *first = NULL;
    size_t found = n;

    /* The outermost name counts: what is below a container's cgroup is the container's to name. */
    for (size_t i = 0; i < n; i++) {
        const char *at = str_empty(groups[i]) ? NULL : strstr(text, groups[i]);

        if (at && (!first || at < first)) {
            first = at;
            found = i;
        }
    }
    return found;
}

struct search {
    const char *proc;
    struct host_socket *sockets;
    const uint32_t *inodes;
    size_t n, left; /* left: not found yet */
    size_t descriptors;
    size_t members; /* processes of the groups that were seen */
    struct err err; /* why one who is not found may be there all the same */
};

/* NULL: it is gone, or what is in it cannot be known. */
static DIR *open_dir(struct search *s, const char *path)
{
    DIR *d = opendir(path);

    if (!d && errno != ENOENT && errno != ESRCH)
        err_set(&s->err, ERR_IO, "%.100s: %s", path, ERRNO_TEXT(errno));
    return d;
}

/* "socket:[4711]" */
static void match_link(struct search *s, const char *link, enum host_owner owner, size_t group)
{
    unsigned long inode;

    if (sscanf(link, "socket:[%lu]", &inode) != 1)
        return;
    for (size_t i = 0; i < s->n; i++) {
        if (s->inodes[i] != inode || s->sockets[i].owner != HOST_OWNER_NONE)
            continue;
        s->sockets[i].owner = owner;
        s->sockets[i].group = group;
        s->left--;
    }
}

static void look_through_fds(struct search *s, const char *dir, enum host_owner owner, size_t group)
{
    DIR *d = open_dir(s, dir);
    const struct dirent *entry;
    char link[64];

    while (d && s->left && s->descriptors && (entry = readdir(d))) {
        ssize_t n = readlinkat(dirfd(d), entry->d_name, link, sizeof link - 1);

        s->descriptors--;
        if (n <= 0)
            continue;
        link[n] = '\0';
        match_link(s, link, owner, group);
    }
    if (d)
        closedir(d);
}

/* Each thread, for one may have descriptors of its own. */
static void look_through(struct search *s, int pid, enum host_owner owner, size_t group)
{
    char path[128];
    const struct dirent *entry;
    DIR *d;

    snprintf(path, sizeof path, "%.64s/%d/fd", s->proc, pid);
    look_through_fds(s, path, owner, group);
    if (!s->left || owner != HOST_OWNER_GROUP)
        return;
    snprintf(path, sizeof path, "%.64s/%d/task", s->proc, pid);
    d = open_dir(s, path);
    while (d && s->left && s->descriptors && (entry = readdir(d))) {
        int64_t thread;

        if (str_to_int(entry->d_name, 1, INT32_MAX, &thread, NULL) || thread == pid)
            continue;
        snprintf(path, sizeof path, "%.64s/%d/task/%d/fd", s->proc, pid, (int)thread);
        look_through_fds(s, path, owner, group);
    }
    if (d)
        closedir(d);
}

static size_t group_of(const char *proc, int pid, const char *const *groups, size_t n)
{
    AUTO(buf) struct buf text = BUF_INIT(CGROUP_MAX);
    char path[128];

    snprintf(path, sizeof path, "%.64s/%d/cgroup", proc, pid);
    if (host_read_file(path, &text, NULL)) /* it has ended, or is nobody's */
        return n;
    return host_cgroup_names(buf_text(&text), groups, n);
}

/* At most HOST_OWNER_PROCESSES. free() it. */
static int *list_processes(struct search *s, size_t *n)
{
    DIR *d = open_dir(s, s->proc);
    const struct dirent *entry;
    int *pids = NULL;
    size_t room = 0;

    *n = 0;
    while (d && *n < HOST_OWNER_PROCESSES && (entry = readdir(d))) {
        int64_t pid;

        if (str_to_int(entry->d_name, 1, INT32_MAX, &pid, NULL))
            continue;
        if (*n == room) {
            room = room ? 2 * room : 256;
            pids = mem_resize(pids, room, sizeof *pids);
        }
        pids[(*n)++] = (int)pid;
    }
    if (d)
        closedir(d);
    if (*n == HOST_OWNER_PROCESSES)
        err_set(&s->err, ERR_LIMIT, "more than %d processes run", HOST_OWNER_PROCESSES);
    return pids;
}

static void search_all(struct search *s, const char *const *groups, size_t n_groups)
{
    size_t n, others = 0;
    int *pids = list_processes(s, &n);

    for (size_t i = 0; i < n && s->left && s->descriptors; i++) {
        size_t group = group_of(s->proc, pids[i], groups, n_groups);

        if (group == n_groups) {
            pids[others++] = pids[i];
            continue;
        }
        s->members++;
        look_through(s, pids[i], HOST_OWNER_GROUP, group);
    }
    for (size_t i = others; i-- > 0 && s->left && s->descriptors;) /* the youngest first */
        look_through(s, pids[i], HOST_OWNER_OTHER, 0);
    free(pids);
    if (!s->descriptors)
        err_set(&s->err, ERR_LIMIT, "more than %d descriptors are open", HOST_OWNER_DESCRIPTORS);
    else if (!s->err.code && n_groups && !s->members)
        err_set(&s->err, ERR_IO, "%s shows no process of theirs", s->proc);
}

enum err_code host_find_owners(const char *proc, struct host_socket *sockets, size_t n,
                               const char *const *groups, size_t n_groups, struct err *e)
{
    struct search s = {
        .proc = proc, .sockets = sockets, .n = n, .descriptors = HOST_OWNER_DESCRIPTORS
    };
    uint32_t *inodes = mem_array(n, sizeof *inodes);
    enum err_code code = find_inodes(sockets, n, inodes, e);

    for (size_t i = 0; i < n; i++) {
        sockets[i].owner = HOST_OWNER_NONE;
        s.left += inodes[i] != 0;
    }
    s.inodes = inodes;
    if (!code && s.left)
        search_all(&s, groups, n_groups);
    free(inodes);
    if (!code && s.left && s.err.code)
        code = err_set(e, s.err.code, "%s", s.err.msg);
    return code;
}

/* ---- addresses ---- */

bool host_has_address(const char *address)
{
    struct ifaddrs *all = NULL;
    char text[INET6_ADDRSTRLEN];
    bool found = str_starts(address, "127.") || streq(address, "::1");

    if (found || getifaddrs(&all))
        return found;
    for (const struct ifaddrs *it = all; it && !found; it = it->ifa_next) {
        const void *bytes = NULL;

        if (it->ifa_addr && it->ifa_addr->sa_family == AF_INET)
            bytes = &((const struct sockaddr_in *)(const void *)it->ifa_addr)->sin_addr;
        else if (it->ifa_addr && it->ifa_addr->sa_family == AF_INET6)
            bytes = &((const struct sockaddr_in6 *)(const void *)it->ifa_addr)->sin6_addr;
        found = bytes && inet_ntop(it->ifa_addr->sa_family, bytes, text, sizeof text) &&
                streq(text, address);
    }
    freeifaddrs(all);
    return found;
}
