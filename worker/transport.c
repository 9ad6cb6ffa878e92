/* SPDX-License-Identifier: MIT */
/*
 * Owns the sockets, the receive slots and the turn of one worker.
 * Knows nothing of TLS or WebSocket; closes a socket only in sock_done().
 */
#include "worker/transport_parts.h"

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

void
transport_request_later(struct transport *t)
{
	const struct timeval at_once = { 0, 0 };

	/* By a timer: an active event would run before the loop looks at
	   anybody else. */
	evtimer_add(t->later, &at_once);
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

static void
handle(struct transport *t, struct sock *sock)
{
	t->ops.input(sock);
	sock->in_len = 0;
}

/*
 * Each sock is announced three times before it is its turn.  Not where there
 * are few of them: these are in the cache.
 */
static void
handle_many(struct transport *t, struct sock **batch, size_t n)
{
	unsigned ahead = n > TRANSPORT_AHEAD && t->ops.ahead != NULL ?
	    TRANSPORT_AHEAD : 0;

	for (size_t i = 0; i < n + ahead; i++) {
		for (unsigned k = 0; k < ahead; k++)
			if (i >= k && i - k < n)
				t->ops.ahead(batch[i - k], ahead - k);
		if (i >= ahead)
			handle(t, batch[i - ahead]);
	}
}

/*
 * No answer waits for the next one's: its client is at work on it meanwhile,
 * and the loop need not sleep until all of them have come again (measured, 4
 * connections: 0.75 of the CPU time).
 */
static void
handle_few(struct transport *t, struct sock **batch, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		handle(t, batch[i]);
		transport_send_all(t);
	}
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
	/* Steps of handshakes are sent together all the same. */
	if (n <= TRANSPORT_FEW && n > 0 && !batch[0]->budgeted)
		handle_few(t, batch, n);
	else
		handle_many(t, batch, n);
	return n == SLOTS;
}

static void
send_answers(struct transport *t)
{
	t->ops.turn_end(t->ops.arg);
	transport_send_all(t);
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
	sock_forget_piece(sock);
	backlog_free(sock->backlog);
	sock->backlog = NULL;
	close(sock->fd);
	sock->fd = -1;
}

void
sock_resume(struct sock *sock)
{
	if (sock->reading)
		return;
	sock->reading = true;
	event_add(&sock->event, NULL);
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
	t->pieces = xcalloc(PIECES_MAX, sizeof(*t->pieces));
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
	free(t->pieces);
	free(t);
}
