/* SPDX-License-Identifier: MIT */
/* common/board and worker/prometheus: the pages and their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "worker/prometheus.h"

static char *
text_of(const struct board_page *page, const char *libraries)
{
	struct buf out = BUF_INIT;

	prometheus_put(&out, page, libraries);
	buf_put_u8(&out, '\0');
	return (char *)out.data;
}

/* Whole lines only. */
static bool
has(const char *text, const char *line)
{
	const char *at = text;
	size_t len = strlen(line);

	while ((at = strstr(at, line)) != NULL) {
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
		at++;
	}
	return false;
}

static void
test_labels_are_escaped(void **state)
{
	struct board_page *page = xcalloc(1, sizeof(*page));
	char *text;

	(void)state;
	strcpy(page->total.routes[0].name, "/a\"b\\c\nd");
	strcpy(page->total.routes[0].handler, "echo");
	page->total.routes[0].messages_in = 7;
	text = text_of(page, "x\"y");
	assert_true(has(text, "wssd_route_messages_received_total{route="
	    "\"/a\\\"b\\\\c\\nd\",handler=\"echo\"} 7"));
	assert_non_null(strstr(text, "libraries=\"x\\\"y\"} 1\n"));
	free(text);
	free(page);
}

/* Of an older config: shown as long as somebody is there. */
static void
test_what_is_gone(void **state)
{
	struct board_page *page = xcalloc(1, sizeof(*page));
	char *text;

	(void)state;
	page->generation = 5;
	strcpy(page->total.routes[0].name, "/old");
	strcpy(page->total.routes[1].name, "/busy");
	strcpy(page->total.routes[2].name, "/new");
	page->total.routes[0].generation = 4;
	page->total.routes[1].generation = 4;
	page->total.routes[1].open = 1;
	page->total.routes[2].generation = 5;
	strcpy(page->total.contexts[0].name, "old");
	page->total.contexts[0].generation = 4;
	text = text_of(page, "");
	assert_null(strstr(text, "/old"));
	assert_null(strstr(text, "context=\"old\""));
	assert_true(has(text,
	    "wssd_route_websockets{route=\"/busy\",handler=\"\"} 1"));
	assert_true(has(text,
	    "wssd_route_websockets{route=\"/new\",handler=\"\"} 0"));
	free(text);
	free(page);
}

static void
test_workers(void **state)
{
	struct board_page *page = xcalloc(1, sizeof(*page));
	char *text;

	(void)state;
	page->n_workers = 2;
	page->workers[1].running = 1;
	page->workers[1].loop_lag_us = 1234567;
	page->workers[1].restarts = 3;
	text = text_of(page, "");
	assert_true(has(text, "wssd_worker_up{worker=\"0\"} 0"));
	assert_true(has(text,
	    "wssd_worker_loop_lag_seconds{worker=\"1\"} 1.234567"));
	assert_true(has(text, "wssd_worker_restarts_total{worker=\"1\"} 3"));
	assert_null(strstr(text, "worker=\"2\""));
	free(text);
	free(page);
}

#define NEXT(member) page->total.member = ++n;

/* Each of them once, also one that has no name of its own. */
static void
test_every_counter_is_shown(void **state)
{
	struct board_page *page = xcalloc(1, sizeof(*page));
	uint64_t n = 1000000;
	char *text, value[32];

	(void)state;
	METRICS_WORKER_COUNTERS(NEXT)
	text = text_of(page, "");
	for (uint64_t i = 1000001; i <= n; i++) {
		const char *at;

		snprintf(value, sizeof(value), " %llu\n",
		    (unsigned long long)i);
		at = strstr(text, value);
		assert_non_null(at);
		assert_null(strstr(at + 1, value));
	}
	free(text);
	free(page);
}

static void
test_board(void **state)
{
	struct board_page *page = xcalloc(1, sizeof(*page));
	const struct board *seen;
	struct board *board;
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	board = board_create(&fd, &err);
	assert_non_null(board);
	seen = board_map(fd, &err);
	assert_non_null(seen);
	/* Nobody but the master writes. */
	assert_ptr_equal(mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_false(board_read(seen, page));
	for (uint64_t i = 1; i <= 3; i++) {
		board_next(board)->total.messages_in = i;
		if (i > 1) {
			assert_true(board_read(seen, page));
			assert_int_equal(page->total.messages_in, i - 1);
		}
		board_publish(board);
		assert_true(board_read(seen, page));
		assert_int_equal(page->total.messages_in, i);
	}
	board_unmap(seen);
	board_unmap(board);
	close(fd);
	free(page);
}

static void
test_no_board(void **state)
{
	struct err err = ERR_INIT;
	int fd = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	assert_null(board_map(fd, &err));
	assert_non_null(strstr(err.text, "not a board"));
	assert_int_equal(ftruncate(fd, sizeof(struct board)), 0);
	assert_null(board_map(fd, &err));
	close(fd);
	assert_null(board_map(fd, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_are_escaped),
		cmocka_unit_test(test_what_is_gone),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_every_counter_is_shown),
		cmocka_unit_test(test_board),
		cmocka_unit_test(test_no_board),
	};

	return cmocka_run_group_tests_name("prometheus", tests, NULL, NULL);
}
