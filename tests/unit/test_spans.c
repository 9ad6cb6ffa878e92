/* SPDX-License-Identifier: MIT */
/*
 * The spans of small blocks, their inside included: which pages there are is
 * asked from the kernel (mincore), which runs are free from the lists.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "worker/spans.c"

#define MIB ((size_t)1 << 20)
#define SSL_BYTES 7608

static struct spans s;

static int
open_spans(void **state)
{
	(void)state;
	assert_true(spans_init(&s, 64 * MIB));
	return 0;
}

static int
close_spans(void **state)
{
	(void)state;
	spans_done(&s);
	return 0;
}

static size_t
resident_pages(void)
{
	static unsigned char in[64 * MIB / SPANS_PAGE];
	size_t n = 0;

	assert_true(s.bytes <= 64 * MIB);
	assert_int_equal(mincore((void *)s.base, s.bytes, in), 0);
	for (size_t i = 0; i < s.bytes / SPANS_PAGE; i++)
		n += in[i] & 1;
	return n;
}

/* All that is open is one free run: what was split has come together.  Its
   inside is nobody's, whoever frees a block there. */
static void
assert_all_free(void)
{
	struct list *longest = &s.runs[SPANS_PAGES_MAX];
	size_t known = 0;

	for (size_t i = 0; i < SPANS_PAGES_MAX; i++)
		assert_true(list_empty(&s.runs[i]));
	assert_false(list_empty(longest));
	assert_ptr_equal(longest->next, longest->prev);
	assert_int_equal(span_at(longest->next)->first, 1);
	assert_int_equal(span_at(longest->next)->pages, s.pages_open - 1);
	for (uint32_t page = 0; page < s.pages_open; page++)
		known += s.span_of[page] != 0;
	assert_int_equal(known, 2);
}

static void
trim_twice(void)
{
	spans_trim(&s);
	spans_trim(&s);
}

/* ---- classes ---------------------------------------------------------------- */

static void
classes_grow_and_cover(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SPANS_CLASSES; i++) {
		assert_int_equal(class_of(class_size(i)), i);
		assert_int_equal(class_size(i) % (i < TINY_CLASSES ? 8 : 16), 0);
		assert_int_equal(s.classes[i].size, class_size(i));
	}
	for (size_t size = 1; size <= SPANS_BLOCK_MAX; size++) {
		unsigned class = class_of(size);

		assert_true(class < SPANS_CLASSES);
		assert_true(class_size(class) >= size);
		assert_true(class == 0 || class_size(class - 1) < size);
	}
	assert_int_equal(class_of(0), 0);
	assert_int_equal(class_size(0), 8);
	assert_int_equal(class_size(class_of(SSL_BYTES)), SSL_BYTES + 8);
	assert_int_equal(class_size(SPANS_CLASSES - 1), SPANS_BLOCK_MAX);
}

static void
a_span_wastes_little(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SPANS_CLASSES; i++) {
		struct spans_class *c = &s.classes[i];

		assert_in_range(c->pages, 1, SPANS_PAGES_MAX);
		assert_true(c->blocks >= 1);
		assert_true((size_t)c->blocks * c->size <=
		    c->pages * SPANS_PAGE);
		assert_true(waste(c->size, c->pages) <= (1 << 20) * 3 / 100);
	}
	/* Where it matters: one for each connection. */
	assert_true(waste(SSL_BYTES + 8, s.classes[class_of(SSL_BYTES)].pages) <=
	    (1 << 20) / 180);
}

/* ---- blocks ----------------------------------------------------------------- */

/* Three spans of each class: their blocks are in the region, aligned, and do
   not overlap. */
static void
every_class_gives_blocks(void **state)
{
	static uint8_t *blocks[3 * 8192];

	(void)state;
	for (unsigned i = 0; i < SPANS_CLASSES; i++) {
		size_t n = (size_t)s.classes[i].blocks * 3;
		size_t size = class_size(i);

		assert_true(n <= 3 * 8192);
		for (size_t k = 0; k < n; k++) {
			blocks[k] = spans_alloc(&s, size);
			assert_true(spans_own(&s, blocks[k]));
			assert_true(spans_own(&s, blocks[k] + size - 1));
			/* As the size is. */
			assert_int_equal((uintptr_t)blocks[k] %
			    (size % 16 == 0 ? 16 : 8), 0);
			assert_int_equal(spans_size(&s, blocks[k]), size);
			memset(blocks[k], (int)(k % 251), size);
		}
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(blocks[k][0], k % 251);
			assert_memory_equal(blocks[k], blocks[k] + 1,
			    size - 1);
			spans_free(&s, blocks[k]);
		}
		trim_twice();
		assert_all_free();
	}
}

