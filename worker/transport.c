/* SPDX-License-Identifier: MIT */
/*
 * Owns the sockets, the receive slots and the send arena of one worker.
 * Knows nothing of TLS or WebSocket; closes a socket only in sock_done().
 *
 * The arena: every sock with output in this turn owns one contiguous piece,
 *
 *	arena: [ A A A | B | C C ... used ... room )
 *	         out_start, out_len of A
 *
 * A sock that writes again after another one did sends its piece at once
 * and begins a new one, as happens when handlers answer each other.
 */
#include "worker/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/clock.h"
#include "worker/backlog.h"
#include "worker/uring.h"

#define SLOTS 64			/* sockets received for in one go */
/* Not a power of two: the first lines of all slots, the only ones that a
   small message touches, would fall into the same few lines of the cache. */
#define SLOT_STEP (TRANSPORT_SLOT + 5 * 64)
#define ARENA_BYTES (4u << 20)

struct transport {
	struct event_base *base;
	struct transport_ops ops;
	struct event *turn;
	struct event *later;		/* for what the budget left over */
	struct list ready;		/* have come in, or are woken */
	struct list budgeted;		/* the same, of those with a budget */
	struct list unsent;
	struct uring *uring;		/* owned; NULL: a call for each sock */
	uint8_t *slots;			/* SLOTS of SLOT_STEP bytes */
	uint8_t *arena;
	size_t arena_used;
	bool turn_requested;
};

void
transport_request_later(struct transport *t)
{
	const struct timeval at_once = { 0, 0 };

	/* By a timer: an active event would run before the loop looks at
	   anybody else. */
	evtimer_add(t->later, &at_once);
}

/* ---- sending ---------------------------------------------------------- */

void
sock_resume(struct sock *sock)
{
	if (sock->reading)
		return;
	sock->reading = true;
	event_add(&sock->event, NULL);
}

static void
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

/* The sock's piece of the arena becomes an operation. */
static struct uring_op
take_piece(struct sock *sock)
{
	struct uring_op op = { sock->fd,
	    sock->transport->arena + sock->out_start, sock->out_len, 0 };

	sock->out_len = 0;
	list_remove(&sock->unsent);
	return op;
}

static void
piece_sent(struct sock *sock, const struct uring_op *op)
{
	size_t n = taken(sock, op);

	if (n < op->len)
		sock->backlog = backlog_new(sock->transport->base, sock->fd,
		    on_writable, sock, (const uint8_t *)op->data + n,
		    op->len - n);
	else
		tell_drained(sock);
}

static void
send_piece(struct sock *sock)
{
	struct uring_op op = take_piece(sock);

	uring_send(NULL, &op, 1);
	piece_sent(sock, &op);
}

static void
send_all(struct transport *t)
{
	struct sock *batch[URING_MAX];
	struct uring_op ops[URING_MAX];
	size_t n;

	while (!list_empty(&t->unsent)) {
		for (n = 0; n < URING_MAX && !list_empty(&t->unsent); n++) {
			batch[n] = LIST_ITEM(t->unsent.next, struct sock,
			    unsent);
			ops[n] = take_piece(batch[n]);
		}
		uring_send(t->uring, ops, n);
		for (size_t i = 0; i < n; i++)
			piece_sent(batch[i], &ops[i]);
	}
	t->arena_used = 0;
}

void
sock_write(struct sock *sock, const void *data, size_t len)
{
	struct transport *t = sock->transport;

	ASSERT(len <= TRANSPORT_WRITE);
	if (len == 0 || sock->error != 0)
		return;
	if (sock->out_len != 0 &&
	    sock->out_start + sock->out_len != t->arena_used)
		send_piece(sock);
	if (t->arena_used + len > ARENA_BYTES)
		send_all(t);
	if (sock->backlog != NULL) {
		backlog_put(sock->backlog, data, len);
		return;
	}
	if (sock->out_len == 0) {
		sock->out_start = t->arena_used;
		list_append(&t->unsent, &sock->unsent);
	}
	memcpy(t->arena + t->arena_used, data, len);
	t->arena_used += len;
	sock->out_len += len;
}

size_t
sock_unsent(const struct sock *sock)
{
	return sock->out_len + backlog_len(sock->backlog);
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
	sock->want_drained = true;
}

void
sock_shutdown(struct sock *sock)
{
	if (sock->out_len != 0)
		send_piece(sock);
	if (sock->backlog != NULL)
		sock->backlog->shutdown = true;
	else
		shutdown(sock->fd, SHUT_WR);
}

/* ---- receiving -------------------------------------------------------- */

static void
received(struct sock *sock, const struct uring_op *op)
{
	int n = op->result;

	sock->in = op->data;
	sock->in_len = 0;
	if (n > 0)
		sock->in_len = (size_t)n;
	else if (n == 0)
		sock->eof = true;
	else if (n != -EAGAIN && n != -EINTR)
		sock_fail(sock, -n);
}

size_t
sock_take(struct sock *sock, void *out, size_t len)
{
	if (len > sock->in_len)
		len = sock->in_len;
	if (len == 0)
		return 0;
	memcpy(out, sock->in, len);
	sock->in += len;
	sock->in_len -= len;
	return len;
}

