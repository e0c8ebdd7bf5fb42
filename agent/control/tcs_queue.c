#include "control/tcs_queue.h"

#include <stdlib.h>

#include "base/mem.h"

void tcs_gathering_init(struct tcs_gathering *g)
{
    *g = (struct tcs_gathering){ .tasks = BUF_INIT(TCS_GATHERING_MAX) };
}

void tcs_gathering_fini(struct tcs_gathering *g)
{
    buf_fini(&g->tasks);
    free(g->ends);
    *g = (struct tcs_gathering){ 0 };
}

bool tcs_gathering_add(struct tcs_gathering *g, struct str task_json)
{
    size_t before = g->tasks.len;

    if (task_json.n > TCS_TASKS_MAX || task_json.n + 1 > g->tasks.max - before)
        return false;
    if (g->n > 0)
        buf_putc(&g->tasks, ',');
    buf_append(&g->tasks, task_json.p, task_json.n);
    if (g->n % 64 == 0)
        g->ends = mem_resize(g->ends, g->n + 64, sizeof *g->ends);
    g->ends[g->n++] = g->tasks.len;
    return true;
}

struct str tcs_gathering_page(const struct tcs_gathering *g, size_t *at)
{
    size_t from = *at > 0 ? g->ends[*at - 1] + 1 : 0, n = 0;

    while (*at + n < g->n && n < TCS_TASKS_PAGE && g->ends[*at + n] - from <= TCS_TASKS_MAX)
        n++;
    *at += n;
    return (struct str){ buf_text(&g->tasks) + from, n ? g->ends[*at - 1] - from : 0 };
}

void tcs_queue_fini(struct tcs_queue *q)
{
    struct tcs_gathering g;

    while (tcs_queue_take(q, &g))
        tcs_gathering_fini(&g);
}

bool tcs_queue_put(struct tcs_queue *q, struct tcs_gathering *g)
{
    bool fits = q->n < TCS_WAITING_MAX && g->tasks.len <= TCS_WAITING_BYTES - q->bytes;

    if (!fits) {
        tcs_gathering_fini(g);
        return false;
    }
    q->bytes += g->tasks.len;
    q->items[(q->first + q->n++) % TCS_WAITING_MAX] = *g;
    *g = (struct tcs_gathering){ 0 };
    return true;
}

bool tcs_queue_take(struct tcs_queue *q, struct tcs_gathering *out)
{
    struct tcs_gathering *oldest = &q->items[q->first];

    if (q->n == 0)
        return false;
    *out = *oldest;
    *oldest = (struct tcs_gathering){ 0 };
    q->first = (q->first + 1) % TCS_WAITING_MAX;
    q->n--;
    q->bytes -= out->tasks.len;
    return true;
}
