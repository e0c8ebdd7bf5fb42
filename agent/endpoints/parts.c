#include "endpoints/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* Up to here each whole number is one double, and the other way round. */
#define WHOLE_MAX 9007199254740992.0

void part_double(struct jw *w, double v)
{
    char text[40];

    if (!isfinite(v)) {
        jw_null(w);
        return;
    }
    if (v >= -WHOLE_MAX && v <= WHOLE_MAX && (double)(int64_t)v == v) {
        jw_int(w, (int64_t)v);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    jw_raw(w, str_of(text));
}

void part_time(struct jw *w, const char *key, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    size_t n;

    if (!ms)
        return;
    clock_iso(ms, text);
    n = strlen(text) - 1; /* without its Z */
    while (text[n - 1] == '0')
        n--;
    /* Only a fraction's own digits can go: the text always has one. */
    if (text[n - 1] == '.')
        n--;
    text[n++] = 'Z';
    jw_key(w, key);
    jw_strn(w, (struct str){ text, n });
}

void part_pairs(struct jw *w, const char *key, const struct view_pair *pairs, size_t n)
{
    if (!n)
        return;
    jw_kobject(w, key);
    for (size_t i = 0; i < n; i++)
        jw_kstr(w, pairs[i].key, pairs[i].value ? pairs[i].value : "");
    jw_end(w);
}

const char *part_proto(enum port_proto proto)
{
    return proto == PORT_UDP ? "udp" : "tcp";
}

void part_ports(struct jw *w, const struct port_binding *ports, size_t n, bool host_ip)
{
    if (!n)
        return;
    jw_karray(w, "Ports");
    for (size_t i = 0; i < n; i++) {
        const struct port_binding *p = &ports[i];

        jw_object(w);
        if (p->container_port)
            jw_kint(w, "ContainerPort", p->container_port);
        jw_kstr(w, "Protocol", part_proto(p->proto));
        if (p->host_port)
            jw_kint(w, "HostPort", p->host_port);
        if (host_ip)
            jw_kstr_if(w, "HostIp", p->ip);
        jw_end(w);
    }
    jw_end(w);
}

void part_volumes(struct jw *w, const struct view_volume *volumes, size_t n)
{
    if (!n)
        return;
    jw_karray(w, "Volumes");
    for (size_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kstr_if(w, "DockerName", volumes[i].docker_name);
        jw_kstr_if(w, "Source", volumes[i].source);
        jw_kstr_if(w, "Destination", volumes[i].destination);
        jw_end(w);
    }
    jw_end(w);
}

static bool is_awsvpc(const struct view_network *n)
{
    return n->mode && streq(n->mode, PART_AWSVPC);
}

static void one_address(struct jw *w, const char *key, const char *address)
{
    jw_karray(w, key);
    jw_str(w, address);
    jw_end(w);
}

void part_networks(struct jw *w, const struct view_container *c, enum part_networks which)
{
    size_t told = 0;

    if (!c->networks_known)
        return;
    for (size_t i = 0; i < c->n_networks; i++) {
        const struct view_network *n = &c->networks[i];

        if (which == PART_NETWORKS_AWSVPC && !is_awsvpc(n))
            continue;
        if (!told++)
            jw_karray(w, "Networks");
        jw_object(w);
        jw_kstr_if(w, "NetworkMode", n->mode);
        /* Clients look at the first element, so the one of "host" is there and empty. */
        if (n->ipv4)
            one_address(w, "IPv4Addresses", n->ipv4);
        if (!str_empty(n->ipv6) && (which == PART_NETWORKS_ALL || is_awsvpc(n)))
            one_address(w, "IPv6Addresses", n->ipv6);
        jw_end(w);
    }
    if (told)
        jw_end(w);
}

bool part_has_container(const struct view_container *c)
{
    return !str_empty(c->docker_id) || !str_empty(c->docker_name);
}
