/* SPDX-License-Identifier: MIT */
/*
 * Owns the send arena of one worker, and the backlogs of its socks.
 *
 * The arena: every sock with output in this turn owns one contiguous piece,
 *
 *	arena:  [ A A A | B | C C ... used ... room )
 *	pieces:   [0]    [1]  [2]
 *
 * A sock that writes again after another one did sends its piece at once
 * and begins a new one, as happens when handlers answer each other.  What is
 * needed to send a piece stands in `pieces': with many connections the sock
 * itself has left the cache by then.
 */
#include "worker/transport_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/assert.h"
#include "worker/backlog.h"
#include "worker/uring.h"

void
sock_fail(struct sock *sock, int error)
{
	if (sock->error == 0)
		sock->error = error;
	/* A dead socket is always readable: input() will see it. */
	sock_resume(sock);
}

/* How much the kernel took; what a dead socket is given counts as taken. */
static size_t
taken(struct sock *sock, const struct uring_op *op)
{
	switch (op->result) {
	case -EAGAIN:
	case -ENOBUFS:
	case -EINTR:
		return 0;
	}
	if (op->result >= 0)
		return (size_t)op->result;
	sock_fail(sock, -op->result);
	return op->len;
}

static void
tell_drained(struct sock *sock)
{
	if (!sock->want_drained)
		return;
	sock->want_drained = false;
	/* Not in this turn: somebody who always has more to send would keep
	   all others from theirs. */
	transport_request_later(sock->transport);
	sock->transport->ops.drained(sock);
}

static void
backlog_end(struct sock *sock)
{
	if (sock->backlog->shutdown)
		shutdown(sock->fd, SHUT_WR);
	backlog_free(sock->backlog);
	sock->backlog = NULL;
	tell_drained(sock);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sock *sock = arg;
	struct uring_op op = { fd, backlog_data(sock->backlog),
	    backlog_len(sock->backlog), 0 };

	(void)what;
	uring_send(NULL, &op, 1);
	backlog_drop(sock->backlog, taken(sock, &op));
	if (backlog_len(sock->backlog) == 0 || sock->error != 0)
		backlog_end(sock);
}

/* The sock's piece of this turn that is not sent yet, or NULL. */
static struct piece *
piece_of(const struct sock *sock)
{
	const struct transport *t = sock->transport;
	struct piece *p = &t->pieces[sock->piece];

	return sock->piece < t->n_pieces && p->sock == sock && p->len != 0 ?
	    p : NULL;
}

static struct piece *
piece_new(struct sock *sock)
{
	struct transport *t = sock->transport;

	sock->piece = t->n_pieces;
	t->pieces[t->n_pieces] = (struct piece){ sock, t->arena_used, 0,
	    sock->fd, sock->want_drained };
	return &t->pieces[t->n_pieces++];
}

/* The piece becomes an operation. */
static struct uring_op
take_piece(struct transport *t, struct piece *p)
{
	struct uring_op op = { p->fd, t->arena + p->start, p->len, 0 };

	p->len = 0;
	return op;
}

static void
piece_sent(const struct piece *p, const struct uring_op *op)
{
	struct sock *sock = p->sock;
	size_t n;

	if (op->result == (int)op->len && !p->tell)
		return;
	n = taken(sock, op);
	if (n < op->len)
		sock->backlog = backlog_new(sock->transport->base, sock->fd,
		    on_writable, sock, (const uint8_t *)op->data + n,
		    op->len - n);
	else
		tell_drained(sock);
}

static void
send_piece(struct transport *t, struct piece *p)
{
	struct uring_op op = take_piece(t, p);

	uring_send(NULL, &op, 1);
	piece_sent(p, &op);
}

void
transport_send_all(struct transport *t)
{
	struct piece *batch[URING_MAX];
	struct uring_op ops[URING_MAX];
	uint32_t next = 0;
	size_t n;

	while (next < t->n_pieces) {
		for (n = 0; n < URING_MAX && next < t->n_pieces; next++) {
			if (t->pieces[next].len == 0)
				continue;
			batch[n] = &t->pieces[next];
			ops[n] = take_piece(t, batch[n]);
			n++;
		}
		uring_send(t->uring, ops, n);
		for (size_t i = 0; i < n; i++)
			piece_sent(batch[i], &ops[i]);
	}
	t->n_pieces = 0;
	t->arena_used = 0;
}

void
sock_write(struct sock *sock, const void *data, size_t len)
{
	struct transport *t = sock->transport;
	struct piece *piece = piece_of(sock);

	ASSERT(len <= TRANSPORT_WRITE);
	if (len == 0 || sock->error != 0)
		return;
	if (piece != NULL && piece->start + piece->len != t->arena_used) {
		send_piece(t, piece);
		piece = NULL;
	}
	if (t->arena_used + len > ARENA_BYTES ||
	    (piece == NULL && t->n_pieces == PIECES_MAX)) {
		transport_send_all(t);
		piece = NULL;
	}
	if (sock->backlog != NULL) {
		backlog_put(sock->backlog, data, len);
		return;
	}
	if (piece == NULL)
		piece = piece_new(sock);
	memcpy(t->arena + t->arena_used, data, len);
	t->arena_used += len;
	piece->len += len;
}

size_t
sock_unsent(const struct sock *sock)
{
	const struct piece *piece = piece_of(sock);

	return (piece == NULL ? 0 : piece->len) + backlog_len(sock->backlog);
}

bool
sock_full(struct sock *sock)
{
	if (backlog_len(sock->backlog) < SOCK_BACKLOG_HIGH)
		return false;
	sock->want_drained = true;
	return true;
}

void
sock_want_drained(struct sock *sock)
{
	struct piece *piece = piece_of(sock);

	sock->want_drained = true;
	if (piece != NULL)
		piece->tell = true;
}

void
sock_forget_piece(struct sock *sock)
{
	struct piece *piece = piece_of(sock);

	if (piece != NULL)
		piece->len = 0;
}

void
sock_shutdown(struct sock *sock)
{
	struct piece *piece = piece_of(sock);

	if (piece != NULL)
		send_piece(sock->transport, piece);
	if (sock->backlog != NULL)
		sock->backlog->shutdown = true;
	else
		shutdown(sock->fd, SHUT_WR);
}
