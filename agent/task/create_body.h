#pragma once
/* create_body: the parts of a create body that live in create_host.c. */
#include "task/internal.h"

void create_write_exposed_ports(struct jw *w, const struct task_container *c);

/* The HostConfig object that follows from the task alone. */
MUST_CHECK enum err_code create_write_host_base(struct jw *w, const struct task_create_args *a,
                                                struct err *e);

/* The task's mode if it has one, else what `top` says. */
void create_write_mode(struct jw *w, const struct jcur *top, const char *key, const char *mode);

/* `top` is the whole host configuration of the control plane. */
void create_write_log_config(struct jw *w, const struct task_create_args *a,
                             const struct jcur *top);
