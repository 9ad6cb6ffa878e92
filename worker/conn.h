/* SPDX-License-Identifier: MIT */
/*
 * One client, from accept to the end.
 *
 *	PROXY  (only with proxy_protocol: who the client is)
 *	 │  │
 *	 ▼  └────────────┐ tcp
 *	 │     bytes     ▼ head           101           Close sent
 *	TLS ────────▶ HTTP ────────────────────▶ OPEN ────────────▶ CLOSING
 *	 │             │ └───────▶ OPENING ─────▶ ↑                  │
 *	 │             │ refused      │ refused   │ Close came        │
 *	 │             ▼                          ▼                   ▼
 *	 └────────▶ LINGER  (our last byte and close_notify on the way, FIN
 *	               │     behind it; what still comes is thrown away)
 *	               ▼
 *	             DEAD   (freed at the end of the turn)
 *
 * conn_set_state() is the one function that changes the state, and
 * conns_turn_over() the one place that frees.  In OPENING the handler has said
 * that it will answer later.  It sees a connection in OPENING, OPEN and
 * CLOSING only.
 */
#ifndef WSSD_WORKER_CONN_H
#define WSSD_WORKER_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <wssd/handler.h>

#include "common/addr.h"
#include "common/list.h"
#include "worker/http.h"
#include "worker/limits.h"
#include "worker/outgoing.h"
#include "worker/snapshot.h"
#include "worker/stream.h"
#include "worker/wheel.h"
#include "worker/ws.h"

#define CONN_MAGIC 0x636f6e6eu

enum conn_state {
	CONN_PROXY,
	CONN_TLS,
	CONN_HTTP,
	CONN_OPENING,
	CONN_OPEN,
	CONN_CLOSING,
	CONN_LINGER,
	CONN_DEAD,
	CONN_STATES
};

struct wss_conn {
	/* What a message touches stands in front, in as few lines of the cache
	   as it fits in; the first has what it takes to send. */
	uint32_t magic;
	enum conn_state state;
	struct worker *worker;
	struct wss_route *route;	/* the snapshot's; NULL before 101 */
	struct outgoing_queue outgoing;	/* for the end of this turn */
	uint32_t dirty;			/* its place in worker->dirty, + 1 */
	uint64_t message_ms;		/* a message last came or went */
	uint64_t messages_out, bytes_out;
	struct ws ws;
	struct stream stream;
	uint64_t messages_in, bytes_in;
	uint64_t received_ms;		/* bytes last came, or left a backlog */
	uint64_t ping_ms;		/* the Ping not yet answered; 0 = none */
	void *user;

	bool secure;			/* TLS to us, or to its proxy */
	bool in_open;			/* inside the handler's open() */
	bool close_sent, close_received;
	bool paused_by_handler, paused_by_output;
	bool want_writable;		/* WSS_FULL was said */
	bool drained;			/* since the marks were last looked at */
	bool close_in_open;		/* wss_close() inside open() */
	bool refused_by_handler;	/* wss_refuse() */
	bool input_held;		/* frames wait in stream.in for the end of
					   a pause */
	bool closed_by_client;		/* it sent its Close first */
	bool draining;			/* a drain has told it to close */
	uint8_t answer;			/* enum conn_answer, conn_answer.h */
	uint16_t close_code;		/* what `closed` is told */
	uint8_t close_reason_len;

