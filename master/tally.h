/* SPDX-License-Identifier: MIT */
/*
 * Adding up metrics cells: of a slot's workers over time, and of all slots.
 * A cell is written by a worker and not trusted: names are bounded, made
 * printable, and there are never more rows than a cell has.
 */
#ifndef WSSD_MASTER_TALLY_H
#define WSSD_MASTER_TALLY_H

#include <stdbool.h>

#include "common/metrics.h"

/* A sum is a struct metrics on the heap; its address table is not used. */
struct metrics *tally_new(void);
void tally_free(struct metrics *);

/*
 * Adds a cell's counters to the sum, rows by their names.  With gauges, what
 * is open now too: not for the cell of a worker that is gone.
 */
void tally_add(struct metrics *sum, const struct metrics *cell, bool gauges);

#endif