static void
last_freed_first(void **state)
{
	void *a = spans_alloc(&s, 100), *b = spans_alloc(&s, 100);

	(void)state;
	spans_free(&s, a);
	spans_free(&s, b);
	assert_ptr_equal(spans_alloc(&s, 100), b);
	assert_ptr_equal(spans_alloc(&s, 97), a);
	/* Another size is another span. */
	spans_free(&s, a);
	assert_ptr_not_equal(spans_alloc(&s, 96), a);
}

/* Blocks of a span that was full are taken before those of a fresh one. */
static void
a_full_span_comes_back_first(void **state)
{
	unsigned blocks = s.classes[class_of(500)].blocks;
	uint8_t *first = spans_alloc(&s, 500), *p = first;

	(void)state;
	for (unsigned i = 0; i < blocks; i++)
		p = spans_alloc(&s, 500);
	assert_ptr_not_equal(span_of(&s, first), span_of(&s, p));
	spans_free(&s, first);
	assert_ptr_equal(spans_alloc(&s, 500), first);
	/* The other one is in line behind it. */
	assert_ptr_equal(spans_alloc(&s, 500),
	    p + s.classes[class_of(500)].size);
}

static void
fits_tells_the_class(void **state)
{
	void *p = spans_alloc(&s, 40), *big = spans_alloc(&s, 20000);

	(void)state;
	assert_true(spans_fits(&s, p, 33));
	assert_true(spans_fits(&s, p, 40));
	assert_false(spans_fits(&s, p, 32));
	assert_false(spans_fits(&s, p, 41));
	assert_true(spans_fits(&s, big, 20480));
	assert_false(spans_fits(&s, big, 20481));
	assert_false(spans_fits(&s, big, SPANS_BLOCK_MAX + 1));
	assert_false(spans_fits(&s, big, SIZE_MAX));
}

static void
own_knows_the_region(void **state)
{
	void *p = malloc(100);

	(void)state;
	assert_false(spans_own(&s, NULL));
	assert_false(spans_own(&s, p));
	assert_false(spans_own(&s, &p));
	assert_false(spans_own(&s, (void *)(s.base - 1)));
	assert_true(spans_own(&s, (void *)s.base));
	assert_true(spans_own(&s, (void *)(s.base + s.bytes - 1)));
	assert_false(spans_own(&s, (void *)(s.base + s.bytes)));
	free(p);
}

/* That is less than the region: no guard, nothing that is not open. */
static void
what_can_be_read_is_open(void **state)
{
	char *block = spans_alloc(&s, 40);
	char *end = (char *)s.base + s.pages_open * SPANS_PAGE;

	(void)state;
	assert_true(spans_can_read(&s, block, 1));
	assert_false(spans_can_read(&s, NULL, 0));
	assert_false(spans_can_read(&s, &block, 1));
	assert_false(spans_can_read(&s, (void *)s.base, 1));
	assert_true(spans_can_read(&s, end - 8, 8));
	assert_false(spans_can_read(&s, end - 8, 9));
	assert_false(spans_can_read(&s, end, 1));
	assert_false(spans_can_read(&s, block, SIZE_MAX));
}

/* As in a worker whose pool is not installed, which trims all the same. */
static void
what_was_never_set_up_has_nothing_to_trim(void **state)
{
	static struct spans none;

	(void)state;
	spans_trim(&none);
	assert_false(spans_own(&none, &none));
	assert_false(spans_can_read(&none, &none, 1));
}

/* ---- memory ----------------------------------------------------------------- */

