#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/internal.h"

#define PROBLEMS_MAX 200
#define FATAL_MAX    50 /* beyond those */

bool config_problems_full(const struct config_problems *p)
{
    return p->n > PROBLEMS_MAX;
}

static void append(struct config_problems *p, bool fatal, const char *source, int line,
                   const char *text)
{
    p->items = mem_resize(p->items, p->n + 1, sizeof *p->items);
    p->items[p->n++] = (struct config_problem){
        .fatal = fatal,
        .source = mem_strdup(source ? source : ""),
        .line = line,
        .text = mem_strndup(text, str_utf8_prefix(text, strlen(text), 1000)),
    };
}

/* A crowd of small things must not hide why the agent does not start. */
void config_problem_add(struct config_problems *p, bool fatal, const char *source, int line,
                        const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    p->fatal |= fatal;
    if (p->n == PROBLEMS_MAX)
        append(p, false, NULL, 0, "there are more problems than these");
    if (p->n >= (fatal ? PROBLEMS_MAX + FATAL_MAX : PROBLEMS_MAX))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    append(p, fatal, source, line, text);
}

void config_problems_fini(struct config_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].source);
        free(p->items[i].text);
    }
    free(p->items);
    *p = (struct config_problems){ 0 };
}
