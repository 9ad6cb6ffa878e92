/* SPDX-License-Identifier: MIT */
/*
 * How many connections there may be: in all workers, in this one, and from
 * one address over all workers.
 *
 * The workers share nothing but their metrics cells, each writing its own.
 * Connections are counted there by a keyed hash of their address, in two
 * rows with different hashes; the smaller of the two sums over all cells is
 * what counts.  So the limit holds over all workers without a lock, and what
 * a dead worker held is gone with its cell's next user.  An address that
 * shares its buckets in both rows with others is counted too high: with
 * 10,000 addresses connected that happens to about 2 in 100, and to none on
 * purpose, as the key is secret.
 */
#ifndef WSSD_WORKER_LIMITS_H
#define WSSD_WORKER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/config.h"
#include "common/metrics.h"

struct limits {
	struct metrics *own;
	const struct metrics *peers[CONFIG_WORKERS_MAX]; /* by slot, or NULL */
	size_t n_peers;			/* slots looked at */
	uint64_t hash_key[2];
};

/* Where an address is counted; kept by the connection. */
struct limits_place {
	bool counted;			/* by address; else only in all */
	uint16_t bucket[METRICS_ADDRESS_ROWS];
};

void limits_init(struct limits *, struct metrics *own,
    const uint64_t hash_key[2]);
/* The cell of another slot, which becomes ours; an older one is unmapped. */
void limits_set_peer(struct limits *, unsigned slot, const struct metrics *);
void limits_done(struct limits *);

/*
 * An IPv6 client is its /64: it can have as many addresses as it likes.  The
 * clients of a unix socket have none, and no limit of their own.
 */
void limits_place(const struct limits *, const struct addr *,
    struct limits_place *place_out);
/* A place that is not counted by address, only in all. */
void limits_no_place(struct limits_place *place_out);
/* NULL: one more may come in; else the limit that is reached, in words. */
const char *limits_reached(const struct limits *,
    const struct config_daemon *, const struct limits_place *);
void limits_count(struct limits *, const struct limits_place *, int change);
/*
 * A connection that is counted turns out to be from elsewhere.  The limit
 * that is reached there, and nothing has changed; or NULL.
 */
const char *limits_move(struct limits *, const struct config_daemon *,
    struct limits_place *, const struct limits_place *to);

#endif
