/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: frames one message in one call.  A received
 * descriptor never leaks: it is handed to the caller or closed here.
 */
#include "common/chan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/proto.h"

#define CHAN_MAGIC 0x77737363u
#define QUEUE_BYTES (1 << 20)

/* More than the one that is allowed: what came too much must be closed. */
#define FDS_ROOM 4

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
};

/* The kernel's default holds some 200 small messages; more is a luxury. */
static void
enlarge_queue(int fd)
{
	int bytes = QUEUE_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes,
	    sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
		    sizeof(bytes));
}

int
chan_pair(int fds_out[2], struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, fds) != 0)
		return err_set_errno(err, "cannot make a channel");
	enlarge_queue(fds[0]);
	enlarge_queue(fds[1]);
	fds_out[0] = fds[0];
	fds_out[1] = fds[1];
	return 0;
}

static void
attach_fd(struct msghdr *msg, union control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
}

bool
chan_is_one(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

/*
 * Most messages have no descriptor, and a worker's never: so the sandbox needs
 * no sendmsg(2), and with it no way to hand over a descriptor whose mere
 * closing waits (SO_LINGER, a file system that hangs).
 */
static ssize_t
send_plain(int chan, const struct iovec iov[2])
{
	size_t len = iov[0].iov_len + iov[1].iov_len;
	uint8_t *bytes = xmalloc(len);
	ssize_t n;
	int error;

	memcpy(bytes, iov[0].iov_base, iov[0].iov_len);
	if (iov[1].iov_len > 0)
		memcpy(bytes + iov[0].iov_len, iov[1].iov_base,
		    iov[1].iov_len);
	do
		n = send(chan, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	error = errno;
	explicit_bzero(bytes, len);	/* it may be TICKETS */
	free(bytes);
	errno = error;
	return n;
}

static ssize_t
send_with_fd(int chan, struct iovec iov[2], int fd)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union control control;
	ssize_t n;

	attach_fd(&msg, &control, fd);
	do
		n = sendmsg(chan, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

int
chan_send(int chan, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, struct err *err)
{
	struct chan_head head = { .magic = CHAN_MAGIC, .type = type,
		.version = PROTO_VERSION, .generation = generation };
	struct iovec iov[2] = { { &head, sizeof(head) }, { NULL, 0 } };
	ssize_t n;

	if (payload != NULL) {
		ASSERT(payload->len <= CHAN_PAYLOAD_MAX);
		head.length = (uint32_t)payload->len;
		iov[1].iov_base = payload->data;
		iov[1].iov_len = payload->len;
	}
	n = fd >= 0 ? send_with_fd(chan, iov, fd) : send_plain(chan, iov);
	if (n < 0)
		return err_set_errno(err, "cannot send %s", proto_name(type));
	return 0;
}

/* Keeps the first descriptor that came; returns how many came too much. */
static int
take_fds(struct msghdr *msg, int *fd_out)
{
	int kept = -1, fd, excess = 0;
	struct cmsghdr *c;
	size_t n;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
			if (kept < 0) {
				kept = fd;
			} else {
				close(fd);
				excess++;
			}
		}
	}
	*fd_out = kept;
	return excess;
}

static int
check(const struct msghdr *msg, const struct chan_head *head, size_t n,
    int fd, int excess_fds, struct err *err)
{
	if (msg->msg_flags & MSG_TRUNC)
		return err_set(err, "the peer sent too long a message");
	if (excess_fds > 0 || (fd >= 0 && (msg->msg_flags & MSG_CTRUNC)))
		return err_set(err, "the peer sent more than one descriptor");
	if (n < sizeof(*head))
		return err_set(err, "the peer sent %zu bytes, not a message",
		    n);
	if (head->magic != CHAN_MAGIC)
		return err_set(err, "the peer sent a wrong magic number");
	if (head->version != PROTO_VERSION)
		return err_set(err, "the peer speaks protocol version %u, "
		    "not %u", head->version, PROTO_VERSION);
	if (head->length != n - sizeof(*head))
		return err_set(err, "the peer sent %zu bytes as %u",
		    n - sizeof(*head), head->length);
	return 0;
}

int
chan_recv(int chan, uint8_t *room, struct chan_message *message_out,
    struct err *err)
{
	struct chan_head head;
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ room, CHAN_PAYLOAD_MAX } };
	union control control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	int fd, excess;
	ssize_t n;

	/* A peer that died with our messages unread makes a reset, which the
	   kernel tells once, and before the last words of the peer. */
	do
		n = recvmsg(chan, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return err_set_errno(err, "the channel broke");
	if (n == 0 && msg.msg_controllen == 0) {
		err_set(err, "the peer closed the channel");
		return CHAN_GONE;
	}
	excess = take_fds(&msg, &fd);
	if (check(&msg, &head, (size_t)n, fd, excess, err) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*message_out = (struct chan_message){ .type = head.type,
		.generation = head.generation,
		.payload = { room, head.length, false }, .fd = fd,
		.fd_lost = fd < 0 && (msg.msg_flags & MSG_CTRUNC) };
	return 1;
}
