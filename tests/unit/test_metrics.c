/* SPDX-License-Identifier: MIT */
/* common/metrics: a cell is shared, cannot shrink, and is checked. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/metrics.h"

static void
test_shared(void **state)
{
	const struct metrics *seen, *peer;
	struct metrics *own;
	int fd, ro_fd;

	(void)state;
	seen = metrics_create(&fd, &ro_fd, NULL);
	assert_non_null(seen);
	own = metrics_map_own(fd, NULL);
	assert_non_null(own);
	peer = metrics_map_peer(ro_fd, NULL);
	assert_non_null(peer);
	metrics_add(&own->accepted, 3);
	metrics_add(&own->open, 2);
	metrics_add(&own->open, -1);
	assert_int_equal(metrics_get(&seen->accepted), 3);
	assert_int_equal(metrics_get(&peer->open), 1);
	metrics_unmap(own);

	/* The next owner goes on with the counters, not with the gauges. */
	own = metrics_map_own(fd, NULL);
	assert_non_null(own);
	assert_int_equal(metrics_get(&peer->accepted), 3);
	assert_int_equal(metrics_get(&peer->open), 0);
	metrics_unmap(own);
	metrics_unmap(seen);
	metrics_unmap(peer);
	metrics_unmap(NULL);
	close(fd);
	close(ro_fd);
}

static void
test_all_gauges_reset(void **state)
{
	const struct metrics *seen;
	struct metrics *own;
	int fd, ro_fd;

	(void)state;
	seen = metrics_create(&fd, &ro_fd, NULL);
	assert_non_null(seen);
	own = metrics_map_own(fd, NULL);
	assert_non_null(own);
	own->running_route = 5;
	own->connections = own->open = own->loop_lag_us = 1;
	own->generation = own->draining = 1;
	own->listens[METRICS_LISTENS - 1].open = 1;
	own->routes[METRICS_ROUTES - 1].open = 1;
	own->addresses[1][METRICS_ADDRESS_BUCKETS - 1] = 1;
	own->listens[0].accepted = 11;
	metrics_unmap(own);
	own = metrics_map_own(fd, NULL);
	assert_non_null(own);
	assert_int_equal(seen->running_route, 0);
	assert_int_equal(seen->connections + seen->open + seen->loop_lag_us +
	    seen->generation + seen->draining, 0);
	assert_int_equal(seen->listens[METRICS_LISTENS - 1].open, 0);
	assert_int_equal(seen->routes[METRICS_ROUTES - 1].open, 0);
	assert_int_equal(seen->addresses[1][METRICS_ADDRESS_BUCKETS - 1], 0);
	assert_int_equal(seen->listens[0].accepted, 11);
	metrics_unmap(own);
	metrics_unmap(seen);
	close(fd);
	close(ro_fd);
}

/* A worker cannot make the master's reading fail (SIGBUS). */
static void
test_cannot_be_resized(void **state)
{
	const struct metrics *seen;
	int fd, ro_fd;

	(void)state;
	seen = metrics_create(&fd, &ro_fd, NULL);
	assert_non_null(seen);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, sizeof(struct metrics) * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
	    ro_fd, 0) == MAP_FAILED);
	assert_int_equal(write(ro_fd, "x", 1), -1);
	assert_null(metrics_map_own(ro_fd, NULL));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(ro_fd, F_GETFD) & FD_CLOEXEC);
	metrics_unmap(seen);
	close(fd);
	close(ro_fd);
}

static void
expect_refused(int fd, const char *why)
{
	struct err err = ERR_INIT;

	assert_null(metrics_map_peer(fd, &err));
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_null(metrics_map_own(fd, NULL));
}

static void
test_refused(void **state)
{
	uint32_t head[2] = { METRICS_MAGIC, sizeof(struct metrics) - 8 };
	int fd, pipefd[2];

	(void)state;
	expect_refused(-1, "not a metrics cell");
	assert_int_equal(pipe(pipefd), 0);
	expect_refused(pipefd[0], "not a metrics cell");
	close(pipefd[0]);
	close(pipefd[1]);

	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, sizeof(struct metrics)), 0);
	expect_refused(fd, "not a metrics cell");	/* can shrink */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	expect_refused(fd, "another version");		/* no magic */
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	expect_refused(fd, "another version");		/* its size */
	assert_int_equal(ftruncate(fd, sizeof(struct metrics) + 1), 0);
	expect_refused(fd, "not a metrics cell");	/* the file's size */
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_all_gauges_reset),
		cmocka_unit_test(test_cannot_be_resized),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
