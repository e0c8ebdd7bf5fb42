#include "base/clock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_clock(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
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

/* `n` digits of a number that has no more. */
static void put_digits(char *at, int n, int v)
{
    for (; n > 0; v /= 10)
        at[--n] = (char)('0' + v % 10);
}

void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    static const char shape[] = "0000-00-00T00:00:00.000Z";
    int ms;
    struct tm tm = utc(wall_ms, &ms);

    if (tm.tm_year < -1900 || tm.tm_year > 8099) { /* no time of ours, but it has a text */
        size_t n = strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

        snprintf(out + n, CLOCK_ISO_SIZE - n, ".%03dZ", ms);
        return;
    }
    memcpy(out, shape, sizeof shape);
    put_digits(out, 4, tm.tm_year + 1900);
    put_digits(out + 5, 2, tm.tm_mon + 1);
    put_digits(out + 8, 2, tm.tm_mday);
    put_digits(out + 11, 2, tm.tm_hour);
    put_digits(out + 14, 2, tm.tm_min);
    put_digits(out + 17, 2, tm.tm_sec);
    put_digits(out + 20, 3, ms);
}

void clock_amz(int64_t wall_ms, char out[CLOCK_ISO_SIZE])
{
    int ms;
    struct tm tm = utc(wall_ms, &ms);

    strftime(out, CLOCK_ISO_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* Whether `text` begins as `shape` does, where '0' stands for any digit. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; text++, shape++)
        if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return true;
}

/* The end of a time: an optional fraction, then Z or an offset, then nothing. */
static bool parse_tail(const char *p, int *ms, int64_t *offset_s)
{
    int digits = 0, oh, om;

    *ms = 0;
    *offset_s = 0;
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++, digits++)
            if (digits < 3)
                *ms = *ms * 10 + (*p - '0');
        if (digits == 0)
            return false;
        for (; digits < 3; digits++)
            *ms *= 10;
    }
    if (strcmp(p, "Z") == 0)
        return true;
    if ((*p != '+' && *p != '-') || !has_shape(p + 1, "00:00") || p[6])
        return false;
    if (sscanf(p + 1, "%2d:%2d", &oh, &om) != 2 || oh > 23 || om > 59)
        return false;
    *offset_s = (*p == '-' ? -1 : 1) * ((int64_t)oh * 3600 + (int64_t)om * 60);
    return true;
}

enum err_code clock_parse_iso(const char *text, int64_t *wall_ms, struct err *e)
{
    static const char shape[] = "0000-00-00T00:00:00";
    struct tm tm = { 0 };
    int64_t offset_s;
    int ms;

    if (!has_shape(text, shape) || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
                                          &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return err_set(e, ERR_INVALID, "expected an RFC 3339 time, got '%.60s'", text);
    /* Second 60 is a leap second. */
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return err_set(e, ERR_INVALID, "'%.60s' is no time of any day", text);
    if (!parse_tail(text + sizeof shape - 1, &ms, &offset_s))
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
    char fraction[8] = "";
    size_t n;

    if (ms && ms < 1000) {
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "ms", ms);
        return;
    }
    if (ms % 1000) {
        snprintf(fraction, sizeof fraction, ".%03d", (int)(ms % 1000));
        for (n = strlen(fraction); fraction[n - 1] == '0'; n--)
            fraction[n - 1] = '\0';
    }
    if (h)
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "h%" PRId64 "m%" PRId64 "%ss", h, m, s % 60,
                 fraction);
    else if (m)
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "m%" PRId64 "%ss", m, s % 60, fraction);
    else
        snprintf(out, CLOCK_ISO_SIZE, "%" PRId64 "%ss", s, fraction);
}
