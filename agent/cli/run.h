#pragma once
/* What the files of the run command share. Private to cli/run*.c. */
#include "docker/docker.h"
#include "io/loop.h"
#include "task/task.h"

/* ---- run_logs.c: the logs of the containers, on the terminal ---- */

struct run_logs;

typedef void run_drained_fn(void *user, uint64_t id);
/* Nobody reads standard output any more. */
typedef void run_broken_fn(void *user);

/* `drained` answers each run_logs_drain, on a later turn. */
struct run_logs *run_logs_create(struct loop *loop, struct docker *docker, const struct task *t,
                                 run_drained_fn *drained, run_broken_fn *broken, void *user);
void run_logs_destroy(struct run_logs *l); /* NULL is fine */

/* From now on its lines are printed, each behind the container's name: its standard
 * output to ours, its standard error to ours. */
void run_logs_follow(struct run_logs *l, size_t container, const char *docker_id);
/* It has ended: what is left is printed, for as long as that takes or may take. */
void run_logs_drain(struct run_logs *l, uint64_t id, const char *docker_id, int64_t timeout_ms);
