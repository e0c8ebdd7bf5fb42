#pragma once
/* printed: what a command says, taken instead of printed, and looked through: a terminal must not
 * be told what to do by somebody's text.
 *
 * The standard library's streams are variables, so the descriptors stay with the sanitizers'
 * reports. Commands print for people when standard output is a terminal: printed_terminal gives
 * them one. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

struct printed {
    FILE *out, *err; /* the real ones */
    char *text;
    size_t n;
};

static inline UNUSED void printed_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

    LAW(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    LAW(slave >= 0 && dup2(slave, STDOUT_FILENO) == STDOUT_FILENO);
    close(slave);
}

static inline UNUSED void printed_begin(struct printed *p)
{
    FILE *taken = open_memstream(&p->text, &p->n);

    LAW(taken);
    p->out = stdout;
    p->err = stderr;
    stdout = stderr = taken;
}

static inline void printed_close(struct printed *p)
{
    fclose(stdout);
    stdout = p->out;
    stderr = p->err;
}

/* What was said is not looked at. */
static inline UNUSED void printed_drop(struct printed *p)
{
    printed_close(p);
    free(p->text);
    *p = (struct printed){ 0 };
}

static inline UNUSED void printed_end(struct printed *p)
{
    struct str left;

    printed_close(p);
    left = (struct str){ p->text, p->n };
    while (left.n) {
        int len = str_utf8_len(left.p, left.n);
        size_t n = len > 0 ? (size_t)len : 0;
        unsigned char c = (unsigned char)left.p[0];
        bool control =
            (c < 0x20 && c != '\n') || c == 0x7F || (c == 0xC2 && (unsigned char)left.p[1] < 0xA0);

        if (!n || control)
            fprintf(stderr, "%s\n", p->text);
        LAW(n && !control);
        left.p += n;
        left.n -= n;
    }
    free(p->text);
    *p = (struct printed){ 0 };
}
