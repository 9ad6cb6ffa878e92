/* SPDX-License-Identifier: MIT */
/*
 * Many receives and sends at once, and the transport on top of them: each
 * test runs with a ring and without.  Where the kernel refuses the ring, both
 * runs are the one without, and uring_new() must have said why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/transport.h"
#include "worker/uring.h"

#define PAIRS 300

static bool with_ring = true;		/* only its address counts */

static struct uring *
ring_or_not(void **state)
{
	struct uring *uring = NULL;
	struct err err = ERR_INIT;

	if (*state != NULL && (uring = uring_new(&err)) == NULL) {
		assert_true(err.text[0] != '\0');
		print_message("without: %s\n", err.text);
	}
	return uring;
}

static void
open_pairs(int fds[][2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK, 0, fds[i]), 0);
}

static void
close_pairs(int fds[][2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void
each_gets_its_own(void **state)
{
	static int fds[URING_MAX][2];
	static char text[URING_MAX][16], room[URING_MAX][16];
	static struct uring_op ops[URING_MAX];
	struct uring *uring = ring_or_not(state);

	open_pairs(fds, URING_MAX);
	for (size_t n = 1; n <= URING_MAX; n = n * 3 + 1) {
		for (size_t i = 0; i < n; i++) {
			snprintf(text[i], sizeof(text[i]), "%zu of %zu", i, n);
			ops[i] = (struct uring_op){ fds[i][0], text[i],
			    strlen(text[i]), -1 };
		}
		uring_send(uring, ops, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(ops[i].result, strlen(text[i]));
			ops[i] = (struct uring_op){ fds[i][1], room[i],
			    sizeof(room[i]), -1 };
		}
		uring_recv(uring, ops, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(ops[i].result, strlen(text[i]));
			assert_memory_equal(room[i], text[i], strlen(text[i]));
		}
	}
	close_pairs(fds, URING_MAX);
	uring_free(uring);
}

static void
says_what_a_call_would(void **state)
{
	enum { SILENT, ENDED, BAD, TALKS, N };
	struct uring *uring = ring_or_not(state);
	struct uring_op ops[N];
	char room[8];
	int fds[N][2];

	open_pairs(fds, N);
	close(fds[ENDED][1]);
	assert_int_equal(send(fds[TALKS][1], "x", 1, 0), 1);
	for (int i = 0; i < N; i++)
		ops[i] = (struct uring_op){ fds[i][0], room, 1, -1 };
	ops[BAD].fd = 1 << 20;
	uring_recv(uring, ops, N);
	assert_int_equal(ops[SILENT].result, -EAGAIN);
	assert_int_equal(ops[ENDED].result, 0);
	assert_int_equal(ops[BAD].result, -EBADF);
	assert_int_equal(ops[TALKS].result, 1);

	/* No SIGPIPE, which is not ignored here. */
	uring_send(uring, ops, N);
	assert_int_equal(ops[ENDED].result, -EPIPE);
	assert_int_equal(ops[TALKS].result, 1);
	fds[ENDED][1] = dup(0);
	close_pairs(fds, N);
	uring_free(uring);
}

static void
a_full_socket_takes_a_part(void **state)
{
	static uint8_t data[8 << 20];
	struct uring *uring = ring_or_not(state);
	struct uring_op ops[2];
	int fds[2][2];

	open_pairs(fds, 2);
	for (int i = 0; i < 2; i++)
		ops[i] = (struct uring_op){ fds[i][0], data, sizeof(data),
		    -1 };
	uring_send(uring, ops, 2);
	for (int i = 0; i < 2; i++)
		assert_in_range(ops[i].result, 1, sizeof(data) - 1);
	uring_send(uring, ops, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ops[i].result, -EAGAIN);
	close_pairs(fds, 2);
	uring_free(uring);
}

/* ---- the transport ---------------------------------------------------- */

struct echo {
	struct sock sock;
	unsigned times;			/* how often each byte goes back */
};

static void
on_input(struct sock *sock)
{
	struct echo *e = LIST_ITEM(sock, struct echo, sock);
	size_t len;
	uint8_t *data = sock_take_all(sock, &len);

	for (unsigned i = 0; i < e->times; i++)
		sock_write(sock, data, len);
	if (sock->eof)
		sock_pause(sock);
}

static void
nothing(struct sock *sock)
{
	(void)sock;
}

static void
nothing_more(void *arg)
{
	(void)arg;
}

static void
echoes_all_of_a_turn(void **state)
{
	static const struct transport_ops ops = { on_input, NULL, nothing,
	    nothing_more, nothing_more, NULL };
	struct event_base *base = event_base_new();
	struct transport *t = transport_new(base, &ops);
	static struct echo echoes[PAIRS];
	static int fds[PAIRS][2];
	char text[16], back[32];

	transport_use(t, ring_or_not(state));
	open_pairs(fds, PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		sock_init(&echoes[i].sock, t, fds[i][0]);
		echoes[i].times = 1 + (unsigned)i % 2;
		snprintf(text, sizeof(text), "number %d", i);
		assert_true(send(fds[i][1], text, strlen(text), 0) > 0);
	}
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	transport_trim(t);
	for (int i = 0; i < PAIRS; i++) {
		ssize_t n = recv(fds[i][1], back, sizeof(back), 0);

		snprintf(text, sizeof(text), "number %d", i);
		assert_int_equal(n, strlen(text) * echoes[i].times);
		assert_memory_equal(back, text, strlen(text));
		sock_done(&echoes[i].sock);
		close(fds[i][1]);
	}
	transport_free(t);
	event_base_free(base);
}

/* What the sockets do not take waits, and none of it is lost or mixed up. */
static void
slow_readers_get_all(void **state)
{
	enum { SLOW = 5, LEN = 20000, TIMES = 60 };
	static const struct transport_ops ops = { on_input, NULL, nothing,
	    nothing_more, nothing_more, NULL };
	struct event_base *base = event_base_new();
	struct transport *t = transport_new(base, &ops);
	static struct echo echoes[SLOW];
	static uint8_t data[LEN];
	int fds[SLOW][2];

	transport_use(t, ring_or_not(state));
	open_pairs(fds, SLOW);
	for (int i = 0; i < SLOW; i++) {
		sock_init(&echoes[i].sock, t, fds[i][0]);
		echoes[i].times = TIMES;
		memset(data, 'a' + i, sizeof(data));
		assert_int_equal(send(fds[i][1], data, LEN, 0), LEN);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (int i = 0; i < SLOW; i++) {
		size_t got = 0;

		assert_true(sock_unsent(&echoes[i].sock) > 0);
		for (int k = 0; k < 100000 && got < LEN * TIMES; k++) {
			ssize_t n = recv(fds[i][1], data, sizeof(data), 0);

			event_base_loop(base, EVLOOP_NONBLOCK);
			for (ssize_t j = 0; j < n; j++)
				assert_int_equal(data[j], 'a' + i);
			got += n > 0 ? (size_t)n : 0;
		}
		assert_int_equal(got, LEN * TIMES);
		assert_int_equal(sock_unsent(&echoes[i].sock), 0);
		sock_done(&echoes[i].sock);
		close(fds[i][1]);
	}
	transport_free(t);
	event_base_free(base);
}

/* ---- pieces of the arena ---------------------------------------------- */

static unsigned n_drained;

static void
count_drained(struct sock *sock)
{
	(void)sock;
	n_drained++;
}

static const struct transport_ops quiet = { on_input, NULL, count_drained,
    nothing_more, nothing_more, NULL };

struct writers {
	struct event_base *base;
	struct transport *t;
	struct sock socks[3];
	int fds[3][2];
};

static void
open_writers(struct writers *w, void **state)
{
	w->base = event_base_new();
	w->t = transport_new(w->base, &quiet);
	transport_use(w->t, ring_or_not(state));
	open_pairs(w->fds, 3);
	for (int i = 0; i < 3; i++)
		sock_init(&w->socks[i], w->t, w->fds[i][0]);
	n_drained = 0;
}

static void
close_writers(struct writers *w)
{
	for (int i = 0; i < 3; i++) {
		sock_done(&w->socks[i]);
		close(w->fds[i][1]);
	}
	transport_free(w->t);
	event_base_free(w->base);
}

static void
turn(struct writers *w)
{
	transport_request_turn(w->t);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
}

/* As handlers that answer each other write: each byte in its order, also
   when there are more pieces than one turn has places for. */
static void
writers_take_turns(void **state)
{
	enum { TIMES = 3000 };
	struct writers w;
	static uint32_t back[TIMES + 1];

	open_writers(&w, state);
	for (uint32_t i = 0; i < TIMES; i++)
		for (int k = 0; k < 3; k++)
			sock_write(&w.socks[k], &i, sizeof(i));
	turn(&w);
	for (int k = 0; k < 3; k++) {
		size_t got = 0;

		/* Many small pieces are more than such a socket takes. */
		for (int i = 0; i < 100000 && got < TIMES * sizeof(back[0]);
		     i++) {
			ssize_t n = recv(w.fds[k][1], (char *)back + got,
			    sizeof(back) - got, 0);

			got += n > 0 ? (size_t)n : 0;
			turn(&w);
		}
		assert_int_equal(got, TIMES * sizeof(back[0]));
		assert_int_equal(sock_unsent(&w.socks[k]), 0);
		for (uint32_t i = 0; i < TIMES; i++)
			assert_int_equal(back[i], i);
	}
	close_writers(&w);
}

static void
what_is_written_is_counted_until_it_is_sent(void **state)
{
	struct writers w;

	open_writers(&w, state);
	sock_write(&w.socks[0], "12345", 5);
	sock_write(&w.socks[0], "678", 3);
	assert_int_equal(sock_unsent(&w.socks[0]), 8);
	assert_int_equal(sock_unsent(&w.socks[1]), 0);
	turn(&w);
	assert_int_equal(sock_unsent(&w.socks[0]), 0);
	/* The place of the last turn is somebody else's in this one. */
	sock_write(&w.socks[1], "1", 1);
	assert_int_equal(sock_unsent(&w.socks[0]), 0);
	assert_int_equal(sock_unsent(&w.socks[1]), 1);
	turn(&w);
	close_writers(&w);
}

static void
who_asks_is_told_that_all_is_sent(void **state)
{
	struct writers w;

	open_writers(&w, state);
	sock_write(&w.socks[0], "1", 1);
	turn(&w);
	assert_int_equal(n_drained, 0);
	sock_write(&w.socks[0], "2", 1);
	sock_want_drained(&w.socks[0]);
	turn(&w);
	assert_int_equal(n_drained, 1);
	sock_want_drained(&w.socks[1]);
	sock_write(&w.socks[1], "3", 1);
	turn(&w);
	assert_int_equal(n_drained, 2);
	close_writers(&w);
}

static void
who_has_ended_sends_no_more(void **state)
{
	struct writers w;
	char back[8];

	open_writers(&w, state);
	for (int k = 0; k < 3; k++)
		sock_write(&w.socks[k], "word", 4);
	sock_done(&w.socks[1]);
	turn(&w);
	assert_int_equal(recv(w.fds[0][1], back, sizeof(back), 0), 4);
	assert_int_equal(recv(w.fds[1][1], back, sizeof(back), 0), 0);
	assert_int_equal(recv(w.fds[2][1], back, sizeof(back), 0), 4);
	close_writers(&w);
}

/* ---- what comes next -------------------------------------------------- */

static unsigned announced[PAIRS];
static struct echo announced_to[PAIRS];

static void
on_ahead(struct sock *sock, unsigned others)
{
	struct echo *e = LIST_ITEM(sock, struct echo, sock);
	unsigned *n = &announced[e - announced_to];

	assert_int_equal(others, TRANSPORT_AHEAD - *n);
	++*n;
}

static void
after_ahead(struct sock *sock)
{
	struct echo *e = LIST_ITEM(sock, struct echo, sock);
	size_t len;

	assert_int_equal(announced[e - announced_to], TRANSPORT_AHEAD);
	e->times++;
	sock_take_all(sock, &len);
}

/* Once for every step, and before its own turn. */
static void
each_is_announced(void **state)
{
	static const struct transport_ops ops = { after_ahead, on_ahead,
	    nothing, nothing_more, nothing_more, NULL };
	struct event_base *base = event_base_new();
	struct transport *t = transport_new(base, &ops);
	static int fds[PAIRS][2];

	memset(announced, 0, sizeof(announced));
	transport_use(t, ring_or_not(state));
	open_pairs(fds, PAIRS);
	for (int i = 0; i < PAIRS; i++) {
		announced_to[i].times = 0;
		sock_init(&announced_to[i].sock, t, fds[i][0]);
		sock_wake(&announced_to[i].sock);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	for (int i = 0; i < PAIRS; i++) {
		assert_int_equal(announced_to[i].times, 1);
		sock_done(&announced_to[i].sock);
		close(fds[i][1]);
	}
	transport_free(t);
	event_base_free(base);
}

#define BOTH(test)                                                           \
	{ #test " with a ring", test, NULL, NULL, &with_ring },          \
	{ #test " without", test, NULL, NULL, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(each_gets_its_own),
		BOTH(says_what_a_call_would),
		BOTH(a_full_socket_takes_a_part),
		BOTH(echoes_all_of_a_turn),
		BOTH(slow_readers_get_all),
		BOTH(writers_take_turns),
		BOTH(what_is_written_is_counted_until_it_is_sent),
		BOTH(who_asks_is_told_that_all_is_sent),
		BOTH(who_has_ended_sends_no_more),
		BOTH(each_is_announced),
	};

	signal(SIGPIPE, SIG_DFL);
	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
