/* SPDX-License-Identifier: MIT */
/* For echo.c, which owns all of this, and talk.c, which drives it. */
#ifndef WSSD_BENCH_ECHO_PARTS_H
#define WSSD_BENCH_ECHO_PARTS_H

#include "echo.h"
#include "frames.h"
#include "ring.h"

struct peer {
	struct client client;
	struct frames_reader reader;
	struct echo *echo;
	uint32_t next;			/* the seq of the message sent next */
	size_t due;			/* messages to be sent in this turn */
	uint64_t due_at;		/* paced: when that was to be sent */
	uint64_t *sent_at;		/* by seq % depth */
	struct buf reply;		/* pongs due in this turn */
	struct buf out;			/* 0..out_done sent, ..len queued */
	size_t out_done;
};

/* What an answer makes due. */
enum echo_next {
	ECHO_ANOTHER,			/* the next message at once */
	ECHO_NOTHING,			/* unheard goes down */
	ECHO_PACED,			/* the clock says what is due */
};

struct echo {
	const struct load *load;
	struct frames frames;
	struct peer *peers;
	size_t alive;
	int epfd;
	struct ring *ring;
	uint8_t *slots;			/* of RING_MAX receives */
	struct ring_op ops[RING_MAX];
	struct peer *turn[RING_MAX];	/* whom ops[i] belongs to */
	struct buf plain;		/* frames before they are sealed */
	uint64_t now;
	bool measuring;
	enum echo_next next;
	size_t messages;		/* since measuring began */
	size_t unheard;			/* broadcast: deliveries that lack */
	size_t errors;
	uint64_t cpu, self, began;	/* at the beginning */
	struct meter_histogram latency;
	struct meter_histogram lag;	/* paced: by how much we were late */
};

/* Receives and answers once, or waits until then; how many had something. */
int echo_turn(struct echo *, uint64_t until_ns);
void echo_run_until(struct echo *, uint64_t until_ns);
/* Sends what is due at these peers, at most RING_MAX. */
void echo_send_for(struct echo *, struct peer **, size_t count);
/* Gives each of peers[from..to) so many messages to send, and sends them. */
void echo_begin(struct echo *, size_t from, size_t to, size_t messages);
/* Until unheard is 0. */
int echo_wait_heard(struct echo *, struct err *);

#endif
