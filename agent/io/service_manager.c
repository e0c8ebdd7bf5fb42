#include "io/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define WAIT_US  500000

struct passed {
    char *name;
    int fd;
};

struct service_manager {
    struct sockaddr_un address;
    socklen_t address_n; /* 0: nobody listens */
    struct passed passed[SERVICE_MANAGER_FDS];
    size_t n_passed, kept;
    int64_t watchdog_ms; /* 0: nobody waits */
};

/* ---- what the environment says ---- */

size_t service_manager_passed(const char *listen_pid, const char *listen_fds, long pid)
{
    int64_t whose, n;

    if (!listen_pid || !listen_fds || str_to_int(listen_pid, 1, INT32_MAX, &whose, NULL) ||
        str_to_int(listen_fds, 0, INT32_MAX - FIRST_FD, &n, NULL) || whose != pid)
        return 0;
    return (size_t)n;
}

struct str service_manager_nth(const char *names, size_t i)
{
    const char *end;

    for (; names; names = *end ? end + 1 : NULL) {
        end = strchrnul(names, ':');
        if (i-- == 0 && end > names)
            return (struct str){ names, (size_t)(end - names) };
        if (i == SIZE_MAX)
            break;
    }
    return str_of("unknown");
}

int64_t service_manager_watchdog(const char *usec, const char *watchdog_pid, long pid)
{
    int64_t limit, whose = pid;

    if (!usec || str_to_int(usec, 1, INT64_MAX, &limit, NULL) ||
        (watchdog_pid && str_to_int(watchdog_pid, 1, INT32_MAX, &whose, NULL)) || whose != pid)
        return 0;
    return limit / 1000;
}

static void take_watchdog(struct service_manager *m)
{
    m->watchdog_ms =
        service_manager_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void take_passed(struct service_manager *m)
{
    const char *names = getenv("LISTEN_FDNAMES");
    size_t n = service_manager_passed(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getpid());

    for (size_t i = 0; i < n; i++) {
        struct str name = service_manager_nth(names, i);
        int fd = FIRST_FD + (int)i;

        /* A count that is not true ends at the first descriptor that is not open. */
        if (fcntl(fd, F_SETFD, FD_CLOEXEC))
            break;
        m->kept++;
        if (m->n_passed == SERVICE_MANAGER_FDS)
            close(fd);
        else
            m->passed[m->n_passed++] = (struct passed){ mem_strndup(name.p, name.n), fd };
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

/* A path, or "@" and a name in the abstract namespace. */
static void take_address(struct service_manager *m)
{
    const char *text = getenv("NOTIFY_SOCKET");
    size_t n = text ? strlen(text) : 0;

    if (n > 1 && n < sizeof m->address.sun_path && (*text == '/' || *text == '@')) {
        m->address.sun_family = AF_UNIX;
        memcpy(m->address.sun_path, text, n);
        m->address_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
        if (*text == '@')
            m->address.sun_path[0] = '\0';
        else
            m->address_n++;
    }
    unsetenv("NOTIFY_SOCKET");
}

struct service_manager *service_manager_create(void)
{
    struct service_manager *m = NEW(struct service_manager);

    take_address(m);
    take_watchdog(m);
    take_passed(m);
    return m;
}

void service_manager_destroy(struct service_manager *m)
{
    if (!m)
        return;
    while (m->n_passed)
        close(service_manager_take(m, 0));
    free(m);
}

bool service_manager_there(const struct service_manager *m)
{
    return m->address_n > 0;
}

int64_t service_manager_watchdog_ms(const struct service_manager *m)
{
    return m->address_n ? m->watchdog_ms : 0;
}

const char *service_manager_name(const struct service_manager *m, size_t i)
{
    return i < m->n_passed ? m->passed[i].name : NULL;
}

int service_manager_fd(const struct service_manager *m, size_t i)
{
    return m->passed[i].fd;
}

int service_manager_take(struct service_manager *m, size_t i)
{
    int fd = m->passed[i].fd;

    free(m->passed[i].name);
    m->n_passed--;
    memmove(&m->passed[i], &m->passed[i + 1], (m->n_passed - i) * sizeof m->passed[0]);
    return fd;
}

/* ---- what is told ---- */

static enum err_code say(struct service_manager *m, const char *text, int pass, struct err *e)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    const struct timeval wait = { 0, WAIT_US };
    struct iovec bytes = { (void *)(uintptr_t)text, strlen(text) };
    struct msghdr msg = {
        .msg_name = &m->address, .msg_namelen = m->address_n, .msg_iov = &bytes, .msg_iovlen = 1
    };
    int fd, error = 0;

    if (!m->address_n)
        return ERR_OK;
    if (pass >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control.room;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof pass);
        memcpy(CMSG_DATA(&control.head), &pass, sizeof pass);
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
        error = errno;
    close(fd);
    return error ? err_errno(e, error, "the service manager cannot be told") : ERR_OK;
}

enum err_code service_manager_tell(struct service_manager *m, const char *text, struct err *e)
{
    return say(m, text, -1, e);
}

enum err_code service_manager_tell_reloading(struct service_manager *m, struct err *e)
{
    AUTO(str)
    char *text = mem_printf("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_ns() / 1000);

    return say(m, text, -1, e);
}

/* FDPOLL=0: it is kept although the other end of it may hang up. */
enum err_code service_manager_keep(struct service_manager *m, const char *name, int fd,
                                   struct err *e)
{
    AUTO(str) char *text = mem_printf("FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);

    if (say(m, text, fd, e))
        return e->code;
    m->kept += m->address_n ? 1 : 0;
    return ERR_OK;
}

enum err_code service_manager_forget(struct service_manager *m, const char *name, struct err *e)
{
    AUTO(str) char *text = mem_printf("FDSTOREREMOVE=1\nFDNAME=%s", name);

    if (say(m, text, -1, e))
        return e->code;
    m->kept -= m->kept ? 1 : 0;
    return ERR_OK;
}

size_t service_manager_kept(const struct service_manager *m)
{
    return m->kept;
}
