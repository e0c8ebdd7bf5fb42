#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static struct tm utc(int64_t wall_ms, int *ms)
{
    time_t secs = (time_t)(wall_ms / 1000);
    struct tm tm;

    *ms = (int)(wall_ms % 1000);
    if (*ms < 0) {
        *ms += 1000;
        secs--;
    }
    gmtime_r(&secs, &tm);
    return tm;
}

void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    int ms;
    struct tm tm = utc(wall_ms, &ms);
    size_t n = strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

    snprintf(out + n, CLOCK_ISO_SIZE - n, ".%03dZ", ms);
}

void clock_amz(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    int ms;
    struct tm tm = utc(wall_ms, &ms);

    strftime(out, CLOCK_ISO_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

enum err_code clock_parse_iso(const char *text, int64_t *wall_ms, struct err *e)
{
    struct tm tm = { 0 };
    int used = 0, oh = 0, om = 0, digits = 0, ms = 0;
    const char *p;
    int64_t offset_s = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6)
        return err_set(e, ERR_INVALID, "expected an RFC 3339 time, got '%.60s'", text);
    p = text + used;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, digits++)
            if (digits < 3)
                ms = ms * 10 + (*p - '0');
    for (; digits < 3 && ms; digits++)
        ms *= 10;
    if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d", &oh, &om) == 2)
        offset_s = (*p == '-' ? -1 : 1) * ((int64_t)oh * 3600 + (int64_t)om * 60);
    else if (strcmp(p, "Z") != 0)
        return err_set(e, ERR_INVALID, "expected Z or an offset at the end of '%.60s'", text);
    if (tm.tm_year <= 1) {
        *wall_ms = 0;
        return ERR_OK;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *wall_ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + ms;
    return ERR_OK;
}

void clock_go_duration(int64_t ms, char out[CLOCK_ISO_SIZE])
{
    int64_t s = ms / 1000, h = s / 3600, m = s / 60 % 60;

    if (ms < 1000)
        snprintf(out, CLOCK_ISO_SIZE, ms ? "%" PRId64 "ms" : "%" PRId64 "s", ms);
    else if (h)
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "h%" PRId64 "m%" PRId64 "s", h, m, s % 60);
    else if (m)
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "m%" PRId64 "s", m, s % 60);
    else
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "s", s);
}
