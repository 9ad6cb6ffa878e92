/* SPDX-License-Identifier: MIT */
/*
 * What a worker counts, in a memfd of its slot: the worker writes, everybody
 * else maps it read-only.  So `wssctl status` answers while a worker is
 * stuck, and what was counted survives its death (the slot's next worker
 * goes on counting in the same cell; only the gauges start at 0).
 *
 * One writer, naturally aligned 64-bit words, read and written with relaxed
 * atomics (metrics_add, metrics_set, metrics_get): a reader may see two
 * counters at slightly different moments, never half a number.
 */
#ifndef WSSD_COMMON_METRICS_H
#define WSSD_COMMON_METRICS_H

#include <stdint.h>

#include "common/err.h"

#define METRICS_MAGIC 0x77737331u
#define METRICS_LISTENS 64
#define METRICS_CONTEXTS 256	/* more are counted in the last, which is */
#define METRICS_CONTEXTS_OTHERS "(others)"	/* then called so */
#define METRICS_ROUTES 257	/* more are counted in the last */
#define METRICS_NAME 128
#define METRICS_ADDRESS_ROWS 2
#define METRICS_ADDRESS_BUCKETS 65536

/* One table makes the fields, their JSON names and their kind. */
#define METRICS_WORKER_COUNTERS(X)                                           \
	X(accepted)		/* TCP connections */                        \
	X(refused_limit)	/* over a connection limit */                \
	X(refused_emfile)	/* no descriptor left */                     \
	X(tls_ok)		/* handshakes, resumed ones too */           \
	X(tls_failed)                                                        \
	X(tls_resumed)                                                       \
	X(plain_on_tls)		/* ws:// or http:// on a wss port */         \
	X(proxy_failed)		/* PROXY headers missing or malformed */     \
	X(upgrades)		/* answered with 101 */                      \
	X(http_answered)	/* pages: answered by a handler's get */     \
	X(http_refused)		/* answered with anything else */            \
	X(handshake_timeouts)                                                \
	X(pong_timeouts)                                                     \
	X(idle_timeouts)                                                     \
	X(protocol_errors)	/* closed with 1002, 1007, 1008 or 1009 */   \
	X(slow_closed)		/* closed: did not read */                   \
	X(slow_dropped)		/* messages dropped: did not read */         \
	X(closed)		/* WebSockets that have ended */             \
	X(closed_abnormal)	/* of these: without a Close frame, 1006 */  \
	X(messages_in)                                                       \
	X(messages_out)                                                      \
	X(bytes_in)		/* payload of messages */                    \
	X(bytes_out)                                                         \
	X(compression_shared_by_limit)	/* not dedicated, for want of memory */ \
	X(sandbox_refused)	/* system calls */                          \
	X(access_log_dropped)	/* lines that could not be written */        \
	X(upstream_ok)		/* WebSockets opened to other servers */     \
	X(upstream_failed)	/* that did not come about, or were refused */ \
	X(upstream_lost)	/* ended without a Close of the server's */

#define METRICS_WORKER_GAUGES(X)                                             \
	X(connections)		/* all, from accept to the end */            \
	X(open)			/* of these: WebSockets */                   \
	X(compression_memory)	/* bytes set aside for dedicated contexts */ \
	X(upstream_open)	/* WebSockets to other servers */            \
	X(loop_lag_us)		/* longest turn in the last second */        \
	X(rss_bytes)		/* memory; 0 = it cannot know */             \
	X(io_uring)		/* 1: one call for many connections */       \
	X(generation)		/* of the config in use */                   \
	X(draining)                                                          \
	X(confined_by)		/* enum sandbox_layer, a set */

#define METRICS_FIELD(name) uint64_t name;

struct metrics_listen {
	char name[METRICS_NAME];
	uint64_t accepted, open;
};

struct metrics_context {
	char name[METRICS_NAME];
	char subject[METRICS_NAME];	/* the leaf's first name */
	uint64_t not_before, not_after;	/* seconds since 1970 */
	uint64_t handshakes;
	uint64_t generation;		/* the last config that has it */
};

struct metrics_route {
	char name[METRICS_NAME];	/* "example.org/chat", "/chat" */
	char handler[32];
	uint64_t open, upgrades, messages_in, messages_out, bytes_in,
	    bytes_out;
	uint64_t generation;		/* the last config that has it */
};

/*
 * Which route's handler is running now: index + 1 into routes, 0 = none.
 * Read after a crash.
 */
struct metrics {
	uint32_t magic, size;		/* sizeof(struct metrics) */
	uint64_t running_route;
	METRICS_WORKER_COUNTERS(METRICS_FIELD)
	METRICS_WORKER_GAUGES(METRICS_FIELD)
	struct metrics_listen listens[METRICS_LISTENS];
	struct metrics_context contexts[METRICS_CONTEXTS];
	struct metrics_route routes[METRICS_ROUTES];
	/* Connections by a keyed hash of their address: the limit per
	   address holds over all workers (worker/limits.c). */
	uint16_t addresses[METRICS_ADDRESS_ROWS][METRICS_ADDRESS_BUCKETS];
};

static inline void
metrics_add(uint64_t *counter, int64_t n)
{
	__atomic_store_n(counter,
	    __atomic_load_n(counter, __ATOMIC_RELAXED) + (uint64_t)n,
	    __ATOMIC_RELAXED);
}

static inline void
metrics_set(uint64_t *gauge, uint64_t v)
{
	__atomic_store_n(gauge, v, __ATOMIC_RELAXED);
}

static inline uint64_t
metrics_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/*
 * Master: a new cell of zeros in a memfd that cannot shrink or grow.  fd_out
 * is writable (for its worker), ro_fd_out read-only (for the peers).
 * Returns the master's read-only mapping.
 */
const struct metrics *metrics_create(int *fd_out, int *ro_fd_out,
    struct err *);
/* Worker: its own cell, with the gauges and the address table set to 0. */
struct metrics *metrics_map_own(int fd, struct err *);
/* Another slot's cell. */
const struct metrics *metrics_map_peer(int ro_fd, struct err *);
void metrics_unmap(const struct metrics *);

#endif
