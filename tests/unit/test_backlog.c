/* SPDX-License-Identifier: MIT */
/* worker/backlog: what waits for the kernel keeps its order and its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/feed.h"
#include "worker/backlog.h"

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/*
 * Bytes that count up go in at one end and out at the other, in pieces of any
 * size; what is gone is not kept for ever.
 */
static void
test_order(void **state)
{
	struct event_base *base = event_base_new();
	struct backlog *b;
	uint8_t in = 0, out = 0, piece[1000];
	uint64_t seed = 7;
	size_t wait, n;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(backlog_len(NULL), 0);
	b = backlog_new(base, ends[1], on_writable, NULL, &in, 1);
	in++;
	for (int turn = 0; turn < 5000; turn++) {
		n = feed_random(&seed) % sizeof(piece);
		for (size_t i = 0; i < n; i++)
			piece[i] = in++;
		wait = backlog_len(b);
		backlog_put(b, piece, n);
		assert_int_equal(backlog_len(b), wait + n);
		/* More than came, so that there are never many. */
		n = feed_random(&seed) % (2 * sizeof(piece));
		if (n > backlog_len(b))
			n = backlog_len(b);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(((uint8_t *)backlog_data(b))[i],
			    out++);
		backlog_drop(b, n);
	}
	assert_true(b->data.room < 100 * sizeof(piece));
	backlog_free(b);
	backlog_free(NULL);
	close(ends[0]);
	close(ends[1]);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
