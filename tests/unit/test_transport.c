/* SPDX-License-Identifier: MIT */
/* worker/transport: when the answers of a turn leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "worker/transport.h"

#define MOST (TRANSPORT_FEW + 1)

struct fixture {
	struct event_base *base;
	struct transport *transport;
	size_t n;
	struct sock socks[MOST];
	int peers[MOST];
	size_t n_inputs;
	size_t answered[MOST];	/* peers that had theirs, at each input() */
};

static struct fixture f;

static size_t
count_answered(void)
{
	size_t found = 0;
	char byte;

	for (size_t i = 0; i < f.n; i++)
		found += recv(f.peers[i], &byte, 1,
		    MSG_PEEK | MSG_DONTWAIT) == 1;
	return found;
}

static void
echo(struct sock *sock)
{
	char byte;

	f.answered[f.n_inputs++] = count_answered();
	assert_int_equal(sock_take(sock, &byte, 1), 1);
	sock_write(sock, &byte, 1);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
no_sock(struct sock *sock)
{
	(void)sock;
}

static const struct transport_ops ops = { .input = echo, .drained = no_sock,
	.turn_end = nothing, .turn_over = nothing };

/* n sockets are readable in one turn. */
static void
serve(size_t n)
{
	int pair[2];

	f = (struct fixture){ .base = event_base_new(), .n = n };
	f.transport = transport_new(f.base, &ops);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		sock_init(&f.socks[i], f.transport, pair[0]);
		f.peers[i] = pair[1];
		assert_int_equal(send(pair[1], "x", 1, 0), 1);
	}
	while (f.n_inputs < n)
		assert_int_equal(event_base_loop(f.base, EVLOOP_ONCE), 0);
	assert_int_equal(count_answered(), n);
	for (size_t i = 0; i < n; i++) {
		sock_done(&f.socks[i]);
		close(f.peers[i]);
	}
	transport_free(f.transport);
	event_base_free(f.base);
}

static void
test_few_one_by_one(void **state)
{
	(void)state;
	serve(TRANSPORT_FEW);
	for (size_t i = 0; i < TRANSPORT_FEW; i++)
		assert_int_equal(f.answered[i], i);
}

static void
test_many_at_the_end(void **state)
{
	(void)state;
	serve(TRANSPORT_FEW + 1);
	for (size_t i = 0; i <= TRANSPORT_FEW; i++)
		assert_int_equal(f.answered[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_one_by_one),
		cmocka_unit_test(test_many_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
