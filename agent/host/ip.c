#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "host/internal.h"

#define ROUTES_MAX (8u << 20) /* a full table of IPv6 has a line for each neighbor */

#define LINE_SIZE 256

/* linux/route.h and linux/ipv6_route.h cannot both be included. */
#define ROUTE_UP      0x1u
#define ROUTE_GATEWAY 0x2u

static bool all_zero(const char *digits)
{
    return strspn(digits, "0") == strlen(digits);
}

/* The next line as a text of its own: sscanf would look for the end of the whole table each
 * time, and over the ends of lines. False at the end. */
static bool next_line(const char **at, char line[LINE_SIZE])
{
    size_t n = strcspn(*at, "\n"), kept = n < LINE_SIZE ? n : LINE_SIZE - 1;

    if (!**at)
        return false;
    memcpy(line, *at, kept);
    line[kept] = '\0';
    *at += n + ((*at)[n] == '\n');
    return true;
}

static bool usable(unsigned flags)
{
    return (flags & ROUTE_UP) && (flags & ROUTE_GATEWAY);
}

/* "eth0 00000000 0101A8C0 0003 ...": destination, gateway, flags. */
static bool has_default4(const char *text)
{
    char line[LINE_SIZE], destination[9], gateway[9];
    unsigned flags;

    while (next_line(&text, line)) {
        if (sscanf(line, "%*s %8[0-9A-Fa-f] %8[0-9A-Fa-f] %x", destination, gateway, &flags) == 3 &&
            strlen(destination) == 8 && all_zero(destination) && !all_zero(gateway) &&
            usable(flags))
            return true;
    }
    return false;
}

/* Destination, its length, source, its length, next hop, metric, references, use, flags,
 * device. */
static bool has_default6(const char *text)
{
    char line[LINE_SIZE], destination[33], gateway[33];
    unsigned flags;

    while (next_line(&text, line)) {
        if (sscanf(line,
                   "%32[0-9a-fA-F] %*x %*32[0-9a-fA-F] %*x %32[0-9a-fA-F] %*x %*x %*x "
                   "%x",
                   destination, gateway, &flags) == 3 &&
            strlen(destination) == 32 && all_zero(destination) && !all_zero(gateway) &&
            usable(flags))
            return true;
    }
    return false;
}

struct host_ip host_parse_routes(const char *route, const char *route6)
{
    return (struct host_ip){ .v4 = has_default4(route), .v6 = has_default6(route6) };
}

struct host_ip host_ip_compat(void)
{
    AUTO(buf) struct buf route = BUF_INIT(ROUTES_MAX);
    AUTO(buf) struct buf route6 = BUF_INIT(ROUTES_MAX);
    struct err e = { 0 };

    if (host_read_file("/proc/net/route", &route, NULL))
        return (struct host_ip){ .v4 = true };
    /* A kernel without IPv6 has no such file. */
    if (host_read_file("/proc/net/ipv6_route", &route6, &e) && e.code != ERR_NOT_FOUND)
        return (struct host_ip){ .v4 = true };
    return host_parse_routes(buf_text(&route), buf_text(&route6));
}
