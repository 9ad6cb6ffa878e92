/* SPDX-License-Identifier: MIT */
/*
 * What the processes say to each other: every message of master, worker and
 * signer in both directions, the bundle that PREPARE carries, and the frame
 * around them.  What a get takes, its put writes again, byte for byte; and
 * with a byte less or more it takes nothing.
 *
 * The first byte says which it is: the place in the table below.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bundle.h"
#include "common/chan.h"
#include "common/count.h"
#include "common/proto.h"
#include "common/proto_connect.h"
#include "common/proto_sign.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/send_fds.h"

#define FRAME_FDS 5		/* more than a channel has room for */

/* A message whose put takes the struct that its get makes. */
#define MESSAGE(name)                                                        \
	static bool                                                          \
	try_##name(struct reader *r, struct buf *again)                      \
	{                                                                    \
		struct proto_##name *m = xmalloc(sizeof(*m));                \
		bool ok = proto_##name##_get(r, m);                          \
                                                                             \
		if (ok)                                                      \
			proto_##name##_put(again, m);                        \
		free(m);                                                     \
		return ok;                                                   \
	}

MESSAGE(hello)
MESSAGE(metrics)
MESSAGE(prepare)
MESSAGE(log)
MESSAGE(listener)
MESSAGE(query)
MESSAGE(answer)
MESSAGE(drain)
MESSAGE(tickets)
MESSAGE(access_log)
MESSAGE(connect)
MESSAGE(connected)
MESSAGE(sign)
MESSAGE(signed)

static bool
try_failed(struct reader *r, struct buf *again)
{
	struct proto_failed *m = xmalloc(sizeof(*m));
	bool ok = proto_failed_get(r, m);

	if (ok)
		proto_failed_put(again, m->text);
	free(m);
	return ok;
}

static bool
try_bundle(struct reader *r, struct buf *again)
{
	struct err err = ERR_INIT;
	struct bundle *b = bundle_get(r, &err);

	ASSERT((b == NULL) == (err.text[0] != '\0'));
	if (b == NULL)
		return false;
	ASSERT(b->n >= 1 && b->n <= BUNDLE_FILES_MAX);
	bundle_put(again, b);
	bundle_free(b);
	return true;
}

/* PEER, PING and PONG, FILE: as their receivers read them. */
static bool
try_peer(struct reader *r, struct buf *again)
{
	buf_put_u32(again, reader_u32(r));
	return reader_end(r);
}

static bool
try_ping(struct reader *r, struct buf *again)
{
	buf_put_u64(again, reader_u64(r));
	return reader_end(r);
}

static bool
try_file(struct reader *r, struct buf *again)
{
	char path[PROTO_PATH_MAX];

	reader_str(r, path, sizeof(path));
	buf_put_str(again, path);
	return reader_end(r);
}

/* What was taken is sent again, and seen as bytes. */
static void
frame_again(const int ends[2], const struct chan_message *m, uint8_t n_fds,
    struct buf *again)
{
	uint8_t *seen = xmalloc(CHAN_PAYLOAD_MAX);
	struct buf payload = BUF_INIT;
	ssize_t n;

	buf_put(&payload, m->payload.data, m->payload.len);
	ASSERT(chan_send(ends[0], m->type, m->generation, &payload, m->fd,
	    NULL) == 0);
	n = recv(ends[1], seen, CHAN_PAYLOAD_MAX, MSG_DONTWAIT);
	ASSERT(n > 0);
	buf_put_u8(again, n_fds);
	buf_put(again, seen, (size_t)n);
	buf_done(&payload);
	free(seen);
}

static int
lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/*
 * The frame: how many descriptors go with it, and its bytes.  What one end of
 * a channel takes the other would have sent so; no descriptor is left open.
 */
static bool
try_frame(struct reader *r, struct buf *again)
{
	uint8_t *room, n_fds = reader_u8(r);
	struct chan_message m = { .fd = -1 };
	struct err err = ERR_INIT;
	int ends[2], got = -1, lowest = lowest_fd();

	if (n_fds > FRAME_FDS)
		return false;
	room = xmalloc(CHAN_PAYLOAD_MAX);
	ASSERT(chan_pair(ends, NULL) == 0);
	/* No bytes would be an end of file. */
	if (r->len > 0 && send_fds(ends[0], r->data, r->len, ends[0],
	    n_fds) >= 0) {
		got = chan_recv(ends[1], room, &m, &err);
		ASSERT(got == 1 || (got == -1 && err.text[0] != '\0'));
	}
	if (got == 1) {
		ASSERT(n_fds <= 1 && (m.fd >= 0) == (n_fds == 1) &&
		    !m.fd_lost && proto_name(m.type)[0] != '\0');
		frame_again(ends, &m, n_fds, again);
	}
	if (m.fd >= 0)
		close(m.fd);
	close(ends[0]);
	close(ends[1]);
	ASSERT(lowest_fd() == lowest);
	free(room);
	return got == 1;
}

static bool (*const gets[])(struct reader *, struct buf *) = {
	try_hello, try_metrics, try_prepare, try_log, try_failed,
	try_listener, try_query, try_answer, try_drain, try_bundle,
	try_tickets, try_access_log, try_connect, try_connected, try_sign,
	try_signed, try_peer, try_ping, try_file, try_frame,
};

static bool
takes(size_t which, const uint8_t *data, size_t len, struct buf *again)
{
	uint8_t *exact = exact_copy(data, len);
	struct reader r = { exact, len, false };
	bool taken;

	buf_clear(again);
	taken = gets[which](&r, again);
	free(exact);
	return taken;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t which = input_u8(&in) % COUNT(gets);
	struct buf again = BUF_INIT, longer = BUF_INIT;

	if (takes(which, in.data, in.len, &again)) {
		ASSERT(again.len == in.len);
		ASSERT(in.len == 0 ||
		    memcmp(again.data, in.data, in.len) == 0);
		ASSERT(in.len == 0 ||
		    !takes(which, in.data, in.len - 1, &again));
		buf_put(&longer, in.data, in.len);
		buf_put_u8(&longer, 0);
		ASSERT(!takes(which, longer.data, longer.len, &again));
	}
	buf_done(&longer);
	buf_done(&again);
	return 0;
}
