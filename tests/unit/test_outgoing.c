/* SPDX-License-Identifier: MIT */
/* worker/outgoing: what waits for the end of the turn comes out in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/count.h"
#include "worker/outgoing.h"

static bool
put(struct outgoing *o, struct outgoing_queue *q, const char *head,
    const char *data)
{
	return outgoing_put(o, q, head, strlen(head), data, strlen(data));
}

static void
expect(struct outgoing *o, struct outgoing_queue *q, const char *text)
{
	size_t len;
	const uint8_t *piece = outgoing_take(o, q, &len);

	assert_non_null(piece);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(piece, text, len);
}

static void
expect_end(struct outgoing *o, struct outgoing_queue *q)
{
	size_t len;

	assert_null(outgoing_take(o, q, &len));
	assert_int_equal(q->bytes, 0);
	assert_int_equal(q->first, 0);
}

static void
queues_keep_their_order(void **state)
{
	struct outgoing_queue a = { 0 }, b = { 0 };
	struct outgoing o;

	(void)state;
	outgoing_init(&o);
	expect_end(&o, &a);
	/* Odd lengths: the numbers of a piece lie where they may. */
	assert_true(put(&o, &a, "1", "one"));
	assert_true(put(&o, &b, "", "for b"));
	assert_true(put(&o, &a, "22", "two"));
	assert_true(put(&o, &a, "", ""));
	assert_true(put(&o, &b, "x", ""));
	assert_int_equal(a.bytes, 9);
	assert_int_equal(b.bytes, 6);
	expect(&o, &a, "1one");
	expect(&o, &b, "for b");
	expect(&o, &a, "22two");
	expect(&o, &a, "");
	expect_end(&o, &a);
	expect(&o, &b, "x");
	expect_end(&o, &b);
	outgoing_done(&o);
}

/* A broadcast: the bytes are there once. */
static void
the_same_bytes_lie_there_once(void **state)
{
	static char text[100001];
	struct outgoing_queue queues[1000] = { 0 };
	struct outgoing o;
	size_t len;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	outgoing_init(&o);
	for (size_t i = 0; i < COUNT(queues); i++) {
		assert_true(put(&o, &queues[i], "head", text));
		assert_int_equal(queues[i].bytes, 100004);
	}
	assert_true(o.memory.len < 100004 + 16 * COUNT(queues));
	/* As long, and not the same: at either end. */
	text[99999] = 'b';
	assert_true(put(&o, &queues[0], "head", text));
	assert_true(put(&o, &queues[1], "HEAD", text));
	for (size_t i = 0; i < COUNT(queues); i++) {
		const uint8_t *piece = outgoing_take(&o, &queues[i], &len);

		assert_int_equal(len, 100004);
		assert_memory_equal(piece, "headaa", 6);
		assert_int_equal(piece[len - 1], 'a');
	}
	expect_end(&o, &queues[2]);
	assert_memory_equal(outgoing_take(&o, &queues[0], &len), "head", 4);
	assert_memory_equal(outgoing_take(&o, &queues[1], &len), "HEAD", 4);
	outgoing_done(&o);
}

static void
memory_begins_anew_and_can_be_given_back(void **state)
{
	struct outgoing_queue a = { 0 }, b = { 0 };
	struct outgoing o;

	(void)state;
	outgoing_init(&o);
	assert_true(put(&o, &a, "", "gone"));
	assert_true(put(&o, &b, "", "stays"));
	outgoing_trim(&o);
	outgoing_drop(&o, &a);
	expect_end(&o, &a);
	expect(&o, &b, "stays");
	assert_int_equal(o.memory.len, 0);
	outgoing_trim(&o);
	assert_null(o.memory.data);
	/* The same bytes as before are not looked for in what was freed. */
	assert_true(put(&o, &b, "", "stays"));
	expect(&o, &b, "stays");
	expect_end(&o, &b);
	outgoing_done(&o);
}

static void
holds_no_more_than_its_bound(void **state)
{
	static char text[OUTGOING_BYTES_MAX / 4];
	struct outgoing_queue a = { 0 };
	struct outgoing o;
	size_t n = 0;

	(void)state;
	outgoing_init(&o);
	do
		text[0] = (char)n;
	while (outgoing_put(&o, &a, "", 0, text, sizeof(text)) && ++n < 100);
	assert_int_equal(n, 3);
	assert_true(put(&o, &a, "", "a little more"));
	assert_false(outgoing_put(&o, &a, text, SIZE_MAX, text, 2));
	assert_false(outgoing_put(&o, &a, text, 2, text, SIZE_MAX));
	outgoing_drop(&o, &a);
	expect_end(&o, &a);
	outgoing_done(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_keep_their_order),
		cmocka_unit_test(the_same_bytes_lie_there_once),
		cmocka_unit_test(memory_begins_anew_and_can_be_given_back),
		cmocka_unit_test(holds_no_more_than_its_bound),
	};

	return cmocka_run_group_tests_name("outgoing", tests, NULL, NULL);
}
