/* SPDX-License-Identifier: MIT */
/* master/outbox: a reader that is late gets everything, in order. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/chan.h"
#include "common/proto.h"
#include "master/outbox.h"

static uint8_t room[CHAN_PAYLOAD_MAX];

struct fixture {
	struct event_base *base;
	int fds[2];
	struct outbox box;
	unsigned broken;
};

static void
on_broken(void *arg, const struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	f->broken++;
}

static int
setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .base = event_base_new() };
	if (chan_pair(f.fds, NULL) != 0)
		return -1;
	outbox_init(&f.box, f.base, f.fds[0], on_broken, &f);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	outbox_done(&f->box);
	outbox_done(&f->box);
	event_base_free(f->base);
	close(f->fds[0]);
	if (f->fds[1] >= 0)
		close(f->fds[1]);
	return 0;
}

static int
put(struct fixture *f, uint32_t number, int fd)
{
	struct buf b = BUF_INIT;
	int result;

	buf_put_u32(&b, number);
	result = outbox_send(&f->box, PROTO_FILE, number, &b, fd, NULL);
	buf_done(&b);
	return result;
}

static void
test_order(void **state)
{
	struct fixture *f = *state;
	struct chan_message m;
	uint32_t got = 0;
	struct stat st;
	int null;

	for (uint32_t i = 0; i < 5000; i++) {
		/* The caller may close his at once. */
		null = i % 2 == 0 ? open("/dev/null", O_RDONLY) : -1;
		assert_int_equal(put(f, i, null), 0);
		if (null >= 0)
			close(null);
	}
	assert_true(f->box.n > 1000);
	while (got < 5000) {
		if (chan_recv(f->fds[1], room, &m, NULL) == 0) {
			event_base_loop(f->base, EVLOOP_ONCE);
			continue;
		}
		assert_int_equal(m.generation, got);
		assert_int_equal(reader_u32(&m.payload), got);
		assert_int_equal(m.fd >= 0, got % 2 == 0);
		if (m.fd >= 0) {
			assert_int_equal(fstat(m.fd, &st), 0);
			assert_true(S_ISCHR(st.st_mode));
			close(m.fd);
		}
		got++;
	}
	assert_int_equal(f->box.n, 0);
	assert_int_equal(f->box.bytes, 0);
	assert_int_equal(f->broken, 0);
}

/* One that never reads costs a bounded piece of memory. */
static void
test_bounded(void **state)
{
	struct fixture *f = *state;
	uint32_t sent = 0;

	while (put(f, sent, -1) == 0)
		sent++;
	assert_int_equal(f->box.n, OUTBOX_MESSAGES_MAX);
	assert_true(sent >= OUTBOX_MESSAGES_MAX);
}

static void
test_bounded_bytes(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;

	buf_put(&b, room, sizeof(room));
	while (outbox_send(&f->box, PROTO_ANSWER, 0, &b, -1, NULL) == 0)
		;
	assert_true(f->box.bytes <= OUTBOX_BYTES_MAX + sizeof(room));
	buf_done(&b);
}

/* A peer that is gone is no failure of a send: its end is read elsewhere. */
static void
test_peer_gone(void **state)
{
	struct fixture *f = *state;

	while (f->box.n < 100)
		assert_int_equal(put(f, 1, -1), 0);
	close(f->fds[1]);
	f->fds[1] = -1;
	event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(f->box.n, 0);
	assert_int_equal(put(f, 1, -1), 0);
	assert_int_equal(f->box.n, 0);
	assert_int_equal(f->broken, 0);
}

static void
count_up(void *owner)
{
	++*(int *)owner;
}

static void
count_down(void *owner)
{
	--*(int *)owner;
}

/* Each letter that waits holds on to the owner, until it is sent or dropped. */
static void
test_owned(void **state)
{
	enum { N = 8000 };
	struct fixture *f = *state;
	int holds = 0, fd = open("/dev/null", O_RDONLY | O_CLOEXEC), next;
	struct outbox_owner owner = { &holds, count_up, count_down };
	struct chan_message m;
	int received = 0;

	for (int i = 0; i < N; i++)
		assert_int_equal(outbox_send_owned(&f->box, PROTO_FILE, 1,
		    NULL, fd, &owner, NULL), 0);
	assert_true(holds > 0);
	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(next < fd + 10);
	close(next);
	while (received < N / 2) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		while (chan_recv(f->fds[1], room, &m, NULL) == 1) {
			assert_true(m.fd >= 0);
			close(m.fd);
			received++;
		}
	}
	assert_true(holds < N);
	outbox_done(&f->box);
	assert_int_equal(holds, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
		TEST(test_order),
		TEST(test_owned),
		TEST(test_bounded),
		TEST(test_bounded_bytes),
		TEST(test_peer_gone),
	};

	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
