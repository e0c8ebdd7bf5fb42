#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/commands.h"
#include "host/internal.h"

#define RUN_MS     20000
#define ROUTES_MAX (8u << 20)
#define COPIES_MAX 256 /* of one rule, left by as many crashes of a reference agent */

#define ENDPOINTS_ADDRESS HOST_ENDPOINTS_ADDRESS

/* ---- the rules ---- */

enum rule_id { RULE_DNAT, RULE_LOCALHOST, RULE_DROP, RULE_ACCEPT, RULE_REDIRECT, RULE__COUNT };

#define RULE_WORDS 16

struct rule {
    const char *table, *chain;
    const char *words[RULE_WORDS]; /* ends with NULL */
    bool first;                    /* put at the top of its chain, else at the end */
    bool wanted;
    bool v6; /* for IPv6 as well */
};

struct rules {
    const struct host_rules_config *config;
    struct rule all[RULE__COUNT]; /* in the order in which they are put */
    char to[32], endpoints[8], introspection[8], loopback[IF_NAMESIZE];
};

/* The first link that is a loopback, usually "lo". */
static void find_loopback(char out[IF_NAMESIZE])
{
    struct if_nameindex *links = if_nameindex();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(out, IF_NAMESIZE, "lo");
    for (struct if_nameindex *l = links; fd >= 0 && l && l->if_name; l++) {
        struct ifreq r = { 0 };

        snprintf(r.ifr_name, sizeof r.ifr_name, "%s", l->if_name);
        if (ioctl(fd, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_LOOPBACK) {
            snprintf(out, IF_NAMESIZE, "%s", l->if_name);
            break;
        }
    }
    if (fd >= 0)
        close(fd);
    if (links)
        if_freenameindex(links);
}

static void make_rules(struct rules *r, const struct host_rules_config *c)
{
    snprintf(r->to, sizeof r->to, "127.0.0.1:%d", c->endpoints_port);
    snprintf(r->endpoints, sizeof r->endpoints, "%d", c->endpoints_port);
    snprintf(r->introspection, sizeof r->introspection, "%d", c->introspection_port);
    find_loopback(r->loopback);
    r->config = c;
    r->all[RULE_DNAT] = (struct rule){
        .table = "nat",
        .chain = "PREROUTING",
        .words = { "-p", "tcp", "-d", ENDPOINTS_ADDRESS, "--dport", "80", "-j", "DNAT",
                   "--to-destination", r->to },
        .wanted = true,
    };
    /* The sysctl opens 127.0.0.0/8 to the neighbors of this host; this closes it again. */
    r->all[RULE_LOCALHOST] = (struct rule){
        .table = "filter",
        .chain = "INPUT",
        .words = { "--dst", "127.0.0.0/8", "!", "--src", "127.0.0.0/8", "-m", "conntrack", "!",
                   "--ctstate", "RELATED,ESTABLISHED,DNAT", "-j", "DROP" },
        .first = true,
        .wanted = !c->skip_localhost_filter,
    };
    r->all[RULE_DROP] = (struct rule){
        .table = "filter",
        .chain = "INPUT",
        .words = { "-p", "tcp", "--dport", r->introspection, "!", "-i", r->loopback, "-j", "DROP" },
        .first = true,
        .wanted = !c->offhost_introspection,
        .v6 = true,
    };
    r->all[RULE_ACCEPT] = (struct rule){
        .table = "filter",
        .chain = "INPUT",
        .words = { "-p", "tcp", "--dport", r->introspection, "-i", c->bridge, "-j", "ACCEPT" },
        .first = true,
        .wanted = !c->offhost_introspection && c->bridge,
        .v6 = true,
    };
    r->all[RULE_REDIRECT] = (struct rule){
        .table = "nat",
        .chain = "OUTPUT",
        .words = { "-p", "tcp", "-d", ENDPOINTS_ADDRESS, "--dport", "80", "-j", "REDIRECT",
                   "--to-ports", r->endpoints },
        .wanted = true,
    };
}

/* Without the bridge's name there is no rule to look for. */
static bool can_be(const struct rules *r, enum rule_id id)
{
    return id != RULE_ACCEPT || r->config->bridge;
}

/* ---- iptables ---- */

/* These programs have no exit code of their own for a lack of rights. */
static enum err_code code_of(const char *said)
{
    return strstr(said, "Permission denied") || strstr(said, "must be root") ||
                   strstr(said, "Operation not permitted")
               ? ERR_DENIED
               : ERR_IO;
}

static enum err_code failed_with(const char *what, int status, const struct buf *said,
                                 struct err *e)
{
    struct str text = str_trim(buf_str(said));

    return err_set(e, code_of(buf_text(said)), "%s: exit code %d: %.*s", what, status, (int)text.n,
                   text.n ? text.p : "");
}

/* One call about one rule. *done: it ended well. Its code 1 is a rule, or a part of one, that is
 * not there: not done, but no error. */
static enum err_code ask(const struct rules *r, enum rule_id id, bool v6, const char *verb,
                         bool *done, struct err *e)
{
    const struct host_rules_config *c = r->config;
    const struct rule *rule = &r->all[id];
    const char *program = v6 ? c->ip6tables : c->iptables;
    const char *argv[RULE_WORDS + 8] = { program ? program : v6 ? "ip6tables" : "iptables",
                                         "-w",
                                         "5",
                                         "-t",
                                         rule->table,
                                         verb,
                                         rule->chain };
    AUTO(buf) struct buf said = BUF_INIT(1 << 14);
    enum err_code code;
    int status;

    for (size_t i = 0, n = 7; rule->words[i]; i++)
        argv[n++] = rule->words[i];
    code = host_run(argv, RUN_MS, &status, &said, e);
    if (code)
        return code;
    *done = status == 0;
    if (status > 1 || (status == 1 && !streq(verb, "-C") && !streq(verb, "-D"))) {
        AUTO(str)
        char *what = mem_printf("%s -t %s %s %s", argv[0], rule->table, verb, rule->chain);

        return failed_with(what, status, &said, e);
    }
    return ERR_OK;
}

static enum err_code take_rule(const struct rules *r, enum rule_id id, bool v6, struct err *e)
{
    enum err_code code = ERR_OK;
    bool done = true;

    for (int i = 0; !code && done && i < COPIES_MAX; i++)
        code = ask(r, id, v6, "-D", &done, e);
    return code;
}

static enum err_code put_rule(const struct rules *r, enum rule_id id, bool v6, bool *added,
                              struct err *e)
{
    enum err_code code;
    bool there = false;

    *added = false;
    code = ask(r, id, v6, "-C", &there, e);
    if (code || there)
        return code;
    code = ask(r, id, v6, r->all[id].first ? "-I" : "-A", &there, e);
    *added = !code;
    return code;
}

bool host_rules_in_order(const char *listed, const char *bridge, const char *loopback,
                         const char *port)
{
    AUTO(str)
    char *accept = mem_printf("-A INPUT -i %s -p tcp -m tcp --dport %s -j ACCEPT\n", bridge, port);
    AUTO(str)
    char *drop = mem_printf("-A INPUT ! -i %s -p tcp -m tcp --dport %s -j DROP\n", loopback, port);
    const char *above = strstr(listed, accept), *below = strstr(listed, drop);

    return above && below && above < below;
}

/* Both are there: is the one that lets the bridge in above the other? Where the list does not
 * read as expected, it counts as not so. */
static bool in_order(const struct rules *r, bool v6)
{
    const struct host_rules_config *c = r->config;
    const char *program = v6 ? c->ip6tables : c->iptables;
    const char *const argv[] = { program ? program : v6 ? "ip6tables" : "iptables",
                                 "-w",
                                 "5",
                                 "-t",
                                 "filter",
                                 "-S",
                                 "INPUT",
                                 NULL };
    AUTO(buf) struct buf said = BUF_INIT(1 << 14);
    int status;

    return !host_run(argv, RUN_MS, &status, &said, NULL) && !status &&
           host_rules_in_order(buf_text(&said), c->bridge, r->loopback, r->introspection);
}

/* Keeps the first of several errors. */
static void note(enum err_code *first, struct err *e, enum err_code code, const struct err *now)
{
    if (code && !*first)
        *first = err_set(e, code, "%s", now->msg);
}

static bool has_v6(const struct rules *r)
{
    AUTO(str) char *path = mem_printf("%s/sys/net/ipv6", r->config->proc);

    return access(path, F_OK) == 0;
}

static enum err_code put_wanted(const struct rules *r, enum rule_id id, bool v6, bool replace,
                                bool *added, struct err *e)
{
    enum err_code code = replace ? take_rule(r, id, v6, e) : ERR_OK;

    return code ? code : put_rule(r, id, v6, added, e);
}

/* A rule that cannot be put does not keep the others away. Without the program, or with one that
 * hangs, there is nothing to go on with. */
static enum err_code put_family(const struct rules *r, bool v6, struct err *e)
{
    enum err_code first = ERR_OK, code = ERR_OK;
    bool dropped = false;
    struct err now = { 0 };

    for (enum rule_id id = 0; id < RULE__COUNT; id++) {
        const struct rule *rule = &r->all[id];
        bool added = false;

        if ((v6 && !rule->v6) || !can_be(r, id))
            continue;
        if (!rule->wanted) /* what another configuration has left */
            code = take_rule(r, id, v6, &now);
        else /* what was put just now is above what is there */
            code = put_wanted(r, id, v6, id == RULE_ACCEPT && (dropped || !in_order(r, v6)), &added,
                              &now);
        dropped = id == RULE_DROP && added;
        note(&first, e, code, &now);
        if (code == ERR_NOT_FOUND || code == ERR_TIMEOUT)
            break;
    }
    return first;
}

/* ---- sysctls ---- */

/* The bytes of a small file of the kernel's; false where there is none. */
static bool read_value(const char *path, char *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read(fd, out, 1) == 1;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* One digit; not written where it is so already: the file may be read-only. */
static enum err_code set_value(const char *path, char value, struct err *e)
{
    enum err_code code = ERR_OK;
    char now;
    int fd;

    if (read_value(path, &now) && now == value)
        return ERR_OK;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (write(fd, &value, 1) != 1)
        code = err_errno(e, errno, "%s", path);
    close(fd);
    return code;
}

static enum err_code put_sysctls(const struct host_rules_config *c, struct err *e)
{
    AUTO(str) char *localnet = mem_printf("%s/sys/net/ipv4/conf/all/route_localnet", c->proc);
    enum err_code code = set_value(localnet, '1', e);
    struct err lost = { 0 };

    if (c->bridge) {
        AUTO(str) char *ra = mem_printf("%s/sys/net/ipv6/conf/%s/accept_ra", c->proc, c->bridge);

        /* No container on the bridge is a router. A bridge or a kernel without IPv6 has no
         * such file. */
        if (set_value(ra, '0', &lost) && lost.code != ERR_NOT_FOUND && !code)
            code = err_set(e, lost.code, "%s", lost.msg);
    }
    return code;
}

static enum err_code take_sysctls(const struct host_rules_config *c, struct err *e)
{
    AUTO(str) char *all = mem_printf("%s/sys/net/ipv4/conf/all/route_localnet", c->proc);
    AUTO(str) char *usual = mem_printf("%s/sys/net/ipv4/conf/default/route_localnet", c->proc);
    char value = '0';

    if (!read_value(usual, &value))
        value = '0';
    return set_value(all, value, e);
}

/* ---- the route ---- */

#define ROUTE_UP     0x1u
#define ROUTE_REJECT 0x200u

void host_parse_local_routes(const char *text, bool *has_default, bool *has_ours)
{
    char line[256];
    struct in_addr ours;

    *has_default = *has_ours = false;
    inet_pton(AF_INET, ENDPOINTS_ADDRESS, &ours);
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        unsigned destination, mask, flags;

        n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        /* Device, destination, gateway, flags, references, use, metric, mask. */
        if (sscanf(line, "%*s %8x %*8x %x %*d %*d %*d %8x", &destination, &flags, &mask) != 3 ||
            !(flags & ROUTE_UP) || flags & ROUTE_REJECT)
            continue;
        if (!destination && !mask)
            *has_default = true;
        if (destination == ours.s_addr && mask == UINT32_MAX)
            *has_ours = true;
    }
}

static enum err_code change_route(const struct rules *r, const char *verb, struct err *e)
{
    const char *const argv[] = { r->config->ip ? r->config->ip : "ip",
                                 "-4",
                                 "route",
                                 verb,
                                 (ENDPOINTS_ADDRESS "/32"),
                                 "dev",
                                 r->loopback,
                                 "scope",
                                 "link",
                                 NULL };
    AUTO(buf) struct buf said = BUF_INIT(1 << 14);
    enum err_code code;
    int status;

    code = host_run(argv, RUN_MS, &status, &said, e);
    if (code || !status)
        return code;
    return failed_with(streq(verb, "add") ? "ip route add" : "ip route del", status, &said, e);
}

/* A host without a way out has no way to the address either: the rules would never see it. */
static enum err_code set_route(const struct rules *r, bool wanted, struct err *e)
{
    AUTO(str) char *path = mem_printf("%s/net/route", r->config->proc);
    AUTO(buf) struct buf text = BUF_INIT(ROUTES_MAX);
    bool has_default, has_ours;
    enum err_code code = host_read_file(path, &text, e);

    if (code)
        return code;
    host_parse_local_routes(buf_text(&text), &has_default, &has_ours);
    if (wanted && !has_default && !has_ours)
        return change_route(r, "add", e);
    if (!wanted && has_ours)
        return change_route(r, "del", e);
    return ERR_OK;
}

/* ---- both ways ---- */

/* For the caller, "not found" is that there is no iptables. */
static enum err_code not_missing(enum err_code code)
{
    return code == ERR_NOT_FOUND ? ERR_IO : code;
}

static enum err_code check(const struct host_rules_config *c, struct err *e)
{
    const char *b = c->bridge;

    /* As the kernel has names, and never an option. */
    if (b && (!*b || *b == '-' || *b == '.' || strlen(b) >= IF_NAMESIZE || strpbrk(b, "/: \n\t")))
        return err_set(e, ERR_INVALID, "'%.20s' is not a name of a network interface", b);
    return ERR_OK;
}

enum err_code host_rules_put(const struct host_rules_config *c, struct err *e)
{
    enum err_code first = ERR_OK, code;
    struct rules r = { 0 };
    struct err now = { 0 };

    if (check(c, e))
        return ERR_INVALID;
    make_rules(&r, c);
    note(&first, e, not_missing(put_sysctls(c, &now)), &now);
    note(&first, e, not_missing(set_route(&r, true, &now)), &now);
    note(&first, e, put_family(&r, false, &now), &now);
    if (has_v6(&r)) {
        code = put_family(&r, true, &now);
        /* No program, no rules: then IPv6 is nobody's here. */
        if (code != ERR_NOT_FOUND)
            note(&first, e, code, &now);
    }
    return first;
}

static enum err_code look_at_family(const struct rules *r, bool v6, struct err *e)
{
    enum err_code code = ERR_OK;
    bool there;

    for (enum rule_id id = 0; !code && id < RULE__COUNT; id++) {
        const struct rule *rule = &r->all[id];

        if (rule->wanted && can_be(r, id) && (!v6 || rule->v6))
            code = ask(r, id, v6, "-C", &there, e);
    }
    return code;
}

enum err_code host_rules_look(const struct host_rules_config *c, struct err *e)
{
    struct rules r = { 0 };
    enum err_code code;

    if (check(c, e))
        return ERR_INVALID;
    make_rules(&r, c);
    code = look_at_family(&r, false, e);
    if (code || !has_v6(&r))
        return code;
    code = look_at_family(&r, true, e);
    if (code != ERR_NOT_FOUND)
        return code;
    if (e)
        *e = (struct err){ 0 };
    return ERR_OK;
}

enum err_code host_rules_take(const struct host_rules_config *c, struct err *e)
{
    enum err_code first = ERR_OK, code;
    struct rules r = { 0 };
    struct err now = { 0 };

    if (check(c, e))
        return ERR_INVALID;
    make_rules(&r, c);
    note(&first, e, not_missing(take_sysctls(c, &now)), &now);
    note(&first, e, not_missing(set_route(&r, false, &now)), &now);
    for (enum rule_id id = 0; id < RULE__COUNT; id++) {
        if (!can_be(&r, id))
            continue;
        note(&first, e, take_rule(&r, id, false, &now), &now);
        if (!r.all[id].v6 || !has_v6(&r))
            continue;
        code = take_rule(&r, id, true, &now);
        if (code != ERR_NOT_FOUND)
            note(&first, e, code, &now);
    }
    return first;
}
