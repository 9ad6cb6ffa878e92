/* SPDX-License-Identifier: MIT */
/* What transport.c (receiving, the turn) and transport_out.c share. */
#ifndef WSSD_WORKER_TRANSPORT_PARTS_H
#define WSSD_WORKER_TRANSPORT_PARTS_H

#include "worker/transport.h"

#define ARENA_BYTES (4u << 20)
#define PIECES_MAX 4096

struct piece {
	struct sock *sock;
	size_t start, len;		/* in the arena; len = 0: sent */
	int fd;
	bool tell;			/* the sock, that it is sent */
};

struct transport {
	struct event_base *base;
	struct transport_ops ops;
	struct event *turn;
	struct event *later;		/* for what the budget left over */
	struct list ready;		/* have come in, or are woken */
	struct list budgeted;		/* the same, of those with a budget */
	struct uring *uring;		/* owned; NULL: a call for each sock */
	uint8_t *slots;			/* SLOTS of SLOT_STEP bytes */
	uint8_t *arena;
	size_t arena_used;
	struct piece *pieces;		/* PIECES_MAX */
	uint32_t n_pieces;		/* of this turn */
	bool turn_requested;
};

/* ---- transport_out.c ---- */

/* The end of a turn: all pieces go to the kernel. */
void transport_send_all(struct transport *);
/* It ends with this errno; input() will be told. */
void sock_fail(struct sock *, int error);
/* What it has written in this turn is forgotten. */
void sock_forget_piece(struct sock *);

#endif