uint8_t *
sock_take_all(struct sock *sock, size_t *len_out)
{
	*len_out = sock->in_len;
	sock->in_len = 0;
	return sock->in;
}

/* Up to SLOTS sockets: first receive for all, then handle them. */
static bool
run_batch(struct transport *t)
{
	struct sock *batch[SLOTS];
	struct uring_op ops[SLOTS];
	size_t n;

	for (n = 0; n < SLOTS && !list_empty(&t->ready); n++) {
		batch[n] = LIST_ITEM(t->ready.next, struct sock, ready);
		list_remove(&batch[n]->ready);
		ops[n] = (struct uring_op){ batch[n]->fd,
		    t->slots + n * SLOT_STEP, TRANSPORT_SLOT, 0 };
	}
	uring_recv(t->uring, ops, n);
	for (size_t i = 0; i < n; i++)
		received(batch[i], &ops[i]);
	for (size_t i = 0; i < n; i++) {
		t->ops.input(batch[i]);
		batch[i]->in_len = 0;
	}
	return n == SLOTS;
}

static void
send_answers(struct transport *t)
{
	t->ops.turn_end(t->ops.arg);
	send_all(t);
}

/* One at a time, for as long as the others took; one at least. */
static void
run_budgeted(struct transport *t, uint64_t began)
{
	uint64_t now = clock_us(), end = now + (now - began);
	struct list *first;

	do {
		first = t->budgeted.next;
		list_remove(first);
		list_append(&t->ready, first);
		run_batch(t);
	} while (!list_empty(&t->budgeted) && clock_us() < end);
	send_answers(t);
}

/*
 * The answers of those who have been let in are sent before anybody else's
 * handshake goes on, of which a single step may take a millisecond.
 */
static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct transport *t = arg;
	uint64_t began = list_empty(&t->budgeted) ? 0 : clock_us();

	(void)fd;
	(void)what;
	t->turn_requested = false;
	while (run_batch(t))
		;
	send_answers(t);
	if (began != 0 && !list_empty(&t->budgeted))
		run_budgeted(t, began);
	if (!list_empty(&t->ready) || !list_empty(&t->budgeted))
		transport_request_later(t);
	t->ops.turn_over(t->ops.arg);
}

void
transport_request_turn(struct transport *t)
{
	if (t->turn_requested)
		return;
	t->turn_requested = true;
	/* Queued behind the callbacks that are active in this turn. */
	event_active(t->turn, EV_TIMEOUT, 0);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	transport_request_turn(arg);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sock *sock = arg;
	struct transport *t = sock->transport;

	(void)fd;
	(void)what;
	if (list_empty(&sock->ready))
		list_append(sock->budgeted ? &t->budgeted : &t->ready,
		    &sock->ready);
	transport_request_turn(t);
}

void
sock_wake(struct sock *sock)
{
	on_readable(sock->fd, EV_READ, sock);
}

void
sock_mute(struct sock *sock)
{
	if (sock->error == 0)
		sock->error = ECANCELED;
}

/* ---- life ------------------------------------------------------------- */

void
sock_init(struct sock *sock, struct transport *t, int fd)
{
	memset(sock, 0, sizeof(*sock));
	sock->transport = t;
	sock->fd = fd;
	list_init(&sock->ready);
	list_init(&sock->unsent);
	event_assign(&sock->event, t->base, fd, EV_READ | EV_PERSIST,
	    on_readable, sock);
	sock_resume(sock);
}

void
sock_done(struct sock *sock)
{
	if (sock->fd == -1)
		return;
	event_del(&sock->event);
	list_remove(&sock->ready);
	list_remove(&sock->unsent);
	backlog_free(sock->backlog);
	sock->backlog = NULL;
	close(sock->fd);
	sock->fd = -1;
}

void
sock_pause(struct sock *sock)
{
	if (!sock->reading)
		return;
	sock->reading = false;
	event_del(&sock->event);
	list_remove(&sock->ready);
}

void
sock_set_budgeted(struct sock *sock, bool budgeted)
{
	sock->budgeted = budgeted;
}

static uint8_t *
shared_memory(size_t size)
{
	/* Pages cost nothing before they are used. */
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

struct transport *
transport_new(struct event_base *base, const struct transport_ops *ops)
{
	struct transport *t = xcalloc(1, sizeof(*t));

	t->base = base;
	t->ops = *ops;
	list_init(&t->ready);
	list_init(&t->budgeted);
	list_init(&t->unsent);
	t->turn = event_new(base, -1, 0, on_turn, t);
	t->later = evtimer_new(base, on_later, t);
	t->slots = shared_memory((size_t)SLOTS * SLOT_STEP);
	t->arena = shared_memory(ARENA_BYTES);
	return t;
}

void
transport_trim(struct transport *t)
{
	madvise(t->slots, (size_t)SLOTS * SLOT_STEP, MADV_DONTNEED);
	madvise(t->arena, ARENA_BYTES, MADV_DONTNEED);
}

void
transport_use(struct transport *t, struct uring *uring)
{
	uring_free(t->uring);
	t->uring = uring;
}

void
transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	event_free(t->turn);
	event_free(t->later);
	uring_free(t->uring);
	munmap(t->slots, (size_t)SLOTS * SLOT_STEP);
	munmap(t->arena, ARENA_BYTES);
	free(t);
}
