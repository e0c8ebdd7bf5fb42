#pragma once
/* file_store: the metadata files of containers on this host's disk.
 *
 * `root` is the folder of them all, `path` a container's folder below it (task_file_path). A
 * container may write into its folder whatever it likes, so no link there is followed, nothing
 * that is not a plain file is opened, and what is written is a new file that is renamed. All of
 * it blocks: for a worker. */
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Makes the folder and the file, which may be there already. Modes 0755 and 0644; the folders
 * above it are as private as the umask makes them. */
MUST_CHECK enum err_code file_store_make(const char *root, const char *path, struct str text,
                                         struct err *e);
/* The full text instead of a partial one. ERR_NOT_FOUND: there is no file (the container was
 * made without); ERR_CONFLICT: it is full already. */
MUST_CHECK enum err_code file_store_fill(const char *root, const char *path, struct str text,
                                         struct err *e);
/* Removes a task's folder ("CLUSTER/TASKID") with all that is in it. Not there is success. */
MUST_CHECK enum err_code file_store_remove(const char *root, const char *path, struct err *e);
/* Removes what is of none of the tasks whose folders are given; goes on after failures and tells
 * the first one. */
MUST_CHECK enum err_code file_store_sweep(const char *root, char *const *keep, size_t n,
                                          struct err *e);
