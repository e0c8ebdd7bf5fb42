#pragma once
/* clock: the only place that reads the time, and its text forms.
 *
 * Pure code gets the time as an argument; only the shell asks for it here. */
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

int64_t clock_wall_ms(void); /* since the epoch, UTC; may step */
int64_t clock_mono_ms(void); /* never steps; origin unspecified */
int64_t clock_wall_ns(void);
int64_t clock_mono_ns(void);

#define CLOCK_ISO_SIZE 32

/* "2026-01-02T03:04:05.006Z" */
void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);
/* "20260102T030405Z", the form SigV4 wants */
void clock_amz(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);

/* RFC 3339 with any number of fraction digits and Z or an offset, as Docker
 * prints it. The zero time of Go ("0001-01-01T00:00:00Z") gives 0. */
MUST_CHECK enum err_code clock_parse_iso(const char *text, int64_t *wall_ms, struct err *e);

/* Go's text of a duration: "30s", "2m30s", "1h0m0s", "250ms". */
void clock_go_duration(int64_t ms, char out[CLOCK_ISO_SIZE]);
