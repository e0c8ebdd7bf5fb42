#pragma once
/* render_docker: the parts of a container definition that travel as the text of
 * the Docker API's `Config` and `HostConfig`. Pure. */
#include "base/buf.h"
#include "base/json.h"

void render_docker_config(struct buf *out, const struct jcur *container);
void render_docker_host_config(struct buf *out, const struct jcur *container,
                               const struct jcur *override, const char *network_mode,
                               const char *region, const char *task_id);
