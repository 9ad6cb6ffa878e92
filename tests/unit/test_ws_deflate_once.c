/* SPDX-License-Identifier: MIT */
/* worker/ws_deflate: what is compressed once for all members of a broadcast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/ws_deflate_params.h"

static const uint8_t *
deflated(struct ws_deflate *d, const void *data, size_t len, size_t *len_out)
{
	const uint8_t *small;

	assert_true(ws_deflate(d, data, len, &small, len_out));
	return small;
}

/* Members without context takeover share one compression of a message. */
static void
test_once_for_all(void **state)
{
	static uint8_t data[5000], large[(1 << 20) + 1];
	struct ws_deflate_pool pool = { .idle = NULL };
	struct ws_deflate_params narrow = shared;
	struct ws_deflate *a = ws_deflate_new(&pool, &shared);
	struct ws_deflate *b = ws_deflate_new(&pool, &shared);
	struct ws_deflate *c, *d = ws_deflate_new(&pool, &own);
	size_t n, first;
	uint8_t mark;

	(void)state;
	narrow.server_bits = 9;
	c = ws_deflate_new(&pool, &narrow);
	memset(data, 'a', sizeof(data));
	deflated(a, data, sizeof(data), &first);
	/* A mark that another compression would wipe away. */
	pool.alone.packed.data[0] ^= 0xff;
	assert_ptr_equal(deflated(b, data, sizeof(data), &n),
	    pool.alone.packed.data);
	assert_int_equal(n, first);
	pool.alone.packed.data[0] ^= 0xff;
	/* What has a history goes its own way, and takes nothing away. */
	assert_ptr_not_equal(deflated(d, data, sizeof(data), &n),
	    pool.alone.packed.data);
	mark = pool.alone.packed.data[0] ^= 0xff;
	assert_int_equal(deflated(a, data, sizeof(data), &n)[0], mark);
	/* Another window; one byte less; another byte. */
	pool.alone.packed.data[0] = 0xff;
	assert_int_not_equal(deflated(c, data, sizeof(data), &n)[0], 0xff);
	pool.alone.packed.data[0] = 0xff;
	assert_int_not_equal(deflated(c, data, sizeof(data) - 1, &n)[0],
	    0xff);
	data[0] = 'b';
	pool.alone.packed.data[0] = 0xff;
	assert_int_not_equal(deflated(c, data, sizeof(data) - 1, &n)[0],
	    0xff);
	/* Too much to be kept, and nothing is kept behind a trim. */
	deflated(a, large, sizeof(large), &n);
	assert_int_equal(pool.alone.plain.len, sizeof(data) - 1);
	ws_deflate_pool_trim(&pool);
	assert_null(pool.alone.packed.data);
	deflated(c, data, sizeof(data) - 1, &n);
	ws_deflate_free(a);
	ws_deflate_free(b);
	ws_deflate_free(c);
	ws_deflate_free(d);
	ws_deflate_pool_done(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_for_all),
	};

	return cmocka_run_group_tests_name("ws_deflate_once", tests, NULL,
	    NULL);
}
