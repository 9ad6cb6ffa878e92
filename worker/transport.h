/* SPDX-License-Identifier: MIT */
/*
 * The connected sockets of a worker, and the turn as the unit of I/O.
 *
 * libevent says who is readable.  The ready sockets are collected, and when
 * all other callbacks of this turn have run, transport
 *
 *	1. receives for all of them, each into a slot of shared memory,
 *	2. calls input() for each, which consumes the slot: handlers run,
 *	   what they send gathers in one shared arena,
 *	3. calls turn_end(),
 *	4. sends for all of them (up to TRANSPORT_FEW: after each input()),
 *	5. and does the same for those in a handshake (sock_set_budgeted()).
 *
 * Nothing is in flight between turns, an idle socket holds no buffer, and
 * doing the same step for all sockets keeps the caches warm: this alone
 * takes a quarter off the cost of a message (measured).  Steps 1 and 4 are
 * one io_uring_enter() each where there is a ring (uring.h), and one recv()
 * and one send() a socket where not.
 *
 * What a socket does not take stays with it as a backlog and goes out when
 * it is writable again.
 */
#ifndef WSSD_WORKER_TRANSPORT_H
#define WSSD_WORKER_TRANSPORT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

#define TRANSPORT_SLOT (32u << 10)	/* most bytes received in one go */

/*
 * Above this much unsent, sock_full() is true.  Kept small: what waits here
 * can be counted, but no longer dropped or overtaken.
 */
#define SOCK_BACKLOG_HIGH (64u << 10)

struct backlog;
struct uring;

/* Embedded in its connection; the fields are transport's own. */
struct sock {
	struct transport *transport;
	struct list ready;		/* in transport->ready */
	uint8_t *in;			/* received and not yet consumed ... */
	size_t in_len;			/* ... during input() only */
	struct backlog *backlog;	/* NULL while the kernel takes all */
	int fd;				/* owned */
	int error;			/* errno that ended it, or 0 */
	uint32_t piece;			/* where its piece of the arena is, when
					   it has one in this turn */
	bool eof;			/* the peer has sent its FIN */
	bool reading;
	bool want_drained;
	bool budgeted;			/* see sock_set_budgeted() */
	bool outbound;			/* its owner is no client: worker.c */
	struct event event;		/* EV_READ on the real descriptor */
};

/* How many others are served while what a sock needs is fetched. */
#define TRANSPORT_AHEAD 4
/* As many are served one by one. */
#define TRANSPORT_FEW 4

struct transport_ops {
	/*
	 * Bytes have come (sock->in, in_len), or the end (eof, error).  All
	 * of in must be consumed by sock_take() before it returns.
	 */
	void (*input)(struct sock *);
	/*
	 * input() comes after this many others, TRANSPORT_AHEAD to 1: what it
	 * will touch can be on its way into the cache.  NULL: not asked.
	 */
	void (*ahead)(struct sock *, unsigned others);
	/* All is sent, and sock_full() was true or it was asked for. */
	void (*drained)(struct sock *);
	/* After input, and before the sends: once or twice in a turn. */
	void (*turn_end)(void *arg);
	/* After the sends: the one place where a sock may be freed. */
	void (*turn_over)(void *arg);
	void *arg;
};

/* NULL cannot be returned: a worker without memory is no worker. */
struct transport *transport_new(struct event_base *,
    const struct transport_ops *);
void transport_free(struct transport *);
/*
 * Gives the pages of the shared memory back, 6 MiB after large messages; what
 * is needed comes again by itself.  Not inside a turn.
 */
void transport_trim(struct transport *);
/* From now on by this ring, which it takes over; NULL: by recv and send. */
void transport_use(struct transport *, struct uring *);
/* A turn without input: something was written, closed or has to be freed. */
void transport_request_turn(struct transport *);
/* The same, after everybody else was looked at once more. */
void transport_request_later(struct transport *);

/* Takes over fd, which must be non-blocking, and reads from it. */
void sock_init(struct sock *, struct transport *, int fd);
/* Closes.  Only in turn_over(). */
void sock_done(struct sock *);

void sock_pause(struct sock *);
void sock_resume(struct sock *);
/* input() is called soon, as if something had come. */
void sock_wake(struct sock *);
/* What is written from now on is thrown away. */
void sock_mute(struct sock *);
/*
 * Handshakes are expensive.  In a turn the sockets marked so come behind all
 * others, whose answers are sent before, and have as much time as these took:
 * a storm of new clients does not hold up those that are there (measured, 64
 * that talk: p99 620 us in a storm instead of 770, and of 1,680 without
 * io_uring, when up to eight steps of handshakes came first).
 */
void sock_set_budgeted(struct sock *, bool);

/* Up to len bytes of the input into out; returns how many. */
size_t sock_take(struct sock *, void *out, size_t len);
/* All of the input, in place; valid until input() returns. */
uint8_t *sock_take_all(struct sock *, size_t *len_out);

/*
 * Sends at the end of the turn.  Takes everything, at most TRANSPORT_WRITE
 * bytes in one call: ask sock_full() first.
 */
#define TRANSPORT_WRITE (1u << 20)
void sock_write(struct sock *, const void *, size_t len);
bool sock_full(struct sock *);
/* Asks for drained(), once, when all that was written is in the kernel. */
void sock_want_drained(struct sock *);
/* Bytes written and not yet in the kernel's hands. */
size_t sock_unsent(const struct sock *);
/* Sends a FIN once everything is sent. */
void sock_shutdown(struct sock *);

#endif