static void
only_touched_pages_exist(void **state)
{
	uint8_t *p;

	(void)state;
	assert_int_equal(resident_pages(), 0);
	p = spans_alloc(&s, SSL_BYTES);
	memset(p, 1, SSL_BYTES);
	assert_true(s.classes[class_of(SSL_BYTES)].pages > 3);
	assert_in_range(resident_pages(), 2, 3);
}

/* Clients come and go: one of each hundred stays. */
static void
trim_gives_pages_back(void **state)
{
	enum { N = 3000 };
	static uint8_t *blocks[N];
	size_t full;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		blocks[i] = spans_alloc(&s, SSL_BYTES);
		memset(blocks[i], (int)(i % 251), SSL_BYTES);
	}
	full = resident_pages();
	assert_true(full >= (size_t)N * SSL_BYTES / SPANS_PAGE);
	for (size_t i = 0; i < N; i++)
		if (i % 100 != 7)
			spans_free(&s, blocks[i]);
	assert_int_equal(resident_pages(), full);
	spans_trim(&s);		/* begins to watch */
	assert_int_equal(resident_pages(), full);
	spans_trim(&s);
	assert_true(resident_pages() <=
	    (size_t)N / 100 * s.classes[class_of(SSL_BYTES)].pages);
	for (size_t i = 7; i < N; i += 100) {
		assert_int_equal(blocks[i][0], i % 251);
		assert_memory_equal(blocks[i], blocks[i] + 1, SSL_BYTES - 1);
		spans_free(&s, blocks[i]);
	}
	trim_twice();
	assert_int_equal(resident_pages(), 0);
	assert_all_free();
}

static void
trim_leaves_what_is_used(void **state)
{
	void *p = spans_alloc(&s, 17000);
	size_t before;

	(void)state;
	memset(p, 1, 17000);
	spans_free(&s, p);
	before = resident_pages();
	/* A buffer that every message takes is idle whenever one looks. */
	for (int i = 0; i < 5; i++) {
		spans_trim(&s);
		assert_ptr_equal(spans_alloc(&s, 17000), p);
		spans_free(&s, p);
		assert_int_equal(resident_pages(), before);
	}
	trim_twice();
	assert_int_equal(resident_pages(), 0);
}

/* An empty span is taken again before there is a new one. */
static void
idle_spans_come_first(void **state)
{
	enum { N = 2000 };
	static void *blocks[N];
	uint32_t n_all;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < N; i++)
			blocks[i] = spans_alloc(&s, 700);
		if (round == 0)
			n_all = s.n_all;
		assert_int_equal(s.n_all, n_all);
		for (size_t i = 0; i < N; i++)
			spans_free(&s, blocks[i]);
		spans_trim(&s);
	}
}

static void
pages_change_their_class(void **state)
{
	enum { N = 20000 };
	static void *blocks[N];
	uint32_t open = 0;

	(void)state;
	for (size_t size = 1000; size >= 500; size -= 100) {
		for (size_t i = 0; i < N; i++)
			blocks[i] = spans_alloc(&s, size);
		if (open == 0)
			open = s.pages_open;
		assert_int_equal(s.pages_open, open);
		/* Every other first: neighbours join over several trims. */
		for (size_t start = 0; start < 2; start++) {
			for (size_t i = start; i < N; i += 2)
				spans_free(&s, blocks[i]);
			trim_twice();
		}
		assert_all_free();
	}
}

/* ... and what was in use before is, before what never was. */
static void
holes_come_before_the_end(void **state)
{
	enum { N = 400 };
	static void *blocks[N];

	(void)state;
	/* Two holes, of which the second joins the end. */
	for (size_t i = 0; i < N; i++) {
		if (i == N / 2)
			memset(spans_alloc(&s, 16), 1, 16);
		blocks[i] = spans_alloc(&s, i < N / 2 ? 8192 : 7000);
		memset(blocks[i], 1, 7000);
	}
	for (size_t half = 0; half < 2; half++) {
		for (size_t i = half * N / 2; i < (half + 1) * N / 2; i++)
			spans_free(&s, blocks[i]);
		trim_twice();
	}
	assert_int_equal(resident_pages(), 1);
	for (size_t i = 0; i < N / 4; i++)
		assert_true((uintptr_t)spans_alloc(&s, 8192) <
		    s.base + N / 2 * 8192);
}

