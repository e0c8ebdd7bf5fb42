/* pattern: lines that begin an event, by PCRE2.
 *
 * PCRE2's own limits count how often it goes back, for each place where a match may begin, and not
 * how far a repeat runs: `a*[bc]` costs the square of a line's length within all of them. So each
 * item of a pattern calls back, where both are counted, over the whole line; the limits are left
 * to memory. No code is generated (JIT): nothing in this process needs memory that can be written
 * and executed, and the interpreter takes 0.2 us for an ordinary line. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

#include "base/mem.h"
#include "logs/multiline.h"
#include "logs/pattern_syntax.h"

/* Of the steps that a line may cost, about 5 ns each: these, and so many for each of its bytes.
 * Go's matcher takes one or two a byte, and so does this one on patterns that are meant well. */
#define STEPS_LEAST    1000
#define STEPS_PER_BYTE 4
/* A repeat of one character runs faster than steps are made. */
#define BYTES_PER_STEP 16
/* What PCRE2 remembers of places to go back to; given back after each line. */
#define HEAP_MAX_KIB  1024
#define DEPTH_MAX     100000
#define NEST_MAX      200
#define UNLIMITED_TRY 10000000 /* the steps end first */

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

struct steps {
    int64_t left;
    size_t at;
};

static int count_step(pcre2_callout_block *b, void *user)
{
    struct steps *s = user;
    size_t at = b->current_position;

    s->left -= 1 + (int64_t)((at > s->at ? at - s->at : s->at - at) / BYTES_PER_STEP);
    s->at = at;
    return s->left < 0 ? PCRE2_ERROR_CALLOUT : 0;
}

static enum err_code compile_failed(int number, const char *text, struct err *e)
{
    unsigned char why[160] = "";

    pcre2_get_error_message(number, why, sizeof why);
    return err_set(e, ERR_INVALID, "error parsing regexp: %s: `%.*s`", (const char *)why,
                   (int)str_utf8_prefix(text, strlen(text), 100), text);
}

enum err_code pattern_compile(const char *text, struct pattern **out, struct err *e)
{
    AUTO(buf) struct buf spelled = BUF_INIT(PATTERN_SPELLED_MAX);
    pcre2_compile_context *how;
    struct pattern *p;
    pcre2_code *code;
    size_t where;
    int number;

    if (pattern_spell(text, &spelled, e))
        return e->code;
    how = pcre2_compile_context_create(NULL);
    if (!how)
        abort();
    pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(how, NEST_MAX);
    code = pcre2_compile((PCRE2_SPTR)buf_text(&spelled), spelled.len,
                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_AUTO_CALLOUT,
                         &number, &where, how);
    pcre2_compile_context_free(how);
    if (!code)
        return compile_failed(number, text, e);
    p = NEW(struct pattern);
    p->code = code;
    p->limits = pcre2_match_context_create(NULL);
    if (!p->limits)
        abort();
    pcre2_set_match_limit(p->limits, UNLIMITED_TRY);
    pcre2_set_depth_limit(p->limits, DEPTH_MAX);
    pcre2_set_heap_limit(p->limits, HEAP_MAX_KIB);
    *out = p;
    return ERR_OK;
}

void pattern_destroy(struct pattern *p)
{
    if (!p)
        return;
    pcre2_match_context_free(p->limits);
    pcre2_code_free(p->code);
    free(p);
}

int64_t pattern_steps_max(size_t line_bytes)
{
    size_t n = line_bytes < PATTERN_LINE_MAX ? line_bytes : PATTERN_LINE_MAX;

    return STEPS_LEAST + STEPS_PER_BYTE * (int64_t)n;
}

bool pattern_matches_counted(const struct pattern *p, struct str line, int64_t *gave_up,
                             int64_t *steps)
{
    size_t n = str_utf8_prefix(line.p, line.n, PATTERN_LINE_MAX);
    struct steps s = { .left = pattern_steps_max(n) };
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    int rc;

    if (!found)
        abort();
    pcre2_set_callout(p->limits, count_step, &s);
    rc = pcre2_match(p->code, (PCRE2_SPTR)(n ? line.p : ""), n, 0, 0, found, p->limits);
    pcre2_match_data_free(found); /* with what it took of the heap */
    pcre2_set_callout(p->limits, NULL, NULL);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH && gave_up)
        ++*gave_up;
    *steps = pattern_steps_max(n) - s.left;
    return rc >= 0;
}

bool pattern_matches(const struct pattern *p, struct str line, int64_t *gave_up)
{
    int64_t steps;

    return pattern_matches_counted(p, line, gave_up, &steps);
}
