/* SPDX-License-Identifier: MIT */
/*
 * WebSockets that a worker opens to other servers: the struct wss_out of the
 * handlers.
 *
 *          room       CONNECTED    connected      101         Close sent
 *  WAITING ───▶ ASKED ───▶ CONNECTING ───▶ TLS ───▶ HTTP ───▶ OPEN ───▶ CLOSING
 *     │           │            │            │        │         │ Close    │
 *     └───────────┴────────────┴─────┬──────┴────────┘         ▼ came     ▼
 *                                    │                       LINGER  (the server
 *                                    ▼                         │   hangs up)
 *                                   DEAD  ◀────────────────────┘
 *
 * The master makes the sockets (common/proto.h, CONNECT), so a worker needs
 * neither a file system nor socket() and connect() for this.
 */
#ifndef WSSD_WORKER_OUTBOUND_H
#define WSSD_WORKER_OUTBOUND_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <wssd/handler.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/proto.h"
#include "common/proto_connect.h"
#include "common/upstream.h"
#include "worker/http_response.h"
#include "worker/snapshot.h"
#include "worker/stream.h"
#include "worker/ws.h"

#define OUT_MAGIC 0x6f757462u

enum out_state {
	OUT_WAITING,
	OUT_ASKED,
	OUT_CONNECTING,
	OUT_TLS,
	OUT_HTTP,
	OUT_OPEN,
	OUT_CLOSING,
	OUT_LINGER,
	OUT_DEAD
};

/* All of one worker. */
struct outbounds {
	struct worker *worker;
	struct list all;
	struct list waiting;		/* for a place among the asked */
	struct list asked;
	struct list dirty;		/* to be looked at in this turn */
	struct list ended;		/* the handler must be told */
	struct list dead;		/* to be freed at the end of the turn */
	uint32_t last_id;
	unsigned n_asked;		/* CONNECTs without a CONNECTED, also of
					   those that have died since */
	uint8_t random[1024];		/* for masks; used from the end */
	size_t n_random;
};

struct wss_out {
	uint32_t magic;
	enum out_state state;
	struct outbounds *owner;
	struct wss_route *route;	/* and a reference to its snapshot */
	const struct upstream *upstream;
	const struct wss_out_events *events;	/* NULL: nobody listens */
	void *user;
	struct list all, dirty, ended, dead;
	struct list waiting;		/* in waiting or asked */
	uint32_t id;			/* of the CONNECT */
	uint32_t attempt, addresses;

	struct buf request;		/* until it is sent */
	char *offered;			/* subprotocols, or "" */
	char key[HTTP_KEY_LEN + 1];
	struct event *connecting;	/* until the socket is connected */
	int fd;				/* until it is the stream's */
	struct event *timer;

	bool has_stream;
	struct stream stream;
	struct ws ws;
	size_t head_scanned;
	uint64_t received_ms, ping_ms;	/* as in a connection */
	bool paused, input_held, want_writable, eof;

	/* What the handler will be told, once state says that it is over. */
	bool was_open;
	size_t left;			/* bytes that were not taken */
	enum wss_out_failure failure;
	uint16_t close_code;
	uint8_t close_reason_len;
	char close_reason[124];
};

struct outbounds *outbounds_new(struct worker *);
/* Only when the worker ends. */
void outbounds_free(struct outbounds *);

/* The turn, for worker.c; turn_end: true when anything was done. */
void outbounds_input(struct sock *);
void outbounds_drained(struct sock *);
bool outbounds_turn_end(struct outbounds *);
void outbounds_turn_over(struct outbounds *);
/* Is anything still to be sent? */
bool outbounds_busy(struct outbounds *);

/* request begins with the request line and ends with the last field. */
struct wss_out *outbound_new(struct outbounds *, struct wss_route *,
    const struct upstream *, struct buf *request, const char *offered,
    const struct wss_out_events *, void *user);

/* The first reason stays.  Before the 101: it did not come about. */
void outbound_fail(struct wss_out *, enum wss_out_failure, const char *why);
/* It is over without a Close of the server's; in OPEN the code is 1006. */
void outbound_lost(struct wss_out *, const char *why);
/* What it sent may not be: a Close with that code, and the end. */
void outbound_broke_rules(struct wss_out *, unsigned code, const char *why);
void outbound_end(struct wss_out *, unsigned code, const char *reason,
    size_t reason_len);
void outbound_set_state(struct wss_out *, enum out_state);
void outbound_set_timer(struct wss_out *, uint64_t ms);
/* Sends one, and the end of it: see wss_out_close(). */
void outbound_close(struct wss_out *, unsigned code, const char *reason,
    size_t reason_len);
void outbound_mark_dirty(struct wss_out *);

/* ---- outbound_connect.c ---- */

void outbound_connect(struct wss_out *);
void outbound_stop_connecting(struct wss_out *);
/* The master's answer; fd (or -1) becomes ours. */
void outbounds_connected(struct outbounds *, const struct proto_connected *,
    int fd);

/* ---- outbound_io.c ---- */

void outbound_put_frame(struct wss_out *, enum ws_opcode, const void *data,
    size_t len);
void outbound_put_close(struct wss_out *, unsigned code, const char *reason,
    size_t reason_len);
size_t outbound_queued(const struct wss_out *);
void outbound_update_reading(struct wss_out *);
/* What the turn received; and what was held while it was paused. */
void outbound_input(struct wss_out *);
void outbound_flush(struct wss_out *);

/* ---- api_out.c: the calls into the handler ---- */

void api_out_opened(struct wss_out *, const struct http_response *,
    struct slice subprotocol);
void api_out_refused(struct wss_out *, const struct http_response *);
void api_out_message(struct wss_out *, const struct ws_event *);
void api_out_writable(struct wss_out *);
/* `failed` or `closed`. */
void api_out_over(struct wss_out *);

#endif
