/* SPDX-License-Identifier: MIT */
/*
 * The end of a worker: no new connections, and the ones there are closed
 * with a Close frame, all at once or spread over a window, so that the
 * clients that come back do not come back all at once.
 */
#ifndef WSSD_WORKER_DRAIN_H
#define WSSD_WORKER_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

struct worker;

struct drain {
	bool on;
	struct proto_drain how;
	uint64_t start_ms;
	size_t total;		/* connections at the start */
	size_t closed;		/* of these told to close */
	uint64_t over_ms;	/* when the last client had left; 0 = not yet */
};

/* A second call replaces a window by a shorter one, never by a longer. */
void drain_start(struct worker *, const struct proto_drain *);
/* Closes as many as are due. */
void drain_tick(struct worker *);
/* A request that comes now would only be closed again: 503. */
bool drain_refuses(const struct worker *);
/* True when it is on and no client is left. */
bool drain_over(struct worker *);

#endif