	/* What only its beginning, its end and its deadlines need. */
	struct limits_place place;
	struct addr_client addr;	/* as far as is known */
	struct list all, ended, dead;
	struct snapshot *snapshot;	/* a reference: what it lives under */
	const struct config_listen *listen;	/* the snapshot's */
	struct metrics_listen *listen_metrics;
	struct tls_choice choice;	/* which context; zeros for tcp */
	struct wss_conn *id_next;	/* in worker->by_id */
	uint64_t id;
	struct wheel_entry timer;
	uint64_t accepted_ms;
	uint64_t state_ms;		/* since when in this state */
	uint64_t close_timeout_ms;	/* for CLOSING: the route's, or a
					   drain's */
	size_t head_scanned;		/* of the request head, see http.h */
	struct conn_via *via;		/* conn_client.h; NULL: no proxy */
	struct buf *early;		/* half a PROXY header, or NULL */
	struct wss_peer *peer;		/* conn_peer() made it; else NULL */
	char *close_reason;		/* or NULL */
	char *address;			/* wss_address() made it; else NULL */
	const char *subprotocol;	/* the route's, or the own one; or NULL */
	char *own_subprotocol;		/* of an answer that came later */
	struct opening *opening;	/* opening.h; in OPENING, else NULL */
	size_t answer_bytes;		/* its part of worker->answers_bytes */
};

/* Starts with an accepted descriptor, which it owns from now on. */
struct wss_conn *conn_new(struct worker *, int fd, const struct addr *,
    const struct limits_place *, const struct config_listen *,
    struct metrics_listen *);

/*
 * Sends a Close and waits for the peer's for as long as the route, or a
 * drain, allows.  Before the 101 it just ends.
 */
void conn_close(struct wss_conn *, unsigned code, const char *reason,
    size_t reason_len);
/*
 * The peer broke a rule: a Close with that code, and no waiting.  The
 * reason goes to the log and to the peer.
 */
void conn_fail(struct wss_conn *, unsigned code, const char *reason);
/* The peer sent a Close: it is answered, and we hang up (RFC 6455 §7.1.1). */
void conn_answer_close(struct wss_conn *, unsigned code, const char *reason,
    size_t reason_len);
/* Ends without a word to the peer: it is gone, or silent for too long. */
void conn_abort(struct wss_conn *, const char *why);

/* The one function that changes the state. */
void conn_set_state(struct wss_conn *, enum conn_state);
/* What `closed` will be told; the first cause stays. */
void conn_set_cause(struct wss_conn *, unsigned code, const char *reason,
    size_t reason_len);

/* ---- conn_output.c ---- */

/* Something was queued for it: it is written at the end of this turn. */
void conn_mark_dirty(struct wss_conn *);
/* The same, at the end of the next turn that there is. */
void conn_queue_dirty(struct wss_conn *);
/* That end: all that was queued so is written. */
void conns_flush_dirty(struct worker *);
/* One frame behind all that is queued. */
void conn_put_frame(struct wss_conn *, enum ws_opcode, const void *data,
    size_t len);
/* The same for a message, which may be sent compressed. */
void conn_put_message(struct wss_conn *, enum ws_opcode, const void *data,
    size_t len);
/* Bytes that are no frame: the 101, or a refusal. */
void conn_put_bytes(struct wss_conn *, const void *data, size_t len);
/* Takes back what was put since the connection was accepted. */
void conn_unput(struct wss_conn *);
/* From now on its own input is handled, and what it puts is gathered. */
void conn_begin_input(struct wss_conn *);
/* What gathered while its input was handled goes to the stream. */
void conn_flush_gather(struct wss_conn *);
/* End of the turn: writes, and does what waited for room. */
void conn_flush(struct wss_conn *);
/* Bytes that the kernel has not taken. */
size_t conn_queued(const struct wss_conn *);

/* ---- for worker.c ---- */

/* What the connections of a worker share; none is there, or is left. */
void conns_init(struct worker *);
void conns_done(struct worker *);
/* The callbacks of transport; arg is the worker. */
void conns_input(struct sock *);
void conns_drained(struct sock *);
void conns_turn_end(void *arg);
void conns_turn_over(void *arg);
/* Once the worker knows its slot. */
void conns_start_ids(struct worker *);
/* By id, or NULL. */
struct wss_conn *conns_find(struct worker *, uint64_t id);

/* The client's certificate; NULL: it has none. */
const struct wss_peer *conn_peer(struct wss_conn *);

/* One line about the connection, at most a few a second. */
void conn_log(struct wss_conn *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

const char *conn_state_name(enum conn_state);

#endif
