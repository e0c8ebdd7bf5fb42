#pragma once
/* create_body: the parts of a create body that live in create_env.c, create_host.c
 * and create_log.c. `top` is the control plane's host configuration. */
#include "task/internal.h"

#define HOST_ERROR       "HostConfigError"
#define CREDENTIALS_PATH "/v2/credentials/"

/* The array of Env: the task's own, or what the control plane gives instead (absent: nothing). */
void create_write_env(struct jw *w, const struct task_create_args *a);
void create_write_given_env(struct jw *w, const struct task_create_args *a,
                            const struct jcur *given);

/* create_file.c: of a container with a metadata file. Its variable, which nothing overwrites,
 * and the list of Binds with that of its folder at the end. */
#define FILE_VARIABLE "ECS_CONTAINER_METADATA_FILE"
char *create_file_place(const struct task_create_args *a); /* free() it; NULL: none */
void create_write_file_binds(struct jw *w, const struct task_create_args *a,
                             const struct jcur *base, const struct jcur *top);

void create_write_exposed_ports(struct jw *w, const struct task_container *c);

/* The HostConfig object that follows from the task alone. */
MUST_CHECK enum err_code create_write_host_base(struct jw *w, const struct task_create_args *a,
                                                struct err *e);

/* Members that are not simply `top` over the base: Memory, CgroupParent, PidMode and
 * IpcMode. */
MUST_CHECK enum err_code create_write_host_rules(struct jw *w, const struct task_create_args *a,
                                                 const struct jcur *top, struct err *e);

void create_write_log_config(struct jw *w, const struct task_create_args *a,
                             const struct jcur *top);
