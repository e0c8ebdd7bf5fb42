#pragma once
/* agent_metadata_file: a file in each container that tells it about itself
 * (ECS_ENABLE_CONTAINER_METADATA; local-endpoints 6). Private to cli.
 *
 * The file is on this host, DATADIR/metadata/CLUSTER/TASKID/CONTAINER/ecs-container-metadata.json;
 * its folder is the container's to write to, so nothing that is found there is trusted. All
 * work on files is a worker's; what goes wrong is logged, and the container does without. */
#include "cli/agent.h"

/* Once there is an engine, whatever the settings: takes away what tasks that are no more have
 * left. */
void metadata_files_begin(struct agent *a);
void metadata_files_end(struct agent *a); /* before the engine goes */

/* A `file` of engine_peers: the partial file, before the container is created. */
void metadata_file_make(void *agent, uint64_t id, const struct task *t, size_t container);
/* An inspect saw the container: the full file, once, unless it is there already. */
void metadata_file_seen(struct agent *a, const struct task *t, size_t container,
                        const struct ctr_facts *f);
/* The task is gone: so is its folder. */
void metadata_file_drop(struct agent *a, const char *task_arn);
