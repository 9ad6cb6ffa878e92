/* SPDX-License-Identifier: MIT */
/* A message of bytes that may be anything, with copies of one descriptor. */
#ifndef WSSD_TESTS_UNIT_SEND_FDS_H
#define WSSD_TESTS_UNIT_SEND_FDS_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SEND_FDS_MAX 16

/* What sendmsg(2) says.  n is at most SEND_FDS_MAX. */
static inline ssize_t
send_fds(int chan, const void *data, size_t len, int fd, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SEND_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd,
			    sizeof(int));
	}
	return sendmsg(chan, &msg, MSG_NOSIGNAL);
}

#endif
