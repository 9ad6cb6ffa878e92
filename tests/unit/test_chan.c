/* SPDX-License-Identifier: MIT */
/* common/chan: what a peer may send, and everything it may not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/chan.h"
#include "common/proto.h"
#include "tests/unit/send_fds.h"

static uint8_t room[CHAN_PAYLOAD_MAX];

struct pair {
	int fds[2];
};

static int
setup(void **state)
{
	static struct pair pair;

	*state = &pair;
	return chan_pair(pair.fds, NULL);
}

static int
teardown(void **state)
{
	struct pair *pair = *state;

	for (int i = 0; i < 2; i++)
		if (pair->fds[i] >= 0)
			close(pair->fds[i]);
	return 0;
}

/* Sends n copies of a descriptor with any bytes, as a hostile peer may. */
static void
send_raw(int fd, const void *data, size_t len, int passed, size_t n)
{
	assert_int_equal(send_fds(fd, data, len, passed, n), (ssize_t)len);
}

static size_t
open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* A well-formed message as bytes, to be broken by the caller. */
static size_t
well_formed(struct pair *pair, uint8_t *out)
{
	struct buf payload = BUF_INIT;
	ssize_t n;

	buf_put_str(&payload, "hello");
	assert_int_equal(chan_send(pair->fds[0], PROTO_PING, 7, &payload, -1,
	    NULL), 0);
	buf_done(&payload);
	n = recv(pair->fds[1], out, 256, 0);
	assert_true(n > 0);
	return (size_t)n;
}

static void
expect_refused(struct pair *pair, const char *why)
{
	struct chan_message m = { .fd = -1 };
	struct err err = ERR_INIT;

	assert_int_equal(chan_recv(pair->fds[1], room, &m, &err), -1);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_int_equal(m.fd, -1);
}

static void
test_message(void **state)
{
	struct pair *pair = *state;
	struct buf payload = BUF_INIT;
	struct chan_message m;
	struct stat sent, got;
	char text[16];
	int null;

	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	buf_put_str(&payload, "hello");
	assert_int_equal(chan_send(pair->fds[0], PROTO_FILE, 42, &payload,
	    null, NULL), 0);
	buf_done(&payload);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(m.type, PROTO_FILE);
	assert_int_equal(m.generation, 42);
	reader_str(&m.payload, text, sizeof(text));
	assert_true(reader_end(&m.payload));
	assert_string_equal(text, "hello");
	assert_int_not_equal(m.fd, null);
	assert_int_equal(fstat(null, &sent), 0);
	assert_int_equal(fstat(m.fd, &got), 0);
	assert_int_equal(sent.st_rdev, got.st_rdev);
	assert_true(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
	close(m.fd);
	close(null);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 0);
}

static void
test_largest(void **state)
{
	struct pair *pair = *state;
	struct buf payload = BUF_INIT;
	struct chan_message m;

	buf_reserve(&payload, CHAN_PAYLOAD_MAX);
	for (size_t i = 0; i < CHAN_PAYLOAD_MAX; i++)
		buf_put_u8(&payload, (uint8_t)(i * 7));
	assert_int_equal(chan_send(pair->fds[0], PROTO_ANSWER, 0, &payload, -1,
	    NULL), 0);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(m.payload.len, CHAN_PAYLOAD_MAX);
	assert_memory_equal(m.payload.data, payload.data, CHAN_PAYLOAD_MAX);
	buf_done(&payload);
}

static void
test_empty_payload(void **state)
{
	struct pair *pair = *state;
	struct chan_message m;

	assert_int_equal(chan_send(pair->fds[0], PROTO_DRAINED, 0, NULL, -1,
	    NULL), 0);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(m.fd, -1);
	assert_true(reader_end(&m.payload));
}

