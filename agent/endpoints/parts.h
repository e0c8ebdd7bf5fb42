#pragma once
/* parts: the pieces of JSON that the views have in common. Private to this folder; pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoints/view.h"

/* The shortest text that reads back as `v`; whole numbers without a point, for clients that
 * read them as integers. NaN and infinities have no JSON: null. */
void part_double(struct jw *w, double v);

/* Nothing when it is not set; else RFC 3339 in UTC, without needless fraction digits. */
void part_time(struct jw *w, const char *key, int64_t ms);

/* These three write nothing, not even the key, when there is nothing to tell. */
void part_pairs(struct jw *w, const char *key, const struct view_pair *pairs, size_t n);
void part_ports(struct jw *w, const struct port_binding *ports, size_t n, bool host_ip);
void part_volumes(struct jw *w, const struct view_volume *volumes, size_t n);

#define PART_AWSVPC "awsvpc"

enum part_networks {
    PART_NETWORKS_ALL,    /* with IPv6 addresses of every mode */
    PART_NETWORKS_IPV4,   /* IPv6 addresses of awsvpc alone */
    PART_NETWORKS_AWSVPC, /* no other modes */
};
/* Nothing when none is left, or when they are not known. */
void part_networks(struct jw *w, const struct view_container *c, enum part_networks which);

const char *part_proto(enum port_proto proto);

/* Whether the engine has, or is about to have, a container for it. */
bool part_has_container(const struct view_container *c);
