/* SPDX-License-Identifier: MIT */
/* Connection limits over several workers' cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/limits.h"

static const uint64_t key[2] = { 0x1234567890abcdefu, 0xfedcba0987654321u };

/* Two workers that see each other's cell, as mappings that can be closed. */
struct pair {
	struct metrics *a, *b;
	struct limits of_a, of_b;
};

/* A worker's own mapping, and the one a peer has of it. */
static struct metrics *
cell(const struct metrics **peer_out)
{
	struct err err;
	int fd, ro_fd;
	const struct metrics *master = metrics_create(&fd, &ro_fd, &err);
	struct metrics *own;

	assert_non_null(master);
	metrics_unmap(master);
	own = metrics_map_own(fd, &err);
	*peer_out = metrics_map_peer(ro_fd, &err);
	close(fd);
	close(ro_fd);
	return own;
}

static void
pair_init(struct pair *p)
{
	const struct metrics *a, *b;

	p->a = cell(&a);
	p->b = cell(&b);
	limits_init(&p->of_a, p->a, key);
	limits_init(&p->of_b, p->b, key);
	limits_set_peer(&p->of_a, 1, b);
	limits_set_peer(&p->of_b, 0, a);
}

static void
pair_done(struct pair *p)
{
	limits_done(&p->of_a);
	limits_done(&p->of_b);
	metrics_unmap(p->a);
	metrics_unmap(p->b);
}

static struct limits_place
place(const struct limits *limits, const char *text)
{
	struct limits_place place;
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr, NULL), 0);
	limits_place(limits, &addr, &place);
	return place;
}

static void
none_by_default(void **state)
{
	struct config_daemon config = { .max_connections = 0 };
	struct pair p;
	struct limits_place x;

	(void)state;
	pair_init(&p);
	x = place(&p.of_a, "192.0.2.1:1");
	for (int i = 0; i < 1000; i++)
		limits_count(&p.of_a, &x, 1);
	assert_null(limits_reached(&p.of_a, &config, &x));
	pair_done(&p);
}

static void
per_address_over_all_workers(void **state)
{
	struct config_daemon config = { .max_connections_per_address = 3 };
	struct pair p;
	struct limits_place x, other;

	(void)state;
	pair_init(&p);
	x = place(&p.of_a, "192.0.2.1:1000");
	other = place(&p.of_a, "192.0.2.2:1000");
	limits_count(&p.of_a, &x, 1);
	limits_count(&p.of_b, &x, 1);
	assert_null(limits_reached(&p.of_a, &config, &x));
	limits_count(&p.of_b, &x, 1);
	assert_string_equal(limits_reached(&p.of_a, &config, &x),
	    "max_connections_per_address");
	assert_string_equal(limits_reached(&p.of_b, &config, &x),
	    "max_connections_per_address");
	assert_null(limits_reached(&p.of_a, &config, &other));
	limits_count(&p.of_b, &x, -1);
	assert_null(limits_reached(&p.of_a, &config, &x));
	pair_done(&p);
}

static void
in_all_and_per_worker(void **state)
{
	struct config_daemon all = { .max_connections = 4 };
	struct config_daemon one = { .max_connections_per_worker = 3 };
	struct pair p;
	struct limits_place x;

	(void)state;
	pair_init(&p);
	x = place(&p.of_a, "192.0.2.1:1");
	for (int i = 0; i < 3; i++)
		limits_count(&p.of_a, &x, 1);
	assert_null(limits_reached(&p.of_b, &all, &x));
	assert_string_equal(limits_reached(&p.of_a, &one, &x),
	    "max_connections_per_worker");
	assert_null(limits_reached(&p.of_b, &one, &x));
	limits_count(&p.of_b, &x, 1);
	assert_string_equal(limits_reached(&p.of_b, &all, &x),
	    "max_connections");
	pair_done(&p);
}

/* One IPv6 client has a whole /64; a v4-mapped address is the v4 one. */
static void
who_is_one_client(void **state)
{
	struct pair p;
	struct limits_place a, b;

	(void)state;
	pair_init(&p);
	a = place(&p.of_a, "[2001:db8:1:2::1]:5");
	b = place(&p.of_a, "[2001:db8:1:2:ffff::9]:6");
	assert_memory_equal(&a, &b, sizeof(a));
	b = place(&p.of_a, "[2001:db8:1:3::1]:5");
	assert_memory_not_equal(&a, &b, sizeof(a));
	a = place(&p.of_a, "192.0.2.1:5");
	b = place(&p.of_a, "[::ffff:192.0.2.1]:6");
	assert_memory_equal(&a, &b, sizeof(a));
	pair_done(&p);
}

/* They have no address: only the limits of all count. */
static void
clients_of_unix_sockets(void **state)
{
	struct config_daemon config = { .max_connections_per_address = 1,
		.max_connections = 3 };
	struct pair p;
	struct limits_place x;
	struct addr addr;

	(void)state;
	pair_init(&p);
	memset(&addr, 0, sizeof(addr));
	addr.sa.sa_family = AF_UNIX;
	limits_place(&p.of_a, &addr, &x);
	for (int i = 0; i < 2; i++)
		limits_count(&p.of_a, &x, 1);
	assert_null(limits_reached(&p.of_a, &config, &x));
	limits_count(&p.of_a, &x, 1);
	assert_string_equal(limits_reached(&p.of_a, &config, &x),
	    "max_connections");
	pair_done(&p);
}

/* A slot's new worker brings a new cell; the dead one's count is gone. */
static void
a_new_cell_replaces_the_old(void **state)
{
	struct config_daemon config = { .max_connections = 2 };
	struct pair p;
	struct limits_place x;
	const struct metrics *peer;
	struct metrics *fresh;

	(void)state;
	pair_init(&p);
	x = place(&p.of_a, "192.0.2.1:1");
	limits_count(&p.of_b, &x, 1);
	limits_count(&p.of_b, &x, 1);
	assert_non_null(limits_reached(&p.of_a, &config, &x));
	fresh = cell(&peer);
	limits_set_peer(&p.of_a, 1, peer);
	assert_null(limits_reached(&p.of_a, &config, &x));
	metrics_unmap(fresh);
	pair_done(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_by_default),
		cmocka_unit_test(per_address_over_all_workers),
		cmocka_unit_test(in_all_and_per_worker),
		cmocka_unit_test(who_is_one_client),
		cmocka_unit_test(clients_of_unix_sockets),
		cmocka_unit_test(a_new_cell_replaces_the_old),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
