#pragma once
/* pause: the image of the container with the shared namespaces, which is part of
 * this program: no registry is asked for it. */
#include "base/str.h"

#define PAUSE_ENTRY_POINT "/pause"

/* An uncompressed tar archive of its file system, the same bytes each time. On the
 * loop thread; borrowed for as long as the process lives. */
struct str pause_archive(void);
