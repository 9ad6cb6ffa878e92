/* SPDX-License-Identifier: MIT */
/*
 * What the master shows to all workers: the state of the whole service and
 * the sums over all workers, those that are gone included.  The workers'
 * admin pages are made of it, so each of them gives the same answer, and
 * nothing is lost or counted twice when a worker dies.
 *
 * A memfd that the master writes once a second and the workers map
 * read-only.  There are two copies: one is read while the other is written.
 */
#ifndef WSSD_COMMON_BOARD_H
#define WSSD_COMMON_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/err.h"
#include "common/metrics.h"

#define BOARD_MAGIC 0x77737362u

struct board_worker {
	uint64_t running;		/* 0: its place is empty now */
	uint64_t connections, open, loop_lag_us, rss_bytes;
	uint64_t restarts;
};

struct board_page {
	uint64_t started_at;		/* seconds since 1970 */
	uint64_t generation;		/* of the config in use */
	uint64_t loaded_at;		/* when that was read */
	uint64_t reload_failed;		/* the last reload changed nothing */
	uint64_t n_workers;
	struct board_worker workers[CONFIG_WORKERS_MAX];
	struct metrics total;		/* without its address table */
};

/* Up to here a page is copied: the address table is at the end. */
#define BOARD_PAGE_BYTES                                                     \
	(offsetof(struct board_page, total) +                                \
	offsetof(struct metrics, addresses))

struct board {
	uint32_t magic, size;
	uint64_t turn;			/* pages[turn % 2] is the one to read;
					   0: nothing was published yet */
	struct board_page pages[2];
};

/* Master: fd_out is read-only, for the workers. */
struct board *board_create(int *fd_out, struct err *);
/* The page that is not read now, to be filled ... */
struct board_page *board_next(struct board *);
/* ... and shown. */
void board_publish(struct board *);

/* Worker: NULL with a reason. */
const struct board *board_map(int fd, struct err *);
/* A copy in *page_out; false: nothing was published yet. */
bool board_read(const struct board *, struct board_page *page_out);

void board_unmap(const struct board *);

#endif
