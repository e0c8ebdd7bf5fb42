#pragma once
/* agent_postmortem: the records of tasks that failed: where their facts come from, and what
 * `berth why` says of them. Private to cli. */
#include "cli/agent.h"

struct casebook;

struct casebook *casebook_create(struct agent *a);
void casebook_destroy(struct casebook *cb); /* before docker goes; NULL is fine */

/* An inspect saw the container: before telemetry_seen, which forgets what it used. */
void casebook_seen(struct casebook *cb, const struct task *t, size_t container,
                   const struct ctr_facts *f);
/* The engine's `failed` and `gone`. */
void casebook_failed(struct casebook *cb, const char *task_arn, size_t container, const char *line);
void casebook_gone(struct casebook *cb, const char *task_arn);

/* The member "post_mortem" of an answer about a task that is known, if there is one. */
void casebook_write(const struct casebook *cb, const char *task_arn, struct jw *w);
/* A whole answer about a task that is known by its record only: `text` is its id or how it
 * begins, CASEBOOK_LAST the newest. False: there is none, or more than one. */
#define CASEBOOK_LAST "@last"
bool casebook_answer(const struct casebook *cb, const char *text, struct buf *b);
