#pragma once
/* gate: how often an endpoint may be asked: less when it says that it is too often, and hardly ever
 * while it is away. One for all streams that go there. Pure; private to logs. */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rng.h"

#define GATE_AWAY_AFTER   5 /* requests in a row that got no sensible answer */
#define GATE_PROBE_MS     1000
#define GATE_PROBE_MAX_MS 5000
#define GATE_CUT_MS       1000   /* requests of one moment are throttled together, and count once */
#define GATE_GROW_PCT     5      /* a second */
#define GATE_LEAST_RATE   1      /* requests a second */
#define GATE_FIRST_RATE   8      /* at least, after the first time */
#define GATE_FREE_MS      120000 /* so long without being throttled: any rate is fine again */

enum gate_end {
    GATE_ANSWERED,
    GATE_THROTTLED,
    GATE_AWAY,  /* no answer, or one that says that nothing works there */
    GATE_QUIET, /* it was canceled, or never began for another reason: nothing is known */
};

struct gate {
    struct list node; /* the owner's */
    char *endpoint;   /* likewise */
    size_t users;     /* likewise */
    size_t turns;     /* under way; see turns.h */

    /* Rate: a bucket of at most one second's requests. 0: no bound. */
    double per_s, tokens;
    int64_t filled_ms, cut_ms;
    int64_t window_ms; /* how many there were in the last whole second: */
    int n_window, n_before;

    /* Breaker. */
    int failures;
    bool probing;
    int64_t probe_ms;
};

/* When may the next request begin, in milliseconds from now? 0: now; -1: that depends on one that
 * is under way. */
int64_t gate_wait_ms(struct gate *g, int64_t now_ms);
void gate_begin(struct gate *g, int64_t now_ms);
void gate_end(struct gate *g, enum gate_end how, int64_t now_ms, struct rng *rng);
/* Is it taken for away? */
bool gate_shut(const struct gate *g);
