/* SPDX-License-Identifier: MIT */
/*
 * Lines that clients can cause are written at most RATELOG_PER_SECOND times
 * a second; what was left out is counted and said once the storm is over.
 */
#ifndef WSSD_WORKER_RATELOG_H
#define WSSD_WORKER_RATELOG_H

#include <stdbool.h>
#include <stdint.h>

#define RATELOG_PER_SECOND 10

struct ratelog {
	uint64_t second;
	unsigned written;
	unsigned left_out;
};

/* May a line be written now? */
bool ratelog_ask(struct ratelog *, uint64_t now_ms);
/* Every second: says what was left out in the seconds before. */
void ratelog_tick(struct ratelog *, uint64_t now_ms);

#endif