/* EMFILE at the receiver's is no fault of the sender. */
static void
test_no_room_for_a_descriptor(void **state)
{
	struct pair *pair = *state;
	struct rlimit old, tight;
	struct chan_message m;
	int next = dup(0);

	assert_int_equal(chan_send(pair->fds[0], PROTO_CONNECTED, 7, NULL, 0,
	    NULL), 0);
	assert_int_equal(chan_send(pair->fds[0], PROTO_CONNECTED, 8, NULL, 0,
	    NULL), 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(m.generation, 7);
	assert_int_equal(m.fd, -1);
	assert_true(m.fd_lost);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(m.generation, 8);
	assert_true(m.fd >= 0);
	assert_false(m.fd_lost);
	close(m.fd);
}

static void
test_truncated(void **state)
{
	struct pair *pair = *state;
	uint8_t whole[256];
	size_t len = well_formed(pair, whole);

	for (size_t n = 1; n < len; n++) {
		send_raw(pair->fds[0], whole, n, -1, 0);
		expect_refused(pair, "the peer sent");
	}
	whole[len] = 'x';
	send_raw(pair->fds[0], whole, len + 1, -1, 0);
	expect_refused(pair, "the peer sent");
}

static void
test_wrong_head(void **state)
{
	static const struct {
		size_t offset;
		const char *why;
	} rows[] = {
		{ offsetof(struct chan_head, magic), "magic" },
		{ offsetof(struct chan_head, version), "protocol version" },
		{ offsetof(struct chan_head, length), "bytes as" },
	};
	struct pair *pair = *state;
	uint8_t whole[256], broken[256];
	size_t len = well_formed(pair, whole);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(broken, whole, len);
		broken[rows[i].offset] ^= 0x40;
		send_raw(pair->fds[0], broken, len, -1, 0);
		expect_refused(pair, rows[i].why);
	}
}

static void
test_oversize(void **state)
{
	static uint8_t big[sizeof(struct chan_head) + CHAN_PAYLOAD_MAX + 1];
	struct pair *pair = *state;
	size_t len = well_formed(pair, big), before = open_fds();

	assert_true(len > 0);
	send_raw(pair->fds[0], big, sizeof(big), 0, 1);
	expect_refused(pair, "too long");
	assert_int_equal(open_fds(), before);
}

/* None of the descriptors stays open here. */
static void
test_too_many_fds(void **state)
{
	struct pair *pair = *state;
	uint8_t whole[256];
	size_t len = well_formed(pair, whole), before = open_fds();

	for (size_t n = 2; n <= 16; n++) {
		send_raw(pair->fds[0], whole, len, STDIN_FILENO, n);
		expect_refused(pair, "descriptor");
		assert_int_equal(open_fds(), before);
	}
}

static void
test_fd_with_bad_bytes(void **state)
{
	struct pair *pair = *state;
	size_t before = open_fds();

	send_raw(pair->fds[0], "junk", 4, STDIN_FILENO, 1);
	expect_refused(pair, "not a message");
	assert_int_equal(open_fds(), before);
}

/* How a crash looks: with what it had not read yet, the kernel says reset. */
static void
test_peer_gone_with_messages_unread(void **state)
{
	struct pair *pair = *state;
	struct chan_message m;

	assert_int_equal(chan_send(pair->fds[1], PROTO_PING, 0, NULL, -1,
	    NULL), 0);
	assert_int_equal(chan_send(pair->fds[0], PROTO_PONG, 0, NULL, -1,
	    NULL), 0);
	close(pair->fds[0]);
	pair->fds[0] = -1;
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), CHAN_GONE);
}

static void
test_peer_gone(void **state)
{
	struct pair *pair = *state;
	struct chan_message m;

	/* What was said before the end is still heard. */
	assert_int_equal(chan_send(pair->fds[0], PROTO_PING, 0, NULL, -1,
	    NULL), 0);
	close(pair->fds[0]);
	pair->fds[0] = -1;
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), 1);
	assert_int_equal(chan_recv(pair->fds[1], room, &m, NULL), CHAN_GONE);
	assert_int_equal(chan_send(pair->fds[1], PROTO_PONG, 0, NULL, -1,
	    NULL), -1);
	assert_int_equal(errno, EPIPE);
}

static void
test_full_queue(void **state)
{
	struct pair *pair = *state;
	struct err err = ERR_INIT;
	int sent = 0;

	while (chan_send(pair->fds[0], PROTO_PING, 0, NULL, -1, &err) == 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_non_null(strstr(err.text, "cannot send PING"));
	assert_true(sent > 100);
}

static void
test_what_is_one(void **state)
{
	struct pair *pair = *state;
	int other[2];

	assert_true(chan_is_one(pair->fds[0]));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	assert_false(chan_is_one(other[0]));
	close(other[0]);
	close(other[1]);
	assert_false(chan_is_one(other[0]));
	assert_int_equal(pipe(other), 0);
	assert_false(chan_is_one(other[0]));
	close(other[0]);
	close(other[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_message),
		TEST(test_what_is_one),
		TEST(test_largest),
		TEST(test_empty_payload),
		TEST(test_no_room_for_a_descriptor),
		TEST(test_truncated),
		TEST(test_wrong_head),
		TEST(test_oversize),
		TEST(test_too_many_fds),
		TEST(test_fd_with_bad_bytes),
		TEST(test_peer_gone),
		TEST(test_peer_gone_with_messages_unread),
		TEST(test_full_queue),
	};

	return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
