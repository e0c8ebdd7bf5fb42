#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

struct cli_table {
    size_t columns, n, cap;
    char **cells; /* the heads first */
    size_t *widths;
};

struct cli_table *cli_table_create(const char *const *heads, size_t n)
{
    struct cli_table *t = NEW(struct cli_table);

    t->columns = n;
    t->widths = mem_array(n, sizeof *t->widths);
    for (size_t i = 0; i < n; i++)
        cli_table_cell(t, heads[i]);
    return t;
}

/* Columns of the screen, taking every UTF-8 character for one. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

void cli_table_cell(struct cli_table *t, const char *text)
{
    size_t width = width_of(text);
    size_t column = t->n % t->columns;

    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = mem_resize(t->cells, t->cap, sizeof *t->cells);
    }
    t->cells[t->n++] = mem_strdup(text);
    if (width > t->widths[column])
        t->widths[column] = width;
}

void cli_table_print(const struct cli_table *t, FILE *to)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns;
        size_t pad = t->widths[column] - width_of(t->cells[i]) + 2;

        cli_put(to, t->cells[i]);
        if (column + 1 == t->columns)
            fputc('\n', to);
        else
            fprintf(to, "%*s", (int)pad, "");
    }
}

void cli_table_destroy(struct cli_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->widths);
    free(t);
}
