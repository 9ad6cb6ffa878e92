/* SPDX-License-Identifier: MIT */
/* The timing wheel: nothing too early, nothing more than a tick late. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "worker/wheel.h"

#define START_MS 123456789u

struct probe {
	struct wheel_entry entry;
	uint64_t fired_ms;
	unsigned fired;
	uint64_t again_ms;	/* sets itself once more, if not 0 */
	struct wheel_entry *clears;
};

struct clock {
	struct wheel wheel;
	uint64_t now_ms;
};

static void
on_due(struct wheel_entry *entry, void *arg)
{
	struct probe *p = LIST_ITEM(entry, struct probe, entry);
	struct clock *c = arg;

	p->fired++;
	p->fired_ms = c->now_ms;
	if (p->again_ms != 0) {
		wheel_set(&c->wheel, entry, p->again_ms);
		p->again_ms = 0;
	}
	if (p->clears != NULL)
		wheel_clear(p->clears);
}

static void
run_until(struct clock *c, uint64_t end_ms, uint64_t step_ms)
{
	while (c->now_ms < end_ms) {
		c->now_ms += step_ms;
		assert_false(wheel_advance(&c->wheel, c->now_ms, UINT_MAX,
		    on_due, c));
	}
}

static void
start(struct clock *c)
{
	c->now_ms = START_MS;
	wheel_init(&c->wheel, c->now_ms);
}

static void
fires_in_time(void **state)
{
	static const uint64_t after[] = {
		0, 1, 99, 100, 101, 1000, 30000, 102399, 102400, 102401,
		600000, 3600000,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		struct probe p = { .fired = 0 };
		struct clock c;

		start(&c);
		wheel_entry_init(&p.entry);
		wheel_set(&c.wheel, &p.entry, START_MS + after[i]);
		run_until(&c, START_MS + after[i] + 1000, 100);
		assert_int_equal(p.fired, 1);
		assert_true(p.fired_ms >= START_MS + after[i]);
		assert_true(p.fired_ms <= START_MS + after[i] + 200);
	}
}

static void
moved_and_cleared(void **state)
{
	struct probe moved = { .fired = 0 }, cleared = { .fired = 0 };
	struct clock c;

	(void)state;
	start(&c);
	wheel_entry_init(&moved.entry);
	wheel_entry_init(&cleared.entry);
	wheel_set(&c.wheel, &moved.entry, START_MS + 500);
	wheel_set(&c.wheel, &moved.entry, START_MS + 5000);
	wheel_set(&c.wheel, &cleared.entry, START_MS + 500);
	wheel_clear(&cleared.entry);
	wheel_clear(&cleared.entry);
	run_until(&c, START_MS + 4000, 100);
	assert_int_equal(moved.fired, 0);
	run_until(&c, START_MS + 6000, 100);
	assert_int_equal(moved.fired, 1);
	assert_int_equal(cleared.fired, 0);
}

static void
set_and_cleared_while_firing(void **state)
{
	struct probe a = { .fired = 0 }, b = { .fired = 0 };
	struct clock c;

	(void)state;
	start(&c);
	wheel_entry_init(&a.entry);
	wheel_entry_init(&b.entry);
	/* a comes first, clears b of the same tick, and sets itself. */
	a.clears = &b.entry;
	a.again_ms = START_MS + 2000;
	wheel_set(&c.wheel, &a.entry, START_MS + 300);
	wheel_set(&c.wheel, &b.entry, START_MS + 301);
	run_until(&c, START_MS + 1000, 100);
	assert_int_equal(a.fired, 1);
	run_until(&c, START_MS + 3000, 100);
	assert_int_equal(a.fired, 2);
	assert_int_equal(b.fired, 0);
}

static void
after_a_long_sleep(void **state)
{
	struct probe p[50];
	struct clock c;

	(void)state;
	start(&c);
	for (unsigned i = 0; i < 50; i++) {
		p[i] = (struct probe){ .fired = 0 };
		wheel_entry_init(&p[i].entry);
		wheel_set(&c.wheel, &p[i].entry, START_MS + i * 4000);
	}
	/* The process was stopped for an hour. */
	c.now_ms = START_MS + 3600000;
	wheel_advance(&c.wheel, c.now_ms, UINT_MAX, on_due, &c);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(p[i].fired, 1);
}

/* A few at a time, and what is cleared meanwhile does not fire. */
static void
no_more_than_asked_for(void **state)
{
	struct probe p[40];
	struct clock c;
	unsigned calls = 1, fired = 0;

	(void)state;
	start(&c);
	for (unsigned i = 0; i < 40; i++) {
		p[i] = (struct probe){ .fired = 0 };
		wheel_entry_init(&p[i].entry);
		wheel_set(&c.wheel, &p[i].entry, START_MS);
	}
	p[0].again_ms = START_MS;
	p[1].clears = &p[39].entry;
	c.now_ms += 200;
	for (; wheel_advance(&c.wheel, c.now_ms, 8, on_due, &c); calls++) {
		unsigned now = 0;

		for (unsigned i = 0; i < 40; i++)
			now += p[i].fired;
		assert_int_equal(now - fired, 8);
		fired = now;
	}
	assert_int_equal(calls, 5);
	assert_int_equal(p[39].fired, 0);
	for (unsigned i = 0; i < 39; i++)
		assert_int_equal(p[i].fired, 1);
	/* What was set while it fired comes with the next tick. */
	run_until(&c, c.now_ms + 200, 100);
	assert_int_equal(p[0].fired, 2);
}

static void
many_at_random(void **state)
{
	enum { N = 2000 };
	struct probe *p = calloc(N, sizeof(*p));
	struct clock c;

	(void)state;
	start(&c);
	srand(7);
	for (unsigned i = 0; i < N; i++) {
		wheel_entry_init(&p[i].entry);
		wheel_set(&c.wheel, &p[i].entry,
		    START_MS + (unsigned)rand() % 300000);
	}
	run_until(&c, START_MS + 301000, 70);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(p[i].fired, 1);
		assert_true(p[i].fired_ms >= p[i].entry.due_ms);
		assert_true(p[i].fired_ms <= p[i].entry.due_ms + 200);
	}
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_in_time),
		cmocka_unit_test(moved_and_cleared),
		cmocka_unit_test(set_and_cleared_while_firing),
		cmocka_unit_test(after_a_long_sleep),
		cmocka_unit_test(no_more_than_asked_for),
		cmocka_unit_test(many_at_random),
	};

	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
