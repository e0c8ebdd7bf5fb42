/* reserved_ports: the kernel's list of ports that no client's socket is given by chance. The
 * agent's own lie in the range of those that are, and a connection on one of them, even one that
 * has just ended, keeps the agent from listening there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/internal.h"

/* The kernel takes a list in pieces of a page, and replaces the old one with the first only. */
#define LIST_MAX 4000

#define PORTS 65536u

struct port_set {
    unsigned char bits[PORTS / 8];
};

static bool has(const struct port_set *s, unsigned port)
{
    return s->bits[port / 8] & 1u << port % 8;
}

static void set(struct port_set *s, unsigned port, bool to)
{
    unsigned bit = 1u << port % 8;

    s->bits[port / 8] = (unsigned char)(to ? s->bits[port / 8] | bit : s->bits[port / 8] & ~bit);
}

static bool read_port(const char **p, unsigned *out)
{
    char *end;
    unsigned long n;

    if (**p < '0' || **p > '9')
        return false;
    n = strtoul(*p, &end, 10);
    *p = end;
    *out = (unsigned)n;
    return n < PORTS;
}

/* "8080,9000-9010", and a line feed. */
static bool read_list(const char *p, struct port_set *out)
{
    while (*p && *p != '\n') {
        unsigned first, last;

        if (!read_port(&p, &first))
            return false;
        last = first;
        if (*p == '-') {
            p++;
            if (!read_port(&p, &last) || last < first)
                return false;
        }
        for (unsigned port = first; port <= last; port++)
            set(out, port, true);
        if (*p == ',')
            p++;
        else if (*p && *p != '\n')
            return false;
    }
    return true;
}

static bool write_list(const struct port_set *s, struct buf *out)
{
    bool ok = true;

    for (unsigned port = 0; port < PORTS; port++) {
        unsigned first = port;

        if (!has(s, port))
            continue;
        while (port + 1 < PORTS && has(s, port + 1))
            port++;
        ok &= buf_printf(out, out->len ? ",%u" : "%u", first);
        if (port > first)
            ok &= buf_printf(out, "-%u", port);
    }
    return ok && buf_putc(out, '\n');
}

static enum err_code store_list(const char *path, const struct port_set *s, struct err *e)
{
    AUTO(buf) struct buf text = BUF_INIT(LIST_MAX);
    enum err_code code = ERR_OK;
    ssize_t n;
    int fd;

    if (!write_list(s, &text))
        return err_set(e, ERR_LIMIT, "%s: the list is too long to be changed", path);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    n = write(fd, buf_text(&text), text.len);
    if (n < 0 || (size_t)n != text.len)
        code = err_errno(e, n < 0 ? errno : EIO, "%s", path);
    close(fd);
    return code;
}

/* Sets or clears those that are not so yet; *changed: which of them. */
static enum err_code change(const char *proc, const struct host_reserved *r, bool to, bool *changed,
                            struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/sys/net/ipv4/ip_local_reserved_ports", proc);
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    struct port_set s = { 0 };
    bool any = false;
    enum err_code code = host_read_file(path, &text, e);

    if (code)
        return code;
    if (!read_list(buf_text(&text), &s))
        return err_set(e, ERR_INVALID, "%s does not read as a list of ports", path);
    for (size_t i = 0; i < COUNT_OF(r->ports); i++) {
        changed[i] = r->ports[i] && (to || r->added[i]) && has(&s, r->ports[i]) != to;
        any |= changed[i];
        if (changed[i])
            set(&s, r->ports[i], to);
    }
    return any ? store_list(path, &s, e) : ERR_OK;
}

enum err_code host_ports_reserve(const char *proc, struct host_reserved *r, struct err *e)
{
    bool changed[COUNT_OF(r->ports)] = { false };
    enum err_code code = change(proc, r, true, changed, e);

    for (size_t i = 0; i < COUNT_OF(r->ports) && !code; i++)
        r->added[i] |= changed[i];
    return code;
}

enum err_code host_ports_release(const char *proc, struct host_reserved *r, struct err *e)
{
    bool changed[COUNT_OF(r->ports)] = { false };
    enum err_code code = change(proc, r, false, changed, e);

    for (size_t i = 0; i < COUNT_OF(r->ports) && !code; i++)
        r->added[i] = false;
    return code;
}
