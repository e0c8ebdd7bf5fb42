#pragma once
/* Private to io: who keeps a TCP port from being bound, for an error's message.
 *
 * Reads /proc/net and walks over the processes: only for when a bind has failed. */
#include <stdint.h>

#include "base/buf.h"

/* Appends half a sentence ("process 812 (nginx) listens there"): a listener before a connection,
 * one that lives before one that has ended. Something true also where the kernel does not tell. */
void port_holder_tell(uint16_t port, struct buf *out);
