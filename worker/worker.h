/* SPDX-License-Identifier: MIT */
/*
 * All that one worker process has: passed down, never global.
 */
#ifndef WSSD_WORKER_WORKER_H
#define WSSD_WORKER_WORKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/board.h"
#include "common/buf.h"
#include "common/files.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/proto.h"
#include "worker/accesslog.h"
#include "worker/drain.h"
#include "worker/limits.h"
#include "worker/module.h"
#include "worker/outbound.h"
#include "worker/outgoing.h"
#include "worker/ratelog.h"
#include "worker/snapshot.h"
#include "worker/tls_bio.h"
#include "worker/transport.h"
#include "worker/wheel.h"
#include "worker/ws_deflate.h"

/* Plaintext of one SSL_read: as much as two records. */
#define WORKER_PLAIN_BYTES (32u << 10)
/* What a connection sends in one turn gathers up to here, then is written. */
#define WORKER_GATHER_BYTES (64u << 10)

struct worker {
	struct event_base *base;
	struct transport *transport;
	struct tls_bio bio;
	struct event *tick;
	struct event *more_due;		/* of the wheel, a little later */
	unsigned due_portions;		/* since nothing was left over */

	/* What the master says; master.c */
	int chan;
	uint8_t *chan_room;
	struct event *chan_event;
	struct files files;		/* those of the next PREPARE */
	struct proto_tickets tickets;	/* n = 0: none were given */
	struct modules modules;
	struct signing *signing;
	int signer_fd;			/* of the next COMMIT; -1: none */
	unsigned signer_generation;	/* ... if it is of this generation */
	struct remote_keys *remote_keys;
	struct list listening;		/* struct acceptor; those of the next */
	struct list acceptors;		/* COMMIT, and those in use */
	int log_fd;
	bool confined;

	struct snapshot *snapshot;	/* for new connections; NULL at first */
	struct snapshot *pending;	/* prepared, not committed */

	struct metrics *metrics;
	struct limits limits;
	const struct board *board;	/* NULL in a trial */
	unsigned slot;
	int reserve_fd;			/* given up to answer EMFILE */

	/* Connections; conn.c */
	struct list conns;		/* all, in the order of their ids */
	struct wss_conn **by_id;	/* hash table with n_by_id heads */
	size_t n_by_id, n_conns;
	size_t n_admin;			/* of n_conns: of role = admin */
	struct wss_conn **dirty;	/* have output to write in this turn; */
	uint32_t n_dirty, dirty_room;	/* NULL: has ended meanwhile */
	struct list ended;		/* the handler must be told */
	struct list dead;		/* to be freed at the end of the turn */
	struct wheel wheel;
	struct wss_conn *current;	/* whose input is being handled: its
					   output goes to gather */
	const struct http_request *request;	/* its, while it is answered */
	size_t current_unsent;		/* what its stream has not sent */
	struct buf gather;		/* room for WORKER_GATHER_BYTES */
	struct outgoing outgoing;	/* output to others than current */
	uint8_t *plain;			/* WORKER_PLAIN_BYTES */
	struct ws_deflate_pool deflate_pool;
	size_t answers_bytes;		/* of bodies, of connections that live */
	uint64_t last_id;
	uint64_t now_ms;		/* monotonic; as of this callback */

	struct accesslog accesslog;
	struct outbounds *outbounds;	/* WebSockets to other servers */

	struct drain drain;
	struct ratelog ratelog;
	uint64_t tick_us;		/* when the last tick ran */
	uint64_t lag_us;		/* longest delay since the last second */
	unsigned ticks;
	uint64_t messages;		/* in and out, at the last tick */
	int statm_fd;			/* of /proc/self; -1 = there is none */
};

/*
 * chan is the descriptor of the channel to the master.  Returns when the
 * worker has nothing more to do: the exit status.
 */
int worker_run(int chan);

/* Reads the clock into now_ms. */
void worker_now(struct worker *);

#endif
