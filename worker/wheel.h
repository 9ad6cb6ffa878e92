/* SPDX-License-Identifier: MIT */
/*
 * A timing wheel: many deadlines, O(1) to set, move and clear.
 *
 * Connections do not move their entry at every message; they note when they
 * were last active, and when the entry comes due they say whether it really
 * is, or set it again.  Pure: it asks no clock.  Times are milliseconds of
 * one monotonic clock.
 */
#ifndef WSSD_WORKER_WHEEL_H
#define WSSD_WORKER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"

#define WHEEL_TICK_MS 100
#define WHEEL_SLOTS 1024	/* 102 s; what is later comes round again */

struct wheel_entry {
	struct list link;
	uint64_t due_ms;
};

struct wheel {
	struct list slots[WHEEL_SLOTS];
	struct list due;	/* taken out of its slot, perhaps due */
	uint64_t tick;		/* all slots before this one are empty */
};

typedef void wheel_fn(struct wheel_entry *, void *arg);

void wheel_init(struct wheel *, uint64_t now_ms);
void wheel_entry_init(struct wheel_entry *);
/* Sets or moves an entry.  A time that has passed is due at once. */
void wheel_set(struct wheel *, struct wheel_entry *, uint64_t due_ms);
void wheel_clear(struct wheel_entry *);
/*
 * Calls fn for entries that are due, which are then in the wheel no more: at
 * most max of them.  True: others are left, for the next call.  fn may set
 * and clear any entry.
 */
bool wheel_advance(struct wheel *, uint64_t now_ms, unsigned max, wheel_fn *,
    void *arg);

#endif