/* ---- the end of it ---------------------------------------------------------- */

static void
exhausted_says_so(void **state)
{
	struct spans_block *blocks = NULL, *b;
	size_t n = 0;

	(void)state;
	while ((b = spans_alloc(&s, 4000)) != NULL) {
		memset(b, 0xff, 4000);
		b->next = blocks;
		blocks = b;
		n++;
	}
	assert_true(n > 60 * MIB / 4032 && n < 64 * MIB / 4000);
	assert_null(spans_alloc(&s, 4000));
	assert_null(spans_alloc(&s, SPANS_BLOCK_MAX));
	b = blocks->next;
	spans_free(&s, blocks);
	assert_ptr_equal(spans_alloc(&s, 4000), blocks);
	blocks->next = b;
	while ((b = blocks) != NULL) {
		blocks = b->next;
		spans_free(&s, b);
	}
	trim_twice();
	assert_all_free();
	assert_non_null(spans_alloc(&s, SPANS_BLOCK_MAX));
}

static void
refused_is_empty(void **state)
{
	struct spans none;
	int here;

	(void)state;
	assert_false(spans_init(&none, (size_t)1 << 56));
	assert_null(spans_alloc(&none, 1));
	assert_null(spans_alloc(&none, SPANS_BLOCK_MAX));
	assert_false(spans_own(&none, NULL));
	assert_false(spans_own(&none, &here));
	spans_trim(&none);
	spans_done(&none);
}

/* A block that is freed again at once, and one whose pages are gone. */
static void
freed_twice_is_the_end(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		void *p = spans_alloc(&s, 200);
		pid_t pid = fork();
		int status;

		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			fclose(stderr);
			spans_free(&s, p);
			if (late)
				trim_twice();
			spans_free(&s, p);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

/* ---- torture ---------------------------------------------------------------- */

struct model {
	uint8_t *p;
	size_t size;
	uint8_t fill;
};

static uint32_t
random_number(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static size_t
random_size(uint32_t *seed)
{
	static const size_t most[] = { 64, 1024, 8192, SPANS_BLOCK_MAX };

	return random_number(seed) % most[random_number(seed) % 4] + 1;
}

static void
check_and_free(struct model *m)
{
	assert_int_equal(m->p[0], m->fill);
	assert_memory_equal(m->p, m->p + 1, m->size - 1);
	spans_free(&s, m->p);
	m->p = NULL;
}

/* Half of the time there come more than go, then the other way round. */
static void
torture(void **state)
{
	enum { N = 4000, TURNS = 200000 };
	static struct model models[N];
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < TURNS; i++) {
		struct model *m = &models[random_number(&seed) % N];
		bool growing = i / 20000 % 2 == 0;

		if (m->p != NULL && (!growing || i % 3 == 0)) {
			check_and_free(m);
		} else if (m->p == NULL && (growing || i % 3 == 0)) {
			m->size = random_size(&seed);
			m->fill = (uint8_t)i;
			m->p = spans_alloc(&s, m->size);
			assert_non_null(m->p);
			memset(m->p, m->fill, m->size);
		}
		if (i % 3000 == 0)
			spans_trim(&s);
	}
	for (int i = 0; i < N; i++)
		if (models[i].p != NULL)
			check_and_free(&models[i]);
	trim_twice();
	assert_all_free();
	assert_int_equal(resident_pages(), 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, open_spans, close_spans)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(classes_grow_and_cover),
		EACH(a_span_wastes_little),
		EACH(every_class_gives_blocks),
		EACH(last_freed_first),
		EACH(a_full_span_comes_back_first),
		EACH(fits_tells_the_class),
		EACH(own_knows_the_region),
		EACH(what_can_be_read_is_open),
		EACH(what_was_never_set_up_has_nothing_to_trim),
		EACH(only_touched_pages_exist),
		EACH(trim_gives_pages_back),
		EACH(trim_leaves_what_is_used),
		EACH(idle_spans_come_first),
		EACH(pages_change_their_class),
		EACH(holes_come_before_the_end),
		EACH(exhausted_says_so),
		EACH(refused_is_empty),
		EACH(freed_twice_is_the_end),
		EACH(torture),
	};

	return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
