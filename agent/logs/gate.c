#include "logs/gate.h"

bool gate_shut(const struct gate *g)
{
    return g->failures >= GATE_AWAY_AFTER;
}

static void refill(struct gate *g, int64_t now_ms)
{
    double seconds = (double)(now_ms - g->filled_ms) / 1000.0, most;

    if (now_ms - g->cut_ms >= GATE_FREE_MS) {
        g->per_s = 0;
        return;
    }
    g->per_s += g->per_s * seconds * GATE_GROW_PCT / 100.0;
    most = g->per_s > 1 ? g->per_s : 1;
    g->tokens += g->per_s * seconds;
    if (g->tokens > most)
        g->tokens = most;
    g->filled_ms = now_ms;
}

int64_t gate_wait_ms(struct gate *g, int64_t now_ms)
{
    if (gate_shut(g)) {
        if (g->probing)
            return -1;
        return g->probe_ms > now_ms ? g->probe_ms - now_ms : 0;
    }
    if (g->per_s > 0)
        refill(g, now_ms);
    if (g->per_s <= 0 || g->tokens >= 1)
        return 0;
    return 1 + (int64_t)((1 - g->tokens) * 1000.0 / g->per_s);
}

static void count(struct gate *g, int64_t now_ms)
{
    if (now_ms - g->window_ms >= 1000) {
        g->n_before = now_ms - g->window_ms < 2000 ? g->n_window : 0;
        g->window_ms = now_ms;
        g->n_window = 0;
    }
    g->n_window++;
}

void gate_begin(struct gate *g, int64_t now_ms)
{
    count(g, now_ms);
    g->probing = gate_shut(g);
    if (g->per_s > 0)
        g->tokens -= 1;
}

static void throttle(struct gate *g, int64_t now_ms)
{
    int seen = g->n_before > g->n_window ? g->n_before : g->n_window;

    if (g->per_s > 0 && now_ms - g->cut_ms < GATE_CUT_MS)
        return;
    if (g->per_s <= 0) {
        g->per_s = seen > 2 * GATE_FIRST_RATE ? seen : 2 * GATE_FIRST_RATE;
        g->filled_ms = now_ms;
    }
    g->per_s /= 2;
    if (g->per_s < GATE_LEAST_RATE)
        g->per_s = GATE_LEAST_RATE;
    g->tokens = 0;
    g->cut_ms = now_ms;
}

void gate_end(struct gate *g, enum gate_end how, int64_t now_ms, struct rng *rng)
{
    bool probe = g->probing;

    g->probing = false;
    switch (how) {
    case GATE_ANSWERED:
        g->failures = 0;
        break;
    case GATE_THROTTLED:
        g->failures = 0;
        throttle(g, now_ms);
        break;
    case GATE_AWAY:
        /* What was under way already when it went tells nothing new. */
        if (gate_shut(g) && !probe)
            break;
        g->failures++;
        g->probe_ms =
            now_ms + GATE_PROBE_MS + (int64_t)rng_below(rng, GATE_PROBE_MAX_MS - GATE_PROBE_MS + 1);
        break;
    case GATE_QUIET:
        break;
    }
}
